"""Section release: the groups, environments and approval of its stages, its pipeline, and a run up to Production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import (
    LONG_WORK_DEADLINE,
    Change,
    Marked,
    Offer,
    action,
    check,
    offers,
    solve,
    undo,
)
from hol_wizard.engine.results import Expectation, Result, Status, judge, together
from hol_wizard.errors import AccessDeniedError, CancelledByUserError, ConflictError, NotFoundError, SignInError
from hol_wizard.lab.inputs import addresses
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import in_project, permitted_pipeline
from hol_wizard.resources.committed_file import committed_file, starter_file
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization
from hol_wizard.resources.devops_user import required_project
from hol_wizard.resources.permitted_pipeline import PermittedPipeline
from hol_wizard.resources.pipeline import release_pipeline
from hol_wizard.resources.pipeline_file import UnreadableFileError, compare
from hol_wizard.resources.pipeline_run import marked_runs, runs_here
from hol_wizard.resources.release_decision import approved_by, decisions, reason_not_to_decide, refusal
from hol_wizard.resources.release_run import (
    PRODUCTION,
    PRODUCTION_ENVIRONMENT,
    QA,
    QA_ENVIRONMENT,
    ReleaseRun,
    lab_release,
    names,
    release_digest,
    stage_of,
)
from hol_wizard.resources.stage_environment import StageApproval, StageEnvironment
from hol_wizard.resources.stage_group import StageGroup
from hol_wizard.resources.starter_project import RELEASE
from hol_wizard.services.devops.approvals import PENDING, Approval
from hol_wizard.services.devops.builds import SUCCEEDED, Build, Record

_STAGES: Final = (("hol-release-qa", "qa"), ("hol-release-production", "production"))
"""The variable group of each stage, and its value of `dest-env`, with which the tags begin."""
_SMOKE_TEST: Final = "Run Smoke Test"
_LOOK_AGAIN: Final = 10.0
"""Seconds between two checks of a release that waits for a person."""


# The variables


def _groups(context: StepContext) -> list[StageGroup]:
    registry, here = context.names.of(Environment.PROD).container_registry, organization(context).organization
    values = (("image-name", FIXED["image"]), ("dest-acr-name", registry))
    return [StageGroup(context, here, name, (*values, ("dest-env", stage))) for name, stage in _STAGES]


@check(deadline=20)
def variables_are_there(context: StepContext) -> Result:
    """Check whether both stages have their variable group, with the right values."""
    return together(map(ownership.check, _groups(context)), "Each stage has its variable group.")


@solve(plan=lambda context: [change for each in _groups(context) for change in ownership.plan(each)])
def create_variables(context: StepContext) -> None:
    """Create the variable groups of the stages, or adopt what fits.

    Raises:
        AccessDeniedError: The account may not create groups in the project.
        ConflictError: There is one of this name that does not fit.
    """
    for each in _groups(context):
        ownership.solve(each)


def _made_groups(context: StepContext) -> list[StageGroup]:
    known = in_project.noted(context, StageGroup.kind)
    return [StageGroup(context, place, name, (), project) for place, project, name in known]


def _marked(context: StepContext, resources: Sequence[Resource[Any]]) -> Sequence[Marked]:
    return [found for each in resources for found in ownership.marked(each)]


def _has_organization(context: StepContext) -> bool:
    return bool(context.profile.choices.devops_organization)


@undo(
    plan=lambda context: ownership.plan_undo_all(_made_groups(context)),
    marked=lambda context: _marked(context, _groups(context)) if _has_organization(context) else (),
)
def delete_variables(context: StepContext) -> None:
    """Delete the variable groups of the stages."""
    ownership.undo_all(_made_groups(context))


# The environments


def _environments(context: StepContext) -> list[StageEnvironment]:
    here = organization(context).organization
    return [StageEnvironment(context, here, name) for name in (QA_ENVIRONMENT, PRODUCTION_ENVIRONMENT)]


@check(deadline=20)
def environments_are_there(context: StepContext) -> Result:
    """Check whether both environments exist."""
    passed = f"The environments {QA_ENVIRONMENT} and {PRODUCTION_ENVIRONMENT} exist."
    return together(map(ownership.check, _environments(context)), passed)


@solve(plan=lambda context: [change for each in _environments(context) for change in ownership.plan(each)])
def create_environments(context: StepContext) -> None:
    """Create the environments, or adopt those that exist.

    Raises:
        AccessDeniedError: The account may not create environments in the project.
    """
    for each in _environments(context):
        ownership.solve(each)


def _made_environments(context: StepContext) -> list[StageEnvironment]:
    known = in_project.noted(context, StageEnvironment.kind)
    return [StageEnvironment(context, place, name, project) for place, project, name in known]


@undo(
    plan=lambda context: ownership.plan_undo_all(_made_environments(context)),
    marked=lambda context: _marked(context, _environments(context)) if _has_organization(context) else (),
)
def delete_environments(context: StepContext) -> None:
    """Delete the environments with their history."""
    ownership.undo_all(_made_environments(context))


# The approval


@offers("approvers")
def people_who_can_approve(context: StepContext) -> list[Offer]:
    """Return the people of the project, the signed-in person first.

    Raises:
        WizardError: Azure DevOps does not list them.
    """
    here, project = organization(context), required_project(context)
    me = here.person().id.lower()
    found = [each for each in here.members() if each.mail and (project.id in each.projects or each.id.lower() == me)]
    found.sort(key=lambda each: each.id.lower() != me)
    return [Offer(each.mail.lower(), f"{each.mail}{' (you)' if each.id.lower() == me else ''}") for each in found]


def _approvers(context: StepContext) -> tuple[tuple[str, str], ...]:
    """Return ID and name of each approver: the chosen ones, else the signed-in person.

    Raises:
        NotFoundError: One of them is not in the organization.
    """
    here, chosen = organization(context), addresses(context.answer("approvers"))
    if not chosen:
        me = context.reads.share(("devops person", here.organization), here.person)
        return ((me.id.lower(), me.name),)
    found = []
    for each in chosen:
        identity = context.reads.share(("devops identity", here.organization, each), partial(here.identity, each))
        if not identity:
            raise NotFoundError(
                f"{each} is not in the organization {here.organization}.",
                "Invite them first: <first devops-project/invite-the-users>.",
            )
        found.append((identity, each))
    return tuple(found)


def _approval(context: StepContext) -> StageApproval:
    own = context.answer("requester_may_approve") != "no"
    return StageApproval(context, organization(context).organization, PRODUCTION_ENVIRONMENT, _approvers(context), own)


@check(deadline=20)
def approval_is_asked_for(context: StepContext) -> Result:
    """Check whether Production waits for the approvers, for at most two days."""
    return ownership.check(_approval(context))


def _plan_approval(context: StepContext) -> Sequence[Change]:
    wanted = _approval(context)
    try:
        return ownership.plan(wanted)
    except NotFoundError:
        return (wanted.creation(),)


@solve(plan=_plan_approval)
def ask_for_approval(context: StepContext) -> None:
    """Let Production wait for an approval, or adopt a check that fits.

    Raises:
        AccessDeniedError: The account does not administer the environment.
        ConflictError: There is a check that does not fit.
        NotFoundError: There is no environment, or an approver is not in the organization.
    """
    context.save("approvers", "requester_may_approve")
    ownership.solve(_approval(context))


def _asked(context: StepContext) -> list[StageApproval]:
    known = in_project.noted(context, StageApproval.kind)
    return [StageApproval(context, place, name.partition("/")[0], project=project) for place, project, name in known]


def _marked_approval(context: StepContext) -> Sequence[Marked]:
    if not _has_organization(context):
        return ()
    here = organization(context).organization
    try:
        return ownership.marked(StageApproval(context, here, PRODUCTION_ENVIRONMENT))
    except NotFoundError:
        return ()


@undo(plan=lambda context: ownership.plan_undo_all(_asked(context)), marked=_marked_approval)
def ask_no_more(context: StepContext) -> None:
    """Delete the check: Production no longer waits for a person."""
    ownership.undo_all(_asked(context))


# The pipeline


def _permitted(context: StepContext) -> PermittedPipeline:
    return PermittedPipeline(release_pipeline(context), _groups(context), _environments(context))


def _compared(context: StepContext) -> tuple[Expectation, ...]:
    """Compare the file on the default branch with the starter's: tasks, groups, environments, source and trigger."""
    try:
        found = committed_file(context, RELEASE)
    except UnreadableFileError as error:
        return (Expectation(RELEASE, "a pipeline", f"cannot be used: {error}", met=False),)
    return compare(found, starter_file(context, RELEASE))


@check(deadline=30)
def pipeline_exists(context: StepContext) -> Result:
    """Check whether the release pipeline exists, its file names the build pipeline, and it may use what it names."""
    permitted = _permitted(context)
    pipeline = permitted.pipeline
    result = ownership.check(pipeline)
    found = pipeline.find(context.reads)
    if result.status is not Status.PASSED or found is None:
        return result
    compared = _compared(context)
    seen = [*result.expectations, *compared]
    if not all(each.met for each in compared):
        return judge(
            seen,
            passed="",
            failed=f"{RELEASE} differs from the lab's file.",
            next_action=f"Compare it with the text of this step, and correct {RELEASE} in a pull request. A source "
            f"other than {context.names.pipeline} never starts a release, and no message says why.",
        )
    return judge(
        [*seen, *permitted.expectations(found.id)],
        passed=f"The pipeline {pipeline.name} exists; {context.names.pipeline} starts it, and its runs do not wait for "
        "permission.",
        failed=f"The pipeline {pipeline.name} exists, but its next run will wait for permission.",
        next_action="To permit it in advance, <solve>.",
    )


@solve(plan=lambda context: _permitted(context).plan())
def create_pipeline(context: StepContext) -> None:
    """Create the release pipeline, and permit it in advance to use what its file names.

    Raises:
        AccessDeniedError: The account may not create pipelines, or not give the permissions.
        ConflictError: There is a pipeline of this name that does not fit.
        NotFoundError: The repository does not exist, or is empty.
    """
    _permitted(context).solve()


def _ours(context: StepContext) -> list[Resource[Any]]:
    return permitted_pipeline.made(context, context.names.release_pipeline, RELEASE)


@undo(
    plan=lambda context: ownership.plan_undo_all(_ours(context)),
    marked=lambda context: in_project.marked(context, release_pipeline),
)
def delete_pipeline(context: StepContext) -> None:
    """Withdraw the permissions, and delete the release pipeline with its runs."""
    ownership.undo_all(_ours(context))


# QA


@check(deadline=60)
def qa_has_the_image(context: StepContext) -> Result:
    """Check whether the newest build is in QA: the stage, its smoke test, and the tag with the tested digest."""
    run = lab_release(context)
    result = ownership.check(run)
    found = run.find(context.reads)
    if result.status is not Status.PASSED or found is None:
        return result
    return judge(
        [*result.expectations, *_smoke_test(run.records(found[0]))],
        passed=result.summary,
        failed=f"Run {found[0].number} has taken the image to QA, and nobody has tried it there: {found[0].page}",
        next_action=f"Check {RELEASE}: <step release/create-the-release-pipeline>.",
    )


def _smoke_test(records: Sequence[Record]) -> list[Expectation]:
    """Return the result of QA's smoke test: the image was started, and has answered."""
    found = next((each for each in records if each.name == _SMOKE_TEST), None)
    state = "has not run" if found is None else found.result or found.state
    return [Expectation("Smoke test in QA", SUCCEEDED, state, state == SUCCEEDED)]


def _plan_release(context: StepContext) -> Sequence[Change]:
    try:
        run = lab_release(context)
        return run.consenting(ownership.plan(run))
    except (NotFoundError, ConflictError, SignInError):
        later = Change("later", ReleaseRun.kind, f"of {context.names.release_pipeline}")
    try:
        digest = release_digest(context)
        return (replace(later, consent=digest, note=runs_here(digest)),)
    except (NotFoundError, ConflictError, SignInError):
        return (later,)


@solve(plan=_plan_release, deadline=LONG_WORK_DEADLINE)
def release_to_qa(context: StepContext) -> None:
    """Wait for the release that the build has started, or start one with that build, until QA is done.

    Where pipelines run on the person's own machine, agreeing to the plan is the consent to run the commit's programs.

    Raises:
        ServiceError: It failed: the first step that failed, and what to do.
    """
    run = lab_release(context)
    run.await_trigger()
    run.follow()


def _released(context: StepContext) -> list[ReleaseRun]:
    found = []
    for place, project, run in in_project.noted(context, ReleaseRun.kind):
        pipeline, source = run.split("/")
        found.append(ReleaseRun(context, place, int(pipeline), "", "", project, source=int(source)))
    return found


@undo(
    plan=lambda context: ownership.plan_undo_all(_released(context)),
    marked=lambda context: marked_runs(context, lab_release),
    deadline=LONG_WORK_DEADLINE,
)
def remove_runs(context: StepContext) -> None:
    """Cancel what goes on, and delete the releases that the wizard started; the tags in the registry stay."""
    ownership.undo_all(_released(context))


@action("Cancel the release", ends="the release")
def cancel_release(context: StepContext) -> None:
    """Cancel the release that goes on, or waits for a person.

    Raises:
        ConflictError: None goes on.
    """
    if not lab_release(context).cancel_newest():
        raise ConflictError("No release goes on.", "To start one, <solve>.")


# Production


def _required(context: StepContext, reads: ReadCache | None = None) -> tuple[ReleaseRun, Build]:
    """Return the release and its newest run.

    Raises:
        NotFoundError: There is none, or it has not reached QA.
    """
    run = lab_release(context, PRODUCTION)
    found = run.find(reads if reads is not None else context.reads)
    if found is None:
        raise NotFoundError(f"Build {run.number} is not released yet.", "<first release/release-to-qa>.")
    return run, found[0]


@check(deadline=60)
def production_has_the_image(context: StepContext) -> Result:
    """Check both stages, who has approved, and whether both tags are the very image that was tested.

    The result of the run as a whole does not count: an approval that nobody gives can leave it successful.
    """
    run, newest = _required(context)
    records = run.records(newest)
    approvals = run.decided(records)
    seen = [*_stages(records), *_smoke_test(records), *decisions(run, newest, approvals)]
    waiting = next((each for each in approvals if each.status == PENDING), None)
    if waiting is not None and not newest.ended:
        return _waits(run, newest, waiting, seen)
    if (trouble := refusal(approvals)) is not None:
        return Result(Status.FAILED, trouble.message, tuple(seen), trouble.hint)
    stage = stage_of(records, PRODUCTION)
    if not newest.ended and (stage is None or stage.state != "completed"):
        pending = run.pending((newest,))
        summary = f"Run {newest.number} is {pending.words if pending is not None else 'going on'}"
        return Result(Status.WAITING, summary, tuple(seen), "Nothing to do.", look_again_after=_LOOK_AGAIN)
    if stage is None or stage.result != SUCCEEDED:
        failed = run.trouble((newest,))
        hint = f"{failed.hint} To release it again, <solve>." if failed is not None else ""
        return Result(Status.FAILED, failed.message if failed is not None else "", tuple(seen), hint)
    seen += [*run.tags(), *_deployment(run, newest)]
    return judge(
        seen,
        passed=f"The image of build {run.number} is in Production, approved by {approved_by(approvals)}.",
        failed=f"Build {run.number} is in Production, but not as the lab needs it: {newest.page}",
        next_action="If a tag does not fit, <solve> releases the image once more. If the wrong person has approved, "
        "correct who is asked: <step release/ask-for-an-approval>.",
    )


def _stages(records: Sequence[Record]) -> list[Expectation]:
    seen = []
    for name in (QA, PRODUCTION):
        stage = stage_of(records, name)
        state = "not begun" if stage is None else stage.result or stage.state
        seen.append(Expectation(f"Stage {name}", SUCCEEDED, state, state == SUCCEEDED))
    return seen


def _waits(run: ReleaseRun, newest: Build, waiting: Approval, seen: Sequence[Expectation]) -> Result:
    mine = reason_not_to_decide(run, newest, waiting) == ""
    advice = (
        "Check the image in QA and the tests; then <solve> approves as you, or the action Reject ends the release."
        if mine
        else f"Ask {names(waiting.open) or 'an approver'} to choose Review on the run's page<practice release>."
    )
    return Result(
        Status.WAITING,
        f"Run {newest.number} is waiting for {run.words(waiting)}.",
        tuple(seen),
        f"{advice} {newest.page}",
        look_again_after=_LOOK_AGAIN,
    )


def _deployment(run: ReleaseRun, newest: Build) -> list[Expectation]:
    """Return what the history of the environment says of the run."""
    found = StageEnvironment(run.context, run.organization, PRODUCTION_ENVIRONMENT).find(run.context.reads)
    known = run.client.deployments(run.place, found.id) if found is not None else []
    mine = next((each for each in known if each.run == newest.id), None)
    state = "none" if mine is None else mine.result or "goes on"
    return [Expectation(f"Deployment to {PRODUCTION_ENVIRONMENT}", SUCCEEDED, state, state == SUCCEEDED)]


def _plan_production(context: StepContext) -> Sequence[Change]:
    try:
        run, newest = _required(context)
    except (NotFoundError, SignInError, AccessDeniedError):
        note = "approved, if you are asked; otherwise, the wizard waits for the approver"
        return (Change("change", ReleaseRun.kind, f"to {PRODUCTION}", context.names.devops_project, note=note),)
    records = run.records(newest)
    stage = stage_of(records, PRODUCTION)
    if stage is not None and stage.result == SUCCEEDED and all(each.met for each in run.tags()):
        return (Change("leave", ReleaseRun.kind, run.name, run.where, note=f"{PRODUCTION} succeeded"),)
    approvals = run.decided(records)
    waiting = next((each for each in approvals if each.status == PENDING), None)
    note = _comment(context)
    said = f" with the comment “{note}”" if note else ""
    if newest.ended:
        note = f"started again, as {PRODUCTION} has not succeeded; then approved{said}, if you are asked"
        consent = f"; {run.note}" if run.note else ""
        again = Change("create", ReleaseRun.kind, run.name, run.where, run.cost, run.usually, f"{note}{consent}")
        return run.consenting([again])
    reason = reason_not_to_decide(run, newest, waiting) if waiting is not None else ""
    if reason:
        note = f"{reason} The wizard waits for the decision"
    else:
        note = f"you approve {PRODUCTION}{said}" if waiting is not None else "the wizard waits for its end"
    return (Change("change", ReleaseRun.kind, run.name, run.where, run.cost, run.usually, note),)


def _comment(context: StepContext) -> str:
    return context.inputs.get("approval_comment", "").strip()


@solve(plan=_plan_production, deadline=LONG_WORK_DEADLINE)
def approve_production(context: StepContext) -> None:
    """Approve as the signed-in person if they are asked, otherwise wait for the approver; then wait for Production.

    A release that was rejected, or whose approval timed out, is started once more with the same build. It is safe to
    kill the wizard meanwhile: the release goes on waiting, and the next start finds it.

    Raises:
        ServiceError: Somebody rejected it, nobody approved in time, or the stage failed.
        CancelledByUserError: The person stops waiting; the release is canceled if they want that.
    """
    run = replace(lab_release(context, PRODUCTION), told=set())
    try:
        newest = ownership.solve(replace(run, asked=True))[0]
        _approve(context, run, newest)
        newest = _followed(context, run, newest)
    except CancelledByUserError:
        if context.reporter.cancels:
            run.cancel_newest()
        raise
    run.tell_rest()
    context.reporter.say(f"{PRODUCTION} has the image of build {run.number}: {newest.page}")


def _approve(context: StepContext, run: ReleaseRun, newest: Build) -> None:
    waiting = run.waiting(run.records(newest))
    if waiting is None:
        return
    if reason := reason_not_to_decide(run, newest, waiting):
        context.reporter.say(f"{reason} Run {newest.number} is waiting for {run.words(waiting)}: {newest.page}")
        return
    context.reporter.stop_if_cancelled()
    run.client.decide(run.place, waiting.id, _comment(context), approve=True)
    context.reporter.say(f"You approved {PRODUCTION} of run {newest.number}.")


def _followed(context: StepContext, run: ReleaseRun, newest: Build) -> Build:
    """Wait until Production is done, and return the run.

    Raises:
        ServiceError: Somebody rejected it, nobody approved in time, or the stage failed.
    """
    label = f"{ReleaseRun.kind} {newest.number}"

    def look() -> Build:
        return run.look(newest) or newest

    while (pending := run.pending((newest,))) is not None:
        context.reporter.progress(f"{label} is {pending.words}")
        context.reporter.wait(context.poll_interval)
        newest = ownership.look_again(context, label, look)
    if (refused := refusal(run.decided(run.records(newest)))) is not None:
        raise refused
    if (trouble := run.trouble((newest,))) is not None:
        raise trouble
    return newest


@action("Reject the release", inputs=("approval_comment",))
def reject(context: StepContext) -> None:
    """Reject Production as the signed-in person, with the comment; the release ends.

    Raises:
        ConflictError: Nothing waits for them.
    """
    run, newest = _required(context, ReadCache())
    waiting = run.waiting(run.records(newest))
    if waiting is None:
        raise ConflictError(f"Run {newest.number} waits for no approval.", "Check the step again.")
    if reason := reason_not_to_decide(run, newest, waiting):
        raise ConflictError(reason, f"Ask {names(waiting.open) or 'an approver'}: {newest.page}")
    run.client.decide(run.place, waiting.id, _comment(context), approve=False)
    context.reporter.say(f"You rejected {PRODUCTION} of run {newest.number}.")
