"""Section build-pipeline: an agent, the file, the pipeline with its permissions, and its trigger."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.registry import LONG_WORK_DEADLINE, Change, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, NotFoundError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import in_project, permitted_pipeline, service_connection
from hol_wizard.resources.azure_resource import in_group
from hol_wizard.resources.committed_file import committed_file, committed_text, starter_file
from hol_wizard.resources.container_registry import login_server
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, seeded_repository
from hol_wizard.resources.permitted_pipeline import PermittedPipeline
from hol_wizard.resources.pipeline import lab_pipeline
from hol_wizard.resources.pipeline_file import PipelineFile, UnreadableFileError, compare, of_classic
from hol_wizard.resources.pipeline_run import ARTIFACT, PipelineRun, lab_run, marked_runs, run_of
from hol_wizard.resources.starter_project import BUILD
from hol_wizard.resources.tested_image import about_image, image_location
from hol_wizard.resources.variable_group import lab_group
from hol_wizard.services.devops.builds import Build
from hol_wizard.services.devops.pipelines import HOSTED, Pipeline
from hol_wizard.test_results.cobertura import percent
from hol_wizard.test_results.report import COVERAGE_FILE, TESTS_FILE, RunReport, read_report

_BATCHED: Final = "batchedCI"
_BY_PUSH: Final = frozenset({"individualCI", _BATCHED})
"""Reasons of runs that a push starts (Build - `BuildReason`)."""
_SKIPS: Final = re.compile(
    r"\[(?:skip (?:ci|azurepipelines|azpipelines|azp)|(?:ci|azurepipelines|azpipelines|azp) skip)\]"
    r"|skip-checks: ?true|\*\*\*NO_CI\*\*\*",
    re.IGNORECASE,
)
"""What a commit's message contains so that it starts no run (azure/devops/pipelines/repos/azure-repos-git,
"Skipping CI for individual pushes")."""
_CLONE: Final = f"{BUILD} in your clone"
GRANT: Final = "https://aka.ms/azpipelines-parallelism-request"


# An agent


@check(deadline=20)
def agent_is_there(context: StepContext) -> Result:
    """Check whether Microsoft's agents may run a job for the project: a parallel job, and the project's queue."""
    here, project = organization(context), context.names.devops_project
    jobs, queue = here.hosted_jobs(), here.queue(project, HOSTED)
    counted = "unknown" if jobs is None else str(jobs)
    seen = (
        Expectation("Microsoft-hosted parallel jobs", "1 or more", counted, jobs is not None and jobs > 0),
        Expectation("Agent queue", HOSTED, HOSTED if queue is not None else "missing", queue is not None),
    )
    if jobs is None and queue is not None:
        return Result(
            Status.UNKNOWN,
            "Azure DevOps does not say how many parallel jobs the organization has.",
            seen,
            "Check it under Organization settings, Parallel jobs.",
        )
    return judge(
        seen,
        passed=f"The organization has {counted} Microsoft-hosted parallel job{'' if jobs == 1 else 's'}.",
        failed="No run can start: the organization has no Microsoft-hosted parallel job."
        if queue is not None
        else f"The project has no agent queue {HOSTED}.",
        next_action=f"Request the free grant at {GRANT}, which takes some working days, or buy a parallel job under "
        "Organization settings, Billing."
        if queue is not None
        else f"Add the pool {HOSTED} under Project settings, Agent pools.",
    )


# The file


def _unreadable(error: UnreadableFileError) -> Result:
    seen = (Expectation("Contents", "a pipeline", "something else", met=False),)
    return Result(Status.FAILED, f"{BUILD} cannot be used: {error}.", seen, "Correct the file in a pull request.")


@check(deadline=20)
def file_fits(context: StepContext) -> Result:
    """Check whether the file on the default branch has the starter's tasks, in their order, and set as there."""
    try:
        found = committed_file(context, BUILD)
    except UnreadableFileError as error:
        return _unreadable(error)
    expected = starter_file(context, BUILD)
    seen = (*compare(found, expected), *_classic(context, expected), *_in_clone(context))
    more = len(found.tasks) - len(expected.tasks)
    return judge(
        seen,
        passed=f"{BUILD} has the lab's {len(expected.tasks)} tasks{f', and {more} of yours' if more > 0 else ''}.",
        failed=f"{BUILD} differs from the lab's file."
        if seen[-1].what != _CLONE or seen[-1].met
        else f"{BUILD} in your clone is not valid.",
        next_action=f"Compare it with the text of this step, and correct {BUILD} in a pull request.",
    )


def _preview(context: StepContext, pipeline: Pipeline, text: str = "") -> str:
    """Return what Azure DevOps has against a file, with line and column; empty: nothing.

    Args:
        context: The step's context.
        pipeline: The pipeline: the service previews only one that exists.
        text: The file's contents; empty: those on the default branch.
    """
    here, project = organization(context), context.names.devops_project
    branch = seeded_repository(context).default_branch
    key = ("pipeline preview", here.organization, pipeline.id, text)

    def ask() -> str:
        try:
            here.preview(project, pipeline.id, branch, text)
        except ConflictError as error:
            return error.message
        return ""

    return context.reads.share(key, ask)


def _classic(context: StepContext, expected: PipelineFile) -> list[Expectation]:
    """Return how the repository's classic pipelines compare with the lab's file; none is required."""
    here, project = organization(context), context.names.devops_project
    found = here.classic_pipelines(project, seeded_repository(context).id)
    if not found:
        return []
    connection = service_connection.lab_connection(context)
    known = connection.find(context.reads)
    names = {known.id.lower(): connection.name} if known is not None else {}
    seen = []
    for each in found:
        wrong = [one for one in compare(of_classic(each, names), expected) if not one.met]
        told = "; ".join(f"{one.what}: {one.actual}" for one in wrong) or "as in the lab"
        seen.append(Expectation(f"Classic pipeline {each.name} (not required)", "as in the lab", told, met=True))
    return seen


def _in_clone(context: StepContext) -> list[Expectation]:
    """Return whether Azure DevOps accepts the file in the reader's clone, if it is not the one that was pushed.

    Before the pipeline exists, the service has no way to check a file.
    """
    pipeline = lab_pipeline(context).find(context.reads)
    try:
        text = Path(context.names.clone_folder, BUILD).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return []
    if pipeline is None or text == committed_text(context, BUILD):
        return []
    wrong = _preview(context, pipeline, text)
    return [Expectation(_CLONE, "valid", wrong or "valid", not wrong)]


# The pipeline


def _permitted(context: StepContext) -> PermittedPipeline:
    group = lab_group(replace(context, environment=Environment.PIPELINE), ())
    return PermittedPipeline(lab_pipeline(context), (group,))


@check(deadline=30)
def pipeline_exists(context: StepContext) -> Result:
    """Check whether the pipeline exists, uses the file on the default branch, and may use what the file names."""
    permitted = _permitted(context)
    pipeline = permitted.pipeline
    result = ownership.check(pipeline)
    found = pipeline.find(context.reads)
    if result.status is not Status.PASSED or found is None:
        return result
    seen = [*result.expectations, *permitted.expectations(found.id)]
    if wrong := _preview(context, found):
        seen.append(Expectation("Azure DevOps' preview of a run", "valid", wrong, met=False))
        return Result(
            Status.FAILED,
            f"The pipeline {pipeline.name} exists, but cannot run.",
            tuple(seen),
            "Correct the file at that place in a pull request, or create what it names.",
        )
    seen.append(Expectation("Azure DevOps' preview of a run", "valid", "valid", met=True))
    return judge(
        seen,
        passed=f"The pipeline {pipeline.name} exists, and its runs do not wait for permission.",
        failed=f"The pipeline {pipeline.name} exists, but its next run will wait for permission.",
        next_action="To permit it in advance, <solve>.",
    )


@solve(plan=lambda context: _permitted(context).plan())
def create_pipeline(context: StepContext) -> None:
    """Create the pipeline, and permit it in advance to use the connection, the variable group and the agent queue.

    Raises:
        AccessDeniedError: The account may not create pipelines, or not give the permissions.
        ConflictError: There is a pipeline of this name that does not fit.
        NotFoundError: The repository does not exist, or is empty.
    """
    _permitted(context).solve()


def _ours(context: StepContext) -> list[Resource[Any]]:
    return permitted_pipeline.made(context, context.names.pipeline, BUILD)


@undo(
    plan=lambda context: ownership.plan_undo_all(_ours(context)),
    marked=lambda context: in_project.marked(context, lab_pipeline),
)
def delete_pipeline(context: StepContext) -> None:
    """Withdraw the permissions, and delete the pipeline with its runs."""
    ownership.undo_all(_ours(context))


# The trigger


@check(deadline=20)
def merge_starts_it(context: StepContext) -> Result:
    """Check whether a change of the default branch starts a run: by the file, and by the pipeline's settings."""
    branch = seeded_repository(context).default_branch
    try:
        found = committed_file(context, BUILD)
    except UnreadableFileError as error:
        return _unreadable(error)
    pipeline = lab_pipeline(context).find(context.reads)
    if pipeline is None:
        raise NotFoundError(
            f"There is no pipeline {context.names.pipeline}.", "<first build-pipeline/create-the-pipeline>."
        )
    starts, enabled = found.starts_for(branch), pipeline.state == "enabled"
    merge = _merge(context, pipeline, branch)
    verified = "" if merge is not None else " No pull request has been completed since the pipeline was set up."
    return judge(
        (
            Expectation(f"A push to {branch}", "starts a run", "starts a run" if starts else "starts none", starts),
            Expectation(
                "Triggers in the pipeline's settings",
                "none",
                "override the file" if pipeline.own_triggers else "none",
                not pipeline.own_triggers,
            ),
            Expectation("Paths of the trigger", "all", found.paths or "all", not found.paths),
            Expectation("Pipeline", "enabled", pipeline.state, enabled),
            *([merge] if merge is not None else ()),
        ),
        passed=f"A completed pull request into {branch} starts {pipeline.name}.{verified}",
        failed=f"A completed pull request into {branch} does not start {pipeline.name}.",
        next_action=_remedy_of_trigger(branch, pipeline, found),
    )


def _remedy_of_trigger(branch: str, pipeline: Pipeline, found: PipelineFile) -> str:
    """Return what to do if a merge starts no run."""
    if not found.starts_for(branch):
        return f"Write {branch} below trigger in {BUILD}, in a pull request."
    if found.paths:
        return f"Remove paths below trigger in {BUILD}, in a pull request."
    if pipeline.own_triggers or pipeline.state != "enabled":
        return f"Open Pipelines, {pipeline.name}, Edit, and correct Triggers and Settings there."
    return (
        "A run can start up to a minute after the merge: check again. If none starts, see whether Project settings, "
        "Settings, limits triggers, then complete another pull request."
    )


def _merge(context: StepContext, pipeline: Pipeline, branch: str) -> Expectation | None:
    """Return whether the newest merge started a run, and if not, why; None if none was since the pipeline was set up.

    A run shows it whether it succeeded or failed, and also if it was deleted. A merge that asks to skip the run
    (`[skip ci]`) says nothing about the trigger.
    """
    here, project, repository = organization(context), context.names.devops_project, seeded_repository(context)
    merged = [
        each
        for each in here.pull_requests(project, repository.id, "", branch, "completed")
        if pipeline.changed is not None and each.closed is not None and each.closed >= pipeline.changed
    ]
    counted = [each for each in merged if not _SKIPS.search(f"{each.title}\n{each.merge_message_given}")]
    if not counted:
        if not merged:
            return None
        skipped = f"pull request {merged[0].id} asked to skip the run"
        return Expectation("Newest completed pull request", "started a run", skipped, met=True)
    newest = max(counted, key=lambda each: (each.closed, each.id))
    started = [
        each
        for each in here.builds(project, pipeline.id, branch, deleted=True)
        if each.reason in _BY_PUSH and (each.commit == newest.merge_commit or each.reason == _BATCHED)
    ]
    what = f"Completed pull request {newest.id}"
    if started:
        run = started[-1]
        return Expectation(what, "started a run", f"started run {run.number} ({run.reason})", met=True)
    return Expectation(what, "started a run", f"started none, at {newest.merge_commit[:10]}", met=False)


# The run


@check(deadline=30)
def run_succeeded(context: StepContext) -> Result:
    """Check whether the newest run of the default branch's newest commit has succeeded."""
    return ownership.check(lab_run(context))


def _plan_run(context: StepContext) -> Sequence[Change]:
    try:
        pipeline = lab_pipeline(context).find(context.reads)
        run = run_of(context, pipeline)
    except (NotFoundError, ConflictError):
        # The person is asked when the commit is known.
        return (Change("later", PipelineRun.kind, f"of {context.names.pipeline}"),)
    return run.consenting(ownership.plan(run) if pipeline is not None else (run.creation(),))


@solve(plan=_plan_run, deadline=LONG_WORK_DEADLINE)
def run_pipeline(context: StepContext) -> None:
    """Run the pipeline, or wait for the run that goes on; each step is told when it has ended.

    Where pipelines run on the person's own machine, agreeing to the plan is the consent to run the commit's programs.

    Raises:
        NotAgreedError: The plan had another commit, or none.
        ServiceError: It failed: the first step that failed, and what to do.
    """
    lab_run(context).follow()


def _ran(context: StepContext) -> list[PipelineRun]:
    found = []
    for place, project, run in in_project.noted(context, PipelineRun.kind):
        pipeline, commit = run.split("/")
        found.append(PipelineRun(context, place, int(pipeline), "", commit, project))
    return found


@undo(
    plan=lambda context: ownership.plan_undo_all(_ran(context)),
    marked=lambda context: marked_runs(context, lab_run),
    deadline=LONG_WORK_DEADLINE,
)
def remove_runs(context: StepContext) -> None:
    """Cancel what goes on, and delete the runs that the wizard started; image and model stay."""
    ownership.undo_all(_ran(context))


@action("Cancel the run", ends="the run")
def cancel_run(context: StepContext) -> None:
    """Cancel the run that goes on.

    Raises:
        ConflictError: None goes on.
    """
    if not lab_run(context).cancel_newest():
        raise ConflictError("No run goes on.", "To start one, <solve>.")


# The results


@check(deadline=60)
def results_are_there(context: StepContext) -> Result:
    """Check what the successful run has left: artifact, tests, coverage, image with its digest, and model."""
    run = lab_run(context)
    found = run.find(context.reads)
    if found is None or not found[0].succeeded:
        raise NotFoundError(
            f"No run of the newest commit of {run.branch} has succeeded.", "<first build-pipeline/run-the-pipeline>."
        )
    newest = found[0]
    files = run.client.artifact(context.names.devops_project, newest.id, ARTIFACT)
    seen = [Expectation("Artifact", ARTIFACT, ARTIFACT if files is not None else "missing", files is not None)]
    report = _report(files or {}, newest)
    seen += _published(context, newest, report)
    if report.results is not None:
        seen.append(Expectation("Tests", "all passed", str(report.results), report.results.passed))
    seen += _image(context, files or {})
    seen.append(_model(context, files or {}))
    return replace(
        judge(
            seen,
            passed=f"Run {newest.number} has left its image, model, tests and artifact: {newest.page}",
            failed=f"Run {newest.number} has not left everything: {newest.page}",
            next_action="See which task of the run did not do its work; correct it, and run the pipeline again.",
        ),
        report=report,
    )


def _published(context: StepContext, run: Build, report: RunReport) -> list[Expectation]:
    """Return whether the service shows tests and coverage on the run's page, and the same ones as in the artifact."""
    here, project = organization(context), context.names.devops_project
    tests, covered = here.published_tests(project, run.id), here.published_coverage(project, run.id)
    seen = [
        Expectation("Test results", "published", str(tests) if tests else "missing", tests is not None),
        Expectation("Code coverage", "published", percent(covered.rate) if covered else "missing", covered is not None),
    ]
    if tests is not None and report.results is not None:
        count = len(report.results.cases)
        seen.append(Expectation("Tests in the artifact", str(tests.total), str(count), count == tests.total))
    return seen


def _report(files: Mapping[str, bytes], run: Build) -> RunReport:
    """Return the report on the tests in an artifact."""
    with tempfile.TemporaryDirectory(prefix="hol-wizard-") as folder:
        for name in (TESTS_FILE, COVERAGE_FILE):
            if (content := files.get(f"test_results/{name}")) is not None:
                (Path(folder) / name).write_bytes(content)
        about = f"Run {run.number} of the pipeline, at commit {run.commit[:10]}."
        return read_report(Path(folder), (about,), f"the artifact {ARTIFACT}")


def _image(context: StepContext, files: Mapping[str, bytes]) -> list[Expectation]:
    """Return whether the registry has the image that the artifact names by its digest."""
    location = image_location(files)
    place, _, digest = location.partition("@")
    server, _, repository = place.partition("/")
    if not digest or not repository:
        return [Expectation("Image in artifacts.json", "with its digest", location or "missing", met=False)]
    login = login_server(context)
    wanted = login or f"{context.names.of(Environment.PROD).container_registry}, which is missing"
    seen = [Expectation("Registry of the image", wanted, server, bool(login) and server == login)]
    if seen[0].met:
        there = context.services.registries.has_image(server, repository, digest)
        shown = f"{repository}@{digest[:19]}…"
        seen.append(Expectation("Image in the registry", shown, shown if there else "missing", there))
    return seen


def _model(context: StepContext, files: Mapping[str, bytes]) -> Expectation:
    """Return whether the model in the image is registered in the pipeline's workspace, with the state `pipeline`."""
    workspace = in_group(
        context,
        "Microsoft.MachineLearningServices/workspaces",
        context.names.of(Environment.PIPELINE).ml_workspace,
        Environment.PIPELINE,
    )
    about = about_image(files).get("model")
    version = str(about.get("version") or "") if isinstance(about, dict) else ""
    known = context.services.machine_learning.versions(workspace, FIXED["model"])
    mine = next((each for each in known if str(each.number) == version), None)
    state = "missing" if mine is None else f"version {version}, state={mine.tags.get('state', 'none')}"
    met = mine is not None and mine.tags.get("state") == Environment.PIPELINE.value
    return Expectation("Model of the image", "registered with state=pipeline", state, met)
