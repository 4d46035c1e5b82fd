"""Leaving while something is being changed."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from hol_wizard.tui.modals.dialog import Dialog, button


class LeaveAnswer(StrEnum):
    """What to do with the work under way."""

    WAIT = "wait"
    """Leave when it is done."""
    STOP = "stop"
    """Stop at the next safe point, then leave."""
    STAY = "stay"


class LeaveDialog(Dialog[LeaveAnswer]):
    """Asks; nothing that is being changed is ever abandoned half way."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "wait", "Wait", tooltip="Leave when the work is done.", id="leave.wait"),
        Binding("s", "stop", "Stop", tooltip="Stop at the next safe point, then leave.", id="leave.stop"),
    ]
    AUTO_FOCUS = "#cancel"

    def __init__(self, what: str) -> None:
        super().__init__("Something is still running")
        self._what = what

    def body(self) -> ComposeResult:
        """Yield what is at stake."""
        yield Static(
            Content.assemble(
                (self._what, "bold"),
                " is under way.\n\nStopping waits for the next safe point. What the cloud has begun goes on there, "
                "and the next start finds it again; nothing is made twice.",
            ),
            markup=False,
        )

    def buttons(self) -> ComposeResult:
        """Yield the answers."""
        yield button("Stop, then leave (s)", "stop", danger=True)
        yield button("Leave when done (w)", "wait")
        yield button("Stay", "cancel", primary=True)

    def action_wait(self) -> None:
        """Leave when it is done."""
        self.dismiss(LeaveAnswer.WAIT)

    def action_stop(self) -> None:
        """Stop, then leave."""
        self.dismiss(LeaveAnswer.STOP)

    def action_cancel(self) -> None:
        """Stay."""
        self.dismiss(LeaveAnswer.STAY)
