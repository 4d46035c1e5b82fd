"""The base class of the wizard's screens."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, cast

from textual.content import Content
from textual.events import Key
from textual.geometry import Size
from textual.widgets import Static

from hol_wizard.tui.commands import Place, commands_of
from hol_wizard.tui.guard import GuardedScreen

if TYPE_CHECKING:
    from hol_wizard.lab.model import Target
    from hol_wizard.tui.app import HolWizardApp
    from hol_wizard.tui.board import Board


class BoardScreen(GuardedScreen[None]):
    """A screen that shows a part of the board."""

    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (50, "-narrow"), (96, "-wide")]  # noqa: RUF012 declared so by Textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012 declared so by Textual

    def __init__(self, size: Size) -> None:
        """Create the screen for a terminal of this size.

        Textual sets the size classes with the first resize, after a first layout without them: everything would be laid
        out and painted twice.
        """
        width, height = size
        columns = max(point for point in self.HORIZONTAL_BREAKPOINTS if point[0] <= width)
        lines = max(point for point in self.VERTICAL_BREAKPOINTS if point[0] <= height)
        super().__init__(classes=f"{columns[1]} {lines[1]}")
        self._put: dict[str, Content] = {}

    place: Place
    """Which rows of the table of commands apply here."""

    @property
    def wizard_app(self) -> HolWizardApp:
        """The app, with its actual type."""
        return cast("HolWizardApp", self.app)

    @property
    def board(self) -> Board:
        """The state of all steps."""
        return self.wizard_app.board

    def put(self, place: Static, content: Content, *, layout: bool = True) -> None:
        """Show a text, unless it is already shown.

        Args:
            place: The widget, which has an ID.
            content: The text.
            layout: Whether its height may change; a layout costs more than a repaint.
        """
        before = self._put.get(str(place.id))
        if before is None or not before.is_same(content):
            self._put[str(place.id)] = content
            place.update(content, layout=layout)

    def cost_content(self) -> Content:
        """Return a short text about what is running and what it costs; empty if nothing is."""
        cost = self.wizard_app.cost
        return Content.styled(f"» {cost.line}", "$warning") if cost is not None and cost.line else Content("")

    def why_not(self, action: str) -> str:
        """Return why a command is not available now, in one sentence; empty if there is nothing to say."""
        del action
        return ""

    def on_key(self, event: Key) -> None:
        """Open a section by its number, and say why a key does nothing."""
        if event.character is not None and event.character in "0123456789":
            event.stop()
            self.wizard_app.type_digit(event.character)
            return
        for command in (*commands_of(self.place), *commands_of(Place.APP)):
            if event.key not in command.keys:
                continue
            is_ours = command.place is self.place
            if not (self if is_ours else self.app).check_action(command.action, ()):
                event.stop()
                self.wizard_app.say_why_not(command, self.why_not(command.action) if is_ours else "")
                return

    def log_grew(self, sections: Set[str]) -> None:
        """Show new lines in the logs of these sections; nothing else has changed."""

    def board_changed(self, keys: Set[str]) -> None:
        """Show changes; the keys are those of the changed steps."""

    def watched(self) -> tuple[Target | None, Sequence[Target]]:
        """Return the step that the person sees, and others that may be checked automatically."""
        return None, ()

    def show_age(self) -> None:
        """Show how old the results are."""

    def tick(self) -> None:
        """Show the elapsed time; called once per second while something is in progress."""
