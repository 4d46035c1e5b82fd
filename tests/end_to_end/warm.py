"""A process that has loaded the wizard, and begins each command as a copy of itself.

Much of the processor time of a short command goes into loading modules. A copy (`fork`) is a process of its own, with
its own variables and outputs, and can be killed as one. For tests that begin many commands, and are not about how one
begins.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OURS = ("cli", "headless", "wizard", "doctor", "steps", "resources", "services", "engine", "lab")
LIBRARIES = (
    *("azure.cli.core.auth.identity", "azure.cli.core.auth.persistence", "azure.cli.core.cloud", "azure.identity"),
    *("msal", "git", "keyring", "configupdater", "requests", "urllib3", "concurrent.futures.thread"),
)
"""What the wizard loads when it needs it."""


class Command:
    """A command that was begun: what tests need of `subprocess.Popen`."""

    def __init__(self, warm: Warm, pid: int, out: Path, err: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._warm = warm
        self._out, self._err = out, err

    def poll(self) -> int | None:
        """Return its exit code if it has ended; negative: the signal that ended it."""
        if self.returncode is None:
            self.returncode = self._warm.ask(poll=self.pid)["code"]
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end, and return what it has printed.

        Raises:
            subprocess.TimeoutExpired: It goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(0.01)
        return self._out.read_text(encoding="utf-8"), self._err.read_text(encoding="utf-8")

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Warm:
    """The process that has loaded the wizard, as the tests see it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it.

        Args:
            folder: For what its commands print.
            environment: With the variables of the commands, as some are read when a module is loaded.
        """
        self._folder = folder
        self._begun = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=dict(environment),
        )

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> Command:
        """Begin a command."""
        self._begun += 1
        out, err = (self._folder / f"command-{self._begun}.{name}" for name in ("out", "err"))
        begun = self.ask(words=list(words), environment=dict(environment), out=str(out), err=str(err))
        return Command(self, begun["pid"], out, err)

    def ask(self, **request: Any) -> Any:
        """Send a request, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """End it; its commands go on."""
        self._process.communicate()


def _load() -> None:
    """Load all modules that a command may need."""
    from importlib import import_module
    from pkgutil import walk_packages

    import hol_wizard
    from hol_wizard.services.databricks import sdk
    from hol_wizard.wizard.registration import load_steps

    folders = [f"{each}/{name}" for each in hol_wizard.__path__ for name in OURS]
    for folder in folders:
        name = f"hol_wizard.{Path(folder).name}"
        import_module(name)
        for found in walk_packages([folder], f"{name}."):
            import_module(found.name)
    for library in LIBRARIES:
        import_module(library)
    load_steps()
    for load in (sdk.compute, sdk.iam, sdk.settings, sdk.workspace):
        load()
    # No copy searches for garbage in what it has in common with the others.
    gc.collect()
    gc.freeze()


def _serve() -> None:
    """Answer requests until nobody is left to send one; return in each copy, which then runs its command."""
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            ended, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = {"code": os.waitstatus_to_exitcode(status) if ended else None}
        else:
            pid = os.fork()
            if pid == 0:
                _become(request)
                return
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)  # noqa: T201 the answer
    os._exit(0)


def _become(request: Mapping[str, Any]) -> None:
    """Take the arguments, variables and outputs of a command."""
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["hol-wizard", *request["words"]]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    places = [(os.devnull, os.O_RDONLY), (request["out"], flags), (request["err"], flags)]
    for number, (path, how) in enumerate(places):
        opened = os.open(path, how, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 as Python's own
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    from hol_wizard.__main__ import main

    _load()
    _serve()
    sys.exit(main())
