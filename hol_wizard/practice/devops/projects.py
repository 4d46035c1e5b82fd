"""Projects, processes, and the operations that create and delete them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, errors, paging
from hol_wizard.practice.devops.members import Members
from hol_wizard.practice.devops.organizations import PROCESSES, Organization, Process
from hol_wizard.practice.devops.pipeline_jobs import BuildService
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, member, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_REFUSED_NAME = re.compile(r"[\\/:*?\"<>|;#${},+=\[\]@!%^&'~`()]|^[_.]|\.$")
"""learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions, project names."""
_LONGEST_NAME = 64
_PAGE = 100
"""Default length of a page of projects."""
_RESTORABLE = 28 * 24 * 3600.0
"""Seconds for which a deleted project can be restored."""
_LONG_AGO = 1_577_836_800.0
"""2020-01-01: Azure Repos called the default branch `master` then."""


class Projects:
    """The projects of every organization; creation and deletion progress by the practice clock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("devops_projects", self)
        self._members = world.part(Members)
        self._deleted = world.collection("devops_deleted_projects", self)
        self._operations = world.collection("devops_operations", self)

    def serve(self, router: Router) -> None:
        """Handles requests about projects."""
        router.add("GET", "/{organization}/_apis/process/processes", self._processes)
        router.add(
            "GET",
            "/{organization}/_apis/projects",
            self._list,
            honors=f"stateFilter {paging.PARAMETERS}",
            refuses="getDefaultTeamImageUrl",
        )
        router.add("POST", "/{organization}/_apis/projects", self._create)
        # Projects are never renamed here, so `includeHistory` adds nothing.
        path = "/{organization}/_apis/projects/{project}"
        router.add("GET", path, self._get, honors="includeCapabilities", ignores="includeHistory")
        router.add("DELETE", "/{organization}/_apis/projects/{project}", self._delete)
        router.add("GET", "/{organization}/_apis/operations/{operation}", self._operation, ignores="pluginId")

    # What is there

    def all_of(self, organization: Organization) -> list[Document]:
        """Return the projects of an organization, in any state."""
        now, found = self._world.clock.now(), []
        old = seed.fixed_id(f"project {organization.name} {organization.old_project}")
        if organization.old_project and self._documents.get(old) is None:
            self._documents.put(old, self._old(organization, old))
        for key, each in self._documents.items():
            if each["gone"] is not None and each["gone"] <= now:
                # An initial project is recorded as removed.
                self._deleted.put(key, each)
                if "first_branch" not in each:
                    self._documents.delete(key)
            elif each["organization"] == organization.name:
                found.append(each)
        return found

    def named(self, identity: str) -> Document | None:
        """Return the project with an ID, in any organization and state, or None."""
        return self._documents.get(identity)

    def keep(self, project: Document) -> None:
        """Save a changed project."""
        self._documents.put(project["id"], project)

    def _old(self, organization: Organization, identity: str) -> Document:
        return {
            "id": identity,
            "organization": organization.name,
            "collection": organization.id,
            "name": organization.old_project,
            "description": "",
            "visibility": "private",
            "process": next(each.id for each in PROCESSES if each.name == "Scrum"),
            "source_control": "Git",
            "team": seed.fixed_id(f"team {identity}"),
            "revision": 11,
            "created": _LONG_AGO,
            "updated": _LONG_AGO,
            "ready": _LONG_AGO,
            "gone": None,
            "owner": seed.ORGANIZER.id,
            "members": sorted(organization.members),
            "first_branch": "master",
        }

    def _state(self, project: Document) -> str:
        if project["gone"] is not None:
            return "deleting"
        return "wellFormed" if project["ready"] <= self._world.clock.now() else "createPending"

    def sees(self, organization: Organization, who: seed.Principal, project: Document) -> bool:
        """Return whether somebody may see a project: a private one is visible to its members only ("About
        projects")."""
        return project["visibility"] == "public" or self.has_member(organization, who, project)

    def has_member(self, organization: Organization, who: seed.Principal, project: Document) -> bool:
        """Return whether somebody is a member of a project.

        Members are its creator ("The person who creates a project is automatically added as a member to the Project
        Administrators group"), those who were added, and all administrators of the organization.
        """
        return bool(self.kind_of_member(organization, who, project))

    def kind_of_member(self, organization: Organization, who: seed.Principal, project: Document) -> str:
        """Return the group of a project in which somebody is, such as `projectReader`; empty if they are in none.

        Members who were there from the beginning are contributors.
        """
        if isinstance(who, BuildService):
            return "projectReader" if who.project == project["id"] else ""
        if who.id == project["owner"] or who.id in organization.administrators:
            return "projectAdministrator"
        invited = self._members.of(organization.name, who.id)
        if invited is not None and not invited["removed"] and project["id"] in invited["projects"]:
            return str(invited["projects"][project["id"]])
        return "projectContributor" if who.id in project.get("members", ()) else ""

    def administers(self, organization: Organization, who: seed.Principal, project: Document) -> bool:
        """Return whether somebody is an administrator of a project."""
        return self.kind_of_member(organization, who, project) == "projectAdministrator"

    def contributes(self, organization: Organization, who: seed.Principal, project: Document) -> bool:
        """Return whether somebody may change what is in a project: all members except readers."""
        return self.kind_of_member(organization, who, project) not in {"", "projectReader"}

    def creates(self, organization: Organization, who: seed.Principal, project: Document) -> bool:
        """Return whether somebody may create service connections and variable groups in a project."""
        kind = self.kind_of_member(organization, who, project)
        return kind in {"projectAdministrator", "projectContributor"}

    def called(self, organization: Organization, name_or_id: str) -> Document | None:
        """Return the project of an organization with a name or an ID, even if the caller may not see it, or None."""
        wanted = name_or_id.lower()
        return next((each for each in self.all_of(organization) if wanted in {each["id"], each["name"].lower()}), None)

    def find(self, organization: Organization, who: seed.Principal, name_or_id: str) -> Document:
        """Return a project.

        Raises:
            Refused: There is none with this name or ID, or the caller may not see it: the error is the same.
        """
        wanted = name_or_id.lower()
        for each in self.all_of(organization):
            if wanted in {each["id"], each["name"].lower()} and self.sees(organization, who, each):
                return each
        raise errors.no_project(name_or_id)

    def name_of(self, identity: str) -> str:
        """Return the name of the project with an ID; empty if there is none."""
        project = self.named(identity)
        return str(project["name"]) if project is not None else ""

    def referenced(
        self, request: Request, organization: Organization, references: Iterable[JsonObject]
    ) -> list[tuple[str, JsonObject]]:
        """Return the projects of a resource that several can share: the ID of each with its reference.

        Without references, it is the project of the path, if there is one there.

        Args:
            request: The request.
            organization: Its organization.
            references: The references in the body, each with a `projectReference`.

        Raises:
            Refused: As for `find`.
        """
        wanted = [(member(each, "projectReference"), each) for each in references]
        named = [(str(there.get("id") or there.get("name") or ""), each) for there, each in wanted]
        if not named and "project" in request.match:
            named = [(request.match["project"], {})]
        return [(str(self.find(organization, request.who, name)["id"]), each) for name, each in named]

    def chosen(self, request: Request, organization: Organization) -> list[str]:
        """Return the IDs of the projects that `projectIds` names, or of the path's project.

        Raises:
            Refused: As for `find`.
        """
        names = paging.words(request, "projectIds")
        if not names and "project" in request.match:
            names = [request.match["project"]]
        return [str(self.find(organization, request.who, each)["id"]) for each in names]

    def reference(self, request: Request, project: Document) -> JsonObject:
        """Return a reference to a project (TeamProjectReference)."""
        shown = {
            "id": project["id"],
            "name": project["name"],
            "url": f"{_base(request, project['organization'])}/_apis/projects/{project['id']}",
            "state": self._state(project),
            "revision": project["revision"],
            "visibility": project["visibility"],
            "lastUpdateTime": short_timestamp(project["updated"]),
        }
        return {**shown, "description": project["description"]} if project["description"] else shown

    def _shown(self, request: Request, project: Document, *, capabilities: bool) -> JsonObject:
        base, shown = _base(request, project["organization"]), self.reference(request, project)
        team = {"id": project["team"], "name": f"{project['name']} Team"}
        shown["_links"] = {
            "self": {"href": shown["url"]},
            "collection": {"href": f"{base}/_apis/projectCollections/{project['collection']}"},
            "web": {"href": f"{base}/{project['name']}"},
        }
        shown["defaultTeam"] = {**team, "url": f"{shown['url']}/teams/{project['team']}"}
        if capabilities:
            process = _process(project["process"])
            shown["capabilities"] = {
                "processTemplate": {"templateName": process.name, "templateTypeId": process.id},
                "versioncontrol": {
                    "sourceControlType": project["source_control"],
                    "gitEnabled": str(project["source_control"] == "Git"),
                    "tfvcEnabled": str(project["source_control"] != "Git"),
                },
            }
        return shown

    # What is asked

    def _processes(self, request: Request) -> Response:
        base = _base(request, access.organization(request).name)
        value = [
            {
                "id": each.id,
                "description": each.description,
                "isDefault": each.is_default,
                "type": "system",
                "url": f"{base}/_apis/process/processes/{each.id}",
                "name": each.name,
            }
            for each in PROCESSES
        ]
        return Response(200, {"count": len(value), "value": value})

    def _list(self, request: Request) -> Response:
        wanted = request.query.get("statefilter", "wellFormed")
        organization = access.organization(request)
        if wanted == "deleted":
            return self._list_deleted(request, organization)
        # "Get all projects in the organization that the authenticated user has access to" (Projects - List).
        found = [
            each
            for each in self.all_of(organization)
            if (wanted == "all" or self._state(each) == wanted) and self.sees(organization, request.who, each)
        ]
        found = sorted(found, key=lambda each: str(each["name"]).lower())
        return paging.page(request, [self.reference(request, each) for each in found], top=_PAGE)

    def _list_deleted(self, request: Request, organization: Organization) -> Response:
        """Return the deleted projects that can still be restored, for 28 days ("Restore a deleted project"), if they
        were visible to the caller."""
        self.all_of(organization)
        since = self._world.clock.now() - _RESTORABLE
        found = [
            {**self.reference(request, each), "state": "deleted"}
            for each in self._deleted.values()
            if each["organization"] == organization.name
            and each["gone"] > since
            and self.sees(organization, request.who, each)
        ]
        return Response(200, {"count": len(found), "value": found})

    def _get(self, request: Request) -> Response:
        project = self.find(access.organization(request), request.who, request.match["project"])
        wants = request.query.get("includecapabilities", "").lower() == "true"
        return Response(200, self._shown(request, project, capabilities=wants))

    def _create(self, request: Request) -> Response:
        organization, body = access.organization(request), request.json
        if not organization.may_create_projects(request.who.id):
            raise errors.not_permitted(request.who.client, "Create new projects")
        name = text(body, "name")
        if not name or len(name) > _LONGEST_NAME or _REFUSED_NAME.search(name):
            message = f"VS402865: The project name '{name}' is not valid."
            raise errors.refused(400, message, "InvalidProjectNameException")
        if any(each["name"].lower() == name.lower() for each in self.all_of(organization)):
            message = (
                f"TF200019: The following project already exists on the Azure DevOps Server: {name}. You cannot create "
                "a new project with the same name as an existing project. Provide a different name."
            )
            raise errors.refused(400, message, "ProjectAlreadyExistsException")
        capabilities = body.get("capabilities") or {}
        process = _process(str((capabilities.get("processTemplate") or {}).get("templateTypeId") or ""))
        source = str((capabilities.get("versioncontrol") or {}).get("sourceControlType") or "")
        if source.lower() not in {"git", "tfvc"}:
            raise errors.refused(
                400, "The project's version control type is not valid.", "VssPropertyValidationException"
            )
        now, due = self._world.clock.now(), self._world.clock.due("Azure DevOps project")
        project: Document = {
            "id": str(uuid.uuid4()),
            "organization": organization.name,
            "collection": organization.id,
            "name": name,
            "description": text(body, "description"),
            "visibility": str(body.get("visibility") or "private"),
            "process": process.id,
            "source_control": "Git" if source.lower() == "git" else "Tfvc",
            "team": str(uuid.uuid4()),
            "revision": 11,
            "created": now,
            "updated": now,
            "ready": due,
            "gone": None,
            "owner": request.who.id,
        }
        self._documents.put(project["id"], project)
        return self._begin(request, organization, due)

    def _delete(self, request: Request) -> Response:
        organization = access.organization(request)
        # Only the ID is accepted: a name is refused (recorded calls; Projects - Delete, `projectId` uuid).
        project = self.find(organization, request.who, request.match["project"])
        if request.who.id != project["owner"] and request.who.id not in organization.administrators:
            raise errors.not_permitted(request.who.client, "Delete team project")
        due = self._world.clock.due("Azure DevOps project delete")
        self._documents.put(project["id"], {**project, "gone": due})
        return self._begin(request, organization, due)

    def _begin(self, request: Request, organization: Organization, due: float) -> Response:
        operation: Document = {"id": str(uuid.uuid4()), "organization": organization.name, "due": due}
        self._operations.put(operation["id"], operation)
        url = f"{_base(request, organization.name)}/_apis/operations/{operation['id']}"
        return Response(202, {"id": operation["id"], "status": "notSet", "url": url})

    def _operation(self, request: Request) -> Response:
        organization = access.organization(request)
        found = self._operations.get(request.match["operation"].lower())
        if found is None or found["organization"] != organization.name:
            message = f"VS403304: The operation {request.match['operation']} does not exist."
            raise errors.refused(404, message, "OperationNotFoundException")
        url = f"{_base(request, organization.name)}/_apis/operations/{found['id']}"
        status = "succeeded" if found["due"] <= self._world.clock.now() else "inProgress"
        return Response(200, {"id": found["id"], "status": status, "url": url, "_links": {"self": {"href": url}}})


def _base(request: Request, organization: str) -> str:
    return f"{request.base}/{organization}"


def _process(identity: str) -> Process:
    for each in PROCESSES:
        if each.id == identity.lower():
            return each
    message = f"VS402363: The process template with id {identity or seed.fixed_id('none')} does not exist."
    raise errors.refused(404, message, "ProcessNotFoundByTypeIdException")
