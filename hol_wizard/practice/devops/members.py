"""Who was added to the organizations, beside the people of `seed`."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document


class Members(Register):
    """Those who were added or changed, by the ID that they have in their organization; `removed` is kept too."""

    collection = "devops_users"

    def of(self, organization: str, principal: str) -> Document | None:
        """Return what is kept of somebody in an organization, by their object ID in the directory."""
        return self.find(member_id(organization, principal))


def member_id(organization: str, principal: str) -> str:
    """Return the ID that somebody has in an organization."""
    return seed.fixed_id(f"devops {organization} {principal}")
