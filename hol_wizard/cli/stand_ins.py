"""The stand-ins of the practice cloud: they play the other people of the lab, as `practice review` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hol_wizard.resources.context import StepContext
    from hol_wizard.wizard.stand_ins import StandIns


def of_practice(state: Path) -> StandIns:
    """Return the practice cloud's stand-ins.

    Args:
        state: Folder of the practice cloud's files.
    """
    from hol_wizard.lab.people import READER
    from hol_wizard.wizard.stand_ins import StandIns

    return StandIns(
        "on the practice cloud",
        {
            # Their parts are a confirmation, which the wizard records, and the step's own solve.
            READER: lambda context: None,
            "author": lambda context: None,
            "reviewer": lambda context: _review(context, _running(state)),
            "approver": lambda context: _approve(context, _running(state)),
        },
    )


def _review(context: StepContext, endpoints: Mapping[str, Any]) -> None:
    """Approve the reader's pull request as another person.

    Raises:
        ConflictError: Azure DevOps refuses it.
        NotFoundError: There is no pull request.
    """
    from hol_wizard.errors import ConflictError
    from hol_wizard.practice.process.launch import LaunchError
    from hol_wizard.practice.process.review import review
    from hol_wizard.steps import pull_request

    number = pull_request.number(context)
    try:
        done = review(
            endpoints,
            organization=context.names.devops_organization,
            number=number,
            user="",
            decision="approve",
            comment="",
        )
    except LaunchError as error:
        raise ConflictError(error.message, error.hint) from error
    context.reporter.say(f"{done['reviewer']} {done['vote']} pull request {number}.")


_PENDING_SECONDS: Final = 60.0
"""How long the approver waits until a release asks."""
_LOOK_SECONDS: Final = 0.5


def _approve(context: StepContext, endpoints: Mapping[str, Any]) -> None:
    """Approve the release that waits, as its approver.

    Raises:
        ConflictError: Azure DevOps refuses it, or no release asks.
    """
    import time

    from hol_wizard.errors import ConflictError
    from hol_wizard.practice.process.launch import LaunchError
    from hol_wizard.practice.process.release_approval import answer

    deadline = time.monotonic() + _PENDING_SECONDS
    while True:
        try:
            done = answer(
                endpoints,
                organization=context.names.devops_organization,
                approval="",
                user="",
                decision="approve",
                comment="Tested in QA.",
                wait=0,
            )
        except LaunchError as error:
            if time.monotonic() > deadline:
                raise ConflictError(error.message, error.hint) from error
            context.reporter.wait(_LOOK_SECONDS)
        else:
            context.reporter.say(f"{done['approver']} approved the release.")
            return


def _running(state: Path) -> Mapping[str, Any]:
    """Return the addresses of the running practice cloud.

    Raises:
        UnreachableError: It is not running.
    """
    from hol_wizard.errors import UnreachableError
    from hol_wizard.practice.process import launch

    endpoints = launch.read_endpoints(state)
    if endpoints is None:
        raise UnreachableError("The practice cloud is not running.", "Try again: it is then started.")
    return endpoints
