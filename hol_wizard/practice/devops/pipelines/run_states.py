"""The runs of builds: how they go, in the words of the build API, and what can be done with them."""

from __future__ import annotations

from dataclasses import dataclass

from hol_wizard.practice.devops.pipelines.builds import run_key
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.records import RunState
from hol_wizard.practice.pipelines.orchestrate.runs import Runs


@dataclass(frozen=True, slots=True)
class BuildState:
    """The state of a build."""

    number: str
    """Its number, which is its name: `20261128.1`."""
    status: str
    """`notStarted`, `inProgress`, `cancelling` or `completed`."""
    result: str
    """`succeeded`, `partiallySucceeded`, `failed` or `canceled`; empty before its end."""
    plan: str
    """ID of its orchestration plan."""
    timeline: str
    started: float | None
    finished: float | None
    changed: float
    issues: tuple[str, ...]
    """What is wrong with the run as a whole, such as an error of its YAML."""
    append_commit_message: bool
    tags: tuple[str, ...]
    final_yaml: str
    earlier: tuple[str, ...]
    """IDs of the timelines of earlier attempts of stages."""
    variables: dict[str, str]
    """Those that were set when it was queued."""
    upstream: dict[str, tuple[str, int, str]]
    """The runs of other pipelines that it uses, by alias: the project's ID, the pipeline's ID, and the number."""

    @property
    def completed(self) -> bool:
        """Whether it has ended."""
        return self.status == RunState.COMPLETED

    @property
    def passed(self) -> bool:
        """Whether it has succeeded, also with issues."""
        return self.result in {"succeeded", "partiallySucceeded"}


class RunStates:
    """Knows the runs of builds."""

    def __init__(self, world: World) -> None:
        self._runs = world.part(Runs)

    def of(self, build: Document) -> BuildState:
        """Return the state of a build.

        Raises:
            LookupError: It has no run, which is a bug.
        """
        run = self._runs.run(run_key(build))
        if run is None:
            raise LookupError(f"the build {build['id']} has no run")
        return BuildState(
            number=run["number"],
            status=run["state"],
            result=run["result"] or "",
            plan=run["plan"],
            timeline=run["timeline"],
            started=run["started"],
            finished=run["finished"],
            changed=run["changed"],
            issues=tuple(run["issues"]),
            append_commit_message=bool(run["request"]["plan"].get("append_commit_message", True)),
            tags=tuple(run["tags"]),
            final_yaml=run["request"]["plan"].get("final_yaml", ""),
            earlier=tuple(run.get("earlier_timelines", ())),
            variables=dict(run["request"].get("variables", {})),
            upstream={
                alias: (each["project"]["id"], int(each["pipeline"]["id"]), each["run"]["name"])
                for alias, each in run["request"].get("pipelines", {}).items()
            },
        )

    def cancel(self, build: Document) -> None:
        """Cancel a build."""
        self._runs.cancel(run_key(build))

    def retry_stage(self, build: Document, stage: str, *, all_jobs: bool) -> None:
        """Run the failed jobs of a stage again, or all of them (`Runs.retry_stage`)."""
        self._runs.retry_stage(run_key(build), stage, all_jobs=all_jobs)

    def cancel_stage(self, build: Document, stage: str) -> None:
        """Cancel a stage (`Runs.cancel_stage`)."""
        self._runs.cancel_stage(run_key(build), stage)

    def failed_stages(self, build: Document) -> list[str]:
        """Return the stages of a build that have failed or were canceled."""
        run = self._runs.run(run_key(build))
        stages = run["stages"] if run is not None else []
        return [each["name"] for each in stages if each["result"] in {Result.FAILED, Result.CANCELED}]

    def tag(self, build: Document, tag: str) -> None:
        """Add a tag to a build; tags are compared case-insensitively."""
        if tag.lower() not in {each.lower() for each in self.of(build).tags}:
            self._runs.tag(run_key(build), tag)

    def untag(self, build: Document, tag: str) -> None:
        """Remove a tag from a build."""
        self._runs.untag(run_key(build), tag)
