"""The full-screen wizard: makes the screens, starts the runs, and is the one place where their events arrive."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from hol_wizard.engine.events import Event
from hol_wizard.engine.results import Result
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Environment, Section, Target
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.board import Board
from hol_wizard.tui.commands import Place, bindings_of
from hol_wizard.tui.memory import Memory
from hol_wizard.tui.messages import RunEnded, RunMoved
from hol_wizard.tui.overview_screen import OverviewScreen
from hol_wizard.tui.runs import Kind, Reason, Run
from hol_wizard.tui.themes import THEMES

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.timer import Timer

    from hol_wizard.tui.modals.device import DeviceDialog
    from hol_wizard.tui.wizard import WizardLike

logger = logging.getLogger(__name__)

DRAW_EVERY = 0.08
"""Seconds between two redraws while events stream in: fast to the eye, and keys are answered in between."""
BEGIN_AFTER = 0.03
"""Seconds that the first paint has to reach the terminal, before imports on other threads compete with it."""
STALE_AFTER = 20.0
"""Seconds after which opening a section looks at it again."""


def _palette() -> type[Provider]:
    """Return the palette's provider; it is loaded with the palette."""
    from hol_wizard.tui.palette import CommandsProvider

    return CommandsProvider


class HolWizardApp(App[int]):
    """The wizard on a whole terminal."""

    TITLE = "hol-wizard"
    # Textual does not load the style sheet that a default screen names, only those of screens pushed on it.
    CSS_PATH = ["app.tcss", "overview_screen.tcss"]  # noqa: RUF012 declared so by Textual
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Place.APP)
    COMMANDS = {_palette}  # noqa: RUF012 declared so by Textual
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        wizard: WizardLike,
        *,
        resume: Section | None = None,
        catch_up: bool = False,
        theme: str = "",
        memory_path: Path | None = None,
    ) -> None:
        super().__init__()
        self.wizard = wizard
        self.memory = Memory.load(memory_path)
        self.board = Board.of(wizard.lab, wizard.last_results())
        self.where = wizard.where()
        self.runs: list[Run] = []
        self.working: Run | None = None
        """The run that changes things; there is one at most."""
        self.leaving = False
        """Whether the app goes as soon as the work has stopped."""
        self._resume = resume
        self._catch_up = catch_up
        self._drawn_at = 0.0
        self._draw_timer: Timer | None = None
        self._second: Timer | None = None
        self._look_again: Timer | None = None
        self._changed: set[str] = set()
        self._said: set[str] = set()
        self._device: DeviceDialog | None = None
        for item in THEMES.values():
            self.register_theme(item)
        if theme in THEMES:
            self.memory.theme = theme
        self.theme = THEMES[self.memory.theme if self.memory.theme in THEMES else "dark"].name

    # Start

    def get_default_screen(self) -> Screen[Any]:
        """Return the overview: the wizard's ground floor."""
        return OverviewScreen(self.size)

    def on_mount(self) -> None:
        """Let the overview be painted; everything else comes after it."""
        self._second = self.set_interval(1.0, self._tick, pause=True)
        self.call_after_refresh(self.set_timer, BEGIN_AFTER, self._begin)

    def _begin(self) -> None:
        """Start what the first paint did not need."""
        # What was loaded until here stays to the end: the collector need not walk it again and again.
        gc.freeze()
        gc.enable()
        place = self.memory.place
        if self._resume is not None:
            self.open_section(self._resume)
            self._check_before(self._resume)
        else:
            if any(section.id == place for section in self.board.lab.sections):
                self.open_section(self.board.lab.section(place), check=False)
            self.check_lab(Reason.START)
        self._warm_up()

    @work(exit_on_error=False)
    async def _warm_up(self) -> None:
        """Load, off the screen's thread, what the first section will need."""
        from hol_wizard.tui.threads import aside

        def load() -> None:
            import hol_wizard.tui.section_screen  # noqa: F401 loaded, not used, here

        await aside(load, "warm up")

    # Texts

    def text(self, template: str, environment: Environment | None = None) -> str:
        """Return a text of the lab with the reader's own names in it."""
        try:
            return self.wizard.text(template, environment)
        except WizardError as error:
            logger.warning("a text could not be filled in: %s", error)
            return template

    # Places

    def open_section(self, section: Section, key: str = "", *, check: bool = True) -> None:
        """Open a section, at a step where one is named, over the overview."""
        from hol_wizard.tui.section_screen import SectionScreen

        self.memory.here = self.memory.place = section.id
        if key:
            self.memory.steps[section.id] = key
        screen = SectionScreen(section, self.size)
        if isinstance(self.screen, SectionScreen):
            self.switch_screen(screen)
        else:
            self.push_screen(screen)
        if check:
            self.refresh_section(section)

    def back_to_overview(self) -> None:
        """Close the section."""
        self.memory.place = ""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    # Runs

    @property
    def checking(self) -> Run | None:
        """The check under way that was begun last."""
        return next((run for run in reversed(self.runs) if run.kind is Kind.CHECK), None)

    def missing_before(self, section: Section) -> list[Target]:
        """Return what the resumed section stands on and is not done; empty for other sections, and until seen."""
        if self._resume is None or section.id != self._resume.id:
            return []
        return [t for t in self.board.missing(self.wizard.before(section)) if self.board.fresh(t.key)]

    def check_lab(self, reason: Reason = Reason.ASKED) -> None:
        """Look at every step of the lab."""
        self.start_check(None, "Checking the lab", reason)

    def refresh_section(self, section: Section) -> None:
        """Look at a section's steps where the last look is old."""
        now = time.monotonic()
        old = [
            target
            for target in self.board.section_targets(section)
            if target.step.check and now - (self.board.standings[target.key].checked_at or -1e9) > STALE_AFTER
        ]
        self.start_check(old, f"Checking section {section.number}", Reason.REFRESH)

    def start_check(self, targets: Sequence[Target] | None, title: str, reason: Reason = Reason.ASKED) -> None:
        """Look at the targets, all for None, leaving out those that are being looked at or worked on already."""
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

    def _check_before(self, section: Section) -> None:
        before = self.wizard.before(section)
        if before:
            self.start_check(before, "Checking what comes before", Reason.BEFORE)

    def start_work(
        self, kind: Kind, targets: Sequence[Target] | None, title: str, inputs: Mapping[str, str] | None = None
    ) -> None:
        """Solve or undo the targets (undo: all that was made, for None)."""
        if self.working is not None:
            self.notify(f"“{self.working.title}” is still running.", severity="warning", markup=False)
            return
        keys = [target.key for target in targets] if targets is not None else list(self.board.targets)
        run = Run(kind, keys, title)
        self.working = run
        if kind is Kind.SOLVE:
            self.board.queued.update(key for key in keys if self.board.targets[key].step.solve)
        if targets is not None and len(targets) > 1:
            for section_id in dict.fromkeys(target.step.section for target in targets):
                self.board.note(section_id, title, "begun")

        def events() -> Iterator[Event]:
            if kind is Kind.UNDO:
                return self.wizard.teardown(targets, cancelled=run.cancelled)
            return self.wizard.solve(targets or [], inputs=dict(inputs or {}), cancelled=run.cancelled)

        self._start(run, events)

    def _start(self, run: Run, make: Callable[[], Iterator[Event]]) -> None:
        self.runs.append(run)
        if self._second is not None:
            self._second.resume()
        run.drain(make, self)
        self._draw(run.keys)

    def stop_work(self) -> None:
        """Ask the run that changes things to stop at its next safe point."""
        if self.working is not None and not self.working.cancelled.is_set():
            self.working.cancelled.set()
            self.notify("Stopping at the next safe point. What the cloud has begun goes on there.", markup=False)
            self._draw(self.working.keys)

    def on_run_moved(self, message: RunMoved) -> None:
        """Take in events, drawing at most every so often."""
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
            changed = self.board.apply(event)
            if key := getattr(event, "target", ""):
                (self._changed if changed else self._said).add(key)
        self._follow_person()

    def on_run_ended(self, message: RunEnded) -> None:
        """Answer to the end of a run."""
        run = message.run
        self._read(run)
        run.over = True
        self.runs.remove(run)
        self.board.settle(run.keys)
        if run.writes:
            self.working = None
            self.board.person_needed = None
            self._follow_person()
        if not self.runs and self._second is not None:
            self._second.pause()
        self.where = self.wizard.where()
        if message.error is not None:
            self.show_error(message.error, f"{run.title} broke off")
        elif run.reason in {Reason.START, Reason.ASKED} and not run.writes:
            self._compare()
        elif run.reason is Reason.BEFORE:
            self._offer_catch_up()
        if run.writes:
            self._after_work(run, message.error)
        self._draw(run.keys)
        self._plan_next_look()

    def _after_work(self, run: Run, error: Exception | None) -> None:
        if self.leaving:
            self.exit(0)
            return
        still = [key for key in run.keys if key in self.board.standings and not self._done(key)]
        if error is None and not still:
            self.notify(f"{run.title}: done and proven.", title="✓ Done", markup=False)
        elif error is None and not run.cancelled.is_set() and run.kind is Kind.SOLVE:
            self.notify(f"{run.title}: {len(still)} not done yet.", severity="warning", markup=False)
        wanted = set(run.keys)
        # What was done may have unblocked what comes after it in the same section.
        for section in self.board.lab.sections:
            targets = [t for t in self.board.section_targets(section) if t.step.check and t.key not in wanted]
            if targets and any(t.key in wanted for t in self.board.section_targets(section)):
                self.start_check(targets, f"Checking section {section.number}", Reason.REFRESH)

    def _done(self, key: str) -> bool:
        result = self.board.standings[key].result
        return result is not None and result.passed

    def _results(self) -> dict[str, Result]:
        return {key: standing.result for key, standing in self.board.standings.items() if standing.result is not None}

    def _compare(self) -> None:
        """Say which earlier checks have regressed."""
        self.board.regressed = tuple(
            key for key in self.wizard.regressions(self._results()) if key in self.board.targets
        )

    def _offer_catch_up(self) -> None:
        """Do what is missing before the resumed section, where that was asked for."""
        if self._catch_up and self._resume is not None:
            self._catch_up = False
            missing = self.board.missing(self.wizard.before(self._resume))
            if missing:
                from hol_wizard.tui.flows import solve

                self.flow(solve(self, missing, "Catching up"))

    def _plan_next_look(self) -> None:
        """Look again, by itself, at what is WAITING."""
        if self._look_again is not None:
            self._look_again.stop()
            self._look_again = None
        ready, soonest = self.board.due(time.monotonic())
        if ready:
            self.start_check([self.board.targets[key] for key in ready], "Looking again", Reason.REFRESH)
        elif soonest is not None:
            self._look_again = self.set_timer(soonest + 0.05, self._plan_next_look)

    def _draw(self, keys: Iterable[str]) -> None:
        self._drawn_at = time.monotonic()
        changed = self._changed | set(keys)
        self._changed = set()
        for screen in self.screen_stack:
            if isinstance(screen, BoardScreen) and screen.is_mounted:
                screen.board_changed(changed)

    def _draw_logs(self) -> None:
        self._drawn_at = time.monotonic()
        sections = {key.partition("/")[0] for key in self._said}
        self._said = set()
        for screen in self.screen_stack:
            if isinstance(screen, BoardScreen) and screen.is_mounted:
                screen.log_grew(sections)

    def _tick(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, BoardScreen) and screen.is_mounted:
                screen.tick()

    def _follow_person(self) -> None:
        """Show, or take away, the request to sign in elsewhere."""
        needed = self.board.person_needed
        if self._device is not None and (needed is None or self._device.needed != needed):
            self._device.finish()
            self._device = None
        if needed is not None and self._device is None:
            from hol_wizard.tui.modals.device import DeviceDialog

            self._device = DeviceDialog(needed)
            self.push_screen(self._device)

    # Flows: what takes several questions

    @work(exit_on_error=False)
    async def flow(self, steps: Any) -> None:
        """Run a coroutine of `hol_wizard.tui.flows`; its errors are shown, they do not end the app.

        Args:
            steps: The coroutine.
        """
        await steps

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a flow stumbled over."""
        if event.state is WorkerState.ERROR and isinstance(event.worker.error, Exception):
            self.show_error(event.worker.error, "That did not work")

    def show_error(self, error: Exception, title: str) -> None:
        """Show an error with what to do about it, and log it."""
        from hol_wizard.tui.modals.error import ErrorDialog

        if not isinstance(error, WizardError):
            logger.error("unexpected error in the screens", exc_info=error)
        if not self.leaving:
            self.push_screen(ErrorDialog.of(error, title, self.wizard.home.log_file))

    async def run_action(
        self,
        action: Any,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Perform an action; one that stumbles shows its error and leaves the app as it is."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as error:  # noqa: BLE001 the outermost edge of every command that a key or a click gives
            self.show_error(error, "That did not work")
            return True

    def _fatal_error(self) -> None:
        """End with two lines: Textual's own traceback would show the values of all variables."""
        logger.critical("the screens broke", exc_info=True)
        self.panic(
            f"The screen broke; nothing is lost. Start again, or use --plain.\nDetails: {self.wizard.home.log_file}"
        )

    # Commands

    def action_keys(self) -> None:
        """Show the keys of the place."""
        from hol_wizard.tui.modals.help import HelpDialog

        if isinstance(self.screen, BoardScreen):
            self.push_screen(HelpDialog(self.screen))

    def action_theme(self) -> None:
        """Change between light and dark."""
        self.memory.theme = "light" if self.memory.theme == "dark" else "dark"
        self.theme = THEMES[self.memory.theme].name

    def action_about(self) -> None:
        """Show version and folders."""
        from hol_wizard.tui.modals.about import AboutDialog

        self.push_screen(AboutDialog(self.wizard))

    def action_doctor(self) -> None:
        """Look at this machine."""
        from hol_wizard.tui.modals.doctor import DoctorDialog

        self.push_screen(DoctorDialog(self.wizard))

    def action_teardown(self) -> None:
        """Remove all that was made, after asking."""
        from hol_wizard.tui.flows import undo

        self.flow(undo(self, None, "Taking everything down"))

    def action_leave(self) -> None:
        """Leave, asking first while something is being changed."""
        from hol_wizard.tui.flows import leave

        if self.working is None:
            self.exit(0)
        else:
            self.flow(leave(self))

    async def action_quit(self) -> None:
        """Leave, the way that Textual's own commands ask for it."""
        self.action_leave()

    def action_help_quit(self) -> None:
        """Leave on Ctrl-C as well: that is what fingers do."""
        self.action_leave()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if action in {"teardown", "doctor"}:
            return self.working is None
        return True

    def on_unmount(self) -> None:
        """Tell every run that nobody watches any more, and keep where the person was."""
        for run in self.runs:
            run.cancelled.set()
        self.memory.save()


def run(
    make_wizard: Callable[[], WizardLike], *, resume: Section | None = None, catch_up: bool = False, theme: str = ""
) -> int:
    """Show the wizard until the person leaves, and return the exit code.

    Args:
        make_wizard: Makes the wizard; reads files only.
        resume: Section to open, with what comes before it checked.
        catch_up: Whether to do what is missing before that section, after showing it.
        theme: `dark` or `light`; empty: as it was left.

    Raises:
        WizardError: The wizard could not be made.
    """
    # A collection in the middle of loading costs a tenth of the time to the first paint and finds nothing.
    gc.disable()
    wizard = make_wizard()
    memory_path = wizard.home.state_folder(wizard.cloud, wizard.profile.name) / "ui.json"
    app = HolWizardApp(wizard, resume=resume, catch_up=catch_up, theme=theme, memory_path=memory_path)
    try:
        code = app.run()
    finally:
        gc.enable()
        wizard.close()
    return app.return_code or code or 0
