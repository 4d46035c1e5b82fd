"""Section databricks-access: access to Databricks from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, ServiceError, SignInError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.visibility import Unseen, databricks_viewer, unseen
from hol_wizard.resources.workspace import (
    open_for_undo,
    open_workspace,
    plan_inside,
    workspace,
    workspace_id,
    write_off,
)
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.profiles import CliProfile, DatabricksProfiles, default_file, same_host
from hol_wizard.services.databricks.tokens import AccessToken
from hol_wizard.services.secrets import Secret
from hol_wizard.steps.role import mark

PERSONAL_ACCESS: Final = "Personal access token"
LIFETIME_DAYS: Final = 30
"""The most that this lab gives a token; the lab of 2019 let it live for ever."""
SHORTER_DAYS: Final = (7, 1)
"""Tried where the workspace does not allow so much, and its settings are for administrators' eyes only."""
GENERATE: Final = "databricks-access/generate-an-access-token"

PROFILE_KIND: Final = "Databricks CLI profile"
AZURE_CLI: Final = "azure-cli"
PAT: Final = "pat"


# The access token


def token(context: StepContext, environment: Environment | None = None) -> Secret | None:
    """Return the personal access token that is kept for an environment, or None.

    It is kept in the keyring; where there is none, it may still stand in the profile, by the person's wish.

    Raises:
        SecretStoreError: The keyring refused.
    """
    kept = context.services.secrets.get(_kept_as(context, environment))
    name = str(environment or context.environment)
    if kept is not None or not context.ledger.made(_profile_id(context, name)):
        return kept
    try:
        found = profiles(context).find(name)
    except ConflictError:
        return None
    return found.token if found is not None else None


def _kept_as(context: StepContext, environment: Environment | None = None) -> str:
    return f"databricks-token/{environment or context.environment}"


def token_id(context: StepContext) -> str:
    """Return the token's name in the ledger; it is written before the token has an id."""
    return f"{workspace_id(context)}/tokens/{mark(context).replace(' ', '-')}"


def _wanted(context: StepContext) -> bool:
    """Whether the person insists on a token in the profile."""
    given = context.inputs.get("token_in_profile") or context.profile.settings.value("token_in_profile")
    return given == "yes"


def _ours(context: StepContext, here: Databricks) -> list[AccessToken]:
    return [each for each in here.tokens() if each.comment == mark(context)]


def _switched_off(here: Databricks) -> bool:
    """Whether the workspace says that it takes no personal access tokens; its settings are for administrators only."""
    try:
        return here.token_rules().enabled is False
    except (AccessDeniedError, ConflictError):
        return False


@check(deadline=20)
def token_usable(context: StepContext) -> Result:
    """Look whether the access token works and when it ends, where one is wanted or kept; else none is needed."""
    kept = token(context)
    if kept is None and not _wanted(context) and not context.ledger.made(token_id(context)):
        return Result(
            Status.SKIPPED,
            "No access token is needed: your Azure sign-in opens Databricks too.",
            next_action="Only where a program cannot sign in to Azure: Make an access token.",
        )
    here = workspace(context)
    if kept is None and _switched_off(here):
        return Result(
            Status.SKIPPED,
            "This workspace takes no personal access tokens; the lab goes on without, with your Azure sign-in.",
            (Expectation("Personal access tokens", "allowed", "switched off by an administrator", met=True),),
        )
    listed = _ours(context, here)
    if kept is None:
        lost = f"{len(listed)} there, of which nobody knows the value" if listed else "none"
        return Result(
            Status.FAILED,
            "There is no access token whose value is known.",
            (Expectation(PERSONAL_ACCESS, "kept in the keyring", lost, met=False),),
            "Let the wizard make one (do it for me): what it made before is revoked first.",
        )
    lasting = max(listed, key=_end, default=None)
    ends = _ends(lasting.expires) if lasting else "not listed: it has expired, or was revoked"
    works = _works(here, kept)
    seen = (
        Expectation(PERSONAL_ACCESS, "kept in the keyring", "kept", met=True),
        Expectation("Listed in the workspace", "yes, with an end", ends, met=bool(lasting and lasting.expires)),
        Expectation("Signs in", "yes", "yes" if works else "refused", met=works),
        Expectation("Of this lab", "one", str(len(listed)), met=len(listed) <= 1),
    )
    return judge(
        seen,
        passed=f"The access token works, and {ends}.",
        failed="The access token is of no use any more."
        if not works
        else f"The access token is not as it should be: it {ends}.",
        next_action="Let the wizard make another (do it for me): the old one is revoked.",
    )


def _end(each: AccessToken) -> datetime:
    return each.expires or datetime.max.replace(tzinfo=UTC)


def _ends(moment: datetime | None) -> str:
    if moment is None:
        return "never ends, which the lab of 2019 allowed and nobody should"
    left = moment - datetime.now(UTC)
    days = max(0, round(left / timedelta(days=1)))
    return f"ends on {moment.astimezone():%d %B %Y}, in {days} day{'' if days == 1 else 's'}"


def _works(here: Databricks, kept: Secret) -> bool:
    """Whether the workspace lets the token in."""
    try:
        here.me(token=kept)
    except (AccessDeniedError, SignInError):
        return False
    return True


def _plan_token(context: StepContext) -> Sequence[Change]:
    here, where = open_workspace(context), context.here.databricks_workspace
    listed = _ours(context, here) if here is not None else []
    revoked = [
        Change("delete", PERSONAL_ACCESS, mark(context), where, note="its value is not known, or of no use")
    ] * len(listed)
    note = f"for {LIFETIME_DAYS} days at most, kept in the keyring"
    return (*revoked, Change("create", PERSONAL_ACCESS, mark(context), where, "free", 5, note))


@solve(plan=_plan_token)
def make_token(context: StepContext) -> None:
    """Make an access token that ends, and keep it in the keyring; what was made before is revoked.

    A token's value is told once: where a kill came between, the token is known by its comment and made anew.

    Raises:
        AccessDeniedError: The workspace takes no personal access tokens.
        ServiceError: The workspace refused.
    """
    context.save("token_in_profile")
    _make_token(context)


def _make_token(context: StepContext) -> Secret:
    channel, ledger, here = context.channel, context.ledger, workspace(context)
    kept = token(context)
    listed = _ours(context, here)
    if kept is not None and len(listed) == 1 and listed[0].expires is not None and _works(here, kept):
        channel.say("The access token is there and works.")
        return kept
    days = LIFETIME_DAYS
    try:
        rules = here.token_rules()
    except AccessDeniedError:
        channel.say("What the workspace says about tokens is for its administrators only: trying.")
    else:
        if rules.enabled is False:
            raise AccessDeniedError(
                "Personal access tokens are switched off in this workspace.",
                "Go on without: your Azure sign-in opens Databricks too, and so it can for programs (auth_type = "
                "azure-cli). Who needs a token asks an administrator of the workspace.",
            )
        days = min(days, rules.longest_days or days)
    if not listed and ledger.made(token_id(context)) and (hidden := _hidden(context, here)) is not None:
        raise hidden.error
    channel.stop_if_cancelled()
    target = f"{GENERATE}@{context.environment}"
    viewer = databricks_viewer(context, here)
    ledger.write(Fact.INTENT, target, token_id(context), PERSONAL_ACCESS, by=str(viewer))
    for each in listed:
        channel.say(f"Revoking the access token {each.comment} of {_day(each.created)} …")
        here.delete_token(each.id)
    made, value = _create(context, here, days)
    context.services.secrets.set(_kept_as(context), value)
    # A request whose answer is lost on the way is sent again below us, and the service makes one for each.
    for each in _ours(context, here):
        if each.id != made.id:
            here.delete_token(each.id)
    ledger.write(Fact.CREATED, target, token_id(context), PERSONAL_ACCESS, made.id)
    channel.say(f"The access token {_ends(made.expires)}; it is revoked by a teardown.")
    store = context.services.secrets.probe()
    if not store.persistent:
        channel.say(f"It is kept for this session only: {store.reason}. {store.hint}")
    return value


def _create(context: StepContext, here: Databricks, days: int) -> tuple[AccessToken, Secret]:
    """Create a token for so many days, or for fewer where the workspace does not allow so many."""
    for fewer in [*(each for each in SHORTER_DAYS if each < days), None]:
        context.channel.say(f"Making an access token for {days} days …")
        try:
            return here.create_token(mark(context), days * 24 * 3600)
        except ConflictError as error:
            if fewer is None or "lifetime" not in error.detail.lower():
                raise
            context.channel.say(error.message)
            days = fewer
    raise AssertionError("the last try returns or raises")


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone():%d %B %Y}" if moment else "an unknown day"


@action("Make an access token")
def insist_on_token(context: StepContext) -> None:
    """Make an access token although the lab needs none, for a program that cannot sign in to Azure.

    Raises:
        AccessDeniedError: The workspace takes no personal access tokens.
        ServiceError: The workspace refused.
    """
    _make_token(context)


def _plan_revocation(context: StepContext) -> Sequence[Change]:
    """Tell what would be revoked."""
    if not context.ledger.made(token_id(context)):
        return ()
    plan = partial(_plan_revocation_in, context)
    planned = plan_inside(context, PERSONAL_ACCESS, mark(context), token_id(context), plan)
    if not planned and token(context) is not None:
        note = "it opens nothing any more"
        return (Change("delete", PERSONAL_ACCESS, mark(context), "the keyring", note=note, resource=token_id(context)),)
    return planned


def _plan_revocation_in(context: StepContext, here: Databricks) -> Sequence[Change]:
    listed, where = _ours(context, here), context.here.databricks_workspace
    if not listed and (hidden := _hidden(context, here)) is not None:
        return [hidden.change]
    return [
        Change(
            "delete",
            PERSONAL_ACCESS,
            each.comment,
            where,
            note=f"made on {_day(each.created)}",
            resource=token_id(context),
        )
        for each in listed
    ]


def _hidden(context: StepContext, here: Databricks) -> Unseen | None:
    """Return why a token may hold that is not listed: everybody sees only their own."""
    viewer, where = databricks_viewer(context, here), context.here.databricks_workspace
    return unseen(context, viewer, token_id(context), PERSONAL_ACCESS, mark(context), where, personal=True)


@undo(plan=_plan_revocation)
def revoke_tokens(context: StepContext) -> None:
    """Revoke all access tokens of this lab and forget what is kept, and see that they are gone.

    Raises:
        InconclusiveError: They are another account's, and cannot be seen.
        ServiceError: The workspace refused, or one is still there.
    """
    if not context.ledger.made(token_id(context)):
        return
    here = open_for_undo(context, join=True)
    if here is not None:
        listed = _ours(context, here)
        if not listed and (hidden := _hidden(context, here)) is not None:
            raise hidden.error
        for each in listed:
            context.channel.stop_if_cancelled()
            context.channel.say(f"Revoking the access token {each.comment} of {_day(each.created)} …")
            here.delete_token(each.id)
        if _ours(context, here):
            raise ServiceError("An access token is still there after it was revoked.", "Run the teardown again.")
    context.services.secrets.delete(_kept_as(context))
    if here is None:
        write_off(context, token_id(context), PERSONAL_ACCESS)
        return
    context.ledger.write(Fact.DELETED, context.target, token_id(context), PERSONAL_ACCESS)
    context.channel.say("The lab's access tokens of this workspace are revoked.")


# The CLI's profile


def profiles(context: StepContext) -> DatabricksProfiles:
    """Return the profiles in the file that the Databricks CLI reads, or in that of the cloud."""
    return DatabricksProfiles(context.services.endpoints.databricks_config_file or default_file())


def profile_id(context: StepContext) -> str:
    """Return the profile's name in the ledger."""
    return _profile_id(context, str(context.environment))


def _profile_id(context: StepContext, name: str) -> str:
    return f"{profiles(context).path}/{name}"


def _wish(context: StepContext, here: Databricks) -> CliProfile:
    """Return what the profile should say."""
    kept = token(context) if _wanted(context) else None
    if kept is not None:
        return CliProfile(here.host, PAT, token=kept)
    return CliProfile(here.host, AZURE_CLI, context.names.tenant)


@check(deadline=20)
def profile_works(context: StepContext) -> Result:
    """Look whether the profile names this workspace, and whether what it signs in with is let in.

    The sign-in of `auth_type = azure-cli` is the one shared with the Azure CLI; with a token, the token that stands
    in the file is tried.
    """
    here, file, name = workspace(context), profiles(context), str(context.environment)
    try:
        found = file.find(name)
    except ConflictError as error:
        broken = Expectation("File", "readable", "broken", met=False)
        return Result(Status.FAILED, error.message, (broken,), error.hint, error.detail)
    if found is None:
        return Result(
            Status.FAILED,
            f"There is no profile {name} in {file.path}.",
            (Expectation(PROFILE_KIND, f"[{name}] in {file.path}", "not found", met=False),),
            "Write it by hand as described, or let the wizard do it.",
        )
    mine = context.ledger.made(profile_id(context))
    seen = [Expectation("Host", here.host, found.host or "none", met=same_host(found.host, here.host))]
    if found.token is not None:
        wanted = _wanted(context) or not mine
        seen.append(
            Expectation("Access token in the file", "only where you ask for it", "stands there in clear", met=wanted)
        )
    elif _wanted(context) and token(context) is not None:
        seen.append(Expectation("Access token in the file", "as you asked for", "none", met=False))
    else:
        sign_in = found.auth_type or "whatever the CLI finds"
        seen.append(Expectation("Sign-in", AZURE_CLI, sign_in, met=found.auth_type == AZURE_CLI or not mine))
        tenant = context.names.tenant
        if found.tenant or mine:
            met = found.tenant.lower() == tenant.lower()
            seen.append(Expectation("Directory (tenant)", tenant, found.tenant or "none", met=met))
    if all(each.met for each in seen):
        seen.append(_tried(here, found))
    who = seen[-1].actual
    return judge(
        seen,
        passed=f"The profile {name} opens {context.here.databricks_workspace} {who}.",
        failed=f"The profile {name} in {file.path} does not fit.",
        next_action="Set it right in an editor, or let the wizard write it."
        if mine or same_host(found.host, here.host)
        else f"This profile is not the wizard's: rename [{name}] in {file.path}, and let the wizard write its own.",
    )


def _tried(here: Databricks, found: CliProfile) -> Expectation:
    """Use the profile as a client would, and return what came of it."""
    try:
        user = here.me(token=found.token)
    except SignInError as error:
        if found.token is None:
            raise
        return Expectation("The profile in use", "let in", error.message, met=False)
    except AccessDeniedError as error:
        return Expectation("The profile in use", "let in", error.message, met=False)
    return Expectation("The profile in use", "let in", f"as {user.name}", met=True)


def _plan_profile(context: StepContext) -> Sequence[Change]:
    file, name = profiles(context), str(context.environment)
    where = str(file.path)
    found = file.find(name)
    insists = _wanted(context)
    note = (
        "with an access token in clear, as you asked" if insists else "signs in through the Azure CLI: no secret in it"
    )
    if found is None:
        return (Change("create", PROFILE_KIND, name, where, "free", 1, note),)
    here = open_workspace(context)
    if here is None:
        return (Change("later", PROFILE_KIND, name, where, note="there is one of that name already"),)
    if not context.ledger.made(profile_id(context)) and not same_host(found.host, here.host):
        return (Change("conflict", PROFILE_KIND, name, where, note=f"it is there, for {found.host or 'no host'}"),)
    return (Change("change", PROFILE_KIND, name, where, seconds=1, note=note),)


@solve(plan=_plan_profile)
def write_profile(context: StepContext) -> None:
    """Write the profile, and leave everything else in the file as it is.

    A profile of that name for this workspace is taken over; where a token is insisted on, one is made if none is kept.

    Raises:
        ConflictError: The file is broken, or the name is taken by a profile for something else.
        ServiceError: The workspace could not be asked.
        UsageError: The file cannot be written.
    """
    channel, ledger = context.channel, context.ledger
    context.save("token_in_profile")
    here, file, name = workspace(context), profiles(context), str(context.environment)
    found = file.find(name)
    mine = ledger.made(profile_id(context))
    if found is not None and not mine and not same_host(found.host, here.host):
        raise ConflictError(
            f"There is a profile {name} in {file.path} already, for {found.host or 'no host'}.",
            f"Rename [{name}] there (and use it under its new name), then try again.",
        )
    if _wanted(context) and token(context) is None:
        if _switched_off(here):
            channel.say("This workspace takes no personal access tokens: the profile signs in through the Azure CLI.")
        else:
            _make_token(context)
    wanted = _wish(context, here)
    channel.stop_if_cancelled()
    if found is not None and not mine:
        ledger.write(Fact.ADOPTED, context.target, profile_id(context), PROFILE_KIND)
        channel.say(f"The profile {name} is there for this workspace: taken over, and left alone by a teardown.")
    elif not mine:
        ledger.write(Fact.INTENT, context.target, profile_id(context), PROFILE_KIND, here.host)
    file.write(name, wanted)
    if found is None or mine:
        ledger.write(Fact.CREATED, context.target, profile_id(context), PROFILE_KIND, here.host)
    clear = ", with an access token in clear" if wanted.token else ""
    channel.say(f"The profile {name} stands in {file.path}{clear}.")
    _tell_how_to_use(context)


def _tell_how_to_use(context: StepContext) -> None:
    """Say how the CLIs come to a file that is not their own."""
    endpoints = context.services.endpoints
    if endpoints.databricks_config_file is not None:
        context.channel.say(f"For the Databricks CLI, set DATABRICKS_CONFIG_FILE={endpoints.databricks_config_file}")
    if endpoints.ca_bundle is not None:
        context.channel.say(f"and REQUESTS_CA_BUNDLE={endpoints.ca_bundle} SSL_CERT_FILE={endpoints.ca_bundle}")


def _plan_profile_removal(context: StepContext) -> Sequence[Change]:
    file, name = profiles(context), str(context.environment)
    found = file.find(name) if context.ledger.made(profile_id(context)) else None
    if found is None:
        return ()
    if _is_for_another(context, found):
        note = f"it is for {found.host or 'no host'} by now: left alone"
        return (Change("leave", PROFILE_KIND, name, str(file.path), note=note),)
    return (Change("delete", PROFILE_KIND, name, str(file.path), resource=profile_id(context)),)


@undo(plan=_plan_profile_removal)
def remove_profile(context: StepContext) -> None:
    """Take the wizard's profile out of the file; one that is for another workspace by now is left alone.

    Raises:
        ConflictError: The file is broken.
        UsageError: It cannot be written.
    """
    file, name = profiles(context), str(context.environment)
    if not context.ledger.made(profile_id(context)):
        return
    found = file.find(name)
    if found is not None and _is_for_another(context, found):
        context.channel.say(f"The profile {name} is for {found.host} by now: left alone.")
        found = None
    if found is not None:
        context.channel.stop_if_cancelled()
        file.remove(name)
        if file.find(name) is not None:
            raise ServiceError(f"The profile {name} is still in {file.path}.", "Take it out in an editor.")
    context.ledger.write(Fact.DELETED, context.target, profile_id(context), PROFILE_KIND)
    context.channel.say(f"The profile {name} is gone from {file.path}.")


def _is_for_another(context: StepContext, found: CliProfile) -> bool:
    """Whether the profile names a workspace that the wizard never wrote there."""
    written = [each.detail for each in context.ledger.entries() if each.resource == profile_id(context) and each.detail]
    return not any(same_host(found.host, host) for host in written)
