"""Quitting while something is being changed, or is running and costs money."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from hol_wizard.tui.modals.dialog import Dialog, button

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost


class LeaveAnswer(StrEnum):
    """What to do with work in progress."""

    WAIT = "wait"
    """Quit when it is done, and leave what is running."""
    STOP = "stop"
    """Stop at the next safe point, or stop what is running; then quit."""
    CANCEL = "cancel"
    """Stop, and cancel what the work would leave running; then quit."""
    STAY = "stay"


class LeaveDialog(Dialog[LeaveAnswer]):
    """Asks what to do; a change in progress is never abandoned."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "wait", "Wait", tooltip="Quit when the work is done.", id="leave.wait"),
        Binding("s", "stop", "Stop", tooltip="Stop at the next safe point, then quit.", id="leave.stop"),
        Binding("c", "end", "Cancel", tooltip="Stop, cancel what is running in the cloud, then quit.", id="leave.end"),
    ]
    AUTO_FOCUS = "#cancel"

    def __init__(self, what: str, left: str = "") -> None:
        """Ask about some work.

        Args:
            what: Its title.
            left: What it leaves running in the cloud, which can be canceled; empty: nothing.
        """
        super().__init__("Something is still running")
        self._what = what
        self._left = left

    def body(self) -> ComposeResult:
        """Yield what is in progress."""
        yield Static(
            Content.assemble(
                (self._what, "bold"),
                " is in progress.\n\nStopping waits for the next safe point. A program on this machine, such as a "
                "build, ends; the cloud continues what it has started, and the next start finds it. Nothing is "
                "created twice.",
                f" Cancel it: {self._left} is canceled as well." if self._left else "",
            ),
            markup=False,
        )

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        if self._left:
            # Four of them fit into 80 columns.
            yield button("Cancel it (c)", "end", danger=True)
            yield button("Stop (s)", "stop")
            yield button("Wait (w)", "wait")
        else:
            yield button("Stop, then quit (s)", "stop", danger=True)
            yield button("Quit when done (w)", "wait")
        yield button("Stay", "cancel", primary=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to cancel only what can be canceled."""
        return action != "end" or bool(self._left)

    def action_end(self) -> None:
        """Cancel what runs, then leave."""
        self.dismiss(LeaveAnswer.CANCEL)

    def action_wait(self) -> None:
        """Leave when it is done."""
        self.dismiss(LeaveAnswer.WAIT)

    def action_stop(self) -> None:
        """Stop, then leave."""
        self.dismiss(LeaveAnswer.STOP)

    def action_cancel(self) -> None:
        """Stay."""
        self.dismiss(LeaveAnswer.STAY)


class LeaveRunningDialog(Dialog[LeaveAnswer]):
    """Asks what to do with what is running and costs money."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "wait", "Leave it running", tooltip="Quit, and let it run.", id="leave_running.wait"),
        Binding("s", "stop", "Stop it", tooltip="Stop it, then quit.", id="leave_running.stop"),
    ]
    AUTO_FOCUS = "#stop, #cancel"

    def __init__(self, cost: Cost) -> None:
        super().__init__(cost.heading(still=True))
        self._what_runs = cost.running

    def body(self) -> ComposeResult:
        """Yield what is running, what it costs and when it ends."""
        parts = [Content.assemble((each.what, "bold"), f": {each.text()}.") for each in self._what_runs]
        yield Static(Content("\n\n").join(parts), markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        if any(each.stop for each in self._what_runs):
            yield button("Stop it, then quit (s)", "stop", primary=True)
        yield button("Leave it running (w)", "wait")
        yield button("Stay", "cancel")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to stop only what can be stopped from here."""
        return action != "stop" or any(each.stop for each in self._what_runs)

    def action_wait(self) -> None:
        """Leave it running."""
        self.dismiss(LeaveAnswer.WAIT)

    def action_stop(self) -> None:
        """Stop it, then quit."""
        self.dismiss(LeaveAnswer.STOP)

    def action_cancel(self) -> None:
        """Stay."""
        self.dismiss(LeaveAnswer.STAY)
