"""The command line: arguments, the practice command, choice of the front end, exit codes.

Its modules import only `sys`, `os` and `argparse` at the top, so that `hol-wizard --version` answers immediately and
the first screen does not wait for what it does not need.
"""

from hol_wizard.cli.edge import main

__all__ = ["main"]
