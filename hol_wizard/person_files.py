"""Files that the wizard puts into a folder of the person's: planned, shown, and then only what is missing is written.

Nothing that is there is ever replaced, not even what appears between plan and writing. Nothing is written through a
link below the folder. A file is there whole or not at all.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from hol_wizard.errors import UsageError


class Source(Protocol):
    """What a file is to hold."""

    @property
    def content(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def executable(self) -> bool:
        """Whether it is run as a program."""
        ...


class State(StrEnum):
    """How the place of a file looks."""

    NEW = "create"
    """Nothing is there."""
    SAME = "same"
    """The file is there already."""
    LEFT = "leave"
    """Something else is there, and stays."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One file, and what is in its place."""

    path: str
    """From the folder, with slashes."""
    source: Source
    state: State
    reason: str = ""
    """Why it is left alone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What writing these files means now."""

    folder: Path
    files: tuple[Planned, ...]

    def of(self, state: State) -> tuple[Planned, ...]:
        """Return the files in a state."""
        return tuple(each for each in self.files if each.state is state)

    def write(self) -> Plan:
        """Write what is missing, and return how all of it looks then; what has appeared since is left alone.

        Raises:
            UsageError: A file cannot be written; it says how many were.
        """
        done: list[Planned] = []
        for each in self.files:
            try:
                done.append(_written(self.folder, each) if each.state is State.NEW else each)
            except OSError as error:
                count = sum(then.state is not now.state for then, now in zip(self.files, done, strict=False))
                raise UsageError(
                    f"{self.folder / each.path} cannot be written: {(error.strerror or str(error)).lower()}. "
                    f"{count} of {len(self.of(State.NEW))} files were written.",
                    "Put that right and run the same command again: it goes on with what is missing.",
                ) from error
        return replace(self, files=tuple(done))


def plan(folder: Path, files: Mapping[str, Source]) -> Plan:
    """Return what writing files into a folder would do; nothing is changed.

    Args:
        folder: It may be missing, and may itself be a link.
        files: What is to be there, by path from the folder, with slashes.

    Raises:
        UsageError: The folder is none.
    """
    root = Path(os.path.realpath(folder))
    nearest = next(place for place in (root, *root.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise UsageError(f"{nearest} is not a folder.", "Name another folder.")
    return Plan(root, tuple(_look(root, path, source) for path, source in files.items()))


def _look(root: Path, path: str, source: Source) -> Planned:
    """Return how the place of a file looks.

    Raises:
        ValueError: The path leaves the folder.
    """
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
        raise ValueError(f"not a path inside a folder: {path!r}")
    place = root.joinpath(*parts)
    for above in reversed(place.relative_to(root).parents[:-1]):
        folder = root / above
        if not os.path.lexists(folder):
            return Planned(path, source, State.NEW)
        # Windows has junctions besides links; both lead to a real path elsewhere.
        if folder.is_symlink() or Path(os.path.realpath(folder)) != folder:
            return Planned(path, source, State.LEFT, f"{above.as_posix()} is a link to another folder")
        if not folder.is_dir():
            return Planned(path, source, State.LEFT, f"{above.as_posix()} is not a folder")
    try:
        found = place.lstat()
        if stat.S_ISLNK(found.st_mode):
            return Planned(path, source, State.LEFT, "it is a link")
        if not stat.S_ISREG(found.st_mode):
            return Planned(path, source, State.LEFT, "it is not a file")
        if found.st_size != len(source.content) or place.read_bytes() != source.content:
            return Planned(path, source, State.LEFT, "a file with other content is there")
    except FileNotFoundError:
        return Planned(path, source, State.NEW)
    except OSError as error:
        return Planned(path, source, State.LEFT, f"it cannot be read: {(error.strerror or str(error)).lower()}")
    return Planned(path, source, State.SAME)


def _written(root: Path, planned: Planned) -> Planned:
    """Write one file where still nothing is in its place, and return how it looks then.

    Raises:
        OSError: It cannot be written.
    """
    place = root / planned.path
    now = _look(root, planned.path, planned.source)
    if now.state is not State.NEW:
        return now
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{os.urandom(6).hex()}.draft")
    mode = 0o777 if planned.source.executable else 0o666
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode), "wb") as file:
            file.write(planned.source.content)
            file.flush()
            os.fsync(file.fileno())
        _put(draft, place)
    except FileExistsError:
        return _look(root, planned.path, planned.source)
    finally:
        # What could not be written can often not be removed either; the reason is on its way already.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return replace(planned, state=State.SAME)


_BINARY: Final = getattr(os, "O_BINARY", 0)
_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
"""What file systems without hard links answer: FAT, some network shares, Android's storage."""


def _put(draft: Path, place: Path) -> None:
    """Give a complete file its name, where nothing has it.

    Raises:
        FileExistsError: Something has it.
        OSError: It cannot be done.
    """
    if sys.platform == "win32":
        # There, and only there, this refuses to replace.
        draft.rename(place)
        return
    try:
        os.link(draft, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The name is taken first, by an empty file of our own, which is then replaced.
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            draft.replace(place)
        except OSError:
            place.unlink()
            raise
