"""A shell of the person's own in which programs such as `az`, `git` and `databricks` use the wizard's cloud."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

from hol_wizard import signals, variables
from hol_wizard.errors import UsageError

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard

_FROM_KEYS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name))
"""What Ctrl-C and Ctrl-\\ send: in a shell, they are meant for its programs. Windows sends it to every process."""
_HANG_UP = getattr(signal, "SIGHUP", signal.SIGTERM)
"""What ends an interactive shell, which ignores SIGTERM (bash, Signals)."""


@dataclass(frozen=True, slots=True)
class OwnShell:
    """A shell that can be started."""

    program: str
    line: str
    """What to show before it starts: which cloud it uses, and how to return."""
    environment: Mapping[str, str] = field(repr=False)


def own_shell(wizard: Wizard) -> OwnShell:
    """Return the person's shell, prepared for the wizard's cloud. Blocks while a practice cloud starts.

    It has the person's variables, as in the terminal, but none that has the name of a secret.

    Raises:
        WizardError: The cloud could not be reached.
    """
    environment = variables.without_secrets(wizard.connection.environ)
    wanted = wizard.shell_variables(environment)
    for name, value in wanted.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    variable, usual = ("COMSPEC", "cmd.exe") if os.name == "nt" else ("SHELL", "/bin/sh")
    how = "az, git and databricks use it" if wanted else "with your own settings of az, git and databricks"
    line = f"A shell on the cloud {wizard.cloud}: {how}. `exit` returns to the wizard."
    return OwnShell(environment.get(variable) or usual, line, environment)


def run(shell: OwnShell) -> None:
    """Give the terminal to the shell until the person leaves it.

    A signal that asks this program to end first ends the shell.

    Raises:
        UsageError: It could not be started.
    """
    asked: list[int] = []
    try:
        process = subprocess.Popen([shell.program], env=dict(shell.environment))  # noqa: S603 the person's own shell
    except OSError as error:
        raise UsageError(
            f"The shell {shell.program} cannot be started: {error.strerror}.",
            "Set COMSPEC to your shell." if os.name == "nt" else "Set SHELL to your shell.",
        ) from error

    def end(number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            if asked:
                process.kill()
            else:
                process.send_signal(_HANG_UP)
        asked.append(number)

    with signals.taken_by(end), signals.taken_by(lambda *_: None, _FROM_KEYS):
        process.wait()
        _take_terminal_back()
    for number in asked[:1]:
        signals.send_again(number)


def _take_terminal_back() -> None:
    """Make this process the terminal's foreground again: a shell that was killed could not do so itself."""
    if sys.platform == "win32":
        return
    # For a process in the background, the call itself sends this signal, which would stop it.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError):
            os.tcsetpgrp(0, os.getpgrp())
    finally:
        signal.signal(signal.SIGTTOU, before)
