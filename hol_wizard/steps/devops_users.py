"""Section devops-project: the project's users."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ServiceError, SignInError
from hol_wizard.lab.inputs import addresses
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops_user import (
    ABSENT,
    LEVEL,
    OUTSIDE,
    DevOpsUser,
    access_level,
    invited_users,
    lab_user,
    required_project,
)


def _addresses(context: StepContext) -> tuple[str, ...]:
    given = context.inputs.get("devops_users")
    return addresses(context.profile.settings.value("devops_users") if given is None else given)


def _invited(context: StepContext) -> list[DevOpsUser]:
    return [lab_user(context, mail) for mail in _addresses(context)]


@check(deadline=30)
def users_invited(context: StepContext) -> Result:
    """Check whether all invited people are in the organization and in the project."""
    wanted = _invited(context)
    if not wanted:
        return Result(
            Status.PASSED,
            "There is nobody to invite: you work alone, or everybody is in the project through a group.",
            (Expectation("Users to invite", "none", "none", met=True),),
        )
    expected = f"{access_level(context)}, in {required_project(context).name}"
    missing = {user.name: _missing(user) for user in wanted}
    absent = sum(map(bool, missing.values()))
    return judge(
        tuple(Expectation(mail, expected, what or "is in", not what) for mail, what in missing.items()),
        passed=f"{len(wanted)} invited, and all are members." if len(wanted) > 1 else f"{wanted[0].name} is a member.",
        failed=f"{absent} of {len(wanted)} are not members with the right access level.",
        next_action="To invite them, <solve>. Raise the access level by hand: Organization settings, Users.",
    )


def _missing(user: DevOpsUser) -> str:
    """Return what is missing for a user; empty if nothing is."""
    found = user.find(user.context.reads)
    if found is None:
        return ABSENT
    for each in user.expectations(found):
        if not each.met:
            return f"access level {each.actual}" if each.what == LEVEL else OUTSIDE
    return ""


def _plan(context: StepContext) -> Sequence[Change]:
    wanted = _invited(context)
    try:
        return [change for user in wanted for change in ownership.plan(user)]
    except (SignInError, AccessDeniedError):
        # The previous steps report what is missing; after they are done, the users are invited.
        return [user.creation() for user in wanted]


@solve(plan=_plan)
def invite_users(context: StepContext) -> None:
    """Invite the missing people; if one is refused, the others are still invited.

    Raises:
        ServiceError: Some could not be invited; each is named with the reason.
        AccessDeniedError: The account may not invite anybody.
    """
    wanted = _invited(context)
    context.save("devops_access_level")
    if "devops_users" in context.inputs:
        context.profile.change(devops_users=", ".join(_addresses(context)))
    if not wanted:
        context.reporter.say("There is nobody to invite.")
        return
    required_project(context)
    refused: list[str] = []
    for user in wanted:
        try:
            ownership.solve(user)
        except AccessDeniedError:
            raise
        except ServiceError as error:
            refused.append(f"{user.name}: {error.message}")
    if refused:
        raise ServiceError(
            f"{len(refused)} of {len(wanted)} could not be invited. {'; '.join(refused)}",
            "The others are members. Correct the list and do the step again: nobody is invited twice.",
        )


@undo(plan=lambda context: ownership.plan_undo_all(invited_users(context)))
def take_users_out(context: StepContext) -> None:
    """Remove the users from the organization whom this wizard invited."""
    ownership.undo_all(invited_users(context))
