"""The records of a run's stages and jobs in its timeline (checkpoints have their own module, and steps the agent)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State, Timelines
from hol_wizard.practice.pipelines.orchestrate.legs import DEFAULT
from hol_wizard.practice.pipelines.plan import Job, Stage


def issues_of(messages: Sequence[str]) -> Document:
    """Return the details of a record with these errors."""
    issues = [{"type": "error", "category": "General", "message": each, "data": {"type": "error"}} for each in messages]
    return {"issues": issues, "errorCount": len(issues), "warningCount": 0}


class RunTimeline:
    """Writes the records of stages and jobs."""

    def __init__(self, timelines: Timelines, now: Callable[[], float]) -> None:
        self._timelines = timelines
        self._now = now

    def add_stage(self, run: Document, stage: Document, plan: Stage) -> None:
        """Add the pending record of a stage."""
        self._timelines.add(
            run["timeline"],
            plan.display_name or plan.name,
            kind="Stage",
            identity=stage["record"],
            identifier=plan.name,
            attempt=stage["attempt"],
        )

    def add_job(self, run: Document, stage: Document, job: Document, plan: Job) -> None:
        """Add the pending record of a job: its phase."""
        self._timelines.add(
            run["timeline"],
            plan.display_name or plan.name,
            kind="Phase",
            parent=stage["record"],
            identity=job["record"],
            identifier=f"{stage['name']}.{plan.name}",
            attempt=stage["attempt"],
        )

    def add_leg(self, run: Document, stage: Document, job: Document, leg: Document, title: str) -> None:
        """Add the pending record of a leg: the job that an agent runs."""
        self._timelines.add(
            run["timeline"],
            title,
            kind="Job",
            parent=job["record"],
            identity=leg["record"],
            job=leg["job"],
            identifier=f"{stage['name']}.{job['name']}.{leg['name']}",
            attempt=stage["attempt"],
        )

    def start(self, run: Document, record: str) -> None:
        """Record that a stage or a job has started."""
        self._timelines.change(run["timeline"], record, state=State.RUNNING, started=self._now())

    def end(self, run: Document, record: str, result: Result, messages: Sequence[str] = ()) -> None:
        """Record that a stage, a job or a leg has ended, with errors if there are any."""
        details = issues_of(messages) if messages else {}
        self._timelines.change(
            run["timeline"],
            record,
            details=details,
            state=State.COMPLETED,
            result=result,
            finished=None if result is Result.SKIPPED else self._now(),
        )


def title_of_leg(job: Job, leg: str) -> str:
    """Return the name of a leg's record: the leg of a matrix has the job's name before its own."""
    title = job.display_name or job.name
    return title if leg in {DEFAULT, "deploy"} else f"{title} {leg}"
