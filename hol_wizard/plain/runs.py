"""Shows runs as lines, and keeps the status of the steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from hol_wizard.background import Interrupts, in_background, waited
from hol_wizard.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    PersonNeeded,
    Progressed,
    RunFinished,
    WorkFinished,
    WorkStarted,
)
from hol_wizard.engine.reporter import StopRequest
from hol_wizard.engine.results import DONE, NOT_CHECKED, Result, Status, word_of, worst
from hol_wizard.lab.model import Section, Target, targets_of
from hol_wizard.lines import one_line
from hol_wizard.plain.talk import BackError, EndError, Talk
from hol_wizard.report import (
    counts_line,
    event_line,
    result_lines,
)
from hol_wizard.test_results.report import report_lines
from hol_wizard.wizard.conversation import left_running

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


HEARTBEAT = 5.0
"""Seconds without output after which a long run shows that it is still working."""

T = TypeVar("T")


class Runs:
    """Runs checks and work through the wizard, and keeps the results."""

    def __init__(self, wizard: Wizard, talk: Talk) -> None:
        self.wizard = wizard
        self.talk = talk
        self.results: dict[str, Result] = wizard.confirming.results()
        self.tried: set[str] = set()
        """Steps that the person has checked alone, or had done, in this session."""
        self.remembered: Mapping[str, Status] = wizard.last_results()

    def look(self, targets: Sequence[Target] | None, what: str = "", *, show: bool = False) -> None:
        """Check the targets, or all of them for None, and show their status."""
        talk = self.talk
        if what:
            talk.say(f"Checking {what} … Press Ctrl-C to stop.")
        if targets is not None and len(targets) == 1:
            self.tried |= {target.key for target in targets}
        cancelled = threading.Event()
        done = 0
        asked: Mapping[str, Result] = {}
        with Interrupts(cancelled):
            for event in in_background(self.wizard.check(targets, cancelled=cancelled)):
                if isinstance(event, CheckFinished):
                    self.results[event.target] = event.result
                    done += 1
                elif isinstance(event, RunFinished):
                    self.results.update(event.results)
                    asked = event.results
                    for note in event.notes:
                        talk.say(note, "bold")
                self.beat(f"Still checking: {done} done.")
        if cancelled.is_set():
            talk.say("Stopped checking.")
        if show and targets is not None:
            for target in targets:
                self.show_result(target)
        if asked and len(asked) > 1:
            talk.say(f"{counts_line(asked.values())}.")

    def work(self, events: Iterator[Event], cancelled: StopRequest) -> RunFinished:
        """Show the progress of a solve or a teardown; Ctrl-C asks whether to stop."""
        finished = RunFinished({}, 0.0, cancelled=True)
        latest = ""
        ended = False
        busy: dict[str, None] = {}
        with Interrupts(cancelled, cancel=False) as interrupts:
            for event in in_background(events):
                if isinstance(event, WorkStarted):
                    busy[event.target] = None
                    self.tried.add(event.target)
                elif isinstance(event, WorkFinished):
                    busy.pop(event.target, None)
                if interrupts.count and not cancelled.is_set():
                    with interrupts.paused():
                        ended = self._asks_to_stop(cancelled, left_running(self.wizard, busy))
                elif interrupts.count > 1:
                    raise KeyboardInterrupt
                elif interrupts.count:
                    self.beat("Still stopping. Press Ctrl-C again to quit now; what was started is in the ledger.")
                if isinstance(event, RunFinished):
                    finished = event
                elif isinstance(event, Progressed):
                    if event.text == latest:
                        self.beat(event_line(event))
                    else:
                        self.talk.say(event_line(event))
                    latest = event.text
                elif isinstance(event, PersonNeeded):
                    self.talk.say(one_line(event.text), "bold")
                    self.talk.add(f"  open: {one_line(event.url)}")
                    if event.code:
                        self.talk.add(f"  code: {one_line(event.code)}")
                elif event is not None and not isinstance(event, CheckStarted | CheckFinished):
                    self.talk.say(event_line(event))
                self.beat(f"Still working{f': {one_line(latest)}' if latest else ''}.")
        self._ended = ended
        for note in finished.notes:
            self.talk.say(one_line(note))
        if finished.cancelled:
            self.talk.say("Stopped at a safe point.")
        return finished

    _ended = False
    """Whether the input ended during work."""

    def leave_if_ended(self) -> None:
        """Leave the lab if the input ended during work."""
        if self._ended:
            raise EndError

    def _asks_to_stop(self, cancelled: StopRequest, left: str) -> bool:
        """Ask whether to stop, and do so; return whether the input has ended.

        Args:
            cancelled: What is set.
            left: What the work leaves running in the cloud, which can be canceled; empty: nothing.
        """
        choices = ["Go on", *([f"Stop, and cancel {left}"] if left else ())]
        stop = f"Stop, and leave {left} running" if left else "Stop at a safe point"
        try:
            chosen, over = self.talk.choose("Stop? The work continues until you choose.", choices, stop), False
        except (EndError, BackError) as error:
            chosen, over = 0, isinstance(error, EndError)
        if chosen == 2:
            cancelled.set_and_cancel()
            self.talk.say(f"Stopping, and canceling {left}.")
        elif chosen == 0:
            cancelled.set()
            self.talk.say(
                "Stopping at the next safe point. The cloud continues what it has started, and the next start finds it."
            )
        return over

    def read_cloud(self, read: Callable[[], T]) -> T:
        """Return the result of a read, and show that it is still running.

        Raises:
            BackError: The person pressed Ctrl-C.
        """
        try:
            return waited(read, lambda: self.beat("Still checking."))
        except KeyboardInterrupt:
            raise BackError from None

    def beat(self, text: str) -> None:
        """Show that the work continues if there was no output for some time."""
        if time.monotonic() - self.talk.last >= HEARTBEAT:
            self.talk.say(text)

    def done(self, target: Target) -> bool:
        """Return whether a step is known to be done or skipped."""
        result = self.results.get(target.key)
        return result is not None and result.status in DONE

    def confirmed(self, target: Target) -> bool:
        """Return whether a person has confirmed a step."""
        result = self.results.get(target.key)
        return result is not None and result.confirmed is not None

    def title(self, target: Target) -> str:
        """Return a step's title with the reader's names, and its environment if it has one."""
        title = self.wizard.text(target.step.title, target.environment)
        return f"{title} ({target.environment})" if target.environment else title

    def is_blocked(self, target: Target) -> bool:
        """Return whether another step must be done before this one."""
        result = self.results.get(target.key)
        return result is not None and result.status is Status.BLOCKED

    def standing(self, target: Target) -> str:
        """Return the status of a step, in words."""
        if result := self.results.get(target.key):
            return word_of(result, tried=target.key in self.tried)
        if status := self.remembered.get(target.key):
            return f"{status} when last checked"
        return NOT_CHECKED

    def section_line(self, section: Section) -> str:
        """Return a section's title and status, as a choice."""
        targets = [target for step in section.steps for target in targets_of(step)]
        seen = [self.results[target.key] for target in targets if target.key in self.results]
        if not seen:
            return f"{section.title} ({section.role}): {NOT_CHECKED}"
        confirmed = sum(self.confirmed(target) for target in targets)
        done = sum(self.done(target) for target in targets) - confirmed
        by_hand = sum(not target.step.check and not target.step.confirm for target in targets)
        parts = [f"{done} of {len(targets)} done"]
        parts += [f"{confirmed} confirmed"] if confirmed else []
        parts += [f"{by_hand} by hand"] if by_hand else []
        return f"{section.title} ({section.role}): {', '.join([*parts, worst(each.status for each in seen)])}"

    def show_result(self, target: Target) -> None:
        """Show what is known about a step."""
        if result := self.results.get(target.key):
            self.show_lines(result_lines(target.key, result))
        else:
            self.talk.say(f"Status: {self.standing(target)}.")
        if report := self.wizard.report(target, self.results):
            self.show_lines(tuple(report_lines(report)))

    def show_lines(self, lines: Sequence[str]) -> None:
        """Write lines."""
        for line in lines:
            self.talk.say(line)
