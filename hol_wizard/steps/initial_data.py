"""Section initial-data: the data file in each data lake."""
