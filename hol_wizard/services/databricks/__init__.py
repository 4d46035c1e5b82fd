"""Databricks: a workspace (`client`), each of its subjects in a module of its own, and the CLI's profiles."""
