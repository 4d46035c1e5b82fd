"""Reads the refs of a bare repository from its files: starting git for each request would take most of the time.

git replaces each of these files as a whole (gitrepository-layout; git-pack-refs), so a read never sees half of one.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_FOLDER = "refs"
_PACKED = "packed-refs"
_REFERS = "ref: "
_OBJECT = re.compile(r"[0-9a-f]{40}")


def read(path: Path) -> dict[str, str] | None:
    """Return the objects that refs point to by the refs' full names, sorted; None if only git can read them.

    Args:
        path: Path of the repository.
    """
    loose: dict[str, str] = {}
    # These first: a ref that is packed in the meantime is then found in the other file.
    for folder, _, names in os.walk(path / _FOLDER):
        for each in (Path(folder, name) for name in names if not name.endswith(".lock")):
            # Otherwise it was deleted or packed between the two reads.
            with contextlib.suppress(FileNotFoundError):
                loose[each.relative_to(path).as_posix()] = each.read_text(encoding="utf-8").strip()
    found = {**_packed(path / _PACKED), **loose}
    if not all(_OBJECT.fullmatch(each) for each in found.values()):
        return None
    return dict(sorted(found.items()))


def _packed(file: Path) -> dict[str, str]:
    """Return the refs of a file that `git pack-refs` has written."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split(" ", 1) for line in lines if line[:1] not in {"#", "^"} and " " in line)
    return {name: identity for identity, name in pairs}


def head(path: Path) -> str:
    """Return the branch that HEAD refers to, whether it exists or not; empty if it refers to none."""
    said = (path / "HEAD").read_text(encoding="utf-8").strip()
    return said.removeprefix(_REFERS) if said.startswith(_REFERS) else ""
