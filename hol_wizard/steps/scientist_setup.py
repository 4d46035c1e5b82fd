"""Section scientist-setup: a scientist's way from the Databricks workspace to the repository in Azure DevOps.

The branch is made in `steps/repository.py`; here are the Git credential, the Git folder and the notebook in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import unquote, urlsplit

from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.registry import Change, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError, SignInError, WizardError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, organization, repository, required_repository
from hol_wizard.resources.visibility import Unseen, databricks_viewer, devops_viewer, unseen
from hol_wizard.resources.workspace import (
    open_for_undo,
    open_workspace,
    plan_inside,
    workspace,
    workspace_id,
    write_off,
)
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.git import PROVIDER, GitCredential, GitFolder, is_azure_devops
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.devops.tokens import CODE_READ_AND_WRITE, DevOpsToken
from hol_wizard.services.secrets import Secret

CREDENTIAL: Final = "Git credential"
DEVOPS_TOKEN: Final = "Personal access token of Azure DevOps"  # noqa: S105 # what it is called
FOLDER: Final = "Git folder"
NOTEBOOK: Final = "Notebook"

LIFETIME_DAYS: Final = 30
SHORTER_DAYS: Final = (7, 1)
"""Tried where a policy of the organization does not allow so much."""
CLONING: Final = 10.0
"""Seconds until a new Git folder of the lab's size is there. [K]"""

NOTEBOOK_FILE: Final = "Project_One/notebooks/train_model.py"
SHARED: Final = "/Workspace/Shared/Project_One"
"""Where the lab of 2019 had everybody's folder."""

BRANCH_STEP: Final = "scientist-setup/create-your-branch"
BY_ENTRA: Final = (
    "Link your account by hand instead: in Databricks your user icon, Settings, Linked accounts, Add Git credential, "
    "provider Azure DevOps Services (Microsoft Entra ID), Link. It works where Databricks and Azure DevOps are in the "
    "same tenant; then check again."
)


# The Git credential


def token_name(context: StepContext) -> str:
    """Return what the token and the credential made with it are called: that is how they are found again."""
    return f"{context.mark} databricks-{context.environment}"


def credential_id(context: StepContext) -> str:
    """Return the credential's name in the ledger; it is written before the credential has an id."""
    return f"{workspace_id(context)}/git-credentials/{_word(context)}"


def token_id(context: StepContext, name: str) -> str:
    """Return the token's name in the ledger.

    Args:
        context: The step's.
        name: The organization that it is of.
    """
    return f"devops/{name}/tokens/{_word(context)}"


def _word(context: StepContext) -> str:
    return token_name(context).replace(" ", "-")


def _credentials(context: StepContext, here: Databricks) -> list[GitCredential]:
    """Return the account's credentials for Azure DevOps."""
    return [each for each in here.git.credentials() if each.for_azure_devops]


def _is_ours(context: StepContext, each: GitCredential) -> bool:
    """Whether a credential is the wizard's: by its name, or by its id where the workspace keeps no names."""
    return each.name == token_name(context) or (
        not each.name and each.id == context.ledger.detail(credential_id(context)) and bool(each.id)
    )


def _listed(context: StepContext, name: str) -> list[DevOpsToken]:
    """Return the wizard's tokens of an organization that still hold."""
    now = datetime.now(UTC)
    return [
        each
        for each in context.services.devops_tokens(name).list()
        if each.name == token_name(context) and (each.ends is None or each.ends > now)
    ]


def _holds(context: StepContext, name: str, listed: Sequence[DevOpsToken]) -> DevOpsToken | None:
    """Return the token that the credential was made with, or None: it is not among those that hold."""
    made = context.ledger.detail(token_id(context, name))
    return next((each for each in listed if each.id == made and CODE_READ_AND_WRITE in each.scope.split()), None)


@check(deadline=30)
def credential_there(context: StepContext) -> Result:
    """Look whether Databricks has a credential for Azure DevOps, and whether the wizard's token still holds.

    Whether Azure DevOps takes it is seen at the Git folder: Databricks itself does not try it before.
    """
    here = workspace(context)
    found = here.git.credentials()
    fitting = [each for each in found if each.for_azure_devops]
    if not fitting:
        others = ", ".join(each.provider for each in found)
        return Result(
            Status.FAILED,
            "Databricks has no Git credential of yours for Azure DevOps.",
            (Expectation("Provider", PROVIDER, f"only {others}" if others else "none", met=False),),
            "Add one by hand as described, or let the wizard do it (do it for me).",
        )
    chosen = next((each for each in fitting if _is_ours(context, each)), fitting[0])
    seen = [
        Expectation("Provider", PROVIDER, chosen.provider, met=True),
        Expectation("User", "told, or linked", chosen.user or "linked through Microsoft Entra ID", met=True),
    ]
    if _is_ours(context, chosen):
        seen.append(_token_seen(context))
    return judge(
        seen,
        passed=f"Databricks has a Git credential of yours for Azure DevOps: {chosen.user or 'by Entra ID'}.",
        failed="The token of the Git credential holds no longer.",
        next_action="Let the wizard make another (do it for me): the old one is removed first.",
    )


def _token_seen(context: StepContext) -> Expectation:
    """Look at the token that the wizard made; where nobody may list tokens, that is no fault of it."""
    name = organization(context).organization
    expected = f"of {name}, holds"
    try:
        listed = _listed(context, name)
    except (AccessDeniedError, SignInError) as error:
        return Expectation("Token", expected, f"not told: {error.message}", met=True)
    holding = _holds(context, name, listed)
    if holding is None:
        return Expectation("Token", expected, "revoked, or has expired", met=False)
    return Expectation("Token", expected, f"ends on {_day(holding.ends)}", met=True)


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone():%d %B %Y}" if moment else "an unknown day"


def _is_done(context: StepContext, here: Databricks) -> bool:
    """Whether one credential of the wizard's is there, with a token that holds."""
    ours = [each for each in _credentials(context, here) if _is_ours(context, each)]
    name = organization(context).organization
    listed = _listed(context, name) if ours else []
    return len(ours) == len(listed) == 1 and _holds(context, name, listed) is not None


def _given_token(context: StepContext, name: str) -> Secret | None:
    """Return the person's own token, where the wizard comes in with it and may make no other; else None."""
    own = context.services.devops_token(name)
    if own is None:
        return None
    try:
        _listed(context, name)
    except (AccessDeniedError, SignInError):
        return own
    return None


def _plan_credential(context: StepContext) -> Sequence[Change]:
    here, where = open_workspace(context), context.here.databricks_workspace
    name = context.names.devops_organization
    if here is not None:
        found = _credentials(context, here)
        ours = [each for each in found if _is_ours(context, each)]
        if found and not ours:
            note = "was there before; a teardown leaves it"
            return (Change("adopt", CREDENTIAL, f"{found[0].provider} {found[0].user}".strip(), where, note=note),)
        removed = [
            Change("delete", CREDENTIAL, token_name(context), where, note="its token holds no longer, or is not known")
        ] * len(ours)
    else:
        removed = []
    if name and _given_token(context, name) is not None:
        return (*removed, Change("create", CREDENTIAL, PROVIDER, where, "free", 2, f"given your own token of {name}"))
    scope = f"Code: Read & write, this organization only, for {LIFETIME_DAYS} days at most; Databricks alone keeps it"
    return (
        *removed,
        Change("create", DEVOPS_TOKEN, token_name(context), name or "Azure DevOps", "free", note=scope),
        Change("create", CREDENTIAL, PROVIDER, where, "free", 2, "given that token"),
    )


@solve(plan=_plan_credential)
def add_credential(context: StepContext) -> None:
    """Give Databricks a token for Azure DevOps, made for it alone; a credential that is there is adopted.

    Where the person's own token is all that lets the wizard in, no other can be made: Databricks gets that one.

    A token's value is told once: where a kill came between, token and credential are known by their name and made
    anew.

    Raises:
        AccessDeniedError: The organization gives no tokens, or the workspace takes none.
        ServiceError: Azure DevOps or the workspace refused.
    """
    channel, ledger, here = context.channel, context.ledger, workspace(context)
    found = _credentials(context, here)
    ours = [each for each in found if _is_ours(context, each)]
    if found and not ours:
        ledger.write(Fact.ADOPTED, context.target, f"{workspace_id(context)}/git-credentials/{found[0].id}", CREDENTIAL)
        channel.say("Databricks has a Git credential of yours for Azure DevOps already: adopted, and never replaced.")
        return
    name = organization(context).organization
    if (own := _given_token(context, name)) is not None:
        _give_own_token(context, here, ours, own)
        return
    try:
        if ours and _is_done(context, here):
            channel.say("The Git credential is there, and its token holds.")
            return
        listed = _listed(context, name)
    except AccessDeniedError as error:
        raise _refused(error) from error
    if not ours and ledger.made(credential_id(context)) and (hidden := _hidden_credential(context, here)) is not None:
        raise hidden.error
    channel.stop_if_cancelled()
    by = str(devops_viewer(context, organization(context)))
    ledger.write(Fact.INTENT, context.target, token_id(context, name), DEVOPS_TOKEN, by=by)
    by = str(databricks_viewer(context, here))
    ledger.write(Fact.INTENT, context.target, credential_id(context), CREDENTIAL, by=by)
    for each in ours:
        channel.say("Removing the Git credential whose token holds no longer, or is not known …")
        here.git.delete_credential(each.id)
    for token in listed:
        channel.say(f"Revoking the token {token.name}, which ends on {_day(token.ends)} …")
        context.services.devops_tokens(name).revoke(token.id)
    try:
        made, value = _create_token(context, name)
    except AccessDeniedError as error:
        raise _refused(error) from error
    ledger.write(Fact.CREATED, context.target, token_id(context, name), DEVOPS_TOKEN, made.id)
    channel.say(f"Giving it to {context.here.databricks_workspace} …")
    given = _give(context, here, value, made)
    _drop_others(context, here, given)
    for token in _listed(context, name):
        if token.id != made.id:
            context.services.devops_tokens(name).revoke(token.id)
    ledger.write(Fact.CREATED, context.target, credential_id(context), CREDENTIAL, given.id)
    channel.say(
        f"Databricks fetches and pushes with it as {given.user} until {_day(made.ends)}. "
        "Whether Azure DevOps takes it is seen at the Git folder."
    )


def _give_own_token(context: StepContext, here: Databricks, ours: Sequence[GitCredential], own: Secret) -> None:
    """Give the workspace the person's own token, in the place of one that it had from the wizard before."""
    channel, ledger = context.channel, context.ledger
    channel.stop_if_cancelled()
    by = str(databricks_viewer(context, here))
    ledger.write(Fact.INTENT, context.target, credential_id(context), CREDENTIAL, by=by)
    for each in ours:
        here.git.delete_credential(each.id)
    channel.say(f"Giving your own token to {context.here.databricks_workspace}: no other can be made …")
    given = here.git.create_credential(context.names.user or here.me().name, own, token_name(context))
    _drop_others(context, here, given)
    ledger.write(Fact.CREATED, context.target, credential_id(context), CREDENTIAL, given.id)
    channel.say(
        f"Databricks fetches and pushes with it as {given.user}, as long as it holds and has the scope "
        "Code: Read & write. A teardown takes it out of Databricks, and leaves the token itself."
    )


def _drop_others(context: StepContext, here: Databricks, given: GitCredential) -> None:
    """Leave one credential: where an answer is lost on the way, the request is sent again, and each makes one."""
    for each in _credentials(context, here):
        if _is_ours(context, each) and each.id != given.id:
            here.git.delete_credential(each.id)


def _refused(error: AccessDeniedError) -> AccessDeniedError:
    """Return the same refusal with the way that is left: no token at all."""
    return AccessDeniedError(error.message, BY_ENTRA, code=error.code, detail=error.detail)


def _create_token(context: StepContext, name: str) -> tuple[DevOpsToken, Secret]:
    """Create a token for so many days, or for fewer where a policy does not allow so many."""
    days = LIFETIME_DAYS
    for fewer in (*SHORTER_DAYS, None):
        context.channel.say(f"Making a token of {name} for {days} days, scope Code: Read & write …")
        try:
            return context.services.devops_tokens(name).create(token_name(context), CODE_READ_AND_WRITE, days)
        except ConflictError as error:
            if fewer is None:
                raise
            context.channel.say(error.message)
            days = fewer
    raise AssertionError("the last try returns or raises")


def _give(context: StepContext, here: Databricks, value: Secret, made: DevOpsToken) -> GitCredential:
    """Give the workspace the token; one that it does not take is revoked at once."""
    name = organization(context).organization
    user = context.names.user or here.me().name
    try:
        return here.git.create_credential(user, value, token_name(context))
    except ConflictError:
        # The first of two requests may have come through whose answer was lost.
        ours = [each for each in _credentials(context, here) if _is_ours(context, each)]
        if ours:
            return ours[0]
        context.services.devops_tokens(name).revoke(made.id)
        raise
    except (AccessDeniedError, NotFoundError):
        context.services.devops_tokens(name).revoke(made.id)
        raise


def _tokens_standing(context: StepContext) -> list[Entry]:
    """Return the tokens that this step made, by the ledger, in whatever organization."""
    return [each for each in context.ledger.standing() if each.target == context.target and each.kind == DEVOPS_TOKEN]


def _left(context: StepContext, entry: Entry) -> list[DevOpsToken] | Unseen:
    """Return the wizard's tokens of an organization that still hold; another account's are not listed."""
    name = entry.resource.split("/")[1]
    if listed := _listed(context, name):
        return listed
    viewer = devops_viewer(context, context.services.devops(name))
    what = token_name(context)
    return unseen(context, viewer, entry.resource, DEVOPS_TOKEN, what, name, personal=True) or []


def _plan_credential_removal(context: StepContext) -> Sequence[Change]:
    changes: list[Change] = []
    if context.ledger.made(credential_id(context)):
        plan = partial(_plan_credential_removal_in, context)
        changes += plan_inside(context, CREDENTIAL, PROVIDER, credential_id(context), plan)
    for entry in _tokens_standing(context):
        name, left = entry.resource.split("/")[1], _left(context, entry)
        if isinstance(left, Unseen):
            changes.append(left.change)
        else:
            changes += [Change("delete", DEVOPS_TOKEN, each.name, name, resource=entry.resource) for each in left]
    return changes


def _plan_credential_removal_in(context: StepContext, here: Databricks) -> Sequence[Change]:
    found = [each for each in _credentials(context, here) if _is_ours(context, each)]
    if not found and (hidden := _hidden_credential(context, here)) is not None:
        return [hidden.change]
    where = context.here.databricks_workspace
    return [Change("delete", CREDENTIAL, PROVIDER, where, resource=credential_id(context)) for _ in found]


def _hidden_credential(context: StepContext, here: Databricks) -> Unseen | None:
    """Return why a Git credential may exist that is not listed: everybody sees only their own."""
    viewer, where = databricks_viewer(context, here), context.here.databricks_workspace
    return unseen(context, viewer, credential_id(context), CREDENTIAL, PROVIDER, where, personal=True)


@undo(plan=_plan_credential_removal)
def remove_credential(context: StepContext) -> None:
    """Take the wizard's credential out of Databricks, revoke its token and forget it, and see that both are gone.

    Raises:
        InconclusiveError: They are another account's, and cannot be seen.
        ServiceError: A service refused, or something is still there.
    """
    channel, ledger = context.channel, context.ledger
    hidden: Unseen | None = None
    if ledger.made(credential_id(context)):
        here = open_for_undo(context, join=True)
        found = _credentials(context, here) if here is not None else []
        ours = [each for each in found if _is_ours(context, each)]
        if here is None:
            write_off(context, credential_id(context), CREDENTIAL)
        elif ours or (hidden := _hidden_credential(context, here)) is None:
            for each in ours:
                channel.stop_if_cancelled()
                channel.say("Removing the Git credential from Databricks …")
                here.git.delete_credential(each.id)
            if any(_is_ours(context, each) for each in _credentials(context, here)):
                raise ServiceError("The Git credential is still there after its removal.", "Run the teardown again.")
            ledger.write(Fact.DELETED, context.target, credential_id(context), CREDENTIAL)
            channel.say("The Git credential is gone from Databricks.")
    for entry in _tokens_standing(context):
        name, left = entry.resource.split("/")[1], _left(context, entry)
        if isinstance(left, Unseen):
            hidden = hidden or left
            continue
        for token in left:
            channel.stop_if_cancelled()
            channel.say(f"Revoking the token {token.name} of {name} …")
            context.services.devops_tokens(name).revoke(token.id)
        if _listed(context, name):
            raise ServiceError(f"A token of {name} is still there after it was revoked.", "Run the teardown again.")
        ledger.write(Fact.DELETED, context.target, entry.resource, DEVOPS_TOKEN)
        channel.say(f"The token of {name} is revoked.")
    if hidden is not None:
        raise hidden.error


# The Git folder


@dataclass(frozen=True, slots=True)
class _Wish:
    """A Git folder that is to be."""

    path: str
    repository: Repository
    branch: str
    head: str
    """The remote's newest commit of the branch; empty where it has no such branch."""


def folder_path(context: StepContext, here: Databricks) -> str:
    """Return where somebody's own Git folder is."""
    return f"/Workspace/Users/{here.me().name}/{context.names.repository}"


def _wish(context: StepContext, here: Databricks) -> _Wish:
    found, branch = required_repository(context), context.names.branch
    return _Wish(folder_path(context, here), found, branch, branches(context, found).get(branch, ""))


def _shared_wish(context: StepContext) -> _Wish:
    found = required_repository(context)
    branch = found.default_branch
    return _Wish(SHARED, found, branch, branches(context, found).get(branch, ""))


def _folder_id(context: StepContext, path: str) -> str:
    """Return a Git folder's name in the ledger; it is written before the folder has an id."""
    return f"{workspace_id(context)}/git-folders{path.removeprefix('/Workspace')}"


def _same_repository(one: str, other: str) -> bool:
    """Whether two addresses are of one repository: case, a user's name, `.git` and a last slash make no difference."""

    def plain(url: str) -> tuple[str, str]:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2].lower(), unquote(parts.path).rstrip("/").removesuffix(".git").lower()

    return plain(one) == plain(other)


def _foreign(here: Databricks, wish: _Wish) -> str:
    """Return what else lies where the Git folder is to be, in words; empty: nothing does."""
    found = here.git.object(wish.path)
    if found is None:
        return ""
    folder = here.git.folder_of_id(found.id) if found.type == "REPO" else None
    if folder is None:
        return f"a {found.type.lower()}" if found.type != "REPO" else "a Git folder that you may not manage"
    if not _same_repository(folder.url, wish.repository.remote_url):
        return f"a Git folder of another repository, {folder.url or 'linked to none'}"
    return ""


@check(deadline=30)
def folder_on_branch(context: StepContext) -> Result:
    """Look whether the Git folder is the repository's, on the reader's own branch, at the remote's newest commit.

    Databricks does not tell over its API whether anything in a Git folder is not committed; of the training notebook
    the next step tells.
    """
    here = workspace(context)
    wish = _wish(context, here)
    foreign = _foreign(here, wish)
    if foreign:
        return Result(
            Status.FAILED,
            f"At {wish.path} is {foreign}: it is not touched.",
            (Expectation(FOLDER, wish.repository.remote_url, foreign, met=False),),
            "In Databricks rename it or move it away (its menu, Rename or Move), then check again.",
        )
    folder = here.git.folder(wish.path)
    if folder is None:
        return Result(
            Status.FAILED,
            f"There is no Git folder {wish.path}.",
            (Expectation(FOLDER, f"{wish.path} exists", "not found", met=False),),
            "Create it by hand as described, or let the wizard do it.",
        )
    stands = folder.branch or "no branch"
    seen = [
        Expectation("Path", wish.path, folder.path, met=True),
        Expectation("Repository", wish.repository.remote_url, folder.url, met=True),
        Expectation(
            "Provider",
            PROVIDER,
            folder.provider,
            is_azure_devops(folder.provider),
        ),
        Expectation("Branch", wish.branch, stands, folder.branch == wish.branch),
    ]
    if not wish.head:
        seen.append(Expectation("Branch in Azure DevOps", f"{wish.branch} exists", "not found", met=False))
        advice = f"Do the step “Create your branch” first: hol-wizard solve {BRANCH_STEP}"
        failed = f"The repository has no branch {wish.branch}."
    elif folder.branch != wish.branch:
        advice = (
            f"In Databricks commit or discard what you changed, then choose the branch {wish.branch} beside the "
            "folder's name, or let the wizard do it."
        )
        failed = f"The Git folder stands on {stands}, not on {wish.branch}."
    else:
        seen.append(
            Expectation("Newest commit", wish.head[:12], folder.head[:12] or "unknown", folder.head == wish.head)
        )
        advice = "Pull into Databricks: in the branch's menu there, or by the action of this name here."
        failed = f"The Git folder does not have the newest commit of {wish.branch}."
    return judge(
        seen,
        passed=f"The Git folder {wish.path} stands on {wish.branch}, at its newest commit {folder.head[:8]}.",
        failed=failed,
        next_action=advice,
    )


def _plan_folder(context: StepContext) -> Sequence[Change]:
    here = open_workspace(context)
    where = context.here.databricks_workspace
    name = f"{context.names.repository} on {context.names.branch}"
    blind = (Change("create", FOLDER, name, where, "free", CLONING),)
    if here is None:
        return blind
    try:
        wish = _wish(context, here)
    except (NotFoundError, AccessDeniedError):
        return blind
    foreign = _foreign(here, wish)
    if foreign:
        return (Change("conflict", FOLDER, wish.path, where, note=f"there is {foreign}"),)
    folder = here.git.folder(wish.path)
    if folder is None:
        return (Change("create", FOLDER, wish.path, where, "free", CLONING, f"on branch {wish.branch}"),)
    if folder.branch != wish.branch:
        note = f"from {folder.branch or 'no branch'} to {wish.branch}"
        return (Change("change", FOLDER, wish.path, where, seconds=CLONING, note=note),)
    if folder.head != wish.head:
        return (Change("change", FOLDER, wish.path, where, seconds=CLONING, note="pulled to the newest commit"),)
    return (Change("adopt", FOLDER, wish.path, where, note=f"is there, on {wish.branch}"),)


@solve(plan=_plan_folder)
def make_folder(context: StepContext) -> None:
    """Clone the repository into a Git folder on the reader's branch, or bring the one that is there to it.

    Raises:
        ConflictError: Something else is at that place, or changes in the folder are in the way.
        NotFoundError: There is no such repository or branch.
        AccessDeniedError: Databricks has no credential that Azure DevOps takes.
        ServiceError: The workspace refused.
    """
    here = workspace(context)
    _make(context, here, _wish(context, here))


def _make(context: StepContext, here: Databricks, wish: _Wish) -> None:
    channel, ledger, resource = context.channel, context.ledger, _folder_id(context, wish.path)
    if not wish.head:
        raise NotFoundError(
            f"The repository has no branch {wish.branch or 'at all'}.",
            f"Do the step “Create your branch” first: hol-wizard solve {BRANCH_STEP}",
        )
    _refuse_foreign(here, wish)
    folder = here.git.folder(wish.path)
    if folder is None:
        channel.stop_if_cancelled()
        channel.say(f"Cloning {wish.repository.name} into {wish.path} …")
        by = str(databricks_viewer(context, here))
        ledger.write(Fact.INTENT, context.target, resource, FOLDER, wish.path, by=by)
        try:
            folder, is_mine = _clone(context, here, wish)
        except (AccessDeniedError, NotFoundError, ConflictError):
            # Whatever is there later was made by somebody else.
            ledger.write(Fact.DELETED, context.target, resource, FOLDER)
            raise
        if is_mine:
            ledger.write(Fact.CREATED, context.target, resource, FOLDER, folder.id)
        else:
            ledger.write(Fact.DELETED, context.target, resource, FOLDER)
            channel.say(f"{wish.path} has just been made by somebody else: left alone by a teardown.")
    elif not ledger.made(resource):
        ledger.write(Fact.ADOPTED, context.target, f"{workspace_id(context)}/git-folders/{folder.id}", FOLDER)
        channel.say(f"{wish.path} is there already: adopted, and left alone by a teardown.")
    elif not ledger.created(resource):
        ledger.write(Fact.CREATED, context.target, resource, FOLDER, folder.id)
    _bring(context, here, folder, wish)


def _refuse_foreign(here: Databricks, wish: _Wish) -> None:
    foreign = _foreign(here, wish)
    if foreign:
        raise ConflictError(
            f"At {wish.path} is {foreign}: it is not touched.",
            "In Databricks rename it or move it away (its menu, Rename or Move), then try again.",
        )


def _clone(context: StepContext, here: Databricks, wish: _Wish) -> tuple[GitFolder, bool]:
    """Make the folder, and return it with whether it is this wizard's: in a shared place others may be as quick."""
    # Only a workspace that knows several credentials wants to be told which.
    known = _credentials(context, here)
    ours = [each for each in known if _is_ours(context, each)]
    chosen = (ours or known)[0].id if len(known) > 1 else ""
    try:
        return here.git.create_folder(wish.repository.remote_url, wish.path, chosen), True
    except ConflictError:
        # The first of two requests may have come through whose answer was lost.
        folder = here.git.folder(wish.path)
        if folder is None or not _same_repository(folder.url, wish.repository.remote_url):
            raise
        return folder, wish.path != SHARED


def _bring(context: StepContext, here: Databricks, folder: GitFolder, wish: _Wish) -> None:
    """Put a folder on a branch, at its newest commit."""
    if folder.branch == wish.branch and folder.head == wish.head:
        context.channel.say(f"{wish.path} stands on {wish.branch}, at its newest commit.")
        return
    context.channel.stop_if_cancelled()
    verb = "Pulling" if folder.branch == wish.branch else "Switching to"
    context.channel.say(f"{verb} {wish.branch} in {wish.path} …")
    here.git.switch(folder.id, wish.branch)
    now = here.git.folder_of_id(folder.id)
    if now is None or now.branch != wish.branch:
        raise ServiceError(
            f"The Git folder {wish.path} stands on {(now and now.branch) or 'no branch'} all the same.",
            "Look at it in Databricks; changes that are not committed may be in the way.",
        )
    context.channel.say(f"{wish.path} stands on {wish.branch}, at {now.head[:8]}.")


@action("Pull into Databricks")
def pull_folder(context: StepContext) -> None:
    """Bring the Git folder to the newest commit of its branch in Azure DevOps.

    Raises:
        NotFoundError: There is no Git folder.
        ConflictError: It is another repository's or on another branch, or changes in it are in the way.
        ServiceError: The workspace refused.
    """
    here = workspace(context)
    wish = _wish(context, here)
    _refuse_foreign(here, wish)
    folder = here.git.folder(wish.path)
    if folder is None:
        raise NotFoundError(f"There is no Git folder {wish.path}.", "Do this step first (do it for me).")
    if folder.branch != wish.branch:
        raise ConflictError(
            f"The Git folder stands on {folder.branch or 'no branch'}, not on {wish.branch}.",
            "In Databricks commit or discard what you changed; then do this step (do it for me): it switches.",
        )
    _bring(context, here, folder, wish)


@action("Bring the shared folder to the default branch")
def share_folder(context: StepContext) -> None:
    """Make, or pull, `Shared/Project_One`: a Git folder on the default branch, for looking at and not for editing.

    Raises:
        ConflictError: Something else is at that place, such as the shared folder of the lab of 2019.
        ServiceError: The workspace refused.
    """
    _make(context, workspace(context), _shared_wish(context))
    context.channel.say("Nobody edits there: who works has a folder and a branch of their own.")


def _folders_standing(context: StepContext) -> list[Entry]:
    return [each for each in context.ledger.standing() if each.target == context.target and each.kind == FOLDER]


def _ours(context: StepContext, here: Databricks, entry: Entry) -> GitFolder | Unseen | None:
    """Return a folder that the wizard made, wherever it was moved, or None: it is gone, or is not the one."""
    viewer, where = databricks_viewer(context, here), context.here.databricks_workspace
    made = context.ledger.detail(entry.resource)
    found = here.git.folder_of_id(made) if made else here.git.folder(entry.detail)
    if found is None:
        return unseen(context, viewer, entry.resource, FOLDER, entry.detail, where)
    if made:
        return found
    # Before its id was written it can only be where it was made, and of the lab's repository.
    lab = repository(context)
    if lab is None:
        identity, who = context.ledger.maker(entry.resource).partition(" ")[::2]
        return Unseen(FOLDER, entry.detail, where, entry.resource, who or identity, viewer.name)
    return found if _same_repository(found.url, lab.remote_url) else None


def _plan_folder_removal(context: StepContext) -> Sequence[Change]:
    return [
        change
        for entry in _folders_standing(context)
        for change in plan_inside(
            context, FOLDER, entry.detail, entry.resource, partial(_plan_folder_removal_in, context, entry)
        )
    ]


def _plan_folder_removal_in(context: StepContext, entry: Entry, here: Databricks) -> Sequence[Change]:
    folder = _ours(context, here, entry)
    if isinstance(folder, Unseen):
        return [folder.change]
    if folder is None:
        return ()
    note = "with what is not committed in it; the repository stays"
    where = context.here.databricks_workspace
    return [Change("delete", FOLDER, folder.path, where, note=note, resource=entry.resource)]


@undo(plan=_plan_folder_removal)
def remove_folder(context: StepContext) -> None:
    """Remove the Git folders that this step made, and see that they are gone; the repository is not touched.

    Raises:
        InconclusiveError: Whether one exists cannot be told.
        ServiceError: The workspace refused, or one is still there.
    """
    standing = _folders_standing(context)
    here = open_for_undo(context, join=True) if standing else None
    hidden: Unseen | None = None
    for entry in standing:
        if here is None:
            write_off(context, entry.resource, FOLDER)
            continue
        folder = _ours(context, here, entry)
        if isinstance(folder, Unseen):
            hidden = hidden or folder
            continue
        if folder is not None:
            context.channel.stop_if_cancelled()
            context.channel.say(f"Removing the Git folder {folder.path} …")
            here.git.delete_folder(folder.id)
            if here.git.folder_of_id(folder.id) is not None:
                raise ServiceError(f"The Git folder {folder.path} is still there.", "Run the teardown again.")
        context.ledger.write(Fact.DELETED, context.target, entry.resource, FOLDER)
        context.channel.say(f"The Git folder {entry.detail} is gone.")
    if hidden is not None:
        raise hidden.error


# The notebook


def _blobs(context: StepContext, wish: _Wish) -> dict[str, str]:
    """Return git's ids of the files in the notebooks' folder of the branch; none where the branch lacks it."""
    here: DevOps = organization(context)
    folder = f"/{NOTEBOOK_FILE.rpartition('/')[0]}"
    try:
        return here.blobs(context.names.devops_project, wish.repository.id, wish.branch, folder)
    except NotFoundError:
        return {}


def _could_be(source: str) -> set[str]:
    """Return git's ids of a text with and without a newline at its end: a workspace may keep it or not."""
    bare = source.replace("\r\n", "\n").rstrip("\n")
    texts = {bare, f"{bare}\n", source}
    texts |= {each.replace("\r\n", "\n").replace("\n", "\r\n") for each in texts}
    found = set()
    for each in texts:
        content = each.encode("utf-8")
        found.add(hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest())
    return found


@check(deadline=30)
def notebook_in_branch(context: StepContext) -> Result:
    """Look whether the training notebook is reached through the Git folder, and is what the branch has."""
    here = workspace(context)
    wish = _wish(context, here)
    path = f"{wish.path}/{NOTEBOOK_FILE.removesuffix('.py')}"
    found, wanted = here.git.object(path), _blobs(context, wish).get(NOTEBOOK_FILE, "")
    if not wanted:
        return Result(
            Status.FAILED,
            f"The branch {wish.branch} has no {NOTEBOOK_FILE}.",
            (Expectation(NOTEBOOK, f"{NOTEBOOK_FILE} on {wish.branch}", "not found", met=False),),
            f"The branch was made before the repository was seeded: on your machine, git merge origin/"
            f"{wish.repository.default_branch or 'main'}, then git push; then pull here.",
        )
    if found is None:
        return Result(
            Status.FAILED,
            f"There is no notebook {path}.",
            (Expectation(NOTEBOOK, f"{path} exists", "not found", met=False),),
            "Pull into Databricks (do it for me).",
        )
    seen = [
        Expectation("Kind", "NOTEBOOK", found.type, found.type == "NOTEBOOK"),
        Expectation("Language", "PYTHON", found.language or "none", found.language == "PYTHON"),
    ]
    if found.type == "NOTEBOOK":
        same = wanted in _could_be(here.git.source(path))
        seen.append(Expectation(f"Content of {wish.branch}", "the same", "the same" if same else "differs", same))
        failed = f"The notebook is not what the branch {wish.branch} has."
        advice = (
            "Was it changed in Databricks? Then commit and push there (the branch's menu), or discard. Was it changed "
            "in Azure DevOps? Then pull into Databricks (do it for me)."
        )
    else:
        failed = f"{path} is no notebook but a {found.type.lower() or 'thing of an unknown kind'}."
        advice = "A notebook's first line is `# Databricks notebook source`: put it back on your branch, then pull."
    return judge(
        seen,
        passed=f"The training notebook is the one of branch {wish.branch}: {path}.",
        failed=failed,
        next_action=advice,
    )


def _plan_notebook(context: StepContext) -> Sequence[Change]:
    where = context.here.databricks_workspace
    note = "pulled, so that the notebook is the branch's; what is changed in it stays, or stops the pull"
    return (Change("change", FOLDER, context.names.repository, where, "free", CLONING, note),)


@solve(plan=_plan_notebook)
def pull_notebook(context: StepContext) -> None:
    """Pull the Git folder, where the notebook comes from; what is changed in it is never discarded.

    Raises:
        NotFoundError: There is no Git folder, or its branch has no notebook.
        ConflictError: Changes in the folder are in the way.
        ServiceError: The workspace refused.
    """
    here = workspace(context)
    wish = _wish(context, here)
    try:
        pull_folder(context)
    except WizardError:
        context.channel.say("The wizard discards nothing: what is changed in Databricks, you commit or discard there.")
        raise
    if NOTEBOOK_FILE not in _blobs(context, wish):
        raise NotFoundError(
            f"The branch {wish.branch} has no {NOTEBOOK_FILE}.",
            f"On your machine: git merge origin/{wish.repository.default_branch or 'main'}, then git push.",
        )
