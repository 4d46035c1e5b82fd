"""Statuses of commits: those of builds, and those that tools have posted (Git - Statuses, 7.1; nothing is recorded).

The status of a build has the pipeline's name and the genre `continuous-integration`, which is an estimate.
"""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.definitions import Definitions, body_of
from hol_wizard.practice.devops.pipelines.run_states import BuildState, RunStates
from hol_wizard.practice.devops.pipelines.scope import Place, Scope, enumerated, invalid, page_address
from hol_wizard.practice.devops.pipelines.sources import Sources
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, member, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_STATES: Final = ("notSet", "pending", "succeeded", "failed", "error", "notApplicable")
_OF_RESULT: Final = {
    "succeeded": "succeeded",
    "partiallySucceeded": "succeeded",
    "failed": "failed",
    "canceled": "error",
}
GENRE: Final = "continuous-integration"
_BUILD_IDS: Final = 1_000_000
"""Added to a build's ID, so that it is not that of a posted status."""


class PostedStatuses(NumberedRegister):
    """The statuses that tools have posted."""

    collection = "devops_commit_statuses"


class CommitStatusRequests:
    """Handles requests about the statuses of a commit."""

    def __init__(
        self,
        world: World,
        router: Router,
        requests: Scope,
        repositories: Repositories,
        sources: Sources,
        states: RunStates,
    ) -> None:
        self._world = world
        self._builds = world.part(Builds)
        self._definitions = world.part(Definitions)
        self._posted = world.part(PostedStatuses)
        self._scope = requests
        self._repositories = repositories
        self._sources = sources
        self._states = states
        path = "/{organization}/{project}/_apis/git/repositories/{repository}/commits/{commit}/statuses"
        router.add("GET", path, self._list, honors="top skip latestOnly")
        router.add("POST", path, self._post)

    async def _find(self, request: Request) -> tuple[Place, str]:
        place, commit = self._scope.read(request), request.match["commit"].lower()
        self._repositories.project(request)
        if not await self._sources.has(place.project, commit):
            message = f"TF401175: The version descriptor <Commit: {commit} > could not be resolved to a version in the "
            message += f"repository {place.project['name']}."
            raise errors.refused(404, message, "GitUnresolvableToCommitException", errors.GIT)
        return place, commit

    async def _list(self, request: Request) -> Response:
        """Return the statuses of a commit, newest first."""
        place, commit = await self._find(request)
        found = [self._of_build(request, place, each) for each in self._builds.of(place) if each["commit"] == commit]
        found += [
            self._shown(request, place, each)
            for each in self._posted.all()
            if (each["project"], each["commit"]) == (place.id, commit)
        ]
        found.sort(key=lambda each: str(each["creationDate"]), reverse=True)
        if request.query.get("latestonly", "").lower() == "true":
            newest: dict[tuple[str, str], JsonObject] = {}
            for each in found:
                newest.setdefault((each["context"]["genre"], each["context"]["name"]), each)
            found = list(newest.values())
        first, most = int(request.query.get("skip") or 0), int(request.query.get("top") or 1000)
        shown = found[first : first + most]
        return Response(200, {"count": len(shown), "value": shown})

    def _of_build(self, request: Request, place: Place, build: Document) -> JsonObject:
        state = self._states.of(build)
        definition = self._definitions.numbered(place, build["definition"])
        name = body_of(definition)["name"] if definition is not None else str(build["definition"])
        return {
            "id": _BUILD_IDS + build["id"],
            "state": state_of(state),
            "description": f"Build {state.number} {state.result or 'in progress'}",
            "context": {"name": name, "genre": GENRE},
            "creationDate": timestamp(build["queued"]),
            "updatedDate": timestamp(state.changed),
            "createdBy": self._scope.identity(request, place, build["requested_for"]),
            "targetUrl": f"{page_address(request, place)}/_build/results?buildId={build['id']}",
        }

    async def _post(self, request: Request) -> Response:
        place, commit = await self._find(request)
        self._scope.contribute(request, "Contribute")
        body = request.json
        context = member(body, "context")
        if not text(context, "name").strip():
            raise invalid("The name of the context of a status is required.")
        now = self._world.clock.now()
        status: Document = {
            "id": self._posted.next_number(),
            "project": place.id,
            "commit": commit,
            "state": enumerated(body.get("state") or "notSet", _STATES, "state"),
            "description": text(body, "description"),
            "name": text(context, "name"),
            "genre": text(context, "genre"),
            "url": text(body, "targetUrl") or None,
            "created": now,
            "by": request.who.id,
        }
        self._posted.keep(status)
        # Recorded for pull requests' statuses: 200; the description says no more.
        return Response(200, self._shown(request, place, status))

    def _shown(self, request: Request, place: Place, status: Document) -> JsonObject:
        return {
            "id": status["id"],
            "state": status["state"],
            "description": status["description"],
            "context": {"name": status["name"], "genre": status["genre"]},
            "creationDate": timestamp(status["created"]),
            "updatedDate": timestamp(status["created"]),
            "createdBy": self._scope.identity(request, place, status["by"]),
            "targetUrl": status["url"],
        }


def state_of(state: BuildState) -> str:
    """Return the state of a build as the state of a status."""
    return _OF_RESULT.get(state.result, "error") if state.completed else "pending"
