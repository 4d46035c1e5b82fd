"""Section scientist-setup: a scientist's way from the Databricks workspace to the repository in Azure DevOps.

The branch is made in `steps/own_branch.py`; here are the Git credential and the Git folder; the notebook in
it is in `steps/training_notebook.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.registry import Change, Marked, action, check, solve, undo
from hol_wizard.engine.results import Result
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, SignInError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import required_repository
from hol_wizard.resources.devops_token import DevOpsAccessToken
from hol_wizard.resources.git_credential import DatabricksGitCredential, access_token, given_token
from hol_wizard.resources.git_folder import CLONING, SHARED, DatabricksGitFolder, own_path
from hol_wizard.resources.workspace import (
    open_workspace,
    workspace_id,
)

# The Git credential


@check(deadline=30)
def credential_there(context: StepContext) -> Result:
    """Check whether Databricks has a credential for Azure DevOps, and whether the wizard's token still holds."""
    return ownership.check(DatabricksGitCredential(context))


def _plan_credential(context: StepContext) -> Sequence[Change]:
    changes, name = ownership.plan(DatabricksGitCredential(context)), context.names.devops_organization
    if not {each.verb for each in changes} & {"create", "change"} or (name and given_token(context, name) is not None):
        return changes
    # Nobody needs its value to say what will be done with one that is there.
    token = access_token(context, name, lambda value: None)
    try:
        return (*(ownership.plan(token) if name else (token.creation(),)), *changes)
    except (AccessDeniedError, NotFoundError, SignInError):
        return (token.creation(), *changes)


@solve(plan=_plan_credential)
def add_credential(context: StepContext) -> None:
    """Give Databricks a token for Azure DevOps, made for it alone; a credential that is there is adopted.

    Raises:
        AccessDeniedError: The organization gives no tokens, or the workspace takes none.
        ServiceError: Azure DevOps or the workspace refused.
    """
    ownership.solve(DatabricksGitCredential(context))


@action("Replace the Git credential")
def replace_credential(context: StepContext) -> None:
    """Replace the wizard's with another: with a new token, or with the one of your own that is given now.

    Raises:
        AccessDeniedError: The organization gives no tokens, or the workspace takes none.
        ServiceError: Azure DevOps or the workspace refused.
    """
    remove_credential(context)
    add_credential(context)


def _credential_and_tokens(context: StepContext) -> Sequence[Resource[Any]]:
    """Return what this step made, by the ledger: tokens in whatever organization."""
    credential, ledger = DatabricksGitCredential(context), context.ledger
    noted = ledger.made_by(context.target, DevOpsAccessToken.kind)
    tokens = [access_token(context, each.split("/")[1]) for each in noted]
    return [*([credential] if ledger.made(credential.id) else []), *tokens]


def _marked(context: StepContext) -> Sequence[Marked]:
    name = context.profile.choices.devops_organization
    tokens = ownership.marked(access_token(context, name)) if name else ()
    return [*ownership.marked(DatabricksGitCredential(context)), *tokens]


@undo(
    plan=lambda context: [each for made in _credential_and_tokens(context) for each in ownership.plan_undo(made)],
    marked=_marked,
)
def remove_credential(context: StepContext) -> None:
    """Take the wizard's credential out of Databricks, revoke its token, and see that both are gone.

    Raises:
        UnseenError: They are another account's, and cannot be seen.
        ServiceError: A service refused, or something is still there.
    """
    ownership.undo_all(_credential_and_tokens(context))


# The Git folder


def own_folder(context: StepContext) -> DatabricksGitFolder:
    """Return the Git folder of whoever works here."""
    return DatabricksGitFolder(context, own_path(context), context.names.branch)


@check(deadline=30)
def folder_on_branch(context: StepContext) -> Result:
    """Check whether the Git folder is the repository's, on the reader's own branch, at the remote's newest commit.

    Of what is not committed in it, the next step tells as far as the training notebook goes.
    """
    folder = own_folder(context)
    folder.repository(context.reads)
    return ownership.check(folder)


def _plan_folder(context: StepContext) -> Sequence[Change]:
    try:
        if open_workspace(context) is not None:
            return ownership.plan(own_folder(context))
    except (NotFoundError, AccessDeniedError):
        # There is a folder, and no repository that it could be compared with.
        pass
    where, name = context.here.databricks_workspace, f"{context.names.repository} on {context.names.branch}"
    return (Change("create", DatabricksGitFolder.kind, name, where, "free", CLONING),)


@solve(plan=_plan_folder)
def make_folder(context: StepContext) -> None:
    """Clone the repository into a Git folder on the reader's branch, or bring the one that is there to it.

    Raises:
        ConflictError: Something else is at that place, or changes in the folder are in the way.
        NotFoundError: There is no such repository or branch.
        AccessDeniedError: Databricks has no credential that Azure DevOps takes.
        ServiceError: The workspace refused.
    """
    _make(own_folder(context))


def _make(folder: DatabricksGitFolder) -> None:
    found = folder.find(SharedReads())
    if found is not None:
        folder.refuse_other(found)
    ownership.solve(folder)


@action("Pull into Databricks")
def pull_folder(context: StepContext) -> None:
    """Bring the Git folder to the newest commit of its branch in Azure DevOps.

    Raises:
        NotFoundError: There is no Git folder.
        ConflictError: It is another repository's or on another branch, or changes in it are in the way.
        ServiceError: The workspace refused.
    """
    folder = own_folder(context)
    found = folder.find(SharedReads())
    if found is None:
        raise NotFoundError(f"There is no Git folder {folder.path}.", "To create it, <solve>.")
    there = folder.refuse_other(found)
    if there.branch != folder.branch:
        raise ConflictError(
            f"The Git folder is on {there.branch or 'no branch'}, not on {folder.branch}.",
            "In Databricks, commit or discard your changes. Then, to switch, <solve>.",
        )
    folder.change(found)


@action("Switch the shared folder to the default branch")
def share_folder(context: StepContext) -> None:
    """Make, or pull, `Shared/Project_One`: a Git folder on the default branch, for looking at and not for editing.

    Raises:
        ConflictError: Something else is at that place, such as the shared folder of the lab of 2019.
        ServiceError: The workspace refused.
    """
    _make(DatabricksGitFolder(context, SHARED, required_repository(context).default_branch))
    context.channel.say("Nobody edits there: everybody works in their own folder, on their own branch.")


def _folders(context: StepContext) -> Sequence[DatabricksGitFolder]:
    """Return the folders of this workspace that the step made, by the ledger."""
    noted, here = context.ledger.made_by(context.target, DatabricksGitFolder.kind), workspace_id(context).lower()
    return [DatabricksGitFolder.of_id(context, each) for each in noted if each.lower().startswith(f"{here}/")]


@undo(plan=lambda context: [change for each in _folders(context) for change in ownership.plan_undo(each)])
def remove_folder(context: StepContext) -> None:
    """Remove the Git folders that this step made, and see that they are gone; the repository is not touched.

    Raises:
        UnseenError: Whether one exists cannot be told.
        ServiceError: The workspace refused, or one is still there.
    """
    ownership.undo_all(_folders(context))
