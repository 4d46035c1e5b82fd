"""How one job of a plan becomes several: the legs of a matrix, equal parallel jobs, or the hooks of a deployment.

https://learn.microsoft.com/azure/devops/pipelines/process/phases ("Multi-job configuration") and
https://learn.microsoft.com/azure/devops/pipelines/process/deployment-jobs (`runOnce`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hol_wizard.practice.pipelines.plan import Job, JobKind

DEFAULT = "__default"
MOST = 256
"""Greatest number of legs (https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/jobs-job-strategy)."""


class LegsError(Exception):
    """A strategy is not valid at run time."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One of the jobs that a job becomes."""

    name: str
    """Of the leg or the hook; `__default` for the only one."""
    variables: dict[str, str] = field(default_factory=dict)
    hook: str = ""


def of(job: Job, resolved: Callable[[str], str]) -> list[Leg]:
    """Return the legs of a job, in their order.

    Args:
        job: The job.
        resolved: Evaluates a runtime expression and macros.

    Raises:
        LegsError: Its strategy is not valid.
    """
    if job.kind is JobKind.DEPLOYMENT:
        return [Leg(each.name, hook=each.name) for each in job.hooks]
    strategy = job.strategy
    if strategy is None:
        return [Leg(DEFAULT)]
    count = _count(strategy.parallel, resolved)
    if count:
        names = [f"Job{number}" for number in range(1, count + 1)]
        return [Leg(each, _position(at, count)) for at, each in enumerate(names, 1)]
    matrix = _matrix(strategy.matrix, resolved)
    if not matrix:
        return [Leg(DEFAULT)]
    return [
        Leg(name, {**variables, **_position(at, len(matrix))}) for at, (name, variables) in enumerate(matrix.items(), 1)
    ]


def _position(at: int, count: int) -> dict[str, str]:
    return {"System.JobPositionInPhase": str(at), "System.TotalJobsInPhase": str(count)}


def _count(given: int | str, resolved: Callable[[str], str]) -> int:
    text = resolved(str(given)).strip()
    if not text.isdecimal() or int(text) > MOST:
        raise LegsError(f"parallel must be a number from 1 to {MOST}, not '{text}'.")
    return int(text)


def _matrix(given: Mapping[str, Mapping[str, str]] | str, resolved: Callable[[str], str]) -> dict[str, dict[str, str]]:
    if not isinstance(given, str):
        found: object = {name: dict(each) for name, each in given.items()}
    else:
        try:
            found = json.loads(resolved(given) or "{}")
        except json.JSONDecodeError as error:
            raise LegsError(f"The matrix is not valid JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise LegsError("The matrix must be a mapping of legs with their variables.")
    if len(found) > MOST:
        raise LegsError(f"The matrix has {len(found)} legs; the most are {MOST}.")
    return {
        str(name): {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in each.items()}
        for name, each in found.items()
    }
