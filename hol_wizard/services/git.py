"""git on this machine, through GitPython."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitReport:
    """What was found out about git."""

    version: tuple[int, ...] | None
    user_name: str = ""
    user_email: str = ""
    problem: str = ""


class Git:
    """The system's git."""

    def probe(self) -> GitReport:
        """Tell which git is here, and as whom it commits."""
        # GitPython raises at import where there is no git, unless told not to.
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import git
        from git.exc import GitCommandError, GitCommandNotFound

        try:
            version = tuple(git.Git().version_info)
        except (GitCommandNotFound, GitCommandError, OSError):
            return GitReport(None, problem="not found")
        return GitReport(version, self._setting("user.name"), self._setting("user.email"))

    def _setting(self, name: str) -> str:
        import git
        from git.exc import GitCommandError

        try:
            return str(git.Git().config("--get", name)).strip()
        except GitCommandError:
            # It is not set: git's exit code is 1 then.
            return ""
