"""git on this machine, through GitPython."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS = None if sys.platform == "win32" else 10.0
"""GitPython cannot end a git that hangs on Windows."""


@dataclass(frozen=True, slots=True)
class GitReport:
    """What was found out about git."""

    version: tuple[int, ...] | None
    user_name: str = ""
    user_email: str = ""
    problem: str = ""


class Git:
    """The system's git."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def probe(self) -> GitReport:
        """Tell which git is here, and as whom it commits."""
        # GitPython raises at import where there is no git, unless told not to.
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        from git.cmd import Git as Command
        from git.exc import GitCommandError, GitCommandNotFound

        # In the home folder, so that a repository in the working directory does not answer for the person.
        command = Command(Path.home())
        try:
            said = str(command.execute(["git", "version"], kill_after_timeout=_SECONDS))
        except GitCommandNotFound:
            return GitReport(None, problem="not found")
        except (GitCommandError, OSError) as error:
            if "xcode" in str(error).lower():
                return GitReport(None, problem="only macOS's placeholder is here: run xcode-select --install")
            return GitReport(None, problem="it does not run")
        found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
        if found is None:
            return GitReport(None, problem=f"it does not tell its version: {said[:80]}")

        def setting(name: str, variable: str) -> str:
            try:
                asked = ["git", "config", "--get", name]
                value = str(command.execute(asked, kill_after_timeout=_SECONDS)).strip()
            except GitCommandError:
                # It is not set: git's exit code is 1 then.
                value = ""
            return self._environ.get(variable, "") or value

        return GitReport(
            tuple(int(part) for part in found.groups() if part is not None),
            setting("user.name", "GIT_AUTHOR_NAME"),
            setting("user.email", "GIT_AUTHOR_EMAIL"),
        )
