"""Checks of the lab's targets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hol_wizard.engine.events import CheckFinished, Event, RunFinished
from hol_wizard.engine.read_cache import FirstLooks, ReadCache
from hol_wizard.engine.registry import CHECKS
from hol_wizard.engine.results import Result, Status
from hol_wizard.engine.runner import CheckTask, run_checks
from hol_wizard.lab.model import Target
from hol_wizard.wizard.parts import Parts

NO_CHECK_YET = Result(
    Status.UNKNOWN,
    "This version of the wizard cannot check this step yet.",
    next_action="Do it by hand as described, and compare what you see with the guide.",
)


class Checks:
    """Checks targets."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def look(self, target: Target, reads: ReadCache | None = None) -> Result:
        """Return the status of a target.

        Args:
            target: What to check.
            reads: Shared with other checks of the same run; None for a new read cache.

        Raises:
            WizardError: The status is unknown.
        """
        if target.step.confirm:
            return self._parts.confirming.look(target)
        check = CHECKS.get(target.step.check)
        if check is None:
            return NO_CHECK_YET
        connection = self._parts.connection
        return check.run(connection.context(target, connection.reach_once(), reads or ReadCache()))

    def run(
        self,
        targets: Sequence[Target] | None = None,
        *,
        cancelled: threading.Event | None = None,
        wait: float = 0.0,
        fail_fast: bool = False,
    ) -> Iterator[Event]:
        """Check the targets (None: the whole lab) and what they need; yield the events.

        The results are saved for the next start.
        """
        parts = self._parts
        wanted = parts.graph.all if targets is None else tuple(targets)
        keys = {target.key for target in wanted}
        parts.connection.refresh()
        reads = FirstLooks()
        tasks = [
            CheckTask(
                key=target.key,
                title=target.title,
                run=lambda target=target: self.look(target, reads.of(target.key)),  # type: ignore[misc]
                needs=parts.graph.needs(target) if target.step.check else (),
                deadline=CHECKS[target.step.check].deadline if target.step.check else 5.0,
                wanted=target.key in keys,
            )
            for target in parts.graph.with_needs(wanted)
        ]
        seen: dict[str, Result] = {}
        for event in parts.wording.told(run_checks(tasks, cancelled=cancelled, wait=wait, fail_fast=fail_fast)):
            if isinstance(event, CheckFinished):
                seen[event.target] = event.result
            if isinstance(event, RunFinished):
                parts.remember(seen)
                if (problem := parts.care.problem()) is not None:
                    event = replace(event, notes=(*event.notes, problem.message, problem.hint), uncertain=True)
                if doubt := parts.confirming.doubt(event.results):
                    event = replace(event, notes=(*event.notes, doubt), uncertain=True)
            yield event
