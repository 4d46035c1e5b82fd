"""The entry of the programs: Ctrl-C ends them without a traceback, from the first line of ours to the last.

Python raises KeyboardInterrupt wherever it is, also between the imports of a program that has not begun, and while it
ends. Nothing is at stake then: the process is ended at once. While the program runs, it handles Ctrl-C itself.

Imports only what Python has loaded anyway, or as good as: whatever takes time here is time without that.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from types import FrameType

_OBJECTS = 50_000
"""How many objects are made between two collections of garbage: Python's own 700 is a tenth of a start's time."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""


def run(name: str, load: Callable[[], Callable[[], int]]) -> int:
    """Load a program and run it, and return its exit code.

    Args:
        name: As which it speaks.
        load: Imports the program, and returns its `main`.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        _say(name)
        os._exit(INTERRUPTED)

    gc.set_threshold(_OBJECTS, 20, 50)
    # A program whose parent ignores Ctrl-C, such as one in the background of a script, goes on doing so.
    hears = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if hears:
            signal.signal(signal.SIGINT, leave)
        main = load()
        if hears:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main()
        if hears:
            signal.signal(signal.SIGINT, leave)
    except KeyboardInterrupt:
        _say(name)
        return INTERRUPTED
    # The process ends: searching all that it holds for garbage would take a third of a short command's time.
    gc.freeze()
    return code


def _say(name: str) -> None:
    try:
        os.write(2, f"{name}: interrupted.\n".encode())
    except OSError:
        # Nobody listens; the exit code tells it as well.
        return
