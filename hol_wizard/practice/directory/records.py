"""What the tenant's directory holds beside what was there from the beginning (`seed`)."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.world import World


class ApplicationRecords(Register):
    """Entra ID's applications, by object id."""

    collection = "applications"


class ServicePrincipalRecords(Register):
    """Service principals, by object id; those of `seed` are not among them."""

    collection = "service_principals"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.directory = self.principal

    def principal(self, identity: str) -> seed.Principal | None:
        """Return the service principal with this object id as the services know whoever calls."""
        found = self.find(identity)
        if found is None:
            return None
        return seed.Principal(found["id"], found["displayName"], found["displayName"], found["appId"])


class DeletedObjects(Register):
    """Applications and service principals that were deleted, for thirty days."""

    collection = "deleted_directory_objects"
