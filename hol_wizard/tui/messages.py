"""What the threads and the widgets tell the app; workers change no widget, they post these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from hol_wizard.tui.runs import Run


class EndAsked(Message):
    """The app is asked to end by a signal, or because its terminal has been closed."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        """The signal's number."""


class RunMoved(Message):
    """A run has events waiting in its line."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run


class RunEnded(Message):
    """A run is over; what is left in its line is to be read first."""

    def __init__(self, run: Run, error: Exception | None) -> None:
        super().__init__()
        self.run = run
        self.error = error
        """What broke the run itself, not one of its steps."""
