"""A user who is invited to the Azure DevOps organization and added to the lab's project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.engine.visibility import Viewer
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, hidden_project, organization, project
from hol_wizard.resources.devops_project import place_of
from hol_wizard.resources.visibility import devops_viewer
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.people import Member
from hol_wizard.services.devops.projects import Project

USER: Final = "Azure DevOps user"
LEVEL: Final = "Access level"
TAKES_PART: Final = "Project"
ABSENT: Final = "not in the organization"
OUTSIDE: Final = "not in the project"
_LICENSES: Final = {"basic": "express", "stakeholder": "stakeholder"}
"""The service's name of an access level (AccessLevel, `accountLicenseType`)."""
_ENOUGH: Final = {
    "stakeholder": {"stakeholder", "express", "advanced", "earlyadopter", "professional"},
    "basic": {"express", "advanced", "earlyadopter", "professional"},
}
"""Licenses that include at least an access level."""


def access_level(context: StepContext) -> str:
    """Return the effective access level: given for this run, otherwise saved, otherwise the default."""
    return context.answer("devops_access_level") or "basic"


@dataclass(frozen=True)
class DevOpsUser(Resource[Member]):
    """A user of an organization, by their sign-in address."""

    context: StepContext
    organization: str
    """Empty if none is chosen yet."""
    name: str
    kind = USER
    unmarked = "a user has no mark: the wizard owns it if its invitation was accepted"
    usually = 2.0
    patience: ClassVar[float] = 120.0

    @property
    def id(self) -> str:
        """Return their ID in the ledger."""
        return f"devops/{self.organization}/users/{self.name}"

    @property
    def where(self) -> str:
        """Return the organization."""
        return self.organization or self.context.names.devops_organization

    @property
    def cost(self) -> str:
        """Return the cost of a license."""
        return "free for the first five users with Basic" if self._level == "basic" else "free"

    @property
    def note(self) -> str:
        """Return their access level and role."""
        return f"{self._level}, contributor in {self.context.names.devops_project}; they get an e-mail"

    @property
    def _level(self) -> str:
        return access_level(self.context)

    @property
    def _here(self) -> DevOps:
        return self.context.services.devops(self.organization) if self.organization else organization(self.context)

    @property
    def viewer(self) -> Viewer:
        """Return who is signed in: an organization can hide users from some accounts.

        "Limit user visibility and collaboration to specific projects".
        """
        return devops_viewer(self.context, self._here)

    # Checking

    def find(self, reads: ReadCache) -> Member | None:
        """Return them by the recorded ID, or by their address."""
        here, noted = self._here, self.context.ledger.detail(self.id)
        members = reads.share(("devops members", here.organization), here.members)
        named = [each for each in members if each.id == noted or self.name in each.known_as]
        return min(named, key=lambda each: each.id != noted, default=None)

    def marked(self, found: Member, noted: str | None) -> bool:
        """Return whether the invitation was accepted."""
        return noted in {"", found.id}

    def identity(self, found: Member) -> str:
        """Return their ID in the organization."""
        return found.id

    def expectations(self, found: Member) -> Sequence[Expectation]:
        """Return the expectations: the access level, and membership in the project."""
        enough = found.level.lower() in _ENOUGH[self._level] or found.level.lower() == "none"
        where = project(self.context)
        inside = where is not None and where.id in found.projects
        return (
            Expectation(LEVEL, self._level, found.level_name, enough),
            Expectation(TAKES_PART, self.context.names.devops_project, "a member" if inside else OUTSIDE, inside),
        )

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Invite them to the organization and the project, and return their ID."""
        del begun
        return self._here.add_member(self.name, _LICENSES[self._level], required_project(self.context))

    def changeable(self, found: Member, *, ours: bool) -> bool:
        """Return whether they only need to be added to the project; a license is a person's decision."""
        del ours
        return all(each.met or each.what == TAKES_PART for each in self.expectations(found))

    def change(self, found: Member) -> None:
        """Add them to the project."""
        self._here.take_into_project(found, required_project(self.context))

    def difference(self, found: Member) -> str:
        """Return what they are added to."""
        del found
        return "added to the project"

    def remedy(self, found: Member) -> str:
        """Return how to raise an access level."""
        del found
        return "Raise the access level by hand: Organization settings, Users."

    # Removing

    def stays(self, found: Member) -> str:
        """Return why they are kept if they are members of other projects in the organization."""
        labs = self._here.project(self.context.names.devops_project)
        own = {entry.detail for entry in self.context.ledger.entries() if entry.kind == PROJECT}
        elsewhere = set(found.projects) - ({labs.id} if labs is not None else set()) - own
        return "is a member of other projects by now" if elsewhere else ""

    def contents(self, found: Member) -> str:
        """Return that they are removed from the whole organization."""
        del found
        return "from the whole organization, to which this wizard added them"

    def delete(self, found: Member) -> None:
        """Remove them from the organization."""
        self._here.remove_member(found)


def required_project(context: StepContext) -> Project:
    """Return the lab's project.

    Raises:
        NotFoundError: The account sees none.
        InconclusiveError: According to the ledger, somebody else created it, and the account does not see it.
    """
    found = project(context)
    if found is None:
        if (hidden := hidden_project(context)) is not None:
            raise hidden.error
        raise NotFoundError(
            f"There is no project {context.names.devops_project} that you can see.",
            "<first devops-project/create-the-project>.",
        )
    return found


def lab_user(context: StepContext, mail: str) -> DevOpsUser:
    """Return a user of the chosen organization."""
    chosen = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    return DevOpsUser(context, chosen, mail)


def invited_users(context: StepContext) -> list[DevOpsUser]:
    """Return the users in the ledger, in any organization."""
    return [DevOpsUser(context, *place_of(entry)) for entry in context.ledger.standing() if entry.kind == USER]
