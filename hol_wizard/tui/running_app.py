"""The part of the app that starts runs and is the only place that receives their events."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from textual import work

from hol_wizard.engine.events import CheckFinished, Event, RunFinished
from hol_wizard.engine.results import DONE, Result, Status
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Section, Target
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.board import Board
from hol_wizard.tui.guard import GuardedApp
from hol_wizard.tui.messages import EndAsked, RunEnded, RunMoved
from hol_wizard.tui.runs import Reason, Run
from hol_wizard.tui.threads import aside
from hol_wizard.wizard.conversation import Conversation
from hol_wizard.wizard.requests import Consent, Kind, Outcome, Work

if TYPE_CHECKING:
    from textual.timer import Timer

    from hol_wizard.doctor.cost import Cost
    from hol_wizard.test_results.report import RunReport
    from hol_wizard.tui.modals.device import DeviceDialog
    from hol_wizard.wizard.facade import Wizard

logger = logging.getLogger(__name__)

DRAW_EVERY = 0.1
"""Seconds between two redraws while events arrive: fast enough for the eye, and keys are processed in between."""
COST_EVERY = 120.0
"""Seconds between two checks of what is running, while something is."""
STALE_AFTER = 20.0
"""Seconds after which opening a section checks it again."""


class RunningApp(GuardedApp):
    """Runs in progress, their events, and what follows when they end."""

    def __init__(self, wizard: Wizard) -> None:
        super().__init__()
        self.wizard = wizard
        self.board = Board.of(wizard.lab, wizard.last_results(), wizard.confirming.results())
        self.where = wizard.where()
        self.runs: list[Run] = []
        self.working: Run | None = None
        """The run that makes changes; there is at most one."""
        self.leaving = False
        """Whether the app quits as soon as the work has stopped."""
        self.ended_by = 0
        """The signal that asked the app to end; 0 if there was none."""
        self._drawn_at = 0.0
        self._doubts_told: tuple[str, ...] = ()
        self._draw_timer: Timer | None = None
        self._second: Timer | None = None
        self._changed: set[str] = set()
        self._said: set[str] = set()
        self._device: DeviceDialog | None = None
        self.cost: Cost | None = None
        """What is running and what it costs; None until it is known."""
        self._cost_timer: Timer | None = None
        self._conversing: dict[Run, tuple[Work, Conversation]] = {}
        """The conversations that wait for their work to end."""

    def on_mount(self) -> None:
        """Start a timer for elapsed times."""
        self._second = self.set_interval(1.0, self._tick, pause=True)

    def before_looked_at(self) -> None:
        """Continue when the steps before the resumed section are checked."""

    def ask_again(self, requests: Conversation, title: str) -> None:
        """Continue a conversation whose work started nothing, because it is not what the person agreed to."""

    @property
    def checking(self) -> Run | None:
        """The check in progress that was started last."""
        return next((run for run in reversed(self.runs) if run.kind is Kind.CHECK), None)

    def check_lab(self, reason: Reason = Reason.ASKED) -> None:
        """Check every step of the lab."""
        self.start_check(None, "Checking the lab", reason)

    def refresh_section(self, section: Section) -> None:
        """Check those of a section's steps whose last check is old, or which read files on this machine."""
        now = time.monotonic()
        old = [
            target
            for target in self.board.section_targets(section)
            if target.step.check
            and (now - (self.board.standings[target.key].checked_at or -1e9) > STALE_AFTER or self.wizard.files(target))
        ]
        self.start_check(old, f"Checking section {section.number}", Reason.REFRESH)

    def start_check(self, targets: Sequence[Target] | None, title: str, reason: Reason = Reason.ASKED) -> None:
        """Check the targets (None: all), except those that are already being checked or worked on."""
        wanted = list(self.board.targets.values()) if targets is None else list(targets)
        busy = {key for run in self.runs for key in run.keys}
        fresh = [target for target in wanted if target.key not in busy]
        if reason is Reason.ASKED and len(wanted) == 1:
            self.board.begin(target.key for target in wanted)
        if not fresh:
            return
        run = Run(Kind.CHECK, (target.key for target in fresh), title, reason)
        asked = None if targets is None and len(fresh) == len(wanted) else fresh
        self._start(run, lambda: self.wizard.check(asked, cancelled=run.cancelled))

    def start_work(self, work: Work, title: str, requests: Conversation) -> None:
        """Run the work of a conversation; the conversation continues when it has ended."""
        if self.ended_by:
            return
        if self.working is not None:
            self.notify(f"“{self.working.title}” is still running.", severity="warning", markup=False)
            return
        targets = work.targets
        keys = [target.key for target in targets] if targets is not None else list(self.board.targets)
        run = Run(work.kind, keys, title)
        self.working = run
        self._conversing[run] = (work, requests)
        if work.kind is Kind.SOLVE:
            self.board.queued.update(key for key in keys if self.board.targets[key].step.solve)
        if targets is not None and len(targets) > 1:
            for section_id in dict.fromkeys(target.step.section for target in targets):
                self.board.note(section_id, title, "begun")
        self._start(run, lambda: work.events(run.cancelled))

    def _start(self, run: Run, make: Callable[[], Iterator[Event]]) -> None:
        self.runs.append(run)
        if self._second is not None:
            self._second.resume()
        run.drain(make, self)
        self._draw(run.keys)

    def stop_work(self, *, cancel: bool = False) -> None:
        """Ask the run that makes changes to stop at its next safe point."""
        if self.working is not None and not self.working.cancelled.is_set():
            if cancel:
                self.working.cancelled.set_and_cancel()
            else:
                self.working.cancelled.set()
            self.notify("Stopping at the next safe point. The cloud continues what it has started.", markup=False)
            self._draw(self.working.keys)

    def on_end_asked(self, message: EndAsked) -> None:
        """End as soon as changes in progress have reached a safe point."""
        if self.ended_by:
            return
        logger.warning("asked to end by signal %d", message.number)
        self.ended_by, self.leaving = message.number, True
        if self.working is None:
            self.exit(0)
        else:
            self.stop_work()

    def on_run_moved(self, message: RunMoved) -> None:
        """Process events, and limit the rate of redraws."""
        wait = DRAW_EVERY - (time.monotonic() - self._drawn_at)
        if wait <= 0:
            self._take_in()
        elif self._draw_timer is None:
            self._draw_timer = self.set_timer(wait, self._take_in)

    def _take_in(self) -> None:
        self._draw_timer = None
        for run in list(self.runs):
            self._read(run)
        if self._changed:
            self._draw(frozenset())
        else:
            self._draw_logs()

    def _read(self, run: Run) -> None:
        for event in run.events():
            changed = self.board.apply(event, undo=run.kind is Kind.UNDO)
            if isinstance(event, RunFinished):
                run.finished = event
                if event.uncertain and event.notes != self._doubts_told:
                    self._doubts_told = event.notes
                    said = "\n".join(event.notes)
                    self.notify(said, title="Unclear", severity="error", timeout=20, markup=False)
            if key := getattr(event, "target", ""):
                run.seen.add(key)
                (self._changed if changed else self._said).add(key)
        self._follow_person()

    def on_run_ended(self, message: RunEnded) -> None:
        """Handle the end of a run."""
        run = message.run
        self._read(run)
        run.over = True
        self.runs.remove(run)
        self.board.settle(run.keys | run.seen)
        if run.writes:
            self.working = None
            self.withdraw_question()
            self.board.person_needed = None
            self._follow_person()
        if not self.runs and self._second is not None:
            self._second.pause()
        self.where = self.wizard.where()
        self._compare()
        if message.error is not None:
            self.show_error(message.error, f"{run.title} failed")
        elif run.reason is Reason.BEFORE:
            self.before_looked_at()
        if run.writes:
            self._after_work(run, message.error)
        trouble = self._judge(run)
        self._draw(run.keys)
        if trouble:
            self.show_trouble(trouble)
        if self.leaving:
            return
        if run in self._conversing:
            self._hear_outcome(run)
        elif self._may_run(run.keys | run.seen):
            self.look_at_cost()

    def _judge(self, run: Run) -> str:
        """Return the first step that a request of the person left undone; empty if there is none to show."""
        if run.reason is not Reason.ASKED or run.kind is Kind.ACT or run.cancelled.is_set() or self.leaving:
            return ""
        # What blocks a checked step is named by its result; what a solve needed was done with it.
        asked = run.keys | set(run.final) if run.writes else run.keys
        if run.kind is Kind.UNDO:
            left = {key for key, result in run.final.items() if not result.passed}
            self.board.troubles |= dict.fromkeys(left, "log")
            return next((key for key in self.board.targets if key in left), "")
        if run.kind is Kind.CHECK and len({key.partition("/")[0] for key in run.keys}) > 1:
            # A check of the lab: what nobody has started is no trouble.
            tried = (key for key in asked if self.board.look(key).word in {"failed", "broken"})
            return self.board.judge(tried, "result", tried=True)
        return self.board.judge(asked, "result", tried=run.writes)

    def withdraw_question(self) -> None:
        """Close the question what to do with work in progress, because it has ended."""

    def show_trouble(self, key: str) -> None:
        """Show the first step that a request left undone."""

    def _after_work(self, run: Run, error: Exception | None) -> None:
        left = sum(1 for result in run.final.values() if result.status not in DONE)
        if self.leaving and not self.ended_by and run.kind is Kind.ACT and (left or error is not None):
            # What should have been stopped before quitting is still running: show that.
            self.leaving = False
        if self.leaving:
            self.exit(0)
            return
        if error is None and run.final and not left and not run.cancelled.is_set():
            how = {Kind.UNDO: "removed and verified", Kind.ACT: "done"}.get(run.kind, "done and verified")
            self.notify(f"{run.title}: {how}.", title="✓ Done", markup=False)
        elif error is None and not run.cancelled.is_set():
            self.notify(f"{run.title}: {left} not done; each step says why.", severity="warning", markup=False)
        self._look_around(run)

    def _may_run(self, keys: Iterable[str]) -> bool:
        """Whether one of these steps has created something that can run."""
        return any(
            self.board.targets[key].step.actions
            and self.board.status(key) in {Status.PASSED, Status.FAILED, Status.WAITING}
            for key in keys
            if key in self.board.targets
        )

    @work(exclusive=True, group="cost", exit_on_error=False)
    async def look_at_cost(self) -> None:
        """Check what is running and what it costs, and show it."""
        try:
            found = await aside(self.wizard.cost, "cost")
        except WizardError as error:
            logger.info("unknown what is running: %s", error.message)
            return
        self.take_cost(found)

    @work(exit_on_error=False)
    async def _hear_outcome(self, run: Run) -> None:
        """Continue the conversation of the work, and show what is running and what it costs now."""
        work, requests = self._conversing.pop(run)
        work.finished = run.finished
        outcome = await aside(lambda: next(requests, None), "conversation")
        if isinstance(outcome, Consent):
            self.ask_again(chain((outcome,), requests), run.title)
            return
        if not isinstance(outcome, Outcome):
            return
        if outcome.receipt_kept:
            self.notify(outcome.receipt_kept, title="Receipt", markup=False)
        if outcome.cost is None:
            return
        self.take_cost(outcome.cost)

    def take_cost(self, found: Cost) -> None:
        """Show what is running, say what has changed, and check it again after a while."""
        before = self.cost.running if self.cost is not None else ()
        self.cost = found
        names, names_before = ({each.what: None for each in running} for running in (found.running, before))
        if any(name not in names_before for name in names):
            self.notify(f"{found.line}. $ shows more.", title=found.heading(), markup=False)
        elif stopped := [name for name in names_before if name not in names]:
            still = f" {found.line}." if found.running else " Nothing that is billed by the hour is running."
            self.notify(f"{', '.join(stopped)}.{still}", title="No longer running", markup=False)
        if self._cost_timer is not None:
            self._cost_timer.stop()
        self._cost_timer = self.set_timer(COST_EVERY, self.look_at_cost) if found.running else None
        self._draw(frozenset())

    def _look_around(self, run: Run) -> None:
        """Check what was undone, the other steps of the section, and the steps that waited for it."""
        touched = run.keys | run.seen
        verified = set() if run.kind is Kind.UNDO else touched
        waited = [
            target for target in self.wizard.dependents(run.keys) if self.board.status(target.key) is Status.BLOCKED
        ]
        for section in self.board.lab.sections:
            targets = [target for target in self.board.section_targets(section) if target.step.check]
            if any(target.key in touched for target in targets):
                beside = [target for target in targets if target.key not in verified]
                self.start_check(beside, f"Checking section {section.number}", Reason.REFRESH)
        self.start_check(waited, "Checking the steps that waited for it", Reason.REFRESH)

    def take_confirmations(self, results: Mapping[str, Result]) -> None:
        """Show what a person has confirmed or withdrawn, and check the steps that waited for it."""
        self.show_confirmations(results)
        self._look_at_what_waited(results)

    def show_confirmations(self, results: Mapping[str, Result]) -> None:
        """Show the status of the steps that only a person can judge."""
        changed = [key for key, result in results.items() if self.board.standings[key].result != result]
        for key in changed:
            self.board.apply(CheckFinished(key, results[key], 0.0))
        if changed:
            self._draw(changed)

    def _look_at_what_waited(self, keys: Iterable[str]) -> None:
        """Check the steps that these steps block, or now block."""
        waited = [
            target
            for target in self.wizard.dependents(list(keys))
            if target.step.check and self.board.status(target.key) in {Status.BLOCKED, Status.PASSED}
        ]
        self.start_check(waited, "Checking the steps that waited for it", Reason.REFRESH)

    def report_of(self, target: Target) -> RunReport | None:
        """Return the report of a run of tests that a step is about, by the newest check."""
        return self.wizard.report(target, self._results())

    def _results(self) -> dict[str, Result]:
        return {key: standing.result for key, standing in self.board.standings.items() if standing.result is not None}

    def _compare(self) -> None:
        """Show which steps no longer pass."""
        self.board.regressed = tuple(
            key for key in self.wizard.regressions(self._results()) if key in self.board.targets
        )

    def _on_screens(self, act: Callable[[BoardScreen], None]) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, BoardScreen) and screen.is_ready:
                act(screen)

    def _draw(self, keys: Iterable[str]) -> None:
        self._drawn_at = time.monotonic()
        changed = self._changed | set(keys)
        self._changed = set()
        self._on_screens(lambda screen: screen.board_changed(changed))

    def _draw_logs(self) -> None:
        self._drawn_at = time.monotonic()
        sections = {key.partition("/")[0] for key in self._said}
        self._said = set()
        self._on_screens(lambda screen: screen.log_grew(sections))

    def _tick(self) -> None:
        self._on_screens(lambda screen: screen.tick())

    def _follow_person(self) -> None:
        """Show or remove the dialog for the sign-in with a device code."""
        needed = self.board.person_needed
        if self._device is not None and (needed is None or self._device.needed != needed):
            self._device.finish()
            self._device = None
        if needed is not None and self._device is None:
            from hol_wizard.tui.modals.device import DeviceDialog

            self._device = DeviceDialog(needed)
            self.push_screen(self._device)
