"""Programs that jobs run, without their owner's environment; they end together with all their child processes.

On Linux and macOS, each has a supervisor (`supervisor.py`), so that no process of it is left when it is stopped, when
it ends, or when the server is killed. On Windows, `taskkill /T` ends its process tree; that has not been tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hol_wizard import variables

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_CONFINEMENT = Path(__file__).with_name("confinement.py")
_FOR_THE_SYSTEM = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR")
"""Environment variables without which programs do not start on Windows."""
LINE = 1 << 26
"""Maximum length of a line for `readline` on a program's output."""
_PYTHON = ("-I", "-S")


@dataclass(frozen=True, slots=True)
class Grace:
    """How long a program may take to stop."""

    interrupted: float = 7.5
    """Seconds after SIGINT, as in the Azure Pipelines agent (ProcessInvoker)."""
    terminated: float = 2.5
    """Seconds after SIGTERM before it is killed."""


AT_ONCE = Grace(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, where, and with which complete environment, because nothing is inherited."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    umask: int = -1
    """The umask of the program; -1 for that of the server, which keeps all files from other users."""

    @classmethod
    def of_python(
        cls,
        script: Path,
        folder: Path,
        environment: Mapping[str, str],
        *,
        readable: Sequence[str] = (),
        python: Path | None = None,
    ) -> Program:
        """Return a Python script that may access only its own folder and the given readable files (`confinement`).

        Args:
            script: What to run.
            folder: Its own folder.
            environment: Its complete environment.
            readable: Files and folders that it may read.
            python: The interpreter with its packages; None for the server's own.
        """
        interpreter = str(python or sys.executable)
        confined = [interpreter, "-I", "-X", "utf8", str(_CONFINEMENT), str(script), str(folder), *readable]
        return cls(confined, folder, environment)


def environment(home: Path, allowed: Sequence[str] = (), **own: str) -> dict[str, str]:
    """Return the environment of a program: its own home folder, and the named variables of the server.

    Args:
        home: Its home folder.
        allowed: Names of the server's variables that are passed on.
        own: Further variables.
    """
    taken = {name: os.environ[name] for name in (*_FOR_THE_SYSTEM, *allowed) if name in os.environ}
    places = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", "TMPDIR")
    return {**taken, **dict.fromkeys(places, str(home)), **own}


@dataclass(eq=False)
class Running:
    """A started program."""

    process: asyncio.subprocess.Process
    _control: int | None
    """The supervisor's pipe; None if there is none."""
    _stopping: asyncio.Task[None] | None = field(default=None)

    @property
    def input(self) -> asyncio.StreamWriter:
        """Its standard input."""
        if self.process.stdin is None:
            raise OSError("the program has no standard input")
        return self.process.stdin

    @property
    def output(self) -> asyncio.StreamReader:
        """Its standard output, with its standard error unless that is separate."""
        if self.process.stdout is None:
            raise OSError("the program has no standard output")
        return self.process.stdout

    @property
    def errors(self) -> asyncio.StreamReader:
        """Its standard error, if that was requested separately."""
        if self.process.stderr is None:
            raise OSError("the program has no separate standard error")
        return self.process.stderr

    def _tell(self, what: bytes) -> None:
        if self._control is not None:
            with contextlib.suppress(BrokenPipeError):  # it has just ended
                os.write(self._control, what)

    def kill(self) -> None:
        """Kill it with all its child processes."""
        if sys.platform == "win32":
            if self.process.returncode is None:
                words = ["taskkill", "/T", "/F", "/PID", str(self.process.pid)]
                subprocess.run(words, env=variables.of_child(os.environ), capture_output=True, check=False)  # noqa: S603 - fixed words
        else:
            self._tell(b"k")

    async def stop(self, grace: Grace) -> None:
        """Stop it: by signals first, then by killing it. Its remaining child processes are also killed.

        Args:
            grace: How long it may take.
        """
        if sys.platform != "win32":
            for what, seconds in ((b"i", grace.interrupted), (b"t", grace.terminated)):
                if seconds > 0:
                    self._tell(what)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(seconds):
                            await self.process.wait()
                            return
        self.kill()
        await self.process.wait()

    async def wait(self) -> int:
        """Wait for its end and return its exit code; 128 or more if a signal has killed it."""
        code = await self.process.wait()
        self.let_go()
        return code

    def let_go(self) -> None:
        """End what is left of it: the supervisor interprets the end of its pipe as the command to kill."""
        if self._control is not None:
            os.close(self._control)
            self._control = None


async def start(program: Program, *, talks: bool = False, errors: bool = False) -> Running:
    """Start a program.

    Args:
        program: What to start.
        talks: Whether it has standard input, and its errors are discarded instead of added to its output.
        errors: Whether its standard error is separate.

    Raises:
        OSError: It cannot be started.
    """
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    given, messages = (pipe, nothing) if talks else (nothing, pipe if errors else asyncio.subprocess.STDOUT)
    if not program.folder.is_dir():
        raise NotADirectoryError(f"there is no folder {program.folder}")
    command = list(program.command)
    inherited: tuple[int, ...] = ()
    control: int | None = None
    if sys.platform != "win32":
        told, control = os.pipe()
        command = [sys.executable, *_PYTHON, str(_SUPERVISOR), str(told), *command]
        inherited = (told,)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=given,
            stdout=pipe,
            stderr=messages,
            cwd=program.folder,
            env=dict(program.environment),
            limit=LINE,
            pass_fds=inherited,
            umask=program.umask,
            start_new_session=sys.platform != "win32",
        )
    except BaseException:
        if control is not None:
            os.close(control)
        raise
    finally:
        for each in inherited:
            os.close(each)
    return Running(process, control)
