"""A personal access token of Azure DevOps that the wizard creates for another resource, which alone stores its
value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.engine.visibility import Viewer
from hol_wizard.errors import ConflictError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.visibility import devops_viewer
from hol_wizard.services.devops.tokens import CODE_READ_AND_WRITE, DevOpsToken, DevOpsTokens
from hol_wizard.services.secrets import Secret

LIFETIME_DAYS: Final = 30
SHORTER_DAYS: Final = (7, 1)
"""Lifetimes to try if a policy of the organization does not allow the maximum."""


@dataclass(frozen=True)
class DevOpsAccessToken(Resource[tuple[DevOpsToken, ...]]):
    """The account's valid tokens of an organization with the mark in their name: normally one, for code.

    A token's value is shown only once. Its user (`take`) therefore gets a new token instead of the existing one.
    """

    context: StepContext
    organization: str
    purpose: str
    """Its purpose: the last word of its name."""
    take: Callable[[Secret], None] | None = field(default=None, compare=False)
    """Called with the value; None if nobody needs it."""
    kind = "Personal access token of Azure DevOps"
    mark = "name"
    personal = True

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its name in the organization, by which it is found."""
        return f"{self.context.mark} {self.purpose}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger, which is written before the service assigns an ID."""
        return f"devops/{self.organization}/tokens/{self.name.replace(' ', '-')}"

    @property
    def where(self) -> str:
        """Return the organization."""
        return self.organization or "Azure DevOps"

    @property
    def note(self) -> str:
        """Return its scope and its lifetime."""
        return (
            f"Code: Read & write, this organization only, for {LIFETIME_DAYS} days at most; Databricks alone keeps it"
        )

    @property
    def viewer(self) -> Viewer:
        """Return who is signed in: tokens are listed only for their owner."""
        return devops_viewer(self.context, self.context.services.devops(self.organization))

    @property
    def _here(self) -> DevOpsTokens:
        return self.context.services.devops_tokens(self.organization)

    # Checking

    def find(self, reads: ReadCache) -> tuple[DevOpsToken, ...] | None:
        """Return the valid tokens of this name; a repeated request causes two."""
        now = datetime.now(UTC)
        listed = reads.share(("devops tokens", self.organization), self._here.list)
        return (
            tuple(each for each in listed if each.name == self.name and (each.ends is None or each.ends > now)) or None
        )

    def marked(self, found: tuple[DevOpsToken, ...], noted: str | None) -> bool:
        """Return True: they are found by the mark."""
        del noted
        return bool(found)

    def identity(self, found: tuple[DevOpsToken, ...]) -> str:
        """Return the id of the first."""
        return found[0].id

    def holding(self, found: tuple[DevOpsToken, ...] | None) -> DevOpsToken | None:
        """Return the one that was created last, according to the ledger, if it is valid and may read and write code."""
        made = self.context.ledger.detail(self.id)
        listed = found or ()
        return next((each for each in listed if each.id == made and CODE_READ_AND_WRITE in each.scope.split()), None)

    def expectations(self, found: tuple[DevOpsToken, ...]) -> Sequence[Expectation]:
        """Return the expectation that its value is known, which an existing token never meets."""
        del found
        if self.take is None:
            return ()
        return (Expectation("Value", "known", "shown only when it was created", met=False),)

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create one, for as many days as the organization allows, and pass on its value."""
        del begun
        made, value = self._create()
        # If a response is lost, the transport repeats the request, and the service creates one for each.
        self._revoke(each for each in self.find(ReadCache()) or () if each.id != made.id)
        if self.take is not None:
            self.take(value)
        return made.id

    def _create(self) -> tuple[DevOpsToken, Secret]:
        """Create a token for this many days, or for fewer if a policy does not allow that."""
        days = LIFETIME_DAYS
        for fewer in (*SHORTER_DAYS, None):
            self.context.reporter.say(
                f"Making a token of {self.organization} for {days} days, scope Code: Read & write …"
            )
            try:
                return self._here.create(self.name, CODE_READ_AND_WRITE, days)
            except ConflictError as error:
                if fewer is None:
                    raise
                self.context.reporter.say(error.message)
                days = fewer
        raise AssertionError("the last try returns or raises")

    def changeable(self, found: tuple[DevOpsToken, ...], *, ours: bool) -> bool:
        """Return whether it can be replaced."""
        del found
        return ours

    def difference(self, found: tuple[DevOpsToken, ...]) -> str:
        """Return that it is replaced."""
        del found
        return "it is no longer valid, or its value is unknown: it is revoked and replaced"

    def change(self, found: tuple[DevOpsToken, ...]) -> None:
        """Create a new one, and revoke the old ones."""
        self._revoke(found)
        self.create(lambda address: None)

    def _revoke(self, found: Iterable[DevOpsToken]) -> None:
        for each in found:
            ends = f"{each.ends.astimezone():%d %B %Y}" if each.ends else "an unknown day"
            self.context.reporter.say(f"Revoking the token {each.name} of {self.organization}, which ends on {ends} …")
            self._here.revoke(each.id)

    def delete(self, found: tuple[DevOpsToken, ...]) -> None:
        """Revoke them."""
        self._revoke(found)
