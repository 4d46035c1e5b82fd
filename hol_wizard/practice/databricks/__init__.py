"""What a Databricks workspace of the practice cloud answers, each on a port of its own."""
