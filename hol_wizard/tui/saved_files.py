"""Notices that files were saved, by looking at them: no watcher of the operating system, no thread of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Stamp = tuple[int, int, int] | None
"""Modification time, size and file number; None if there is no such file, or it cannot be looked at."""


def _stamp(path: Path) -> Stamp:
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


class SavedFiles:
    """How files were when they were last reported as saved."""

    def __init__(self) -> None:
        self._known: dict[Path, Stamp] = {}
        self._before: dict[Path, Stamp] = {}

    def look(self, files: Mapping[str, Sequence[Path]]) -> list[str]:
        """Return the keys of files that have changed since the first look or the last report, and have settled.

        A file has settled if two looks in a row see the same: an editor may remove it or write it in parts.

        Args:
            files: The files of each key.
        """
        now = {path: _stamp(path) for paths in files.values() for path in paths}
        saved = {path for path, stamp in now.items() if stamp != self._known.setdefault(path, stamp)}
        saved = {path for path in saved if self._before.get(path) == now[path]}
        self._known.update({path: now[path] for path in saved})
        self._before = now
        return [key for key, paths in files.items() if not saved.isdisjoint(paths)]
