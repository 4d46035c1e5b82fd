"""vsaex.dev.azure.com: the users of an organization, with their access levels and projects."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, errors
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.service import Part
from hol_wizard.practice.devops.users import Users, subject
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, member, members, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

LEVELS = {"express": "Basic", "stakeholder": "Stakeholder"}
"""Access levels that can be assigned here, and their names (recorded: `licenseDisplayName`)."""
GROUPS = {"projectContributor": "Contributors", "projectReader": "Readers", "projectAdministrator": "Administrators"}
BASIC_AT_MOST = 8
"""Number of Basic licenses of an organization here; in Azure DevOps the first five are free."""
_NO_LICENSE = {"key": 5000, "value": "There are no available licenses of this type in this organization."}
_UNKNOWN = {"key": 5001, "value": "VS403284: The user could not be found in the organization's directory."}
"""Codes and texts are estimates: no error of this service is recorded."""


class DevOpsEntitlements(Part):
    """The users of every organization: the initial ones and those who were added."""

    name = "devops_entitlements"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._users = world.part(Users)
        self._projects = world.part(Projects)
        path = "/{organization}/_apis/userentitlements"
        self.router.add(
            "GET",
            path,
            self._list,
            honors="$filter select",
            refuses="filter top skip sortOption continuationToken $orderBy",
        )
        self.router.add("POST", path, self._add)
        self.router.add("PATCH", path, self._add_many, ignores="doNotSendInviteForNewUsers")
        self.router.add("PATCH", f"{path}/{{user}}", self._change)
        self.router.add("DELETE", f"{path}/{{user}}", self._remove)

    def _list(self, request: Request) -> Response:
        found = self._users.of(access.organization(request))
        wanted = re.fullmatch(r"name eq '(.*)'", request.query.get("$filter", ""))
        if wanted:
            found = [each for each in found if wanted[1].lower() in f"{each['mail']} {each['name']}".lower()]
        with_projects = "projects" in request.query.get("select", "").lower()
        shown = [self._shown(each, with_projects) for each in found]
        return Response(200, {"members": shown, "items": shown, "continuationToken": None, "totalCount": len(shown)})

    def _add(self, request: Request) -> Response:
        result = self._added(self._managed(request), request.json)
        shown = result["result"]
        return Response(200, {"operationResult": result, "isSuccess": result["isSuccess"], "userEntitlement": shown})

    def _add_many(self, request: Request) -> Response:
        """Add users (User Entitlements - Update User Entitlements), as `az devops user add` does.

        Other operations than `add` of a whole user are not served.

        Raises:
            Refused: There is another operation.
        """
        organization, changes = self._managed(request), json.loads(request.content)
        if not isinstance(changes, list) or not all(isinstance(each, dict) for each in changes):
            raise ValueError("no JSON Patch")
        if any(str(each.get("op")).lower() != "add" or each.get("path") not in {"", "/"} for each in changes):
            raise errors.refused(
                400, "The practice cloud only serves the operation 'add' of a user here.", "NotSupportedException"
            )
        if not all(isinstance(each.get("value"), dict) for each in changes):
            raise ValueError("no user to add")
        results = [self._added(organization, each["value"]) for each in changes]
        succeeded = all(each["isSuccess"] for each in results)
        body = {
            "id": str(uuid.uuid4()),
            "status": "succeeded" if succeeded else "failed",
            "completed": True,
            "haveResultsSucceeded": succeeded,
            "results": results,
        }
        return Response(200, body)

    def _added(self, organization: Organization, body: JsonObject) -> JsonObject:
        """Add a user, and return the result, which can be an error."""
        mail = text(member(body, "user"), "principalName").lower()
        level = str(member(body, "accessLevel").get("accountLicenseType") or "express")
        found = next((each for each in self._users.of(organization) if each["mail"].lower() == mail), None)
        person = seed.USERS.get(mail)
        refusal = self._refusal(organization, mail, level) if found is None else None
        if refusal is not None:
            return {"isSuccess": False, "errors": [refusal], "userId": str(uuid.UUID(int=0)), "result": None}
        identity = str(uuid.uuid4())
        if person is not None:
            identity = member_id(organization.name, person.id)
        name = person.display_name if person else mail
        user = found or self._users.made(organization, identity, mail, name, level)
        for each in members(body, "projectEntitlements"):
            self._enter(user, each)
        self._users.keep(user)
        return {"isSuccess": True, "errors": [], "userId": user["id"], "result": self._shown(user, True)}

    def _refusal(self, organization: Organization, mail: str, level: str) -> JsonObject | None:
        guest = not mail.endswith(f"@{seed.TENANT_DOMAIN}")
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", mail) or (not guest and mail not in seed.USERS):
            return _UNKNOWN
        paid = [each for each in self._users.of(organization) if each["level"] == "express"]
        return _NO_LICENSE if level == "express" and len(paid) >= BASIC_AT_MOST else None

    def _enter(self, user: Document, entitlement: JsonObject) -> None:
        project = text(member(entitlement, "projectRef"), "id").lower()
        if self._projects.named(project) is None:
            raise errors.no_project(project)
        group = str(member(entitlement, "group").get("groupType") or "projectContributor")
        user["projects"] = {**user["projects"], project: group}

    def _change(self, request: Request) -> Response:
        organization = self._managed(request)
        user = self._find(organization, request.match["user"])
        changes: Any = json.loads(request.content)
        if not isinstance(changes, list) or not all(isinstance(each, dict) for each in changes):
            raise ValueError("no JSON Patch")
        for change in changes:
            path, value = str(change.get("path")).lower(), member(change, "value")
            if path == "/accesslevel":
                user["level"] = str(value.get("accountLicenseType") or user["level"])
            elif path.startswith("/projectentitlements"):
                self._enter(user, value)
        self._users.keep(user)
        shown = self._shown(user, True)
        result = {"isSuccess": True, "errors": [], "userId": user["id"], "result": shown}
        return Response(200, {"operationResults": [result], "isSuccess": True, "userEntitlement": shown})

    def _remove(self, request: Request) -> Response:
        organization = self._managed(request)
        user = self._find(organization, request.match["user"])
        self._users.keep({**user, "removed": True})
        return Response(204)

    def _find(self, organization: Organization, identity: str) -> Document:
        for each in self._users.of(organization):
            if each["id"] == identity.lower():
                return dict(each)
        raise errors.refused(404, f"VS403285: The user {identity} was not found.", "MemberNotFoundException")

    def _managed(self, request: Request) -> Organization:
        organization = access.organization(request)
        if request.who.id not in organization.administrators:
            raise errors.not_permitted(request.who.client, "Manage user entitlements")
        return organization

    def _shown(self, user: Document, with_projects: bool) -> JsonObject:
        projects = [
            {
                "group": {"groupType": group, "displayName": GROUPS.get(group, group)},
                "projectRef": {"id": project, "name": (self._projects.named(project) or {"name": ""})["name"]},
                "assignmentSource": "unknown",
                "teamRefs": [],
            }
            for project, group in user["projects"].items()
            if self._projects.named(project) is not None
        ]
        return {
            "id": user["id"],
            "user": subject(user),
            "accessLevel": {
                "licensingSource": "account",
                "accountLicenseType": user["level"],
                "msdnLicenseType": "none",
                "licenseDisplayName": LEVELS.get(user["level"], user["level"]),
                "status": "pending" if user["projects"] else "active",
                "statusMessage": "",
                "assignmentSource": "unknown",
            },
            "lastAccessedDate": "0001-01-01T00:00:00Z",
            "dateCreated": short_timestamp(user["created"]),
            "projectEntitlements": projects if with_projects else [],
            "extensions": [],
            "groupAssignments": [],
        }
