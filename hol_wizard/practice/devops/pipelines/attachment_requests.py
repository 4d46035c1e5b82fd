"""Requests about attachments of a build's records, such as summaries (Build - Attachments, 7.1; not recorded)."""

from __future__ import annotations

from urllib.parse import quote

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.builds import Builds, run_key
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import BUILD, PROJECT, Place, Scope, address
from hol_wizard.practice.devops.pipelines.test_runs import Attachments
from hol_wizard.practice.kernel.service import Request, Response, Router
from hol_wizard.practice.kernel.service import attachment as download
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class AttachmentRequests:
    """Handles requests about attachments."""

    def __init__(self, world: World, router: Router, requests: Scope, states: RunStates) -> None:
        self._builds = world.part(Builds)
        self._attachments = world.part(Attachments)
        self._scope = requests
        self._states = states
        one = f"{PROJECT}/build/builds/{{build}}"
        router.add("GET", f"{one}/attachments/{{type}}", self._list)
        router.add("GET", f"{one}/{{timeline}}/{{record}}/attachments/{{type}}/{{name}}", self._get)

    def _find(self, request: Request) -> tuple[Place, Document]:
        place = self._scope.read(request)
        return place, self._builds.get(place, scope.number_of(request, "build"))

    def _list(self, request: Request) -> Response:
        place, build = self._find(request)
        timeline, base = self._states.of(build).timeline, f"{address(request, place)}/build/builds/{build['id']}"
        value = []
        for each in self._attachments.of_build(run_key(build)):
            if each["kind"].lower() == request.match["type"].lower():
                where = f"{timeline}/{each['record']}/attachments/{each['kind']}/{quote(each['name'], safe='')}"
                value.append({"name": each["name"], "_links": {"self": {"href": f"{base}/{where}"}}})
        return Response(200, {"count": len(value), "value": value})

    def _get(self, request: Request) -> Response:
        _, build = self._find(request)
        match = {name: value.lower() for name, value in request.match.items()}
        for each in self._attachments.of_build(run_key(build)):
            same = (each["record"].lower(), each["kind"].lower()) == (match["record"], match["type"])
            is_timeline = match["timeline"] == self._states.of(build).timeline.lower()
            if same and is_timeline and each["name"].lower() == match["name"]:
                content = self._attachments.file(each).read_bytes()
                return Response(200, content, download(each["name"]), "application/octet-stream")
        message = f"The attachment {request.match['name']} of build {build['id']} could not be found."
        raise errors.refused(404, message, "AttachmentNotFoundException", BUILD)
