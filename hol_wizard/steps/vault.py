"""The secrets in an environment's key vault: looked at, planned, written and removed the same way by every step.

No value is ever shown: what is told of a secret is `set`, `missing`, `differs`, or why it could not be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotReadyError,
    ServiceError,
    UnreachableError,
)
from hol_wizard.resources.azure_resource import TAG, TRY_AGAIN, ours
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.key_vault import address, is_there
from hol_wizard.resources.key_vault import key_vault as key_vault_of
from hol_wizard.services import key_vault
from hol_wizard.services.key_vault import Item
from hol_wizard.services.secrets import Secret

T = TypeVar("T")

KIND = "Secret"

PATIENCE = 120.0
"""Seconds for which a vault that is busy with a secret, or whose new role still comes and goes, is asked again."""
SHORTEST_WAIT = 0.1
"""Seconds between two such tries at a cloud on this machine."""

PASSES_BY_ITSELF = key_vault.BUSY | {"ForbiddenByRbac"}
"""Codes of refusals that pass. A role that works at one of the vault's front ends may be refused by the next for a
while (Key Vault RBAC guide: "allow several minutes"), which a look before cannot find out."""


def vault_id(context: StepContext) -> str:
    """Return the resource id of the environment's key vault."""
    return key_vault_of(context).id


def _required_address(context: StepContext, document: Mapping[str, Any]) -> str:
    if found := str(document.get("properties", {}).get("vaultUri") or ""):
        return found
    raise NotReadyError(
        f"The key vault {context.here.key_vault} is not ready: Azure does not tell its address.", TRY_AGAIN
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A secret that the lab wants in the vault."""

    name: str
    value: Secret | None
    """None: nobody here knows it."""
    origin: str = ""
    """Where the value comes from, for one that is not known: what to do first."""
    optional: bool = False
    """Whether the lab works without it."""
    without: str = ""
    """Why an optional one is not wanted here."""


Source = Callable[[StepContext], Sequence[Wanted]]
"""Returns what a step wants; it may ask services for it."""


def known(name: str, value: str) -> Wanted:
    """Return a secret whose value is no more secret than a name."""
    return Wanted(name, Secret(value))


class State(StrEnum):
    """How a secret stands; the words are what a reader sees."""

    SET = "set"
    MISSING = "missing"
    DIFFERS = "differs"
    DISABLED = "disabled"
    UNCOMPARED = "set, not compared"
    """It is there, and nobody here knows what it should be."""
    UNREAD = "set, not readable"
    """It is there, and we may not read it."""
    NOT_WANTED = "not set"
    """It is not there, and need not be."""


GOOD = {State.SET, State.UNCOMPARED, State.NOT_WANTED}


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of a vault's secrets."""

    items: Mapping[str, Item]
    values: Mapping[str, Secret | State] = field(default_factory=dict)
    refused: AccessDeniedError | None = None
    """Why values could not be read."""

    def state(self, wanted: Wanted) -> State:
        """Return how a secret stands; values are compared without telling by the time taken how much is equal."""
        if wanted.name not in self.items:
            return State.NOT_WANTED if wanted.optional and wanted.value is None else State.MISSING
        if self.refused is not None:
            return State.UNREAD
        value = self.values.get(wanted.name, State.MISSING)
        if isinstance(value, State):
            return value
        if wanted.value is None:
            return State.UNCOMPARED
        return State.SET if value == wanted.value else State.DIFFERS


def _value(context: StepContext, where: str, name: str) -> Secret | State:
    try:
        return context.services.key_vault.get(where, name) or State.MISSING
    except ConflictError as error:
        if error.code not in key_vault.DISABLED:
            raise
        return State.DISABLED


def look_into(context: StepContext, wanted: Sequence[Wanted]) -> Contents:
    """Return what the vault holds of these secrets; where it refuses, their names as Resource Manager lists them.

    Resource Manager tells the names to everybody who may read the vault's resource: no role on the data is needed.

    Raises:
        AccessDeniedError: Resource Manager does not tell either.
    """
    try:
        return _contents(context, wanted, context.reads)
    except AccessDeniedError as error:
        listed = context.services.arm.list(f"{vault_id(context)}/secrets")
        return Contents({str(each["name"]): Item(str(each["name"])) for each in listed}, refused=error)


def _contents(context: StepContext, wanted: Sequence[Wanted], reads: SharedReads) -> Contents:
    """Return what the vault holds of these secrets.

    Raises:
        AccessDeniedError: It refuses.
    """
    where = address(context)
    found = reads.share(("vault", where), lambda: context.services.key_vault.items(where))
    items = {item.name: item for item in found}
    names = [each.name for each in wanted if each.name in items]

    def value(name: str) -> Secret | State:
        return reads.share(("vault", where, name), lambda: _value(context, where, name))

    with ThreadPoolExecutor(5) as pool:
        return Contents(items, dict(zip(names, pool.map(value, names), strict=True)))


def look(context: StepContext, wanted: Sequence[Wanted], step: str) -> Result:
    """Return how the secrets stand.

    Where their values may not be read: a missing name is a failure all the same, and names alone are no proof, so
    that all of them together are UNKNOWN.
    """
    vault = look_into(context, wanted)
    states = {each.name: vault.state(each) for each in wanted}
    seen = tuple(
        Expectation(
            each.name,
            "set" if not each.optional or each.value is not None else "optional",
            f"{states[each.name]}: {each.without}" if states[each.name] is State.NOT_WANTED else str(states[each.name]),
            states[each.name] in GOOD,
        )
        for each in wanted
    )
    name = context.here.key_vault
    if vault.refused is not None and State.MISSING not in states.values():
        return Result(
            Status.UNKNOWN,
            f"{name} has secrets of all these names; whether their values are right cannot be told: the vault refuses.",
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
        next_action=unknown[0] if unknown else f"Set them by hand as described, or let the wizard do it ({step}).",
    )


# Writing them


def _patiently(context: StepContext, what: str, ask: Callable[[], T], passing: Collection[str] = PASSES_BY_ITSELF) -> T:
    """Return the answer once the vault refuses with none of these codes any more, or patience ends."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except ServiceError as error:
            if error.code not in passing or time.monotonic() > deadline:
                raise
            context.channel.progress(f"{what}: {error.message}")
        context.channel.wait(max(SHORTEST_WAIT, context.services.arm.poll_interval))


def _until(context: StepContext, what: str, ask: Callable[[], T | None]) -> T | None:
    """Return the first answer that is not None, or None when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = _patiently(context, what, ask, key_vault.BUSY)
        if answer is not None or time.monotonic() > deadline:
            return answer
        context.channel.progress(what)
        context.channel.wait(max(SHORTEST_WAIT, context.services.arm.poll_interval))


def _secret_id(context: StepContext, name: str) -> str:
    return f"{vault_id(context)}/secrets/{name}"


def _mine(context: StepContext, name: str, item: Item | None) -> bool:
    """Whether this wizard made the secret and it still bears the wizard's tag; one that is not there yet: made."""
    tagged = item is None or item.tags.get(TAG) == context.profile.choices.lab_id
    return tagged and context.ledger.made(_secret_id(context, name))


def plan(source: Source, names: Sequence[str]) -> Callable[[StepContext], Sequence[Change]]:
    """Return the function that tells what `write` would do.

    Args:
        source: Returns the secrets; asked only where there is a vault.
        names: What to tell of while there is none.
    """

    def tell(context: StepContext) -> Sequence[Change]:
        where = context.here.key_vault

        def change(verb: str, name: str, note: str = "") -> Change:
            return Change(verb, KIND, name, where, note=note)

        if not is_there(context):
            return [change("create", name) for name in names]
        wanted, service = source(context), context.services.key_vault
        vault = look_into(context, wanted)
        found = []
        for each in wanted:
            state = vault.state(each)
            if state is State.NOT_WANTED:
                continue
            if state in GOOD:
                found.append(change("leave", each.name, str(state)))
            elif state is State.UNREAD:
                found.append(change("change", each.name, "set where it differs; it cannot be read yet"))
            elif each.value is None:
                found.append(change("conflict", each.name, each.origin))
            elif state is not State.MISSING:
                found.append(change("change", each.name, f"{state}: a new version; the old ones stay in the vault"))
            elif vault.refused is None and service.deleted(address(context), each.name) is not None:
                found.append(change("adopt", each.name, "soft-deleted: recovered, then set"))
            else:
                found.append(change("create", each.name))
        return found

    return tell


def write(context: StepContext, wanted: Sequence[Wanted]) -> None:
    """Write what is missing or differs, and nothing else: each PUT makes a new version.

    Raises:
        ConflictError: A value that is missing in the vault is known to nobody here.
        AccessDeniedError: The vault refuses.
        ServiceError: The vault could not be asked.
    """
    vault = _patiently(context, context.here.key_vault, lambda: _contents(context, wanted, SharedReads()))
    for each in wanted:
        if each.value is None and not each.optional and vault.state(each) in {State.MISSING, State.DISABLED}:
            raise ConflictError(f"The value of the secret {each.name} is not known here.", each.origin)
    for each in wanted:
        if each.value is not None:
            _put(context, each, each.value, vault)
    context.channel.say(f"{context.here.key_vault} has the secrets.")


def _put(context: StepContext, wanted: Wanted, value: Secret, vault: Contents) -> None:
    """Write one secret if it is missing or differs; one of that name that was deleted softly is recovered first."""
    channel, ledger, service = context.channel, context.ledger, context.services.key_vault
    name, ledger_id, where = wanted.name, _secret_id(context, wanted.name), address(context)
    item, state = vault.items.get(name), vault.state(wanted)
    channel.stop_if_cancelled()
    if state is State.MISSING:
        deleted = _patiently(context, f"Looking for a deleted {name}", lambda: service.deleted(where, name))
        if deleted is not None:
            channel.say(f"{name} is soft-deleted: recovering it …")
            item = deleted
            state = _recover(context, where, wanted, value)
    mine = _mine(context, name, item)
    if state is State.SET:
        if mine and not ledger.created(ledger_id):
            ledger.write(Fact.CREATED, context.target, ledger_id, KIND)
        elif not mine:
            ledger.write(Fact.ADOPTED, context.target, ledger_id, KIND)
        channel.say(f"{name} is set.")
        return
    ours_to_be = item is None or mine
    if item is None:
        ledger.write(Fact.INTENT, context.target, ledger_id, KIND)
    elif not mine:
        ledger.write(Fact.ADOPTED, context.target, ledger_id, KIND)
    channel.say(f"Setting {name} …" if item is None else f"Setting a new version of {name} …")
    tags = {**(item.tags if item else {}), **({TAG: context.profile.choices.lab_id} if ours_to_be else {})}
    _patiently(context, f"Setting {name}", lambda: _send(context, where, name, value, tags))
    if ours_to_be:
        ledger.write(Fact.CREATED, context.target, ledger_id, KIND)


def _send(context: StepContext, where: str, name: str, value: Secret, tags: Mapping[str, str]) -> None:
    """Write a new version; a name whose deletion ended only now is recovered on the way."""
    service = context.services.key_vault
    try:
        service.set(where, name, value, tags=tags)
    except ConflictError as error:
        if error.code != key_vault.DELETED:
            raise
        service.recover(where, name)
        service.set(where, name, value, tags=tags)


def _recover(context: StepContext, where: str, wanted: Wanted, value: Secret) -> State:
    """Recover a deleted secret with its versions, and return how it stands then.

    Raises:
        ServiceError: It does not come back.
    """
    service, name = context.services.key_vault, wanted.name
    _patiently(context, f"Recovering {name}", lambda: service.recover(where, name))

    def back() -> State | None:
        found = _value(context, where, name)
        if isinstance(found, Secret):
            return State.SET if found == value else State.DIFFERS
        return None if found is State.MISSING else found

    state = _until(context, f"{name} is being recovered", back)
    if state is None:
        raise ServiceError(f"The secret {name} is still being recovered.", "Try again in a minute.")
    return state


# Removing them


def _standing(context: StepContext) -> Sequence[Entry]:
    """Return what this step wrote into this vault and has not removed, by the ledger."""
    prefix = f"{vault_id(context)}/secrets/".lower()
    return [
        entry
        for entry in context.ledger.standing()
        if entry.target == context.target and entry.kind == KIND and entry.resource.lower().startswith(prefix)
    ]


def _name(entry: Entry) -> str:
    return entry.resource.rpartition("/")[2]


def _tagged(context: StepContext, item: Item) -> bool:
    return item.tags.get(TAG) == context.profile.choices.lab_id


def _closed(context: StepContext, document: Mapping[str, Any], error: ServiceError) -> str:
    """Return why secrets in a vault that does not let us in are left alone.

    A teardown must not stop at them: they go with the vault, or stay where we have no right to anything.
    """
    if ours(context, vault_id(context), document):
        return "cannot be reached; it goes with the vault"
    return f"cannot be reached, and the vault is not the wizard's: {error.message}"


def plan_removal(context: StepContext) -> Sequence[Change]:
    """Tell what `remove` would do; empty when nothing of this step's is left, or it went with the vault."""
    standing = _standing(context)
    document = context.services.arm.find(vault_id(context)) if standing else None
    if document is None:
        return ()
    service, vault = context.services.key_vault, context.here.key_vault
    changes = []

    def change(verb: str, entry: Entry, note: str = "") -> Change:
        return Change(verb, KIND, _name(entry), vault, note=note, resource=entry.resource)

    try:
        where = _required_address(context, document)
        items = {item.name: item for item in service.items(where)}
        for entry in standing:
            name = _name(entry)
            item = items.get(name)
            if item is not None and _tagged(context, item):
                changes.append(change("delete", entry))
            elif item is not None:
                changes.append(change("leave", entry, "it no longer carries the wizard's tag: left alone"))
            elif not _purge_protected(document):
                deleted = service.deleted(where, name)
                if deleted is not None and _tagged(context, deleted):
                    changes.append(change("purge", entry, "soft-deleted"))
    except (AccessDeniedError, UnreachableError) as error:
        # An answer that does not tell is no closed door: the next look may find the secrets.
        if error.untold or (isinstance(error, UnreachableError) and not ours(context, vault_id(context), document)):
            raise
        note = _closed(context, document, error)
        return [change("leave", entry, note) for entry in standing]
    return changes


def _purge_protected(document: Mapping[str, Any]) -> bool:
    return bool(document.get("properties", {}).get("enablePurgeProtection"))


def remove(context: StepContext) -> None:
    """Delete and purge what this step wrote and still bears the wizard's tag; what a vault took with it is gone.

    Raises:
        ServiceError: A secret is still there.
    """
    standing = _standing(context)
    document = context.services.arm.find(vault_id(context)) if standing else None
    left: Collection[str] = ()
    if document is not None:
        try:
            left = _remove_from(context, document, [_name(entry) for entry in standing])
        except AccessDeniedError as error:
            context.channel.say(f"{context.here.key_vault}: its secrets: {_closed(context, document, error)}.")
            return
    gone = [entry for entry in standing if _name(entry) not in left]
    for entry in gone:
        context.ledger.write(Fact.DELETED, context.target, entry.resource, KIND)
    if gone:
        context.channel.say(f"Gone: {', '.join(map(_name, gone))}.")


def _remove_from(context: StepContext, document: Mapping[str, Any], names: Sequence[str]) -> Collection[str]:
    """Delete and purge secrets, all deletions first, and return which were left alone.

    Raises:
        AccessDeniedError: The vault refuses.
        ServiceError: One is still there.
    """
    channel, service = context.channel, context.services.key_vault
    where = _required_address(context, document)
    items = {item.name: item for item in service.items(where)}
    left = {name for name in names if name in items and not _tagged(context, items[name])}
    for name in sorted(left):
        channel.say(f"{name} no longer carries the wizard's tag: left alone.")
    for name in [name for name in names if name in items and name not in left]:
        channel.stop_if_cancelled()
        channel.say(f"Deleting {name} …")
        _patiently(context, f"Deleting {name}", partial(service.delete, where, name), key_vault.BUSY)
    if _purge_protected(document):
        channel.say("The vault is protected against purging: what is deleted goes for good after its days.")
        return left
    for name in [name for name in names if name not in left]:
        channel.stop_if_cancelled()
        try:
            purged = _purge(context, where, name, awaited=name in items)
        except AccessDeniedError as error:
            channel.say(
                f"{name} is deleted; purging it is refused, so it goes for good after its days: {error.message}"
            )
            continue
        if not purged:
            left.add(name)
    return left


def _purge(context: StepContext, where: str, name: str, *, awaited: bool) -> bool:
    """Purge a deleted secret and see that it is gone; return False for one that bears somebody else's mark.

    Args:
        context: The step's.
        where: The vault's address.
        name: The secret.
        awaited: Whether it was deleted just now: its deletion goes on for some seconds.

    Raises:
        ServiceError: It is still there.
    """
    service = context.services.key_vault

    def look() -> Item | None:
        return service.deleted(where, name)

    label = f"{name} is being deleted"
    deleted = _until(context, label, look) if awaited else look()
    if deleted is not None and not _tagged(context, deleted):
        return False
    # One that cannot be seen may still be under deletion since before a kill: asking to purge it tells.
    _patiently(context, f"Purging {name}", lambda: service.purge(where, name), key_vault.BUSY)
    if _until(context, f"{name} is being purged", lambda: None if look() else True) is None:
        raise ServiceError(f"The secret {name} is deleted, but not purged.", "Run the teardown again in a minute.")
    return True
