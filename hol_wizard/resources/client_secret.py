"""The client secret with which an environment's service principal signs in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import AccessDeniedError, NotFoundError, ServiceError
from hol_wizard.resources import key_vault
from hol_wizard.resources.application import CHANGED_AT_ONCE, STEP, ApplicationRegistration
from hol_wizard.resources.azure_resource import read
from hol_wizard.resources.context import StepContext
from hol_wizard.services.answers import moment
from hol_wizard.services.graph import Application, Password
from hol_wizard.services.secrets import Secret

DAYS = (180, 90, 30)
"""Requested lifetimes in days; the next one is tried if the directory's policy refuses the previous one."""
ENDS_SOON = 14.0
"""Number of days before its expiry at which a warning is shown."""
YOUNG = 300.0
"""Seconds during which the sign-in may not know a new secret or a new application yet (lab/steps.md B6)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A client secret in the directory."""

    application: Application
    password: Password
    of_this_lab: tuple[Password, ...]
    """All secrets with this lab's mark."""


@dataclass(frozen=True)
class ClientSecret(Resource[Found]):
    """A client secret whose value is stored; its mark is its name in the application's list of secrets.

    The directory shows a value only once: a secret of this lab whose value is lost is replaced, and somebody else's
    counts only if a value is stored that may belong to it.
    """

    context: StepContext
    refused: bool = False
    """Whether a sign-in with the stored value was refused; the value then counts as lost."""
    kind = "Client secret"
    mark = "name"

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its service principal."""
        return self.context.here.service_principal

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"{ApplicationRegistration(self.context).id}/passwords/{self.name}"

    @property
    def where(self) -> str:
        """Return where it is stored."""
        place = self.context.services.secrets.probe().backend or "this session's memory"
        return f"the directory; kept in {place}"

    @property
    def note(self) -> str:
        """Return its lifetime."""
        return f"valid for {DAYS[0]} days"

    # Checking

    def _application(self, reads: ReadCache) -> Application:
        found = ApplicationRegistration(self.context).find(reads)
        if found is None:
            raise NotFoundError(f"There is no application {self.name}.", STEP)
        return found.application

    def _kept(self) -> bool:
        return not self.refused and value(self.context) is not None

    def find(self, reads: ReadCache) -> Found | None:
        """Return this lab's secret, otherwise a valid one of somebody else whose value may be the stored one."""
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
        """Return its key ID."""
        return found.password.key_id

    def expectations(self, found: Found) -> Sequence[Expectation]:
        """Return the expectations that it is valid, and that its value is stored."""
        kept = "" if self.refused else place(self.context)
        return (
            good_until([found.password]),
            Expectation("Client secret here", "kept", f"in {kept}" if kept else "not kept", bool(kept)),
        )

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it and store its value."""
        del begun
        application = self._application(ReadCache())
        password, secret = self._add(application)
        self.context.services.secrets.set(kept_as(self.context), secret)
        for other in self._application(ReadCache()).passwords:
            if self.context.is_mark(other.name) and other.key_id != password.key_id:
                # The response to a first request was lost, and the request was repeated.
                self.context.services.graph.remove_password(application.id, other.key_id)
        store = self.context.services.secrets.probe()
        where = (
            store.backend if store.persistent else "this session's memory, and after the section secrets in the vault"
        )
        self.context.reporter.say(f"The client secret is valid until {password.ends[:10]}; it is kept in {where}.")
        return password.key_id

    def _add(self, application: Application) -> tuple[Password, Secret]:
        graph, mark = self.context.services.graph, self.context.mark
        for days in DAYS[:-1]:
            try:
                return graph.add_password(application.id, mark, days)
            except ServiceError as error:
                # An application management policy may limit a secret's lifetime; this is in no available API
                # description.
                if "lifetime" not in f"{error.code} {error.detail}".lower():
                    raise
                self.context.reporter.say(f"The directory does not allow {days} days; asking for fewer.")
        return graph.add_password(application.id, mark, DAYS[-1])

    def changeable(self, found: Found, *, ours: bool) -> bool:
        """Return whether it is this lab's, so that it can be replaced."""
        return ours

    def change(self, found: Found) -> None:
        """Replace it, because a secret with a lost value is useless."""
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
    """Return the stored value: from the keyring, otherwise from the environment's key vault if it may be read.

    Raises:
        SecretStoreError: The keyring refused.
    """
    return context.services.secrets.get(kept_as(context)) or _value_in_the_vault(context)


def for_the_vault(context: StepContext) -> Secret | None:
    """Return the value for the vault: this machine's, unless the vault has another valid one.

    Two profiles may share the application and the vault, each with its own client secret: the value that was written
    first is not overwritten. The first characters of a value, which the directory shows, identify its secret.

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
    """Return the value in the vault; None if there is no such vault or secret, or if it may not be read.

    Raises:
        NotReadyError: Azure does not return the vault's address yet.
    """
    if read(context, key_vault.vault_id(context)) is None:
        return None
    try:
        return context.services.key_vault.get(key_vault.address(context), "sp-password")
    except AccessDeniedError:
        # Before the section about secrets, nobody has access to the vault.
        return None


def place(context: StepContext) -> str:
    """Return where the value is stored, or an empty string."""
    store = context.services.secrets
    if store.get(kept_as(context)) is not None:
        return store.probe().backend or "this session's memory"
    return f"the key vault {context.here.key_vault}" if _value_in_the_vault(context) is not None else ""


# Lifetime


def days_left(password: Password) -> float:
    """Return the days until a secret expires; negative if it has expired."""
    ends = _seconds(password.ends)
    return float("inf") if ends is None else (ends - time.time()) / 86400


def young(passwords: Sequence[Password]) -> bool:
    """Whether one was created recently, so that it may still be propagating."""
    begins = [begin for each in passwords if (begin := _seconds(each.begins)) is not None]
    return bool(begins) and time.time() - max(begins) < YOUNG


def _seconds(text: str) -> float | None:
    parsed = moment(text)
    return None if parsed is None else parsed.timestamp()


def good_until(passwords: Sequence[Password]) -> Expectation:
    """Return the expectation that one of these is valid, and until when."""
    what, expected = "Client secret in the directory", "a valid one"
    latest = max(passwords, key=days_left, default=None)
    if latest is None:
        return Expectation(what, expected, "none", met=False)
    left, day = days_left(latest), latest.ends[:10]
    if left <= 0:
        return Expectation(what, expected, f"ended on {day}", met=False)
    soon = f", only {left:.0f} more days" if left < ENDS_SOON else ""
    return Expectation(what, expected, f"valid until {day}{soon}", met=True)
