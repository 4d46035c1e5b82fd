"""Requests about builds, except for queueing them (Build - Builds, Tags, Properties, 7.1; recorded with az)."""

from __future__ import annotations

import json
from typing import Any, Final

from hol_wizard.practice.devops import errors, paging
from hol_wizard.practice.devops.pipelines import build_list, properties, scope
from hol_wizard.practice.devops.pipelines.build_list import BuildSearch
from hol_wizard.practice.devops.pipelines.build_view import BuildView
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.definition_body import full_branch
from hol_wizard.practice.devops.pipelines.definition_requests import DefinitionRequests
from hol_wizard.practice.devops.pipelines.definitions import Definitions, not_found
from hol_wizard.practice.devops.pipelines.leases import Leases
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import BUILD, PROJECT, Place, Scope, denied, invalid, unserved
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, boolean, text, texts, whole_number
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_PAGE: Final = 1000
"""Default length of a page of builds; the description names none."""
_TAGS: Final = "tagsToAdd", "tagsToRemove"


class BuildRequests:
    """Handles requests about builds."""

    def __init__(
        self,
        world: World,
        router: Router,
        requests: Scope,
        view: BuildView,
        search: BuildSearch,
        states: RunStates,
        definitions: DefinitionRequests,
    ) -> None:
        self._world = world
        self._builds = world.part(Builds)
        self._definitions = world.part(Definitions)
        self._leases = world.part(Leases)
        self._scope = requests
        self._view = view
        self._search = search
        self._states = states
        definitions.latest = self._latest_of
        definitions.built = self._built
        world.part(Definitions).on_delete(self._delete_all)
        path = f"{PROJECT}/build/builds"
        router.add("GET", path, self._list, honors=build_list.HONORED)
        router.add("PATCH", path, self._change_many)
        one = f"{path}/{{build}}"
        router.add("GET", one, self._get, honors="propertyFilters")
        router.add("PATCH", one, self._change, honors="retry")
        router.add("DELETE", one, self._delete)
        router.add("GET", f"{one}/tags", self._tags)
        router.add("POST", f"{one}/tags", self._add_tags)
        router.add("PATCH", f"{one}/tags", self._change_tags)
        router.add("PUT", f"{one}/tags/{{tag}}", self._add_tag)
        router.add("DELETE", f"{one}/tags/{{tag}}", self._remove_tag)
        router.add("GET", f"{one}/properties", self._properties, honors="filter")
        router.add("PATCH", f"{one}/properties", self._set_properties)
        # There are no work items here.
        router.add("GET", f"{one}/workitems", self._work_items, ignores="$top")
        router.add("GET", f"{PROJECT}/build/latest/{{definition}}", self._latest, honors="branchName")
        router.add("GET", f"{PROJECT}/build/tags", self._all_tags)

    def _find(self, request: Request, place: Place) -> Document:
        return self._builds.get(place, scope.number_of(request, "build"))

    # Reading

    def _list(self, request: Request) -> Response:
        place = self._scope.read(request)
        wanted = paging.words(request, "properties")
        shown = [
            self._view.shown(request, place, each) | {"properties": properties.shown(each["properties"], wanted)}
            for each in self._search.find(request, place)
        ]
        return paging.page(request, shown, top=_PAGE)

    def _get(self, request: Request) -> Response:
        place = self._scope.read(request)
        build = self._find(request, place)
        wanted = properties.shown(build["properties"], paging.words(request, "propertyFilters"))
        return Response(200, self._view.shown(request, place, build) | {"properties": wanted})

    def _latest(self, request: Request) -> Response:
        """Return the latest build of a definition, by its ID or name (Latest - Get)."""
        place, given = self._scope.read(request), request.match["definition"]
        definition = self._definitions.named(place, given)
        if given.isdecimal():
            definition = self._definitions.get(place, int(given))
        if definition is None:
            raise not_found(given)
        branch = full_branch(request.query.get("branchname", ""))
        for each in reversed(self._of(place, definition)):
            if branch in {"", each["branch"]}:
                return Response(200, self._view.shown(request, place, each))
        message = f"No builds found for definition {definition['id']}."
        raise errors.refused(404, message, "BuildNotFoundException", BUILD)

    def _of(self, place: Place, definition: Document) -> list[Document]:
        return [each for each in self._builds.of(place) if each["definition"] == definition["id"]]

    def _latest_of(self, request: Request, place: Place, definition: Document, completed: bool) -> JsonObject | None:
        for each in reversed(self._of(place, definition)):
            if not completed or self._states.of(each).completed:
                return self._view.shown(request, place, each)
        return None

    def _built(self, definition: Document) -> float:
        found = (each for each in self._builds.all() if each["project"] == definition["project"])
        return max((float(each["queued"]) for each in found if each["definition"] == definition["id"]), default=0.0)

    def _work_items(self, request: Request) -> Response:
        self._find(request, self._scope.read(request))
        return Response(200, {"count": 0, "value": []})

    # Changes

    def _change(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Update build information")
        build = self._find(request, place)
        if scope.flag(request, "retry"):
            self._retry(build)
        return Response(200, self._changed(request, place, build, request.json))

    def _retry(self, build: Document) -> None:
        """Run the failed stages of a build again (Builds - Update Build, `retry`)."""
        failed = self._states.failed_stages(build)
        if not failed or not self._states.of(build).completed:
            raise invalid(f"The build {build['id']} has no failed stages that can be retried.")
        for each in failed:
            self._states.retry_stage(build, each, all_jobs=False)

    def _change_many(self, request: Request) -> Response:
        """Change several builds (Builds - Update Builds)."""
        place = self._scope.contribute(request, "Update build information")
        value = []
        for body in scope.objects(request):
            build = self._builds.get(place, whole_number(body, "id"))
            value.append(self._changed(request, place, build, body))
        return Response(200, {"count": len(value), "value": value})

    def _changed(self, request: Request, place: Place, build: Document, body: JsonObject) -> JsonObject:
        """Cancel a build (recorded: `"status": "Cancelling"`), or keep it; a client may send the rest as it got it."""
        shown = self._view.shown(request, place, build)
        status = text(body, "status")
        if status and status.lower() != shown["status"].lower():
            self._cancel(request, place, build, scope.enumerated(status, build_list.STATUSES, "status"))
        for name, value in body.items():
            if name not in {"status", "keepForever", "quality"} and value is not None and value != shown.get(name):
                raise unserved(f"a change of the member '{name}' of a build")
        build |= {"changed": self._world.clock.now(), "changed_by": request.who.id}
        if body.get("keepForever") is not None:
            build["keep"] = boolean(body, "keepForever")
        if body.get("quality") is not None:
            build["quality"] = text(body, "quality")
        self._builds.keep(build)
        return self._view.shown(request, place, build)

    def _cancel(self, request: Request, place: Place, build: Document, status: str) -> None:
        """Cancel a build: who queued it, and administrators ("Stop builds").

        That the one who queued a build may stop it is an estimate.
        """
        state = self._states.of(build)
        if status != "cancelling" or state.completed:
            message = f"The status of build {build['id']} cannot be changed from {state.status} to {status}."
            raise invalid(message, "BuildStatusInvalidChangeException")
        if request.who.id not in {build["by"], build["requested_for"]} and not self._scope.administers(
            place, request.who
        ):
            raise denied(request.who, "Stop builds", place)
        self._states.cancel(build)

    def _delete(self, request: Request) -> Response:
        place = self._scope.administer(request, "Delete builds")
        build = self._find(request, place)
        if build["keep"] or self._leases.keeps(build):
            message = f"The build {build['id']} cannot be deleted because it is retained."
            raise errors.refused(409, message, "CannotDeleteRetainedBuildException", BUILD)
        if not self._states.of(build).completed:
            message = f"The build {build['id']} cannot be deleted because it has not completed."
            raise errors.refused(409, message, "BuildStatusInvalidChangeException", BUILD)
        self._builds.keep({**build, "deleted": self._world.clock.now()})
        return Response(204)

    def _delete_all(self, definition: Document) -> None:
        """Delete the builds of a definition that is deleted; running ones are canceled first."""
        for each in self._builds.all():
            same = (each["project"], each["definition"]) == (definition["project"], definition["id"])
            if same and each["deleted"] is None:
                if not self._states.of(each).completed:
                    self._states.cancel(each)
                self._builds.keep({**each, "deleted": self._world.clock.now()})

    # Tags

    def _tags(self, request: Request) -> Response:
        return self._tags_of(self._find(request, self._scope.read(request)))

    def _tags_of(self, build: Document) -> Response:
        return _list(list(self._states.of(build).tags))

    def _all_tags(self, request: Request) -> Response:
        place = self._scope.read(request)
        tags = {tag for each in self._builds.of(place) for tag in self._states.of(each).tags}
        return _list(sorted(tags, key=str.lower))

    def _add_tag(self, request: Request) -> Response:
        return self._tagged(request, [request.match["tag"]], [])

    def _add_tags(self, request: Request) -> Response:
        return self._tagged(request, _texts(json.loads(request.content)), [])

    def _remove_tag(self, request: Request) -> Response:
        return self._tagged(request, [], [request.match["tag"]])

    def _change_tags(self, request: Request) -> Response:
        body = request.json
        for name in set(body) - set(_TAGS):
            raise unserved(f"the member '{name}' of tags")
        added, removed = (texts(body, name) for name in _TAGS)
        return self._tagged(request, added, removed)

    def _tagged(self, request: Request, added: list[str], removed: list[str]) -> Response:
        build = self._find(request, self._scope.contribute(request, "Update build information"))
        for each in removed:
            self._states.untag(build, each)
        for each in added:
            if not each.strip():
                raise invalid("A tag cannot be empty.")
            self._states.tag(build, each)
        return self._tags_of(build)

    # Properties

    def _properties(self, request: Request) -> Response:
        build = self._find(request, self._scope.read(request))
        return properties.listed(build["properties"], paging.words(request, "filter"))

    def _set_properties(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Update build information")
        build = self._find(request, place)
        build["properties"] = properties.patched(build["properties"], request.content)
        self._builds.keep(build)
        return properties.listed(build["properties"])


def _list(found: list[str]) -> Response:
    return Response(200, {"count": len(found), "value": found})


def _texts(given: Any) -> list[str]:
    if not isinstance(given, list) or any(not isinstance(each, str) for each in given):
        raise ValueError("not a list of texts")
    return given
