"""The end of the lab: what is done, how long it took, what still costs money, and the report about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from hol_wizard.tui.modals.dialog import Dialog, button
from hol_wizard.tui.threads import aside

if TYPE_CHECKING:
    from hol_wizard.tui.app import HolWizardApp
    from hol_wizard.wizard.endings import Ending


class EndingDialog(Dialog[None]):
    """Reads the costs and writes the report while it is open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", tooltip="Copy the report.", id="ending.copy"),
    ]
    AUTO_FOCUS = "#content"

    def __init__(self, app: HolWizardApp) -> None:
        super().__init__("What you have done")
        self._host = app
        self._ending: Ending | None = None

    def body(self) -> ComposeResult:
        """Yield the place for the text."""
        yield Static("Checking what is done and what costs money …", id="ending", markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        yield button("Copy the report (y)", "copy")
        yield button("Close", "cancel", primary=True)

    def on_mount(self) -> None:
        """Start reading."""
        self._read()

    @work(exit_on_error=False)
    async def _read(self) -> None:
        wizard = self._host.wizard
        ending = await aside(wizard.ending, "ending")
        kept = await aside(lambda: wizard.keep_ending(ending), "ending")
        self._ending = ending
        style = "$success bold" if ending.is_complete else "bold"
        parts = [Content.styled(ending.heading, style), Content("")]
        for line in ending.lines():
            parts.append(Content.styled(line, "$warning" if line.startswith("   ") else ""))
        self.query_one("#ending", Static).update(Content("\n").join([*parts, Content(""), Content(kept)]))

    def action_copy(self) -> None:
        """Copy the report."""
        from hol_wizard.tui.flows import COPY, copy

        if self._ending is not None:
            self._host.flow(copy(self._host, self._ending.document(), "The report, as Markdown."), COPY)
