"""The plan of a run: what a pipeline's YAML says after its templates are expanded, as plain data.

Everything is frozen, compares by value, and goes to JSON and back (`as_document`, `plan_of`). Names keep the spelling
of their declaration, and compare case-insensitively.

Three kinds of texts stay unresolved in a plan, because their values are not known before the run:

- `$[ … ]`: a runtime expression, evaluated when its job or stage starts. It is always the whole value.
- `$(x)`: a macro, replaced just before each step.
- conditions: expressions without brackets.

Terms and fields: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hol_wizard.practice.pipelines.documents import as_document, from_document

Document = dict[str, Any]

__all__ = [
    "DEFAULT_JOB",
    "DEFAULT_STAGE",
    "Environment",
    "Filter",
    "Hook",
    "Job",
    "JobKind",
    "Note",
    "PipelineError",
    "PipelineResource",
    "PipelineTrigger",
    "Plan",
    "Pool",
    "Position",
    "ProtectedKind",
    "ProtectedUse",
    "PushTrigger",
    "RepositoryResource",
    "Schedule",
    "Stage",
    "Step",
    "Strategy",
    "VariableSource",
    "as_document",
    "plan_of",
]

DEFAULT_STAGE = "__default"
"""The stage of a pipeline that has only jobs or steps; clients do not show it."""
DEFAULT_JOB = "Job"
"""The job of a pipeline that has only steps."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; lines and columns count from 1."""

    file: str
    """Path from the repository's root with a leading slash; of another repository, followed by `@` and its alias."""
    line: int
    column: int

    def __str__(self) -> str:
        """Return it as Azure Pipelines does: `/azure-pipelines.yml (Line: 3, Col: 5)`."""
        return f"{self.file} (Line: {self.line}, Col: {self.column})"


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """A message about a place of the YAML."""

    place: Position
    message: str

    def __str__(self) -> str:
        """Return the place and the message."""
        return f"{self.place}: {self.message}"


class PipelineError(Exception):
    """A pipeline cannot be run: its YAML is invalid, or has something that the practice agent does not know."""

    def __init__(self, problems: tuple[Note, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        """At least one, each with its place."""


class ProtectedKind(StrEnum):
    """Resources that a pipeline must be authorized to use, as in the address of `pipelinePermissions`."""

    ENDPOINT = "endpoint"
    """A service connection."""
    VARIABLE_GROUP = "variablegroup"
    ENVIRONMENT = "environment"
    QUEUE = "queue"
    """An agent queue; its name is that of its pool. Microsoft-hosted agents have the queue `Azure Pipelines`."""
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class ProtectedUse:
    """A protected resource that a stage uses."""

    kind: ProtectedKind
    name: str
    place: Position
    job: str = ""
    """The job that uses it; empty if the whole stage does."""
    step: str = ""
    """Name of the step that uses it, or else its display name; empty if the job does."""
    input: str = ""
    """The input that names a service connection, such as `connectedServiceNameARM`."""


@dataclass(frozen=True, slots=True)
class VariableSource:
    """One entry of `variables`: a variable with its value, or a variable group. Later entries win."""

    name: str
    """Name of the variable or of the group."""
    value: str | None
    """None for a group. May contain macros, or be a runtime expression."""
    place: Position
    read_only: bool = False

    @property
    def is_group(self) -> bool:
        """Return whether it is a variable group."""
        return self.value is None


@dataclass(frozen=True, slots=True)
class Pool:
    """Where a job runs; exactly one of the three is set."""

    vm_image: str = ""
    """A Microsoft-hosted agent: a new machine for each job."""
    name: str = ""
    """A self-hosted pool, whose agents keep the sources between jobs."""
    server: bool = False
    """Without an agent, in the service itself."""
    demands: tuple[str, ...] = ()
    place: Position | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Shorthands have become their tasks, for example `script` `CmdLine@2`.

    `checkout` is the task `Checkout@1` with the input `repository` (`self`, `none` or an alias), and `download` is the
    task `Download@1` with the input `alias` (`current`, `none`, or a pipeline resource).
    """

    task: str
    """`Name@major` with the name as in `tasks`."""
    place: Position
    inputs: dict[str, str] = field(default_factory=dict)
    """By their names, not their aliases, as the YAML has them; defaults and macros are for the agent."""
    env: dict[str, str] = field(default_factory=dict)
    name: str = ""
    """Only if the YAML has one: it is needed for output variables."""
    display_name: str = ""
    """As in the YAML, or else what the service shows: the shorthand's text or the task's name. May contain macros."""
    condition: str | None = None
    """None is `succeeded()`."""
    enabled: bool = True
    continue_on_error: bool | str = False
    """A text is a runtime expression or has macros."""
    timeout_minutes: int | str = 0
    """0 for no limit of its own."""
    retries: int = 0
    """`retryCountOnTaskFailure`."""

    @property
    def task_name(self) -> str:
        """Return the task's name without its version."""
        return self.task.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Strategy:
    """How one job becomes several."""

    matrix: dict[str, dict[str, str]] | str = field(default_factory=dict)
    """The legs' names with their variables, or a runtime expression that gives them as JSON."""
    parallel: int | str = 0
    """Number of equal jobs; a text is a runtime expression or has macros."""
    max_parallel: int | str = 0
    """0 for no limit."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One part of a deployment job; it runs as a job of its own."""

    name: str
    """`preDeploy`, `deploy`, `routeTraffic`, `postRouteTraffic`, `on.success` or `on.failure`."""
    steps: tuple[Step, ...]
    place: Position
    pool: Pool | None = None
    """None for the job's pool."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What a deployment job deploys to."""

    name: str
    place: Position
    resource: str = ""


class JobKind(StrEnum):
    """What runs a job."""

    AGENT = "agent"
    DEPLOYMENT = "deployment"
    """On an agent, too; it has hooks instead of steps."""
    SERVER = "server"
    """`pool: server`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a stage, before its matrix is expanded."""

    kind: JobKind
    name: str
    place: Position
    display_name: str = ""
    """Empty if the YAML has none; people then see the name."""
    depends_on: tuple[str, ...] = ()
    """Jobs of the same stage."""
    condition: str | None = None
    """None is `succeeded()`."""
    variables: tuple[VariableSource, ...] = ()
    """Only the job's own; those of its stage and of the plan come before them."""
    pool: Pool = field(default_factory=Pool)
    """Its own, or else that of its stage or of the pipeline."""
    steps: tuple[Step, ...] = ()
    hooks: tuple[Hook, ...] = ()
    """Of a deployment job, in their order, with those of `on` at the end."""
    environment: Environment | None = None
    strategy: Strategy | None = None
    timeout_minutes: int | str = 60
    """0 for as long as possible; a text is a runtime expression or has macros."""
    cancel_timeout_minutes: int | str = 5
    continue_on_error: bool | str = False
    workspace_clean: str = ""
    """`outputs`, `resources`, `all`, or empty."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage."""

    name: str
    place: Position
    display_name: str = ""
    """Empty if the YAML has none."""
    depends_on: tuple[str, ...] = ()
    """Without `dependsOn`, the stage before it."""
    condition: str | None = None
    """None is `succeeded()`."""
    variables: tuple[VariableSource, ...] = ()
    """Only the stage's own; those of the plan come before them."""
    jobs: tuple[Job, ...] = ()
    lock_behavior: str = ""
    protected: tuple[ProtectedUse, ...] = ()
    """Everything that its checkpoint must authorize; those of the root's variables are in each stage."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Patterns with `*` and `?`. What an include pattern matches and no exclude pattern does, counts."""

    include: tuple[str, ...] = ()
    """Empty: everything."""
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PushTrigger:
    """`trigger` (pushes), or `pr` (which has no effect for Azure Repos)."""

    enabled: bool = True
    declared: bool = False
    """Whether the YAML has one; without it, a push to any branch starts a run."""
    batch: bool = False
    branches: Filter = field(default_factory=Filter)
    paths: Filter = field(default_factory=Filter)
    tags: Filter | None = None
    """None: pushes of tags start nothing."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One entry of `schedules`. The practice cloud shows it, and does not start it."""

    cron: str
    place: Position
    display_name: str = ""
    branches: Filter = field(default_factory=Filter)
    always: bool = False
    batch: bool = False


@dataclass(frozen=True, slots=True)
class RepositoryResource:
    """One entry of `resources.repositories`, of type `git`: a repository of the same organization."""

    alias: str
    name: str
    """`Repository` or `Project/Repository`."""
    place: Position
    ref: str = ""
    """Empty for the default branch."""
    trigger: PushTrigger | None = None


@dataclass(frozen=True, slots=True)
class PipelineTrigger:
    """When a successful run of a pipeline resource starts a run."""

    branches: Filter = field(default_factory=Filter)
    tags: tuple[str, ...] = ()
    """All of them."""
    stages: tuple[str, ...] = ()
    """All of them must have succeeded; empty: the whole run."""


@dataclass(frozen=True, slots=True)
class PipelineResource:
    """One entry of `resources.pipelines`."""

    alias: str
    source: str
    """The other pipeline's exact name."""
    place: Position
    project: str = ""
    """Empty for the same project."""
    branch: str = ""
    version: str = ""
    """A run's number."""
    tags: tuple[str, ...] = ()
    trigger: PipelineTrigger | None = None
    """None: its runs start nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline that can be run."""

    path: str
    """The YAML file, with a leading slash."""
    stages: tuple[Stage, ...]
    number_format: str = ""
    """`name` of the root: the run's number. Empty for the default, `$(Date:yyyyMMdd).$(Rev:r)`."""
    append_commit_message: bool = True
    """`appendCommitMessageToRunName`."""
    trigger: PushTrigger = field(default_factory=PushTrigger)
    pr: PushTrigger = field(default_factory=PushTrigger)
    schedules: tuple[Schedule, ...] = ()
    repositories: tuple[RepositoryResource, ...] = ()
    pipelines: tuple[PipelineResource, ...] = ()
    variables: tuple[VariableSource, ...] = ()
    """The root's."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The root's parameters with the values that this plan was made with."""
    lock_behavior: str = ""
    final_yaml: str = ""
    """The expanded text, as the preview operation answers it."""
    notes: tuple[Note, ...] = ()
    """What is accepted and has no effect here, or is probably a mistake."""

    def as_document(self) -> Document:
        """Return it as JSON."""
        document: Document = as_document(self)
        return document


def plan_of(document: Document) -> Plan:
    """Return the plan of a document that `Plan.as_document` made."""
    return from_document(Plan, document)
