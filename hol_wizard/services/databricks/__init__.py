"""Databricks: a workspace (`client`), a module for each of its areas, and the CLI's profiles."""
