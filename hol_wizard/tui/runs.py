"""Runs in progress: a thread reads each run's events into a queue, which the app empties when it has time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.reporter import StopRequest
from hol_wizard.engine.results import Result
from hol_wizard.tui.messages import RunEnded, RunMoved
from hol_wizard.wizard.requests import Kind

if TYPE_CHECKING:
    from textual.message_pump import MessagePump


class Reason(StrEnum):
    """Why a run was started, which determines what follows its end."""

    ASKED = "asked"
    """Somebody pressed a key for it."""
    START = "start"
    """The first check of the whole lab."""
    REFRESH = "refresh"
    """An automatic repetition of a check."""
    BEFORE = "before"
    """The steps that the resumed section needs."""


class Run:
    """One run of checks, solves or undos."""

    def __init__(self, kind: Kind, keys: Iterable[str], title: str, reason: Reason = Reason.ASKED) -> None:
        self.kind = kind
        self.keys = frozenset(keys)
        self.title = title
        self.reason = reason
        self.cancelled = StopRequest()
        self.over = False
        self.seen: set[str] = set()
        """Every step in its events: the requested ones, and what they need."""
        self.finished: RunFinished | None = None
        """How it ended; None if it has not ended, or if it failed."""
        self._line: deque[Event] = deque()
        self._told = False

    @property
    def final(self) -> Mapping[str, Result]:
        """The result of each step."""
        return self.finished.results if self.finished else {}

    @property
    def writes(self) -> bool:
        """Whether it changes anything, so that quitting must ask first."""
        return self.kind is not Kind.CHECK

    def events(self) -> Iterator[Event]:
        """Yield and remove the new events."""
        self._told = False
        while self._line:
            yield self._line.popleft()

    def drain(self, make: Callable[[], Iterator[Event]], receiver: MessagePump) -> None:
        """Start reading the stream on a daemon thread, and notify the receiver of new events.

        A burst of events causes one message, so that the screen draws once for all of them.
        """

        def tell(message: RunMoved | RunEnded) -> None:
            try:
                receiver.post_message(message)
            except RuntimeError:
                # The app's loop has closed, so there is no receiver.
                self.cancelled.set()

        def run() -> None:
            problem: Exception | None = None
            try:
                for event in make():
                    self._line.append(event)
                    if not self._told:
                        self._told = True
                        tell(RunMoved(self))
            except Exception as error:  # noqa: BLE001 handed, whole, to the app, which shows and logs it
                problem = error
            tell(RunEnded(self, problem))

        threading.Thread(target=run, name=f"{self.kind} {self.title}", daemon=True).start()
