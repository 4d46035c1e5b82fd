"""Environments of projects, and what was deployed to them (distributedtask/environments, 7.1).

A name that a pipeline's YAML uses for the first time becomes an empty environment, which that pipeline may use
(azure/devops/pipelines/process/environments).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from hol_wizard.practice import seed
from hol_wizard.practice.devops import errors, paging
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, invalid, page_address
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import Deployment, RunKey

_TASK: Final = "Microsoft.TeamFoundation.DistributedTask.WebApi"


class Environments(NumberedRegister):
    """The environments of every project."""

    collection = "devops_environments"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self.when_deleted: list[Callable[[str, str], None]] = []
        """Called with the IDs of the project and of a deleted environment, because a later one can have the same ID."""

    def of(self, project: str) -> list[Document]:
        """Return the environments of a project."""
        return [each for each in self.all() if each["project"] == project]

    def named(self, project: str, name: str) -> Document | None:
        """Return an environment of a project by its name, case-insensitively, or None."""
        return next((each for each in self.of(project) if each["name"].lower() == name.lower()), None)

    def create(self, project: str, name: str, by: str, description: str = "") -> Document:
        """Create an environment, and return it."""
        made: Document = {
            "id": self.next_number(),
            "project": project,
            "name": name,
            "description": description,
            "by": by,
            "created": self._world.clock.now(),
            "changed": None,
            "deployments": [],
        }
        self.keep(made)
        return made

    def delete(self, environment: Document) -> None:
        """Delete an environment with what refers to it."""
        self.remove(str(environment["id"]))
        for tell in self.when_deleted:
            tell(environment["project"], str(environment["id"]))

    def deployed(self, key: RunKey, deployment: Deployment) -> None:
        """Add a deployment to the history of its environment, newest first."""
        found = self.named(key.project, deployment.environment)
        if found is not None:
            number = 1 + max((each["id"] for each in found["deployments"]), default=0)
            record = {"id": number, "pipeline": key.pipeline, "run": key.run, **asdict(deployment)}
            self.keep({**found, "deployments": [record, *found["deployments"]]})


class EnvironmentRequests:
    """Handles requests about environments; they have no resources here."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._world = world
        self._environments = world.part(Environments)
        self._builds = world.part(Builds)
        self._scope = requests
        path = f"{PROJECT}/distributedtask/environments"
        router.add("GET", path, self._list, honors="name $top continuationToken")
        router.add("POST", path, self._create)
        one = f"{path}/{{environment}}"
        router.add("GET", one, self._get, ignores="expands")
        router.add("PATCH", one, self._change)
        router.add("DELETE", one, self._delete)
        router.add("GET", f"{one}/environmentdeploymentrecords", self._records, honors="top continuationToken")

    def _find(self, request: Request, place: Place) -> Document:
        found = self._environments.find(request.match["environment"])
        if found is None or found["project"] != place.id:
            message = f"Environment with ID {request.match['environment']} does not exist."
            raise errors.refused(404, message, "EnvironmentNotFoundException", _TASK)
        return found

    def _list(self, request: Request) -> Response:
        place, wanted = self._scope.read(request), request.query.get("name", "").lower()
        found = [each for each in self._environments.of(place.id) if wanted in {"", each["name"].lower()}]
        return paging.page(request, [self._shown(request, place, each) for each in found])

    def _get(self, request: Request) -> Response:
        place = self._scope.read(request)
        return Response(200, {**self._shown(request, place, self._find(request, place)), "resources": []})

    def _create(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Manage environments")
        name = self._checked(place, text(request.json, "name"))
        description = text(request.json, "description")
        made = self._environments.create(place.id, name, request.who.id, description)
        return Response(200, self._shown(request, place, made))

    def _checked(self, place: Place, name: str, but: int = 0) -> str:
        if not name.strip():
            raise invalid("The name of an environment is required.")
        there = self._environments.named(place.id, name)
        if there is not None and there["id"] != but:
            message = f"Environment with name {name} already exists in the project."
            raise errors.refused(409, message, "EnvironmentExistsException", _TASK)
        return name.strip()

    def _change(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Manage environments")
        found, body = self._find(request, place), request.json
        if "name" in body:
            found["name"] = self._checked(place, text(body, "name"), found["id"])
        if "description" in body:
            found["description"] = text(body, "description")
        self._environments.keep({**found, "changed": self._world.clock.now()})
        return Response(200, self._shown(request, place, found))

    def _delete(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Manage environments")
        self._environments.delete(self._find(request, place))
        return Response(204)

    def _records(self, request: Request) -> Response:
        """Return the deployments, newest first; the description's `top` has no dollar sign."""
        place = self._scope.read(request)
        found = self._find(request, place)
        first, most = int(request.query.get("continuationtoken") or 0), int(request.query.get("top") or 50)
        shown = [self._record(request, place, found, each) for each in found["deployments"][first : first + most]]
        more = first + most < len(found["deployments"])
        headers = {paging.HEADER: str(first + most)} if more else {}
        return Response(200, {"count": len(shown), "value": shown}, headers)

    def _record(self, request: Request, place: Place, environment: Document, kept: Document) -> JsonObject:
        pages = page_address(request, place)
        run = {"id": kept["run"], "name": str(kept["run"])}
        links = {"web": {"href": f"{pages}/_build/results?buildId={kept['run']}"}}
        return {
            "id": kept["id"],
            "environmentId": environment["id"],
            "serviceOwner": "00025394-6065-48ca-87d9-7f5672854ef7",
            "scopeId": place.id,
            "planType": "Build",
            "planId": seed.fixed_id(f"plan {kept['run']}"),
            "stageName": kept["stage"],
            "jobName": kept["job"],
            "stageAttempt": 1,
            "jobAttempt": 1,
            "definition": {"id": kept["pipeline"], "name": str(kept["pipeline"])},
            "owner": {**run, "_links": links},
            "result": kept["result"],
            "queueTime": timestamp(kept["started"]),
            "startTime": timestamp(kept["started"]),
            "finishTime": timestamp(kept["finished"]),
        }

    def _shown(self, request: Request, place: Place, found: Document) -> JsonObject:
        who = self._scope.identity(request, place, found["by"])
        return {
            "id": found["id"],
            "name": found["name"],
            "description": found["description"],
            "createdBy": who,
            "createdOn": timestamp(found["created"]),
            "lastModifiedBy": who,
            "lastModifiedOn": timestamp(found["changed"] or found["created"]),
            "project": {"id": place.id, "name": place.project["name"]},
        }
