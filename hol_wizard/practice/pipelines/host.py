"""What the orchestration and the agent need from the services around them, as protocols.

`Runs.host` is set by the service that implements `Host` (Azure DevOps); tests use fakes. Methods that read or change
documents are called outside of a transaction unless they say otherwise, so they open their own. Everything that is
asked is asked for one run, named by its `RunKey`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hol_wizard.practice.pipelines.plan import ProtectedKind


class HostError(Exception):
    """A service refused what a run asked for; the message is the service's own, for the log and the issues."""


@dataclass(frozen=True, slots=True)
class RunKey:
    """The run for which something is asked."""

    project: str
    """ID of its project."""
    pipeline: int
    """ID of its definition."""
    run: int


@dataclass(frozen=True, slots=True)
class Found:
    """A protected resource."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a variable."""

    value: str = field(repr=False)
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository that a job checks out."""

    id: str
    name: str
    url: str
    """Address of the remote, as people see it."""
    source: str
    """What git fetches from: an address, or the folder of the bare repository."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables for git with the credentials, which no step receives."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A service connection to Azure, with what its sign-in needs."""

    id: str
    name: str
    cloud: str
    """Name of the cloud for `az cloud set`: `AzureCloud`."""
    tenant: str
    client: str
    """Client ID of its identity."""
    subscription: str
    subscription_name: str
    federated_token: str = field(default="", repr=False)
    """Of workload identity federation: the assertion for the sign-in, valid for minutes. Otherwise empty."""
    secret: str = field(default="", repr=False)
    """Of a service principal with a secret."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One result in a test run."""

    title: str
    storage: str
    """`classname` in JUnit."""
    outcome: str
    """`Passed`, `Failed` or `NotExecuted`."""
    milliseconds: float
    message: str = ""
    stack: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class PublishedTests:
    """What PublishTestResults publishes as one test run."""

    name: str
    cases: Sequence[CaseResult]
    attachments: Sequence[Path] = ()
    platform: str = ""
    configuration: str = ""
    started: float = 0.0
    """Seconds since the epoch."""
    completed: float = 0.0


@dataclass(frozen=True, slots=True)
class CoverageStatistic:
    """One figure of a coverage report: `Lines` or `Branches`."""

    label: str
    covered: int
    total: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What PublishCodeCoverageResults publishes."""

    statistics: Sequence[CoverageStatistic]
    summary: Path
    """The Cobertura file."""
    report: Path | None = None
    """Folder with a report to read, or None."""
    modules: Sequence[tuple[str, int, int]] = ()
    """Covered and coverable lines of each file, by its path."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published artifact whose files can be read."""

    name: str
    kind: str
    """`PipelineArtifact` or `Container`."""
    folder: Path
    """Its files, which must not be changed."""


class Host(Protocol):
    """The services around a run."""

    # Before a run and between its jobs; may be called in a transaction

    def refusal(self, key: RunKey, programs: Mapping[str, str]) -> str:
        """Return why no job of the run may start, or an empty text.

        It is an issue of the run, which then fails: the person did not agree that exactly this runs on their machine,
        or the organization has no parallel job.

        Args:
            key: The run.
            programs: Digests of what it runs, by what they are about.
        """
        ...

    def find(self, key: RunKey, kind: ProtectedKind, name: str) -> Found | None:
        """Return a protected resource of the run's project; None if there is none.

        An environment that does not exist is created, as on the service. A queue's name is that of its pool.
        """
        ...

    def authorized(self, key: RunKey, kind: ProtectedKind, identity: str) -> bool:
        """Return whether the pipeline may use a protected resource (`pipelinePermissions`)."""
        ...

    def checks(self, key: RunKey, kind: ProtectedKind, identity: str) -> Sequence[Check]:
        """Return the approvals that a protected resource is configured with."""
        ...

    # While a job runs

    async def definition_variables(self, key: RunKey) -> Mapping[str, Value]:
        """Return the variables of the pipeline's settings page."""
        ...

    async def group_values(self, key: RunKey, group: str) -> Mapping[str, Value]:
        """Return the values of a variable group.

        Those of a Key Vault are fetched with the identity of the group's service connection.

        Raises:
            HostError: They cannot be had; the message is the vault's.
        """
        ...

    def vault_of(self, key: RunKey, group: str) -> str:
        """Return the name of the Key Vault that a variable group is linked to; empty if its values are its own."""
        ...

    async def connection(self, key: RunKey, name: str) -> Connection:
        """Return a service connection with new material for its sign-in.

        Raises:
            HostError: There is none, or it is disabled.
        """
        ...

    async def secrets(self, key: RunKey, vault: str, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Return secrets of a Key Vault, fetched with the identity of a service connection (task AzureKeyVault).

        Args:
            key: The run.
            vault: Name of the vault.
            connection: From `connection`.
            names: Names of secrets; empty for all that are enabled.

        Raises:
            HostError: The vault refuses it; the message is the vault's.
        """
        ...

    async def clone(self, key: RunKey, repository: str) -> Clone:
        """Return a repository to check out.

        Args:
            key: The run.
            repository: ID of the repository.

        Raises:
            HostError: It no longer exists.
        """
        ...

    async def job_begins(self, key: RunKey, record: str, plan: str, connections: Sequence[str]) -> str:
        """Return the access token of a job (`System.AccessToken`), which works until `job_ended`.

        Args:
            key: The run.
            record: ID of the job's timeline record.
            plan: ID of the run's orchestration plan.
            connections: Names of the service connections that the job is authorized to use.
        """
        ...

    def job_ended(self, record: str) -> None:
        """Invalidate the access token of a job."""
        ...

    async def publish_artifact(self, key: RunKey, artifact: Artifact, record: str) -> None:
        """Copy the files of an artifact to the run's artifacts.

        Args:
            key: The run.
            artifact: Its folder is the job's own. A `Container` with a name that exists adds files.
            record: ID of the timeline record of the job that publishes it.

        Raises:
            HostError: The run has a pipeline artifact with this name already.
        """
        ...

    def artifacts(self, key: RunKey) -> Sequence[Artifact]:
        """Return the artifacts of a run, in the order of publication; the key may be that of another run."""
        ...

    async def publish_tests(self, key: RunKey, tests: PublishedTests) -> None:
        """Publish a test run; the attachments are copied."""
        ...

    async def publish_coverage(self, key: RunKey, coverage: Coverage) -> None:
        """Publish coverage; the files are copied."""
        ...

    async def attach(self, key: RunKey, record: str, kind: str, name: str, file: Path) -> None:
        """Copy an attachment of a timeline record, such as a summary (`kind` is `Distributedtask.Core.Summary`)."""
        ...

    def deployed(self, key: RunKey, deployment: Deployment) -> None:
        """Record the end of a deployment job in its environment's history; called in a transaction."""
        ...

    # For the programs of a step

    def step_environment(self) -> Mapping[str, str]:
        """Return the practice addresses and the certificate bundle for all steps, like a self-hosted agent's `.env`."""
        ...

    def launchers(self) -> Path | None:
        """Return the folder with `az`, `docker` and `python3` for the front of a step's PATH; None for none."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """An approval that a protected resource requires (`pipelines/checks/configurations`)."""

    id: str
    approvers: Sequence[str]
    """Object IDs of people and groups."""
    minimum: int
    """How many of them must approve; 0 for all."""
    timeout_minutes: int
    instructions: str = ""
    requester_may_approve: bool = True


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment to an environment."""

    environment: str
    """Name of the environment."""
    stage: str
    attempt: int
    """Of the stage."""
    job: str
    started: float
    result: str = ""
    """Empty as long as it is running."""
    finished: float = 0.0
    """0 as long as it is running."""
