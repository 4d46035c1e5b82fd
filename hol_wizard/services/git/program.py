"""git on this machine: the only place that starts it.

It gets only the variables that are intended for it (`hol_wizard.variables`): hooks, linked worktrees and scripts use
variables to tell git where to work (`git rev-parse --local-env-vars`), which would send the wizard's git to somebody's
own repository. git works in the folder in which it is started. If that is not a repository, it does not use one above
it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hol_wizard import variables
from hol_wizard.errors import ServiceError, WizardError
from hol_wizard.services import error_rules

_SECONDS = 10.0
"""Timeout for questions about git itself."""
_ENDING = 5.0
"""Seconds for git to clean up after an interruption."""
HERE_SECONDS = 300.0
"""Timeout for local operations of git."""
_NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0
"""`CREATE_NO_WINDOW`."""
_LOOKING = 0.2
"""Seconds between two checks of git's progress."""

Setting = tuple[str, str]
"""Name and value; a name may occur several times."""


@dataclass(frozen=True, slots=True)
class GitReport:
    """What was found out about git."""

    version: tuple[int, ...] | None
    user_name: str = ""
    user_email: str = ""
    problem: str = ""
    remedy: str = ""
    """What to do about the problem; empty if git must be installed."""


@dataclass(frozen=True, slots=True)
class FoundSetting:
    """A setting of the person or the system that applies to every repository."""

    file: str
    """Path of the file; the command line for a variable."""
    name: str
    """As git prints it: the first and the last part in lowercase."""
    value: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a git command."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """What it printed."""
        return self.out.decode("utf-8", "replace")


class GitMissingError(ServiceError):
    """There is no git on this machine."""


class GitLateError(ServiceError):
    """git took too long and was stopped."""


def run(
    folder: Path,
    words: Iterable[str],
    *,
    settings: Iterable[Setting] = (),
    more: Mapping[str, str] | None = None,
    given: bytes = b"",
    heard: Callable[[str], None] | None = None,
    seconds: float | None = None,
) -> Ended:
    """Run git until it ends.

    Args:
        folder: The top folder of a repository, or of a new one.
        words: Command and arguments.
        settings: They take precedence over files. Every program that git starts can read them, so no secrets.
        more: Variables in addition to those of `hol_wizard.variables`; no secrets either.
        given: Its standard input.
        heard: Called with its output while it runs.
        seconds: Time limit; None for `HERE_SECONDS`.

    Raises:
        GitMissingError: git is not installed.
        GitLateError: It took too long.
        ServiceError: It cannot be started in the folder.
    """
    program = shutil.which("git")
    if program is None:
        raise GitMissingError("There is no git on this machine.", "Install it (<step tools/git>), then continue.")
    # Files instead of pipes: a program that a hook has started can keep a pipe open after git has ended.
    with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as kept:
        given_file, out, err = (Path(kept) / name for name in ("given", "out", "err"))
        given_file.write_bytes(given)
        with given_file.open("rb") as stdin, out.open("wb") as stdout, err.open("wb") as stderr:
            try:
                process = subprocess.Popen(  # noqa: S603 there is no shell
                    [program, *words],
                    cwd=folder,
                    env=_environment(folder, settings, more or {}),
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    creationflags=_NO_WINDOW,
                    # It leads its own process group, because its children (`git-remote-https`) do not end with it.
                    # Ctrl-C must not
                    # reach them: the wizard stops at its next safe point.
                    start_new_session=True,
                )
            except OSError as error:
                raise ServiceError(
                    f"git could not be started in {folder}: {error.strerror or error}.", "Run there: git --version"
                ) from error
        try:
            code = _wait(process, err, heard, HERE_SECONDS if seconds is None else seconds)
        except BaseException:
            _end(process)
            raise
        return Ended(code, out.read_bytes(), err.read_text("utf-8", "replace"))


def meaning(command: str, ended: Ended, url: str = "") -> WizardError:
    """Return the error for a git command that failed.

    Args:
        command: The git command.
        ended: Its result.
        url: The repository's address; empty for a command that needs none.
    """
    said = ended.err.strip() or ended.text.strip()
    if rule := error_rules.rule_for("git", "", said):
        return error_rules.explain(rule, "", said, thing=url)
    first = said.splitlines()[0] if said else f"exit code {ended.code}"
    return ServiceError(
        f"git {command} failed: {first}",
        "Try again. If it happens again, give the details to the proctor.",
        detail=said,
    )


def _environment(folder: Path, settings: Iterable[Setting], more: Mapping[str, str]) -> dict[str, str]:
    found = variables.of_child(os.environ, variables.GIT, variables.NETWORK)
    # Its messages are recognized by their English text.
    found |= {"LC_ALL": "C", "LANGUAGE": "C"}
    # git must not ask: the wizard asks the person first.
    found |= {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
    # git must not look for a repository above the folder.
    found["GIT_CEILING_DIRECTORIES"] = str(folder.absolute().parent)
    told = list(settings)
    found["GIT_CONFIG_COUNT"] = str(len(told))
    for number, (name, value) in enumerate(told):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found | dict(more)


def _wait(process: subprocess.Popen[bytes], err: Path, heard: Callable[[str], None] | None, seconds: float) -> int:
    late = time.monotonic() + seconds
    with err.open("rb") as said:
        while True:
            code: int | None = None
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(_LOOKING if heard is not None else seconds)
            if heard is not None and (new := said.read()):
                heard(new.decode("utf-8", "replace"))
            if code is not None:
                return code
            if time.monotonic() >= late:
                raise GitLateError("git does not finish.", "Run by hand: git --version")


def _end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        # A signal first, so that git can clean up.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Git:
    """The system's git."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def probe(self) -> GitReport:
        """Return git's version, and the identity that it commits with."""
        # In an empty folder, so that no repository's settings apply: the home folder can be a repository.
        with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
            here = Path(folder)
            try:
                ended = run(here, ["version"], seconds=_SECONDS)
            except GitMissingError:
                return GitReport(None, problem="not found")
            except ServiceError:
                return GitReport(None, problem="it cannot be run")
            if ended.code != 0:
                if "xcode" in ended.err.lower():
                    return GitReport(None, problem="only macOS's placeholder is here: run xcode-select --install")
                error = meaning("version", ended)
                return GitReport(None, problem=error.message.rstrip("."), remedy=error.hint)
            found = re.search(r"(?<!\d)(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?", ended.text)
            if found is None:
                return GitReport(None, problem=f"it does not show its version: {ended.text[:80]}")
            return GitReport(
                tuple(int(part) for part in found.groups() if part is not None),
                self._setting(here, "user.name", "GIT_AUTHOR_NAME"),
                self._setting(here, "user.email", "GIT_AUTHOR_EMAIL"),
            )

    def settings(self) -> tuple[FoundSetting, ...]:
        """Return the settings of the person and the system, in the order in which git reads them.

        Raises:
            ServiceError: git is not installed, or cannot start a repository with them.
        """
        with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
            # Some wrong values only stop a command that uses a repository.
            for words in (
                ("init", "--quiet", "--template="),
                ("config", "--list", "--show-scope", "--show-origin", "-z"),
            ):
                ended = run(Path(folder), words, seconds=_SECONDS)
                if ended.code != 0:
                    raise meaning(words[0], ended)
        # Each setting is `SCOPE NUL file:PATH NUL NAME newline VALUE NUL`; one without a value is true.
        fields = iter(ended.text.split("\0"))
        found = []
        for scope, origin, setting in zip(fields, fields, fields, strict=False):
            name, newline, value = setting.partition("\n")
            if scope in {"system", "global"}:
                found.append(FoundSetting(origin.removeprefix("file:"), name, value if newline else "true"))
        return tuple(found)

    def set_globally(self, name: str, value: str) -> None:
        """Write a setting into the person's git configuration (`git config --global`).

        Raises:
            ServiceError: git is not installed, or cannot write its file.
        """
        with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
            ended = run(Path(folder), ["config", "--global", name, value], seconds=_SECONDS)
        if ended.code != 0:
            raise ServiceError(
                f"git could not set {name}: {ended.err.strip()}",
                f"Run by hand: git config --global {name} VALUE",
                detail=ended.err,
            )

    def _setting(self, folder: Path, name: str, variable: str) -> str:
        if told := self._environ.get(variable, ""):
            return told
        # The exit code is 1 if it is not set.
        ended = run(folder, ["config", "--get", name], seconds=_SECONDS)
        return ended.text.strip() if ended.code == 0 else ""
