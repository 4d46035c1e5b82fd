"""Container registries (generic Resources operations; we have no description of the provider's own API)."""

from __future__ import annotations

import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given, one_of
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document

_SKUS = ("Basic", "Standard", "Premium")
_BY_ROLES, _ABAC = "LegacyRegistryPermissions", "AbacRepositoryPermissions"
_NAMESPACE = "/subscriptions/{subscription}/providers/Microsoft.ContainerRegistry"


class Registries(ResourceType):
    """Container registries: 201 with `Azure-AsyncOperation`, deletion 202 with `Location`."""

    type = "Microsoft.ContainerRegistry/registries"
    name_rule = re.compile(r"[A-Za-z0-9]{5,50}")

    def __init__(self, manager: ResourceManager) -> None:
        super().__init__(manager)
        manager.router.add("POST", _NAMESPACE + "/checkNameAvailability", self._available)

    def _available(self, request: Request) -> Response:
        subscription = self.arm.subscription(request)
        self.arm.require(
            request, "Microsoft.ContainerRegistry/checkNameAvailability/read", f"/subscriptions/{subscription.id}"
        )
        name = str(request.json.get("name", ""))
        if not self.name_rule.fullmatch(name):
            message = "The resource name must contain alpha numeric characters only and be between 5 and 50 characters."
            return Response(200, {"nameAvailable": False, "reason": "Invalid", "message": message})
        if self.name_is_taken(name):
            message = f"The registry {name} is already in use."
            return Response(200, {"nameAvailable": False, "reason": "AlreadyExists", "message": message})
        return Response(200, {"nameAvailable": True})

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule; the text is not recorded."""
        return errors.refused(
            400,
            "InvalidResourceName",
            f"Resource name {name} is invalid. It may contain alpha numeric characters only and must be between 5 and "
            "50 characters.",
        )

    def taken(self, name: str) -> Refused | None:
        """Return the error for a name that is in use (azure-cli issue 13951)."""
        if not self.name_is_taken(name):
            return None
        return errors.refused(
            409,
            "AlreadyInUse",
            f"The registry DNS name {name.lower()}.azurecr.io is already in use. You can check if the name is already "
            "claimed using following API: "
            "https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability",
        )

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body."""
        sku = one_of(given(body, "sku").get("name"), _SKUS, "sku")
        resource["sku"] = {"name": sku, "tier": sku}
        wanted = given(body, "properties")
        resource["properties"] = {
            "adminUserEnabled": bool(wanted.get("adminUserEnabled", False)),
            # "The Default is rbac" (azure-cli 2.91, acr create).
            "roleAssignmentMode": _mode(wanted) or _BY_ROLES,
        }

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the allowed changes."""
        if body.get("sku") is not None:
            sku = one_of(given(body, "sku").get("name"), _SKUS, "sku")
            resource["sku"] = {"name": sku, "tier": sku}
        wanted = given(body, "properties")
        if wanted.get("adminUserEnabled") is not None:
            resource["properties"]["adminUserEnabled"] = bool(wanted["adminUserEnabled"])
        resource["properties"]["roleAssignmentMode"] = _mode(wanted) or _mode_of(resource)

    def _polls(self, resource: Document) -> str:
        region = resource["location"]
        base = f"/subscriptions/{resource['subscription']}/providers/Microsoft.ContainerRegistry"
        return f"{base}/locations/{region}/operationResults"

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 201 with the registry as Creating."""
        address = self.begin(request, resource, "create", Style.STATUS, self._polls(resource), "Creating")
        return Response(
            201, self.render(resource), {"Azure-AsyncOperation": address, **self.world.clock.retry_headers()}
        )

    def unmake(self, request: Request, resource: Document) -> Response:
        """Respond 202 without a body."""
        address = self.begin_delete(request, resource, Style.EMPTY, self._polls(resource))
        return Response(202, headers={"Location": address, **self.world.clock.retry_headers()})

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` as the API's reference shows them."""
        return {
            "loginServer": f"{resource['name'].lower()}.{seed.REGISTRY_SUFFIX}",
            "creationDate": timestamp(resource["created"]),
            "provisioningState": resource["state"],
            "adminUserEnabled": resource["properties"]["adminUserEnabled"],
            "policies": {
                "quarantinePolicy": {"status": "disabled"},
                "trustPolicy": {"type": "Notary", "status": "disabled"},
                "retentionPolicy": {"days": 7, "lastUpdatedTime": timestamp(resource["created"]), "status": "disabled"},
            },
            "publicNetworkAccess": "Enabled",
            "zoneRedundancy": "Disabled",
            "anonymousPullEnabled": False,
            "roleAssignmentMode": _mode_of(resource),
        }

    def shown(self, resource: Document) -> JsonObject:
        """Return who created it."""
        return {"systemData": self.system_data(resource)}


def _mode_of(resource: Document) -> str:
    return str(resource["properties"].get("roleAssignmentMode", _BY_ROLES))


def _mode(wanted: JsonObject) -> str:
    """Return the mode that a body asks for; empty if it does not say."""
    mode = wanted.get("roleAssignmentMode")
    return "" if mode is None else one_of(mode, (_BY_ROLES, _ABAC), "roleAssignmentMode")
