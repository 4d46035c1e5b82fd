"""Runs a program, and ends it with everything that it has started, also when whoever asked for it has died.

Started by `programs.py` on Linux and macOS; imports nothing of `hol_wizard`. It is told what to do through a pipe, byte
by byte: `i` interrupts the program's process group (SIGINT), `t` terminates it (SIGTERM), `k` kills everything. The
pipe's end means that the server is gone: that kills everything too. It exits as shells do: with the program's code, or
with 128 and the number of the signal that killed it.

On Linux it is a subreaper (prctl(2)): what the program has started and left alone becomes its child, so that nothing
escapes by a session of its own. Elsewhere what leaves the process group and loses its parent is not found.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 100
"""How often it is looked for what is left: something may start processes as fast as they are killed."""


def parents() -> dict[int, int]:
    """Return the parent of each process on this machine."""
    found: dict[int, int] = {}
    if sys.platform.startswith("linux"):
        for each in Path("/proc").iterdir():
            if each.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):  # it has just ended
                    # The name, in brackets, may have anything in it.
                    found[int(each.name)] = int((each / "stat").read_bytes().rpartition(b")")[2].split()[1])
        return found
    asked = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, env={}, check=False)
    for line in asked.stdout.splitlines():
        pid, _, parent = line.strip().partition(b" ")
        if pid.isdigit() and parent.strip().isdigit():
            found[int(pid)] = int(parent)
    return found


def descendants(of: int) -> list[int]:
    """Return every process that a process, or one of its descendants, has started, the youngest generation last."""
    above, found = parents(), [of]
    for each in found:
        found += [pid for pid, parent in above.items() if parent == each and pid not in found]
    return found[1:]


class Supervisor:
    """One program under supervision."""

    def __init__(self, control: int, command: list[str]) -> None:
        self._control = control
        if sys.platform.startswith("linux"):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
        self._wake, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        # A session of its own: signals to its group reach all that has stayed in it, and nothing else.
        self._program = subprocess.Popen(command, start_new_session=True, env=dict(os.environ))  # noqa: S603 - this is what it is for
        # Whoever reads what the program says must see it end.
        nothing = os.open(os.devnull, os.O_RDWR)
        for each in (0, 1, 2):
            os.dup2(nothing, each)

    def run(self) -> int:
        """Return how the program ended, when nothing of it is left."""
        watched = [self._control, self._wake]
        code = None
        while code is None:
            ready, _, _ = select.select(watched, [], [])
            if self._wake in ready:
                os.read(self._wake, 4096)
            if self._control in ready:
                told = os.read(self._control, 1)
                if told in {b"i", b"t"}:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(self._program.pid, signal.SIGINT if told == b"i" else signal.SIGTERM)
                else:
                    self.kill()
                    watched = [self._wake] if not told else watched
            code = self._reaped()
        self.kill()
        return code if code >= 0 else 128 - code

    def _reaped(self) -> int | None:
        """Take notice of what has ended; return the program's code if it is among them."""
        code = self._program.poll()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if pid == self._program.pid:
                code = self._program.returncode = os.waitstatus_to_exitcode(status)
            if not pid:
                return code

    def kill(self) -> None:
        """Kill the program and all that it has started."""
        for _ in range(_ROUNDS):
            left = descendants(os.getpid())
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._program.pid, signal.SIGKILL)
            if not left:
                return
            # First stopped: none of them starts another one while the others are killed.
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in left:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, number)
            # The program's own end is for `run`.
            for pid in left:
                if pid != self._program.pid:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)
            if left == [self._program.pid]:
                return
            time.sleep(0.005)


def main(arguments: list[str]) -> int:
    """Run a program and return its exit code; 127 or 126, as shells have it, if it cannot be started.

    Args:
        arguments: Number of the pipe's end; the program and its arguments.
    """
    try:
        supervisor = Supervisor(int(arguments[0]), arguments[1:])
    except OSError as error:
        os.write(2, f"{arguments[1]}: {error.strerror}\n".encode())
        return 127 if isinstance(error, FileNotFoundError) else 126
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
