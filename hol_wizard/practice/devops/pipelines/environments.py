"""Environments of projects, and what was deployed to them (distributedtask/environments, 7.1).

The web editor, which the practice cloud does not have, creates an environment that a new YAML file names. A run does
not: "You add a reference to an environment that doesn't exist, and then cause a manual or continuous integration
pipeline to be triggered" fails (azure/devops/pipelines/process/environments, FAQ). Contributors create environments,
and the creator of one is its administrator (the same page, "User permissions").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from hol_wizard.practice import seed
from hol_wizard.practice.devops import errors, paging
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipeline_permissions import PipelinePermissions
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, denied, invalid, page_address
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import Deployment, RunKey
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.pipelines.plan import ProtectedKind

_TASK: Final = "Microsoft.TeamFoundation.DistributedTask.WebApi"


class Environments(NumberedRegister):
    """The environments of every project."""

    collection = "devops_environments"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self.when_deleted: list[Callable[[str, str], None]] = []
        """Called with the IDs of the project and of a deleted environment, because a later one can have the same ID."""
        world.part(PipelinePermissions).knows(ProtectedKind.ENVIRONMENT.value, self._name_in, self._was_created_by)

    def _in(self, project: str, identity: str) -> Document | None:
        found = self.find(identity)
        return found if found is not None and found["project"] == project else None

    def _name_in(self, project: str, identity: str) -> str | None:
        found = self._in(project, identity)
        return None if found is None else str(found["name"])

    def _was_created_by(self, project: str, identity: str, who: seed.Principal) -> bool:
        found = self._in(project, identity)
        return found is not None and found["by"] == who.id

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
        """Add a deployment to the history of its environment, newest first, or record its end there."""
        found = self.named(key.project, deployment.environment)
        if found is None:
            return
        new = {"pipeline": key.pipeline, "run": key.run, **asdict(deployment)}
        for kept in found["deployments"]:
            if all(kept[name] == new[name] for name in ("run", "stage", "job", "attempt")):
                kept |= new
                break
        else:
            number = 1 + max((each["id"] for each in found["deployments"]), default=0)
            found["deployments"].insert(0, {"id": number, **new})
        self.keep(found)


class EnvironmentRequests:
    """Handles requests about environments; they have no resources here."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._world = world
        self._environments = world.part(Environments)
        self._runs = world.part(Runs)
        self._permissions = world.part(PipelinePermissions)
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

    def _administered(self, request: Request) -> tuple[Place, Document]:
        """Return an environment for a change that only its administrators may make.

        Raises:
            Refused: There is none, or the caller does not administer it.
        """
        place = self._scope.read(request)
        found = self._find(request, place)
        kind = ProtectedKind.ENVIRONMENT.value
        if not self._permissions.administers(place, kind, str(found["id"]), request.who):
            raise denied(request.who, "Manage environment", place)
        return place, found

    def _list(self, request: Request) -> Response:
        place, wanted = self._scope.read(request), request.query.get("name", "").lower()
        found = [each for each in self._environments.of(place.id) if wanted in {"", each["name"].lower()}]
        return paging.page(request, [self._shown(request, place, each) for each in found])

    def _get(self, request: Request) -> Response:
        place = self._scope.read(request)
        return Response(200, {**self._shown(request, place, self._find(request, place)), "resources": []})

    def _create(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Create environment")
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
        (place, found), body = self._administered(request), request.json
        if "name" in body:
            found["name"] = self._checked(place, text(body, "name"), found["id"])
        if "description" in body:
            found["description"] = text(body, "description")
        self._environments.keep({**found, "changed": self._world.clock.now()})
        return Response(200, self._shown(request, place, found))

    def _delete(self, request: Request) -> Response:
        self._environments.delete(self._administered(request)[1])
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
        build = f"{pages}/_build/results?buildId={kept['run']}"
        definition = f"{pages}/_build/definition?definitionId={kept['pipeline']}"
        run = self._runs.run(RunKey(place.id, kept["pipeline"], kept["run"]))
        name = run["request"]["pipeline"]["name"] if run is not None else str(kept["pipeline"])
        number = run["number"] if run is not None else str(kept["run"])
        ended = {"result": kept["result"], "finishTime": timestamp(kept["finished"])} if kept["result"] else {}
        return {
            "id": kept["id"],
            "environmentId": environment["id"],
            "serviceOwner": "00025394-6065-48ca-87d9-7f5672854ef7",
            "scopeId": place.id,
            "planType": "Build",
            "planId": seed.fixed_id(f"plan {kept['run']}"),
            "stageName": kept["stage"],
            "jobName": kept["job"],
            "stageAttempt": kept["attempt"],
            "jobAttempt": 1,
            "definition": {"id": kept["pipeline"], "name": name, "_links": {"web": {"href": definition}}},
            "owner": {"id": kept["run"], "name": number, "_links": {"web": {"href": build}}},
            "queueTime": timestamp(kept["started"]),
            "startTime": timestamp(kept["started"]),
            **ended,
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
