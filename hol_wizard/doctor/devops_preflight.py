"""What can prevent the lab in Azure DevOps, for the doctor; each finding says who can fix it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ServiceError, SignInError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, project
from hol_wizard.steps import devops_project

ADMINISTRATOR: Final = "An administrator of the organization (Project Collection Administrator)"
FREE_GRANT: Final = "https://aka.ms/azpipelines-parallelism-request"
"""The form to request the free grant; a response can take days."""
REFUSED_BY_POLICY: Final = "VS403463"


def _where_chosen(look: Callable[[StepContext], Result]) -> Callable[[StepContext], Result]:
    """Return a check that reports it if no organization is chosen."""

    @wraps(look)
    def looked(context: StepContext) -> Result:
        if context.profile.choices.devops_organization:
            return look(context)
        return Result(
            Status.SKIPPED,
            "No Azure DevOps organization is chosen yet.",
            next_action="You: choose one (<step devops-project/choose-the-organization>).",
        )

    return looked


@_where_chosen
def organization_reachable(context: StepContext) -> Result:
    """Check whether the chosen organization accepts this sign-in."""
    try:
        found = devops_project.organization_usable(context)
    except SignInError as error:
        return Result(Status.FAILED, error.message, (), f"You: {error.hint}", error.detail)
    if found.passed or not found.next_action:
        return found
    return Result(found.status, found.summary, found.expectations, f"You: {found.next_action}", found.detail)


@_where_chosen
def third_party_access(context: StepContext) -> Result:
    """Check whether the organization accepts the Entra tokens of programs like this one.

    No documented API returns its policies, so a request is tried.
    """
    if context.profile.settings.value("devops_sign_in") == "token":
        return Result(
            Status.SKIPPED, "The organization is used with a personal access token, so this policy does not apply."
        )
    here = organization(context)
    try:
        context.reads.share(("devops person", here.organization), here.person)
    except AccessDeniedError as error:
        if REFUSED_BY_POLICY not in f"{error.code} {error.message} {error.detail}":
            raise
        return Result(
            Status.FAILED,
            "A policy of the organization refuses this program's sign-in.",
            (Expectation("Program sign-in", "taken", "refused", met=False),),
            f"{ADMINISTRATOR}: Organization settings, Policies, Third-party application access via OAuth; or of the "
            f"directory: conditional access. You: {error.hint}",
            error.detail,
        )
    seen = (Expectation("Program sign-in", "taken", "taken", met=True),)
    return Result(Status.PASSED, "The organization accepts this program's sign-in.", seen)


@_where_chosen
def may_create_projects(context: StepContext) -> Result:
    """Check whether this account may create the lab's project, if it does not exist yet."""
    here, name = organization(context), context.names.devops_project
    if project(context) is not None:
        return Result(Status.PASSED, f"The project {name} exists, so nobody needs the right to create it.")
    may = here.may_create_projects()
    return judge(
        (Expectation("Create new projects", "allowed", "allowed" if may else "not allowed", met=may),),
        passed=f"You may create projects in {here.organization}.",
        failed=f"You may not create projects in {here.organization}.",
        next_action=f"{ADMINISTRATOR}: Organization settings, Permissions, allow you Create new projects, or create "
        f"{name} (Git, Agile, private).",
    )


@_where_chosen
def tokens_allowed(context: StepContext) -> Result:
    """Report what is known about personal access tokens: only creating one shows whether a policy forbids it."""
    here = organization(context)
    help_ = (
        f"{ADMINISTRATOR}: Organization settings, Policies, Restrict personal access token creation. "
        "You: if tokens are refused, link Databricks with your Entra sign-in (<section scientist-setup>)."
    )
    try:
        listed = context.services.devops_tokens(here.organization).list()
    except (AccessDeniedError, SignInError) as error:
        return Result(Status.UNKNOWN, f"Your tokens cannot be listed: {error.message}", (), help_, error.detail)
    seen = tuple(
        Expectation(each.name, "holds", f"{each.scope}, until {each.ends:%Y-%m-%d}" if each.ends else each.scope, True)
        for each in listed
    )
    return Result(
        Status.SKIPPED,
        f"You have {len(listed)} personal access tokens. Whether a policy refuses another one is known only when "
        "you create it.",
        seen,
        help_,
    )


@_where_chosen
def hosted_parallelism(context: StepContext) -> Result:
    """Report whether there are Microsoft-hosted agents for a private project: only a hint, because the format is
    undocumented."""
    here = organization(context)
    help_ = (
        f"{ADMINISTRATOR}: ask for the free job at {FREE_GRANT} now, it can take days; or buy a parallel job "
        "(Organization settings, Billing). You: run your own agent. See Organization settings, Parallel jobs."
    )
    try:
        jobs = here.hosted_jobs()
    except ServiceError as error:
        if isinstance(error, SignInError):
            raise
        return Result(
            Status.UNKNOWN,
            "Azure DevOps does not say whether it has a hosted agent.",
            (),
            help_,
            error.detail or error.message,
        )
    if jobs is None:
        return Result(Status.UNKNOWN, "Azure DevOps says in an unknown form whether it has a hosted agent.", (), help_)
    seen = (Expectation("Microsoft-hosted parallel jobs", "1 or more", str(jobs), met=jobs > 0),)
    return judge(
        seen,
        passed=f"Microsoft-hosted parallel jobs: {jobs}. Only the first build shows that they can be used.",
        failed="There is no Microsoft-hosted parallel job: a build fails, because none has been purchased or granted.",
        next_action=help_,
    )
