"""Long-running operations: what begins with a request and ends by the clock.

Nothing runs in the background: before each request `settle` ends the operations whose time has come, so a server that
was stopped or killed finds everything as far along as it would have been. Programs that really run are `jobs`.
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
"""How many operations are kept; beyond that, the oldest that have ended are forgotten."""
_DEFECT = "The practice cloud has a defect; see server.log."


class Operations(Register):
    """The operations that run, and those that have ended."""

    collection = "operations"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._due = world.collection("operations_due", self)
        """When each operation that runs is due: `settle`, before each request, reads no others."""
        self._ends: dict[str, OperationEnd] = {}
        world.on_replaced(self._find_again)

    def on_end(self, kind: str, end: OperationEnd) -> None:
        """Have `end` called when an operation of this kind is done, whether it went well or failed."""
        self._ends[kind] = end

    def running(self) -> list[Document]:
        """Return the operations that have not ended."""
        found = (self.find(key) for key, _ in self._due.items())
        return [each for each in found if each is not None]

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
        world = self._world
        fault = world.faults.take("resource_manager", str(more.get("method", "")), request, ("failed-operation",))
        operation = {
            "id": str(uuid.uuid4()),
            "kind": kind,
            "target": target,
            "started": world.clock.now(),
            "due": world.clock.due(work),
            "status": "Running",
            "error": {"code": fault["code"], "message": fault["message"]} if fault else None,
            **more,
        }
        if len(self._documents) >= _MOST:
            self._forget_old()
        self.keep(operation)
        return operation

    def keep(self, document: Document) -> None:
        """Keep an operation, new or changed."""
        super().keep(document)
        if document["status"] == "Running":
            self._due.put(document["id"], {"due": document["due"]})
        else:
            self._due.delete(document["id"])

    def remove(self, identity: str) -> None:
        """Forget an operation; nothing happens if there is none."""
        super().remove(identity)
        self._due.delete(identity)

    def settle(self) -> None:
        """End every operation whose time has come, the earliest first.

        Each is a transaction of its own. One whose end has a defect fails alone: otherwise every request from then on
        would fail with it.
        """
        for identity in self._whose_time_has_come():
            try:
                with self._world.store.transaction():
                    self._end(identity, defect=False)
            except sqlite3.Error:
                raise
            except Exception:  # whatever the end of one operation raises, the others go on
                LOG.exception("the end of the operation %s", identity)
                with self._world.store.transaction():
                    self._end(identity, defect=True)

    def settle_within(self) -> None:
        """End every operation whose time has come as part of the transaction of a handler that has begun one."""
        for identity in self._whose_time_has_come():
            self._end(identity, defect=False)

    def _whose_time_has_come(self) -> list[str]:
        now = self._world.clock.now()
        due = [(float(each["due"]), key) for key, each in self._due.items() if each["due"] <= now]
        return [identity for _, identity in sorted(due)]

    def _end(self, identity: str, *, defect: bool) -> None:
        """End an operation.

        Args:
            identity: Its id.
            defect: Whether what is called at its end has failed before, and is not called again.
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
        """Forget a tenth of the operations, of those that have ended the oldest."""
        ended = [each["id"] for each in self.all() if each["status"] != "Running"]
        for identity in ended[: _MOST // 10]:
            self.remove(identity)

    def _find_again(self) -> None:
        """Find the operations that run in a state that an earlier version has written."""
        with self._world.store.transaction():
            for each in self.all():
                if each["status"] == "Running":
                    self.keep(each)
