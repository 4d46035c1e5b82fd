"""The system's clipboard, for terminals that cannot access it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from hol_wizard import variables


def copy_natively(text: str) -> bool:
    """Pass the text to the system's copy program; return whether there is one.

    Textual asks the terminal to copy (OSC 52). macOS Terminal does not support that, so the system is asked as well.
    """
    program = shutil.which("pbcopy") if sys.platform == "darwin" else None
    if program is None:
        return False
    environ = variables.of_child(os.environ)
    done = subprocess.run([program], input=text.encode(), env=environ, timeout=5, check=False)  # noqa: S603 a fixed program
    return done.returncode == 0
