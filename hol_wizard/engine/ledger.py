"""The record of what this wizard creates, written before it is created.

An append-only file of JSON lines, one event each, which are on the disk before any request is sent: after a kill at any
point, the ledger says what may exist. The actual state decides what does exist; the ledger only says who owns it.

Missing entries are detected: every line has a checksum, and another file records the ledger's length. A kill can
truncate the last line, which is tolerated. Everything else that cannot be read is `Damage`: it is reported, and nothing
is concluded from it.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import stat
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from hol_wizard.errors import LedgerError
from hol_wizard.paths import unwritable

SIGN_IN_PREFIX = "sign-in/"
"""Prefix of the ID of a sign-in, the only entry that is not about a resource in the cloud."""
SIGN_IN: Final = "Sign-in"
"""Its kind."""

REBUILD: Final = "hol-wizard ledger rebuild"
"""The command that rebuilds a damaged or lost ledger."""

_SEAL: Final = b"\x18"
"""CANCEL: ends a line that a kill truncated, so that it can be recognized when other lines follow."""
_BEGIN: Final = b'{"crc32": "'
"""The beginning of every line that this module writes; the checksum covers everything after it and a comma."""
_CHECKSUM: Final = re.compile(rb'\{"crc32": "([0-9a-f]{8})", (?=")')

_LETTER: Final = rb'(?:[^"\\\x00-\x1f\x7f-\xff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+'
_WHOLE: Final = rb'"' + _LETTER + rb'"'
_OPEN: Final = rb'"' + _LETTER + rb"(?:\\(?:u[0-9a-fA-F]{0,3})?)?"
_TORN: Final = re.compile(
    rb"\{(?:" + _WHOLE + rb": " + _WHOLE + rb", )*+"
    rb"(?:" + _OPEN + rb"|" + _WHOLE + rb"(?::(?: (?:" + _OPEN + rb"|" + _WHOLE + rb",?)?)?)?)?"
)
"""A line of ours that a kill has truncated: ASCII, without the closing brace."""

_SHOWN_RANGES: Final = 10


class Fact(StrEnum):
    """The fact that a ledger line states about a resource."""

    INTENT = "intent"
    """About to be created; it may exist from here on."""
    OPERATION = "operation"
    """The cloud accepted the request; `detail` is the address for its progress."""
    CREATED = "created"
    FAILED = "failed"
    """The creation was refused or failed; `detail` says how."""
    WITHDRAWN = "withdrawn"
    """The request was refused, and we created nothing; `detail` says why."""
    ADOPTED = "adopted"
    """Somebody else created it, and it fits; the wizard must not remove it."""
    LEFT = "left"
    """It is not, or no longer, recognizable as the wizard's, and was left in place; `detail` says why."""
    DELETED = "deleted"
    """It is gone, and that was verified."""


NOT_OURS = frozenset({Fact.WITHDRAWN, Fact.ADOPTED, Fact.DELETED})
"""After these facts, nothing of ours exists until the next intent."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    fact: Fact
    target: str
    resource: str
    """Identifier in its service; for Azure, the full resource ID."""
    kind: str
    """The kind of resource, in the portal's words."""
    detail: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    """Time of writing, ISO 8601 in UTC; empty if the line does not contain it."""
    by: str = ""
    """Who creates it, as the service identifies the account: its ID, a space, its name.

    Empty if the service does not hide resources, and in ledgers of earlier versions.
    """

    @property
    def time(self) -> datetime | None:
        """The time of writing; None if the line contains none, or one that cannot be compared with others."""
        try:
            found = datetime.fromisoformat(self.at)
        except ValueError:
            return None
        return found if found.tzinfo else None


_FIELDS: Final = frozenset(each.name for each in fields(Entry))


@dataclass(frozen=True, slots=True)
class Damage:
    """The part of a ledger that cannot be read."""

    path: Path
    reason: str
    """Why the first such line, or the whole file, cannot be read."""
    lines: tuple[int, ...] = ()
    """Numbers of the unreadable lines, from 1; empty if it is the whole file, or if its end is missing."""
    total: int = 0
    """How many lines the file has."""

    @property
    def message(self) -> str:
        """What is damaged and where, in a sentence or two."""
        if not self.lines:
            return f"The ledger {self.path} is damaged: {self.reason}."
        noun = "line" if len(self.lines) == 1 else "lines"
        told = f"{noun} {_ranges(self.lines)} ({len(self.lines)} of {self.total} {_plural('line', self.total)})"
        return f"The ledger {self.path} is damaged: {told} cannot be read: {self.reason}."

    @property
    def hint(self) -> str:
        """What to do about it."""
        return (
            "Its other entries are still used, but it may have named more. To rebuild it from its readable entries and "
            f"the resources that carry this lab's mark, run: {REBUILD}"
        )

    def error(self) -> LedgerError:
        """Return the error for operations that need an undamaged ledger."""
        return LedgerError(self.message, self.hint)


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"


def _ranges(numbers: Iterable[int]) -> str:
    """Return numbers as `3-5, 9`, the first ten ranges of them."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    told = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:_SHOWN_RANGES]]
    return ", ".join(told) + (", …" if len(ranges) > _SHOWN_RANGES else "")


class _UnreadableError(Exception):
    """A line is not an entry; the text says why."""


def _line(entry: Entry) -> bytes:
    """Return the line for an entry: ASCII, with its checksum."""
    text = json.dumps(asdict(entry)).encode("ascii")[1:]
    return b'%b%08x", %b\n' % (_BEGIN, zlib.crc32(text), text)


def _entry(line: bytes) -> Entry:
    """Return the entry of a line.

    Raises:
        _UnreadableError: It is not an entry, or it was changed.
    """
    if b"\0" in line:
        # A power failure leaves blocks of them if the file had grown and its contents were not on the disk yet.
        raise _UnreadableError("it has NUL bytes")
    if line.startswith(codecs.BOM_UTF8):
        raise _UnreadableError("it starts with a byte order mark: another program has written it")
    checksum = _CHECKSUM.match(line)
    # The checksum is first, so that it cannot be lost together with a part from the middle. Another program wrote a
    # line without one.
    if line.startswith(_BEGIN) and (not checksum or int(checksum[1], 16) != zlib.crc32(line[checksum.end() :])):
        raise _UnreadableError("its checksum does not match")
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _UnreadableError("it is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("it is not JSON") from error
    # A line that begins with anything else may be one of ours with a damaged checksum.
    if not isinstance(values, dict) or not (checksum or next(iter(values), "") in _FIELDS):
        raise _UnreadableError("it is not an entry")
    texts: dict[str, str] = {}
    for each in fields(Entry):
        needed = each.default is MISSING and each.default_factory is MISSING
        value = values.get(each.name, None if needed else "")
        if not isinstance(value, str) or (needed and not value):
            raise _UnreadableError(f"its {each.name} is missing, or not a text")
        texts[each.name] = value
    try:
        fact = Fact(texts.pop("fact"))
    except ValueError as error:
        raise _UnreadableError(f"this version of hol-wizard does not know its fact {values['fact']!r:.40}") from error
    return Entry(fact, **texts)


def _is_torn(line: bytes) -> bool:
    """Whether a line is the truncated rest of one that this module writes."""
    begins = _BEGIN.startswith(line) if len(line) < len(_BEGIN) else line.startswith(_BEGIN)
    return begins and _TORN.fullmatch(line) is not None


@dataclass(frozen=True, slots=True)
class _Contents:
    """The contents of the file."""

    entries: tuple[Entry, ...] = ()
    last: Mapping[str, Mapping[Fact, int]] = field(default_factory=dict)
    """By resource in lowercase: the last index of each fact in `entries`."""
    damage: Damage | None = None
    last_damage: int = -1
    """Number of entries before the last unreadable part; -1 if everything can be read."""


class Ledger:
    """The ledger of one profile on one cloud."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._length_path = path.with_name(f"{path.name}.length")
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._known: tuple[tuple[int, ...], _Contents] | None = None

    # Writing

    def write(self, fact: Fact, target: str, resource: str, kind: str, detail: str = "", *, by: str = "") -> None:
        """Append one line and wait until it is on the disk.

        Raises:
            LedgerError: The file cannot be written; nothing must be created then.
        """
        line = _line(Entry(fact, target, resource, kind, detail, by=by))
        with self._lock:
            try:
                self._append(line)
            except OSError as error:
                why = unwritable(self.path, error)
                made = f"{kind} {resource.rpartition('/')[2]} is not created: " if fact is Fact.INTENT else ""
                message = f"{made}the ledger cannot be written. {why.message}"
                raise LedgerError(message[:1].upper() + message[1:], why.hint, detail=why.detail) from error

    def _append(self, line: bytes) -> None:
        missing = _make_folder(self.path.parent)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        # A named pipe is opened without waiting for a reader, and refused.
        file = os.open(self.path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is not a file")
            short = max(0, self._length(status.st_size) - status.st_size)
            data = _after(file, status.st_size) + line
            # One write in append mode: lines of two processes never mix. A partial write happens only if the disk is
            # full.
            left = data
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)
        if not status.st_size:
            for folder in (self.path.parent, *missing):
                _sync_folder(folder)
        self._keep_length(status.st_size + len(data) + short)

    def _length(self, otherwise: int = 0) -> int:
        """Return the recorded length of the ledger after its last line was written, in bytes."""
        try:
            text = self._length_path.read_bytes()[:32].strip()
        except OSError:
            return otherwise
        return int(text) if text.isdigit() else otherwise

    def _keep_length(self, length: int) -> None:
        """Record the ledger's length, after its lines are written, so that a power failure never makes it too large."""
        # It only helps to detect a loss: without it, the ledger is still usable.
        with suppress(OSError):
            file = os.open(self._length_path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            try:
                os.write(file, b"%-20d\n" % length)
            finally:
                os.close(file)

    def rebuild(self, entries: Iterable[Entry]) -> Path | None:
        """Write the ledger again, and return the new path of the old one; None if there was none.

        The old file keeps its contents under another name. A kill leaves either the old ledger or the new one.

        Raises:
            LedgerError: The new ledger cannot be written, or the old one cannot be renamed.
        """
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.draft")
        with self._lock:
            try:
                missing = _make_folder(self.path.parent)
                draft.unlink(missing_ok=True)
                data = b"".join(map(_line, entries))
                file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
                with os.fdopen(file, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                aside = self._set_aside()
                draft.replace(self.path)
                for folder in (self.path.parent, *missing):
                    _sync_folder(folder)
            except OSError as error:
                why = unwritable(self.path, error)
                raise LedgerError(f"The ledger is not rebuilt. {why.message}", why.hint, detail=why.detail) from error
            finally:
                with suppress(OSError):
                    draft.unlink(missing_ok=True)
            self._keep_length(len(data))
        return aside

    def _set_aside(self) -> Path | None:
        """Give the old file a second, unused name; a folder at its path is renamed instead."""
        if not os.path.lexists(self.path):
            return None
        stem = f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        number = 1
        while True:
            aside = self.path.with_name(stem if number == 1 else f"{stem}-{number}")
            number += 1
            if os.path.lexists(aside):
                continue
            if not stat.S_ISREG(os.lstat(self.path).st_mode):
                return self.path.rename(aside)
            try:
                # A link is created only if the name is unused; in the meantime, the ledger stays at its path.
                os.link(self.path, aside)
            except FileExistsError:
                continue
            except OSError:
                # The file system has no links.
                return self.path.rename(aside)
            return aside

    # Reading

    def _contents(self) -> _Contents:
        """Return the current contents; the file is read again only if it has changed."""
        with self._reading:
            try:
                status = self.path.stat()
            except OSError as error:
                return self._without_file(error)
            length = self._length()
            key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, length)
            if self._known is None or self._known[0] != key:
                if not stat.S_ISREG(status.st_mode):
                    what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a file"
                    return _Contents(damage=Damage(self.path, f"it is {what}"))
                try:
                    data = self.path.read_bytes()
                except OSError as error:
                    return self._without_file(error)
                self._known = key, self._read(data, length)
            return self._known[1]

    def _without_file(self, error: OSError) -> _Contents:
        if not isinstance(error, FileNotFoundError):
            return _Contents(damage=Damage(self.path, f"it cannot be read: {error.strerror or error}"))
        if length := self._length():
            return _Contents(damage=Damage(self.path, f"the file is missing; it had {length} bytes"))
        return _Contents()

    def _read(self, data: bytes, length: int) -> _Contents:
        *lines, rest = data.split(b"\n")
        entries: list[Entry] = []
        last: dict[str, dict[Fact, int]] = {}
        unreadable: list[int] = []
        reason, last_damage = "", -1

        def note(line: bytes) -> None:
            entry = _entry(line)
            last.setdefault(entry.resource.lower(), {})[entry.fact] = len(entries)
            entries.append(entry)

        for number, line in enumerate([*lines, rest], start=1):
            line = line.removesuffix(b"\r")
            sealed = line.endswith(_SEAL) and (line == _SEAL or _is_torn(line[:-1]))
            if not line or sealed:
                continue
            try:
                note(line)
            except _UnreadableError as error:
                if number > len(lines) and _is_torn(line):
                    continue
                unreadable.append(number)
                reason, last_damage = reason or str(error), len(entries)
        total = len(lines) + bool(rest)
        damage = Damage(self.path, reason, tuple(unreadable), total) if unreadable else None
        if (short := length - len(data)) > 0:
            last_damage = len(entries)
            end = f"it ends after line {total}, and {short} bytes after it are missing"
            damage = damage or Damage(self.path, end, (), total)
        return _Contents(tuple(entries), last, damage, last_damage)

    @property
    def damage(self) -> Damage | None:
        """What cannot be read or is missing; None if the file is complete, or if there has never been one."""
        return self._contents().damage

    @property
    def exists(self) -> bool:
        """Whether the file exists."""
        return os.path.lexists(self.path)

    def require_whole(self) -> None:
        """Refuse to continue with a damaged ledger if missing entries could lead to a wrong action.

        Raises:
            LedgerError: It is damaged.
        """
        if (damage := self.damage) is not None:
            raise damage.error()

    def entries(self) -> Iterator[Entry]:
        """Yield the readable entries, oldest first."""
        yield from self._contents().entries

    def _last(self, resource: str) -> Mapping[Fact, int]:
        return self._contents().last.get(resource.lower(), {})

    def made(self, resource: str) -> bool:
        """Whether this wizard created, or may have created, the resource and has not removed it since."""
        last = self._last(resource)
        return last.get(Fact.INTENT, -1) > max(last.get(fact, -1) for fact in NOT_OURS)

    def left(self, resource: str) -> bool:
        """Whether the resource was left in place after the last intent to create it."""
        last = self._last(resource)
        return last.get(Fact.LEFT, -1) > last.get(Fact.INTENT, -1)

    def certain(self, resource: str) -> bool:
        """Whether no entry can be missing since the resource's creation was started.

        If it is False, `made` may be wrong: only the resource's mark shows whether it is still ours.
        """
        contents = self._contents()
        return contents.last.get(resource.lower(), {}).get(Fact.INTENT, -1) >= contents.last_damage

    def created(self, resource: str) -> bool:
        """Whether the resource's creation was completed after the last intent to create it."""
        last = self._last(resource)
        return last.get(Fact.CREATED, -1) > last.get(Fact.INTENT, -1)

    def detail(self, resource: str) -> str:
        """Return the detail that was recorded when the resource's creation was completed; empty if there is none."""
        contents = self._contents()
        last = contents.last.get(resource.lower(), {})
        if last.get(Fact.CREATED, -1) <= last.get(Fact.INTENT, -1):
            return ""
        return contents.entries[last[Fact.CREATED]].detail

    def begun(self, resource: str) -> str:
        """Return when the creation whose end is not recorded was first begun (`Entry.at`); empty if there is none.

        A creation that is begun again after a kill keeps its time, one after a refusal or a removal has another.
        """
        began = ""
        for entry in self.entries():
            if entry.resource.lower() != resource.lower():
                continue
            if entry.fact is Fact.INTENT:
                began = began or entry.at
            elif entry.fact in {Fact.CREATED, *NOT_OURS}:
                began = ""
        return began

    def maker(self, resource: str) -> str:
        """Return who last created the resource (`Entry.by`); empty if that was not recorded."""
        contents = self._contents()
        begun = contents.last.get(resource.lower(), {}).get(Fact.INTENT)
        return "" if begun is None else contents.entries[begun].by

    def standing(self) -> tuple[Entry, ...]:
        """Return the intent of every resource for which `made` is true and that was not left in place, oldest first."""
        standing: dict[str, Entry] = {}
        for entry in self.entries():
            if entry.fact is Fact.INTENT:
                standing.setdefault(entry.resource.lower(), entry)
            elif entry.fact in {*NOT_OURS, Fact.LEFT}:
                standing.pop(entry.resource.lower(), None)
        return tuple(standing.values())

    def made_by(self, target: str, kind: str) -> tuple[str, ...]:
        """Return the IDs of a step's resources of a kind (`made`), including those left in place, oldest first."""
        ids = {
            entry.resource.lower(): entry.resource
            for entry in self.entries()
            if entry.fact is Fact.INTENT and (entry.target, entry.kind) == (target, kind)
        }
        return tuple(each for each in ids.values() if self.made(each))

    def open_operation(self, resource: str) -> Entry | None:
        """Return the operation that was started for the resource and whose end is not recorded."""
        contents = self._contents()
        last = contents.last.get(resource.lower(), {})
        begun = last.get(Fact.OPERATION, -1)
        if begun <= max(last.get(fact, -1) for fact in (Fact.CREATED, Fact.FAILED, *NOT_OURS)):
            return None
        return contents.entries[begun]


def _after(file: int, size: int) -> bytes:
    """Return what must precede the next line: nothing, or the end of a truncated last line."""
    if not size:
        return b""
    os.lseek(file, -1, os.SEEK_END)
    if os.read(file, 1) == b"\n":
        return b""
    os.lseek(file, 0, os.SEEK_SET)
    data = bytearray()
    while piece := os.read(file, 1 << 20):
        data += piece
    return _SEAL + b"\n" if _is_torn(bytes(data).rpartition(b"\n")[2]) else b"\n"


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder, and return the folders that have a new entry and must therefore be synced to the disk."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [each.parent for each in missing]


def _sync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on the disk; Windows has no such call."""
    if sys.platform == "win32":
        return
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
