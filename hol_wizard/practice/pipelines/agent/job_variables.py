"""The variables with which a job starts, from all their sources.

https://learn.microsoft.com/azure/devops/pipelines/process/variables: those of the pipeline's settings are the weakest,
then those given when the run was queued, then those of the YAML's root, stage and job; a variable group counts at the
place where it is listed. Runtime expressions `$[ … ]` are evaluated in the order of the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hol_wizard.practice.pipelines import expressions
from hol_wizard.practice.pipelines.agent.context import JobContext
from hol_wizard.practice.pipelines.agent.predefined import of_job, of_run
from hol_wizard.practice.pipelines.expressions.places import runtime_expression
from hol_wizard.practice.pipelines.host import Value
from hol_wizard.practice.pipelines.orchestrate import counters
from hol_wizard.practice.pipelines.plan import ProtectedKind


def set_predefined(job: JobContext) -> None:
    """Set the predefined variables, which are read-only."""
    for name, value in of_run(job.assignment.request, job.assignment.number):
        job.variables.set(name, value, read_only=True)
    for name, value in of_job(job.assignment, job.workspace):
        job.variables.set(name, value, read_only=True)
    environment = job.assignment.job.environment
    if environment is not None:
        found = job.host.find(job.assignment.request.key, ProtectedKind.ENVIRONMENT, environment.name)
        if found is not None:
            job.variables.set("Environment.Id", found.id, read_only=True)
    job.set_result(job.result)


def set_declared(job: JobContext, definition: Mapping[str, Value], groups: Mapping[str, Mapping[str, Value]]) -> None:
    """Set all other variables.

    Args:
        job: The job.
        definition: Variables of the pipeline's settings.
        groups: The values of the groups that are known, by the groups' names in lowercase.

    Raises:
        ExpressionError: A runtime expression cannot be evaluated.
    """
    assignment = job.assignment
    for secret in assignment.hidden:
        job.masker.add(secret)
    for name, given in definition.items():
        job.variables.set(name, given.value, secret=given.secret)
    for name, text in assignment.request.variables.items():
        job.variables.set(name, text)
    for source in assignment.variables:
        if source.value is None:
            for name, given in groups.get(source.name.lower(), {}).items():
                job.variables.set(name, given.value, secret=given.secret)
        else:
            job.variables.set(source.name, resolved(job, source.value), read_only=source.read_only)
    for name, text in assignment.own_variables.items():
        job.variables.set(name, text)


def resolved(job: JobContext, text: str) -> str:
    """Return a value with its runtime expression evaluated.

    Raises:
        ExpressionError: It cannot be evaluated.
    """
    inner = runtime_expression(text)
    if inner is None:
        return text
    contexts: dict[str, Any] = {"variables": job.variables.all(), "pipeline": {}, **job.assignment.dependencies}
    found = expressions.evaluate(inner, contexts, {"counter": counters.function(job.surroundings.counter)})
    return expressions.to_text(found) or ""
