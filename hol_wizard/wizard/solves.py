"""Solves the targets, or shows what a solve would do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import SOLVES, WORK_DEADLINE, Change
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import DONE, Result, Status
from hol_wizard.engine.runner import WorkTask, run_work
from hol_wizard.errors import WizardError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.model import Target
from hol_wizard.lab.names import Names
from hol_wizard.lab.people import person_of, words_for
from hol_wizard.wizard.checks import Checks
from hol_wizard.wizard.parts import Parts
from hol_wizard.wizard.stand_ins import StandIns

if TYPE_CHECKING:
    from hol_wizard.services.context import Services


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A change that a solve or a teardown will make, and its step."""

    target_key: str
    change: Change


class Solves:
    """Plans and does solves of targets."""

    def __init__(self, parts: Parts, checks: Checks, stand_ins: StandIns | None) -> None:
        self._parts = parts
        self._checks = checks
        self._stand_ins = stand_ins or StandIns("")

    def plan(
        self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None, *, whole: bool = False
    ) -> tuple[PlannedChange, ...]:
        """Return what a solve of the targets, and of what they need, would do; reads the cloud and changes nothing.

        If several steps would make the same change, it is listed once, for the first of them.

        Args:
            targets: The requested targets.
            inputs: Values that apply to this run.
            whole: As in `run`.

        Raises:
            LedgerError: The ledger is damaged or lost: the wizard's own resources would be created twice, or adopted.
            UsageError: A required value is missing.
        """
        parts = self._parts
        wanted = parts.graph.with_needs(targets)
        parts.answers.require(wanted, inputs)
        parts.care.require(wanted)
        results: Mapping[str, Result] = {}
        for event in self._checks.run(wanted):
            if isinstance(event, RunFinished):
                results = event.results
        from hol_wizard.services.arm import NothingThere

        services = parts.connection.reach()
        empty = parts.connection.make(services.endpoints).replace(arm=NothingThere(), secrets=services.secrets)
        reads = ReadCache()
        asked = parts.answers.in_force(inputs)
        kinds = {"clone_folder": "chosen_folder"} | {field.name: field.name for field in fields(Names)}
        offered = parts.connection.profile.offered_names
        names = replace(offered, **{kinds[name]: value for name, value in asked.items() if name in kinds})

        def planned(target: Target) -> list[PlannedChange]:
            result, work = results[target.key], SOLVES.get(target.step.solve)
            done = result.passed or result.confirmed is not None or (work is None and result.status in DONE)
            if done and not parts.answers.unsaved(target, inputs):
                return []
            person = person_of(target.step) if whole else ""
            played = [self._part(target)] if self._is_played(person) else []
            if work is None or (person and not played):
                return played
            blind = result.status in {Status.BLOCKED, Status.UNKNOWN}
            context = parts.connection.context(target, empty if blind else services, reads, inputs=asked)
            if blind:
                context = replace(context, reads=ReadCache(), preview=names)
            try:
                changes = work.plan(context)
            except WizardError as error:
                verb, note = ("later", "not known yet") if blind else ("conflict", error.message)
                return [*played, PlannedChange(target.key, Change(verb, target.step.title, "", note=note))]
            seen = [_unseen(change) if blind else change for change in changes]
            return [*played, *(PlannedChange(target.key, change) for change in seen)]

        with ThreadPoolExecutor(8) as pool:
            changes = [each for planned_here in pool.map(planned, wanted) for each in planned_here]
        changes = [replace(each, change=self._told(each)) for each in changes]
        first = {_thing(each.change): each for each in reversed(changes)}
        return tuple(each for each in changes if first[_thing(each.change)] is each)

    def _told(self, planned: PlannedChange) -> Change:
        """Return a change as the reader reads it."""
        wording, change = self._parts.wording, planned.change
        note = wording.speak(change.note, planned.target_key)
        return replace(change, name=wording.explained(change.name), where=wording.explained(change.where), note=note)

    def _is_played(self, person: str) -> bool:
        return person in self._stand_ins.plays

    def _part(self, target: Target) -> PlannedChange:
        """Return the planned part of a stand-in."""
        return PlannedChange(target.key, Change("play", "", words_for(target.step), self._stand_ins.where))

    def run(
        self,
        targets: Sequence[Target],
        *,
        inputs: Mapping[str, str] | None = None,
        whole: bool = False,
        alone: bool = False,
        cancelled: threading.Event | None = None,
        agreed: Sequence[PlannedChange] = (),
    ) -> Iterator[Event]:
        """Do the targets and what they need; yield the events.

        Args:
            targets: The requested targets.
            inputs: Values that apply to this run.
            whole: Whether it is the whole lab, with the parts of people: this cloud's stand-ins play them. Without
                stand-ins they are left to people.
            alone: Whether what the targets need is done already, and is not checked.
            cancelled: Set by another thread to stop at the next safe point.
            agreed: The plan that the person has agreed to; no program runs on their machine that is not in it.

        Raises:
            LedgerError: The ledger is damaged or lost: the wizard's own resources would be created twice, or adopted.
            UsageError: Another wizard works on this profile, or a required value is missing.
        """
        parts = self._parts
        asked = parts.answers.in_force(inputs)
        digests = frozenset(each.change.consent for each in agreed if each.change.consent)
        wanted = tuple(targets) if alone else parts.graph.with_needs(targets)
        parts.answers.require(wanted, inputs)
        with parts.care.only_writer():
            parts.care.require(wanted)
            services = parts.connection.reach()
            tasks = [
                WorkTask(
                    key=target.key,
                    title=target.title,
                    look=lambda target=target: self._look(target, inputs),  # type: ignore[misc]
                    work=self._work(target, services, asked, digests, whole=whole),
                    # Reading and discussing can be confirmed at any time, but a stand-in confirms what is there.
                    needs=() if target.step.confirm and not whole else parts.graph.needs(target),
                    after=parts.graph.after(target),
                    deadline=_deadline(target),
                )
                for target in wanted
            ]
            for event in parts.wording.told(run_work(tasks, cancelled=cancelled)):
                if isinstance(event, RunFinished):
                    parts.remember(event.results)
                    if whole:
                        event = replace(event, notes=(*event.notes, *self._played(event)))
                yield event

    def _played(self, finished: RunFinished) -> Iterator[str]:
        """Yield a line for each part that a stand-in has played."""
        for key, result in finished.results.items():
            step = self._parts.graph.by_key[key].step
            if result.status in DONE and key in finished.durations and self._is_played(person_of(step)):
                yield f"played {self._stand_ins.where}: {words_for(step)} ({key})"

    def _look(self, target: Target, inputs: Mapping[str, str] | None) -> Result:
        """Check a target; a value that was given only for this run is not done until it is saved."""
        result = self._checks.look(target)
        unsaved = self._parts.answers.unsaved(target, inputs) if result.passed else ()
        if not unsaved:
            return result
        labels = ", ".join(INPUTS[name].label for name in unsaved)
        return Result(Status.FAILED, f"Not saved yet: {labels}.", next_action="To save it, <solve>.")

    def _work(
        self,
        target: Target,
        services: Services,
        inputs: Mapping[str, str],
        agreed: frozenset[str],
        *,
        whole: bool,
    ) -> Callable[[Reporter], None] | None:
        """Return what does a target, or None if it is left to a person."""
        person = person_of(target.step) if whole else ""
        work = SOLVES.get(target.step.solve)
        plays = self._stand_ins.plays.get(person)
        if (work is None and not person) or (person and plays is None):
            return None
        context = self._parts.connection.context

        def do(reporter: Reporter) -> None:
            bound = replace(context(target, services, ReadCache(), reporter, inputs), agreed=agreed)
            if plays is not None:
                reporter.say(f"Played {self._stand_ins.where}: {words_for(target.step)}.")
                plays(bound)
                if target.step.confirm:
                    self._parts.confirming.confirm([target], by=f"a stand-in {self._stand_ins.where}")
            if work is not None:
                work.run(bound)

        return do


def _deadline(target: Target) -> float:
    """Return the seconds after which the solve of a target stops at its next safe point."""
    work = SOLVES.get(target.step.solve)
    return work.deadline if work is not None else WORK_DEADLINE


def _thing(change: Change) -> tuple[str, ...]:
    """Return the identity of a change: two changes with the same identity are the same change."""
    return change.verb, change.kind, change.name, change.where


def _unseen(change: Change) -> Change:
    """Return a change that was planned without checking what exists, with a note that says so."""
    return replace(change, note="; ".join(filter(None, (change.note, "unless it is there already"))))
