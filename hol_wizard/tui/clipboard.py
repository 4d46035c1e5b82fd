"""The system's clipboard, where the terminal cannot reach it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from hol_wizard import variables


def copy_natively(text: str) -> bool:
    """Hand the text to the system's own copy program; tell whether there was one.

    Textual asks the terminal to copy (OSC 52). The Terminal of macOS does not do it, so there the system is asked too.
    """
    program = shutil.which("pbcopy") if sys.platform == "darwin" else None
    if program is None:
        return False
    environ = variables.of_child(os.environ)
    done = subprocess.run([program], input=text.encode(), env=environ, timeout=5, check=False)  # noqa: S603 a fixed program
    return done.returncode == 0
