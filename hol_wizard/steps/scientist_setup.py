"""Section scientist-setup: connects the Databricks workspace to the repository in Azure DevOps.

This module contains the Git credential and the Git folder. The branch is in `steps/own_branch.py`, the notebook in
`steps/training_notebook.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
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
    """Check whether Databricks has a credential for Azure DevOps, and whether the wizard's token is still valid."""
    return ownership.check(DatabricksGitCredential(context))


def _plan_credential(context: StepContext) -> Sequence[Change]:
    changes, name = ownership.plan(DatabricksGitCredential(context)), context.names.devops_organization
    if not {each.verb for each in changes} & {"create", "change"} or (name and given_token(context, name) is not None):
        return changes
    # Its value is not needed for a plan about an existing one.
    token = access_token(context, name, lambda value: None)
    try:
        return (*(ownership.plan(token) if name else (token.creation(),)), *changes)
    except (AccessDeniedError, NotFoundError, SignInError):
        return (token.creation(), *changes)


@solve(plan=_plan_credential)
def add_credential(context: StepContext) -> None:
    """Give Databricks a new token for Azure DevOps that only it uses; an existing credential is adopted.

    Raises:
        AccessDeniedError: The organization issues no tokens, or the workspace accepts none.
        ServiceError: Azure DevOps or the workspace refused.
    """
    ownership.solve(DatabricksGitCredential(context))


@action("Replace the Git credential")
def replace_credential(context: StepContext) -> None:
    """Replace the wizard's credential: with a new token, or with the person's own token.

    Raises:
        AccessDeniedError: The organization issues no tokens, or the workspace accepts none.
        ServiceError: Azure DevOps or the workspace refused.
    """
    remove_credential(context)
    add_credential(context)


def _credential_and_tokens(context: StepContext) -> Sequence[Resource[Any]]:
    """Return what this step created, according to the ledger: tokens in any organization."""
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
    """Remove the wizard's credential from Databricks, revoke its token, and verify that both are gone.

    Raises:
        UnseenError: They belong to another account and are not visible.
        ServiceError: A service refused, or something is still there.
    """
    ownership.undo_all(_credential_and_tokens(context))


# The Git folder


def own_folder(context: StepContext) -> DatabricksGitFolder:
    """Return the signed-in account's Git folder."""
    return DatabricksGitFolder(context, own_path(context), context.names.branch)


@check(deadline=30)
def folder_on_branch(context: StepContext) -> Result:
    """Check whether the Git folder is of the repository, on the reader's own branch, at the remote's newest commit.

    The next step reports uncommitted changes in the training notebook.
    """
    folder = own_folder(context)
    folder.repository(context.reads)
    return ownership.check(folder)


def _plan_folder(context: StepContext) -> Sequence[Change]:
    try:
        if open_workspace(context) is not None:
            return ownership.plan(own_folder(context))
    except (NotFoundError, AccessDeniedError):
        # There is a folder, but no repository to compare it with.
        pass
    where, name = context.here.databricks_workspace, f"{context.names.repository} on {context.names.branch}"
    return (Change("create", DatabricksGitFolder.kind, name, where, "free", CLONING),)


@solve(plan=_plan_folder)
def make_folder(context: StepContext) -> None:
    """Clone the repository into a Git folder on the reader's branch, or switch an existing one to it.

    Raises:
        ConflictError: Something else is at this path, or changes in the folder prevent this.
        NotFoundError: There is no such repository or branch.
        AccessDeniedError: Databricks has no credential that Azure DevOps accepts.
        ServiceError: The workspace refused.
    """
    _make(own_folder(context))


def _make(folder: DatabricksGitFolder) -> None:
    found = folder.find(ReadCache())
    if found is not None:
        folder.refuse_other(found)
    ownership.solve(folder)


@action("Pull into Databricks")
def pull_folder(context: StepContext) -> None:
    """Update the Git folder to the newest commit of its branch in Azure DevOps.

    Raises:
        NotFoundError: There is no Git folder.
        ConflictError: It is of another repository or on another branch, or changes in it prevent this.
        ServiceError: The workspace refused.
    """
    folder = own_folder(context)
    found = folder.find(ReadCache())
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
    """Create, or pull, `Shared/Project_One`: a Git folder on the default branch, for reading and not for editing.

    Raises:
        ConflictError: Something else is at this path, such as the shared folder of the lab of 2019.
        ServiceError: The workspace refused.
    """
    _make(DatabricksGitFolder(context, SHARED, required_repository(context).default_branch))
    context.reporter.say("Nobody edits there: everybody works in their own folder, on their own branch.")


def _folders(context: StepContext) -> Sequence[DatabricksGitFolder]:
    """Return the folders in this workspace that the step created, according to the ledger."""
    noted, here = context.ledger.made_by(context.target, DatabricksGitFolder.kind), workspace_id(context).lower()
    return [DatabricksGitFolder.of_id(context, each) for each in noted if each.lower().startswith(f"{here}/")]


@undo(plan=lambda context: ownership.plan_undo_all(_folders(context)))
def remove_folder(context: StepContext) -> None:
    """Remove the Git folders that this step created, and verify that they are gone; the repository is not changed.

    Raises:
        UnseenError: It is unknown whether one exists.
        ServiceError: The workspace refused, or one is still there.
    """
    ownership.undo_all(_folders(context))
