"""AzureDatabricks, Microsoft's own application: all workspaces read key vaults as its service principal."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.directory.records import ServicePrincipalRecords
from hol_wizard.practice.kernel.world import World

APPLICATION = seed.AUDIENCES["databricks"]
"""Its application (client) ID, which is also the audience of tokens for workspaces."""


def principal(world: World) -> str:
    """Return the object ID of its service principal in this tenant; empty before there has ever been a workspace."""
    for each in world.part(ServicePrincipalRecords).all():
        if each["appId"].lower() == APPLICATION:
            return str(each["id"])
    return next((each.id for each in seed.PRINCIPALS.values() if each.app_id == APPLICATION), "")
