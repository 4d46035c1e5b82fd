"""Section databricks-access: access to Databricks from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hol_wizard.engine import ownership
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import ConflictError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_cli_profile import DatabricksCliProfile, insists_on_token
from hol_wizard.resources.databricks_token import DatabricksToken, is_switched_off, kept_token
from hol_wizard.resources.workspace import open_workspace, workspace

GENERATE: Final = "databricks-access/generate-an-access-token"
NOT_NEEDED: Final = "No access token is needed: your Azure sign-in works for Databricks too."


# The access token


def token(context: StepContext) -> DatabricksToken:
    """Return the environment's access token; it is in the ledger for the token's own step, regardless of which step
    creates it."""
    return DatabricksToken(replace(context, target=f"{GENERATE}@{context.environment}"))


def _is_needed(context: StepContext) -> bool:
    """Whether a token is explicitly wanted, or one is stored or recorded."""
    return insists_on_token(context) or context.ledger.made(token(context).id) or kept_token(context) is not None


@check(deadline=20)
def token_usable(context: StepContext) -> Result:
    """Check whether the access token works and when it expires, if one is wanted or stored; otherwise none is
    needed."""
    if not _is_needed(context):
        return Result(
            Status.SKIPPED,
            NOT_NEEDED,
            next_action="Only if a program cannot sign in to Azure: Make an access token.",
        )
    if kept_token(context) is None and is_switched_off(workspace(context)):
        return Result(
            Status.SKIPPED,
            "This workspace does not allow personal access tokens; the lab uses your Azure sign-in instead.",
            (Expectation("Personal access tokens", "allowed", "disabled by an administrator", met=True),),
        )
    return ownership.check(token(context))


def _plan_token(context: StepContext) -> Sequence[Change]:
    wanted, note = token(context), ""
    if not _is_needed(context):
        note = NOT_NEEDED
    elif kept_token(context) is None and (here := open_workspace(context)) is not None and is_switched_off(here):
        note = "the workspace does not allow them: the lab does not need them"
    return (Change("leave", wanted.kind, wanted.name, wanted.where, note=note),) if note else ownership.plan(wanted)


@solve(plan=_plan_token)
def make_token(context: StepContext) -> None:
    """Create an expiring access token, and store it in the keyring; earlier ones are revoked.

    Raises:
        AccessDeniedError: The workspace does not allow personal access tokens.
        ServiceError: The workspace refused.
    """
    context.save("token_in_profile")
    ownership.solve(token(context))


@action("Make an access token")
def insist_on_token(context: StepContext) -> None:
    """Create an access token although the lab needs none, for a program that cannot sign in to Azure.

    Raises:
        AccessDeniedError: The workspace does not allow personal access tokens.
        ServiceError: The workspace refused.
    """
    ownership.solve(token(context))


@undo(
    plan=lambda context: ownership.plan_undo(token(context)),
    marked=lambda context: ownership.marked(token(context)),
)
def revoke_tokens(context: StepContext) -> None:
    """Revoke this lab's access tokens, delete the stored one, and verify that they are gone.

    Raises:
        UnseenError: They belong to another account and are not visible.
        ServiceError: The workspace refused, or one is still there.
    """
    ownership.undo(token(context))


# The CLI's profile


@check(deadline=20)
def profile_works(context: StepContext) -> Result:
    """Check whether the profile names this workspace, and whether its sign-in has access."""
    workspace(context)
    try:
        return ownership.check(DatabricksCliProfile(context))
    except ConflictError as error:
        broken = Expectation("File", "readable", "broken", met=False)
        return Result(Status.FAILED, error.message, (broken,), error.hint, error.detail)


def _plan_profile(context: StepContext) -> Sequence[Change]:
    profile = DatabricksCliProfile(context)
    if open_workspace(context) is None and profile.find(context.reads) is not None:
        note = "there is already one of that name"
        return (Change("later", profile.kind, profile.name, profile.where, note=note),)
    return ownership.plan(profile)


@solve(plan=_plan_profile)
def write_profile(context: StepContext) -> None:
    """Write the profile, and change nothing else in the file.

    A profile of that name for this workspace is adopted. If a token is explicitly wanted and none is stored, one is
    created.

    Raises:
        ConflictError: The file is broken, or the name is in use by a profile for something else.
        ServiceError: The workspace could not be asked.
        UsageError: The file cannot be written.
    """
    context.save("token_in_profile")
    here, profile = workspace(context), DatabricksCliProfile(context)
    found = profile.find(ReadCache())
    fits = found is None or profile.changeable(found, ours=ownership.owns(profile, found))
    if fits and insists_on_token(context) and kept_token(context) is None:
        if is_switched_off(here):
            context.reporter.say(
                "This workspace does not allow personal access tokens: the profile signs in through the Azure CLI."
            )
        else:
            ownership.solve(token(context))
    written = ownership.solve(profile)
    clear = ", with an access token in plain text" if written.token else ""
    context.reporter.say(f"The profile {profile.name} is in {profile.where}{clear}.")
    _tell_how_to_use(context)


def _tell_how_to_use(context: StepContext) -> None:
    """Report which variables make the CLIs use another file than their own."""
    endpoints = context.services.endpoints
    if endpoints.databricks_config_file is not None:
        context.reporter.say(f"For the Databricks CLI, set DATABRICKS_CONFIG_FILE={endpoints.databricks_config_file}")
    if endpoints.ca_bundle is not None:
        context.reporter.say(f"and REQUESTS_CA_BUNDLE={endpoints.ca_bundle} SSL_CERT_FILE={endpoints.ca_bundle}")


@undo(
    plan=lambda context: ownership.plan_undo(DatabricksCliProfile(context)),
    marked=lambda context: ownership.marked(DatabricksCliProfile(context)),
)
def remove_profile(context: StepContext) -> None:
    """Remove the wizard's profile from the file; one that is now for another workspace is not changed.

    Raises:
        ConflictError: The file is broken.
        UsageError: It cannot be written.
    """
    ownership.undo(DatabricksCliProfile(context))
