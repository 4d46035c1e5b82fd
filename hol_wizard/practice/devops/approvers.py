"""The people and groups that can be approvers: an approval that asks a group needs one of its members.

azure/devops/pipelines/process/approvals: "These approvers can be individual users or groups of users. When a group is
specified as an approver, only one of the users in that group needs to approve", and a group counts as one approver.
"""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.devops.groups import KINDS, group_descriptor, group_id
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.pipelines.scope import Place
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.kernel.service import JsonObject, Request
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class Approvers:
    """The users of an organization, and the groups of one of its projects, by their IDs there."""

    def __init__(self, world: World, people: People) -> None:
        self._projects = world.part(Projects)
        self._people = people

    def exists(self, place: Place, identity: str) -> bool:
        """Return whether there is such a user or group."""
        return (
            _kind(place.project, identity) is not None or self._people.named(place.organization, identity) is not None
        )

    def acts_for(self, place: Place, who: seed.Principal) -> set[str]:
        """Return the IDs of somebody and of the groups of the project that they are in."""
        kind = self._projects.kind_of_member(place.organization, who, place.project)
        own = member_id(place.organization.name, who.id)
        return {own, group_id(place.project, kind)} if kind else {own}

    def shown(self, request: Request, place: Place, identity: str) -> JsonObject:
        """Return a reference to a user or a group (`IdentityRef`)."""
        organization, project = place.organization, place.project
        kind = _kind(project, identity)
        if kind is None:
            return self._people.shown(request, organization, identity)
        name = KINDS[kind][0]
        base = f"{request.base}/{organization.name}"
        descriptor = group_descriptor(project, kind)
        return {
            "displayName": f"[{project['name']}]\\{name}",
            "url": f"{base}/_apis/Identities/{identity}",
            "_links": {"avatar": {"href": f"{base}/_apis/GraphProfile/MemberAvatars/{descriptor}"}},
            "id": identity,
            # As in the official examples of reviewers (Pull Request Reviewers - List).
            "uniqueName": f"vstfs:///Classification/TeamProject/{project['id']}\\{name}",
            "imageUrl": f"{base}/_api/_common/identityImage?id={identity}",
            "isContainer": True,
            "descriptor": descriptor,
        }


def _kind(project: Document, identity: str) -> str | None:
    """Return the kind of the group with an ID, or None if it is none of the project's."""
    return next((kind for kind in KINDS if group_id(project, kind) == identity), None)
