"""What the orchestration gives to the agent with a job, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.host import Host, Value
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest
from hol_wizard.practice.pipelines.plan import Job, Stage, Step, VariableSource


@dataclass(frozen=True, slots=True)
class Assignment:
    """One job of a run."""

    request: RunRequest
    number: str
    """The run's number."""
    stage: Stage
    job: Job
    name: str
    """`System.JobName`: of a leg of a matrix, the leg's name."""
    display_name: str
    identifier: str
    """`stage.job.leg`."""
    record: str
    """ID of the job's record."""
    plan: str
    """ID of the run's orchestration plan."""
    timeline: str
    steps: Sequence[Step]
    """Those of the job, or of one hook of a deployment job."""
    variables: Sequence[VariableSource]
    """Of the plan, the stage and the job, in this order; later ones win."""
    own_variables: Mapping[str, str] = field(default_factory=dict)
    """Of the leg and the strategy; they win over the others."""
    dependencies: Mapping[str, Any] = field(default_factory=dict)
    """The contexts `dependencies` and `stageDependencies` of runtime expressions."""
    hidden: Sequence[str] = ()
    """Secret values in the dependencies."""
    attempt: int = 1
    """Of the stage, and so of its jobs."""
    timeout_minutes: float = 60
    cancel_timeout_minutes: float = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a job."""

    result: Result
    outputs: Mapping[str, Value] = field(default_factory=dict)
    """Output variables by `step.variable`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a job needs of its run, besides its assignment."""

    host: Host
    next_log: Callable[[], int]
    """Returns the number of the run's next log."""
    counter: Callable[[str, int], int]
    """Counts runs of the pipeline for a prefix (`counter` in expressions)."""
    rename: Callable[[str], None]
    """Changes the run's number."""
    tag: Callable[[str], None]
    """Adds a tag to the run."""


def retry_seconds(attempt: int) -> float:
    """Return how long a step waits before it is tried again (RetryHelper.cs: 1, 4, 9 … seconds)."""
    return float(attempt**2)
