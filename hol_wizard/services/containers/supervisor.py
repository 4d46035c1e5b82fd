"""A program of its own: runs another one, and ends it with its child processes as soon as the wizard is gone.

The wizard holds the other end of its input, which closes when the wizard is killed, however that happens. So no program
continues unseen, to be started a second time by the next wizard. Standard library only: it is started without the
wizard's packages.

    python -I -S supervisor.py PROGRAM ARGUMENT…
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

INTERRUPTED = 5.0
"""Seconds that a program gets after Ctrl-C: Docker cancels a build in 45 ms, and a container is removed."""
TERMINATED = 2.0


def main(command: Sequence[str]) -> int:
    """Run the program and return its exit code, as a shell does; on POSIX, this process leads its process group."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # They are for the program, whose end this process waits for. A program does not inherit a handler.
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 the wizard's own command
    gone = threading.Event()
    threading.Thread(target=_watch, args=(child.pid, gone), daemon=True).start()
    code = child.wait()
    if gone.is_set() and sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)  # what the program has left, and this process
    return code if code >= 0 else 128 - code


def _watch(pid: int, gone: threading.Event) -> None:
    """Wait until the wizard is gone, then end the program: gracefully at first, so that it can clean up."""
    while os.read(0, 1024):
        pass
    gone.set()
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(pid)], capture_output=True, check=False)  # noqa: S603, S607
        return
    for number, seconds in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
        with suppress(ProcessLookupError):
            os.killpg(0, number)
        time.sleep(seconds)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
