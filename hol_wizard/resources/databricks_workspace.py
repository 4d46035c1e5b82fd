"""The Databricks workspace of an environment, as an Azure resource."""

from __future__ import annotations

from dataclasses import dataclass

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.registry import LONG_WORK_DEADLINE
from hol_wizard.errors import ConflictError, WizardError
from hol_wizard.resources.azure_resource import AzureResource, in_group
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.wanted import Wanted, location


@dataclass(frozen=True)
class DatabricksWorkspace(AzureResource):
    """A workspace; Azure creates and deletes a managed resource group with it."""

    def obstacle(self) -> WizardError | None:
        """Return an error if the managed resource group of Databricks already exists."""
        managed = str(self.body["properties"]["managedResourceGroupId"])
        group = self.context.services.arm.find(managed)
        if group is None or str(group.get("managedBy", "")).lower() == self.id.lower():
            return super().obstacle()
        return ConflictError(
            f"The resource group {managed.rpartition('/')[2]}, which Databricks creates itself, already exists.",
            "If it is left from an earlier workspace, delete it in the portal, then try "
            "again. Otherwise, choose another prefix (<step set-up/choose-your-names>).",
        )


@kind("databricks_workspace", uses=("databricks_workspace",), work_deadline=LONG_WORK_DEADLINE)
def databricks_workspace(context: StepContext) -> DatabricksWorkspace:
    """Return the environment's Databricks workspace: Premium, and able to run clusters, unlike a serverless one."""
    names = context.here
    return DatabricksWorkspace(
        context,
        kind="Databricks workspace",
        path=in_group(context, "Microsoft.Databricks/workspaces", names.databricks_workspace),
        body={
            "location": context.names.location,
            "sku": {"name": "premium"},
            "properties": {
                "computeMode": "Hybrid",
                "managedResourceGroupId": f"/subscriptions/{context.names.subscription}/resourceGroups/"
                f"{names.managed_resource_group}",
                "parameters": {"enableNoPublicIp": {"value": True}},
            },
        },
        wanted=(
            location(context),
            Wanted("Pricing tier", ("sku", "name"), "premium", changeable=True),
            Wanted("Compute mode", ("properties", "computeMode"), "Hybrid", missing_means="Hybrid"),
        ),
        usually=180,
        cost="free while no cluster is running, except for its NAT gateway (see Azure's price list)",
    )
