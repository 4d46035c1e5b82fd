"""The steps' functions (check, solve and undo), one module for each section."""
