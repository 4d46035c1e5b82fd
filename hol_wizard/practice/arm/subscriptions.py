"""Tenants, subscriptions, regions, and what the caller may do where.

Operations: Tenants_List, Subscriptions_List, Subscriptions_Get, Subscriptions_ListLocations (resources),
Permissions_ListForResourceGroup, Permissions_ListForResource, RoleAssignments_ListForScope (authorization).
"""

from __future__ import annotations

import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.clock import timestamp
from hol_wizard.practice.service import Answer, Call, JsonObject


class Subscriptions:
    """What there is to be seen of tenant and subscriptions."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        add = manager.router.add
        add("GET", "/tenants", self._tenants)
        add("GET", "/subscriptions", self._list)
        add("GET", "/subscriptions/{subscription}", self._get)
        add("GET", "/subscriptions/{subscription}/locations", self._locations)
        for scope in ("/subscriptions/{subscription}", "/subscriptions/{subscription}/{below*}"):
            add("GET", scope + "/providers/Microsoft.Authorization/permissions", self._permissions)
            add("GET", scope + "/providers/Microsoft.Authorization/roleAssignments", self._assignments)

    def _tenants(self, call: Call) -> Answer:
        tenant = {
            "id": f"/tenants/{seed.TENANT}",
            "tenantId": seed.TENANT,
            "countryCode": "NL",
            "displayName": seed.TENANT_NAME,
            "domains": [seed.TENANT_DOMAIN],
            "tenantCategory": "Home",
            "defaultDomain": seed.TENANT_DOMAIN,
            "tenantType": "AAD",
        }
        return Answer(200, {"value": [tenant]})

    def _visible(self, call: Call, subscription: seed.Subscription) -> bool:
        return self._world.allowed(
            call.who.id, "Microsoft.Resources/subscriptions/read", f"/subscriptions/{subscription.id}"
        )

    def _list(self, call: Call) -> Answer:
        return Answer(
            200,
            {"value": [_subscription(each) for each in seed.SUBSCRIPTIONS.values() if self._visible(call, each)]},
        )

    def _found(self, call: Call) -> seed.Subscription:
        found = self._arm.subscription(call)
        self._arm.require(call, "Microsoft.Resources/subscriptions/read", f"/subscriptions/{found.id}")
        return found

    def _get(self, call: Call) -> Answer:
        return Answer(200, _subscription(self._found(call)))

    def _locations(self, call: Call) -> Answer:
        base = f"/subscriptions/{self._found(call).id}/locations"
        values = [
            {
                "id": f"{base}/{name}",
                "name": name,
                "type": "Region",
                "displayName": display,
                "regionalDisplayName": f"({geography}) {display}",
                "metadata": {
                    "regionType": "Physical",
                    "regionCategory": "Recommended",
                    "geographyGroup": geography,
                    "physicalLocation": display,
                },
            }
            for name, (display, geography) in seed.LOCATIONS.items()
        ]
        return Answer(200, {"value": values})

    def _scope(self, call: Call) -> str:
        below = call.match.get("below")
        return f"/subscriptions/{self._arm.subscription(call).id}" + (f"/{below}" if below else "")

    def _permissions(self, call: Call) -> Answer:
        scope = self._scope(call)
        self._arm.require(call, "Microsoft.Authorization/permissions/read", scope)
        roles = [
            seed.ROLES[each["role"]]
            for each in self._world.assignments
            if each["principal"] == call.who.id
            and each["role"] in seed.ROLES
            and (scope + "/").lower().startswith(each["scope"].lower() + "/")
        ]
        values = [
            {
                "actions": list(role.actions),
                "notActions": list(role.not_actions),
                "dataActions": [],
                "notDataActions": [],
            }
            for role in roles
        ]
        return Answer(200, {"value": values})

    def _assignments(self, call: Call) -> Answer:
        scope = self._scope(call)
        self._arm.require(call, "Microsoft.Authorization/roleAssignments/read", scope)
        wanted = call.query.get("$filter", "")
        principal = re.fullmatch(r"\s*(?:principalId eq '([^']+)'|assignedTo\('([^']+)'\))\s*", wanted)
        if wanted and not principal and wanted.strip() != "atScope()":
            raise errors.refused(400, "UnsupportedQuery", f"The filter '{wanted}' is not supported.")
        who = (principal[1] or principal[2]).lower() if principal else ""
        values: list[JsonObject] = []
        for assignment in self._world.assignments:
            above = (scope + "/").lower().startswith(assignment["scope"].lower() + "/")
            below = assignment["scope"].lower().startswith((scope + "/").lower())
            if not (above or below) or (who and assignment["principal"] != who):
                continue
            subscription = "/".join(assignment["scope"].split("/")[:3])
            created = timestamp(assignment["created"])
            values.append(
                {
                    "id": f"{assignment['scope']}/providers/Microsoft.Authorization/roleAssignments/"
                    f"{assignment['name']}",
                    "name": assignment["name"],
                    "type": "Microsoft.Authorization/roleAssignments",
                    "properties": {
                        "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/"
                        f"{assignment['role']}",
                        "principalId": assignment["principal"],
                        "principalType": "ServicePrincipal"
                        if seed.PRINCIPALS[assignment["principal"]].app_id
                        else "User",
                        "scope": assignment["scope"],
                        "condition": None,
                        "conditionVersion": None,
                        "createdOn": created,
                        "updatedOn": created,
                        "createdBy": seed.ATTENDEE.id,
                        "updatedBy": seed.ATTENDEE.id,
                        "delegatedManagedIdentityResourceId": None,
                        "description": None,
                    },
                }
            )
        return Answer(200, {"value": values})


def _subscription(subscription: seed.Subscription) -> JsonObject:
    return {
        "id": f"/subscriptions/{subscription.id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "tags": {},
        "subscriptionId": subscription.id,
        "tenantId": seed.TENANT,
        "displayName": subscription.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }
