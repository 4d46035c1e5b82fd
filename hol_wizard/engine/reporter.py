"""The line from a running solve or undo to whoever watches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hol_wizard.engine.events import Event, PersonNeeded, Progressed, Said
from hol_wizard.errors import CancelledByUserError, OverdueError
from hol_wizard.redaction import redact


class StopRequest(threading.Event):
    """Asks work to stop at its next safe point, and perhaps to cancel what it would leave running in the cloud."""

    cancels = False
    """Whether what goes on in the cloud is canceled; else it goes on, and the next start finds it."""

    def set_and_cancel(self) -> None:
        """Ask for both."""
        self.cancels = True
        self.set()


class Reporter:
    """What a solve tells, and where it hears that it should stop."""

    def __init__(
        self,
        target: str,
        emit: Callable[[Event], None],
        cancelled: threading.Event,
        seconds: float | None = None,
        resume: str = "",
    ) -> None:
        """Begin to count the time.

        Args:
            target: Key of the step.
            emit: Is told every event.
            cancelled: Set by another thread to stop the work.
            seconds: Deadline of the work; None: it has none.
            resume: What to do if the work does not end in time.
        """
        self.target = target
        self.cancelled = cancelled
        self._emit = emit
        self._seconds = seconds
        self._resume = resume
        self._began = time.monotonic()

    @property
    def cancels(self) -> bool:
        """Whether the person has asked to cancel what the work would leave running."""
        return isinstance(self.cancelled, StopRequest) and self.cancelled.cancels

    def lift_deadline(self) -> None:
        """Let what follows the work, its proof, take its own time."""
        self._seconds = None

    def say(self, text: str) -> None:
        """Add one line to the log."""
        self._emit(Said(self.target, redact(text)))

    def progress(self, text: str, usually: float | None = None) -> None:
        """Tell how far a long operation is.

        Args:
            text: What is going on.
            usually: How long the whole usually takes, in seconds.
        """
        self._emit(Progressed(self.target, redact(text), time.monotonic() - self._began, usually))

    def ask_person(self, text: str, url: str, code: str) -> None:
        """Tell that only a person can go on, with the address to open and the code to type there."""
        self._emit(PersonNeeded(self.target, text, url, code))

    def wait(self, seconds: float) -> None:
        """Sleep, unless the person asks to stop or the deadline passes.

        Raises:
            CancelledByUserError: They did.
            OverdueError: The deadline has passed.
        """
        left = seconds if self._seconds is None else self._began + self._seconds - time.monotonic()
        if self.cancelled.wait(max(0.0, min(seconds, left))):
            raise CancelledByUserError(
                "Stopped as you asked.",
                "The cloud continues what it had already started; the next start finds it.",
            )
        if self._seconds is not None and time.monotonic() >= self._began + self._seconds:
            raise OverdueError(f"Not finished within {self._seconds / 60:.0f} minutes.", self._resume)

    def stop_if_cancelled(self) -> None:
        """Stop here, a safe point, if the person asked to or the deadline has passed.

        Raises:
            CancelledByUserError: They did.
            OverdueError: The deadline has passed.
        """
        self.wait(0)
