"""vssps.dev.azure.com: the security groups of projects and their members, and identities by name.

Graph 7.1 (Groups - List, Descriptors - Get, Memberships - Add, List, Check, Remove), Identities - Read Identities.
`subjectlookup` has no description: its form is that of the official client (azure-devops, `graph_client.py`). No
responses are recorded.
"""

from __future__ import annotations

import base64
from typing import Final

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, errors
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.users import Users, descriptor, sign_in_name, subject
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

KINDS: Final = {
    "projectContributor": (
        "Contributors",
        "Members of this group can add, modify, and delete items within the project.",
    ),
    "projectReader": ("Readers", "Members of this group have access to the project."),
    "projectAdministrator": (
        "Project Administrators",
        "Members of this group can perform all operations in the project.",
    ),
}
"""The groups of every project by the kind that a project entitlement names, with their descriptions in a new
project."""


class Groups:
    """The groups of every project; memberships are stored with the users."""

    def __init__(self, world: World, router: Router) -> None:
        self._users = world.part(Users)
        self._projects = world.part(Projects)
        path = "/{organization}/_apis/graph"
        router.add(
            "GET", f"{path}/groups", self._list, honors="scopeDescriptor subjectTypes", ignores="continuationToken"
        )
        router.add("GET", f"{path}/groups/{{group}}", self._get)
        router.add("GET", f"{path}/descriptors/{{key}}", self._descriptor)
        router.add("POST", f"{path}/subjectlookup", self._lookup)
        router.add("GET", f"{path}/memberships/{{subject}}", self._memberships, honors="direction", ignores="depth")
        one = f"{path}/memberships/{{subject}}/{{group}}"
        router.add("PUT", one, self._enter)
        router.add("HEAD", one, self._check)
        router.add("GET", one, self._check)
        router.add("DELETE", one, self._leave)
        router.add(
            "GET",
            "/{organization}/_apis/identities",
            self._identities,
            honors="searchFilter filterValue identityIds subjectDescriptors",
            refuses="descriptors",
            ignores="queryMembership",
        )

    # Groups

    def _all(self, organization: Organization, who: seed.Principal) -> list[tuple[Document, str]]:
        """Return the groups that are visible to the caller: the project and the kind of each."""
        found = [each for each in self._projects.all_of(organization) if self._projects.sees(organization, who, each)]
        return [(project, kind) for project in found for kind in KINDS]

    def _shown(self, request: Request, project: Document, kind: str) -> JsonObject:
        name, description = KINDS[kind]
        identity = group_descriptor(project, kind)
        return {
            "subjectKind": "group",
            "description": description,
            "domain": f"vstfs:///Classification/TeamProject/{project['id']}",
            "principalName": f"[{project['name']}]\\{name}",
            "mailAddress": None,
            "origin": "vsts",
            "originId": group_id(project, kind),
            "displayName": name,
            "url": f"{request.base}/{project['organization']}/_apis/Graph/Groups/{identity}",
            "descriptor": identity,
        }

    def _list(self, request: Request) -> Response:
        organization = access.organization(request)
        scope, kinds = request.query.get("scopedescriptor"), request.query.get("subjecttypes", "vssgp")
        shown = [
            self._shown(request, project, kind)
            for project, kind in self._all(organization, request.who)
            if scope in {None, _scope(project)} and "vssgp" in kinds.split(",")
        ]
        return Response(200, {"count": len(shown), "value": shown})

    def _get(self, request: Request) -> Response:
        return Response(200, self._shown(request, *self._group(request, request.match["group"])))

    def _group(self, request: Request, wanted: str) -> tuple[Document, str]:
        for project, kind in self._all(access.organization(request), request.who):
            if group_descriptor(project, kind) == wanted:
                return project, kind
        raise _no_subject(wanted)

    # Subjects

    def _descriptor(self, request: Request) -> Response:
        """Return the Graph API's descriptor of a project or a user (Descriptors - Get)."""
        organization, key = access.organization(request), request.match["key"].lower()
        user = self._users.find(organization, id=key)
        if user is not None:
            value = descriptor(user)
        else:
            project = self._projects.named(key)
            if project is None or not self._projects.sees(organization, request.who, project):
                raise _no_subject(key)
            value = _scope(project)
        return Response(200, {"value": value, "_links": {}})

    def _lookup(self, request: Request) -> Response:
        keys = [str(each.get("descriptor")) for each in request.json.get("lookupKeys") or () if isinstance(each, dict)]
        organization, found = access.organization(request), {}
        for user in self._users.of(organization):
            if descriptor(user) in keys:
                found[descriptor(user)] = subject(user)
        for project, kind in self._all(organization, request.who):
            if group_descriptor(project, kind) in keys:
                found[group_descriptor(project, kind)] = self._shown(request, project, kind)
        return Response(200, {"count": len(found), "value": found})

    def _user(self, request: Request) -> Document:
        organization, wanted = access.organization(request), request.match["subject"]
        for each in self._users.of(organization):
            if descriptor(each) == wanted:
                return dict(each)
        raise _no_subject(wanted)

    # Memberships

    def _memberships(self, request: Request) -> Response:
        organization, wanted = access.organization(request), request.match["subject"]
        down = request.query.get("direction", "up").lower() == "down"
        pairs = [
            (descriptor(user), group_descriptor(project, kind))
            for project, kind in self._all(organization, request.who)
            for user in self._users.of(organization)
            if user["projects"].get(project["id"]) == kind
        ]
        shown = [_membership(user, group) for user, group in pairs if wanted == (group if down else user)]
        return Response(200, {"count": len(shown), "value": shown})

    def _enter(self, request: Request) -> Response:
        user, project, kind = self._changed(request)
        self._users.keep({**user, "projects": {**user["projects"], project["id"]: kind}})
        return Response(200, _membership(descriptor(user), request.match["group"]))

    def _check(self, request: Request) -> Response:
        user, (project, kind) = self._user(request), self._group(request, request.match["group"])
        if user["projects"].get(project["id"]) != kind:
            raise _no_subject(request.match["subject"])
        return Response(200, _membership(descriptor(user), request.match["group"]) if request.method == "GET" else None)

    def _leave(self, request: Request) -> Response:
        user, project, kind = self._changed(request)
        if user["projects"].get(project["id"]) == kind:
            left = {identity: each for identity, each in user["projects"].items() if identity != project["id"]}
            self._users.keep({**user, "projects": left})
        return Response(200)

    def _changed(self, request: Request) -> tuple[Document, Document, str]:
        """Return the user, project and kind of a membership that the caller may change.

        Raises:
            Refused: They may not, or there is no such user or group.
        """
        organization, (project, kind) = access.organization(request), self._group(request, request.match["group"])
        if request.who.id not in organization.administrators:
            raise errors.not_permitted(request.who.client, "Edit group memberships")
        return self._user(request), project, kind

    # Identities

    def _identities(self, request: Request) -> Response:
        """Return users by ID, by descriptor, or by a search term (Identities - Read Identities)."""
        organization, wanted = access.organization(request), request.query.get("filtervalue", "").lower()
        kind = request.query.get("searchfilter", "").lower()
        ids = request.query.get("identityids", "").lower().split(",")
        subjects = request.query.get("subjectdescriptors", "").split(",")
        found = [
            each
            for each in self._users.of(organization)
            if each["id"] in ids or descriptor(each) in subjects or (wanted and wanted in _names(each, kind))
        ]
        return Response(200, {"count": len(found), "value": [_identity(each) for each in found]})


def _names(user: Document, kind: str) -> set[str]:
    """Return somebody's searchable values, in lowercase: `general` covers display name, account and mail address."""
    mail = str(user["mail"]).lower()
    if kind == "general":
        return {mail, str(user["name"]).lower(), sign_in_name(mail).lower()}
    names = {"accountname": sign_in_name(mail), "displayname": str(user["name"]), "mailaddress": mail}
    names["directoryalias"] = mail.partition("@")[0]
    return {names[kind].lower()} if kind in names else set()


def _identity(user: Document) -> JsonObject:
    def text(value: str) -> JsonObject:
        return {"$type": "System.String", "$value": value}

    account = sign_in_name(user["mail"])
    return {
        "id": user["id"],
        "descriptor": f"Microsoft.IdentityModel.Claims.ClaimsIdentity;{seed.TENANT}\\{account}",
        "subjectDescriptor": descriptor(user),
        "providerDisplayName": user["name"],
        "isActive": True,
        "members": [],
        "memberOf": [],
        "memberIds": [],
        "properties": {
            "SchemaClassName": text("User"),
            "Domain": text(seed.TENANT),
            "Account": text(account),
            "Mail": text(user["mail"]),
        },
        "resourceVersion": 2,
        "metaTypeId": 0,
    }


def _membership(member: str, container: str) -> JsonObject:
    return {"containerDescriptor": container, "memberDescriptor": member, "_links": {}}


def group_id(project: Document, kind: str) -> str:
    """Return the ID of a group in its organization (`originId`)."""
    return seed.fixed_id(f"group {project['id']} {kind}")


def group_descriptor(project: Document, kind: str) -> str:
    """Return the Graph API's descriptor of a group."""
    return "vssgp." + _encoded(group_id(project, kind))


def _scope(project: Document) -> str:
    return f"scp.{_encoded(project['id'])}"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


def _no_subject(wanted: str) -> Refused:
    """The text is an estimate."""
    message = f"VS860016: Could not find an identity with subject descriptor '{wanted}'."
    return errors.refused(404, message, "GraphSubjectNotFoundException")
