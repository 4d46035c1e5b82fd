"""The full-screen wizard: creates the screens, starts the runs, and is the only place that receives their events."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import BindingType
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from hol_wizard.errors import DefectError, WizardError
from hol_wizard.lab.model import Environment, Section, Target
from hol_wizard.tui import ending
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.commands import Command, Place, bindings_of
from hol_wizard.tui.guard import GuardedScreen
from hol_wizard.tui.overview_screen import OverviewScreen
from hol_wizard.tui.runs import Reason
from hol_wizard.tui.themes import THEMES
from hol_wizard.tui.ui_state import UiState
from hol_wizard.tui.watching_app import WatchingApp

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.timer import Timer

    from hol_wizard.wizard.conversation import Conversation
    from hol_wizard.wizard.facade import Wizard

logger = logging.getLogger(__name__)

ANOTHER_DIGIT_WITHIN = 0.7
"""Seconds to wait for the second digit of a section's number."""
_CHANGES = {"solve_step", "solve_section", "undo_step", "undo_section", "act", "catch_up", "check_all"}
"""Commands that are not available while something is being changed."""
BEGIN_AFTER = 0.03
"""Seconds for the first paint to reach the terminal before imports on other threads compete with it."""


def _palette() -> type[Provider]:
    """Return the palette's provider, which is loaded with the palette."""
    from hol_wizard.tui.palette import CommandsProvider

    return CommandsProvider


class HolWizardApp(WatchingApp):
    """The full-screen app."""

    TITLE = "hol-wizard"
    # Textual does not load the style sheet of a default screen, only those of screens pushed on top of it.
    CSS_PATH = ["app.tcss", "overview_screen.tcss"]  # noqa: RUF012 declared so by Textual
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Place.APP)
    COMMANDS = {_palette}  # noqa: RUF012 declared so by Textual
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        wizard: Wizard,
        *,
        resume: Section | None = None,
        catch_up: bool = False,
        theme: str = "",
        memory_path: Path | None = None,
    ) -> None:
        super().__init__(wizard)
        self.memory = UiState.load(memory_path)
        self._digits = ""
        """The digits of a section's number typed so far."""
        self._digits_timer: Timer | None = None
        self._resume = resume
        self._catch_up = catch_up
        for item in THEMES.values():
            self.register_theme(item)
        if theme in THEMES:
            self.memory.theme = theme
        self.theme = THEMES[self.memory.theme if self.memory.theme in THEMES else "dark"].name

    # Start

    def get_default_screen(self) -> Screen[Any]:
        """Return the overview, the default screen."""
        return OverviewScreen(self.size)

    def on_mount(self) -> None:
        """Paint the overview first; everything else follows."""
        self.call_after_refresh(self.set_timer, BEGIN_AFTER, self._begin)

    def _begin(self) -> None:
        """Start what the first paint does not need."""
        # Everything loaded so far is permanent, so the garbage collector need not visit it repeatedly.
        gc.freeze()
        gc.enable()
        if not self.screen_stack:
            # The app was quit before that.
            return
        place = self.memory.place
        if self._resume is not None:
            self._open_resumed(self._resume)
            self._check_before(self._resume)
        else:
            # If a key typed ahead has opened another screen, stay there.
            if isinstance(self.screen, OverviewScreen) and any(s.id == place for s in self.board.lab.sections):
                self.open_section(self.board.lab.section(place), check=False)
            self.check_lab(Reason.START)
        self._warm_up()

    def _open_resumed(self, section: Section) -> None:
        """Open the section that the command names, even if keys typed ahead have opened something else."""
        if isinstance(self.screen, GuardedScreen) and not isinstance(self.screen, BoardScreen):
            self.screen.close_unanswered()
        if self._is_settled:
            self.open_section(section)
        elif not self._exit:
            self.set_timer(BEGIN_AFTER, lambda: self._open_resumed(section))

    @work(exit_on_error=False)
    async def _warm_up(self) -> None:
        """Load what the first section will need, on another thread."""
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

    @property
    def _is_settled(self) -> bool:
        """Whether the screen can change: a dialog must be answered first, and a screen must be mounted before it is
        replaced."""
        return isinstance(self.screen, BoardScreen) and self.screen.is_ready and not self._exit

    def open_section(self, section: Section, key: str = "", *, check: bool = True) -> None:
        """Open a section over the overview, at a step if one is named."""
        from hol_wizard.tui.section_screen import SectionScreen

        if not self._is_settled:
            return
        self.memory.here = self.memory.place = section.id
        if key:
            self.memory.steps[section.id] = key
        screen = SectionScreen(section, self.size)
        if isinstance(self.screen, SectionScreen):
            self.switch_screen(screen)
        else:
            self.push_screen(screen)
        self.memory.save()
        if check:
            self.refresh_section(section)

    def withdraw_question(self) -> None:
        """Close the question what to do with work in progress, because it has ended."""
        from hol_wizard.tui.modals.leave import LeaveDialog

        for screen in self.screen_stack:
            if isinstance(screen, LeaveDialog):
                screen.action_cancel()

    def show_trouble(self, key: str) -> None:
        """Put the cursor on the first step that a request left undone, and show why."""
        from hol_wizard.tui.section_screen import SectionScreen

        section_id = key.partition("/")[0]
        for screen in self.screen_stack:
            if isinstance(screen, OverviewScreen) and screen.is_ready and screen.is_active:
                screen.sections.move_to(section_id)
            elif isinstance(screen, SectionScreen) and screen.is_ready and screen.section.id == section_id:
                screen.show_trouble(key)
            elif isinstance(screen, SectionScreen) and screen.is_active:
                self.open_section(self.board.lab.section(section_id), key, check=False)

    def back_to_overview(self) -> None:
        """Close the section."""
        if self._is_settled and len(self.screen_stack) > 1:
            self.memory.place = ""
            self.memory.save()
            self.pop_screen()

    def type_digit(self, digit: str) -> None:
        """Open the section with the typed number, as soon as it cannot get another digit."""
        if self._digits_timer is not None:
            self._digits_timer.stop()
        self._digits += digit
        numbers = [str(section.number) for section in self.board.lab.sections]
        if any(number.startswith(self._digits) and number != self._digits for number in numbers):
            self._digits_timer = self.set_timer(ANOTHER_DIGIT_WITHIN, self._open_typed)
            if isinstance(self.screen, OverviewScreen):
                self._point_at(self._digits)
        else:
            self._open_typed()

    def _point_at(self, number: str) -> None:
        for section in self.board.lab.sections:
            if str(section.number) == number and isinstance(self.screen, OverviewScreen):
                self.screen.sections.move_to(section.id)

    def _open_typed(self) -> None:
        typed, self._digits, self._digits_timer = self._digits, "", None
        for section in self.board.lab.sections:
            if str(section.number) == typed:
                self.open_section(section)
                return
        self.notify(f"There is no section {typed}: they are 1 to {len(self.board.lab.sections)}.", markup=False)

    def say_why_not(self, command: Command, why: str) -> None:
        """Say why a key does nothing now."""
        if self.working is not None and (not why or command.action in _CHANGES):
            why = f"“{self.working.title}” is running: wait until it has ended, or stop it with x."
        self.notify(why or "This is not possible now.", title=command.title, markup=False)

    def missing_before(self, section: Section) -> list[Target]:
        """Return the missing steps that the resumed section needs; empty for other sections, and until they are
        checked."""
        if self._resume is None or section.id != self._resume.id:
            return []
        return [t for t in self.board.missing(self.wizard.prerequisites(section)) if self.board.fresh(t.key)]

    def _check_before(self, section: Section) -> None:
        before = self.wizard.prerequisites(section)
        if before:
            self.start_check(before, "Checking what this section needs", Reason.BEFORE)

    def before_looked_at(self) -> None:
        """Do the missing earlier steps of the resumed section, if that was requested."""
        if self._catch_up and self._resume is not None:
            self._catch_up = False
            missing = self.board.missing(self.wizard.prerequisites(self._resume))
            if missing:
                from hol_wizard.tui.flows import solve

                self.flow(solve(self, missing, "Catching up"))

    # Flows: operations with several questions

    def flow(self, steps: Coroutine[Any, Any, None], group: str = "work") -> None:
        """Run a coroutine of `hol_wizard.tui.flows`, unless one of its group is in progress.

        Its errors are shown and do not end the app.

        Args:
            steps: The coroutine.
            group: Flows that ask about the same thing: pressing a key twice, or two such keys, asks once.
        """
        if self._exit or any(worker.group == group and not worker.is_finished for worker in self.workers):
            steps.close()
        else:
            self.run_worker(steps, group=group, exit_on_error=False)

    def ask_again(self, requests: Conversation, title: str) -> None:
        """Continue a conversation whose work started nothing, because it is not what the person agreed to."""
        from hol_wizard.tui.flows import converse

        self.flow(converse(self, requests, title))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the error of a flow."""
        if event.state is WorkerState.ERROR and isinstance(event.worker.error, Exception):
            self.show_error(event.worker.error, "That did not work")

    def show_error(self, error: Exception, title: str) -> None:
        """Show an error with what to do about it, and log it."""
        from hol_wizard.tui.modals.error import ErrorDialog

        if not isinstance(error, WizardError):
            logger.error("unexpected error in the screens", exc_info=error)
        if not self.leaving:
            self.push_screen(ErrorDialog.of(error, title, self.wizard))

    # Commands

    def action_keys(self) -> None:
        """Show the keys of the screen."""
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
        """Check this machine."""
        from hol_wizard.tui.modals.doctor import DoctorDialog

        self.push_screen(DoctorDialog(self.wizard))

    def action_ending(self) -> None:
        """Show what is done, and write the report."""
        from hol_wizard.tui.modals.ending import EndingDialog

        self.push_screen(EndingDialog(self))

    def action_shell(self) -> None:
        """Leave the screen for a shell that uses this cloud."""
        from hol_wizard.tui.flows import SHELL, shell

        self.flow(shell(self), SHELL)

    def action_cost(self) -> None:
        """Show what is running and what it costs."""
        from hol_wizard.tui.modals.cost import CostDialog

        self.push_screen(CostDialog(self))

    def action_teardown(self) -> None:
        """Remove everything that was created, after asking."""
        from hol_wizard.tui.flows import undo

        self.flow(undo(self, None, "Taking everything down"))

    def action_leave(self) -> None:
        """Quit, after asking if something is being changed, or is running and costs money."""
        from hol_wizard.tui.flows import LEAVE, leave

        if self.working is None and not (self.cost and self.cost.running):
            self.exit(0)
        else:
            self.flow(leave(self), LEAVE)

    async def action_quit(self) -> None:
        """Quit; Textual's own commands call this."""
        self.action_leave()

    def action_command_palette(self) -> None:
        """Offer all commands."""
        from hol_wizard.tui.palette import Palette

        if self.use_command_palette and not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def action_help_quit(self) -> None:
        """Quit on Ctrl-C, too, because people expect it."""
        self.action_leave()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide commands that are not available now."""
        if action in {"teardown", "doctor", "shell"}:
            return self.working is None
        return True

    def on_unmount(self) -> None:
        """Tell every run that nobody reads its events anymore, and save where the person was."""
        for run in self.runs:
            run.cancelled.set()
        self.memory.save()


def run(
    make_wizard: Callable[[], Wizard], *, resume: Section | None = None, catch_up: bool = False, theme: str = ""
) -> int:
    """Run the full-screen wizard until the person quits, and return the exit code.

    Args:
        make_wizard: Creates the wizard; only reads files.
        resume: Section to open; what it needs is checked first.
        catch_up: Whether to do the missing earlier steps, after showing them.
        theme: `dark` or `light`; empty for the last one.

    Raises:
        WizardError: The wizard could not be created.
    """
    # A garbage collection during loading costs a tenth of the time to the first paint and finds nothing.
    gc.disable()
    # Other threads yield to the screen five times as often as by default.
    sys.setswitchinterval(0.001)
    wizard = make_wizard()
    memory_path = wizard.home.state_folder(wizard.cloud, wizard.profile.name) / "ui.json"
    app = HolWizardApp(wizard, resume=resume, catch_up=catch_up, theme=theme, memory_path=memory_path)
    try:
        ending.run(app)
    finally:
        gc.enable()
        wizard.close()
    if app.broken:
        log = wizard.home.log_file
        raise DefectError("The screen broke; nothing is lost.", f"Start again, or use --plain. Details: {log}")
    return app.return_value or 0
