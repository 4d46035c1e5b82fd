"""The personal access token of a Databricks workspace, created only if the person explicitly wants one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, SignInError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.workspace import workspace_id
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.tokens import AccessToken
from hol_wizard.services.secrets import Secret

LIFETIME_DAYS: Final = 30
"""Maximum lifetime of a token in this lab; in the lab of 2019 it never expired."""
SHORTER_DAYS: Final = (7, 1)
"""Lifetimes to try if the workspace does not allow the maximum, and only administrators can read its settings."""


def kept_token(context: StepContext, environment: Environment | None = None) -> Secret | None:
    """Return the personal access token that is stored for an environment, or None.

    It is stored in the keyring; if there is no keyring, it may be in the CLI's profile if the person wants that.

    Raises:
        SecretStoreError: The keyring refused.
    """
    profiles, name = context.services.databricks_profiles, str(environment or context.environment)
    kept = context.services.secrets.get(_kept_as(name))
    if kept is not None or not context.ledger.made(profiles.id_of(name)):
        return kept
    try:
        found = profiles.find(name)
    except ConflictError:
        return None
    return found.token if found is not None else None


def _kept_as(name: str) -> str:
    return f"databricks-token/{name}"


def day(moment: datetime | None) -> str:
    """Return a day in words."""
    return f"{moment.astimezone():%d %B %Y}" if moment else "an unknown day"


def is_switched_off(here: Databricks) -> bool:
    """Whether the workspace says that it does not allow personal access tokens; only administrators can read its
    settings."""
    try:
        return here.token_rules().enabled is False
    except (AccessDeniedError, ConflictError):
        return False


@kind("databricks_token", uses=("databricks_workspace",))
@dataclass(frozen=True)
class DatabricksToken(InWorkspace[tuple[AccessToken, ...]]):
    """The account's tokens with the lab's mark as their comment: normally one, whose value is in the keyring.

    A token's value is shown only once. If it is lost, the token is found by its comment, revoked and replaced.
    """

    kind = "Personal access token"
    mark = "comment"
    personal = True

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its comment."""
        return self.context.mark

    @property
    def id(self) -> str:
        """Return its ID in the ledger, which is written before the service assigns an ID."""
        return f"{workspace_id(self.context)}/tokens/{self.name.replace(' ', '-')}"

    @property
    def note(self) -> str:
        """Return its lifetime, and where its value is stored."""
        return f"for {LIFETIME_DAYS} days at most, kept in the keyring"

    # Checking

    def find(self, reads: ReadCache) -> tuple[AccessToken, ...] | None:
        """Return the tokens with the mark; there are several if a request was repeated after a lost response."""
        place, here = workspace_id(self.context).lower(), self.enter(reads)
        listed = reads.share(("tokens", place), here.tokens)
        return tuple(each for each in listed if each.comment == self.name) or None

    def marked(self, found: tuple[AccessToken, ...], noted: str | None) -> bool:
        """Return True: they are found by the mark."""
        del noted
        return bool(found)

    def identity(self, found: tuple[AccessToken, ...]) -> str:
        """Return the ID of the one that expires last."""
        return max(found, key=_end).id

    def expectations(self, found: tuple[AccessToken, ...]) -> Sequence[Expectation]:
        """Return the expectations: its value is known and works, and it expires."""
        kept = kept_token(self.context)
        if kept is None:
            lost = f"{len(found)} exist, but their values are unknown" if found else "none"
            return (Expectation(self.kind, "kept in the keyring", lost, met=False),)
        lasting = max(found, key=_end, default=None)
        ends = self._ends(found)
        works = self._works(kept)
        return (
            Expectation(self.kind, "kept in the keyring", "kept", met=True),
            Expectation(
                "Listed in the workspace", "yes, with an expiry date", ends, met=bool(lasting and lasting.expires)
            ),
            Expectation("Signs in", "yes", "yes" if works else "refused", met=works),
            Expectation("Of this lab", "one", str(len(found)), met=len(found) <= 1),
        )

    @staticmethod
    def _ends(found: tuple[AccessToken, ...]) -> str:
        lasting = max(found, key=_end, default=None)
        return _ends(lasting.expires) if lasting else "not listed: it has expired or was revoked"

    def _works(self, kept: Secret) -> bool:
        """Whether the workspace accepts the token."""
        try:
            self.here.me(token=kept)
        except (AccessDeniedError, SignInError):
            return False
        return True

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return an error if the workspace does not allow tokens."""
        if not is_switched_off(self.here):
            return None
        return AccessDeniedError(
            "Personal access tokens are disabled in this workspace.",
            "Continue without one: your Azure sign-in works for Databricks too, also in programs (auth_type "
            "= azure-cli). If you need a token, ask an administrator of the workspace.",
        )

    def create(self, begun: Callable[[str], None]) -> str:
        """Create one, for as many days as the workspace allows, and store its value."""
        del begun
        made, value = self._create(self._days())
        self.context.services.secrets.set(_kept_as(str(self.context.environment)), value)
        # If a response is lost, the transport repeats the request, and the service creates one for each.
        self._revoke(each for each in self.here.tokens() if each.comment == self.name and each.id != made.id)
        self.context.reporter.say(f"The access token {_ends(made.expires)}; a teardown revokes it.")
        store = self.context.services.secrets.probe()
        if not store.persistent:
            self.context.reporter.say(f"It is kept for this session only: {store.reason}. {store.hint}")
        return made.id

    def _days(self) -> int:
        try:
            rules = self.here.token_rules()
        except AccessDeniedError:
            self.context.reporter.say("Only administrators can see the workspace's rules for tokens; trying.")
            return LIFETIME_DAYS
        return min(LIFETIME_DAYS, rules.longest_days or LIFETIME_DAYS)

    def _create(self, days: int) -> tuple[AccessToken, Secret]:
        """Create a token for this many days, or for fewer if the workspace does not allow that."""
        for fewer in [*(each for each in SHORTER_DAYS if each < days), None]:
            self.context.reporter.say(f"Creating an access token for {days} days …")
            try:
                return self.here.create_token(self.name, days * 24 * 3600)
            except ConflictError as error:
                if fewer is None or "lifetime" not in error.detail.lower():
                    raise
                self.context.reporter.say(error.message)
                days = fewer
        raise AssertionError("the last try returns or raises")

    def changeable(self, found: tuple[AccessToken, ...], *, ours: bool) -> bool:
        """Return whether it can be replaced."""
        del found
        return ours

    def difference(self, found: tuple[AccessToken, ...]) -> str:
        """Return that it is replaced."""
        del found
        return "its value is unknown or no longer works: it is revoked and replaced"

    def change(self, found: tuple[AccessToken, ...]) -> None:
        """Create a new one, and revoke the old ones."""
        if (obstacle := self.obstacle()) is not None:
            raise obstacle
        self._revoke(found)
        self.create(lambda address: None)

    def _revoke(self, found: Iterable[AccessToken]) -> None:
        for each in found:
            self.context.reporter.say(f"Revoking the access token {each.comment} of {day(each.created)} …")
            self.here.delete_token(each.id)

    # Removing

    def delete(self, found: tuple[AccessToken, ...]) -> None:
        """Revoke them."""
        self._revoke(found)

    def contents(self, found: tuple[AccessToken, ...]) -> str:
        """Return the date of its creation."""
        return ", ".join(f"made on {day(each.created)}" for each in found)

    def trace(self) -> str:
        """Return a text if the keyring contains a value that no longer works."""
        kept = self.context.services.secrets.get(_kept_as(str(self.context.environment)))
        return "its value in the keyring, which no longer works" if kept is not None else ""

    def purge(self) -> bool:
        """Delete its value."""
        self.context.services.secrets.delete(_kept_as(str(self.context.environment)))
        return True

    # Texts

    def absence(self) -> Result:
        """Return the result if there is none, or no longer one."""
        return self.result(())

    def result(self, found: tuple[AccessToken, ...]) -> Result:
        """Return the result: whether one works, and when it expires."""
        seen = tuple(self.expectations(found))
        if len(seen) == 1:
            return Result(
                Status.FAILED,
                "There is no access token with a known value.",
                seen,
                "To create one, <solve>: earlier tokens of the wizard are revoked first.",
            )
        ends = self._ends(found)
        refused = not all(each.met for each in seen if each.what == "Signs in")
        return judge(
            seen,
            passed=f"The access token works, and {ends}.",
            failed="The access token no longer works." if refused else f"The access token does not fit: it {ends}.",
            next_action="To replace it, <solve>: the old one is revoked.",
        )


def _end(each: AccessToken) -> datetime:
    return each.expires or datetime.max.replace(tzinfo=UTC)


def _ends(moment: datetime | None) -> str:
    if moment is None:
        return "never expires, which the lab of 2019 allowed and nobody should use"
    left = moment - datetime.now(UTC)
    days = max(0, round(left / timedelta(days=1)))
    return f"ends on {moment.astimezone():%d %B %Y}, in {days} day{'' if days == 1 else 's'}"
