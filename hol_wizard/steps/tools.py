"""Section tools: what must be on the attendee's machine.

Nothing here is installed for anybody: what runs on somebody's machine is theirs to decide. The steps say how.
"""

from __future__ import annotations

import platform
import sys

from hol_wizard.engine.registry import check
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.resources.context import StepContext

OLDEST_PYTHON = (3, 11)
OLDEST_GIT = (2, 31)
"""The first git that takes configuration from the environment (`GIT_CONFIG_COUNT`), which keeps tokens out of argv."""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@check(deadline=5)
def python(context: StepContext) -> Result:
    """Look which Python runs the wizard."""
    del context
    here = sys.version_info[:3]
    return judge(
        [Expectation("Python", f"{_dotted(OLDEST_PYTHON)} or newer", _dotted(here), here >= OLDEST_PYTHON)],
        passed=f"Python {_dotted(here)} on {platform.system()} {platform.machine()}.",
        failed="This Python is too old.",
        next_action="Install a newer Python, then install the wizard with it.",
    )


@check(deadline=15)
def git(context: StepContext) -> Result:
    """Look whether git is there, new enough, and knows who commits."""
    found = context.services.git.probe()
    if found.version is None:
        return Result(
            Status.FAILED,
            f"git cannot be used: {found.problem or 'not found'}.",
            (Expectation("git", f"{_dotted(OLDEST_GIT)} or newer", found.problem or "not found", met=False),),
            "Install git from git-scm.com, then open a new terminal.",
        )
    return judge(
        [
            Expectation("git", f"{_dotted(OLDEST_GIT)} or newer", _dotted(found.version), found.version >= OLDEST_GIT),
            Expectation("user.name", "set", found.user_name or "not set", bool(found.user_name)),
            Expectation("user.email", "set", found.user_email or "not set", bool(found.user_email)),
        ],
        passed=f"git {_dotted(found.version)}, committing as {found.user_name} <{found.user_email}>.",
        failed="git is there, but not ready.",
        next_action=_git_remedy(found.version, found.user_name, found.user_email),
    )


def _git_remedy(version: tuple[int, ...], user_name: str, user_email: str) -> str:
    if version < OLDEST_GIT:
        return "Install a newer git from git-scm.com."
    if not user_name:
        return 'git config --global user.name "Your Name"'
    if not user_email:
        return "git config --global user.email you@example.com"
    return ""


@check(deadline=15)
def docker_engine(context: StepContext) -> Result:
    """Look whether a Docker engine answers."""
    found = context.services.docker.probe()
    return judge(
        [
            Expectation("docker command", "on the PATH", found.client or "not found", bool(found.client)),
            Expectation("Docker engine", "answers", found.engine or found.problem or "no answer", bool(found.engine)),
        ],
        passed=f"Docker engine {found.engine} answers{f' ({found.where})' if found.where else ''}.",
        failed=found.problem or "No Docker engine answers.",
        next_action=found.remedy or "Start Docker, then check again.",
    )


def _optional(name: str, version: str, note: str, remedy: str) -> Result:
    if version and not remedy:
        return Result(
            Status.PASSED, f"{name} {version}.", (Expectation(name, "any current version", version, met=True),)
        )
    if version:
        return Result(Status.FAILED, note, (Expectation(name, "a current version", version, met=False),), remedy)
    return Result(
        Status.SKIPPED,
        f"{name} is not here, and the wizard does without it.",
        (Expectation(name, "not needed", "not found", met=True),),
        note,
    )


@check(deadline=20)
def azure_cli(context: StepContext) -> Result:
    """Look whether the Azure CLI is there; only the by-hand way needs it."""
    found = context.services.programs.azure_cli()
    return _optional("Azure CLI", found.version, found.note, found.remedy)


@check(deadline=20)
def databricks_cli(context: StepContext) -> Result:
    """Look whether the Databricks CLI is there, and not the one that was retired."""
    found = context.services.programs.databricks_cli()
    return _optional("Databricks CLI", found.version, found.note, found.remedy)
