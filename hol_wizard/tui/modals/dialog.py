"""The base class of all dialogs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Button, Static
from textual.worker import Worker, WorkerState

from hol_wizard.tui.guard import GuardedScreen, is_gone
from hol_wizard.tui.widgets.message_line import MessageLine

if TYPE_CHECKING:
    from hol_wizard.tui.app import HolWizardApp

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], GuardedScreen[Answer]):
    """A framed box with a title, a scrollable body and a row of buttons; Escape closes it without an answer."""

    CSS_PATH = "dialog.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (50, "-narrow"), (96, "-wide")]  # noqa: RUF012 declared so by Textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012 declared so by Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Close", tooltip="Close without changing anything.", id="dialog.cancel"),
        Binding("left", "app.focus_previous", "Previous", show=False, tooltip="Previous button.", id="dialog.left"),
        Binding("right", "app.focus_next", "Next", show=False, tooltip="Next button.", id="dialog.right"),
    ]

    def __init__(self, title: str) -> None:
        super().__init__()
        self.heading = title

    def compose(self) -> ComposeResult:
        """Lay out title, body and buttons."""
        with Vertical(id="box"):
            yield Static(self.heading, id="heading", markup=False)
            with VerticalScroll(id="content"):
                yield from self.body()
            yield MessageLine()
            with Horizontal(id="buttons"):
                yield from self.buttons()

    def body(self) -> ComposeResult:
        """Yield the contents of the dialog."""
        yield Static(markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        yield button("Close", "cancel", primary=True)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the error of one of the dialog's workers."""
        if event.state is WorkerState.ERROR and isinstance(event.worker.error, Exception) and not is_gone(self):
            cast("HolWizardApp", self.app).show_error(event.worker.error, "That did not work")

    def on_resize(self, event: Resize) -> None:
        """Give the body the space that the title and the buttons leave."""
        frame = 3 if event.size.height < 18 else 7
        self.query_one("#content").styles.max_height = max(2, event.size.height - frame)

    def close_unanswered(self) -> None:
        """Close as Escape does; some dialogs answer in this case."""
        self.action_cancel()

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Perform the button's action; its ID is the action's name."""
        event.stop()
        self.call_later(self.run_action, event.button.id or "cancel")


def button(label: str, action: str, *, primary: bool = False, danger: bool = False) -> Button:
    """Return a button that performs the dialog's action."""
    return Button(
        Content(label), id=action, variant="error" if danger else "primary" if primary else "default", compact=True
    )
