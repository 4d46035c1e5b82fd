"""Queues builds, and shows what they contain (Build - Builds, Queue; Get Build Changes, 7.1; recorded with az)."""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops import paging
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.build_view import BuildView
from hol_wizard.practice.devops.pipelines.builds import REASONS, Builds
from hol_wizard.practice.devops.pipelines.definitions import Definitions, newest, not_found
from hol_wizard.practice.devops.pipelines.queueing import (
    Queueing,
    Wanted,
    build_refusal,
    sent_variables,
    template_parameters,
)
from hol_wizard.practice.devops.pipelines.queues import Queues
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, enumerated, invalid, unserved
from hol_wizard.practice.devops.pipelines.sources import Commit, Sources
from hol_wizard.practice.devops.pipelines.upstream import NotRunnableError
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, member, text, whole_number
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_PRIORITIES: Final = ("low", "belowNormal", "normal", "aboveNormal", "high")
_QUEUED: Final = frozenset(
    {"definition", "sourceBranch", "sourceVersion", "parameters", "templateParameters", "priority", "queue", "reason"}
)
_SENT_BACK: Final = frozenset({"project", "repository", "status", "tags", "triggerInfo", "agentSpecification"})
"""Members that say nothing new: the project and the repository are the definition's, `vmImage` is in the YAML."""
_MESSAGE: Final = 200
"""Length at which the message of a change is cut: an estimate."""


class QueueBuildRequests:
    """Handles requests that queue a build, and those about the commits in it."""

    def __init__(
        self,
        world: World,
        router: Router,
        requests: Scope,
        queueing: Queueing,
        sources: Sources,
        view: BuildView,
        repositories: Repositories,
    ) -> None:
        self._builds = world.part(Builds)
        self._definitions = world.part(Definitions)
        self._queues = world.part(Queues)
        self._scope = requests
        self._queueing = queueing
        self._sources = sources
        self._view = view
        self._repositories = repositories
        path = f"{PROJECT}/build/builds"
        # Nothing here warns, and there are no gated check-ins.
        router.add(
            "POST",
            path,
            self._queue,
            honors="definitionId",
            refuses="checkInTicket sourceBuildId",
            ignores="ignoreWarnings",
        )
        changes = "$top continuationToken"
        router.add("GET", f"{path}/{{build}}/changes", self._changes, honors=changes, ignores="includeSourceChange")
        router.add("GET", f"{PROJECT}/build/changes", self._between, honors="fromBuildId toBuildId $top")

    async def _queue(self, request: Request) -> Response:
        place, body = self._scope.contribute(request, "Queue builds"), request.json
        for name, value in body.items():
            if name not in _QUEUED | _SENT_BACK and value not in (None, [], {}, False):
                raise unserved(f"the member '{name}' of a queued build")
        if text(body, "status").lower() not in {"", "notstarted"}:
            raise unserved("the member 'status' of a queued build")
        definition = self._definition(request, place, body)
        try:
            build = await self._queueing.queue(place, definition, self._wanted(request, place, body))
        except NotRunnableError as error:
            raise build_refusal(error) from error
        return Response(200, self._view.shown(request, place, build))

    def _definition(self, request: Request, place: Place, body: JsonObject) -> Document:
        """Return the definition; a revision that is sent must be the newest (public: azure-devops-java-sdk issue 7)."""
        given = member(body, "definition")
        number = given.get("id") or request.query.get("definitionid") or 0
        if not str(number).isdecimal() or int(number) == 0:
            raise invalid("Value cannot be null.\r\nParameter name: build.Definition", "ArgumentNullException")
        definition = self._definitions.get(place, int(number))
        if given.get("revision") is not None and whole_number(given, "revision") != newest(definition)["revision"]:
            raise not_found(number)
        return definition

    def _wanted(self, request: Request, place: Place, body: JsonObject) -> Wanted:
        queue = whole_number(member(body, "queue"), "id")
        if queue and self._queues.numbered(place.project, queue) is None:
            raise invalid(f"The queue with ID {queue} could not be found.", "QueueNotFoundException")
        reason = enumerated(body.get("reason") or "manual", REASONS, "reason")
        if reason not in {"manual", "userCreated", "none"}:
            raise unserved(f"the reason '{reason}' for a queued build")
        parameters = body.get("parameters")
        return Wanted(
            branch=text(body, "sourceBranch"),
            commit=text(body, "sourceVersion"),
            by=request.who.id,
            variables=sent_variables(parameters),
            parameters=str(parameters) if parameters else None,
            template_parameters=template_parameters(body),
            queue=queue,
            priority=enumerated(body.get("priority") or "normal", _PRIORITIES, "priority"),
        )

    # The commits of a build

    async def _changes(self, request: Request) -> Response:
        """Return the commits since the last build of the pipeline on the same branch, newest first."""
        place = self._scope.read(request)
        build = self._builds.get(place, scope.number_of(request, "build"))
        before = self._before(place, build)
        found = await self._sources.commits(place.project, build["commit"], before)
        return paging.page(request, [self._change(request, place, each) for each in found])

    def _before(self, place: Place, build: Document) -> str:
        for each in reversed(self._builds.of(place)):
            same = (each["definition"], each["branch"]) == (build["definition"], build["branch"])
            if same and each["id"] < build["id"]:
                return str(each["commit"])
        return str(build["changes_from"])

    async def _between(self, request: Request) -> Response:
        place = self._scope.read(request)
        numbers = (int(request.query.get(each) or 0) for each in ("frombuildid", "tobuildid"))
        first, last = (self._builds.get(place, each) for each in numbers)
        found = await self._sources.commits(place.project, last["commit"], first["commit"])
        return paging.page(request, [self._change(request, place, each) for each in found])

    def _change(self, request: Request, place: Place, commit: Commit) -> JsonObject:
        location = f"{self._repositories.address(request, place.project)}/commits/{commit.id}"
        cut = len(commit.message) > _MESSAGE
        return {
            "id": commit.id,
            "message": commit.message[:_MESSAGE],
            "type": "TfsGit",
            "author": {"displayName": commit.author, "uniqueName": commit.email},
            "timestamp": timestamp(commit.when),
            "location": location,
            "displayUri": f"{self._repositories.in_build(request, place.project)['url']}/commit/{commit.id}",
            **({"messageTruncated": True} if cut else {}),
        }
