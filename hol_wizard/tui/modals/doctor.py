"""The doctor: checks of the wizard's prerequisites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hol_wizard.engine.events import CheckFinished, Event
from hol_wizard.engine.results import Result
from hol_wizard.errors import WizardError
from hol_wizard.tui.board import LOOKS
from hol_wizard.tui.modals.dialog import Dialog
from hol_wizard.tui.result_text import with_links
from hol_wizard.tui.runs import Run
from hol_wizard.tui.threads import aside
from hol_wizard.wizard.requests import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hol_wizard.tui.messages import RunEnded
    from hol_wizard.wizard.facade import Wizard


class DoctorDialog(Dialog[None]):
    """The findings, shown as they arrive."""

    AUTO_FOCUS = "#cancel"

    def __init__(self, wizard: Wizard) -> None:
        super().__init__("This machine")
        self._wizard = wizard
        self._titles: Mapping[str, str] = {}
        self._results: dict[str, Result] = {}
        self._problem = ""

    def body(self) -> ComposeResult:
        """Yield the place for the findings."""
        yield Static("Looking …", id="findings", markup=False)

    def on_mount(self) -> None:
        """Start the checks."""
        self._look()

    @work(exit_on_error=False)
    async def _look(self) -> None:
        try:
            self._titles, events = await aside(self._wizard.doctor, "doctor")
        except WizardError as error:
            self._problem = error.message
            self._show()
            return
        Run(Kind.CHECK, self._titles, "doctor").drain(lambda: events, self)

    def _take(self, event: Event) -> None:
        if isinstance(event, CheckFinished):
            self._results[event.target] = event.result

    def on_run_moved(self, message: RunEnded) -> None:
        """Show new findings."""
        message.stop()
        for event in message.run.events():
            self._take(event)
        self._show()

    def on_run_ended(self, message: RunEnded) -> None:
        """Show the last findings."""
        if message.error is not None:
            self._problem = f"The check failed: {type(message.error).__name__}."
        self.on_run_moved(message)

    def _show(self) -> None:
        lines: list[Content] = []
        for key, title in self._titles.items():
            result = self._results.get(key)
            look = LOOKS[result.status] if result else LOOKS["checking"]
            said = result.summary if result else ""
            lines.append(Content.assemble((f"{look.symbol} {look.word:<9}", look.style), (f"{title}  ", "bold"), said))
            if result and result.next_action:
                lines.append(Content.assemble((f"{'':11}Next  ", "$accent bold"), with_links(result.next_action)))
        if self._problem:
            lines.append(Content.styled(self._problem, "$error bold"))
        self.query_one("#findings", Static).update(Content("\n").join(lines))
