"""The initial organizations, and the permissions in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hol_wizard.practice import seed


@dataclass(frozen=True, slots=True)
class Organization:
    """An Azure DevOps organization."""

    name: str
    members: frozenset[str]
    """Object IDs of all its members."""
    creators: frozenset[str] = frozenset()
    """The members with the permission "Create new projects"."""
    administrators: frozenset[str] = frozenset()
    """The members who are Project Collection Administrators, with all permissions."""
    wants_personal_tokens: bool = False
    """Whether a policy blocks the Entra tokens of programs like the wizard, so that only a personal access token
    works."""
    allows_tokens: bool = True
    """Whether users may create personal access tokens."""
    allows_full_tokens: bool = True
    """Whether a personal access token may have full access."""
    token_days: int = 365
    """Maximum lifetime of a personal access token, in days."""
    old_project: str = ""
    """Name of an initial project, in whose repository the default branch is `master`; all members are in it."""
    hosted_jobs: int = 1
    """Number of parallel Microsoft-hosted jobs for private projects: none until the free grant is given."""

    @property
    def id(self) -> str:
        """Its GUID."""
        return seed.fixed_id(f"organization {self.name}")

    def may_create_projects(self, principal: str) -> bool:
        """Return whether somebody may create projects here."""
        return principal in self.creators | self.administrators


PRACTICE = Organization(
    "practice",
    members=frozenset(
        each.id
        for each in (
            seed.ATTENDEE,
            seed.CONTRIBUTOR_USER,
            seed.READER_USER,
            seed.ELIGIBLE,
            seed.ORGANIZER,
            seed.CI_PRINCIPAL,
        )
    ),
    creators=frozenset({seed.CI_PRINCIPAL.id}),
    administrators=frozenset({seed.ORGANIZER.id, seed.ATTENDEE.id}),
)
SHARED = Organization(
    "practice-shared",
    members=frozenset({seed.ATTENDEE.id, seed.CI_PRINCIPAL.id, seed.ORGANIZER.id}),
    administrators=frozenset({seed.ORGANIZER.id}),
)
"""One in which the attendee is a member but may not create projects."""
LEGACY = Organization(
    "practice-legacy",
    members=frozenset({seed.ATTENDEE.id, seed.CONTRIBUTOR_USER.id, seed.ORGANIZER.id}),
    creators=frozenset({seed.ATTENDEE.id}),
    administrators=frozenset({seed.ORGANIZER.id}),
    wants_personal_tokens=True,
    old_project="Reports",
    allows_full_tokens=False,
    token_days=90,
)
"""An old one: it requires personal access tokens with short lifetimes and few scopes; its default branch is
`master`."""
NEW = Organization(
    "practice-new",
    members=frozenset({seed.ATTENDEE.id, seed.ORGANIZER.id}),
    administrators=frozenset({seed.ATTENDEE.id, seed.ORGANIZER.id}),
    allows_tokens=False,
    hosted_jobs=0,
)
"""One that was created yesterday: no free grant of hosted jobs yet, and a policy forbids personal access tokens."""
CLOSED = Organization("practice-closed", members=frozenset({seed.ORGANIZER.id}))
"""One without the attendee."""

ORGANIZATIONS: Mapping[str, Organization] = {each.name: each for each in (PRACTICE, SHARED, LEGACY, NEW, CLOSED)}
"""By name, in lowercase; the stranger is not in any."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process template; the IDs are the same in every organization (recorded: Processes - List)."""

    id: str
    name: str
    description: str
    is_default: bool = False


PROCESSES = (
    Process(
        "6b724908-ef14-45cf-84f8-768b5384da45", "Scrum", "This template is for teams who follow the Scrum framework."
    ),
    Process(
        "b8a3a935-7e91-48b8-a94c-606d37c3e9f2",
        "Basic",
        "This template is flexible for any process and great for teams getting started with Azure DevOps.",
        is_default=True,
    ),
    Process(
        "27450541-8e31-4150-9947-dc59f998fc01",
        "CMMI",
        "This template is for more formal projects requiring a framework for process improvement and an auditable "
        "record of decisions.",
    ),
    Process(
        "adcc42ab-9882-485e-a3ed-7678f01f66bc",
        "Agile",
        "This template is flexible and will work great for most teams using Agile planning methods, including those "
        "practicing Scrum.",
    ),
)
