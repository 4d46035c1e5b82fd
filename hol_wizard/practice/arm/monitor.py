"""Log Analytics workspaces (generic Resources operations) and Application Insights: Components_CreateOrUpdate, _Get,
_Delete, _List… (insights).
"""

from __future__ import annotations

import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given, one_of
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document

_SKUS = ("PerGB2018", "Free", "Standalone", "PerNode", "CapacityReservation", "LACluster")


class LogAnalyticsWorkspaces(ResourceType):
    """Log Analytics workspaces: 201, then `provisioningState` shows the progress (the API's reference; not
    recorded)."""

    type = "Microsoft.OperationalInsights/workspaces"
    name_rule = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]")

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule; the text is not recorded."""
        return errors.refused(
            400,
            "InvalidParameter",
            f"The workspace name '{name}' is invalid: 4 to 63 letters, digits and '-', which is not first or last.",
        )

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body."""
        wanted = given(body, "properties")
        sku = one_of(given(wanted, "sku").get("name", "PerGB2018"), _SKUS, "sku")
        days = wanted.get("retentionInDays", 30)
        if not isinstance(days, int) or not 7 <= days <= 730:
            raise errors.refused(
                400, "InvalidParameter", f"'RetentionInDays' property doesn't match the SKU limits: {days}."
            )
        resource["properties"] = {"sku": sku, "days": days}

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the allowed changes."""
        wanted = given(body, "properties")
        if isinstance(wanted.get("retentionInDays"), int):
            resource["properties"]["days"] = wanted["retentionInDays"]

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 201 with the workspace as Creating."""
        path = f"/subscriptions/{resource['subscription']}/operationresults"
        self.begin(request, resource, "create", Style.RESOURCE, path)
        return Response(201, self.render(resource))

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` as the API's reference shows them."""
        created = timestamp(resource["created"])
        return {
            "customerId": resource["guid"],
            "provisioningState": resource["state"],
            "sku": {"name": resource["properties"]["sku"], "lastSkuUpdate": created},
            "retentionInDays": resource["properties"]["days"],
            "features": {"legacy": 0, "searchVersion": 1, "enableLogAccessUsingOnlyResourcePermissions": True},
            "workspaceCapping": {"dailyQuotaGb": -1.0, "dataIngestionStatus": "RespectQuota"},
            "publicNetworkAccessForIngestion": "Enabled",
            "publicNetworkAccessForQuery": "Enabled",
            "createdDate": created,
            "modifiedDate": timestamp(resource["changed"]),
        }


class Components(ResourceType):
    """Application Insights. Every request is synchronous; IDs are returned in lowercase (recorded)."""

    type = "microsoft.insights/components"
    name_rule = re.compile(r"[\w.()-]{1,260}")

    @property
    def namespace(self) -> str:
        """The resource provider that has to be registered."""
        return "Microsoft.Insights"

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule; the text is not recorded."""
        return errors.refused(400, "InvalidParameter", f"The component name '{name}' is invalid.")

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body; a workspace that it names must exist."""
        wanted = given(body, "properties")
        if not body.get("kind"):
            raise errors.refused(400, "InvalidParameter", "The property 'kind' is missing.")
        resource["kind"] = str(body["kind"])
        resource["properties"] = {"Application_Type": str(wanted.get("Application_Type") or "web")}
        workspace = wanted.get("WorkspaceResourceId")
        if workspace:
            found = self.world.part(Resources).find(str(workspace))
            if found is None or found["type"] != LogAnalyticsWorkspaces.type:
                name = str(workspace).rpartition("/")[2]
                raise errors.refused(
                    400, "BadRequest", f"The Log Analytics workspace '{name}' ({workspace}) could not be found."
                )
            resource["properties"]["WorkspaceResourceId"] = str(workspace)

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the allowed changes."""
        wanted = given(body, "properties")
        if wanted.get("WorkspaceResourceId"):
            resource["properties"]["WorkspaceResourceId"] = str(wanted["WorkspaceResourceId"])

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 200: the component exists."""
        resource["state"] = "Succeeded"
        return Response(200, self.render(resource))

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` in the recorded format."""
        key = seed.fixed_id(f"instrumentation key of {resource['guid']}")
        workspace = resource["properties"].get("WorkspaceResourceId")
        region = resource["location"]
        body: JsonObject = {
            "ApplicationId": resource["name"],
            "AppId": resource["guid"],
            "Application_Type": resource["properties"]["Application_Type"],
            "Flow_Type": "Bluefield",
            "Request_Source": "rest",
            "InstrumentationKey": key,
            "ConnectionString": f"InstrumentationKey={key};IngestionEndpoint=https://{region}-0.in.practice.invalid/",
            "Name": resource["name"],
            "CreationDate": timestamp(resource["created"]).replace("Z", "+00:00"),
            "TenantId": seed.TENANT,
            "provisioningState": resource["state"],
            "SamplingPercentage": None,
            "RetentionInDays": 90,
            "IngestionMode": "LogAnalytics" if workspace else "ApplicationInsights",
            "publicNetworkAccessForIngestion": "Enabled",
            "publicNetworkAccessForQuery": "Enabled",
            "Ver": "v2",
        }
        if workspace:
            body["WorkspaceResourceId"] = workspace
        return body
