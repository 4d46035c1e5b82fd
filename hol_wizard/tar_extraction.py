"""Extraction of archives that somebody else may have made: as data, and never outside the destination.

Python does that itself since 3.11.4 (`tarfile.data_filter`); Debian 12 has 3.11.2. Standard library only.
"""

from __future__ import annotations

import copy
import os
import tarfile
from pathlib import Path


def extract_member(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Extract one member into a folder.

    Raises:
        tarfile.TarError: It, or what it links to, would be outside the folder, or it is a device or a pipe.
    """
    if hasattr(tarfile, "data_filter"):
        archive.extract(member, target, filter="data")
        return
    place = target / member.name
    _require_inside(member, target, place)
    if member.issym():
        _require_inside(member, target, place.parent / member.linkname)
    elif member.islnk():
        _require_inside(member, target, target / member.linkname)
    elif not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"{member.name!r} is a special file")
    ours = copy.copy(member)
    ours.mode = 0o755 if member.isdir() else member.mode & 0o755 | 0o600
    ours.uname = ours.gname = ""
    if hasattr(os, "getuid"):
        ours.uid, ours.gid = os.getuid(), os.getgid()
    archive.extract(ours, target)


def _require_inside(member: tarfile.TarInfo, target: Path, place: Path) -> None:
    if not place.resolve().is_relative_to(target.resolve()):
        raise tarfile.TarError(f"{member.name!r} would be extracted outside the destination")
