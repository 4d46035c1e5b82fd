"""Tenants, subscriptions, regions: Tenants_List, Subscriptions_List, _Get, _ListLocations (resources)."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.kernel.service import JsonObject, Request, Response


class Subscriptions:
    """Shows the tenant and its subscriptions."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        add = manager.router.add
        add("GET", "/tenants", self._tenants)
        add("GET", "/subscriptions", self._list)
        add("GET", "/subscriptions/{subscription}", self._get)
        add("GET", "/subscriptions/{subscription}/locations", self._locations, ignores="includeExtendedLocations")

    def _tenants(self, request: Request) -> Response:
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
        return Response(200, {"value": [tenant]})

    def _visible(self, request: Request, subscription: seed.Subscription) -> bool:
        """Return whether a list contains a subscription: also if the caller has a role only on something in it.

        `az login` works for a service principal with a role on one resource group (`az ad sp create-for-rbac
        --scopes`, as documented for azure/login), and `az account set` finds the subscription then.
        """
        return self._world.part(Access).has_role_in(request.who.id, f"/subscriptions/{subscription.id}")

    def _list(self, request: Request) -> Response:
        return Response(
            200,
            {"value": [_subscription(each) for each in seed.SUBSCRIPTIONS.values() if self._visible(request, each)]},
        )

    def _found(self, request: Request) -> seed.Subscription:
        found = self._arm.subscription(request)
        self._arm.require(request, "Microsoft.Resources/subscriptions/read", f"/subscriptions/{found.id}")
        return found

    def _get(self, request: Request) -> Response:
        return Response(200, _subscription(self._found(request)))

    def _locations(self, request: Request) -> Response:
        base = f"/subscriptions/{self._found(request).id}/locations"
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
        return Response(200, {"value": values})


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
