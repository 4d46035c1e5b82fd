"""The state of the practice cloud that all its services share."""

from __future__ import annotations

import re
import secrets
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.arm.roles import ROLES
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.faults import Faults
from hol_wizard.practice.kernel.store import Collection, Document, Store

QUOTA = 100
"""Cores that a subscription may use of one family, and of all, in a region, where no setting says otherwise."""

OperationEnd = Callable[["World", Document], None]


class World:
    """Resources, tokens, operations and settings, with the clock that moves them on.

    Nothing runs in the background: before each request `settle` ends the operations whose time has come,
    so a server that was stopped or killed finds everything as far along as it would have been.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.addresses: dict[str, str] = {}
        """Base URL of each service, filled in when it listens."""
        self.groups = store.collection("groups")
        self.resources = store.collection("resources")
        self.deleted_vaults = store.collection("deleted_vaults")
        self.operations = store.collection("operations")
        self.providers = store.collection("providers")
        self.assignments = store.collection("assignments")
        self.tokens = store.collection("tokens")
        self.sign_ins = store.collection("sign_ins")
        """Sign-ins that wait for their owner (`sign_ins.SignIns`)."""
        self.settings = store.collection("settings")
        self.applications = store.collection("applications")
        """Entra ID's applications, by object id."""
        self.service_principals = store.collection("service_principals")
        """By object id; those of `seed` are not among them."""
        self.deleted_directory_objects = store.collection("deleted_directory_objects")
        """Applications and service principals that were deleted, for thirty days."""
        self.faults = Faults(store.collection("faults"))
        self._ends: dict[str, OperationEnd] = {}
        self._resets: list[Callable[[], None]] = []
        self.folders: list[Path] = []
        """Folders beside the store whose files belong to documents: bytes of blobs, repositories, work trees."""
        self.open_port: Callable[[str, str], str] = lambda service, thing: ""
        """Opens a port for one thing of a service (`Service.port_for_each`), or finds the open one; its base URL."""
        self.close_port: Callable[[str, str], None] = lambda service, thing: None
        """Closes it: nothing answers there any more, as at a host name that is gone."""
        self.match_ports: Callable[[], None] = lambda: None
        """Opens the ports that the settings name (`thing_ports`), and closes all others."""
        if "world" not in self.settings:
            self.reset()

    def reset(self) -> None:
        """Put everything back to the beginning; nobody is signed in any more."""
        self._let_go()
        self.store.forget({"settings"})
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        ports = {**(self.settings.get("left_ports") or {}), **(self.settings.get("thing_ports") or {})}
        self.settings.put("left_ports", ports)
        self.settings.put("thing_ports", {})
        self.match_ports()
        for assignment in seed.ASSIGNMENTS:
            name = seed.fixed_id(f"{assignment.principal} {assignment.role} {assignment.scope}")
            self.give_role(name, assignment.principal, assignment.role, assignment.scope, seed.ATTENDEE.id, works=0.0)
        kept = self.settings.get("world") or {}
        self.settings.put(
            "world",
            {
                "approver": seed.ATTENDEE.name,
                "approval": "approve",
                "latency": 0.0,
                "quota": {},
                "register_applications": True,
                "ci_secret": kept.get("ci_secret") or secrets.token_urlsafe(30),
            },
        )

    def collection(self, name: str) -> Collection:
        """Return a collection of a service's own."""
        return self.store.collection(name)

    def folder(self, name: str) -> Path:
        """Return a folder beside the store for a service's own files; a reset removes it, a snapshot copies it."""
        folder = self.store.path.parent / name
        if folder not in self.folders:
            self.folders.append(folder)
        return folder

    def on_reset(self, let_go: Callable[[], None]) -> None:
        """Have `let_go` called before the documents are replaced: whatever runs for them has to end."""
        self._resets.append(let_go)

    def _let_go(self) -> None:
        for let_go in self._resets:
            let_go()

    def take_snapshot(self, name: str) -> None:
        """Keep a copy of everything under a name; one that was kept under it is replaced.

        Raises:
            ValueError: The name is none.
        """
        snapshot = self._snapshot(name)
        shutil.rmtree(snapshot, ignore_errors=True)
        snapshot.mkdir(parents=True)
        for folder in self.folders:
            if folder.is_dir():
                shutil.copytree(folder, snapshot / folder.name, symlinks=True)
        (snapshot / "documents.json").write_text(self.store.dump(), encoding="utf-8")

    def restore_snapshot(self, name: str) -> None:
        """Put everything back to how it was when the snapshot was taken.

        What takes time counts from when it began: an operation that was due in between is over at once.

        Raises:
            ValueError: There is no such snapshot.
        """
        documents = self._snapshot(name) / "documents.json"
        if not documents.is_file():
            raise ValueError(f"there is no snapshot {name!r}")
        own_ports = self.settings.get("ports") or {}
        self._let_go()
        self.store.load(documents.read_text(encoding="utf-8"), keep=())
        self.settings.put("ports", own_ports)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
            if (kept := documents.with_name(folder.name)).is_dir():
                shutil.copytree(kept, folder, symlinks=True)
        self.match_ports()

    def _snapshot(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
            raise ValueError(f"a snapshot cannot be called {name!r}")
        return self.store.path.parent / "snapshots" / name

    def principal(self, identity: str) -> seed.Principal | None:
        """Return whoever has this object id: a person or a service principal."""
        found = self.service_principals.get(identity)
        if found is None:
            return seed.PRINCIPALS.get(identity)
        return seed.Principal(found["id"], found["displayName"], found["displayName"], found["appId"])

    def setting(self, name: str) -> Any:
        """Return one setting.

        Raises:
            KeyError: There is none of this name.
        """
        return (self.settings.get("world") or {})[name]

    def set(self, **values: Any) -> None:
        """Change settings."""
        self.settings.put("world", {**(self.settings.get("world") or {}), **values})

    def quota(self, family: str) -> int:
        """Return how many cores of a machine family a subscription may use in a region.

        Args:
            family: `standardDDSv5Family`; `cores` stands for all families together.
        """
        limits = self.setting("quota")
        return int(limits.get(family, QUOTA))

    def roles_of(self, principal: str, scope: str) -> list[Document]:
        """Return the assignments that give a principal a role on a scope or above it.

        Args:
            principal: An object id.
            scope: A resource id, or the beginning of one.
        """
        below = scope.lower().rstrip("/") + "/"
        return [
            each
            for each in self.assignments
            if each["principal"] == principal and below.startswith(each["scope"].lower() + "/")
        ]

    def give_role(
        self,
        name: str,
        principal: str,
        role: str,
        scope: str,
        by: str,
        description: str | None = None,
        works: float | None = None,
    ) -> Document:
        """Make a role assignment and return it.

        Args:
            name: The assignment's own GUID.
            principal: Object id of who gets the role.
            role: Its GUID.
            scope: A resource id.
            by: Object id of who gives it.
            description: A text of theirs.
            works: From when on the data services know it; None: from when it has spread.
        """
        now = self.clock.now()
        found = self.principal(principal)
        assignment: Document = {
            "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
            "name": name,
            "principal": principal,
            "kind": "User" if found is not None and not found.app_id else "ServicePrincipal",
            "role": role,
            "scope": scope,
            "created": now,
            "updated": now,
            "by": by,
            "description": description,
            "works": self.clock.due("role assignment") if works is None else works,
        }
        self.assignments.put(assignment["id"], assignment)
        return assignment

    def forget_roles(self, scope: str) -> None:
        """Let the role assignments on a thing that is gone, and on what was in it, go with it."""
        below = scope.lower().rstrip("/") + "/"
        for key, each in self.assignments.items():
            if (each["scope"].lower() + "/").startswith(below):
                self.assignments.delete(key)

    def allowed(self, principal: str, action: str, scope: str) -> bool:
        """Return whether a principal may do an action on a scope: any role on it or above it allows it.

        Args:
            principal: An object id.
            action: `Microsoft.Storage/storageAccounts/write`.
            scope: A resource id, or the beginning of one.
        """
        return any(ROLES[each["role"]].allows(action) for each in self.roles_of(principal, scope))

    def allowed_data(self, principal_id: str, action: str, scope: str) -> bool:
        """Return whether a principal may do something to the data in a thing.

        A role counts only when it has spread to the data services, some minutes after it was given; one that was taken
        away stops counting at once, which Azure does no faster.

        Args:
            principal_id: An object id.
            action: `Microsoft.KeyVault/vaults/secrets/getSecret/action`.
            scope: Resource id of the vault, the account, or the container or secret in it.
        """
        now = self.clock.now()
        return any(
            ROLES[each["role"]].allows_data(action)
            for each in self.roles_of(principal_id, scope)
            if each["works"] <= now
        )

    def on_end(self, kind: str, end: OperationEnd) -> None:
        """Have `end` called when an operation of this kind is done, whether it went well or failed."""
        self._ends[kind] = end

    def begin(self, kind: str, target: str, work: str, request: str, **more: Any) -> Document:
        """Start a long-running operation and return its document.

        A fault of kind `failed-operation` that matches makes it fail at its end.

        Args:
            kind: Which function ends it (`on_end`).
            target: Id of what is being made, changed or removed.
            work: Its row in `clock.DURATIONS`.
            request: Path of the request, which faults are matched with.
            more: Anything that its end, or the answers to its polls, need.
        """
        fault = self.faults.take("resource_manager", str(more.get("method", "")), request, ("failed-operation",))
        now = self.clock.now()
        operation = {
            "id": str(uuid.uuid4()),
            "kind": kind,
            "target": target,
            "started": now,
            "due": self.clock.due(work),
            "status": "Running",
            "error": {"code": fault["code"], "message": fault["message"]} if fault else None,
            **more,
        }
        self.operations.put(operation["id"], operation)
        return operation

    def settle(self) -> None:
        """End every operation whose time has come, the earliest first."""
        now = self.clock.now()
        due = [each for each in self.operations if each["status"] == "Running" and each["due"] <= now]
        for operation in sorted(due, key=lambda each: float(each["due"])):
            operation["status"] = "Failed" if operation["error"] else "Succeeded"
            operation["ended"] = operation["due"]
            self.operations.put(operation["id"], operation)
            self._ends[operation["kind"]](self, operation)
