"""Starts a module of this package as another program's helper, wherever the package is installed.

Other programs start helpers with a command and in another folder, where `-m hol_wizard` finds only an installed
package, not the checkout in which the README starts the wizard.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def words(module: str) -> list[str]:
    """Return the beginning of a command that starts a module, with paths that also work in a shell on Windows.

    Args:
        module: `hol_wizard`, or one below it.
    """
    # -P: nothing must be imported from the folder in which it is started.
    return [Path(sys.executable).as_posix(), "-P", Path(__file__).resolve().as_posix(), module]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
