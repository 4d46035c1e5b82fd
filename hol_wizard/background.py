"""Reads a run's events on a separate thread, so that the front end stays responsive.

The engine's generators block while the cloud is slow. Meanwhile, the command line and the plain front end must react to
Ctrl-C and show that they are still working. They get the events from here, and a None at intervals if there is no
event.
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

T = TypeVar("T")

TICK = 0.2
"""Seconds without an event after which a None is yielded."""


def in_background(events: Iterator[T], *, tick: float = TICK) -> Iterator[T | None]:
    """Yield the events as they arrive, and None whenever no event arrived for a tick.

    If the caller stops reading early, the run continues: its thread is a daemon, and work in progress has its own
    threads, which the engine completes.

    Args:
        events: A blocking generator of the engine; it runs on another thread.
        tick: Seconds between two None values.

    Raises:
        Exception: The generator raised it.
    """
    inbox: queue.SimpleQueue[T | _End] = queue.SimpleQueue()

    def run() -> None:
        end = _End(None)
        try:
            for event in events:
                inbox.put(event)
        except BaseException as error:  # noqa: BLE001 handed to the thread that reads, which raises it again
            end = _End(error)
        inbox.put(end)

    threading.Thread(target=run, name="background", daemon=True).start()
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
    """Return the result of a blocking read of the cloud on another thread; Ctrl-C abandons it.

    Args:
        read: The blocking function; it changes nothing.
        idle: Called at each tick while the read runs.
        tick: Seconds between two calls of `idle`.

    Raises:
        Exception: The function raised it.
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

    The first one also sets `cancelled`, so that the run stops at its next safe point. A signal that asks the program to
    end does the same; `EndedError` is raised when the run has stopped, or when that takes too long.
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
        """Take over Ctrl-C if possible, that is, on the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        self._stack.enter_context(signals.taken_by(self._hear_end))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the signal handlers.

        Raises:
            EndedError: A signal asked the program to end; the run has stopped.
        """
        self._stack.close()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if error is not None:
            # The reader of the run's events is gone, for example after a broken pipe: the run stops at its next safe
            # point.
            self.cancelled.set()
        if self._ended_by and not isinstance(error, signals.EndedError):
            raise signals.EndedError(self._ended_by) from error

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let Ctrl-C, and a signal that asks the program to end, raise KeyboardInterrupt during a question."""
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
