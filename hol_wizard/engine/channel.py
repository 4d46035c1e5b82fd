"""The line from a running solve or undo to whoever watches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hol_wizard.engine.events import Event, PersonNeeded, Progressed, Said
from hol_wizard.errors import CancelledByUserError
from hol_wizard.redaction import redact


class Channel:
    """What a solve tells, and where it hears that it should stop."""

    def __init__(self, target: str, emit: Callable[[Event], None], cancelled: threading.Event) -> None:
        self.target = target
        self.cancelled = cancelled
        self._emit = emit
        self._began = time.monotonic()

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
        """Sleep, unless the person asks to stop.

        Raises:
            CancelledByUserError: They did.
        """
        if self.cancelled.wait(seconds):
            raise CancelledByUserError(
                "Stopped as you asked.",
                "What the cloud had already begun goes on there; the next start finds it again.",
            )

    def stop_if_cancelled(self) -> None:
        """Stop here, a safe point, when the person asked to.

        Raises:
            CancelledByUserError: They did.
        """
        self.wait(0)
