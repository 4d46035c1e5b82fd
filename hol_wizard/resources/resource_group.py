"""The resource group of an environment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.registry import LONG_WORK_DEADLINE
from hol_wizard.resources.azure_resource import AzureResource, ours
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.wanted import Document, Wanted

COMPANIONS = {"microsoft.alertsmanagement/smartdetectoralertrules", "microsoft.insights/actiongroups"}
"""Types that Azure adds automatically with an Application Insights component; they are deleted with the group.

This is in no available API description and was not tested with Azure.
"""

_VAULT = re.compile(r".*/providers/microsoft\.keyvault/vaults/[^/]+", re.IGNORECASE)


@dataclass(frozen=True)
class ResourceGroup(AzureResource):
    """A resource group; it is not deleted while somebody else's resources are in it."""

    def foreign(self, found: Document) -> Sequence[str]:
        """Return the resources in it that this wizard did not create."""
        del found
        return [
            f"{item['type']} {item['name']}"
            for item in self.context.services.arm.list(f"{self.id}/resources")
            if not ours(self.context, item["id"], item) and str(item["type"]).lower() not in COMPANIONS
        ]

    def takes_along(self, resource: str) -> bool:
        """Return whether something was in it; a vault is only soft-deleted with it, and must still be purged."""
        return super().takes_along(resource) and not _VAULT.fullmatch(resource)


@kind("resource_group", uses=("resource_group",), work_deadline=LONG_WORK_DEADLINE)
def resource_group(context: StepContext) -> ResourceGroup:
    """Return the resource group of the context's environment."""
    names = context.names
    return ResourceGroup(
        context,
        kind="Resource group",
        path=f"/subscriptions/{names.subscription}/resourceGroups/{context.here.resource_group}",
        body={"location": names.location},
        wanted=(Wanted("Region", ("location",), names.location),),
        usually=5,
        cost="free",
    )
