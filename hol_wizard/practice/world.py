"""The state of the practice cloud that all its services share."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.clock import Clock
from hol_wizard.practice.faults import Faults
from hol_wizard.practice.roles import ROLES
from hol_wizard.practice.store import Collection, Document, Store

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
        self.open_port: Callable[[str, str], str] = lambda service, thing: ""
        """Opens a port for one thing of a service (`Service.port_for_each`), or finds the open one; its base URL."""
        self.close_port: Callable[[str, str], None] = lambda service, thing: None
        """Closes it: nothing answers there any more, as at a host name that is gone."""
        if "world" not in self.settings:
            self.reset()

    def reset(self) -> None:
        """Put everything back to the beginning; nobody is signed in any more."""
        for forget in self._resets:
            forget()
        for collection in (
            self.applications,
            self.service_principals,
            self.deleted_directory_objects,
            self.groups,
            self.resources,
            self.deleted_vaults,
            self.operations,
            self.providers,
            self.assignments,
            self.tokens,
            self.sign_ins,
        ):
            collection.clear()
        self.faults.clear()
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
        """Return a collection of a service's own; a reset empties it."""
        found = self.store.collection(name)
        self._resets.append(found.clear)
        return found

    def on_reset(self, forget: Callable[[], None]) -> None:
        """Have `forget` called when everything is put back to the beginning."""
        self._resets.append(forget)

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
