"""Runs this machine's git on the bare repositories of the practice cloud, without the user's own settings."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hol_wizard import variables

_SECONDS = 300.0
_NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0  # CREATE_NO_WINDOW


class GitMissingError(Exception):
    """git is not installed on this machine."""


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a git command."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Its output."""
        return self.out.decode("utf-8", "replace")


def _prepared(folder: Path) -> tuple[str, dict[str, str]]:
    """Return git and its environment for a folder.

    Raises:
        GitMissingError: git is not installed.
    """
    program = shutil.which("git")
    if program is None:
        raise GitMissingError
    own = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TEMPLATE_DIR": "",
        # The current defaults, and the format that `bare_refs` reads.
        "GIT_DEFAULT_REF_FORMAT": "files",
        "GIT_DEFAULT_HASH": "sha1",
    }
    own |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "LC_ALL": "C", "LANGUAGE": "C"}
    # If a repository is damaged, git must not use one of the user's own in a folder above it instead.
    own["GIT_CEILING_DIRECTORIES"] = str(folder.absolute().parent)
    return program, {**variables.of_child(os.environ), **own}


def read(folder: Path, *words: str) -> Run:
    """Run a git command that takes milliseconds, for code that cannot wait, and return its output.

    Raises:
        GitMissingError: git is not installed.
    """
    program, environment = _prepared(folder)
    done = subprocess.run(  # noqa: S603 - git, with words of ours
        [program, *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
        creationflags=_NO_WINDOW,
    )
    return Run(done.returncode, done.stdout, done.stderr)


async def run(folder: Path, *words: str, given: bytes = b"", more: Mapping[str, str] | None = None) -> Run:
    """Run git, and return its output.

    Args:
        folder: The bare repository, or the folder for a new one.
        words: Command and arguments.
        given: Its standard input.
        more: Environment variables.

    Raises:
        GitMissingError: git is not installed.
    """
    program, environment = _prepared(folder)
    process = await asyncio.create_subprocess_exec(
        program,
        *words,
        cwd=folder,
        env={**environment, **(more or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        creationflags=_NO_WINDOW,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(given), _SECONDS)
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    return Run(process.returncode or 0, out, err)
