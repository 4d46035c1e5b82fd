"""The command line: arguments, the practice command, choice of the front end, exit codes.

Only `sys`, `os` and `argparse` are imported at the top of its modules: `hol-wizard --version` answers at once, and the
first screen does not wait for what it does not need.
"""

from hol_wizard.cli.edge import main

__all__ = ["main"]
