"""The steps that a job runs, from those in its plan.

A job without a `checkout` checks out its own repository first; a deployment job checks nothing out, and downloads all
artifacts of the run and of its pipeline resources instead, unless it has a `download` of its own
(https://learn.microsoft.com/azure/devops/pipelines/process/deployment-jobs). With several checkouts, each repository
gets a folder of its own below the sources folder.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines import tasks
from hol_wizard.practice.pipelines.agent import inputs
from hol_wizard.practice.pipelines.agent.checkout import Checkout, source_of, title
from hol_wizard.practice.pipelines.agent.context import JobContext, StepContext, TaskError
from hol_wizard.practice.pipelines.agent.step_runner import JobStep
from hol_wizard.practice.pipelines.agent.tasks import RUNS
from hol_wizard.practice.pipelines.agent.tasks.artifacts import download
from hol_wizard.practice.pipelines.plan import JobKind, Step
from hol_wizard.practice.pipelines.tasks import Task

CHECKOUT, DOWNLOAD = "checkout", "download"


def of(job: JobContext) -> tuple[list[JobStep], list[JobStep], list[JobStep]]:
    """Return the steps that run before those of a job, its steps, and those that run after them."""
    assignment = job.assignment
    steps = [each for each in assignment.steps if each.enabled]
    checkouts = [each for each in steps if each.task_name.lower() == CHECKOUT]
    wanted = [each for each in checkouts if each.inputs.get("repository", "").lower() != "none"]
    implied: list[JobStep] = []
    after: list[JobStep] = []
    found: list[JobStep] = []
    before = [_before(each) for each in steps if _runs_before(each)]
    deployment = assignment.job.kind is JobKind.DEPLOYMENT
    if not checkouts and not deployment:
        implied.append(_checkout(job, None, 1, after))
    if deployment and not any(each.task_name.lower() == DOWNLOAD for each in steps):
        implied.append(JobStep("Download", _download_all))
    for each in steps:
        if each in wanted:
            found.append(_checkout(job, each, len(wanted), after))
        elif each not in checkouts and not _runs_before(each):
            found.append(_task(each))
    return before, [*implied, *found], after


def _runs_before(step: Step) -> bool:
    """Return whether a step runs before the job's own steps: AzureKeyVault with `RunAsPreJob`."""
    return any(name.lower() == "runasprejob" and text.lower() == "true" for name, text in step.inputs.items())


def _before(step: Step) -> JobStep:
    found = _task(step)
    return replace(found, title=f"Pre-job: {found.title}")


def _checkout(job: JobContext, step: Step | None, count: int, after: list[JobStep]) -> JobStep:
    """Return a checkout, and add what comes after the job's steps to `after`."""
    given = step.inputs if step is not None else {}
    source = source_of(job.assignment.request, given.get("repository", "self"))
    folder = given.get("path") or ("s" if count == 1 else f"s/{source.name}")
    checkout = Checkout(source, folder)
    name = (step.display_name if step is not None else "") or title(source, folder)
    details = {"task": {"id": "6d15af64-176c-496d-b583-fd2ae21d4df4", "name": "Checkout", "version": "1.0.0"}}

    after.insert(0, JobStep(f"Post-job: {name}", checkout.clean_up, condition="always()", details=details))
    if step is None:
        return JobStep(name, checkout.run, details=details)
    return _of_step(step, name, checkout.run, details, lambda context: inputs.prepare(context, step, ()))


async def _download_all(context: StepContext) -> None:
    """Download the artifacts of this run, and of the runs of its pipeline resources."""
    job = context.job
    await download(context, job.key, "", job.workspace.build, ["**"], own_folder=True)
    for alias, each in job.assignment.request.pipelines.items():
        await download(context, each.key, "", job.workspace.build / alias, ["**"], own_folder=True)


def _task(step: Step) -> JobStep:
    task = tasks.find(step.task)
    known: Sequence[tasks.Input] = task.inputs if task is not None else ()

    def prepare(context: StepContext) -> None:
        inputs.prepare(context, step, known)
        if task is not None:
            _head(context, task)

    async def run(context: StepContext) -> Result | None:
        action = RUNS.get(task.reference.lower() if task is not None else step.task.lower())
        if action is None:
            raise TaskError(f"This practice agent does not know the task {step.task} ({step.place}).")
        return await action(context)

    details = {}
    if task is not None:
        details = {"task": {"id": task.id, "name": task.name, "version": task.version}}
    return _of_step(step, step.display_name or step.task_name, run, details, prepare)


def _of_step(
    step: Step,
    title: str,
    run: Callable[[StepContext], Awaitable[Result | None]],
    details: Mapping[str, Any],
    prepare: Callable[[StepContext], None],
) -> JobStep:
    return JobStep(
        title,
        run,
        step.name,
        step.condition,
        step.continue_on_error,
        step.timeout_minutes,
        step.retries,
        details,
        prepare,
    )


def _head(context: StepContext, task: Task) -> None:
    """Write the head of a task's log (TaskRunner.cs, `PrintTaskMetaData`)."""
    line = "=" * 78
    context.log.write(line)
    for name, text in (
        ("Task", task.title),
        ("Description", task.description),
        ("Version", task.version),
        ("Author", "Microsoft Corporation"),
        ("Help", task.help),
    ):
        context.log.write(f"{name:<12} : {text}")
    context.log.write(line)
