"""The Databricks workspaces of the practice cloud, each on a port of its own."""
