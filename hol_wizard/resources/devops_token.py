"""A personal access token of Azure DevOps that the wizard makes for something else, which alone keeps its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.results import Expectation
from hol_wizard.engine.visibility import Viewer
from hol_wizard.errors import ConflictError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.visibility import devops_viewer
from hol_wizard.services.devops.tokens import CODE_READ_AND_WRITE, DevOpsToken, DevOpsTokens
from hol_wizard.services.secrets import Secret

LIFETIME_DAYS: Final = 30
SHORTER_DAYS: Final = (7, 1)
"""Tried where a policy of the organization does not allow so much."""


@dataclass(frozen=True)
class DevOpsAccessToken(Resource[tuple[DevOpsToken, ...]]):
    """The account's tokens of an organization that have the mark in their name and still hold: one, of code.

    A token's value is shown once. Whoever needs it (`take`) therefore gets a new token instead of the existing one.
    """

    context: StepContext
    organization: str
    purpose: str
    """What it is for: the last word of its name."""
    take: Callable[[Secret], None] | None = field(default=None, compare=False)
    """Is told the value; None: nobody needs it."""
    kind = "Personal access token of Azure DevOps"
    mark = "name"
    personal = True

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return what it is called in the organization: by that it is found."""
        return f"{self.context.mark} {self.purpose}"

    @property
    def id(self) -> str:
        """Return its name in the ledger; it is written before the token has an id."""
        return f"devops/{self.organization}/tokens/{self.name.replace(' ', '-')}"

    @property
    def where(self) -> str:
        """Return the organization."""
        return self.organization or "Azure DevOps"

    @property
    def cost(self) -> str:
        """Return that it costs nothing."""
        return "free"

    @property
    def note(self) -> str:
        """Return what it may do, and how long it lives."""
        return (
            f"Code: Read & write, this organization only, for {LIFETIME_DAYS} days at most; Databricks alone keeps it"
        )

    @property
    def viewer(self) -> Viewer:
        """Return who is signed in: tokens are listed to their owner only."""
        return devops_viewer(self.context, self.context.services.devops(self.organization))

    @property
    def _here(self) -> DevOpsTokens:
        return self.context.services.devops_tokens(self.organization)

    # Looking

    def find(self, reads: SharedReads) -> tuple[DevOpsToken, ...] | None:
        """Return the tokens of this name that still hold; a request that was sent twice makes two."""
        now = datetime.now(UTC)
        listed = reads.share(("devops tokens", self.organization), self._here.list)
        return (
            tuple(each for each in listed if each.name == self.name and (each.ends is None or each.ends > now)) or None
        )

    def marked(self, found: tuple[DevOpsToken, ...], noted: str | None) -> bool:
        """Return that they carry the mark: by it they are found."""
        del noted
        return bool(found)

    def identity(self, found: tuple[DevOpsToken, ...]) -> str:
        """Return the id of the first."""
        return found[0].id

    def holding(self, found: tuple[DevOpsToken, ...] | None) -> DevOpsToken | None:
        """Return the one that was made last, by the ledger, if it still holds and may read and write code."""
        made = self.context.ledger.detail(self.id)
        listed = found or ()
        return next((each for each in listed if each.id == made and CODE_READ_AND_WRITE in each.scope.split()), None)

    def expectations(self, found: tuple[DevOpsToken, ...]) -> Sequence[Expectation]:
        """Return that the value of one that is there is not known to whoever needs it."""
        del found
        if self.take is None:
            return ()
        return (Expectation("Value", "known", "shown only when it was created", met=False),)

    # Making

    def create(self, begun: Callable[[str], None]) -> str:
        """Create one, for so many days as the organization allows, and tell its value."""
        del begun
        made, value = self._create()
        # A request whose answer is lost on the way is sent again below us, and the service makes one for each.
        self._revoke(each for each in self.find(SharedReads()) or () if each.id != made.id)
        if self.take is not None:
            self.take(value)
        return made.id

    def _create(self) -> tuple[DevOpsToken, Secret]:
        """Create a token for so many days, or for fewer where a policy does not allow so many."""
        days = LIFETIME_DAYS
        for fewer in (*SHORTER_DAYS, None):
            self.context.channel.say(
                f"Making a token of {self.organization} for {days} days, scope Code: Read & write …"
            )
            try:
                return self._here.create(self.name, CODE_READ_AND_WRITE, days)
            except ConflictError as error:
                if fewer is None:
                    raise
                self.context.channel.say(error.message)
                days = fewer
        raise AssertionError("the last try returns or raises")

    def changeable(self, found: tuple[DevOpsToken, ...], *, ours: bool) -> bool:
        """Return whether another can take its place."""
        del found
        return ours

    def difference(self, found: tuple[DevOpsToken, ...]) -> str:
        """Return that another takes its place."""
        del found
        return "it is no longer valid, or its value is unknown: it is revoked and replaced"

    def change(self, found: tuple[DevOpsToken, ...]) -> None:
        """Make another in their place."""
        self._revoke(found)
        self.create(lambda address: None)

    def _revoke(self, found: Iterable[DevOpsToken]) -> None:
        for each in found:
            ends = f"{each.ends.astimezone():%d %B %Y}" if each.ends else "an unknown day"
            self.context.channel.say(f"Revoking the token {each.name} of {self.organization}, which ends on {ends} …")
            self._here.revoke(each.id)

    def delete(self, found: tuple[DevOpsToken, ...]) -> None:
        """Revoke them."""
        self._revoke(found)
