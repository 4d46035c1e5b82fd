"""Files of the person's that the wizard writes: the one way for all of them.

A set of files goes into a folder by a plan (`plan`): it is shown, and then only what is missing is written. Nothing
that is there is ever replaced, not even what appears between plan and writing. Nothing is written through a link below
the folder.

A single file that has to change (`Rewriting`) is replaced only while it still is what was read and judged. A link stays
a link, and its target is written. Who may read the file stays as it is.

In both, a file is there whole or not at all.
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
    """Why it is not written."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What writing these files means now."""

    folder: Path
    files: tuple[Planned, ...]

    def of(self, state: State) -> tuple[Planned, ...]:
        """Return the files in a state."""
        return tuple(each for each in self.files if each.state is state)

    def write(self) -> Plan:
        """Write what is missing, and return how all of it looks then; what has appeared since is not changed.

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
                    "Correct it and run the same command again: it continues with the missing files.",
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
            return Planned(path, source, State.LEFT, "a file with other contents exists")
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
    """There is something other than a file, which cannot be written; the message says what it is."""


class ChangedError(Exception):
    """The file is no longer what was read."""


class Rewriting:
    """One file of the person's, read to be written again. Used with `with`, which leaves no draft behind."""

    def __init__(self, path: Path, *, private: bool = False) -> None:
        """Read what is there.

        Args:
            path: A file, a link to one, or where nothing is.
            private: Whether only its owner may read it from now on.

        Raises:
            UnfitError: It is something else, or a link that leads nowhere.
            OSError: It cannot be read.
        """
        self._private = private
        self._place = Path(os.path.realpath(path))
        self._draft: Path | None = None
        self._found: os.stat_result | None = None
        self.before: bytes | None = None
        """What it holds; None: it does not exist."""
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
        """Remove the draft of what was not written."""
        if self._draft is not None:
            # What could not be written can often not be removed either; the reason is on its way already.
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)

    def prepare(self) -> Path:
        """See that the file can be written, before the work whose outcome it is to hold, and return the draft.

        Raises:
            OSError: It cannot.
        """
        if self._draft is not None:
            return self._draft
        if self._place.exists() and not os.access(self._place, os.W_OK):
            # Its folder alone would let it be replaced; whoever made it read-only does not want that.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        draft = _draft_beside(self._place)
        _make(draft, 0o600 if self._private or self._found is not None else 0o666)
        self._draft = draft
        return draft

    def write(self, content: bytes) -> None:
        """Write the file.

        Raises:
            ChangedError: It has changed since it was read, and stays as it is.
            OSError: It cannot be written, and stays as it is.
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
            ChangedError: It has changed since it was read, and stays as it is.
            OSError: It cannot be removed.
        """
        with self._unchanged():
            self._place.unlink()

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Hold off other wizards, and let the file be replaced if it is the one that was read.

        Other programs know no lock. They could still write between this look and the very next system call.

        Raises:
            ChangedError: It is another one, or holds something else.
        """
        try:
            with self._place.open("rb") as file:
                _lock(file.fileno())
                # Whoever held the lock may have put another file into its place.
                if not os.path.samestat(os.fstat(file.fileno()), self._place.stat()) or file.read() != self.before:
                    raise ChangedError
                if sys.platform != "win32":
                    yield
                    return
        except FileNotFoundError as error:
            raise ChangedError from error
        # Windows replaces no file that is open.
        yield


_LOCK_SECONDS: Final = 2.0
"""How long another wizard may take to put a file into its place."""

if sys.platform == "win32":

    def _lock(handle: int) -> None:
        del handle

    def _give(draft: Path, found: os.stat_result) -> None:
        del draft, found

else:
    import fcntl

    def _lock(handle: int) -> None:
        """Take the lock of an open file, which goes when it is closed; some file systems have none."""
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < end:
                    time.sleep(0.01)
                    continue
            except OSError:
                # No locks here. What the file holds is compared all the same.
                return
            return

    def _give(draft: Path, found: os.stat_result) -> None:
        """Give a draft the owner and the permissions of the file whose place it takes."""
        # Only root may give a file away; a group that one is in, everybody.
        with suppress(OSError):
            os.chown(draft, -1, found.st_gid)
            os.chown(draft, found.st_uid, -1)
        draft.chmod(stat.S_IMODE(found.st_mode))


def _draft_beside(place: Path) -> Path:
    """Return where to write a file that then takes its place; the name does not grow with the file's."""
    return place.with_name(f".{os.urandom(6).hex()}.draft")


def _make(draft: Path, mode: int) -> None:
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))


def _fill(draft: Path, content: bytes) -> None:
    """Write a draft that `_make` made: it is no link, and nobody else's."""
    with draft.open("r+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


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
