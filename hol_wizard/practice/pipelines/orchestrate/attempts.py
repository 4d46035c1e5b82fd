"""Another attempt of a stage: its failed jobs, or all of them, run again.

https://learn.microsoft.com/azure/devops/pipelines/process/stages ("Rerun a stage"): the jobs that have succeeded are
kept unless all are wanted, and the stages that were skipped because of the stage are considered again. The records of
the earlier attempt leave the timeline for one of their own, to which `previousAttempts` of the stage's record refers.
"""

from __future__ import annotations

import uuid

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State, Timelines
from hol_wizard.practice.pipelines.agent.results import GOOD
from hol_wizard.practice.pipelines.orchestrate import conditions
from hol_wizard.practice.pipelines.orchestrate.records import Phase, RunState, named
from hol_wizard.practice.pipelines.orchestrate.timeline import issues_of
from hol_wizard.practice.pipelines.plan import Plan


class AttemptError(Exception):
    """A stage cannot run again, or cannot be canceled, as it is now; the message says why."""


def begin(run: Document, name: str, plan: Plan, timelines: Timelines, *, all_jobs: bool) -> None:
    """Prepare a run for another attempt of a stage.

    Args:
        run: The document of the run, which is changed.
        name: The stage.
        plan: The run's plan.
        timelines: All timelines.
        all_jobs: Whether the jobs that have succeeded run again, too.

    Raises:
        KeyError: There is no such stage.
        AttemptError: It has not ended, or nothing in it has failed.
    """
    stage = named(run["stages"], name)
    if stage["state"] != Phase.COMPLETED:
        raise AttemptError(f"The stage {stage['name']} has not completed.")
    kept = [] if all_jobs else [each for each in stage["jobs"] if each["result"] in GOOD]
    if stage["result"] in {*GOOD, Result.SKIPPED} and not all_jobs:
        raise AttemptError(f"The stage {stage['name']} has no failed jobs.")
    earlier = str(uuid.uuid4())
    gone = [each["record"] for each in stage["jobs"] if each not in kept]
    _set_aside(run["timeline"], earlier, stage, gone, timelines)
    run["earlier_timelines"] = [*run.get("earlier_timelines", []), earlier]
    _reset(run, stage, timelines, earlier)
    stage.update(jobs=kept, canceled=False)
    depends = {each.name.lower(): each.depends_on for each in plan.stages}
    for each in run["stages"]:
        after = stage["name"].lower() in conditions.all_before(each["name"], depends)
        if after and each["state"] == Phase.COMPLETED and each["result"] == Result.SKIPPED:
            _reset(run, each, timelines, "")
    run.update(state=RunState.IN_PROGRESS, result=None, finished=None, canceled=False, issues=[])


def _set_aside(timeline: str, earlier: str, stage: Document, jobs: list[str], timelines: Timelines) -> None:
    """Move the records of jobs, and of the checkpoint, with everything below them, to a timeline of their own."""
    below = {each for each in (*jobs, stage["checkpoint"]) if each}
    for record in timelines.records(timeline):
        if record["id"] in below or record["parent"] in below:
            below.add(record["id"])
    timelines.move(timeline, below, earlier)


def _reset(run: Document, stage: Document, timelines: Timelines, earlier: str) -> None:
    """Let a stage wait again; a number of an attempt is counted only if it has run before."""
    record = timelines.record(run["timeline"], stage["record"])
    details = issues_of([])
    if earlier:
        previous = {"attempt": stage["attempt"], "timelineId": earlier, "recordId": stage["record"]}
        attempts = [*record["details"].get("previousAttempts", []), previous]
        stage["attempt"] += 1
        details |= {"attempt": stage["attempt"], "previousAttempts": attempts}
    stage.update(state=Phase.PENDING, result=None, checkpoint="", authorization="", approvals=[])
    timelines.change(
        run["timeline"],
        stage["record"],
        details=details,
        state=State.PENDING,
        result=None,
        started=None,
        finished=None,
    )
