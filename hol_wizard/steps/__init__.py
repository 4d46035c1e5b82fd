"""The steps' functions, a module for each section: check, solve and undo side by side."""
