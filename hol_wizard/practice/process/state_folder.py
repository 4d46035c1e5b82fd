"""The folder of the practice cloud's files: it replaces and removes files there, so it never uses another folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

MARK_FILE: Final = ".hol-wizard-practice"
"""This file identifies a folder of a practice cloud."""
_BEFORE: Final = frozenset({"launch.lock", "server.lock", "server.out"})
"""Files that a start writes before the check."""
_NAMES: Final = frozenset(
    {"bundle.pem", "ca.pem", "databrickscfg", "endpoints.json", "files", "git", "git-folders"}
    | {"job-logs", "job-work", "names.json", "shell-bundle.pem"}
)
_BEGINNINGS: Final = ("cloud.sqlite", "server.log", "snapshots")
_DATABASE: Final = "cloud.sqlite"


class ForeignFolderError(Exception):
    """The folder contains somebody else's files; the message says which."""


def is_ours(state: Path) -> bool:
    """Return whether a folder belongs to a practice cloud: it is marked, or an earlier version created it."""
    if (state / MARK_FILE).is_file():
        return True
    database = _beginning(state / _DATABASE)
    # After an early kill, the tables are only in the write-ahead log (sqlite.org/wal.html).
    tables = database + _beginning(state / f"{_DATABASE}-wal")
    return database.startswith(b"SQLite format 3\0") and b"CREATE TABLE documents (place INTEGER" in tables


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 16)
    except OSError:
        return b""


def claim(state: Path, *, is_wizards: bool = False) -> None:
    """Mark a folder as the practice cloud's; it is created if it is missing.

    Args:
        state: The folder.
        is_wizards: Whether it is the wizard's own folder, which also contains ledgers of profiles. Then, only entries
            with the name of one of the practice cloud's files count as somebody else's.

    Raises:
        ForeignFolderError: It contains something else, and nothing in it is changed.
        OSError: It cannot be used.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not is_ours(state):
        names = sorted({each.name for each in state.iterdir()} - _BEFORE)
        if is_wizards:
            names = [name for name in names if name in _NAMES or name.startswith(_BEGINNINGS)]
        # Another start marks the folder before it writes anything else.
        if names and not is_ours(state):
            told = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
            raise ForeignFolderError(f"{state} is not a practice cloud's folder, and it is not empty: {told}.")
    if sys.platform != "win32":
        # Created by somebody else, or by an earlier version.
        state.chmod(0o700)
    if not (state / MARK_FILE).exists():
        os.close(os.open(state / MARK_FILE, os.O_WRONLY | os.O_CREAT, 0o600))
