"""Section databricks-access: access to Databricks from outside."""
