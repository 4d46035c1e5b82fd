"""The assignment of a job to the agent, made from the run's document when the job starts."""

from __future__ import annotations

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.pipelines.agent.assignment import Assignment
from hol_wizard.practice.pipelines.expressions import ExpressionError
from hol_wizard.practice.pipelines.orchestrate.legs import DEFAULT
from hol_wizard.practice.pipelines.orchestrate.progress import Progress
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest
from hol_wizard.practice.pipelines.orchestrate.timeline import title_of_leg
from hol_wizard.practice.pipelines.plan import Job, Stage

_TIMEOUT, _CANCEL_TIMEOUT = 60.0, 5.0


def _planned(request: RunRequest, stage: str, job: str) -> tuple[Stage, Job]:
    for each in request.plan.stages:
        if each.name.lower() == stage.lower():
            for one in each.jobs:
                if one.name.lower() == job.lower():
                    return each, one
    raise KeyError(f"{stage}.{job}")


def assignment_of(
    run: Document, request: RunRequest, stage: Document, job: Document, leg: Document, progress: Progress
) -> Assignment:
    """Return the assignment of a leg of a job.

    Args:
        run: The run.
        request: What it was queued with.
        stage: The document of the stage.
        job: The document of the job.
        leg: The document of the leg.
        progress: The run on its way, which knows the values of runtime expressions.
    """
    stage_plan, plan = _planned(request, stage["name"], job["name"])
    dependencies, variables = progress.reachable(stage_plan, plan)
    known = {"variables": {**variables, **leg["variables"]}, "pipeline": {}, **dependencies}
    hooks = {each.name: each.steps for each in plan.hooks}
    default = leg["name"] == DEFAULT or bool(leg["hook"])
    return Assignment(
        request=request,
        number=run["number"],
        stage=stage_plan,
        job=plan,
        name=plan.name if default else leg["name"],
        display_name=title_of_leg(plan, leg["name"]),
        identifier=f"{stage['name']}.{job['name']}.{leg['name']}",
        record=leg["record"],
        plan=run["plan"],
        timeline=run["timeline"],
        steps=hooks.get(leg["hook"], plan.steps),
        variables=(*request.plan.variables, *stage_plan.variables, *plan.variables),
        own_variables=leg["variables"],
        dependencies=dependencies,
        hidden=progress.secret_outputs(),
        attempt=stage["attempt"],
        timeout_minutes=_minutes(progress, plan.timeout_minutes, known, _TIMEOUT),
        cancel_timeout_minutes=_minutes(progress, plan.cancel_timeout_minutes, known, _CANCEL_TIMEOUT),
    )


def _minutes(progress: Progress, given: int | str, known: dict[str, object], default: float) -> float:
    if isinstance(given, int):
        return float(given)
    try:
        return float(progress.resolved(given, known).strip())
    except (ExpressionError, ValueError):
        return default
