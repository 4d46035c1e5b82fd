"""People: the signed-in person, the users, their directory roles, and what everybody may do.

Operations: me GetUser, users ListUser, GetUser, directoryObjects getByIds (graph). Our copy of the description contains
    neither `transitiveMemberOf` nor the authorization policy: their format is from the examples in "List a user's
memberships" and "Get authorizationPolicy" of the Graph reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hol_wizard.practice import seed
from hol_wizard.practice.directory import objects, odata, service_principals
from hol_wizard.practice.directory.odata import Query, Wishes
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service
from hol_wizard.practice.kernel.world import World

_METADATA = "https://graph.microsoft.com/v1.0/$metadata"
_ROLES: Final[Wishes] = {
    "honors": "$select",
    "refuses": "$filter $top $skiptoken $count $search $orderby $expand $skip",
}
"""`$select` works only on the roles ("List a user's memberships"); nothing here has enough of them for more."""


class People:
    """Shows people and what they may do in the directory."""

    def __init__(self, graph: Service) -> None:
        self._graph = graph
        self._world = graph.world
        self._query = Query(graph, "users", "User", ("id", "displayName", "userPrincipalName", "mail"))
        self._role_query = Query(graph, "directoryObjects", "directoryObject", ())
        add = graph.router.add
        add("GET", "/v1.0/me", self._me, **odata.ONE)
        for member in ("memberOf", "transitiveMemberOf"):
            add("GET", f"/v1.0/me/{member}", self._roles, **odata.NONE)
            add("GET", f"/v1.0/me/{member}/microsoft.graph.directoryRole", self._roles, **_ROLES)
        add("GET", "/v1.0/users", self._users, **odata.MANY)
        add("GET", "/v1.0/users/{user}", self._user, **odata.ONE)
        add("POST", "/v1.0/directoryObjects/getByIds", self._by_ids)
        add("GET", "/v1.0/policies/authorizationPolicy", self._policy)

    def _person(self, request: Request) -> seed.Principal:
        if request.who.app_id:
            raise Refused(
                self._graph.error(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
            )
        return request.who

    def _reader(self, request: Request) -> None:
        if not objects.may_read(request.who):
            raise Refused(
                self._graph.error(
                    403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
                )
            )

    def _me(self, request: Request) -> Response:
        return self._query.one(request, _user(self._person(request)))

    def _roles(self, request: Request) -> Response:
        name = seed.DIRECTORY_ROLES.get(self._person(request).id)
        values = []
        if name is not None:
            values = [
                {
                    "@odata.type": "#microsoft.graph.directoryRole",
                    "id": seed.fixed_id(f"directory role {name}"),
                    "deletedDateTime": None,
                    "description": "Can create and manage all aspects of app registrations and enterprise apps.",
                    "displayName": name,
                    "roleTemplateId": seed.ROLE_TEMPLATES[name],
                }
            ]
        return self._role_query.many(request, values)

    def _users(self, request: Request) -> Response:
        self._reader(request)
        return self._query.many(request, (_user(each) for each in seed.USERS.values()))

    def _user(self, request: Request) -> Response:
        self._reader(request)
        wanted = request.match["user"].lower()
        found = next((each for each in seed.USERS.values() if wanted in {each.id, each.name}), None)
        if found is None:
            return self._graph.error(
                404,
                "Request_ResourceNotFound",
                f"Resource '{wanted}' does not exist or one of its queried reference-property objects are not present.",
            )
        return self._query.one(request, _user(found))

    def _by_ids(self, request: Request) -> Response:
        self._reader(request)
        return response(self._world, [str(each).lower() for each in request.json.get("ids") or []])

    def _policy(self, request: Request) -> Response:
        self._reader(request)
        return Response(
            200,
            {
                "@odata.context": f"{_METADATA}#policies/authorizationPolicy/$entity",
                "id": "authorizationPolicy",
                "allowInvitesFrom": "everyone",
                "allowedToSignUpEmailBasedSubscriptions": True,
                "allowedToUseSSPR": True,
                "allowEmailVerifiedUsersToJoinOrganization": False,
                "allowUserConsentForRiskyApps": None,
                "blockMsolPowerShell": False,
                "description": "Used to manage authorization related settings across the company.",
                "displayName": "Authorization Policy",
                "guestUserRoleId": "10dae51f-b6af-4016-8d66-8c2a99b929b3",
                "defaultUserRolePermissions": {
                    "allowedToCreateApps": self._world.setting("register_applications"),
                    "allowedToCreateSecurityGroups": True,
                    "allowedToReadBitlockerKeysForOwnedDevice": True,
                    "allowedToReadOtherUsers": True,
                    "permissionGrantPoliciesAssigned": [],
                },
            },
        )


def _user(person: seed.Principal) -> JsonObject:
    given, _, family = person.display_name.partition(" ")
    return {
        "businessPhones": [],
        "displayName": person.display_name,
        "givenName": given,
        "jobTitle": None,
        "mail": person.name,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": "en-US",
        "surname": family,
        "userPrincipalName": person.name,
        "id": person.id,
    }


def response(world: World, ids: Iterable[str]) -> Response:
    """Return the response with the people and service principals with these IDs; unknown IDs are omitted."""
    principals = {each["id"]: each for each in objects.service_principals(world)}
    people = {each.id: each for each in seed.USERS.values()}
    values: list[JsonObject] = []
    for each in ids:
        if each in people:
            values.append({"@odata.type": "#microsoft.graph.user", **_user(people[each])})
        elif each in principals:
            shown = service_principals.shown(principals[each])
            values.append({"@odata.type": "#microsoft.graph.servicePrincipal", **shown})
    return Response(200, {"@odata.context": f"{_METADATA}#directoryObjects", "value": values})
