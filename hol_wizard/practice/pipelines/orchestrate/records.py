"""The document of a run, and of its stages, jobs and legs.

A run has the states of a build (`notStarted`, `inProgress`, `cancelling`, `completed`); stages, jobs and legs have
those of their timeline records, and `waiting` for a stage whose checkpoint is open.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from enum import StrEnum

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import results
from hol_wizard.practice.pipelines.documents import as_document, from_document
from hol_wizard.practice.pipelines.host import RunKey
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest


class RunState(StrEnum):
    """The state of a run, as in REST (`BuildStatus`)."""

    NOT_STARTED = "notStarted"
    IN_PROGRESS = "inProgress"
    CANCELING = "cancelling"
    COMPLETED = "completed"


class RunResult(StrEnum):
    """The result of a run, as in REST (`BuildResult`)."""

    SUCCEEDED = "succeeded"
    PARTIALLY_SUCCEEDED = "partiallySucceeded"
    FAILED = "failed"
    CANCELED = "canceled"


class Phase(StrEnum):
    """The state of a stage, a job or a leg."""

    PENDING = "pending"
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"


def key_of(key: RunKey) -> str:
    """Return the key of a run's document."""
    return f"{key.project}/{key.run}"


def new_run(request: RunRequest, number: str, now: float) -> Document:
    """Return the document of a run that was just queued."""
    return {
        "key": key_of(request.key),
        "id": request.run,
        "number": number,
        "state": RunState.NOT_STARTED,
        "result": None,
        "request": as_document(request),
        "plan": str(uuid.uuid4()),
        "timeline": str(uuid.uuid4()),
        "queued": now,
        "started": None,
        "finished": None,
        "changed": now,
        "canceled": False,
        "tags": list(dict.fromkeys(request.tags)),
        "issues": [],
        "logs": 0,
        "counters": {},
        "stages": [new_stage(each.name) for each in request.plan.stages],
    }


def new_stage(name: str) -> Document:
    """Return the document of a stage."""
    return {
        "name": name,
        "state": Phase.PENDING,
        "result": None,
        "attempt": 1,
        "in_canceled_run": False,
        "record": str(uuid.uuid4()),
        "checkpoint": "",
        "authorization": "",
        "approvals": [],
        "jobs": [],
    }


def new_job(name: str, record: str) -> Document:
    """Return the document of a job of a stage."""
    return {"name": name, "state": Phase.PENDING, "result": None, "record": record, "legs": []}


def new_leg(name: str, record: str) -> Document:
    """Return the document of a leg of a job."""
    return {"name": name, "state": Phase.PENDING, "result": None, "record": record, "job": "", "outputs": {}}


def request_of(run: Document) -> RunRequest:
    """Return what a run was queued with."""
    return from_document(RunRequest, run["request"])


def named(documents: Iterable[Document], name: str) -> Document:
    """Return the document with this name.

    Raises:
        KeyError: There is none.
    """
    for each in documents:
        if each["name"].lower() == name.lower():
            return each
    raise KeyError(name)


def legs_of(run: Document) -> list[Document]:
    """Return all legs of a run."""
    return [leg for stage in run["stages"] for job in stage["jobs"] for leg in job["legs"]]


def complete(document: Document, result: Result) -> None:
    """Record that a stage, a job or a leg has ended."""
    document.update(state=Phase.COMPLETED, result=result)


def worst_of(documents: Iterable[Document]) -> Result:
    """Return the result of something whose parts have ended: skipped parts do not count, unless all are."""
    found = [Result(each["result"]) for each in documents]
    if found and all(each is Result.SKIPPED for each in found):
        return Result.SKIPPED
    return results.worst(*found)


def run_result(run: Document) -> RunResult:
    """Return the result of a run whose stages have ended."""
    if run["canceled"]:
        return RunResult.CANCELED
    worst = results.worst(*(Result(each["result"]) for each in run["stages"]))
    return {
        Result.SUCCEEDED: RunResult.SUCCEEDED,
        Result.SUCCEEDED_WITH_ISSUES: RunResult.PARTIALLY_SUCCEEDED,
        Result.FAILED: RunResult.FAILED,
        Result.CANCELED: RunResult.CANCELED,
    }[worst]
