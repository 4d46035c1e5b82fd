"""Section train: the notebook runs on the dev cluster, and registers a model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import LONG_WORK_DEADLINE, Change, Marked, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, WizardError
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import machine_learning
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, organization, required_repository
from hol_wizard.resources.local_clone import LocalClone
from hol_wizard.resources.notebooks import uncommitted
from hol_wizard.resources.training_run import TrainingRun, counting, listed_runs, noted_commits, own_git_folder
from hol_wizard.services.answers import moment
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import counted
from hol_wizard.services.machine_learning import ModelVersion

MODEL = FIXED["model"]
_SHORT = 10
"""Digits of a commit's id that are shown."""


def _wanted(context: StepContext) -> dict[str, str]:
    return {"state": str(context.environment), "created_by": context.names.alias}


def _own_model(context: StepContext) -> tuple[ModelVersion | None, int]:
    """Return the newest version with the person's tags, and how many versions there are; one run shares the read."""
    workspace = machine_learning.workspace(context).id
    found = context.reads.share(
        ("models", workspace.lower()), lambda: context.services.machine_learning.versions(workspace, MODEL)
    )
    wanted = _wanted(context).items()
    return next((each for each in found if wanted <= dict(each.tags).items()), None), len(found)


def _when(model: ModelVersion) -> str:
    created = moment(model.created)
    return f"{created:%d %B %Y %H:%M} UTC" if created is not None else "an unknown time"


# The run


@check(deadline=30)
def has_run(context: StepContext) -> Result:
    """Check whether the notebook ran as the Git folder has it; a run in the browser leaves a model only."""
    run = counting(context)
    found = run.find(context.reads)
    if found is not None and (found[0].succeeded or not found[0].ended):
        return ownership.check(run)
    model = _model_of_the_browser(context)
    if model is None:
        return run.absence() if found is None else ownership.check(run)
    return Result(
        Status.PASSED,
        f"You registered version {model.number} of {MODEL} on {_when(model)}. The commit of a run in the "
        "browser is not recorded.",
        (Expectation("Model of yours", "registered", f"version {model.number}", met=True),),
    )


def _model_of_the_browser(context: StepContext) -> ModelVersion | None:
    """Return the person's newest model if no run of this wizard's can have registered it."""
    model, _ = _own_model(context)
    runs = listed_runs(context)
    if model is None or (created := moment(model.created)) is None or (noted_commits(context) and not runs):
        return None
    ends = [each.finished if each.ended else None for each in runs]
    return model if all(end is not None and end < created for end in ends) else None


def _to_solve(context: StepContext) -> TrainingRun:
    """Return the run that counts if it goes on or has succeeded, else the one at the Git folder's commit."""
    run = counting(context)
    found = run.find(context.reads)
    return TrainingRun(context) if found is not None and found[0].ended and not found[0].succeeded else run


@solve(plan=lambda context: ownership.plan(_to_solve(context)), deadline=LONG_WORK_DEADLINE)
def run_notebook(context: StepContext) -> None:
    """Run the notebook at the Git folder's commit, and wait until it has ended.

    Raises:
        ServiceError: It failed, with what to do.
    """
    run = _to_solve(context)
    newest = run.follow()
    context.reporter.say(f"The run's page: {newest.page}")
    for line in _told(run.here.run_output(newest).value):
        context.reporter.say(line)


def _told(value: str) -> list[str]:
    """Return in words what the notebook returned; nothing if the reader's notebook returns something else."""
    try:
        told = json.loads(value)
        quality = f"Mean absolute error {float(told['mean_absolute_error']):,.0f}, R2 {float(told['r2']):.4f}."
        registered = f"Registered version {int(told['version'])} of {MODEL}."
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return [quality, registered, *(() if told.get("tracked") else ("Not tracked with MLflow.",))]


def _noted(context: StepContext) -> list[TrainingRun]:
    """Return the runs that this wizard made, according to the ledger: at whatever commit."""
    return [TrainingRun(context, each) for each in noted_commits(context)]


def _plan_removal(context: StepContext) -> Sequence[Change]:
    removed = ownership.plan_undo_all(_noted(context))
    return [*removed, *_model_that_stays(context)] if removed else removed


def _model_that_stays(context: StepContext) -> list[Change]:
    """Return the plan's line for the model that the runs have registered, if it can be seen."""
    try:
        model, _ = _own_model(context)
    except WizardError:
        return []
    if model is None:
        return []
    note = "it is deleted with the Machine Learning workspace"
    return [Change("leave", "Registered model", f"{MODEL} version {model.number}", note=note)]


def _marked(context: StepContext) -> Sequence[Marked]:
    try:
        return ownership.marked(TrainingRun(context))
    except NotFoundError:
        return ()


@undo(plan=_plan_removal, marked=_marked, deadline=LONG_WORK_DEADLINE)
def remove_runs(context: StepContext) -> None:
    """Cancel what goes on, and delete the runs; models stay, they go with the ML workspace."""
    ownership.undo_all(_noted(context))


@action("Cancel the training", ends="the training")
def cancel(context: StepContext) -> None:
    """Cancel the run that counts.

    Raises:
        ConflictError: None goes on.
    """
    if not counting(context).cancel_newest():
        raise ConflictError("No training goes on.", "To start one, <solve>.")


# The model


@check(deadline=30)
def has_registered(context: StepContext) -> Result:
    """Check whether a model with the person's tags is registered, and whether its files are those that were trained."""
    model, versions = _own_model(context)
    tags = ", ".join(f"{name}={value}" for name, value in _wanted(context).items())
    if model is None:
        others = f"{versions} with other tags" if versions else "none"
        return Result(
            Status.FAILED,
            f"No version of {MODEL} has the tags {tags}.",
            (Expectation("Your model", tags, others, met=False),),
            "<first train/run-the-training>. If you ran it, did you type your alias into the box created_by?",
        )
    workspace = machine_learning.workspace(context).id
    seen = [Expectation("Your model", tags, f"version {model.number}, {_when(model)}", met=True)]
    try:
        files = context.services.machine_learning.files(workspace, model)
    except AccessDeniedError as error:
        return Result(
            Status.UNKNOWN,
            f"Version {model.number} is registered; its files cannot be read with your account.",
            tuple(seen),
            "You need the role Storage Blob Data Reader on the storage account of the ML workspace.",
            error.detail or error.message,
        )
    actual = f"missing or different: {', '.join(files.wrong)}" if files.wrong else ", ".join(files.names)
    seen.append(Expectation("Files", "as they were registered", actual, met=not files.wrong))
    return judge(
        tuple(seen),
        passed=f"Version {model.number} of {MODEL} is yours, with all its files.",
        failed=f"The files of version {model.number} of {MODEL} are not those that were registered.",
        next_action="Somebody has changed or deleted them in the storage account. Run the training again.",
    )


# The commit


@check(deadline=30)
def is_committed(context: StepContext) -> Result:
    """Check whether the notebooks of the Git folder are committed and pushed; compare the three places of the branch.

    The Git folder and the clone may be behind: the branch goes on, and a later step pulls.
    """
    folder, branch = own_git_folder(context), context.names.branch
    repository = required_repository(context)
    newest = branches(context, repository).get(branch, "")
    seen = [Expectation("Git folder on branch", branch, folder.branch or "no branch", folder.branch == branch)]
    if folder.branch != branch:
        advice = "Choose your branch above the notebook. Databricks asks what to do with your changes."
        return Result(Status.FAILED, f"The Git folder is not on your branch {branch}.", tuple(seen), advice)
    if not newest:
        raise NotFoundError(f"Azure DevOps has no branch {branch}.", "<first scientist-setup/create-your-branch>.")
    changes = uncommitted(context, folder)
    told = ", ".join(changes) or "committed"
    seen.append(Expectation("Notebooks in Databricks", "committed", told, met=not changes))
    distance = organization(context).distance(context.names.devops_project, repository.id, branch, folder.head)
    pushed = distance is not None and distance[1] == 0
    seen += [
        Expectation("Commit in Databricks", "in Azure DevOps", _compared(folder.head, distance), met=pushed),
        Expectation("Commit in Azure DevOps", newest[:_SHORT], newest[:_SHORT], met=True),
        Expectation("Commit in your clone", newest[:_SHORT], _in_clone(context, repository, newest), met=True),
    ]
    if changes:
        advice = f"Above the notebook choose the name of the branch, {branch}, then Commit & Push. Or discard there."
        return Result(Status.FAILED, f"Not committed in Databricks: {told}.", tuple(seen), advice)
    return judge(
        tuple(seen),
        passed=f"Azure DevOps has what you committed in Databricks ({folder.head[:_SHORT]}).",
        failed=f"The branch {branch} in Azure DevOps does not have the commit {folder.head[:_SHORT]} of Databricks.",
        next_action="Push it: above the notebook choose the name of the branch. If somebody has rewritten the branch, "
        "choose Pull there.",
    )


def _compared(commit: str, distance: tuple[int, int] | None) -> str:
    """Return in words how a commit stands to the branch in Azure DevOps."""
    if distance is None:
        return f"{commit[:_SHORT]}, which Azure DevOps does not have"
    newer, missing = distance
    if missing:
        return f"{commit[:_SHORT]}, not in the branch in Azure DevOps"
    return f"{commit[:_SHORT]}, {counted(newer, 'commit')} behind" if newer else f"{commit[:_SHORT]}, the newest"


def _in_clone(context: StepContext, repository: Repository, newest: str) -> str:
    """Return in words where the branch is in the reader's clone on this machine."""
    branch = context.names.branch
    clone = LocalClone(context, context.names.clone_folder, repository).find(context.reads)
    if clone is None:
        return "there is no clone on this machine"
    here = clone.commit(f"refs/heads/{branch}")
    if not here:
        return f"it has no branch {branch}"
    if here == newest:
        return f"{here[:_SHORT]}, the newest"
    if clone.contains(newest, here):
        return f"{here[:_SHORT]}, with commits that are not pushed"
    return f"{here[:_SHORT]}, without the newest; pull in the next section"
