"""A terminal wizard for the Databricks + Azure DevOps hands-on lab."""

__version__ = "0.1.0"
