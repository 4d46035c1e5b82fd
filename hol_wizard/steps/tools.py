"""Section tools: the programs on the attendee's machine.

The wizard installs nothing: people decide themselves what runs on their machine, and the steps say how to install it.
The only setting that it changes is the name and e-mail address that git writes into commits.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence

from hol_wizard.engine.registry import Change, check, solve
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import UsageError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.resources.context import StepContext

OLDEST_PYTHON = (3, 11)
OLDEST_GIT = (2, 31)
"""The first version of git that reads configuration from the environment (`GIT_CONFIG_COUNT`), which keeps tokens out
of argv."""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@check(deadline=5)
def python(context: StepContext) -> Result:
    """Check which Python runs the wizard."""
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
    """Check whether git is installed and new enough."""
    found = context.services.git.probe()
    if found.version is None:
        return Result(
            Status.FAILED,
            f"git cannot be used: {found.problem or 'not found'}.",
            (Expectation("git", f"{_dotted(OLDEST_GIT)} or newer", found.problem or "not found", met=False),),
            found.remedy or "Install git from git-scm.com, then open a new terminal.",
        )
    return judge(
        [Expectation("git", f"{_dotted(OLDEST_GIT)} or newer", _dotted(found.version), found.version >= OLDEST_GIT)],
        passed=f"git {_dotted(found.version)}.",
        failed="git is too old.",
        next_action="Install a newer git from git-scm.com, then open a new terminal.",
    )


_IDENTITY = {"user.name": "git_name", "user.email": "git_email"}
"""The git settings for the author of a commit, and their inputs."""


@check(deadline=15)
def git_identity(context: StepContext) -> Result:
    """Check whether git knows the name and e-mail address for commits: without them it refuses to commit."""
    found = context.services.git.probe()
    known = {"user.name": found.user_name, "user.email": found.user_email}
    return judge(
        [Expectation(setting, "set", value or "not set", bool(value)) for setting, value in known.items()],
        passed=f"git commits as {found.user_name} <{found.user_email}>.",
        failed="git does not know your name and e-mail address, so it cannot commit.",
        next_action="Set them by hand as described, or <solve>.",
    )


def _missing_identity(context: StepContext) -> Mapping[str, str]:
    """Return values for the missing git settings: the given ones, otherwise from the sign-in."""
    found = context.services.git.probe()
    account = context.services.identity.account()
    user = account.user if account is not None and "@" in account.user else ""
    known = {
        "user.name": (found.user_name, user.partition("@")[0]),
        "user.email": (found.user_email, user),
    }
    return {
        setting: context.inputs.get(name) or str(getattr(context.profile.choices, name)) or known[setting][1]
        for setting, name in _IDENTITY.items()
        if not known[setting][0]
    }


def _plan_identity(context: StepContext) -> Sequence[Change]:
    return [
        Change("change", "Git setting", f"{setting} = {value or '(you are asked)'}", "git config --global")
        for setting, value in _missing_identity(context).items()
    ]


@solve(plan=_plan_identity)
def set_git_identity(context: StepContext) -> None:
    """Set the name and e-mail address for commits, as `git config --global` does; a value that is set is kept.

    Raises:
        UsageError: A value is missing.
        ServiceError: git cannot write its settings.
    """
    missing = _missing_identity(context)
    for setting, value in missing.items():
        if not value:
            asked = INPUTS[_IDENTITY[setting]]
            raise UsageError(
                f"{asked.label} is missing.", f"Give it with {asked.flag} or the variable {asked.variable}."
            )
    for setting, value in missing.items():
        context.services.git.set_globally(setting, value)
        context.reporter.say(f"git config --global {setting}: {value}")
    context.save(*_IDENTITY.values())


@check(deadline=15)
def docker_engine(context: StepContext) -> Result:
    """Check whether a container engine responds; the practice cloud does not require one."""
    found = context.services.container_engine.probe()
    seen = (
        Expectation("docker command", "on the PATH", found.client or "not found", bool(found.client)),
        Expectation("Docker engine", "answers", found.engine or found.problem or "no response", bool(found.engine)),
    )
    if not found.engine and context.services.endpoints.practice_python is not None:
        return Result(
            Status.SKIPPED,
            f"{found.problem or 'No Docker engine responds.'} The steps with containers are practiced without one.",
            seen,
            found.remedy,
        )
    return judge(
        seen,
        passed=f"Docker engine {found.engine} responds{f' ({found.where})' if found.where else ''}.",
        failed=found.problem or "No Docker engine responds.",
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
        f"{name} is not installed; the wizard does not need it.",
        (Expectation(name, "not needed", "not found", met=True),),
        note,
    )


@check(deadline=20)
def azure_cli(context: StepContext) -> Result:
    """Check whether the Azure CLI is installed; only steps by hand need it."""
    found = context.services.programs.azure_cli()
    return _optional("Azure CLI", found.version, found.note, found.remedy)


@check(deadline=20)
def databricks_cli(context: StepContext) -> Result:
    """Check whether the Databricks CLI is installed, and not the retired one."""
    found = context.services.programs.databricks_cli()
    return _optional("Databricks CLI", found.version, found.note, found.remedy)
