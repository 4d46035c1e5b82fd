"""What this wizard made, written down before it is made.

An append-only file of JSON lines, one event each, flushed to the disk before the cloud is asked for anything: after a
kill at any point it tells what may exist. Reality decides what does exist; the ledger only says whose it is.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

SIGN_IN_PREFIX = "sign-in/"
"""Begins the id of a sign-in, the only entry that is not about a thing of the cloud's."""


class Fact(StrEnum):
    """What a ledger line says about a resource."""

    INTENT = "intent"
    """About to be created; it may exist from here on."""
    OPERATION = "operation"
    """The cloud took the request; `detail` is the address where its progress can be asked."""
    CREATED = "created"
    FAILED = "failed"
    """The creation was refused or ended badly; `detail` says how."""
    ADOPTED = "adopted"
    """It existed before and fits; it is not ours to remove."""
    DELETED = "deleted"
    """It is gone, and that was seen."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    fact: Fact
    target: str
    resource: str
    """Identifier in its service, for Azure the full resource id."""
    kind: str
    """What sort of thing, in the portal's words."""
    detail: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    """Time of writing, ISO 8601 in UTC."""
    by: str = ""
    """Who makes it, as the service identifies the account: its id, a space, its name. Empty where the service does not
    hide resources, and in ledgers of earlier versions."""


class Ledger:
    """The ledger of one profile on one cloud."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def write(self, fact: Fact, target: str, resource: str, kind: str, detail: str = "", *, by: str = "") -> None:
        """Append one line and wait until it is on the disk.

        Raises:
            OSError: The file cannot be written; nothing may be created then.
        """
        line = json.dumps(asdict(Entry(fact, target, resource, kind, detail, by=by)), ensure_ascii=False)
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                torn = file.seek(0, os.SEEK_END) > 0 and self._last_byte() != b"\n"
                file.write(("\n" if torn else "").encode() + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def _last_byte(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries, oldest first; a line that a kill cut short is passed over."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    values = json.loads(line)
                    yield Entry(
                        Fact(values["fact"]),
                        values["target"],
                        values["resource"],
                        values["kind"],
                        values.get("detail", ""),
                        values.get("at", ""),
                        values.get("by", ""),
                    )
                except (ValueError, KeyError, TypeError):
                    continue

    def _last(self, resource: str) -> dict[Fact, int]:
        last: dict[Fact, int] = {}
        for number, entry in enumerate(self.entries()):
            if entry.resource.lower() == resource.lower():
                last[entry.fact] = number
        return last

    def made(self, resource: str) -> bool:
        """Whether this wizard made, or may have made, the resource and has not removed it since."""
        last = self._last(resource)
        return last.get(Fact.INTENT, -1) > last.get(Fact.DELETED, -1)

    def created(self, resource: str) -> bool:
        """Whether the resource's creation was seen to be complete, after the last intent to create it."""
        last = self._last(resource)
        return last.get(Fact.CREATED, -1) > last.get(Fact.INTENT, -1)

    def detail(self, resource: str) -> str:
        """Return what was noted when the resource's creation was complete; empty where it is not, or nothing was."""
        if not self.created(resource):
            return ""
        noted = [each for each in self.entries() if each.resource.lower() == resource.lower()]
        return next((each.detail for each in reversed(noted) if each.fact is Fact.CREATED), "")

    def maker(self, resource: str) -> str:
        """Return who made the resource the last time (`Entry.by`); empty where nobody noted it."""
        noted = [each for each in self.entries() if each.resource.lower() == resource.lower()]
        return next((each.by for each in reversed(noted) if each.fact is Fact.INTENT), "")

    def standing(self) -> tuple[Entry, ...]:
        """Return the intent of every resource that `made` holds for, oldest first."""
        standing: dict[str, Entry] = {}
        for entry in self.entries():
            if entry.fact is Fact.INTENT:
                standing.setdefault(entry.resource.lower(), entry)
            elif entry.fact is Fact.DELETED:
                standing.pop(entry.resource.lower(), None)
        return tuple(standing.values())

    def open_operation(self, resource: str) -> Entry | None:
        """Return the operation that was begun for the resource and whose end nobody has seen."""
        found: Entry | None = None
        for entry in self.entries():
            if entry.resource.lower() != resource.lower():
                continue
            if entry.fact is Fact.OPERATION:
                found = entry
            elif entry.fact in {Fact.CREATED, Fact.FAILED, Fact.DELETED}:
                found = None
        return found
