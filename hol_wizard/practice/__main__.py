"""`python -m hol_wizard.practice`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from hol_wizard.entry import run


def _load() -> Callable[[], int]:
    from hol_wizard.practice.process.commands import main

    return main


if __name__ == "__main__":
    sys.exit(run("hol-wizard practice", _load))
