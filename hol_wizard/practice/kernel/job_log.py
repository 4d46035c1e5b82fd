"""The log of a job, or of one of its steps: lines in a file, up to a limit."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

LOG_BYTES = 64 << 20
"""Maximum size of a log."""
LINE_BYTES = 1 << 20
"""Length at which an unfinished line counts as a line."""


class JobLog:
    """Lines in a file; what exceeds the limit is omitted, and the last line says so."""

    def __init__(self, path: Path, limit: int = LOG_BYTES) -> None:
        self._path = path
        self._limit = limit
        self.lines = 0
        """Number of lines."""
        self.size = 0
        """Their size in bytes."""
        self.cut = False
        """Whether lines are omitted."""
        if path.exists():
            # If work on a record resumes, its log is continued.
            self.size = path.stat().st_size
            self.lines = len(read(path))
            self.cut = self.size > limit

    def append(self, *lines: str) -> None:
        """Add lines; a line break within one becomes a space, so that line numbers remain correct."""
        if self.cut or not lines:
            return
        kept = bytearray()
        for each in lines:
            line = each.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace") + b"\n"
            if self.size + len(line) > self._limit:
                line = f"[The log is longer than {self._limit} bytes. What follows is left out.]\n".encode()
                self.cut = True
            kept += line
            self.size += len(line)
            self.lines += 1
            if self.cut:
                break
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(kept)


def read(path: Path, first: int = 1, count: int | None = None) -> list[str]:
    """Return lines of a log; none if nothing was written.

    Args:
        path: Its file.
        first: Number of the first line, from 1.
        count: Maximum number of lines; None for all.
    """
    try:
        with path.open("rb") as file:
            start = max(first, 1) - 1
            chosen = islice(file, start, None if count is None else start + max(count, 0))
            return [each.removesuffix(b"\n").decode("utf-8", "replace") for each in chosen]
    except FileNotFoundError:
        return []


class Lines:
    """Splits incoming bytes into lines; bytes that are not UTF-8 are replaced."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, data: bytes) -> list[str]:
        """Return the lines that are complete now; without data, at the end, the rest."""
        whole = self._rest + data
        parts = whole.split(b"\n")
        self._rest = parts.pop()
        if self._rest and (not data or len(self._rest) > LINE_BYTES):
            parts.append(self._rest)
            self._rest = b""
        return [each.removesuffix(b"\r").decode("utf-8", "replace") for each in parts]
