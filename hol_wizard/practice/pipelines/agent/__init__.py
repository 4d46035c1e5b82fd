"""The practice agent: runs one job of a pipeline on this machine."""
