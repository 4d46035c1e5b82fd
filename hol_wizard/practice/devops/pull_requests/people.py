"""Resolves the IDs of users of an organization, and shows them as Azure DevOps does."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.devops.members import Members, member_id
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.service import JsonObject, Request
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class People:
    """The users and service principals of the organizations, by the IDs that they have there."""

    def __init__(self, world: World, projects: Projects) -> None:
        self._world = world
        self._members = world.part(Members)
        self._projects = projects

    def named(self, organization: Organization, identity: str) -> tuple[str, str, str] | None:
        """Return display name, unique name and object ID of somebody, or None; a guest has no object ID here."""
        for each in organization.members:
            if member_id(organization.name, each) == identity:
                principal = seed.PRINCIPALS[each]
                return principal.display_name, principal.client, principal.id
        added = self._members.find(identity)
        if added is None or added["organization"] != organization.name or added["removed"]:
            return None
        person = seed.USERS.get(added["mail"])
        return added["name"], added["mail"], person.id if person else ""

    def can_review(self, organization: Organization, project: Document, identity: str) -> bool:
        """Return whether somebody can be a reviewer: whether they can see the repository."""
        found = self.named(organization, identity)
        if found is None:
            return False
        principal = self._world.principal(found[2]) if found[2] else None
        if principal is not None:
            return self._projects.sees(organization, principal, project)
        added = self._members.find(identity)
        return added is not None and project["id"] in added["projects"]

    def shown(self, request: Request, organization: Organization, identity: str) -> JsonObject:
        """Return a reference to somebody (recorded: `IdentityRef`)."""
        name, unique, principal = self.named(organization, identity) or (identity, identity, "")
        kind = "aadsp" if principal in seed.PRINCIPALS and seed.PRINCIPALS[principal].app_id else "aad"
        descriptor = f"{kind}.{(principal or identity).replace('-', '')}"
        base = f"{request.base}/{organization.name}"
        return {
            "displayName": name,
            "url": f"{base}/_apis/Identities/{identity}",
            "_links": {"avatar": {"href": f"{base}/_apis/GraphProfile/MemberAvatars/{descriptor}"}},
            "id": identity,
            "uniqueName": unique,
            "imageUrl": f"{base}/_api/_common/identityImage?id={identity}",
            "descriptor": descriptor,
        }
