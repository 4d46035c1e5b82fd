"""The programs' entry point: Ctrl-C ends them without a traceback, from our first line of code to the last.

Python raises KeyboardInterrupt at any point, also between the imports before the program begins, and while the process
ends. Nothing is at stake then, so the process ends immediately. While the program runs, it handles Ctrl-C itself. This
module imports only what Python has already loaded, or almost: until it is loaded, Ctrl-C is not handled.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from types import FrameType

_OBJECTS = 50_000
"""Number of new objects between two garbage collections.

With Python's default, 700, they take a tenth of the start time.
"""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""


def run(name: str, load: Callable[[], Callable[[], int]]) -> int:
    """Load a program and run it, and return its exit code.

    Args:
        name: The program's name in messages.
        load: Imports the program, and returns its `main`.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        _say(name)
        os._exit(INTERRUPTED)

    gc.set_threshold(_OBJECTS, 20, 50)
    # If the parent ignores Ctrl-C, for example for a background process of a script, the program keeps ignoring it.
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
    # The process ends: a last garbage collection would take a third of a short command's time.
    gc.freeze()
    return code


def _say(name: str) -> None:
    try:
        os.write(2, f"{name}: interrupted.\n".encode())
    except OSError:
        # Nobody reads it; the exit code says the same.
        return
