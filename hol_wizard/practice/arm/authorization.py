"""Access control: RoleAssignments_Create, _Get, _Delete, _ListForScope, RoleDefinitions_List, _Get,
Permissions_ListForResourceGroup, _ListForResource (authorization).

Shapes and texts are those of `recordings/public/arm.authorization.*.jsonl` and `_errors.jsonl`.
"""

from __future__ import annotations

import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import ResourceGroups, Resources
from hol_wizard.practice.arm.locks import LEVELS, Locks
from hol_wizard.practice.arm.locks import PROVIDER as LOCKS
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.arm.roles import ROLES, Role
from hol_wizard.practice.directory.records import ServicePrincipalRecords
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response
from hol_wizard.practice.kernel.store import Document

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FILTER = re.compile(r"\s*(?:principalId eq '([^']+)'|assignedTo\('([^']+)'\))\s*")
_ROLE_FILTER = re.compile(r"\s*roleName eq '([^']+)'\s*")
_PROVIDER = "/providers/Microsoft.Authorization"


class Authorization:
    """Role assignments, role definitions, permissions."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        self._locks = manager.world.part(Locks)
        add = manager.router.add
        for scope in ("/subscriptions/{subscription}", "/subscriptions/{subscription}/{below*}"):
            add("GET", f"{scope}{_PROVIDER}/permissions", self._permissions)
            add(
                "GET",
                f"{scope}{_PROVIDER}/roleAssignments",
                self._list,
                honors="$filter",
                refuses="tenantId",
                ignores="$skipToken",
            )
            add("GET", f"{scope}{_PROVIDER}/roleAssignments/{{name}}", self._get, refuses="tenantId")
            add("PUT", f"{scope}{_PROVIDER}/roleAssignments/{{name}}", self._put)
            add("DELETE", f"{scope}{_PROVIDER}/roleAssignments/{{name}}", self._delete, refuses="tenantId")
            add("GET", f"{scope}{_PROVIDER}/locks", self._list_locks, honors="$filter")
            add("GET", f"{scope}{_PROVIDER}/locks/{{name}}", self._get_lock)
            add("PUT", f"{scope}{_PROVIDER}/locks/{{name}}", self._put_lock)
            add("DELETE", f"{scope}{_PROVIDER}/locks/{{name}}", self._delete_lock)
            add("GET", f"{scope}{_PROVIDER}/roleEligibilityScheduleInstances", self._eligibilities, honors="$filter")
            add("GET", f"{scope}{_PROVIDER}/roleDefinitions", self._definitions, honors="$filter")
            add("GET", f"{scope}{_PROVIDER}/roleDefinitions/{{name}}", self._definition)

    def _scope(self, request: Request) -> str:
        below = request.match.get("below")
        return f"/subscriptions/{self._arm.subscription(request).id}" + (f"/{below}" if below else "")

    def _list_locks(self, request: Request) -> Response:
        """List the locks of a scope and of everything below it; with `atScope()`, only those of the scope itself."""
        scope, wanted = self._scope(request), request.query.get("$filter", "").strip().lower()
        self._arm.require(request, "Microsoft.Authorization/locks/read", scope)
        if wanted not in {"", "atscope()"}:
            raise errors.refused(400, "InvalidFilterInQueryString", f"Invalid $filter '{wanted}' specified.")
        held = [each for each in self._locks.all() if f"{each['scope']}/".lower().startswith(f"{scope}/".lower())]
        return Response(200, {"value": [_lock(each) for each in held if not wanted or _same(each["scope"], scope)]})

    def _lock_place(self, request: Request, right: str) -> tuple[str, str]:
        scope = self._scope(request)
        self._arm.require(request, f"Microsoft.Authorization/locks/{right}", scope)
        return scope, f"{scope}{LOCKS}/{request.match['name']}"

    def _get_lock(self, request: Request) -> Response:
        _, identity = self._lock_place(request, "read")
        found = self._locks.find(identity)
        if found is None:
            raise errors.refused(404, "LockNotFound", f"The lock '{request.match['name']}' could not be found.")
        return Response(200, _lock(found))

    def _put_lock(self, request: Request) -> Response:
        scope, identity = self._lock_place(request, "write")
        wanted = request.json.get("properties")
        level = str(wanted.get("level")) if isinstance(wanted, dict) else ""
        if not isinstance(wanted, dict) or level not in LEVELS:
            raise errors.refused(400, "InvalidLockLevel", f"The lock level '{level}' is invalid.", gateway=True)
        if "/providers/" in scope and self._world.part(Resources).find(scope) is None:
            kind, name = scope.partition("/providers/")[2].rsplit("/", 1)
            raise errors.resource_not_found(kind, name, scope.split("/")[4])
        properties = {name: wanted[name] for name in ("level", "notes", "owners") if wanted.get(name) is not None}
        known = self._locks.find(identity) is not None
        lock = {"id": identity, "name": request.match["name"], "scope": scope, "properties": properties}
        self._locks.keep(lock)
        return Response(200 if known else 201, _lock(lock))

    def _delete_lock(self, request: Request) -> Response:
        _, identity = self._lock_place(request, "delete")
        if self._locks.find(identity) is None:
            return Response(204)
        self._locks.remove(identity)
        return Response(200)

    def _permissions(self, request: Request) -> Response:
        scope = self._scope(request)
        self._arm.require(request, "Microsoft.Authorization/permissions/read", scope)
        values = [_permission(ROLES[each["role"]]) for each in self._world.part(Access).roles_of(request.who.id, scope)]
        return Response(200, {"value": values})

    def _list(self, request: Request) -> Response:
        scope = self._scope(request)
        self._arm.require(request, "Microsoft.Authorization/roleAssignments/read", scope)
        wanted = request.query.get("$filter", "")
        principal = _FILTER.fullmatch(wanted)
        if wanted and not principal and wanted.strip() != "atScope()":
            raise errors.refused(400, "UnsupportedQuery", f"The filter '{wanted}' is not supported.")
        who = (principal[1] or principal[2]).lower() if principal else ""
        values = []
        for assignment in self._world.part(Access).all():
            above = (scope + "/").lower().startswith(assignment["scope"].lower() + "/")
            below = assignment["scope"].lower().startswith((scope + "/").lower()) and wanted.strip() != "atScope()"
            if (above or below) and (not who or assignment["principal"] == who):
                values.append(_shown(assignment))
        return Response(200, {"value": values})

    def _id(self, request: Request) -> tuple[str, str]:
        """Return the scope and the ID of the assignment that the path names."""
        scope = self._scope(request)
        return scope, f"{scope}{_PROVIDER}/roleAssignments/{request.match['name']}"

    def _get(self, request: Request) -> Response:
        scope, identity = self._id(request)
        self._arm.require(request, "Microsoft.Authorization/roleAssignments/read", scope)
        found = self._world.part(Access).find(identity)
        if found is None:
            raise errors.refused(
                404,
                "RoleAssignmentNotFound",
                f"The role assignment '{request.match['name']}' is not found.",
            )
        return Response(200, _shown(found))

    def _put(self, request: Request) -> Response:
        scope, identity = self._id(request)
        self._arm.require(request, "Microsoft.Authorization/roleAssignments/write", scope)
        if not _GUID.fullmatch(request.match["name"]):
            raise errors.refused(
                400,
                "InvalidRoleAssignmentId",
                f"The role assignment ID '{request.match['name']}' is not valid. "
                "The role assignment ID must be a GUID.",
            )
        self._require_thing(scope)
        properties = request.json.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        role = str(properties.get("roleDefinitionId", "")).rpartition("/")[2].lower()
        principal = str(properties.get("principalId", "")).lower()
        if role not in ROLES:
            raise errors.refused(
                404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role}' does not exist."
            )
        self._require_principal(principal, given=bool(properties.get("principalType")))
        description = properties.get("description")
        there = self._world.part(Access).find(identity)
        if there is not None:
            if (there["principal"], there["role"]) != (principal, role):
                raise errors.refused(
                    409,
                    "RoleAssignmentUpdateNotPermitted",
                    "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
                )
            there.update(description=description, updated=self._world.clock.now())
            self._world.part(Access).keep(there)
            return Response(200, _shown(there))
        same = (principal, role, scope.lower())
        if any(
            (each["principal"], each["role"], each["scope"].lower()) == same for each in self._world.part(Access).all()
        ):
            raise errors.refused(409, "RoleAssignmentExists", "The role assignment already exists.")
        name = request.match["name"].lower()
        return Response(
            201, _shown(self._world.part(Access).give_role(name, principal, role, scope, request.who.id, description))
        )

    def _require_thing(self, scope: str) -> None:
        """Refuse a scope that does not exist."""
        parts = scope.split("/")
        if len(parts) > 4 and self._world.part(ResourceGroups).find("/".join(parts[:5])) is None:
            raise errors.group_not_found(parts[4])
        if len(parts) > 8 and self._world.part(Resources).find("/".join(parts[:9])) is None:
            raise errors.resource_not_found("/".join(parts[6:8]), parts[8], parts[4])

    def _require_principal(self, principal: str, *, given: bool) -> None:
        """Refuse a principal that does not exist, or that is so new that it is found only if the request says its
        type."""
        found = self._world.principal(principal)
        made = self._world.part(ServicePrincipalRecords).find(principal)
        young = made is not None and self._world.clock.now() < made.get("spread", 0)
        if found is None or (young and not given):
            raise errors.refused(
                400,
                "PrincipalNotFound",
                f"Principal {principal.replace('-', '')} does not exist in the directory {seed.TENANT}. Check that you "
                "have the correct principal ID. If you are creating this principal and then immediately assigning a "
                "role, this error might be related to a replication delay. In this case, set the role assignment "
                "principalType property to a value, such as ServicePrincipal, User, or Group.  See "
                "https://aka.ms/docs-principaltype",
            )

    def _delete(self, request: Request) -> Response:
        scope, identity = self._id(request)
        self._arm.require(request, "Microsoft.Authorization/roleAssignments/delete", scope)
        found = self._world.part(Access).find(identity)
        if found is None:
            return Response(204)
        self._world.part(Access).remove(identity)
        return Response(200, _shown(found))

    def _eligibilities(self, request: Request) -> Response:
        """List the roles that a principal is eligible to activate (Privileged Identity Management, 2020-10-01).

        We have no API description of it; the fields are those of "Role Eligibility Schedule Instances - List For Scope"
        in the REST reference. With `asTarget()`, everybody may list their own.
        """
        scope, wanted = self._scope(request), request.query.get("$filter", "").strip()
        named = re.fullmatch(r"principalId eq '([^']+)'", wanted)
        if wanted not in {"", "asTarget()", "atScope()"} and not named:
            raise errors.refused(400, "UnsupportedQuery", f"The filter '{wanted}' is not supported.")
        if wanted != "asTarget()":
            self._arm.require(request, "Microsoft.Authorization/roleEligibilityScheduleInstances/read", scope)
        who = request.who.id if wanted == "asTarget()" else named[1].lower() if named else ""
        values = [
            _eligibility(each)
            for each in seed.ELIGIBILITIES
            if each.principal == (who or each.principal) and f"{scope}/".lower().startswith(f"{each.scope}/".lower())
        ]
        return Response(200, {"value": values})

    def _definitions(self, request: Request) -> Response:
        scope = self._scope(request)
        self._arm.require(request, "Microsoft.Authorization/roleDefinitions/read", scope)
        named = _ROLE_FILTER.fullmatch(request.query.get("$filter", ""))
        values = [
            _definition(scope, role_id, role)
            for role_id, role in ROLES.items()
            if named is None or role.name.lower() == named[1].lower()
        ]
        return Response(200, {"value": values})

    def _definition(self, request: Request) -> Response:
        scope = self._scope(request)
        self._arm.require(request, "Microsoft.Authorization/roleDefinitions/read", scope)
        role_id = request.match["name"].lower()
        if role_id not in ROLES:
            raise errors.refused(
                404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role_id}' does not exist."
            )
        return Response(200, _definition(scope, role_id, ROLES[role_id]))


def _shown(assignment: Document) -> JsonObject:
    subscription = "/".join(assignment["scope"].split("/")[:3])
    return {
        "id": assignment["id"],
        "name": assignment["name"],
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": f"{subscription}{_PROVIDER}/roleDefinitions/{assignment['role']}",
            "principalId": assignment["principal"],
            "principalType": assignment["kind"],
            "scope": assignment["scope"],
            "condition": None,
            "conditionVersion": None,
            "createdOn": timestamp(assignment["created"]),
            "updatedOn": timestamp(assignment["updated"]),
            "createdBy": assignment["by"],
            "updatedBy": assignment["by"],
            "delegatedManagedIdentityResourceId": None,
            "description": assignment["description"],
        },
    }


def _eligibility(eligibility: seed.Assignment) -> JsonObject:
    scope, principal = eligibility.scope, seed.PRINCIPALS[eligibility.principal]
    subscription = scope.split("/")[2]
    name = seed.fixed_id(f"eligible {eligibility.principal} {eligibility.role} {scope}")
    role = f"{scope}{_PROVIDER}/roleDefinitions/{eligibility.role}"
    return {
        "id": f"{scope}{_PROVIDER}/RoleEligibilityScheduleInstances/{name}",
        "name": name,
        "type": "Microsoft.Authorization/RoleEligibilityScheduleInstances",
        "properties": {
            "roleEligibilityScheduleId": f"{scope}{_PROVIDER}/RoleEligibilitySchedules/{name}",
            "scope": scope,
            "roleDefinitionId": role,
            "principalId": principal.id,
            "principalType": "User",
            "status": "Provisioned",
            "startDateTime": "2026-01-05T08:00:00Z",
            "endDateTime": None,
            "memberType": "Direct",
            "createdOn": "2026-01-05T08:00:00Z",
            "condition": None,
            "conditionVersion": None,
            "expandedProperties": {
                "principal": {
                    "id": principal.id,
                    "displayName": principal.display_name,
                    "email": principal.name,
                    "type": "User",
                },
                "roleDefinition": {"id": role, "displayName": ROLES[eligibility.role].name, "type": "BuiltInRole"},
                "scope": {
                    "id": scope,
                    "displayName": seed.SUBSCRIPTIONS[subscription].name,
                    "type": "subscription",
                },
            },
        },
    }


def _permission(role: Role) -> JsonObject:
    return {
        "actions": list(role.actions),
        "notActions": list(role.not_actions),
        "dataActions": list(role.data_actions),
        "notDataActions": [],
    }


def _definition(scope: str, role_id: str, role: Role) -> JsonObject:
    subscription = "/".join(scope.split("/")[:3])
    return {
        "id": f"{subscription}{_PROVIDER}/roleDefinitions/{role_id}",
        "name": role_id,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": [_permission(role)],
            "createdOn": "2015-02-02T21:55:09.8806423Z",
            "updatedOn": "2021-11-11T20:13:58.3061777Z",
            "createdBy": None,
            "updatedBy": None,
        },
    }


def _lock(lock: Document) -> JsonObject:
    kind = "Microsoft.Authorization/locks"
    return {"properties": lock["properties"], "id": lock["id"], "type": kind, "name": lock["name"]}


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()
