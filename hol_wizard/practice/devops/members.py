"""The users who were added to the organizations, in addition to those of `seed`."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class Members(Register):
    """The users who were added or changed, by the ID that they have in their organization; also those who were
    removed."""

    collection = "devops_users"

    def of(self, organization: str, principal: str) -> Document | None:
        """Return the record of a user of an organization by their object ID in the directory."""
        return self.find(member_id(organization, principal))


def identity_ref(world: World, organization: str, principal: str) -> JsonObject:
    """Return a reference to somebody by their object ID in the directory (`IdentityRef`)."""
    who = world.principal(principal) or seed.ORGANIZER
    return {"displayName": who.display_name, "id": member_id(organization, who.id), "uniqueName": who.client}


def member_id(organization: str, principal: str) -> str:
    """Return the ID that somebody has in an organization."""
    return seed.fixed_id(f"devops {organization} {principal}")
