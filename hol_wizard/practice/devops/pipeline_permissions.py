"""Which pipelines may use a protected resource: a service connection, a variable group, an environment, a queue, …

Operations: Pipeline Permissions - Get, Update Pipeline Permisions For Resource, Update Pipeline Permisions For
Resources (approvalsAndChecks, 7.1-preview.1). A change leaves every pipeline as it is that it does not name
(AzureDevOpsDsc, `Set-DevOpsPipelinePermission`); a repository's ID is `<project>.<repository>` (the same).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, errors
from hol_wizard.practice.devops.members import identity_ref
from hol_wizard.practice.devops.pipelines.scope import Place, objects
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, member, members
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

ENDPOINT: Final = "endpoint"
VARIABLE_GROUP: Final = "variablegroup"
KINDS: Final = (ENDPOINT, VARIABLE_GROUP, "environment", "queue", "repository", "securefile")
"""The kinds of protected resources (azure/devops/pipelines/process/resources)."""
_RESOURCES: Final = "Microsoft.Azure.Pipelines.Authorization"
Known = Callable[[str, str], str | None]
"""Returns the name of a resource by its project's ID and its own; None if there is none."""
Administers = Callable[[str, str, seed.Principal], bool]
"""Returns whether somebody administers a resource, by its project's ID and its own, besides the project's
administrators."""


class PipelinePermissions(Register):
    """The permissions of every protected resource; a new resource may be used by no pipeline."""

    collection = "devops_pipeline_permissions"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._projects = world.part(Projects)
        self._known: dict[str, Known] = {}
        self._administers: dict[str, Administers] = {}
        self.when_changed: list[Callable[[], None]] = []
        """Called when permissions were given or taken: runs may be waiting for them."""

    def knows(self, kind: str, known: Known, administers: Administers | None = None) -> None:
        """Let resources of a kind be looked up; without this, permissions for any ID are accepted.

        Args:
            kind: One of `KINDS`.
            known: Looks one up.
            administers: Says who administers one besides the project's administrators; nobody if it is None.
        """
        self._known[kind] = known
        if administers is not None:
            self._administers[kind] = administers

    def administers(self, place: Place, kind: str, resource: str, who: seed.Principal) -> bool:
        """Return whether somebody administers a resource of a project."""
        if self._projects.administers(place.organization, who, place.project):
            return True
        found = self._administers.get(kind)
        return found is not None and found(place.id, resource, who)

    def authorized(self, project: str, kind: str, resource: str, pipeline: int) -> bool:
        """Return whether a pipeline may use a resource.

        Args:
            project: The project's ID.
            kind: One of `KINDS`.
            resource: The resource's ID.
            pipeline: The pipeline's ID.
        """
        found = self._of(project, kind, resource)
        return bool(found["all"]) or str(pipeline) in found["pipelines"]

    def authorize(self, project: str, kind: str, resource: str, who: seed.Principal, pipeline: int | None) -> None:
        """Let a pipeline use a resource, or all pipelines (None)."""
        found, given = self._of(project, kind, resource), self._given(who)
        if pipeline is None:
            found["all"] = given
        else:
            found["pipelines"][str(pipeline)] = given
        self._save(found)

    def _save(self, found: Document) -> None:
        self.keep(found)
        for tell in self.when_changed:
            tell()

    def of_project(self, project: str) -> list[Document]:
        """Return the permissions of all resources of a project; the keys are `PROJECT/KIND/RESOURCE`."""
        return [each for each in self.all() if each["project"] == project]

    def forget(self, project: str, kind: str, resource: str) -> None:
        """Delete the permissions of a resource that no longer exists."""
        self.remove(_key(project, kind, resource))

    def forget_pipeline(self, project: str, pipeline: int) -> None:
        """Delete the permissions of a pipeline that no longer exists."""
        for each in self.all():
            if each["project"] == project and each["pipelines"].pop(str(pipeline), None) is not None:
                self.keep(each)

    def name_of(self, project: str, kind: str, resource: str) -> str | None:
        """Return the name of a resource, empty if resources of the kind are not looked up; None if there is none."""
        known = self._known.get(kind)
        return "" if known is None else known(project, resource)

    def change(self, project: str, kind: str, resource: str, who: seed.Principal, body: JsonObject) -> None:
        """Apply the permissions in a body.

        Raises:
            ValueError: It is malformed.
        """
        found, given = self._of(project, kind, resource), self._given(who)
        everybody = member(body, "allPipelines")
        if "authorized" in everybody:
            found["all"] = given if everybody["authorized"] is True else None
        for each in members(body, "pipelines"):
            identity = int(each["id"])
            if each.get("authorized") is True:
                found["pipelines"][str(identity)] = given
            else:
                found["pipelines"].pop(str(identity), None)
        self._save(found)

    def shown(self, organization: str, project: str, kind: str, resource: str) -> JsonObject:
        """Return the permissions of a resource (ResourcePipelinePermissions)."""
        found, name = self._of(project, kind, resource), self.name_of(project, kind, resource)
        described = {"type": kind, "id": resource, **({"name": name} if name else {})}
        pipelines = [
            {"id": int(each), **self._shown(organization, given)} for each, given in found["pipelines"].items()
        ]
        everybody = {"allPipelines": self._shown(organization, found["all"])} if found["all"] else {}
        return {"resource": described, **everybody, "pipelines": pipelines}

    def _of(self, project: str, kind: str, resource: str) -> Document:
        key = _key(project, kind, resource)
        return self.find(key) or {"id": key, "project": project, "all": None, "pipelines": {}}

    def _given(self, who: seed.Principal) -> Document:
        return {"by": who.id, "on": self._world.clock.now()}

    def _shown(self, organization: str, given: Document) -> JsonObject:
        by = identity_ref(self._world, organization, given["by"])
        return {"authorized": True, "authorizedBy": by, "authorizedOn": timestamp(given["on"])}


class PipelinePermissionsService:
    """Handles the requests about permissions."""

    def __init__(self, world: World, router: Router, projects: Projects) -> None:
        self._permissions = world.part(PipelinePermissions)
        self._projects = projects
        path = "/{organization}/{project}/_apis/pipelines/pipelinepermissions"
        router.add("GET", f"{path}/{{kind}}/{{resource}}", self._get)
        router.add("PATCH", f"{path}/{{kind}}/{{resource}}", self._change)
        router.add("PATCH", path, self._change_several)

    def _project(self, request: Request) -> Document:
        return self._projects.find(access.organization(request), request.who, request.match["project"])

    def _shown(self, project: Document, kind: str, resource: str) -> JsonObject:
        return self._permissions.shown(project["organization"], project["id"], kind, resource)

    def _checked(self, request: Request, project: Document, kind: str, resource: str) -> tuple[str, str]:
        """Return the kind and the ID of a resource in their stored form; the texts of the errors are estimates.

        Raises:
            Refused: There is no such kind or resource, or the caller may not change who uses it.
        """
        kind = kind.lower()
        if kind not in KINDS:
            message = f"The resource type '{kind}' is not valid. Valid types are: {', '.join(KINDS)}."
            raise errors.refused(400, message, "InvalidResourceTypeException", _RESOURCES)
        if self._permissions.name_of(project["id"], kind, resource.lower()) is None:
            message = f"The resource '{resource}' of type '{kind}' does not exist or is not accessible."
            raise errors.refused(404, message, "ResourceNotFoundException", _RESOURCES)
        if request.method != "GET" and not self._permissions.administers(
            Place.of(project), kind, resource, request.who
        ):
            message = f"Access denied. {request.who.display_name} needs the Administrator role on the resource "
            raise errors.refused(403, f"{message}'{kind}/{resource}'.", "AccessDeniedException", _RESOURCES)
        return kind, resource.lower()

    def _get(self, request: Request) -> Response:
        project = self._project(request)
        kind, resource = self._checked(request, project, request.match["kind"], request.match["resource"])
        return Response(200, self._shown(project, kind, resource))

    def _change(self, request: Request) -> Response:
        project = self._project(request)
        kind, resource = self._checked(request, project, request.match["kind"], request.match["resource"])
        self._permissions.change(project["id"], kind, resource, request.who, request.json)
        return Response(200, self._shown(project, kind, resource))

    def _change_several(self, request: Request) -> Response:
        """Change the permissions of several resources (the sample of the REST reference: a bare list)."""
        project = self._project(request)
        named = [(each, member(each, "resource")) for each in objects(request)]
        places = [self._checked(request, project, str(one.get("type")), str(one.get("id"))) for _, one in named]
        for (body, _), (kind, resource) in zip(named, places, strict=True):
            self._permissions.change(project["id"], kind, resource, request.who, body)
        value = [self._shown(project, *place) for place in places]
        return Response(200, {"count": len(value), "value": value})


def _key(project: str, kind: str, resource: str) -> str:
    return f"{project}/{kind}/{resource.lower()}"
