"""The contents of the tenant's directory in addition to the initial contents (`seed`)."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.world import World


class ApplicationRecords(Register):
    """Entra ID's applications, by object ID."""

    collection = "applications"


class ServicePrincipalRecords(Register):
    """Service principals by object ID, without those of `seed`."""

    collection = "service_principals"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.directory = self.principal

    def principal(self, identity: str) -> seed.Principal | None:
        """Return the service principal with this object ID as a caller of the services."""
        found = self.find(identity)
        if found is None:
            return None
        return seed.Principal(found["id"], found["displayName"], found["displayName"], found["appId"])


class DeletedObjects(Register):
    """Deleted applications and service principals, for thirty days."""

    collection = "deleted_directory_objects"
