"""The resources that pipelines may use, as the build API has them, and the badge of a pipeline.

Build - Resources, Authorizedresources and Status, 7.1: an older view of the same permissions as `pipelinePermissions`.
It names the kinds `endpoint`, `queue`, `variablegroup` and `securefile` as the other does. Only authorized resources
are listed; that is how a client of the Azure CLI's extension reads the list. No response is recorded.
"""

from __future__ import annotations

from html import escape
from typing import Final

from hol_wizard.practice.devops.pipeline_permissions import KINDS, PipelinePermissions
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.definition_body import full_branch
from hol_wizard.practice.devops.pipelines.definitions import Definitions, body_of, not_found
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, denied, invalid, objects
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_COLORS: Final = {"succeeded": "#4da2db", "partially succeeded": "#e67e22", "failed": "#e05d44"}
"""Everything else is gray. An estimate."""


class DefinitionResourceRequests:
    """Handles requests about the resources of definitions, and about badges."""

    def __init__(self, world: World, router: Router, requests: Scope, states: RunStates) -> None:
        self._permissions = world.part(PipelinePermissions)
        self._definitions = world.part(Definitions)
        self._builds = world.part(Builds)
        self._scope = requests
        self._states = states
        one, everybody = f"{PROJECT}/build/definitions/{{definition}}/resources", f"{PROJECT}/build/authorizedresources"
        router.add("GET", one, self._of_definition)
        router.add("PATCH", one, self._change_definition)
        router.add("GET", everybody, self._of_project, honors="type id")
        router.add("PATCH", everybody, self._change_project)
        router.add(
            "GET",
            f"{PROJECT}/build/status/{{definition}}",
            self._badge,
            honors="branchName label",
            refuses="stageName jobName configuration",
        )

    # Resources

    def _of_definition(self, request: Request) -> Response:
        place = self._scope.read(request)
        return _list(self._authorized(place, self._definition(request, place)["id"]))

    def _of_project(self, request: Request) -> Response:
        place, query = self._scope.read(request), request.query
        kind, identity = query.get("type", "").lower(), query.get("id", "").lower()
        found = self._authorized(place, None)
        return _list([each for each in found if kind in {"", each["type"]} and identity in {"", each["id"]}])

    def _authorized(self, place: Place, pipeline: int | None) -> list[JsonObject]:
        """Return the resources that a pipeline may use, or that all may use (None)."""
        found = []
        for each in self._permissions.of_project(place.id):
            kind, identity = each["id"].split("/")[1:3]
            given = each["all"] if pipeline is None else each["all"] or str(pipeline) in each["pipelines"]
            name = self._permissions.name_of(place.id, kind, identity)
            if given and name is not None:
                found.append({"type": kind, "id": identity, "name": name, "authorized": True})
        return found

    def _change_definition(self, request: Request) -> Response:
        place = self._scope.read(request)
        return self._change(request, place, self._definition(request, place)["id"])

    def _change_project(self, request: Request) -> Response:
        return self._change(request, self._scope.read(request), None)

    def _change(self, request: Request, place: Place, pipeline: int | None) -> Response:
        """Authorize resources, or withdraw that, and return them as they were sent."""
        changes = objects(request)
        for each in changes:
            kind, identity = str(each.get("type") or "").lower(), str(each.get("id") or "").lower()
            if kind not in KINDS or self._permissions.name_of(place.id, kind, identity) is None:
                raise invalid(f"The resource '{identity}' of type '{kind}' does not exist or is not accessible.")
            if not self._permissions.administers(place, kind, identity, request.who):
                raise denied(request.who, "Administer", place)
            given = {"authorized": each.get("authorized") is True}
            body = {"allPipelines": given} if pipeline is None else {"pipelines": [{"id": pipeline, **given}]}
            self._permissions.change(place.id, kind, identity, request.who, body)
        return _list(changes)

    def _definition(self, request: Request, place: Place) -> Document:
        return self._definitions.get(place, scope.number_of(request, "definition"))

    # The badge

    def _badge(self, request: Request) -> Response:
        """Return the badge of a pipeline: an image that says how its newest completed run on a branch went."""
        place = self._scope.read(request)
        named = request.match["definition"]
        found = self._definitions.numbered(place, int(named)) if named.isdecimal() else None
        definition = found or self._definitions.named(place, named)
        if definition is None or definition["deleted"]:
            raise not_found(named)
        branch = full_branch(request.query.get("branchname", "")) or body_of(definition)["repository"]["defaultBranch"]
        word = "never built"
        for each in reversed(self._builds.of(place)):
            its_own = (each["definition"], each["branch"]) == (definition["id"], branch)
            if its_own and (state := self._states.of(each)).completed:
                word = {"partiallySucceeded": "partially succeeded"}.get(str(state.result), str(state.result))
                break
        label = escape(request.query.get("label") or "Azure Pipelines")
        image = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="20">'
            f'<rect width="200" height="20" fill="#555"/><rect x="110" width="90" height="20" '
            f'fill="{_COLORS.get(word, "#9f9f9f")}"/><text x="5" y="14">{label}</text>'
            f'<text x="115" y="14">{word}</text></svg>'
        )
        return Response(200, image, content_type="image/svg+xml; charset=utf-8")


def _list(value: list[JsonObject]) -> Response:
    return Response(200, {"count": len(value), "value": value})
