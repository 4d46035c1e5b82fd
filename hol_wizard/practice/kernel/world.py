"""The state of the practice cloud that all its services share."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.faults import Faults
from hol_wizard.practice.kernel.operations import Operations
from hol_wizard.practice.kernel.store import Collection, Store

QUOTA = 100
"""Default quota of a subscription in a region: cores of one family, and in total."""
_SETTINGS: Final[Mapping[str, Any]] = {
    "approver": seed.ATTENDEE.name,
    "approval": "approve",
    "latency": 0.0,
    "quota": {},
    "register_applications": True,
    "federation": "allowed",
    "hosted_jobs": None,
    "container_engine": True,
}
"""The initial settings."""
_PartT = TypeVar("_PartT")


class ForeignCollectionError(Exception):
    """A part has requested a collection of another part, which it must ask instead."""


class World:
    """The clock, the store and the settings, and the parts that store their documents in it.

    A *part* is a class that is created once, from the world alone (`part`). It is the only owner of its collections and
    folders; code that needs to read or change their contents asks the part.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.proxy = ""
        """Address of the proxy for real names, with its secret, for programs that run here as if in Azure."""
        self.addresses: dict[str, str] = {}
        """Base URL of each service, set when it listens."""
        self.folders: list[Path] = []
        """Folders next to the store with files that belong to documents: blobs, repositories, work trees."""
        self.directory: Callable[[str], seed.Principal | None] = lambda identity: None
        """Finds principals that are not in `seed` by object ID; the directory's part sets it."""
        self.open_port: Callable[[str, str], str] = lambda service, thing: ""
        """Opens a port for one resource of a service (`Service.port_for_each`), unless it is open; returns its base
        URL."""
        self.close_port: Callable[[str, str], None] = lambda service, thing: None
        """Closes it, so that nothing responds there, as at a host name that no longer exists."""
        self.match_ports: Callable[[], None] = lambda: None
        """Opens the ports in the settings (`thing_ports`), and closes all others."""
        self._parts: dict[type, Any] = {}
        self._owners: dict[str, str] = {}
        self._ends: list[Callable[[], None]] = []
        self._starts: list[Callable[[], None]] = []
        self._replaced: list[Callable[[], None]] = []
        self.settings = self.collection("settings", self)
        """Documents of the kernel and the process: `world` (what `setting` returns), ports."""
        self.faults = Faults(self.collection("faults", Faults))
        self.operations = Operations(self)

    # Parts and what they own

    def part(self, kind: Callable[[World], _PartT]) -> _PartT:
        """Return the only instance of a part, which is created when it is first needed."""
        found = self._parts.get(kind)  # type: ignore[call-overload]  # a class is such a callable
        if found is None:
            found = self._parts[kind] = kind(self)  # type: ignore[index]  # as above
        return found  # type: ignore[no-any-return]  # it was made by `kind`

    def collection(self, name: str, owner: object) -> Collection:
        """Return a collection to its owner, which is the first part that requests it.

        Args:
            name: Its name in the store.
            owner: The part.

        Raises:
            ForeignCollectionError: It already belongs to another part.
        """
        if name in self._owners:
            raise ForeignCollectionError(f"the collection {name} belongs to {self._owners[name]}: ask that part")
        self._owners[name] = owner.__qualname__ if isinstance(owner, type) else type(owner).__qualname__
        return self.store.collection(name)

    def folder(self, name: str) -> Path:
        """Return a folder next to the store for a part's own files; a reset removes it, a snapshot copies it."""
        folder = self.store.path.parent / name
        if folder not in self.folders:
            self.folders.append(folder)
        return folder

    # Start and end

    def on_end(self, end: Callable[[], None]) -> None:
        """Register `end` to be called when running work must end: before all documents are replaced, or the server
        stops."""
        self._ends.append(end)

    def on_start_over(self, start: Callable[[], None]) -> None:
        """Register `start` to be called, in a transaction, when everything is empty: it creates the initial
        contents."""
        self._starts.append(start)

    def on_replaced(self, look: Callable[[], None]) -> None:
        """Register `look` to be called, outside of a transaction, when the documents are from an earlier time.

        That is at the start of the server, and after a snapshot was restored.
        """
        self._replaced.append(look)

    def start(self) -> None:
        """Start with all parts, and with the state of an earlier server or the initial one."""
        if self.settings.get("world") is None:
            self.reset()
        elif (unfinished := self.settings.get("unfinished")) is not None:
            self._replace_files(str(unfinished["snapshot"]))
        for look in self._replaced:
            look()

    def end(self) -> None:
        """End all running work."""
        for end in self._ends:
            end()

    def reset(self) -> None:
        """Restore the initial state; nobody is signed in anymore."""
        self.end()
        kept = self.settings.get("world") or {}
        with self.store.transaction():
            self.store.forget({"settings"})
            ports = {**(self.settings.get("left_ports") or {}), **(self.settings.get("thing_ports") or {})}
            self.settings.put("left_ports", ports)
            self.settings.put("thing_ports", {})
            self.settings.put("unfinished", {"snapshot": ""})
            self.settings.put(
                "world",
                {**_SETTINGS, "ci_secret": kept.get("ci_secret") or secrets.token_urlsafe(30)},
            )
            for start in self._starts:
                start()
        self._replace_files("")
        self.match_ports()

    def take_snapshot(self, name: str) -> None:
        """Save a copy of everything under a name, replacing an earlier one.

        Raises:
            ValueError: The name is invalid.
        """
        snapshot = self._snapshot(name)
        shutil.rmtree(snapshot, ignore_errors=True)
        snapshot.mkdir(parents=True)
        for folder in self.folders:
            if folder.is_dir():
                shutil.copytree(folder, snapshot / folder.name, symlinks=True)
        (snapshot / "documents.json").write_text(self.store.dump(), encoding="utf-8")

    def restore_snapshot(self, name: str) -> None:
        """Restore the state of a snapshot.

        Operations keep their due times: one that was due in between is completed immediately.

        Raises:
            ValueError: There is no such snapshot.
        """
        documents = self._snapshot(name) / "documents.json"
        if not documents.is_file():
            raise ValueError(f"there is no snapshot {name!r}")
        self.end()
        own = {each: self.settings.get(each) or {} for each in ("ports", "proxy")}
        with self.store.transaction():
            self.store.load(documents.read_text(encoding="utf-8"))
            for each, kept in own.items():
                self.settings.put(each, kept)
            self.settings.put("unfinished", {"snapshot": name})
        self._replace_files(name)
        self.match_ports()
        for look in self._replaced:
            look()

    def _replace_files(self, snapshot: str) -> None:
        """Restore the files that belong to the documents: a snapshot's, or none. After a kill, this is continued."""
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
            if snapshot and (kept := self._snapshot(snapshot) / folder.name).is_dir():
                shutil.copytree(kept, folder, symlinks=True)
        with self.store.transaction():
            self.settings.delete("unfinished")

    def _snapshot(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
            raise ValueError(f"a snapshot cannot be called {name!r}")
        return self.store.path.parent / "snapshots" / name

    # For all services

    def principal(self, identity: str) -> seed.Principal | None:
        """Return the principal with this object ID: a person or a service principal."""
        return self.directory(identity) or seed.PRINCIPALS.get(identity)

    def setting(self, name: str) -> Any:
        """Return one setting.

        Raises:
            KeyError: There is none of this name.
        """
        # A state that an earlier version has stored lacks newer settings.
        return {**_SETTINGS, **(self.settings.get("world") or {})}[name]

    def set(self, **values: Any) -> None:
        """Change settings."""
        self.settings.put("world", {**(self.settings.get("world") or {}), **values})

    def quota(self, family: str) -> int:
        """Return a subscription's quota of cores of a machine family in a region.

        Args:
            family: `standardDDSv5Family`; `cores` stands for all families together.
        """
        limits = self.setting("quota")
        return int(limits.get(family, QUOTA))
