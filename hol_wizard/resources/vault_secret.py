"""The secrets in an environment's key vault.

No value is ever shown: a secret is reported as `set`, `missing` or `differs`, or with the reason why that is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change, Marked, MarkedFunction
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    ServiceError,
    UnreachableError,
    WizardError,
)
from hol_wizard.resources import key_vault as vaults
from hol_wizard.resources.azure_resource import TAG, read, tags
from hol_wizard.resources.context import StepContext
from hol_wizard.services import key_vault
from hol_wizard.services.key_vault import Item
from hol_wizard.services.secrets import Secret

PASSES_BY_ITSELF = key_vault.BUSY | {"AccessDenied"}
"""Codes of temporary refusals.

For a while, an access policy that works at one of the vault's front ends may not work at the next, which an earlier
check cannot find out.
"""

_AT_ONCE = 8
"""Number of secrets that are read, written or removed in parallel: a deletion continues for seconds after its
response."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A secret that the lab needs in the vault."""

    name: str
    value: Secret | None
    """None if it is not known here."""
    origin: str = ""
    """Where an unknown value comes from: what to do first."""


Source = Callable[[StepContext], Sequence[Wanted]]
"""Returns the secrets that a step needs; it may send requests."""


def known(name: str, value: str) -> Wanted:
    """Return a secret whose value is no more secret than a name."""
    return Wanted(name, Secret(value))


class State(StrEnum):
    """The state of a secret, in the words that a reader sees."""

    SET = "set"
    MISSING = "missing"
    DIFFERS = "differs"
    DISABLED = "disabled"
    UNCOMPARED = "set, not compared"
    """It exists, and its expected value is not known here."""
    UNREAD = "set, not readable"
    """It exists, but we may not read it."""


GOOD = {State.SET, State.UNCOMPARED}


@dataclass(frozen=True, slots=True)
class Found:
    """A secret in the vault."""

    item: Item
    value: Secret | None
    """None if it is disabled, or not valid now."""


@dataclass(frozen=True)
class VaultSecret(Resource[Found]):
    """A secret; its mark is a tag. A soft-deleted one of the same name is recovered, regardless of its owner."""

    context: StepContext
    wanted: Wanted
    kind = "Secret"
    cost = ""
    mark = "tag"
    patience: ClassVar[float] = 120.0
    """Seconds to retry if the vault is busy with a secret, or if a new policy is only partly effective."""

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its name."""
        return self.wanted.name

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"{vaults.vault_id(self.context)}/secrets/{self.name}"

    @property
    def where(self) -> str:
        """Return the vault's name."""
        return self.context.here.key_vault

    @property
    def parent(self) -> Resource[Any]:
        """Return the vault."""
        return vaults.key_vault(self.context)

    # Checking

    def find(self, reads: ReadCache) -> Found | None:
        """Return the secret with its value."""
        where = vaults.address(self.context)
        return reads.share(("vault", where, self.name), lambda: self._find(where, reads))

    def _find(self, where: str, reads: ReadCache) -> Found | None:
        service = self.context.services.key_vault
        try:
            content = service.read(where, self.name)
        except ConflictError as error:
            if error.code not in key_vault.DISABLED:
                raise
            listed = reads.share(("vault", where), lambda: service.items(where))
            return next((Found(item, None) for item in listed if item.name == self.name), None)
        return None if content is None else Found(content.item, content.value)

    def state(self, found: Found | None) -> State:
        """Return its state; values are compared in constant time."""
        if found is None:
            return State.MISSING
        if found.value is None:
            return State.DISABLED
        if self.wanted.value is None:
            return State.UNCOMPARED
        return State.SET if found.value == self.wanted.value else State.DIFFERS

    def marked(self, found: Found, noted: str | None) -> bool:
        """Return whether it has the lab's tag."""
        del noted
        return self.context.is_lab_id(found.item.tags.get(TAG))

    def expectations(self, found: Found) -> Sequence[Expectation]:
        """Return the expectation that it has the right value."""
        state = self.state(found)
        return (Expectation(self.name, "set", str(state), state in GOOD),)

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return an error if its value is not known here."""
        if self.wanted.value is not None:
            return None
        return ConflictError(
            f"The value of the secret {self.name} is not known here. {self.wanted.origin}", self.wanted.origin
        )

    def creation(self, note: str = "") -> Change:
        """Return the plan's line: it is created, or recovered."""
        change = super().creation(note)
        if not vaults.is_there(self.context) or self._deleted() is None:
            return replace(change, seconds=None)
        return replace(change, verb="adopt", seconds=None, note="soft-deleted: recovered, then set")

    def create(self, begun: Callable[[str], None]) -> str:
        """Write it with the lab's tag.

        Raises:
            ConflictError: One of its name was soft-deleted; it is now recovered, with its old tags.
        """
        del begun
        if self._deleted() is not None:
            raise self._recover()
        try:
            self._set({TAG: self.context.lab_id})
        except ConflictError as error:
            if error.code != key_vault.DELETED:
                raise
            raise self._recover() from error
        return ""

    def _set(self, its_tags: Mapping[str, str]) -> None:
        value = self.wanted.value
        if value is None:
            raise ConflictError(f"The value of the secret {self.name} is not known here.", self.wanted.origin)
        self.context.services.key_vault.set(vaults.address(self.context), self.name, value, tags=its_tags)

    def _recover(self) -> ConflictError:
        """Recover a soft-deleted secret, with its versions and tags, and return the error."""
        where, service = vaults.address(self.context), self.context.services.key_vault
        self.context.reporter.say(f"{self.name} is soft-deleted: recovering it …")
        service.recover(where, self.name)
        self._await(f"{self.name} is being recovered", lambda: self._find(where, ReadCache()) is not None)
        return ConflictError(f"The secret {self.name} was soft-deleted, and is recovered.", "Try again.")

    def changeable(self, found: Found, *, ours: bool) -> bool:
        """Return whether its value is known here: it then gets a new version, regardless of its owner; old versions are
        kept."""
        del found, ours
        return self.wanted.value is not None

    def change(self, found: Found) -> None:
        """Write a new version with its existing tags, because a version has only the tags that it names."""
        self._set(found.item.tags)

    def difference(self, found: Found) -> str:
        """Return that it gets a new version."""
        return f"{self.state(found)}: a new version; the old ones stay in the vault"

    def passes(self, error: ServiceError) -> bool:
        """Return whether the vault is busy with it, or a new access policy is only partly effective."""
        return error.code in PASSES_BY_ITSELF

    # Removing

    def delete(self, found: Found) -> None:
        """Delete it, and wait until it is soft-deleted: until then it cannot be purged."""
        del found
        self.context.services.key_vault.delete(vaults.address(self.context), self.name)
        if not self._purge_protected():
            self._await(f"{self.name} is being deleted", lambda: self._deleted() is not None)

    def _deleted(self) -> Item | None:
        return self.context.services.key_vault.deleted(vaults.address(self.context), self.name)

    def _purge_protected(self) -> bool:
        document = read(self.context, vaults.vault_id(self.context)) or {}
        return bool(document.get("properties", {}).get("enablePurgeProtection"))

    def trace(self) -> str:
        """Return a text if it is soft-deleted, ours, and can be purged."""
        try:
            deleted = self._deleted()
        except NotFoundError:
            # It was deleted with the vault.
            return ""
        ours = deleted is not None and self.context.is_lab_id(deleted.tags.get(TAG))
        return "soft-deleted" if ours and not self._purge_protected() else ""

    def purge(self) -> bool:
        """Purge it, if that is allowed, and wait until its name is free."""
        try:
            self.context.services.key_vault.purge(vaults.address(self.context), self.name)
        except AccessDeniedError as error:
            self.context.reporter.say(
                f"{self.name} is deleted; purging it is refused, so it is deleted permanently after its retention "
                f"period: {error.message}"
            )
            return False
        self._await(f"{self.name} is being purged", lambda: self._deleted() is None)
        return True

    def _await(self, words: str, done: Callable[[], bool]) -> None:
        """Wait for the operation that continues after the vault's response, like Microsoft's `begin_delete_secret`.

        Raises:
            UnreachableError: It takes too long; the accepted operation continues.
        """
        deadline = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > deadline:
                raise UnreachableError(f"The secret {words}.", "Try again in a minute.")
            self.context.reporter.progress(words)
            self.context.reporter.wait(self.context.poll_interval)


# What steps do with several


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known about a vault's secrets."""

    found: Mapping[str, Found | None] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    """Names of the secrets in the vault if it does not show them itself."""
    refused: AccessDeniedError | None = None
    """Why it does not show them."""

    def state(self, secret: VaultSecret) -> State:
        """Return the state of a secret."""
        if self.refused is not None and secret.name in self.names:
            return State.UNREAD
        return secret.state(self.found.get(secret.name))


def look_into(context: StepContext, wanted: Sequence[Wanted]) -> Contents:
    """Return which of these secrets the vault contains; if it refuses, their names as listed by Resource Manager.

    Resource Manager shows the names to everybody who may read the vault's resource, without a role on the data.

    Raises:
        AccessDeniedError: Resource Manager refuses as well.
    """
    vaults.address(context)
    secrets = [VaultSecret(context, each) for each in wanted]
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = list(pool.map(lambda each: each.find(context.reads), secrets))
    except AccessDeniedError as error:
        listed = context.services.arm.list(f"{vaults.vault_id(context)}/secrets")
        return Contents(names=frozenset(str(each["name"]) for each in listed), refused=error)
    return Contents({each.name: answer for each, answer in zip(secrets, answers, strict=True)})


def look(
    context: StepContext, wanted: Sequence[Wanted], advice: str = "Set them by hand as described, or <solve>."
) -> Result:
    """Return the status of the secrets.

    If their values may not be read, a missing name is still a failure, but names alone prove nothing, so that the
    status is UNKNOWN if all exist.
    """
    vault = look_into(context, wanted)
    states = {each.name: vault.state(VaultSecret(context, each)) for each in wanted}
    seen = tuple(Expectation(each.name, "set", str(states[each.name]), states[each.name] in GOOD) for each in wanted)
    name = context.here.key_vault
    if vault.refused is not None and State.MISSING not in states.values():
        return Result(
            Status.UNKNOWN,
            f"{name} has secrets with all these names, but their values cannot be checked: the vault denies access.",
            seen,
            vault.refused.hint,
            vault.refused.detail,
        )
    bad = [f"{each} ({state})" for each, state in states.items() if state not in GOOD | {State.UNREAD}]
    unknown = [each.origin for each in wanted if states[each.name] is State.MISSING and each.value is None]
    uncompared = ", ".join(each for each, state in states.items() if state is State.UNCOMPARED)
    compared = f"but this machine cannot compare {uncompared}." if uncompared else "with the right values."
    return judge(
        seen,
        passed=f"{name} has all of them, {compared}",
        failed=f"In {name}: {', '.join(bad)}.",
        next_action=unknown[0] if unknown else advice,
    )


def plan(source: Source, names: Sequence[str]) -> Callable[[StepContext], Sequence[Change]]:
    """Return the plan function for `write`.

    Args:
        source: Returns the secrets; called only if there is a vault.
        names: The names to show while there is none.
    """

    def tell(context: StepContext) -> Sequence[Change]:
        if not vaults.is_there(context):
            return [VaultSecret(context, Wanted(name, None)).creation() for name in names]
        secrets = [VaultSecret(context, each) for each in source(context)]
        vault = look_into(context, [each.wanted for each in secrets])
        return [change for each in secrets for change in _planned(each, vault)]

    return tell


def _planned(secret: VaultSecret, vault: Contents) -> Sequence[Change]:
    state = vault.state(secret)
    if vault.refused is None:
        return ownership.plan(secret)
    if state is State.MISSING and secret.wanted.value is not None:
        return (replace(ownership.Resource.creation(secret), seconds=None),)
    verb, note = "change", "set if it differs; it cannot be read yet"
    if state is State.MISSING:
        verb, note = "conflict", secret.wanted.origin
    return (Change(verb, secret.kind, secret.name, secret.where, note=note, resource=secret.id),)


def write(context: StepContext, wanted: Sequence[Wanted]) -> None:
    """Write what is missing or differs, and nothing else: each PUT makes a new version.

    Raises:
        ConflictError: A value that is missing in the vault is not known here.
        AccessDeniedError: The vault refuses.
        ServiceError: The vault could not be asked.
    """
    unknown = [VaultSecret(context, each) for each in wanted if each.value is None]
    for secret in unknown:
        ownership.solve(secret)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(ownership.solve, [VaultSecret(context, each) for each in wanted if each.value is not None]))
    context.reporter.say(f"{context.here.key_vault} has the secrets.")


def _written(context: StepContext) -> list[VaultSecret]:
    """Return what this step wrote into this vault, according to the ledger."""
    prefix = f"{vaults.vault_id(context)}/secrets/".lower()
    return [
        VaultSecret(context, Wanted(resource[len(prefix) :], None))
        for resource in context.ledger.made_by(context.target, VaultSecret.kind)
        if resource.lower().startswith(prefix)
    ]


def plan_removal(context: StepContext) -> Sequence[Change]:
    """Return what `remove` would do; empty if nothing of this step is left, or it was deleted with the vault."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [change for changes in pool.map(ownership.plan_undo, _written(context)) for change in changes]


def remove(context: StepContext) -> None:
    """Delete and purge what this step wrote and what still carries the lab's tag, unless it was deleted with the vault.

    Raises:
        WizardError: The vault refuses, or a secret is still there.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(ownership.undo, _written(context)))


def marked(names: Sequence[str]) -> MarkedFunction:
    """Return a function that finds the secrets of these names with this lab's tag."""

    def find(context: StepContext) -> Sequence[Marked]:
        vault = vaults.key_vault(context)
        document = read(context, vault.id)
        if document is None:
            return ()
        try:
            items = context.services.key_vault.items(vaults.address(context))
        except AccessDeniedError:
            # If it is hidden from us but its parent is ours, it disappears with the parent.
            if context.is_lab_id(tags(document).get(TAG)):
                return ()
            raise
        return [
            Marked(VaultSecret.kind, f"{vault.id}/secrets/{item.name}", item.name, vault.name)
            for item in items
            if item.name in names and context.is_lab_id(item.tags.get(TAG))
        ]

    return find
