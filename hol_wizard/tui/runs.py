"""Runs under way: each drained on a thread of its own into a line that the app empties when it has time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.results import Result
from hol_wizard.tui.messages import RunEnded, RunMoved
from hol_wizard.wizard.requests import Kind

if TYPE_CHECKING:
    from textual.message_pump import MessagePump


class Reason(StrEnum):
    """Why a run was started, where its end is answered to."""

    ASKED = "asked"
    """Somebody pressed a key for it."""
    START = "start"
    """The first look at the whole lab."""
    REFRESH = "refresh"
    """Looked at again by itself."""
    BEFORE = "before"
    """What comes before the section that was resumed."""


class Run:
    """One run of checks, solves or undos."""

    def __init__(self, kind: Kind, keys: Iterable[str], title: str, reason: Reason = Reason.ASKED) -> None:
        self.kind = kind
        self.keys = frozenset(keys)
        self.title = title
        self.reason = reason
        self.cancelled = threading.Event()
        self.over = False
        self.seen: set[str] = set()
        """Every step that it told about: those asked for, and what they need."""
        self.finished: RunFinished | None = None
        """How it ended; None: not yet, or it failed."""
        self._line: deque[Event] = deque()
        self._told = False

    @property
    def final(self) -> Mapping[str, Result]:
        """How it ended for each step."""
        return self.finished.results if self.finished else {}

    @property
    def writes(self) -> bool:
        """Whether it changes anything, so that leaving has to ask first."""
        return self.kind is not Kind.CHECK

    def events(self) -> Iterator[Event]:
        """Yield and remove what has come in since the last time."""
        self._told = False
        while self._line:
            yield self._line.popleft()

    def drain(self, make: Callable[[], Iterator[Event]], receiver: MessagePump) -> None:
        """Begin to read the stream on a daemon thread, telling the receiver that something came.

        A burst of events makes one message: the screen draws once for all of them.
        """

        def tell(message: RunMoved | RunEnded) -> None:
            try:
                receiver.post_message(message)
            except RuntimeError:
                # The app's loop has closed: nobody is there to be told.
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
