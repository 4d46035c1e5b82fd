"""Long-running operations, which begin with a request and end by the clock.

Nothing runs in the background: before each request, `settle` completes the operations that are due, so everything is in
the right state even if the server was stopped or killed in between. Programs that really run are `jobs`.
"""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document

if TYPE_CHECKING:
    from hol_wizard.practice.kernel.world import World

LOG = logging.getLogger(__name__)
OperationEnd = Callable[["World", Document], None]
_MOST = 5_000
"""Maximum number of stored operations; beyond that, the oldest completed ones are deleted."""
_DEFECT = "The practice cloud has a defect; see server.log."


class Operations(Register):
    """Running and completed operations."""

    collection = "operations"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._due = world.collection("operations_due", self)
        """When each running operation is due; `settle`, before each request, reads only these."""
        self._ends: dict[str, OperationEnd] = {}
        world.on_replaced(self._find_again)

    def on_end(self, kind: str, end: OperationEnd) -> None:
        """Register `end` to be called when an operation of this kind has succeeded or failed."""
        self._ends[kind] = end

    def running(self) -> list[Document]:
        """Return the operations that have not ended."""
        found = (self.find(key) for key, _ in self._due.items())
        return [each for each in found if each is not None]

    def begin(self, kind: str, target: str, work: str, request: str, **more: Any) -> Document:
        """Start a long-running operation and return its document.

        A matching fault of the kind `failed-operation` makes it fail at its end.

        Args:
            kind: Determines the function that completes it (`on_end`).
            target: ID of what is being created, changed or removed.
            work: Its row in `clock.DURATIONS`.
            request: Path of the request, for matching faults.
            more: Data for its end, or for the responses to its polls.
        """
        world = self._world
        fault = world.faults.take("resource_manager", str(more.get("method", "")), request, ("failed-operation",))
        error = {"code": fault["code"], "message": fault["message"]} if fault else None
        return self.begin_until(kind, target, world.clock.due(work), error=error, **more)

    def begin_until(self, kind: str, target: str, due: float, *, identity: str = "", **more: Any) -> Document:
        """Start an operation that is due at a given time, and return its document; no fault makes it fail.

        Args:
            kind: As for `begin`.
            target: As for `begin`.
            due: When it ends, in seconds since the epoch.
            identity: Its ID; empty for a new one.
            more: Data for its end, or other values of its fields.
        """
        operation: Document = {
            "id": identity or str(uuid.uuid4()),
            "kind": kind,
            "target": target,
            "started": self._world.clock.now(),
            "due": due,
            "status": "Running",
            "error": None,
            **more,
        }
        if len(self._documents) >= _MOST:
            self._forget_old()
        self.keep(operation)
        return operation

    def keep(self, document: Document) -> None:
        """Save a new or changed operation."""
        super().keep(document)
        if document["status"] == "Running":
            self._due.put(document["id"], {"due": document["due"]})
        else:
            self._due.delete(document["id"])

    def remove(self, identity: str) -> None:
        """Delete an operation; does nothing if there is none."""
        super().remove(identity)
        self._due.delete(identity)

    def settle(self) -> None:
        """Complete every operation that is due, the earliest first.

        Each is its own transaction. If one has a bug in its end, only that operation fails: otherwise, every later
        request would fail.
        """
        for identity in self._whose_time_has_come():
            try:
                with self._world.store.transaction():
                    self._end(identity, defect=False)
            except sqlite3.Error:
                raise
            except Exception:  # an error at the end of one operation does not affect the others
                LOG.exception("the end of the operation %s", identity)
                with self._world.store.transaction():
                    self._end(identity, defect=True)

    def settle_within(self) -> None:
        """Complete every operation that is due within the transaction of a handler that has started one."""
        for identity in self._whose_time_has_come():
            self._end(identity, defect=False)

    def _whose_time_has_come(self) -> list[str]:
        now = self._world.clock.now()
        due = [(float(each["due"]), key) for key, each in self._due.items() if each["due"] <= now]
        return [identity for _, identity in sorted(due)]

    def _end(self, identity: str, *, defect: bool) -> None:
        """Complete an operation.

        Args:
            identity: Its ID.
            defect: Whether the function at its end has failed before, and is not called again.
        """
        operation = self.find(identity)
        if operation is None:
            return
        if defect:
            operation["error"] = {"code": "InternalServerError", "message": _DEFECT}
        operation["status"] = "Failed" if operation["error"] else "Succeeded"
        operation["ended"] = operation["due"]
        self.keep(operation)
        if not defect:
            self._ends[operation["kind"]](self._world, operation)

    def _forget_old(self) -> None:
        """Delete a tenth of the operations: the oldest completed ones."""
        ended = [each["id"] for each in self.all() if each["status"] != "Running"]
        for identity in ended[: _MOST // 10]:
            self.remove(identity)

    def _find_again(self) -> None:
        """Find the running operations in the state of an earlier version."""
        with self._world.store.transaction():
            for each in self.all():
                if each["status"] == "Running":
                    self.keep(each)
