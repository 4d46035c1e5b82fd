"""AzureDatabricks, Microsoft's own application by which all workspaces of the world read key vaults."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.world import World

APPLICATION = seed.AUDIENCES["databricks"]
"""Its application (client) id, the audience of tokens for workspaces too."""
_MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
"""The tenant of Microsoft's own applications."""


def principal(world: World) -> str:
    """Return the object id of its service principal in this tenant; empty before there has ever been a workspace."""
    for each in world.service_principals:
        if each["appId"].lower() == APPLICATION:
            return str(each["id"])
    return next((each.id for each in seed.PRINCIPALS.values() if each.app_id == APPLICATION), "")


def appear(world: World) -> None:
    """Have its service principal in the tenant, as the first workspace brings it and nothing takes it away."""
    if principal(world):
        return
    identity = seed.fixed_id("AzureDatabricks")
    world.service_principals.put(
        identity,
        {
            "id": identity,
            "appId": APPLICATION,
            "displayName": "AzureDatabricks",
            "servicePrincipalType": "Application",
            "appOwnerOrganizationId": _MICROSOFT,
            "accountEnabled": True,
            "servicePrincipalNames": [APPLICATION],
            "tags": [],
        },
    )
