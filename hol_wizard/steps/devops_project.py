"""Section devops-project: the Azure DevOps organization, and the project in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import Change, Offer, check, offers, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AbsenceUnclearError, AccessDeniedError, SignInError, UsageError, WizardError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops_project import lab_project, made_projects, marked_projects, place_of
from hol_wizard.services.devops.tokens import CODE_READ_AND_WRITE

ORGANIZATION: Final = "Azure DevOps organization"
DAYS_LEFT: Final = 3
"""Minimum remaining lifetime of a personal access token: the lab takes two days."""
CODE_WRITING: Final = frozenset({CODE_READ_AND_WRITE, "vso.code_manage", "vso.code_full", "app_token"})
"""The scopes that allow git to push; the last one is full access (PATs - Create)."""
SCOPES: Final = "the scopes Code (Read & write), Project and Team (Read), for the organizer also (Read, write & manage)"


# The organization


@check(deadline=20)
def organization_usable(context: StepContext) -> Result:
    """Check whether an organization is chosen, and whether the signed-in account has access to it."""
    name = context.profile.choices.devops_organization
    if not name:
        return Result(
            Status.FAILED,
            "No Azure DevOps organization is chosen.",
            (Expectation(ORGANIZATION, "chosen", "none", met=False),),
            f"To choose one, <solve>.{_offer(context)}",
        )
    chosen = Expectation(ORGANIZATION, "chosen", name, met=True)
    by_token = context.profile.settings.value("devops_sign_in") == "token"
    make = (
        f"Create one with {SCOPES} at {context.services.endpoints.devops}/{name}/_usersSettings/tokens. To enter "
        "it, <solve>."
    )
    try:
        person = context.reads.share(("devops person", name), context.services.devops(name).person)
    except (AbsenceUnclearError, AccessDeniedError) as error:
        unclear, actual = isinstance(error, AbsenceUnclearError), "you are not a member"
        if unclear:
            actual = "probably no organization of this name (HTTP 404)"
            if _is_in_no(context, name):
                unclear, actual = False, "you are not a member of an organization of this name"
        return Result(
            Status.UNKNOWN if unclear else Status.FAILED,
            error.message,
            (chosen, Expectation("Lets you in", "yes", actual, met=False)),
            f"{error.hint}{_offer(context)}",
            error.detail,
        )
    except SignInError as error:
        if not by_token:
            raise
        refused = Expectation("Lets you in", "yes", "does not accept the personal access token", met=False)
        return Result(Status.FAILED, error.message, (chosen, refused), make, error.detail)
    with_ = "a personal access token" if by_token else "your Microsoft Entra sign-in"
    seen = (
        chosen,
        Expectation("Lets you in", "yes", f"as {person.name}", met=True),
        Expectation("Credential", "a valid one", with_, met=True),
    )
    return judge(
        (*seen, *(_token_seen(context, name) if by_token else ())),
        passed=f"You have access to the organization {name} as {person.name}, with {with_}.",
        failed=f"You have access to the organization {name}, but the personal access token does not have all the "
        "scopes that the lab needs.",
        next_action=make,
    )


def _token_seen(context: StepContext, name: str) -> tuple[Expectation, ...]:
    """Check what the personal access token gives access to, and show the person's list of tokens.

    A token does not reveal its scopes and expiry, and the list does not say which of its tokens is in use. Therefore,
    the token is tried, and all valid ones are shown. The list requires an Entra sign-in; if the organization refuses
    that, nothing more can be found out.
    """
    here = context.services.devops(name)

    def opens(what: str, scope: str, read: Callable[[], object]) -> Expectation:
        try:
            read()
        except (SignInError, AccessDeniedError):
            return Expectation(what, "opened by the token", f"denied: the token lacks {scope}", met=False)
        return Expectation(what, "opened by the token", "opened", met=True)

    tried = (
        opens("Projects", "vso.project", here.projects),
        opens("Code", "vso.code_write", here.repositories),
    )
    try:
        listed = context.services.devops_tokens(name).list()
    except WizardError as error:
        told = f"cannot be read with your sign-in here: {error.message}"
        return (*tried, Expectation("Its scopes and end", "shown if they can be read", told, met=True))
    soon = datetime.now(UTC) + timedelta(days=DAYS_LEFT)
    expected = f"{CODE_READ_AND_WRITE}, for {DAYS_LEFT} days or more"
    if not listed:
        return (
            *tried,
            Expectation("Your tokens here", expected, "none: the token belongs to another account", met=True),
        )
    shown = "; ".join(
        f"{each.name}: {each.scope}, until {f'{each.ends:%Y-%m-%d}' if each.ends else 'a day that is not told'}"
        for each in listed
    )
    fit = [
        each
        for each in listed
        if (each.ends is None or each.ends > soon) and not CODE_WRITING.isdisjoint(each.scope.split())
    ]
    # It is unknown which of them is in use, so none of this is a failure; the token's access was tried above.
    return (*tried, Expectation("Your tokens here", expected, shown if fit else f"{shown} (none fits)", met=True))


@offers("devops_organization")
def organizations_of_account(context: StepContext) -> list[Offer]:
    """Return the organizations of the signed-in account.

    Raises:
        WizardError: Azure DevOps could not be asked.
    """
    return [Offer(name, name) for name in context.services.devops_organizations()]


def _organizations(context: StepContext) -> Sequence[str]:
    """Return the account's organizations.

    Raises:
        WizardError: Azure DevOps could not be asked.
    """
    return context.reads.share(("devops organizations",), context.services.devops_organizations)


def _is_in_no(context: StepContext, name: str) -> bool:
    """Whether the account is not in an organization of this name, according to Azure DevOps' list."""
    try:
        return name.lower() not in map(str.lower, _organizations(context))
    except WizardError:
        return False


def _offer(context: StepContext) -> str:
    """Return a sentence with the account's organizations; empty if they are unknown."""
    try:
        found = _organizations(context)
    except WizardError:
        return ""
    return f" You are a member of: {', '.join(found)}." if found else " You are not a member of an organization yet."


def _plan_organization(context: StepContext) -> Sequence[Change]:
    name = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    return [Change("change", ORGANIZATION, name or "(you are asked)", str(context.profile.path))]


@solve(plan=_plan_organization)
def choose_organization(context: StepContext) -> None:
    """Save which organization the lab uses, after verifying that the account has access.

    Raises:
        UsageError: None is given, or resources of this lab still exist in another one.
        AbsenceUnclearError: There seems to be no such organization.
        AccessDeniedError: The account is not in it.
    """
    given = INPUTS["devops_organization"]
    name = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    if not name:
        raise UsageError(
            "No Azure DevOps organization is chosen.", f"Give it with {given.flag} or the variable {given.variable}."
        )
    elsewhere = [
        entry
        for entry in context.ledger.standing()
        if entry.resource.startswith("devops/") and place_of(entry)[0].lower() != name.lower()
    ]
    if elsewhere:
        raise UsageError(
            f"{elsewhere[0].kind} that this wizard created still exists in {place_of(elsewhere[0])[0]}.",
            "First run: hol-wizard teardown devops-project scientist-setup",
        )
    before = context.profile.settings.value("devops_sign_in")
    context.save("devops_sign_in")
    try:
        person = context.services.devops(name).person()
    except WizardError as error:
        context.profile.change(devops_sign_in=before)
        if isinstance(error, AbsenceUnclearError) and _is_in_no(context, name):
            told = f"You are not a member of an Azure DevOps organization {name}."
            raise AccessDeniedError(told, f"{error.hint}{_offer(context)}", detail=error.detail) from error
        raise
    context.profile.change(devops_organization=name)
    context.reporter.say(f"{ORGANIZATION}: {name}, where you are {person.name}. Saved in {context.profile.path}.")


# The project


@check(deadline=20)
def project_there(context: StepContext) -> Result:
    """Check whether the project exists and is private, with Git and the process Agile."""
    return ownership.check(lab_project(context))


def _plan_project(context: StepContext) -> Sequence[Change]:
    try:
        return ownership.plan(lab_project(context))
    except (SignInError, AccessDeniedError):
        # The previous step reports what is missing; after it is done, the project is created.
        return (lab_project(context).creation(),)


@solve(plan=_plan_project)
def create_project(context: StepContext) -> None:
    """Create the project, or adopt an existing one that fits."""
    ownership.solve(lab_project(context))


@undo(
    plan=lambda context: ownership.plan_undo_all(made_projects(context)),
    marked=marked_projects,
)
def delete_project(context: StepContext) -> None:
    """Delete the projects that this wizard created, in any organization."""
    ownership.undo_all(made_projects(context))
