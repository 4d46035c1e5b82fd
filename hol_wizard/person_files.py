"""The only way in which the wizard writes files of the person.

For a set of files in a folder, there is a plan (`plan`). It is shown, and then only missing files are written. An
existing file is never replaced, even if it appears between planning and writing. Nothing is written through a link
below the folder.

A single file that must change (`Rewriting`) is replaced only if it has not changed since it was read. A link remains a
link, and its target is written. The file's permissions are kept.

In both cases, a file is written completely or not at all.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from hol_wizard.errors import UsageError


class Source(Protocol):
    """The intended contents of a file."""

    @property
    def content(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def executable(self) -> bool:
        """Whether it is executable."""
        ...


class State(StrEnum):
    """What exists at the path of a file."""

    NEW = "create"
    """Nothing exists."""
    SAME = "same"
    """The file exists already."""
    LEFT = "leave"
    """Something else exists, and is kept."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One file, and what exists at its path."""

    path: str
    """Relative to the folder, with slashes."""
    source: Source
    state: State
    reason: str = ""
    """Why it is not written."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What writing these files would do now."""

    folder: Path
    files: tuple[Planned, ...]

    def of(self, state: State) -> tuple[Planned, ...]:
        """Return the files in this state."""
        return tuple(each for each in self.files if each.state is state)

    def write(self) -> Plan:
        """Write what is missing, and return the new state; files that have appeared since are not changed.

        Raises:
            UsageError: A file cannot be written; the message says how many were.
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
                    "Correct it and run the same command again: it continues with the missing files.",
                ) from error
        return replace(self, files=tuple(done))


def plan(folder: Path, files: Mapping[str, Source]) -> Plan:
    """Return what writing files into a folder would do, without changing anything.

    Args:
        folder: It need not exist, and may itself be a link.
        files: The intended contents, by path relative to the folder, with slashes.

    Raises:
        UsageError: The path is not a folder.
    """
    root = Path(os.path.realpath(folder))
    nearest = next(place for place in (root, *root.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise UsageError(f"{nearest} is not a folder.", "Name another folder.")
    return Plan(root, tuple(_look(root, path, source) for path, source in files.items()))


def _look(root: Path, path: str, source: Source) -> Planned:
    """Return what exists at the path of a file.

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
        # Windows has junctions in addition to links; the real path of both is elsewhere.
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
            return Planned(path, source, State.LEFT, "a file with other contents exists")
    except FileNotFoundError:
        return Planned(path, source, State.NEW)
    except OSError as error:
        return Planned(path, source, State.LEFT, f"it cannot be read: {(error.strerror or str(error)).lower()}")
    return Planned(path, source, State.SAME)


def _written(root: Path, planned: Planned) -> Planned:
    """Write one file if nothing exists at its path, and return the new state.

    Raises:
        OSError: It cannot be written.
    """
    place = root / planned.path
    now = _look(root, planned.path, planned.source)
    if now.state is not State.NEW:
        return now
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_beside(place)
    try:
        _make(draft, 0o777 if planned.source.executable else 0o666)
        _fill(draft, planned.source.content)
        _put(draft, place)
    except FileExistsError:
        return _look(root, planned.path, planned.source)
    finally:
        # What could not be written can often not be removed either; the reason is on its way already.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return replace(planned, state=State.SAME)


class UnfitError(Exception):
    """The path is not a file and cannot be written; the message says what it is."""


class ChangedError(Exception):
    """The file has changed since it was read."""


class Rewriting:
    """One file of the person, read in order to be rewritten. Use it with `with`, so that no draft is left behind."""

    def __init__(self, path: Path, *, private: bool = False) -> None:
        """Read the current contents.

        Args:
            path: A file, a link to a file, or a path that does not exist.
            private: Whether only its owner may read the new file.

        Raises:
            UnfitError: It is something else, or a broken link.
            OSError: It cannot be read.
        """
        self._private = private
        self._place = Path(os.path.realpath(path))
        self._draft: Path | None = None
        self._found: os.stat_result | None = None
        self.before: bytes | None = None
        """Its contents; None if it does not exist."""
        try:
            self._found = self._place.stat()
        except FileNotFoundError:
            if os.path.lexists(path):
                raise UnfitError(f"it is a link to {self._place}, which does not exist") from None
            return
        if not stat.S_ISREG(self._found.st_mode):
            raise UnfitError("it is a folder" if stat.S_ISDIR(self._found.st_mode) else "it is not a file")
        self.before = self._place.read_bytes()

    def __enter__(self) -> Rewriting:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the draft if it was not used."""
        if self._draft is not None:
            # What could not be written can often not be removed either; the reason is on its way already.
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)

    def prepare(self) -> Path:
        """Check that the file can be written, before the work whose result it will contain, and return the draft.

        Raises:
            OSError: It cannot be written.
        """
        if self._draft is not None:
            return self._draft
        if self._place.exists() and not os.access(self._place, os.W_OK):
            # The folder's permissions alone would allow replacing it, but somebody made the file read-only on purpose.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        draft = _draft_beside(self._place)
        _make(draft, 0o600 if self._private or self._found is not None else 0o666)
        self._draft = draft
        return draft

    def write(self, content: bytes) -> None:
        """Write the file.

        Raises:
            ChangedError: It has changed since it was read, and is left unchanged.
            OSError: It cannot be written, and is left unchanged.
        """
        draft = self.prepare()
        if self._found is not None and not self._private:
            _give(draft, self._found)
        _fill(draft, content)
        if self.before is None:
            try:
                _put(draft, self._place)
            except FileExistsError as error:
                raise ChangedError from error
            return
        with self._unchanged():
            draft.replace(self._place)

    def remove(self) -> None:
        """Remove the file.

        Raises:
            ChangedError: It has changed since it was read, and is left unchanged.
            OSError: It cannot be removed.
        """
        with self._unchanged():
            self._place.unlink()

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Lock out other wizards, and allow the replacement if the file is the one that was read.

        Other programs do not use the lock. They could still write between this check and the next system call.

        Raises:
            ChangedError: It is another file, or its contents have changed.
        """
        try:
            with self._place.open("rb") as file:
                _lock(file.fileno())
                # The previous holder of the lock may have replaced the file.
                if not os.path.samestat(os.fstat(file.fileno()), self._place.stat()) or file.read() != self.before:
                    raise ChangedError
                if sys.platform != "win32":
                    yield
                    return
        except FileNotFoundError as error:
            raise ChangedError from error
        # Windows does not replace an open file.
        yield


_LOCK_SECONDS: Final = 2.0
"""How long another wizard may take to replace a file."""

if sys.platform == "win32":

    def _lock(handle: int) -> None:
        del handle

    def _give(draft: Path, found: os.stat_result) -> None:
        del draft, found

else:
    import fcntl

    def _lock(handle: int) -> None:
        """Lock an open file; closing it releases the lock. Some file systems have no locks."""
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < end:
                    time.sleep(0.01)
                    continue
            except OSError:
                # No locks here. The contents are compared anyway.
                return
            return

    def _give(draft: Path, found: os.stat_result) -> None:
        """Give a draft the owner and the permissions of the file that it replaces."""
        # Only root may change the owner; everybody may set a group that they are a member of.
        with suppress(OSError):
            os.chown(draft, -1, found.st_gid)
            os.chown(draft, found.st_uid, -1)
        draft.chmod(stat.S_IMODE(found.st_mode))


def _draft_beside(place: Path) -> Path:
    """Return the path of the draft that will replace the file; its length does not depend on the file's name."""
    return place.with_name(f".{os.urandom(6).hex()}.draft")


def _make(draft: Path, mode: int) -> None:
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))


def _fill(draft: Path, content: bytes) -> None:
    """Write a draft that `_make` created: it is not a link, and belongs to nobody else."""
    with draft.open("r+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
"""Errors of file systems without hard links: FAT, some network shares, Android's storage."""


def _put(draft: Path, place: Path) -> None:
    """Give a complete file its name, unless the name is in use.

    Raises:
        FileExistsError: The name is in use.
        OSError: The file cannot be renamed.
    """
    if sys.platform == "win32":
        # Only on Windows does this refuse to replace a file.
        draft.rename(place)
        return
    try:
        os.link(draft, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # First an empty file of ours reserves the name; then it is replaced.
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            draft.replace(place)
        except OSError:
            place.unlink()
            raise
