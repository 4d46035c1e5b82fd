"""Runs a program, and ends it with all its child processes, even if the server has died.

`programs.py` starts it on Linux and macOS; it imports nothing from `hol_wizard`. Commands are single bytes in a pipe:
`i` interrupts the program's process group (SIGINT), `t` terminates it (SIGTERM), `k` kills everything. The end of the
pipe means that the server is gone, which also kills everything. Its exit code is the program's or, as in shells, 128
plus the number of the signal that killed it.

On Linux, it is a subreaper (prctl(2)): orphaned processes of the program become its children, so that none escapes with
its own session. On other systems, processes that leave the process group and lose their parent are not found.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 1000
"""How many times remaining processes are searched, because new ones may be started while others are killed."""


def parents() -> dict[int, int]:
    """Return the parent of each process on this machine."""
    found: dict[int, int] = {}
    if sys.platform.startswith("linux"):
        for each in os.listdir("/proc"):  # noqa: PTH208 - pathlib takes longer to import than this program to run
            if each.isdigit():
                try:
                    with open(f"/proc/{each}/stat", "rb") as file:  # noqa: PTH123 - as above
                        # The name, in parentheses, may contain anything.
                        found[int(each)] = int(file.read().rpartition(b")")[2].split()[1])
                except (OSError, IndexError):
                    continue  # it has just ended
        return found
    import subprocess

    asked = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, env={}, check=False)
    for line in asked.stdout.splitlines():
        pid, _, parent = line.strip().partition(b" ")
        if pid.isdigit() and parent.strip().isdigit():
            found[int(pid)] = int(parent)
    return found


def signalled(number: int, *pids: int) -> None:
    """Send a signal to processes that may have ended; to a process group if the number is negative."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def started(command: list[str], control: int) -> int:
    """Start a program in its own session, and return its process ID.

    Signals to its group reach only the processes in it. If the program cannot be started, the exit code is 127 or 126,
    as in a shell.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 126
    try:
        os.setsid()
        # Python ignores them, and ignored signals stay ignored in child processes.
        for each in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(each, signal.SIG_DFL)
        os.set_inheritable(control, False)
        os.execvpe(command[0], command, env=dict(os.environ))  # noqa: S606 - this is what it is for
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(code)


def descendants(of: int) -> list[int]:
    """Return all descendants of a process, the youngest generation last."""
    above, found = parents(), [of]
    for each in found:
        found += [pid for pid, parent in above.items() if parent == each and pid not in found]
    return found[1:]


class Supervisor:
    """One program under supervision."""

    def __init__(self, control: int, command: list[str]) -> None:
        self._control = control
        self._reaper = sys.platform.startswith("linux")
        if self._reaper:
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
        self._wake, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._pid = started(command, control)
        self._code: int | None = None
        # The reader of the program's output must see its end.
        nothing = os.open(os.devnull, os.O_RDWR)
        for each in (0, 1, 2):
            os.dup2(nothing, each)

    def run(self) -> int:
        """Return the program's exit code when none of its processes is left."""
        watched = [self._control, self._wake]
        while self._code is None:
            ready, _, _ = select.select(watched, [], [])
            if self._wake in ready:
                os.read(self._wake, 4096)
            if self._control in ready:
                told = os.read(self._control, 1)
                if told in {b"i", b"t"}:
                    signalled(signal.SIGINT if told == b"i" else signal.SIGTERM, -self._pid)
                else:
                    self.kill()
                    watched = watched if told else [self._wake]
            self._reap()
        self.kill()
        return self._code if self._code >= 0 else 128 - self._code

    def _reap(self) -> bool:
        """Reap all ended children; return whether there are no more children."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if not pid:
                return False
            if pid == self._pid:
                self._code = os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        """Kill the program with all its child processes."""
        group: tuple[int, ...] = (-self._pid,)
        for _ in range(_ROUNDS):
            signalled(signal.SIGKILL, *group)
            group = ()
            if self._reap() and self._reaper:
                return
            left = descendants(os.getpid())
            # Stop them first, so that none starts another one while the others are killed.
            signalled(signal.SIGSTOP, *left)
            signalled(signal.SIGKILL, *left)
            if not left:
                return
            time.sleep(0.002)


if __name__ == "__main__":
    sys.exit(Supervisor(int(sys.argv[1]), sys.argv[2:]).run())
