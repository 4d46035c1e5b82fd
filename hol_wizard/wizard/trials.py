"""Takes steps of a lab through: check, solve, check, solve again, undo, check. For authors and CI.

The way there goes through the lab in its order, the way back in reverse, so that each step is done and undone once, and
everything is gone at the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from hol_wizard.engine.events import Event, RunFinished, WorkStarted
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import SOLVES
from hol_wizard.engine.results import DONE, Result, Status
from hol_wizard.engine.runner import result_of
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Target
from hol_wizard.lab.people import words_for
from hol_wizard.wizard.checks import Checks
from hol_wizard.wizard.parts import Parts
from hol_wizard.wizard.solves import PlannedChange, Solves
from hol_wizard.wizard.teardown import Teardown

PHASES = ("before", "solve", "check", "again", "undo", "after")
"""What is done with a step, in this order; the last two on the way back."""


@dataclass(slots=True)
class Trial:
    """A step in one environment, and how far it was taken through."""

    target: Target
    judged: bool = True
    """Whether it was requested, as opposed to being needed by others."""
    phases: dict[str, str] = field(default_factory=dict)
    """One word for each phase."""
    wrong: str = ""
    """What contradicts the step's promise; empty if nothing does."""
    left: str = ""
    """Why it could not be taken through; empty if it was, or if something is wrong."""
    note: str = ""
    """What the undo leaves in place, and why."""
    seconds: float = 0.0
    """Duration of all phases."""

    @property
    def result(self) -> Result:
        """The result for a report."""
        said = ", ".join(f"{name} {word}" for name, word in self.phases.items())
        if self.wrong:
            return Result(Status.FAILED, self.wrong, detail=said)
        if self.left:
            return Result(Status.UNKNOWN, f"Not taken through: {self.left}", detail=said)
        return Result(Status.PASSED, f"Taken through: {said}.")


class Trials:
    """Takes steps through."""

    def __init__(self, parts: Parts, checks: Checks, solves: Solves, teardown: Teardown) -> None:
        self._parts = parts
        self._checks = checks
        self._solves = solves
        self._teardown = teardown

    def run(self, targets: Sequence[Target], *, keeps: bool, cancelled: threading.Event) -> Iterator[Trial | Event]:
        """Take the targets through, with what they need; yield each trial after each of its two ways, and the events.

        Args:
            targets: The requested targets.
            keeps: Whether steps that a teardown keeps, such as the sign-in, stay done.
            cancelled: Set by another thread to stop at the next safe point; what was done is then undone.
        """
        parts = self._parts
        wanted = {target.key for target in targets}
        trials = {each.key: Trial(each, each.key in wanted) for each in parts.graph.with_needs(targets)}
        for trial in trials.values():
            if cancelled.is_set():
                trial.left = "the run was stopped."
                yield trial
                continue
            began = time.monotonic()
            yield from self._there(trial, trials, cancelled)
            trial.seconds += time.monotonic() - began
            yield trial
        back = threading.Event()
        for trial in reversed(trials.values()):
            if not trial.phases:
                continue
            began = time.monotonic()
            rest = any(each.note for each in trials.values())
            yield from self._back(trial, back, keeps=keeps, rest=rest)
            trial.seconds += time.monotonic() - began
            yield trial

    def _there(self, trial: Trial, trials: dict[str, Trial], cancelled: threading.Event) -> Iterator[Event]:
        target, step = trial.target, trial.target.step
        unmet = [key for key in self._parts.graph.needs(target) if key in trials and _is_missing(trials[key])]
        if unmet:
            trial.left = f"it needs {unmet[0]}, which is not done."
            return
        before = self._look(target)
        trial.phases["before"] = str(before.status)
        if before.status in DONE and not step.solve and not step.confirm:
            # Nobody has to do anything: the check confirms what was there.
            trial.phases |= {"solve": "-", "check": str(before.status), "again": "-"}
            return
        result, begun = yield from self._solve(target, cancelled)
        trial.phases["solve"] = "done" if begun else "-"
        trial.phases["check"] = str(result.status)
        if result.status not in DONE:
            if cancelled.is_set():
                trial.left = "the run was stopped."
            elif begun:
                trial.wrong = f"after the solve: {result.summary}"
            elif step.human or step.person:
                who = f"{words_for(step)}: " if step.person else ""
                trial.left = f"only a person can do it. {who}{self._parts.wording.text(step.human, target.environment)}"
            elif step.confirm:
                trial.left = "only the reader can confirm it."
            else:
                trial.left = result.summary
            return
        standing = self._parts.ledger.standing()
        again, begun = yield from self._solve(target, cancelled)
        trial.phases["again"] = "nothing"
        if begun or again.status not in DONE:
            trial.phases["again"] = str(again.status)
            trial.wrong = f"a second solve does it again: {again.summary}"
        elif self._parts.ledger.standing() != standing:
            trial.phases["again"] = "changes"
            trial.wrong = "a second solve has changed the ledger."

    def _back(self, trial: Trial, cancelled: threading.Event, *, keeps: bool, rest: bool) -> Iterator[Event]:
        target, step = trial.target, trial.target.step
        if step.confirm:
            if trial.phases.get("check") in DONE:
                self._parts.confirming.withdraw([target])
                trial.phases["undo"] = "done"
        elif not step.undo or (step.keep and keeps):
            trial.phases["undo"] = "kept" if step.undo else "-"
        else:
            removes, trial.note = self._plan_removal(target)
            removed, _ = yield from self._followed(target, self._teardown.run([target], cancelled=cancelled))
            done = "done" if removes else "left" if trial.note else "nothing"
            trial.phases["undo"] = done if removed.passed else str(removed.status)
            if not removed.passed and step.keep and rest:
                # A teardown of everything keeps it, because it is needed for what is left.
                trial.phases["undo"], trial.note = "kept", removed.summary
            elif not removed.passed:
                trial.wrong = trial.wrong or f"after the undo: {removed.summary}"
        if "undo" not in trial.phases:
            return
        after = self._look(target)
        trial.phases["after"] = str(after.status)
        was_there = trial.phases["before"] in DONE or trial.phases.get("solve") != "done"
        if trial.phases["undo"] in {"done", "nothing"} and after.status in DONE and not (was_there or trial.note):
            trial.wrong = trial.wrong or f"the check passes after the undo: {after.summary}"

    def _solve(self, target: Target, cancelled: threading.Event) -> Generator[Event, None, tuple[Result, bool]]:
        """Solve a step as a person does, and return its result and whether any work began."""
        agreed = self._agreed(target)
        return self._followed(
            target, self._solves.run([target], whole=True, alone=True, cancelled=cancelled, agreed=agreed)
        )

    def _followed(self, target: Target, events: Iterator[Event]) -> Generator[Event, None, tuple[Result, bool]]:
        """Yield the events of a run, and return the result of the step and whether any work began."""
        begun = False
        result = Result(Status.UNKNOWN, "Not started: the run was stopped.")
        try:
            for event in events:
                begun = begun or isinstance(event, WorkStarted)
                if isinstance(event, RunFinished):
                    result = event.results[target.key]
                else:
                    yield event
        except WizardError as error:
            result = self._parts.wording.spoken(target.key, result_of(error))
        return result, begun

    def _agreed(self, target: Target) -> list[PlannedChange]:
        """Return the plan of a step: a person who tests a lab agrees to what it runs."""
        work = SOLVES.get(target.step.solve)
        if work is None:
            return []
        connection = self._parts.connection
        try:
            inputs = self._parts.answers.in_force()
            changes = work.plan(connection.context(target, connection.reach(), ReadCache(), inputs=inputs))
        except WizardError:
            # The solve itself says so.
            return []
        return [PlannedChange(target.key, each) for each in changes]

    def _plan_removal(self, target: Target) -> tuple[bool, str]:
        """Return whether an undo would remove something, and what it would leave in place, with the reason."""
        try:
            changes = [each.change for each in self._teardown.plan([target])]
        except WizardError:
            # The removal itself says so.
            return True, ""
        left = [f"{each.kind} {each.name}: {each.note}" for each in changes if each.verb == "leave"]
        return any(each.removes for each in changes), "; ".join(left)

    def _look(self, target: Target) -> Result:
        """Return the status of a step, which may be unknown."""
        try:
            self._parts.connection.reach()
            result = self._checks.look(target)
        except WizardError as error:
            result = result_of(error)
        return self._parts.wording.spoken(target.key, result)


def _is_missing(trial: Trial) -> bool:
    """Return whether a step is not done, so that what needs it cannot be."""
    return trial.phases.get("check") not in DONE
