"""Test results and coverage: what pytest and other tools write, as values that every part of the program can use.

The wizard reads the files of its own test step, and the practice cloud those that a pipeline publishes.
"""
