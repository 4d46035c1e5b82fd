"""Long-running operations: what begins with a request and ends by the clock.

Nothing runs in the background: before each request `settle` ends the operations whose time has come, so a server that
was stopped or killed finds everything as far along as it would have been. Programs that really run are `jobs`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document

if TYPE_CHECKING:
    from hol_wizard.practice.kernel.world import World

OperationEnd = Callable[["World", Document], None]


class Operations(Register):
    """The operations that run, and those that have ended."""

    collection = "operations"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._ends: dict[str, OperationEnd] = {}

    def on_end(self, kind: str, end: OperationEnd) -> None:
        """Have `end` called when an operation of this kind is done, whether it went well or failed."""
        self._ends[kind] = end

    def running(self) -> list[Document]:
        """Return the operations that have not ended."""
        return [each for each in self.all() if each["status"] == "Running"]

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
        self.keep(operation)
        return operation

    def settle(self) -> None:
        """End every operation whose time has come, the earliest first."""
        now = self._world.clock.now()
        due = [each for each in self.running() if each["due"] <= now]
        for operation in sorted(due, key=lambda each: float(each["due"])):
            operation["status"] = "Failed" if operation["error"] else "Succeeded"
            operation["ended"] = operation["due"]
            self.keep(operation)
            self._ends[operation["kind"]](self._world, operation)
