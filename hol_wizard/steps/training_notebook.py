"""The training notebook of section scientist-setup: it is in the Git folder, and is that of the branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hol_wizard.engine.registry import Change, check, solve
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import NotFoundError, WizardError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization
from hol_wizard.resources.git_folder import DatabricksGitFolder
from hol_wizard.resources.notebooks import possible_blobs
from hol_wizard.resources.workspace import workspace
from hol_wizard.steps.scientist_setup import own_folder, pull_folder

NOTEBOOK: Final = "Notebook"
NOTEBOOK_FILE: Final = "Project_One/notebooks/train_model.py"


def _blobs(context: StepContext, folder: DatabricksGitFolder) -> dict[str, str]:
    """Return git's IDs of the files in the notebooks' folder of the branch; none if the branch does not have it."""
    here, where = organization(context), f"/{NOTEBOOK_FILE.rpartition('/')[0]}"
    try:
        return here.blobs(context.names.devops_project, folder.repository(context.reads).id, folder.branch, where)
    except NotFoundError:
        return {}


@check(deadline=30)
def is_the_branchs(context: StepContext) -> Result:
    """Check whether the training notebook is in the Git folder, and is identical to the branch's."""
    here = workspace(context)
    folder = own_folder(context)
    path = f"{folder.path}/{NOTEBOOK_FILE.removesuffix('.py')}"
    start = folder.repository(context.reads).default_branch or "main"
    found, wanted = here.git.object(path), _blobs(context, folder).get(NOTEBOOK_FILE, "")
    if not wanted:
        return Result(
            Status.FAILED,
            f"The branch {folder.branch} has no {NOTEBOOK_FILE}.",
            (Expectation(NOTEBOOK, f"{NOTEBOOK_FILE} on {folder.branch}", "not found", met=False),),
            f"The branch was created before the repository was seeded. On your machine, run git merge origin/{start}, "
            "then git push. Then pull here.",
        )
    if found is None:
        return Result(
            Status.FAILED,
            f"There is no notebook {path}.",
            (Expectation(NOTEBOOK, f"{path} exists", "not found", met=False),),
            "To pull into Databricks, <solve>.",
        )
    seen = [
        Expectation("Kind", "NOTEBOOK", found.type, found.type == "NOTEBOOK"),
        Expectation("Language", "PYTHON", found.language or "none", found.language == "PYTHON"),
    ]
    if found.type == "NOTEBOOK":
        same = wanted in possible_blobs(here.git.content(found))
        seen.append(Expectation(f"Content of {folder.branch}", "the same", "the same" if same else "differs", same))
        failed = f"The notebook differs from the one on the branch {folder.branch}."
        advice = (
            "If it was changed in Databricks, commit and push there (branch menu), or discard the changes. "
            "If it was changed in Azure DevOps, pull into Databricks: <solve>."
        )
    else:
        failed = f"{path} is no notebook but a {found.type.lower() or 'thing of an unknown kind'}."
        advice = "A notebook's first line is `# Databricks notebook source`: restore it on your branch, then pull."
    return judge(
        seen,
        passed=f"The training notebook is that of the branch {folder.branch}: {path}.",
        failed=failed,
        next_action=advice,
    )


def _plan(context: StepContext) -> Sequence[Change]:
    """Plan no change: the previous step creates or pulls the Git folder."""
    note = "comes with the Git folder; changes in it are kept"
    return (Change("leave", NOTEBOOK, NOTEBOOK_FILE, context.here.databricks_workspace, note=note),)


@solve(plan=_plan)
def pull(context: StepContext) -> None:
    """Pull the Git folder, which contains the notebook; changes in it are never discarded.

    Raises:
        NotFoundError: There is no Git folder, or its branch has no notebook.
        ConflictError: Changes in the folder prevent this.
        ServiceError: The workspace refused.
    """
    folder = own_folder(context)
    try:
        pull_folder(context)
    except WizardError:
        context.reporter.say("The wizard discards nothing: commit or discard changes in Databricks yourself.")
        raise
    if NOTEBOOK_FILE not in _blobs(context, folder):
        start = folder.repository(context.reads).default_branch or "main"
        raise NotFoundError(
            f"The branch {folder.branch} has no {NOTEBOOK_FILE}.",
            f"On your machine: git merge origin/{start}, then git push.",
        )
