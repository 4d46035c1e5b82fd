"""Signals that ask the program to end: SIGTERM, SIGHUP and their like unwind it as Ctrl-C does, with their own code.

The default action of these signals ends a process between two instructions: the terminal stays as a full screen left
it, and a change that is under way is cut off. Here the first one asks: what is being written is brought to a safe
point, for `GRACE` seconds at most. A second one, or the end of that time, ends the program at once; the ledger has what
was begun, and the next start finds it again.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

GRACE = 8.0
"""Seconds that work has to come to a safe point after the first signal. `docker stop` kills after 10 s, systemd after
90 s."""

Handler = Callable[[int, FrameType | None], None]

ASK_TO_END = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)  # SIGHUP is POSIX's, SIGBREAK Windows'.


class EndedError(BaseException):
    """A signal asked the program to end; like KeyboardInterrupt, no `except Exception` catches it."""

    def __init__(self, number: int, *, at_once: bool = False) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.code = 128 + number
        """Exit code, as shells report the end by this signal."""
        self.at_once = at_once
        """Whether work under way was not waited for to its end."""


def raise_ended(number: int, _frame: FrameType | None) -> None:
    """Unwind the main thread.

    Raises:
        EndedError: Always.
    """
    raise EndedError(number)


@contextmanager
def taken_by(handler: Handler, numbers: tuple[int, ...] = ASK_TO_END) -> Iterator[None]:
    """Have the handler called for these signals, where that can be done: on the main thread.

    A signal that is ignored stays ignored: `nohup` ignores SIGHUP for whatever it starts.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            # None: set by something that is not Python.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def let_go_of_closed_terminal() -> None:
    """Send what is still said to a terminal that has been closed nowhere: writing to it fails."""
    for number in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)


def after(seconds: float, call: Callable[[], None]) -> threading.Timer:
    """Call on a daemon thread after a while, unless the timer is cancelled."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer


def send_again(number: int) -> None:
    """Send the signal to this process: the main thread hears it, wherever it waits."""
    os.kill(os.getpid(), number)
