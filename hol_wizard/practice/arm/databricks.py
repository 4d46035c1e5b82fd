"""Databricks workspaces: Workspaces_CreateOrUpdate, _Get, _Delete, _List… (databricks)."""

from __future__ import annotations

import hashlib
import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors, groups
from hol_wizard.practice.arm.inventory import ResourceGroups
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given, one_of
from hol_wizard.practice.arm.roles import OWNER
from hol_wizard.practice.databricks import address
from hol_wizard.practice.directory import objects
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document

_COMPUTE_MODE_SINCE = "2026-01-01"
_DATABRICKS_PRINCIPAL = "9a74af6f-d153-4348-988a-e2672920bee9"
"""The service that gets Owner on the managed group, as recorded."""
_GROUP_ID = re.compile(r"/subscriptions/([^/]+)/resourceGroups/([^/]+)", re.IGNORECASE)


class Workspaces(ResourceType):
    """Databricks workspaces: 201 with `Azure-AsyncOperation`, deletion 202 with `Location` (recorded)."""

    type = "Microsoft.Databricks/workspaces"
    # There is no Unity Catalog here whose data could be kept, and nothing that prevents a deletion.
    delete_ignores = "retainUcData forceDeletion"
    name_rule = re.compile(r"[A-Za-z0-9_-]{3,64}")
    creating = "Accepted"

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule; the text is not recorded."""
        return errors.refused(
            400,
            "InvalidResourceName",
            f"Resource name {name} is invalid. A workspace name has 3 to 64 characters: letters, digits, '-' and '_'.",
        )

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body, and create the managed resource group."""
        wanted = given(body, "properties")
        sku = one_of(given(body, "sku").get("name", "premium"), ("premium", "standard", "trial"), "sku")
        if sku == "standard":
            # No new ones since 2026-04-01 (lab/steps.md, must-adapt 13); the text is not recorded.
            raise errors.refused(
                400, "BadRequest", "The standard pricing tier is retired: new workspaces must use the premium tier."
            )
        resource["sku"] = {"name": sku}
        mode = "Hybrid"
        if request.query["api-version"] >= _COMPUTE_MODE_SINCE:
            if wanted.get("computeMode") is None:
                raise errors.refused(400, "BadRequest", "The required property 'computeMode' is missing.")
            mode = one_of(wanted["computeMode"], ("Hybrid", "Serverless"), "computeMode")
        resource["properties"] = {"computeMode": mode, "parameters": _parameters(given(wanted, "parameters"), resource)}
        group = _GROUP_ID.fullmatch(str(wanted.get("managedResourceGroupId", "")))
        if mode == "Serverless":
            if wanted.get("managedResourceGroupId"):
                raise errors.refused(
                    400, "BadRequest", "The property 'managedResourceGroupId' is not allowed in a serverless workspace."
                )
            resource["properties"]["managed"] = ""
            return
        if group is None or group[1].lower() != resource["subscription"]:
            raise errors.refused(
                400,
                "InvalidManagedResourceGroupId",
                f"The managed resource group id '{wanted.get('managedResourceGroupId', '')}' is invalid: it must be "
                "the id of a resource group of this subscription.",
            )
        resource["properties"]["managed"] = group[0]

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the allowed changes: the pricing tier and the parameters."""
        wanted, properties = given(body, "properties"), resource["properties"]
        managed = wanted.get("managedResourceGroupId")
        if managed is not None and str(managed).lower() != properties["managed"].lower():
            raise errors.refused(
                400,
                "ApplianceManagedResourceGroupMismatch",
                f"The given managed resource group '{managed}' did not match that in the existing appliance definition "
                f"'{properties['managed']}'.",
            )
        mode = wanted.get("computeMode")
        if mode is not None and str(mode).lower() != properties["computeMode"].lower():
            raise errors.refused(400, "BadRequest", "The property 'computeMode' cannot be changed.")
        if body.get("sku") is not None:
            sku = one_of(given(body, "sku").get("name"), ("premium", "standard", "trial"), "sku")
            resource["sku"] = {"name": sku}

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 201 with the workspace as Accepted."""
        path = f"{self._group_id(resource)}/providers/Microsoft.Databricks/locations/{resource['location']}"
        address = self.begin(request, resource, "create", Style.ACCEPTED, path + "/operationStatuses", "Accepted")
        managed = resource["properties"]["managed"]
        existing = self.world.part(ResourceGroups).find(managed) if managed else None
        if existing is not None and existing["managed_by"].lower() != resource["id"].lower():
            # It is accepted and fails later, with this text (pulumi-azure-native issue 3643).
            operation = self.world.operations.find(resource["operation"])
            if operation is not None:
                message = (
                    f"The managed resource group '{managed}' already exists. Please specify a new non-existent managed "
                )
                operation["error"] = {"code": "ApplianceProvisioningFailed", "message": message + "resource group"}
                self.world.operations.keep(operation)
        elif managed and existing is None:
            subscription = seed.SUBSCRIPTIONS[resource["subscription"]]
            name = managed.rpartition("/")[2]
            groups.create(self.world, subscription, name, resource["location"], {}, managed_by=resource["id"])
        return Response(
            201, self.render(resource), {"Azure-AsyncOperation": address, **self.world.clock.retry_headers()}
        )

    def accept_change(self, request: Request, resource: Document) -> Response:
        """Respond 201 with the workspace as Updating (recorded: Workspaces_CreateOrUpdate)."""
        path = f"{self._group_id(resource)}/providers/Microsoft.Databricks/locations/{resource['location']}"
        address = self.begin(request, resource, "update", Style.ACCEPTED, path + "/operationStatuses", "Updating")
        resource["state"] = "Updating"
        return Response(
            201, self.render(resource), {"Azure-AsyncOperation": address, **self.world.clock.retry_headers()}
        )

    def unmake(self, request: Request, resource: Document) -> Response:
        """Respond 202; the managed group is deleted with the workspace."""
        path = f"{self._group_id(resource)}/providers/Microsoft.Databricks/locations/{resource['location']}"
        address = self.begin_delete(request, resource, Style.ACCEPTED, path + "/operationStatuses", "Accepted")
        return Response(202, headers={"Location": address, **self.world.clock.retry_headers()})

    def ready(self, resource: Document) -> None:
        """Make sure that Databricks' own service principal is in the tenant: it gets the roles on key vaults."""
        del resource
        objects.provide_azure_databricks(self.world)

    def remove(self, resource: Document, when: float) -> None:
        """Remove the workspace, everything in it, and its managed group."""
        super().remove(resource, when)
        name = address.thing(resource)
        self.world.close_port(address.SERVICE, name)
        self.world.part(address.Contents).forget(name)
        managed = self.world.part(ResourceGroups).find(resource["properties"]["managed"])
        if managed is not None and managed["managed_by"].lower() == resource["id"].lower():
            self.world.part(ResourceGroups).remove(managed["id"])

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` as recorded; address and id of the workspace only once it is there."""
        properties = resource["properties"]
        by = {
            "oid": resource["by_id"],
            "puid": "1003200000000000",
            "applicationId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        }
        body: JsonObject = {
            "managedResourceGroupId": properties["managed"],
            "parameters": properties["parameters"],
            "provisioningState": resource["state"],
            "authorizations": [{"principalId": _DATABRICKS_PRINCIPAL, "roleDefinitionId": OWNER}],
            "createdBy": by,
            "updatedBy": by,
            "createdDateTime": timestamp(resource["created"]),
            "computeMode": properties["computeMode"],
        }
        if resource["state"] in {"Succeeded", "Updating", "Deleting"}:
            body["workspaceId"] = str(address.number(resource))
            port = self.world.open_port(address.SERVICE, address.thing(resource))
            body["workspaceUrl"] = port.removeprefix("https://")
            body["isUcEnabled"] = True
        return body

    def _group_id(self, resource: Document) -> str:
        return str(resource["id"]).partition("/providers/")[0]


def _parameters(wanted: JsonObject, resource: Document) -> JsonObject:
    """Return the parameters as a GET shows them: those of the request with their types, and the defaults (recorded)."""
    unique = hashlib.sha256(resource["guid"].encode()).hexdigest()[:13]
    values: JsonObject = {
        "enableFedRampCertification": False,
        "enableNoPublicIp": True,
        "natGatewayName": "nat-gateway",
        "prepareEncryption": False,
        "publicIpName": "nat-gw-public-ip",
        "requireInfrastructureEncryption": False,
        "resourceTags": {"application": "databricks", "databricks-environment": "true"},
        "storageAccountName": f"dbstorage{unique}",
        "storageAccountSkuName": "Standard_GRS",
        "vnetAddressPrefix": "10.139",
    }
    values |= {name: given(wanted, name).get("value") for name in wanted}
    kinds = {bool: "Bool", str: "String", dict: "Object"}
    return {name: {"type": kinds.get(type(value), "Object"), "value": value} for name, value in values.items()}
