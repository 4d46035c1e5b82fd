"""Drains a run's events on a thread of its own, so that whoever shows them stays awake.

The engine's generators block while the cloud is slow. The command line and the plain front end need to hear Ctrl-C and
to give a sign of life meanwhile: they take the events from here, and a None now and then when there is none.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from hol_wizard import signals
from hol_wizard.engine.events import Event

T = TypeVar("T")

TICK = 0.2
"""Seconds after which a None is handed out when nothing happened."""


def drain(events: Iterator[Event], *, tick: float = TICK) -> Iterator[Event | None]:
    """Yield the events as they come, and None whenever nothing came for a tick.

    Whoever stops reading early leaves the run to itself: its thread is a daemon, and work that is under way stands on
    threads of its own, which the engine brings to an end.

    Args:
        events: A blocking generator of the engine; it is run on another thread.
        tick: Seconds between two signs of life.

    Raises:
        Exception: What the generator raised.
    """
    inbox: queue.SimpleQueue[Event | _End] = queue.SimpleQueue()

    def run() -> None:
        end = _End(None)
        try:
            for event in events:
                inbox.put(event)
        except BaseException as error:  # noqa: BLE001 handed to the thread that reads, which raises it again
            end = _End(error)
        inbox.put(end)

    threading.Thread(target=run, name="drain", daemon=True).start()
    while True:
        try:
            event = inbox.get(timeout=tick)
        except queue.Empty:
            yield None
            continue
        if isinstance(event, _End):
            if event.error is not None:
                raise event.error
            return
        yield event


def waited(read: Callable[[], T], idle: Callable[[], None] | None = None, *, tick: float = TICK) -> T:
    """Return what a blocking read of the cloud gives, from another thread: Ctrl-C leaves it behind.

    Args:
        read: The blocking function; it changes nothing.
        idle: Called at each tick while it runs.
        tick: Seconds between two calls of `idle`.

    Raises:
        Exception: What the function raised.
    """
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((True, read()))
        except BaseException as error:  # noqa: BLE001 handed to the thread that waits, which raises it again
            answers.put((False, error))

    threading.Thread(target=run, name="read", daemon=True).start()
    while True:
        try:
            good, answer = answers.get(timeout=tick)
        except queue.Empty:
            if idle is not None:
                idle()
            continue
        if not good:
            raise answer
        found: T = answer
        return found


class _End:
    """The generator's end, with the error that ended it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Interrupts:
    """Counts Ctrl-C instead of raising it, for as long as it is entered.

    The first one also sets `cancelled`, so that the run stops at its next safe point. So does a signal that asks the
    program to end; `EndedError` is raised when the run has stopped, or when that takes too long.
    """

    def __init__(self, cancelled: threading.Event, *, cancel: bool = True) -> None:
        self.cancelled = cancelled
        self.count = 0
        self._cancel = cancel
        self._before: Any = None
        self._ended_by = 0
        self._asking = False
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Take over Ctrl-C where that can be done: on the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        self._stack.enter_context(signals.taken_by(self._hear_end))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back.

        Raises:
            EndedError: One asked the program to end; the run has stopped.
        """
        self._stack.close()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if error is not None:
            # Whoever told about the run is gone, such as by a broken pipe: it stops at its next safe point.
            self.cancelled.set()
        if self._ended_by and not isinstance(error, signals.EndedError):
            raise signals.EndedError(self._ended_by) from error

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let Ctrl-C, and a signal that asks for the end, raise KeyboardInterrupt for a while, during a question."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self._asking = True
        try:
            yield
        finally:
            self._asking = False
            if self._before is not None:
                signal.signal(signal.SIGINT, self._hear)
            self.count = 0

    def _hear_end(self, number: int, frame: FrameType | None) -> None:
        if self._ended_by:
            raise signals.EndedError(self._ended_by, at_once=True)
        self._ended_by = number
        signals.let_go_of_closed_terminal()
        self.cancelled.set()
        self._stack.callback(signals.after(signals.GRACE, partial(signals.send_again, number)).cancel)
        if self._asking:
            # The question is over; the work goes on to its safe point.
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self._cancel:
            self.cancelled.set()
