"""The client secret by which an environment's service principal signs in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import AccessDeniedError, NotFoundError, ServiceError
from hol_wizard.resources import key_vault
from hol_wizard.resources.application import CHANGED_AT_ONCE, STEP, ApplicationRegistration
from hol_wizard.resources.azure_resource import read
from hol_wizard.resources.context import StepContext
from hol_wizard.services.graph import Application, Password
from hol_wizard.services.secrets import Secret

DAYS = (180, 90, 30)
"""Days for which a client secret is asked to be good; the next where the directory's policy refuses the one before."""
ENDS_SOON = 14.0
"""Days before its end from which on a secret's end is called near."""
YOUNG = 300.0
"""Seconds in which a new secret, or a new application, may still be unknown to the sign-in (lab/steps.md B6)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A client secret that the directory has."""

    application: Application
    password: Password
    of_this_lab: tuple[Password, ...]
    """All that carry this lab's mark."""


@dataclass(frozen=True)
class ClientSecret(Resource[Found]):
    """A client secret whose value is kept; its mark is its name in the application's list of secrets.

    The directory shows a value once: a secret of this lab whose value is lost is replaced, and one of somebody else
    counts only if a value is kept that it may belong to.
    """

    context: StepContext
    refused: bool = False
    """Whether the kept value was seen to be refused at a sign-in: then it counts as lost."""
    kind = "Client secret"
    mark = "name"

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the service principal that it is for."""
        return self.context.here.service_principal

    @property
    def id(self) -> str:
        """Return its name in the ledger."""
        return f"{ApplicationRegistration(self.context).id}/passwords/{self.name}"

    @property
    def where(self) -> str:
        """Return where it is kept."""
        place = self.context.services.secrets.probe().backend or "this session's memory"
        return f"the directory; kept in {place}"

    @property
    def cost(self) -> str:
        """Return that it costs nothing."""
        return "free"

    @property
    def note(self) -> str:
        """Return how long it is good."""
        return f"valid for {DAYS[0]} days"

    # Looking

    def _application(self, reads: SharedReads) -> Application:
        found = ApplicationRegistration(self.context).find(reads)
        if found is None:
            raise NotFoundError(f"There is no application {self.name}.", STEP)
        return found.application

    def _kept(self) -> bool:
        return not self.refused and value(self.context) is not None

    def find(self, reads: SharedReads) -> Found | None:
        """Return this lab's own, else somebody else's that is good and whose value may be the one that is kept."""
        application = self._application(reads)
        own = tuple(each for each in application.passwords if self.context.is_mark(each.name))
        others = [each for each in application.passwords if each not in own and days_left(each) > 0]
        if not own and not (others and self._kept()):
            return None
        return Found(application, max(own or others, key=days_left), own)

    def marked(self, found: Found, noted: str | None) -> bool:
        """Return whether it has the lab's name."""
        del noted
        return self.context.is_mark(found.password.name)

    def identity(self, found: Found) -> str:
        """Return its key id."""
        return found.password.key_id

    def expectations(self, found: Found) -> Sequence[Expectation]:
        """Return that it is good, and that its value is kept."""
        kept = "" if self.refused else place(self.context)
        return (
            good_until([found.password]),
            Expectation("Client secret here", "kept", f"in {kept}" if kept else "not kept", bool(kept)),
        )

    # Making

    def create(self, begun: Callable[[str], None]) -> str:
        """Make it and keep its value."""
        del begun
        application = self._application(SharedReads())
        password, secret = self._add(application)
        self.context.services.secrets.set(kept_as(self.context), secret)
        for other in self._application(SharedReads()).passwords:
            if self.context.is_mark(other.name) and other.key_id != password.key_id:
                # The answer to a first request was lost, and the request sent again.
                self.context.services.graph.remove_password(application.id, other.key_id)
        store = self.context.services.secrets.probe()
        where = (
            store.backend if store.persistent else "this session's memory, and after the section secrets in the vault"
        )
        self.context.channel.say(f"The client secret is valid until {password.ends[:10]}; it is kept in {where}.")
        return password.key_id

    def _add(self, application: Application) -> tuple[Password, Secret]:
        graph, mark = self.context.services.graph, self.context.mark
        for days in DAYS[:-1]:
            try:
                return graph.add_password(application.id, mark, days)
            except ServiceError as error:
                # An application management policy may cap a secret's life; not in any description at hand.
                if "lifetime" not in f"{error.code} {error.detail}".lower():
                    raise
                self.context.channel.say(f"The directory does not allow {days} days; asking for fewer.")
        return graph.add_password(application.id, mark, DAYS[-1])

    def changeable(self, found: Found, *, ours: bool) -> bool:
        """Return whether it is this lab's: then another is made in its place."""
        return ours

    def change(self, found: Found) -> None:
        """Make another in its place: a value that is lost is of no use to anybody."""
        self.delete(found)
        self.create(lambda address: None)

    def passes(self, error: ServiceError) -> bool:
        """Return whether another request is changing the application."""
        return error.code == CHANGED_AT_ONCE

    # Removing

    def delete(self, found: Found) -> None:
        """Remove it from the application."""
        for each in found.of_this_lab:
            self.context.services.graph.remove_password(found.application.id, each.key_id)


# The value


def kept_as(context: StepContext) -> str:
    """Return the secret's name in the keyring."""
    return f"service-principal/{context.environment}"


def value(context: StepContext) -> Secret | None:
    """Return the value that is kept: in the keyring, else in the environment's key vault, where it may be read.

    Raises:
        SecretStoreError: The keyring refused.
    """
    return context.services.secrets.get(kept_as(context)) or _value_in_the_vault(context)


def for_the_vault(context: StepContext) -> Secret | None:
    """Return the value that belongs into the vault: this machine's, unless the vault has another that is as good.

    Two profiles may share the application and the vault, each with a client secret of its own: whoever wrote first is
    not overwritten. Whose value one is, its first characters tell, which the directory shows.

    Raises:
        SecretStoreError: The keyring refused.
    """
    kept = context.services.secrets.get(kept_as(context))
    there = _value_in_the_vault(context) if kept is not None else None
    if there is None or there == kept:
        return kept
    registered = ApplicationRegistration(context).find(context.reads)
    others = registered.application.passwords if registered is not None else ()
    as_good = any(
        days_left(each) > 0 and each.hint and there.reveal().startswith(each.hint)
        for each in others
        if not context.is_mark(each.name)
    )
    return there if as_good else kept


def _value_in_the_vault(context: StepContext) -> Secret | None:
    """Return the value in the vault; None if there is no such vault or secret, or it may not be read.

    Raises:
        NotReadyError: Azure does not tell the vault's address.
    """
    if read(context, key_vault.vault_id(context)) is None:
        return None
    try:
        return context.services.key_vault.get(key_vault.address(context), "sp-password")
    except AccessDeniedError:
        # Before the section about secrets nobody has a role in the vault.
        return None


def place(context: StepContext) -> str:
    """Return where the value is kept, or an empty string."""
    store = context.services.secrets
    if store.get(kept_as(context)) is not None:
        return store.probe().backend or "this session's memory"
    return f"the key vault {context.here.key_vault}" if _value_in_the_vault(context) is not None else ""


# How long one is good


def days_left(password: Password) -> float:
    """Return the days until a secret ends; below zero it has ended."""
    ends = _seconds(password.ends)
    return float("inf") if ends is None else (ends - time.time()) / 86400


def young(passwords: Sequence[Password]) -> bool:
    """Whether one was created a moment ago, so that it may still be propagating."""
    begins = [begin for each in passwords if (begin := _seconds(each.begins)) is not None]
    return bool(begins) and time.time() - max(begins) < YOUNG


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def good_until(passwords: Sequence[Password]) -> Expectation:
    """Return whether one of these is good, and how long."""
    what, expected = "Client secret in the directory", "a valid one"
    latest = max(passwords, key=days_left, default=None)
    if latest is None:
        return Expectation(what, expected, "none", met=False)
    left, day = days_left(latest), latest.ends[:10]
    if left <= 0:
        return Expectation(what, expected, f"ended on {day}", met=False)
    soon = f", only {left:.0f} more days" if left < ENDS_SOON else ""
    return Expectation(what, expected, f"valid until {day}{soon}", met=True)
