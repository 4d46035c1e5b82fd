"""What is looked at before a run is queued."""

from __future__ import annotations

from hol_wizard.practice.pipelines.host import Host
from hol_wizard.practice.pipelines.orchestrate.checkpoints import missing_text
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest
from hol_wizard.practice.pipelines.plan import JobKind

SERVER_TASK = "The practice cloud does not run {task}: it has no server jobs. Nothing was run."


def problems(request: RunRequest, host: Host) -> list[str]:
    """Return why a run cannot be queued: what its plan names and does not exist, or is not run here."""
    found: dict[str, None] = {}
    for stage in request.plan.stages:
        for step in (each for job in stage.jobs if job.kind is JobKind.SERVER for each in job.steps):
            found[f"{step.place}: {SERVER_TASK.format(task=step.task)}"] = None
        for use in stage.protected:
            if host.find(request.key, use.kind, use.name) is None:
                found[missing_text(use.kind, use.name, use.job, use.step, use.input)] = None
    return list(found)
