"""The container registry, which receives the released images.

In the mode *RBAC Registry + ABAC Repository Permissions*, which will become the default, the roles AcrPull and AcrPush
have no effect (Container Registry, "container-registry-rbac-abac-repository-permissions"), so the lab uses the other
mode.
"""

from __future__ import annotations

from hol_wizard.engine.kinds import kind
from hol_wizard.lab.model import Environment
from hol_wizard.resources.azure_resource import AzureResource, in_group, read
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.wanted import Wanted, location

TYPE = "Microsoft.ContainerRegistry/registries"
_BY_ROLES = "LegacyRegistryPermissions"
"""*RBAC Registry Permissions* in the portal, `--role-assignment-mode rbac` on the command line."""


@kind("container_registry", uses=("container_registry",))
def container_registry(context: StepContext) -> AzureResource:
    """Return the `prod` environment's container registry."""
    return AzureResource(
        context,
        kind="Container registry",
        path=in_group(context, TYPE, context.here.container_registry),
        body={
            "location": context.names.location,
            "sku": {"name": "Basic"},
            "properties": {"adminUserEnabled": False, "roleAssignmentMode": _BY_ROLES},
        },
        wanted=(
            location(context),
            Wanted(
                "Admin user", ("properties", "adminUserEnabled"), expected=False, changeable=True, missing_means=False
            ),
            Wanted(
                "Role assignment permissions mode",
                ("properties", "roleAssignmentMode"),
                expected=_BY_ROLES,
                changeable=True,
                missing_means=_BY_ROLES,
            ),
        ),
        usually=20,
        cost="tier Basic, by the day (see Azure's price list)",
        availability=TYPE,
    )


def registry_id(context: StepContext) -> str:
    """Return the resource ID of the lab's registry, from a step of any environment."""
    return in_group(context, TYPE, context.names.of(Environment.PROD).container_registry, Environment.PROD)


def login_server(context: StepContext) -> str:
    """Return the address of the lab's registry; empty if it does not exist."""
    found = read(context, registry_id(context))
    return str(found["properties"]["loginServer"]) if found is not None else ""
