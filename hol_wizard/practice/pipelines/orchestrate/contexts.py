"""What expressions of stages and jobs can read: variables, and the results and outputs of what came before.

https://learn.microsoft.com/azure/devops/pipelines/process/expressions ("Dependencies"): a stage's condition reads
`dependencies.STAGE.outputs['JOB.STEP.VARIABLE']`; a job reads `dependencies.JOB.outputs['STEP.VARIABLE']` and, of
stages that its own stage depends on, `stageDependencies.STAGE.JOB.outputs['STEP.VARIABLE']`. With a matrix, the leg's
name comes first; for a deployment job, the hook's or the job's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines import expressions
from hol_wizard.practice.pipelines.agent import results
from hol_wizard.practice.pipelines.agent.masking import Masker
from hol_wizard.practice.pipelines.agent.predefined import of_run
from hol_wizard.practice.pipelines.agent.variables import Variables
from hol_wizard.practice.pipelines.expressions import Function
from hol_wizard.practice.pipelines.expressions.places import runtime_expression
from hol_wizard.practice.pipelines.orchestrate.legs import DEFAULT
from hol_wizard.practice.pipelines.orchestrate.records import Phase
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest
from hol_wizard.practice.pipelines.plan import VariableSource

_NOTHING: Mapping[str, Any] = {"dependencies": {}, "stageDependencies": {}, "pipeline": {}}
"""What a runtime expression can read before anything has run."""
Secrets = Callable[[str, str], str | None]
"""Returns the value of a secret output, by the leg's record and the output's name; None if it is no longer known."""


def _word(document: Document) -> str:
    return results.status(Result(document["result"])) if document["result"] else ""


def outputs_of_job(job: Document, secrets: Secrets) -> dict[str, str]:
    """Return the outputs of a job as other jobs read them."""
    found: dict[str, str] = {}
    for leg in job["legs"]:
        for name, given in leg["outputs"].items():
            value = (secrets(leg["record"], name) or "") if given["secret"] else given["value"]
            if leg["name"] == DEFAULT:
                found[name] = value
            else:
                found[f"{leg['name']}.{name}"] = value
                found.setdefault(f"{job['name']}.{name}", value)
    return found


def of_stage(run: Document, before: Iterable[str], secrets: Secrets) -> dict[str, Any]:
    """Return the context `dependencies` of a stage's condition."""
    names = {each.lower() for each in before}
    found: dict[str, Any] = {}
    for stage in run["stages"]:
        if stage["name"].lower() in names and stage["state"] == Phase.COMPLETED:
            outputs = {
                f"{job['name']}.{name}": value
                for job in stage["jobs"]
                for name, value in outputs_of_job(job, secrets).items()
            }
            found[stage["name"]] = {"result": _word(stage), "outputs": outputs}
    return found


def of_job(run: Document, stage: Document, before_stage: Iterable[str], secrets: Secrets) -> dict[str, Any]:
    """Return the contexts `dependencies` and `stageDependencies` of a job.

    Args:
        run: The run.
        stage: The job's stage.
        before_stage: The stages that it depends on.
        secrets: The secret outputs.
    """
    dependencies = {
        job["name"]: {"result": _word(job), "outputs": outputs_of_job(job, secrets)}
        for job in stage["jobs"]
        if job["state"] == Phase.COMPLETED
    }
    return {"dependencies": dependencies, "stageDependencies": of_stages(run, before_stage, secrets)}


def of_stages(run: Document, before: Iterable[str], secrets: Secrets) -> dict[str, Any]:
    """Return the context `stageDependencies` of a stage that depends on these.

    Many public pipelines read it in the variables of a stage, not only of a job.
    """
    names = {each.lower() for each in before}
    return {
        stage["name"]: {
            job["name"]: {"result": _word(job), "outputs": outputs_of_job(job, secrets)} for job in stage["jobs"]
        }
        for stage in run["stages"]
        if stage["name"].lower() in names
    }


def variables(
    request: RunRequest,
    number: str,
    sources: Iterable[VariableSource],
    contexts: Mapping[str, Any],
    functions: Mapping[str, Function],
) -> dict[str, str]:
    """Return the variables that conditions and properties of stages and jobs read.

    The values of variable groups are not among them: they are fetched when a job starts.

    Raises:
        ExpressionError: A runtime expression cannot be evaluated.
    """
    found = Variables(Masker())
    for name, value in (*of_run(request, number), *request.variables.items()):
        found.set(name, value)
    for source in sources:
        if source.value is None:
            continue
        inner = runtime_expression(source.value)
        value = source.value
        if inner is not None:
            known = {**_NOTHING, **contexts, "variables": found.all()}
            value = expressions.to_text(expressions.evaluate(inner, known, functions)) or ""
        found.set(source.name, value)
    found.recalculate()
    return dict(found.all())
