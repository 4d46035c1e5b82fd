"""The log of a job, or of one of its steps: lines in a file, up to a limit."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

LOG_BYTES = 64 << 20
"""How much of a log is kept."""
LINE_BYTES = 1 << 20
"""From which length on a line without an end counts as one."""


class JobLog:
    """Lines in a file; what is over the limit is left out, and the last line says so."""

    def __init__(self, path: Path, limit: int = LOG_BYTES) -> None:
        self._path = path
        self._limit = limit
        self.lines = 0
        """How many there are."""
        self.size = 0
        """Their bytes."""
        self.cut = False
        """Whether some are left out."""
        if path.exists():
            # A record that is worked on again goes on in its log.
            self.size = path.stat().st_size
            self.lines = len(read(path))
            self.cut = self.size > limit

    def append(self, *lines: str) -> None:
        """Add lines; a line break within one is a space, so that the numbers of lines stay true."""
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
        first: Number of the first line, from 1 on.
        count: How many at most; None: all that there are.
    """
    try:
        with path.open("rb") as file:
            start = max(first, 1) - 1
            chosen = islice(file, start, None if count is None else start + max(count, 0))
            return [each.removesuffix(b"\n").decode("utf-8", "replace") for each in chosen]
    except FileNotFoundError:
        return []


class Lines:
    """Makes lines of bytes as they come; what is not UTF-8 is replaced."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, data: bytes) -> list[str]:
        """Return the lines that are whole now; with no data, at the end, the rest."""
        whole = self._rest + data
        parts = whole.split(b"\n")
        self._rest = parts.pop()
        if self._rest and (not data or len(self._rest) > LINE_BYTES):
            parts.append(self._rest)
            self._rest = b""
        return [each.removesuffix(b"\r").decode("utf-8", "replace") for each in parts]
