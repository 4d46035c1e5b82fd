"""What a run is queued with: everything about it that is known before its first stage, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from hol_wizard.practice.pipelines.host import RunKey
from hol_wizard.practice.pipelines.plan import Plan


@dataclass(frozen=True, slots=True)
class Named:
    """Something with an ID and a name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who queued a run."""

    id: str
    name: str
    """Display name."""
    email: str


@dataclass(frozen=True, slots=True)
class Source:
    """A repository at one commit."""

    id: str
    name: str
    url: str
    """Of the remote, without credentials."""
    branch: str
    """The full name: `refs/heads/main`, `refs/tags/v1` or `refs/pull/5/merge`."""
    commit: str
    message: str = ""
    """The commit's first line."""
    author: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamRun:
    """The run that a pipeline resource was resolved to when this run was queued; downloads use exactly this one."""

    project: Named
    pipeline: Named
    run: Named
    """Its ID, and its number."""
    branch: str
    commit: str
    repository: str = ""
    """Name of its repository."""
    requested_for: Person = field(default_factory=lambda: Person("", "", ""))

    @property
    def key(self) -> RunKey:
        """Return it as the host names it."""
        return RunKey(self.project.id, int(self.pipeline.id), int(self.run.id))


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The pull request that a run validates."""

    id: int
    source_branch: str
    target_branch: str


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run to be queued. `Runs.queue` takes it."""

    run: int
    """Its ID, which is unique in the organization."""
    project: Named
    pipeline: Named
    """The definition."""
    revision: int
    collection: Named
    """The organization."""
    collection_url: str
    """With a slash at the end."""
    plan: Plan
    source: Source
    """The repository `self`."""
    requested_by: Person
    requested_for: Person
    reason: str = "manual"
    """As in REST: `manual`, `individualCI`, `batchedCI`, `schedule`, `pullRequest`, `resourceTrigger`."""
    repositories: dict[str, Source] = field(default_factory=dict)
    """The other repositories, by alias."""
    pipelines: dict[str, UpstreamRun] = field(default_factory=dict)
    """Pipeline resources, by alias."""
    triggering_alias: str = ""
    """The pipeline resource whose run started this one."""
    variables: dict[str, str] = field(default_factory=dict)
    """Set by who queued it; only settable ones."""
    tags: tuple[str, ...] = ()
    skipped_stages: tuple[str, ...] = ()
    """Names of stages that are left out (`stagesToSkip`)."""
    pull_request: PullRequest | None = None
    programs: dict[str, str] = field(default_factory=dict)
    """Digests of what it runs and with which values, by what they are about; a person agrees to exactly these."""
    problems: tuple[str, ...] = ()
    """Why it cannot run: errors of the YAML at the run's own commit. The run ends at once with these issues."""

    @property
    def key(self) -> RunKey:
        """Return the run as the host names it."""
        return RunKey(self.project.id, int(self.pipeline.id), self.run)
