"""Programs on this machine: whether they are installed, and their versions."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hol_wizard import variables

_LOOK_EVERY = 0.1
"""Seconds between two looks at how much a program has printed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a program."""

    code: int | None
    """Exit code; None if it is not installed, or did not end in time."""
    out: str = ""
    err: str = ""
    late: bool = False
    """Whether it was ended because of the time, or of how much it printed."""
    much: bool = False
    """Whether it was ended because it printed too much."""


def ask(
    command: Sequence[str],
    seconds: float,
    environ: Mapping[str, str] | None = None,
    *groups: variables.Group,
    folder: Path | None = None,
    most: int = 0,
) -> Answer:
    """Run a program without a shell, and return its result.

    Args:
        command: Program and arguments; the program is searched on the PATH.
        seconds: Time limit.
        environ: Environment variables; None: the process's own.
        groups: Those of them that it gets, besides what every program does.
        folder: Where it works; None: where this process does.
        most: Maximum number of bytes that it may print; 0: any.
    """
    environ = os.environ if environ is None else environ
    quiet = {"NO_COLOR": "1", "AZURE_CORE_COLLECT_TELEMETRY": "false"}
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        return Answer(None)
    # Files instead of pipes: a child of the program can keep a pipe open after the program was killed.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(  # noqa: S603 the programs are named in this package, and there is no shell
                [program, *command[1:]],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=variables.of_child(environ, *groups) | quiet,
                start_new_session=True,
            )
        except OSError as error:
            return Answer(None, err=str(error))
        code, much = _wait(process, seconds, (out.fileno(), err.fileno()), most)
        out.seek(0)
        err.seek(0)
        said, complained = (file.read(most or -1).decode("utf-8", "replace") for file in (out, err))
        return Answer(code, said, complained, late=code is None, much=much)


def _wait(
    process: subprocess.Popen[bytes], seconds: float, outputs: Sequence[int], most: int
) -> tuple[int | None, bool]:
    """Return a program's exit code, or None if it had to be ended, and whether that was because it printed too much."""
    end, pause = time.monotonic() + seconds, _LOOK_EVERY if most else seconds
    while True:
        left = end - time.monotonic()
        try:
            return process.wait(max(0.0, min(pause, left))), False
        except subprocess.TimeoutExpired:
            much = most > 0 and any(os.fstat(each).st_size > most for each in outputs)
            if much or left <= 0:
                _end(process)
                return None, much


def is_batch_file(program: str, path: str | None) -> bool:
    """Return whether Windows would start a program with its command interpreter."""
    return (shutil.which(program, path=path) or "").lower().endswith((".bat", ".cmd"))


def _end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            # It gets its own session: `az` is a script that starts Python.
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def version_in(text: str) -> tuple[int, ...] | None:
    """Return the first dotted version number in a text."""
    found = re.search(r"(?<!\d)(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?", text)
    return tuple(int(part) for part in found.groups() if part is not None) if found else None


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """What was found out about an optional program."""

    version: str
    """Empty if it is not installed."""
    note: str = ""
    remedy: str = ""
    """What to do; empty if nothing."""


class Programs:
    """The command-line tools for doing steps by hand."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ

    def azure_cli(self) -> ProgramReport:
        """Check the Azure CLI."""
        answer = ask(["az", "version", "--output", "json"], 15, self._environ, variables.AZURE)
        if answer.code is None:
            note = (
                "`az` is here, but did not answer in time: run it once by hand, `az version`."
                if answer.late
                else "To work by hand: learn.microsoft.com/cli/azure/install-azure-cli"
            )
            return ProgramReport("", note)
        try:
            version = str(json.loads(answer.out)["azure-cli"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ProgramReport("?", "The Azure CLI is there, but it does not tell its version.", "Run: az version")
        if (version_in(version) or (0,)) < (2, 37):
            # Since 2.37 it uses Microsoft Graph; in earlier versions, the lab's commands have different output.
            return ProgramReport(version, f"Azure CLI {version} is too old.", "Run: az upgrade")
        return ProgramReport(version)

    def databricks_cli(self) -> ProgramReport:
        """Check the Databricks CLI; the one from PyPI, 0.18 and earlier, was retired."""
        answer = ask(["databricks", "--version"], 10, self._environ, variables.DATABRICKS)
        if answer.code is None:
            note = (
                "`databricks` is here, but did not answer in time: run it once by hand, `databricks --version`."
                if answer.late
                else "To work by hand: docs.databricks.com/dev-tools/cli/install"
            )
            return ProgramReport("", note)
        found = version_in(answer.out or answer.err)
        if found is None:
            return ProgramReport(
                "?", "The Databricks CLI is there, but it does not tell its version.", "Run: databricks --version"
            )
        version = ".".join(map(str, found))
        if found < (0, 200):
            return ProgramReport(
                version,
                f"Databricks CLI {version} is the retired one from PyPI.",
                "pip uninstall databricks-cli, then install the current one: docs.databricks.com/dev-tools/cli/install",
            )
        return ProgramReport(version)
