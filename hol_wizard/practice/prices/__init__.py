"""The list of prices."""
