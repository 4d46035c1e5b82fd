"""Messages from threads and widgets to the app; workers never change widgets, they post these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from hol_wizard.tui.runs import Run


class EndAsked(Message):
    """A signal, or a closed terminal, asks the app to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        """The signal's number."""


class RunMoved(Message):
    """A run has events in its queue."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run


class RunEnded(Message):
    """A run has ended; the rest of its queue must be read first."""

    def __init__(self, run: Run, error: Exception | None) -> None:
        super().__init__()
        self.run = run
        self.error = error
        """The error of the run itself, not of one of its steps."""
