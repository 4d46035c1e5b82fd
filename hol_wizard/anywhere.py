"""Starts a module of this package as another program's helper, wherever the package lies.

Other programs start helpers by a command and in a folder of their own, where `-m hol_wizard` finds an installed package
only, not the folder of the repository in which the README starts the wizard.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def words(module: str) -> list[str]:
    """Return the beginning of a command that starts a module, with paths that a shell on Windows takes, too.

    Args:
        module: `hol_wizard`, or one below it.
    """
    # -P: the folder in which it is started is no place to import from.
    return [Path(sys.executable).as_posix(), "-P", Path(__file__).resolve().as_posix(), module]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
