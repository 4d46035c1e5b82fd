"""Settings and permissions: properties and teams of projects, the caller's permissions."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from hol_wizard.practice.devops import access, errors, paging
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.service import Request, Response, Router
from hol_wizard.practice.kernel.store import Document

COLLECTION_NAMESPACE = "3e65f728-f8bc-4ecd-8764-7e378b19bfa7"
"""Security namespace "Collection" (azure/devops/organizations/security/namespace-reference)."""
CREATE_PROJECTS = 4
"""Its bit for "Create new projects" (the same page)."""


class Settings:
    """Handles the requests of the doctor and of pipelines about an organization."""

    def __init__(self, router: Router, projects: Projects) -> None:
        self._projects = projects
        properties = "/{organization}/_apis/projects/{project}/properties"
        router.add("GET", properties, self._properties, honors="keys")
        router.add("PATCH", properties, self._set_properties)
        router.add(
            "GET",
            "/{organization}/_apis/projects/{project}/teams",
            self._teams,
            honors="$top $skip",
            refuses="$mine $expandIdentity",
        )
        router.add(
            "GET",
            "/{organization}/_apis/permissions/{namespace}/{permissions}",
            self._has_permissions,
            refuses="tokens alwaysAllowAdministrators",
            ignores="delimiter",
        )

    def _properties(self, request: Request) -> Response:
        project = self._projects.find(access.organization(request), request.who, request.match["project"])
        git = project["source_control"] == "Git"
        found = {
            "System.CurrentProcessTemplateId": project["process"],
            "System.SourceControlCapabilityFlags": "2" if git else "1",
            "System.SourceControlGitEnabled": str(git),
            **project.get("properties", {}),
        }
        wanted = [each.lower() for each in paging.words(request, "keys")]
        value = [
            {"name": name, "value": held}
            for name, held in found.items()
            if not wanted or any(fnmatchcase(name.lower(), each) for each in wanted)
        ]
        return Response(200, {"count": len(value), "value": value})

    def _set_properties(self, request: Request) -> Response:
        organization = access.organization(request)
        project = self._projects.find(organization, request.who, request.match["project"])
        if request.who.id != project["owner"] and request.who.id not in organization.administrators:
            raise errors.not_permitted(request.who.client, "Edit project-level information")
        changes: Any = json.loads(request.content)
        if not isinstance(changes, list):
            raise ValueError("no JSON Patch")
        properties = dict(project.get("properties", {}))
        for change in changes:
            name = str(change["path"]).removeprefix("/")
            if change["op"] == "remove":
                properties.pop(name, None)
            else:
                properties[name] = change["value"]
        self._projects.keep({**project, "properties": properties})
        return Response(204)

    def _teams(self, request: Request) -> Response:
        organization = access.organization(request)
        project: Document = self._projects.find(organization, request.who, request.match["project"])
        base = f"{request.base}/{organization.name}/_apis"
        team = {
            "id": project["team"],
            "name": f"{project['name']} Team",
            "url": f"{base}/projects/{project['id']}/teams/{project['team']}",
            "description": "The default project team.",
            "identityUrl": f"{base}/Identities/{project['team']}",
            "projectName": project["name"],
            "projectId": project["id"],
        }
        return paging.page(request, [team])

    def _has_permissions(self, request: Request) -> Response:
        """Return whether the caller has permissions (Permissions - Has Permissions); only that to create projects is
        supported."""
        organization = access.organization(request)
        wanted = request.match["permissions"]
        if request.match["namespace"].lower() != COLLECTION_NAMESPACE or not wanted.isdigit():
            message = f"The security namespace {request.match['namespace']} could not be found."
            raise errors.refused(400, message, "InvalidSecurityNamespaceException")
        has = organization.may_create_projects(request.who.id) and not int(wanted) & ~CREATE_PROJECTS
        has = has or request.who.id in organization.administrators
        return Response(200, {"count": 1, "value": [has]})
