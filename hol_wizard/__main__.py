"""`hol-wizard`, and `python -m hol_wizard`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from hol_wizard.entry import run


def _load() -> Callable[[], int]:
    from hol_wizard.cli import main

    return main


def main() -> int:
    """Run the command, and return its exit code."""
    return run("hol-wizard", _load)


if __name__ == "__main__":
    sys.exit(main())
