"""What is running now, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hol_wizard.errors import WizardError
from hol_wizard.tui.modals.dialog import Dialog
from hol_wizard.tui.threads import aside

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost
    from hol_wizard.tui.app import HolWizardApp


class CostDialog(Dialog[None]):
    """What is running, then what always costs money, then notes about the figures."""

    AUTO_FOCUS = "#cancel"

    def __init__(self, app: HolWizardApp) -> None:
        super().__init__("What is running now, and what it costs")
        self._wizard_app = app

    def body(self) -> ComposeResult:
        """Yield the place for the result."""
        yield Static("Looking …", id="cost", markup=False)

    def on_mount(self) -> None:
        """Start reading."""
        self._look()

    @work(exit_on_error=False)
    async def _look(self) -> None:
        place = self.query_one("#cost", Static)
        try:
            found = await aside(self._wizard_app.wizard.cost, "cost")
        except WizardError as error:
            place.update(
                Content("\n").join(
                    [Content.styled(error.message, "$error bold"), Content(self._wizard_app.wizard.speak(error.hint))]
                )
            )
            return
        self._wizard_app.take_cost(found)
        place.update(cost_content(found))


def cost_content(cost: Cost) -> Content:
    """Return the text about current costs."""
    parts: list[Content] = []
    for each in cost.running:
        parts.append(Content.assemble(("» ", "$warning bold"), (each.what, "bold"), f": {each.text()}"))
        if each.stop:
            parts.append(Content.styled("  To stop it, press m at its step.", "$foreground 65%"))
    parts += [Content.styled(f"? Unknown: {each}", "$warning") for each in cost.unknown]
    if not parts:
        parts.append(Content("Nothing that is billed by the hour is running."))
    if cost.standing:
        parts += [Content(""), Content.styled("What this wizard created and what always runs", "$secondary bold")]
    places: dict[str, list[str]] = {}
    for standing in cost.standing:
        places.setdefault(standing.cost, []).append(standing.target_key)
    for words, keys in places.items():
        parts += [Content.styled(", ".join(keys), "bold"), Content(f"  {words}")]
    parts += [Content(""), *(Content.styled(note, "$foreground 65%") for note in cost.notes)] if cost.notes else []
    return Content("\n").join(parts)
