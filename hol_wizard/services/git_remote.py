"""Commits that are pushed to a repository over HTTPS, through GitPython and the system's git.

Credentials go to git by its environment only (`GIT_CONFIG_COUNT`, git 2.31): neither by its arguments, which every
process of the machine may read, nor by the remote's address or a file.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from hol_wizard.errors import ServiceError, WizardError
from hol_wizard.services import error_rules
from hol_wizard.services.secrets import Secret

OLDEST = (2, 31)
"""The first git that takes settings from its environment."""
BUSY_WAITS: Final = (0.2, 0.4, 0.8, 1.6, 2.0)
"""Seconds before further tries of what a rule calls worth it (`Rule.retry`)."""
_PLAIN_ENGLISH: Final = {"LC_ALL": "C", "LANGUAGE": "C"}
"""So that what git says can be recognized."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to commit."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """As whom a commit is made."""

    name: str
    email: str


class GitRemote:
    """A repository that is reached over HTTPS."""

    def __init__(self, url: str, authorization: Callable[[], Secret], ca_bundle: Path | None = None) -> None:
        """Reach nothing yet.

        Args:
            url: Of the repository, without a name or a password.
            authorization: Returns the value of the `Authorization` header.
            ca_bundle: Certificates to trust; None: those that git trusts anyway.
        """
        self.url = url
        self._authorization = authorization
        self._ca_bundle = ca_bundle

    def _environment(self) -> dict[str, str]:
        host = urlsplit(self.url)
        settings = {
            f"http.{host.scheme}://{host.netloc}/.extraHeader": f"Authorization: {self._authorization().reveal()}",
            # Empty: no helper, so that none of this machine's asks or answers in the place of what is given here.
            "credential.helper": "",
            "core.askPass": "",
            # A server or a proxy that has fallen silent: git gives up after a minute.
            "http.lowSpeedLimit": "1",
            "http.lowSpeedTime": "60",
        }
        found = {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
        found |= {**_PLAIN_ENGLISH, "GIT_CONFIG_COUNT": str(len(settings))}
        for number, (name, value) in enumerate(settings.items()):
            found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        if self._ca_bundle is not None:
            found["GIT_SSL_CAINFO"] = str(self._ca_bundle)
        return found

    def push(
        self,
        files: Mapping[str, File],
        branch: str,
        message: str,
        person: Person,
        *,
        onto: bool,
        settle: Callable[[str, bytes], bytes | None],
    ) -> str:
        """Push one commit that holds the files, and return its id; where nothing is to be changed, the branch's own.

        What is on the branch is looked at in the very clone that the commit is made in, and the push is refused where
        the branch has moved since: nothing that was pushed in between is written over.

        Args:
            files: By path.
            branch: Its name.
            message: Of the commit.
            person: Who commits.
            onto: Whether the branch is there, and the commit comes on top of it.
            settle: Told path and content of a file that is on the branch already, returns what it is to be; None: it
                stays as it is.

        Raises:
            SignInError, AccessDeniedError, ConflictError, NotFoundError, UnreachableError, ServiceError: As git says.
        """
        # GitPython raises at import where there is no git, unless told not to.
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        from git.cmd import Git

        who = {"GIT_AUTHOR_NAME": person.name, "GIT_AUTHOR_EMAIL": person.email}
        who |= {"GIT_COMMITTER_NAME": person.name, "GIT_COMMITTER_EMAIL": person.email}
        with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
            git = Git(folder)

            def run(*words: str, **more: str) -> str:
                return self._run(git, words, {**who, **more})

            if onto:
                run("clone", "--quiet", "--depth", "1", "--branch", branch, "--", self.url, ".", **self._environment())
            else:
                run("init", "--quiet", f"--initial-branch={branch}")
                run("remote", "add", "origin", self.url)
            for path, file in files.items():
                target = Path(folder) / path
                content: bytes | None = file.content
                if target.exists():
                    content = settle(path, target.read_bytes())
                if content is not None:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
            # Line ends and modes are the starter's, whatever this machine's settings say.
            run("-c", "core.autocrlf=false", "add", "--all", "--force")
            executable = [path for path, file in files.items() if file.executable]
            if executable:
                run("update-index", "--chmod=+x", "--", *executable)
            if onto and not run("status", "--porcelain"):
                return run("rev-parse", "HEAD").strip()
            run("-c", "commit.gpgSign=false", "-c", "core.hooksPath=", "commit", "--quiet", "--message", message)
            commit = run("rev-parse", "HEAD").strip()
            run("push", "--quiet", "--no-verify", "origin", f"HEAD:refs/heads/{branch}", **self._environment())
        return commit

    def clone_to(self, folder: Path, progress: Callable[[str], None]) -> None:
        """Clone the whole repository into an empty folder.

        Args:
            folder: Where to.
            progress: Is told how far it is.

        Raises:
            SignInError, AccessDeniedError, NotFoundError, UnreachableError, ServiceError: As git says.
        """
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        from git import Repo

        told = _progress_of(progress)
        with _meaning(self.url, "clone", lambda: [*told.error_lines, *told.other_lines]):
            made = Repo.clone_from(self.url, str(folder), progress=told, env=self._environment())
            made.close()

    def delete_branch(self, branch: str, at: str) -> None:
        """Remove a branch from the repository.

        Args:
            branch: Its name.
            at: The commit at which it stands; once somebody has pushed to it, it stays.

        Raises:
            ConflictError: It stands elsewhere now.
            WizardError: As git says.
        """
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        from git.cmd import Git

        with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
            git = Git(folder)
            self.run(git, ("init", "--quiet"), far=False)
            lease = f"--force-with-lease=refs/heads/{branch}:{at}"
            self.run(git, ("push", "--quiet", lease, self.url, f":refs/heads/{branch}"), far=True)

    def run(self, git: Any, words: tuple[str, ...], *, far: bool) -> str:
        """Run git where GitPython's `git` stands, and return what it printed.

        Args:
            git: A `git.cmd.Git`.
            words: Command and arguments.
            far: Whether it reaches for the repository, and gets the credential.

        Raises:
            WizardError: As git says.
        """
        return self._run(git, words, self._environment() if far else _PLAIN_ENGLISH)

    def _run(self, git: Any, words: tuple[str, ...], environment: Mapping[str, str]) -> str:
        for wait in (*BUSY_WAITS, None):
            try:
                with _meaning(self.url, _command(words)):
                    return str(git.execute(["git", *words], env=dict(environment)))
            except WizardError as error:
                rule = error_rules.rule_for("git", "", error.detail)
                if wait is None or rule is None or not rule.retry:
                    raise
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")


def _command(words: tuple[str, ...]) -> str:
    """Return the command among git's arguments: what follows the settings (`-c name=value`)."""
    rest = list(words)
    while rest[:1] == ["-c"]:
        del rest[:2]
    return rest[0]


@contextmanager
def _meaning(url: str, command: str, heard: Callable[[], list[str]] = list) -> Iterator[None]:
    """Raise what an error of git means.

    Args:
        url: Of the repository.
        command: What git was told to do.
        heard: Returns what git said to whoever listens to its progress; the error has lost that.
    """
    from git.exc import GitCommandError, GitCommandNotFound

    try:
        yield
    except GitCommandNotFound as error:
        raise ServiceError(
            "There is no git on this machine.", "Install it (section tools, step Git), then go on."
        ) from error
    except GitCommandError as error:
        said = (
            str("\n".join(heard()) or error.stderr or error.stdout or error)
            .strip()
            .removeprefix("stderr: ")
            .strip("' \n")
        )
        if rule := error_rules.rule_for("git", "", said):
            raise error_rules.explain(rule, "", said, thing=url) from error
        first = said.splitlines()[0] if said else f"exit code {error.status}"
        raise ServiceError(
            f"git {command} failed: {first}", "Try again; if it stays so, copy the details.", detail=said
        ) from error


def _progress_of(report: Callable[[str], None]) -> Any:
    """Return what GitPython tells its progress to."""
    from git import RemoteProgress

    class Progress(RemoteProgress):
        """Passes on how far a transfer is, about once a second."""

        last = float("-inf")

        def update(
            self, op_code: int, cur_count: str | float, max_count: str | float | None = None, message: str = ""
        ) -> None:
            """Pass on how far it is."""
            if time.monotonic() - self.last < 1 and not op_code & self.END:
                return
            self.last = time.monotonic()
            share = f"{float(cur_count) / float(max_count):.0%}" if max_count else f"{cur_count}"
            report(f"{share} {message}".strip())

    return Progress()
