"""Test results and coverage from the files of pytest and other tools, for all parts of the program.

The wizard reads the files of its own test step; the practice cloud reads those that a pipeline publishes.
"""
