"""Signals that ask the program to end: SIGTERM, SIGHUP and similar ones act like Ctrl-C, with their own exit codes.

The default action of these signals ends a process between two instructions: the terminal remains in full-screen mode,
and a change in progress is interrupted. Here, the first signal is a request: changes in progress continue to a safe
point, for at most `GRACE` seconds. A second signal, or the end of that time, ends the program immediately; the ledger
records what was started, and the next start finds it.
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
"""Seconds for work to reach a safe point after the first signal. `docker stop` kills after 10 s, systemd after 90 s."""

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
        """Whether work in progress was abandoned."""


def raise_ended(number: int, _frame: FrameType | None) -> None:
    """Unwind the main thread.

    Raises:
        EndedError: Always.
    """
    raise EndedError(number)


@contextmanager
def taken_by(handler: Handler, numbers: tuple[int, ...] = ASK_TO_END) -> Iterator[None]:
    """Install the handler for these signals if possible, that is, on the main thread.

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
    """Discard further output to a terminal that has been closed, because writing to it fails."""
    for number in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)


def after(seconds: float, call: Callable[[], None]) -> threading.Timer:
    """Call a function on a daemon thread after a delay, unless the timer is canceled."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer


def send_again(number: int) -> None:
    """Send the signal to this process: it reaches the main thread wherever that waits."""
    os.kill(os.getpid(), number)
