"""Build validation: a branch policy that lets a pull request be completed only after a build of its merge.

azure/devops/repos/git/branch-policies, "Build validation": a build is queued when the pull request is created and when
its source branch changes, and also when the target branch changes unless `queueOnSourceUpdateOnly` is set. With
`manualQueueOnly`, only a person queues it. A build that has succeeded expires `validDuration` minutes after a change of
the target branch; 0 means never here if only changes of the source count, and at once otherwise.
"""

from __future__ import annotations

from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.devops.branch_policies import BUILD
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.definitions import Definitions, body_of
from hol_wizard.practice.devops.pipelines.queueing import Queueing, Wanted
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import Place
from hol_wizard.practice.devops.pull_requests.evaluation import BuildVerdict
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.devops.pull_requests.service import PullRequestService
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.request import PullRequest


class BuildValidation:
    """Queues the builds of pull requests, and says how they went."""

    def __init__(
        self, world: World, pulls: PullRequestService, queueing: Queueing, states: RunStates, people: People
    ) -> None:
        self._world = world
        self._builds = world.part(Builds)
        self._definitions = world.part(Definitions)
        self._queueing = queueing
        self._states = states
        self._people = people
        self._progress = pulls.progress
        self._progress.builds = self

    def verdict(self, policy: Document, pull: Document) -> BuildVerdict:
        """Return how the newest build for a policy went."""
        settings = policy["body"].get("settings") or {}
        build = self._newest(policy, pull)
        context: dict[str, Any] = {"buildDefinitionId": _definition_of(policy), "isExpired": False}
        if build is None:
            return BuildVerdict("queued", context)
        state = self._states.of(build)
        definition = self._definitions.find(f"{pull['organization']}/{build['definition']}")
        context |= {
            "buildId": build["id"],
            "buildDefinitionName": body_of(definition)["name"] if definition is not None else "",
            "buildStartedUtc": timestamp(state.started or build["queued"]),
            "buildIsNotCurrent": False,
            "isExpired": self._has_expired(settings, pull, build),
        }
        if context["isExpired"]:
            return BuildVerdict("queued", context)
        if not state.completed:
            return BuildVerdict("running" if state.started else "queued", context)
        return BuildVerdict("approved" if state.passed else "rejected", context)

    def _newest(self, policy: Document, pull: Document) -> Document | None:
        """Return the newest build of a pull request's current source for a policy."""
        wanted = _definition_of(policy)
        for each in reversed(self._builds.all()):
            same = (each["project"], each["definition"], each["pull"]) == (pull["project"], wanted, pull["number"])
            if same and each["deleted"] is None and each["trigger"].get("pr.sourceSha") == pull["source_commit"]:
                return each
        return None

    @staticmethod
    def _has_expired(settings: Document, pull: Document, build: Document) -> bool:
        return not settings.get("queueOnSourceUpdateOnly") and build["commit"] != pull["merge_commit"]

    async def merged(self, project: Document, pull: Document, policies: list[Document]) -> None:
        """Queue the builds that a new trial merge needs."""
        for policy in policies:
            settings = policy["body"].get("settings") or {}
            if policy["body"]["type"] != BUILD or settings.get("manualQueueOnly"):
                continue
            build = self._newest(policy, pull)
            if build is None or self._has_expired(settings, pull, build):
                await self.queue(project, pull, policy)

    async def queue(self, project: Document, pull: Document, policy: Document) -> None:
        """Queue the build of a policy for a pull request."""
        place = Place.of(project)
        definition = self._definitions.numbered(place, _definition_of(policy))
        if definition is None or definition["deleted"] or not pull["merge_commit"]:
            return
        creator = self._people.named(place.organization, pull["creator"])
        wanted = Wanted(
            branch=f"refs/pull/{pull['number']}/merge",
            commit=pull["merge_commit"],
            by=(creator[2] if creator else "") or seed.ORGANIZER.id,
            reason="pullRequest",
            pull_request=PullRequest(pull["number"], pull["source"], pull["target"]),
            trigger={
                "pr.number": str(pull["number"]),
                "pr.isFork": "False",
                "pr.triggerRepository": pull["repository"],
                "pr.sourceBranch": pull["source"],
                "pr.sourceSha": pull["source_commit"],
                "pr.title": pull["title"],
            },
            changes_from=pull["target_commit"],
        )
        await self._queueing.queue_triggered(place, definition, wanted)


def _definition_of(policy: Document) -> int:
    """Return the ID of the definition that a policy requires a build of."""
    return int((policy["body"].get("settings") or {}).get("buildDefinitionId") or 0)
