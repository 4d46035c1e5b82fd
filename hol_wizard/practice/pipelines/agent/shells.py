r"""Finds bash, and writes the scripts that it runs.

On Windows, bash must be Git's: the first one on the search path is usually `System32\bash.exe`, which starts the
Windows Subsystem for Linux (azure-devops-docs issue 3561, actions/runner issue 216). Git's is next to the folder that
`git --exec-path` names, and takes paths as `/c/folder`. That has been tested with fakes only, not on Windows.
"""

from __future__ import annotations

import os
import shlex
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path, PureWindowsPath

from hol_wizard.practice.pipelines.agent import environment

NO_BASH = (
    "This step needs bash, and this machine has none. Install Git for Windows (https://git-scm.com/download/win), which"
    " includes it, and run the pipeline again."
)


class NoShellError(Exception):
    """This machine has no bash; the message says how to install it."""


def bash(variables: Mapping[str, str], windows: bool, exec_path: Callable[[], str]) -> str:
    """Return the path of bash.

    Args:
        variables: The step's environment.
        windows: Whether this machine has Windows.
        exec_path: Returns what `git --exec-path` prints; empty without git.

    Raises:
        NoShellError: There is none.
    """
    if not windows:
        found = environment.program("bash", variables)
    else:
        folder = exec_path()
        # C:/Program Files/Git/mingw64/libexec/git-core
        candidate = (PureWindowsPath(folder).parents[2] / "bin" / "bash.exe").as_posix() if folder else ""
        found = candidate if candidate and Path(candidate).is_file() else None
    if found is None:
        raise NoShellError(NO_BASH)
    return found


def path_for_bash(path: Path | str, windows: bool) -> str:
    """Return a path as bash takes it: on Windows, `C:\\a` becomes `/c/a`."""
    if not windows:
        return str(path)
    found = PureWindowsPath(path)
    if not found.drive:
        return found.as_posix()
    return f"/{found.drive[0].lower()}/{PureWindowsPath(*found.parts[1:]).as_posix()}"


def quoted(path: str) -> str:
    """Return a path in the quotes that the task Bash writes."""
    return "'" + path.replace("'", "'\\''") + "'"


def write_script(folder: Path, text: str, suffix: str = ".sh") -> Path:
    """Write a script, with the line ends of Unix and only for its owner, and return its path."""
    file = folder / f"{uuid.uuid4()}{suffix}"
    content = text.replace("\r\n", "\n").encode("utf-8")
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as written:
        written.write(content)
    return file


def arguments(text: str) -> list[str]:
    """Return the arguments in a text, which may have quotes."""
    return shlex.split(text)
