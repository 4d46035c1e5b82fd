"""The environment of a step's programs: an allow-list, never the person's own environment.

What is passed on from this machine is in `PASSED_ON`. The home folder and all folders of settings are the job's own, so
that no program finds the person's keys, sign-ins and configuration; git does not read theirs either. The search path
begins with the practice cloud's launchers and with programs that refuse to work here (`sudo`).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from hol_wizard.practice.pipelines.agent.workspace import Workspace

PASSED_ON = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS", "TZ")
"""Variables of this process that steps receive, besides the search path."""
_HOMES = ("HOME", "USERPROFILE")
_TEMPORARY = ("TMP", "TEMP", "TMPDIR")
_OF_HOME = {
    "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local",
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_RUNTIME_DIR": ".run",
}
OWN = ("PATH", "LANG", "GIT_CONFIG_GLOBAL", "GIT_TERMINAL_PROMPT", *_HOMES, *_TEMPORARY, *_OF_HOME)
"""Variables that all steps have with values of the job's own."""
_SUDO = """#!/bin/sh
echo "The practice agent does not run sudo: install what this step needs yourself, and remove the command." >&2
exit 1
"""


def search_path(
    given: str, workspace: Workspace, launchers: Path | None, prepended: list[str], separator: str = os.pathsep
) -> str:
    """Return the search path of a step.

    Args:
        given: The search path of this process.
        workspace: The job's folders.
        launchers: The practice cloud's folder of launchers, or None.
        prepended: Folders that steps have prepended, the last one first.
        separator: Between two folders.
    """
    own = [*prepended, *([str(launchers)] if launchers is not None else []), str(workspace.shims)]
    return separator.join([*own, given] if given else own)


def base(
    machine: Mapping[str, str],
    workspace: Workspace,
    launchers: Path | None,
    prepended: list[str],
    practice: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment that all steps of a job have.

    Args:
        machine: The environment of this process.
        workspace: The job's folders.
        launchers: The practice cloud's folder of launchers, or None.
        prepended: Folders that steps have prepended to the search path.
        practice: Addresses and certificates of the practice cloud.
    """
    names = {name.upper(): value for name, value in machine.items()}
    found = {name: names[name] for name in PASSED_ON if name in names}
    found["PATH"] = search_path(names.get("PATH", ""), workspace, launchers, prepended)
    found["LANG"] = "C.UTF-8"
    found |= dict.fromkeys(_HOMES, str(workspace.home))
    found |= dict.fromkeys(_TEMPORARY, str(workspace.temporary))
    for name, below in _OF_HOME.items():
        folder = workspace.home / below
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found[name] = str(folder)
    found["GIT_CONFIG_GLOBAL"] = os.devnull
    found["GIT_TERMINAL_PROMPT"] = "0"
    return found | dict(practice)


def write_shims(folder: Path) -> None:
    """Write the programs that refuse to work here."""
    if sys.platform != "win32":
        sudo = folder / "sudo"
        sudo.write_text(_SUDO, encoding="utf-8", newline="\n")
        sudo.chmod(0o700)


def program(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of a program on a step's search path, or None."""
    return shutil.which(name, path=environment.get("PATH", ""))
