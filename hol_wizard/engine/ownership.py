"""Whose a resource is, and what may therefore be done with it: the one rule for everything that the lab creates.

A kind of resource (`Resource`) says how one is found, what it should be, how it is marked, made and deleted. This
module derives check, plan, solve, undo plan and undo from it, and is the only writer of the ledger:

- The intent is noted, then the request is sent, then *created* is noted. A refusal withdraws the intent after another
  look. Only a lost answer (`UnreachableError`, also `InconclusiveError`) or a kill leaves it open.
- What exists and fits is adopted and never removed. What does not fit is a conflict with a remedy, or is changed where
  it is ours and can be changed. After a conflict the rule looks again, and adopts what fits.
- Ours is what the ledger says this wizard made (`Ledger.made`) *and* what still carries the mark. Only that is removed,
  and a look proves that it is gone.
- What is gone takes along whatever was in it, in the cloud and in the ledger. Whatever is left alone is noted as such.

How to write a kind: docs/resources.md. The contract that every kind fulfills: tests/resources/test_contract.py.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from hol_wizard.engine.channel import Channel
from hol_wizard.engine.ledger import REBUILD, Fact, Ledger
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.registry import Change, Marked
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.engine.visibility import Unseen, UnseenError, Viewer, unseen
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    InconclusiveError,
    LedgerError,
    NotFoundError,
    NotReadyError,
    ServiceError,
    StoppedError,
    UnreachableError,
    WizardError,
)

T = TypeVar("T")
A = TypeVar("A")

BUSY_PATIENCE = 300.0
"""Seconds for which a service is waited for that is busy with the same thing."""
SILENCE = 120.0
"""Seconds for which something that goes on is looked at again although the service does not tell how it is."""
ABSENCES = 5
"""Looks at something that was just made and is not listed yet, or deleted and still listed, until it is a fault."""
JOINS = "what it is in does not let you in yet, and is asked to"
"""What a plan says of a resource that cannot be looked for before `Resource.join`."""


class Context(Protocol):
    """What the rule needs of a step's context."""

    @property
    def target(self) -> str:
        """Key of the step."""

    @property
    def ledger(self) -> Ledger:
        """What this wizard made."""

    @property
    def channel(self) -> Channel:
        """Whoever watches."""

    @property
    def reads(self) -> SharedReads:
        """Reads that the checks of one run share."""

    @property
    def poll_interval(self) -> float:
        """Seconds between two looks at something that is being made."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What is still happening to a resource."""

    words: str = "being made"
    """What is done with it; with the service's own word: `being made (Creating)`."""
    deleting: bool = False
    can_be_deleted: bool = False
    """Whether it can be deleted meanwhile: then an undo does not wait for the end."""


class Resource(ABC, Generic[T]):
    """One thing that the lab wants in a service. `T` is what the service says of it.

    A kind is a frozen dataclass with at least `context` and what names the thing. It implements `id`, `find`,
    `marked`, `create` and `delete`; everything else has a default.
    """

    kind: str
    """What it is, in the portal's words: `Container`."""
    name: str
    context: Context
    mark: ClassVar[str] = "mark"
    """What carries the wizard's mark, in words: `tag`."""
    unmarked: ClassVar[str] = ""
    """For a kind that cannot carry a mark: what counts in its place, in words. Such a kind is ours only if *created*
    was noted: after a lost answer or a kill nobody can tell, and it is left alone."""
    patience: ClassVar[float] = 900.0
    """Seconds after which something that is still being made or deleted is no longer waited for."""
    personal: ClassVar[bool] = False
    """Whether the service shows one to its owner only, and not even to an administrator (`viewer`)."""
    can_join: ClassVar[bool] = False
    """Whether what it is in can be asked to let the account in (`join`), where that is this wizard's."""

    # What a kind must say

    @property
    @abstractmethod
    def id(self) -> str:
        """Return its name in the ledger: its path in the service, below the id of what it is in."""

    @abstractmethod
    def find(self, reads: SharedReads) -> T | None:
        """Return it, or None if the service itself says that it does not exist.

        Args:
            reads: For reads that several instances share (`reads.share(key, read)`): those of the run in a check or a
                plan, new ones wherever the rule needs to look again.

        Raises:
            NotFoundError: What it would be in does not exist.
            WizardError: The service could not be asked.
        """

    @abstractmethod
    def marked(self, found: T, noted: str | None) -> bool:
        """Return whether what was found carries this wizard's mark.

        Args:
            found: What is there.
            noted: What `create` returned, or None if no creation was ever seen to succeed. A kind without a mark
                decides by it: `noted is not None`, or `noted == found.id`.
        """

    @abstractmethod
    def create(self, begun: Callable[[str], None]) -> str:
        """Send the request with the mark in it, and return the id that the service gave, or an empty string.

        The rule waits until it is ready (`pending`). Several requests are fine if a kill between them leaves something
        that is marked.

        Args:
            begun: Notes the address at which the progress of a long-running creation can be asked, also after a kill
                (`Ledger.open_operation`).
        """

    @abstractmethod
    def delete(self, found: T) -> None:
        """Send the request; the rule waits until it is gone."""

    # What it may say about itself

    @property
    def where(self) -> str:
        """Return region and resource group, or the service."""
        return ""

    @property
    def cost(self) -> str:
        """Return what it costs, in words; empty when nothing."""
        return ""

    @property
    def usually(self) -> float:
        """Return how many seconds its creation usually takes."""
        return 5.0

    @property
    def note(self) -> str:
        """Return what the plan adds about its creation."""
        return ""

    @property
    def label(self) -> str:
        """Return kind and name, as messages name it."""
        return f"{self.kind} {self.name}"

    def expectations(self, found: T) -> Sequence[Expectation]:
        """Return what it should be, against what it is."""
        del found
        return ()

    def identity(self, found: T) -> str:
        """Return the id that the service gave it; noted if a kill prevented that, or if a change gave it another."""
        del found
        return ""

    def pending(self, found: T) -> Pending | None:
        """Return what is still happening to it; None when it is at rest."""
        del found
        return None

    def trouble(self, found: T) -> WizardError | None:
        """Return why what was just made did not succeed, or None."""
        del found
        return None

    def finish(self, found: T) -> bool:
        """Send a second request that its creation takes, once that is noted; return whether there was one to send.

        After a kill in between, `change` does it.
        """
        del found
        return False

    def changeable(self, found: T, *, ours: bool) -> bool:
        """Return whether `change` can make it fit."""
        del found, ours
        return False

    def change(self, found: T) -> None:
        """Make it fit."""
        raise NotImplementedError(f"{type(self).__name__} cannot be changed")

    def difference(self, found: T) -> str:
        """Return what `change` will change, for the plan."""
        return ", ".join(f"{each.what}: {each.actual} → {each.expected}" for each in _unmet(self, found))

    def obstacle(self) -> WizardError | None:
        """Return why it cannot be created although it does not exist, or None; asked before the request."""
        return None

    def passes(self, error: ServiceError) -> bool:
        """Return whether this refusal, of `create` or of a look around it, passes by itself: then it is asked again."""
        del error
        return False

    @property
    def viewer(self) -> Viewer | None:
        """Return who is signed in, for a service that hides from others what it has (`Entry.by`); else None."""
        return None

    @property
    def parent(self) -> Resource[Any] | None:
        """Return what it is in, if it may not be asked there any more once that is about to be deleted."""
        return None

    def join(self) -> None:
        """Ask what it is in to let the account in, before the resource is looked for to be deleted."""
        raise NotImplementedError(f"{type(self).__name__} is in nothing that can be asked")

    def stays(self, found: T) -> str:
        """Return why one that is ours is not deleted, in words: somebody's work is in it; else an empty string."""
        del found
        return ""

    def contents(self, found: T) -> str:
        """Return in words what its deletion takes along that is not the wizard's, for the plan."""
        del found
        return ""

    def foreign(self, found: T) -> Sequence[str]:
        """Return what is in it that is not the wizard's and must not be deleted along with it."""
        del found
        return ()

    def takes_along(self, resource: str) -> bool:
        """Return whether something else in the ledger disappears together with it."""
        return resource.lower().startswith(f"{self.id.lower()}/")

    def trace(self) -> str:
        """Return what is left of ours after its deletion and must be purged, in words; else an empty string."""
        return ""

    def purge(self) -> bool:
        """Remove the trace; return False if the service keeps it for its own time, which was said then."""
        return True

    # Its texts

    def creation(self, note: str = "") -> Change:
        """Return the plan's line for its creation.

        Args:
            note: What is said beside `Resource.note`.
        """
        note = "; ".join(filter(None, (self.note, note)))
        return Change("create", self.kind, self.name, self.where, self.cost, self.usually, note, self.id)

    def absence(self) -> Result:
        """Return the check's result when it does not exist."""
        return Result(
            Status.FAILED,
            f"{self.label} does not exist.",
            (Expectation(self.kind, f"{self.name} exists", "not found", met=False),),
            "Create it by hand as described, or <solve>.",
        )

    def result(self, found: T) -> Result:
        """Return the check's result when it is there and at rest."""
        seen = tuple(self.expectations(found))
        return judge(
            (Expectation(self.kind, f"{self.name} exists", "exists", met=True), *seen),
            passed=f"{self.label} is there and fits.",
            failed=f"{self.label} is there, but it does not fit.",
            next_action=self.remedy(found),
        )

    def remedy(self, found: T) -> str:
        """Return what to do about one that does not fit."""
        if self.changeable(found, ours=owns(self, found)):
            return f"Set {' and '.join(each.what for each in _unmet(self, found))} as expected, or <solve>."
        return f"Change or delete the existing {self.kind.lower()} {self.name}, then try again."


# What is derived from a kind


def owns(resource: Resource[T], found: T) -> bool:
    """Return whether this wizard made what was found, by the ledger and by the mark."""
    ledger = resource.context.ledger
    if not ledger.made(resource.id) or (resource.unmarked and not ledger.certain(resource.id)):
        return False
    return resource.marked(found, ledger.detail(resource.id) if ledger.created(resource.id) else None)


def marked(resource: Resource[T]) -> tuple[Marked, ...]:
    """Return the resource if it carries the mark, whatever the ledger says; a ledger that was lost is written again so.

    Raises:
        WizardError: The service could not be asked.
    """
    if resource.unmarked:
        return ()
    try:
        found = resource.find(resource.context.reads)
    except NotFoundError:
        return ()
    except AccessDeniedError:
        # What ours does not show to us goes with it.
        if resource.parent is not None and marked(resource.parent):
            return ()
        raise
    if not (resource.marked(found, None) if found is not None else resource.trace()):
        return ()
    detail = resource.identity(found) if found is not None else ""
    return (Marked(resource.kind, resource.id, resource.name, resource.where, detail),)


def unnamed(label: str) -> ConflictError:
    """Return the error for what carries this lab's mark although the ledger does not name it: an entry was lost.

    Adopted, it would be left behind by every teardown.
    """
    return ConflictError(
        f"{label} carries this lab's mark, but the ledger does not name it: an entry was lost, or another machine "
        "made it for this lab.",
        f"If this wizard made it, write the ledger again: {REBUILD}",
    )


def check(resource: Resource[T]) -> Result:
    """Look how the resource is."""
    found = resource.find(resource.context.reads)
    if found is None:
        if (hidden := _hidden(resource)) is not None:
            raise hidden.error
        return resource.absence()
    pending = resource.pending(found)
    if pending is None:
        return resource.result(found)
    return Result(
        Status.WAITING,
        f"{resource.label} is {pending.words}.",
        (Expectation("State", "ready", pending.words, met=False),),
        "Nothing to do: the wizard looks again by itself.",
        look_again_after=max(1.0, min(10.0, resource.usually / 20)),
        usually=resource.usually,
    )


def plan(resource: Resource[T]) -> tuple[Change, ...]:
    """Return what `solve` would do; looks, and waits for nothing."""
    try:
        found = resource.find(resource.context.reads)
    except (NotFoundError, NotReadyError):
        # What it will be in is created before it, or becomes ready.
        return (resource.creation(),)
    except AccessDeniedError:
        # What it will be in lets the account in before it is created.
        if not resource.can_join:
            raise
        return (resource.creation(),)
    if found is None:
        if (hidden := _hidden(resource)) is not None:
            return (hidden.change,)
        obstacle = resource.obstacle()
        return (_told(resource, "conflict", obstacle.message) if obstacle else resource.creation(),)
    pending = resource.pending(found)
    if pending is not None:
        if pending.deleting:
            return (resource.creation("as soon as the old one is deleted"),)
        verb = "leave" if owns(resource, found) else "adopt"
        return (_told(resource, verb, f"it is {pending.words} and is waited for"),)
    if _is_unnamed(resource, found):
        return (_told(resource, "conflict", unnamed(resource.label).message),)
    unmet, ours = _unmet(resource, found), owns(resource, found)
    if not unmet:
        return (_told(resource, "leave", "is there and fits"),)
    if resource.changeable(found, ours=ours):
        return (_told(resource, "change", resource.difference(found)),)
    return (_told(resource, "conflict", _differences(unmet)),)


def solve(resource: Resource[T]) -> T:
    """Create the resource, or adopt what is there and fits, or make what is ours fit, and wait until it is ready.

    Safe to call again after a kill at any point.

    Raises:
        ConflictError: Something is there that does not fit, or stands in the way.
        WizardError: The service refused, or could not be asked.
    """
    found = _find(resource)
    pending = resource.pending(found) if found is not None else None
    if pending is not None:
        resource.context.channel.say(f"{resource.label} is already {pending.words}; waiting for it.")
        found = _at_rest(resource)
    if found is not None:
        return _settle(resource, found)
    if (hidden := _hidden(resource)) is not None:
        raise hidden.error
    obstacle = resource.obstacle()
    if obstacle is not None:
        raise obstacle
    return _create(resource)


def plan_undo(resource: Resource[T]) -> tuple[Change, ...]:
    """Return what `undo` would do; empty when nothing of ours is left."""
    if not resource.context.ledger.made(resource.id):
        return ()
    try:
        found = _find_for_undo(resource)
    except _GoesAlongError as closed:
        if resource.can_join and closed.refused:
            return (_told(resource, "unclear", f"cannot tell whether it exists: {JOINS}"),)
        return (_told(resource, "leave", closed.words),)
    except UnseenError as error:
        return (error.unseen.change,)
    except AccessDeniedError as error:
        return (_told(resource, "unclear", f"cannot tell whether it exists: {error.message}"),)
    if found is None:
        trace = resource.trace()
        return (_told(resource, "purge", trace),) if trace else ()
    if not owns(resource, found):
        return (_told(resource, "leave", _not_ours(resource)),)
    pending = resource.pending(found)
    if pending is not None and not (pending.deleting or pending.can_be_deleted):
        return (_told(resource, "delete", f"is still {pending.words}: waited for first"),)
    if stays := resource.stays(found):
        return (_told(resource, "leave", f"{stays}: left alone"),)
    return (_told(resource, "delete", resource.contents(found)),)


def undo(resource: Resource[T]) -> None:
    """Delete the resource if this wizard made it and it still carries the mark, and see that it is gone.

    Raises:
        ConflictError: Something is in it that is not the wizard's.
        WizardError: The service refused or could not be asked, or the resource is still there.
    """
    channel, ledger, label = resource.context.channel, resource.context.ledger, resource.label
    if not ledger.made(resource.id):
        channel.say(f"{label} was not made by this wizard: left alone.")
        return
    try:
        found = _find_for_undo(resource, join=True)
    except _GoesAlongError as closed:
        # Nothing is noted: the place's own deletion writes off what was in it, and proves that it is gone.
        channel.say(f"{label}: {closed.words}.")
        return
    pending = resource.pending(found) if found is not None else None
    if found is not None and pending is not None and not pending.can_be_deleted and owns(resource, found):
        found = _at_rest(resource, _look_again)
    if found is not None:
        stays = resource.stays(found)
        why = f"{stays}: left alone" if stays else ""
        if not owns(resource, found):
            why = _not_ours(resource)
        if why:
            if not ledger.left(resource.id):
                _write(resource, Fact.LEFT, why)
            channel.say(f"{label}: {why}.")
            return
        foreign = resource.foreign(found)
        if foreign:
            raise ConflictError(
                f"{label} holds what this wizard did not make: {', '.join(foreign)}.",
                "Move or delete these, then run the teardown again.",
            )
        channel.stop_if_cancelled()
        channel.say(f"Deleting {label} …")
        _patiently(resource, lambda: resource.delete(found), removing=True)
        _gone(resource)
    if resource.trace():
        channel.say(f"Purging {label} …")
        if _patiently(resource, resource.purge, removing=True) and resource.trace():
            raise ServiceError(f"{label} is deleted, but not purged.", "Run the teardown again in a few minutes.")
    _write_off(resource)
    channel.say(f"{label} is gone.")


def undo_all(resources: Iterable[Resource[Any]]) -> None:
    """Undo one after another; what cannot be told for this account keeps none of the others.

    Raises:
        UnseenError: Whether one exists cannot be told.
        WizardError: As `undo`.
    """
    first: UnseenError | None = None
    for each in resources:
        try:
            undo(each)
        except UnseenError as error:
            first = first or error
    if first is not None:
        raise first


# The rule


def _create(resource: Resource[T]) -> T:
    """Create what does not exist, and return it once it is ready; after a refusal, what else was found."""
    channel = resource.context.channel
    channel.stop_if_cancelled()
    channel.say(f"Creating {resource.label} …")
    _write(resource, Fact.INTENT, by=str(resource.viewer or ""))
    began = time.monotonic()
    while True:
        try:
            noted = resource.create(lambda address: _write(resource, Fact.OPERATION, address))
            break
        except (UnreachableError, StoppedError, LedgerError):
            # Nobody knows whether the service took it, or how it goes on there: the next look tells.
            raise
        except WizardError as error:
            again = _passes(resource, error, began)
            found = _after_refusal(resource, error, again=again)
            if found is not None:
                return found
    _write(resource, Fact.CREATED, noted)
    ready = _ready(resource)
    if resource.finish(ready):
        ready = _ready(resource)
    channel.say(f"{resource.label} is ready.")
    return ready


def _after_refusal(resource: Resource[T], error: WizardError, *, again: bool) -> T | None:
    """Look once more, and return what is there if it will do; None: the request is to be sent again.

    Whatever is there without our mark is somebody else's: the intent is withdrawn before anything else is done.

    Raises:
        WizardError: The refusal, if nothing is there that will do.
    """
    try:
        found = _find(resource)
    except WizardError as blind:
        if isinstance(blind, NotFoundError):
            _write(resource, Fact.WITHDRAWN, error.message)
        # Else nobody can look. The intent stays open: what has no mark is not ours by an intent alone.
        raise error from blind
    if found is None:
        if again:
            resource.context.channel.progress(f"{resource.label}: {error.message}")
            try:
                resource.context.channel.wait(resource.context.poll_interval)
            except StoppedError:
                _write(resource, Fact.WITHDRAWN, error.message)
                raise
            return None
        _write(resource, Fact.WITHDRAWN, error.message)
        raise error
    if resource.marked(found, None):
        # A creation that ended badly, or a request whose first answer was lost: what is there is ours.
        _write(resource, Fact.FAILED, error.message)
        fits = isinstance(error, ConflictError)
    else:
        _write(resource, Fact.WITHDRAWN, error.message)
        fits = isinstance(error, ConflictError) or not _unmet(resource, found)
    if not fits:
        raise error
    rested = _at_rest(resource)
    if rested is None:
        raise error
    return _settle(resource, rested)


def _settle(resource: Resource[T], found: T) -> T:
    """Adopt what is there and fits, or make what is ours fit.

    Raises:
        ConflictError: It does not fit, or is ours by its mark alone.
    """
    channel, ours = resource.context.channel, owns(resource, found)
    if _is_unnamed(resource, found):
        raise unnamed(resource.label)
    unmet = _unmet(resource, found)
    if unmet and not resource.changeable(found, ours=ours):
        whose = "" if ours else " This wizard did not make it."
        raise ConflictError(
            f"{resource.label} exists and does not fit: {_differences(unmet)}.{whose}", resource.remedy(found)
        )
    if unmet:
        channel.stop_if_cancelled()
        channel.say(f"{resource.label} is there and does not fit; setting it right …")
    if not ours:
        _write(resource, Fact.ADOPTED)
    if unmet:
        _patiently(resource, lambda: resource.change(found))
        found = _ready(resource)
    identity, ledger = resource.identity(found), resource.context.ledger
    if ours and (not ledger.created(resource.id) or (identity and identity != ledger.detail(resource.id))):
        _write(resource, Fact.CREATED, identity)
    channel.say(f"{resource.label} is there{'' if ours else ' and fits: adopted, and left alone by a teardown'}.")
    return found


def _is_unnamed(resource: Resource[T], found: T) -> bool:
    """Return whether it carries this lab's mark although the ledger does not name it."""
    made = resource.context.ledger.made(resource.id)
    return not resource.unmarked and not made and resource.marked(found, None)


def _find(resource: Resource[T]) -> T | None:
    """Return what a new look finds."""
    return _patiently(resource, lambda: resource.find(SharedReads()))


def _patiently(resource: Resource[Any], ask: Callable[[], A], *, removing: bool = False) -> A:
    """Return the answer, once the service refuses it no more with what passes by itself.

    Whoever removes something waits for no right to it: the account has had it for long, or gets it no more.
    """
    began = time.monotonic()
    while True:
        try:
            return ask()
        except ServiceError as error:
            closed = removing and isinstance(error, AccessDeniedError)
            if closed or not _passes(resource, error, began):
                raise
            resource.context.channel.progress(f"{resource.label}: {error.message}")
            resource.context.channel.wait(resource.context.poll_interval)


def _passes(resource: Resource[Any], error: WizardError, began: float) -> bool:
    """Return whether a refusal passes by itself, and is still waited for: by the kind, or by the service's own word.

    Args:
        resource: What was asked for.
        error: The refusal.
        began: Since when it is waited for (`time.monotonic`).
    """
    waited = time.monotonic() - began
    if isinstance(error, ServiceError) and resource.passes(error):
        return waited < resource.patience
    # "Another operation is in progress", and its kin.
    return isinstance(error, ConflictError) and error.passes and waited < min(resource.patience, BUSY_PATIENCE)


def look_again(context: Context, label: str, ask: Callable[[], A]) -> A:
    """Return what a look finds at something that goes on, also if the service does not tell for a while.

    Args:
        context: Where its progress is told.
        label: Kind and name of what goes on.
        ask: Looks.

    Raises:
        InconclusiveError: It did not tell for too long (`SILENCE`). What goes on there goes on.
    """
    deadline = time.monotonic() + SILENCE
    while True:
        try:
            return ask()
        except InconclusiveError as error:
            if not error.untold or time.monotonic() > deadline:
                raise
            context.channel.progress(f"{label}: {error.message}")
            context.channel.wait(context.poll_interval)


class _GoesAlongError(ServiceError):
    """Nobody can ask for a resource from here any more; it disappears with what it is in, which is this wizard's."""

    def __init__(self, error: ServiceError, place: str) -> None:
        super().__init__(error.message, error.hint, code=error.code, detail=error.detail)
        self.refused = isinstance(error, AccessDeniedError)
        why = "your account may not look at it" if self.refused else "it cannot be reached"
        self.words = f"{why}; it is deleted together with {place}"


def _find_for_undo(resource: Resource[T], *, join: bool = False) -> T | None:
    """Return what is left of the resource; None if it is gone, by itself or together with what it was in.

    Args:
        resource: The resource.
        join: Whether what it is in, if that is this wizard's, is asked to let the account in.

    Raises:
        _GoesAlongError: It cannot be asked for, and what it is in is this wizard's and stands.
        UnseenError: It can be there, and hidden from this account.
        WizardError: It could not be told.
    """
    try:
        found = _patiently(resource, lambda: resource.find(SharedReads()), removing=True)
    except NotFoundError:
        return None
    except (AccessDeniedError, UnreachableError) as error:
        if error.untold:
            raise
        # A closed door: what is behind it goes with the house, if that is ours.
        parent = resource.parent
        around = _find_for_undo(parent) if parent is not None else None
        if parent is None or (around is not None and not owns(parent, around)):
            raise
        if around is None:
            return None
        if join and resource.can_join and isinstance(error, AccessDeniedError):
            resource.join()
            return _find_for_undo(resource)
        raise _GoesAlongError(error, parent.label) from error
    if found is None and (hidden := _hidden(resource)) is not None:
        raise hidden.error
    return found


def _look_again(resource: Resource[T]) -> T | None:
    """Return what is left of a resource that this account has seen: from that account it is not hidden."""
    try:
        return _find_for_undo(resource)
    except UnseenError:
        return None


def _hidden(resource: Resource[Any]) -> Unseen | None:
    """Return what stands against taking a resource of ours that was not found for absent, or None."""
    ledger = resource.context.ledger
    viewer = resource.viewer if ledger.made(resource.id) else None
    if viewer is None:
        return None
    names = resource.kind, resource.name, resource.where
    return unseen(ledger, viewer, resource.id, *names, personal=resource.personal)


def _at_rest(resource: Resource[T], look: Callable[[Resource[T]], T | None] = _find) -> T | None:
    """Return the resource, or None, once nothing is happening to it any more.

    Raises:
        ServiceError: It takes too long.
    """
    deadline = time.monotonic() + resource.patience
    seen = _state(resource, look)
    while seen[1] is not None:
        _wait(resource, f"still {seen[1].words}", deadline)
        seen = look_again(resource.context, resource.label, lambda: _state(resource, look))
    return seen[0]


def _state(resource: Resource[T], look: Callable[[Resource[T]], T | None]) -> tuple[T | None, Pending | None]:
    """Return what a look finds, and what is happening to it."""
    found = look(resource)
    return found, resource.pending(found) if found is not None else None


def _ready(resource: Resource[T]) -> T:
    """Return what was just made or changed, once it is ready.

    Raises:
        WizardError: It ended badly, never came, or takes too long.
    """
    deadline, absences = time.monotonic() + resource.patience, 0
    while True:
        found, pending = look_again(resource.context, resource.label, lambda: _state(resource, _find))
        pending = Pending("not listed yet") if found is None else pending
        if found is None or (pending is not None and pending.deleting):
            absences += 1
            if absences > ABSENCES:
                raise ServiceError(f"{resource.label} was accepted, but it is not there.", "Try again in a minute.")
        if found is not None and pending is None:
            trouble = resource.trouble(found)
            if trouble is None:
                return found
            _write(resource, Fact.FAILED, trouble.message)
            raise trouble
        _wait(resource, pending.words if pending is not None else "", deadline)


def _gone(resource: Resource[Any]) -> None:
    """Wait until the resource is found no more after its deletion; some services list it for a little longer.

    Raises:
        ServiceError: It is still there.
    """
    for _ in range(ABSENCES):
        if _at_rest(resource, _look_again) is None:
            return
        resource.context.channel.wait(resource.context.poll_interval)
    raise ServiceError(
        f"{resource.label} is still there after its deletion.", "Run the teardown again in a few minutes."
    )


def _wait(resource: Resource[T], words: str, deadline: float) -> None:
    context = resource.context
    if time.monotonic() > deadline:
        raise ServiceError(
            f"{resource.label} is {words}, after more than {resource.patience / 60:.0f} minutes.",
            "Check again in a few minutes; it goes on by itself.",
        )
    context.channel.progress(f"{resource.label} is {words}", resource.usually)
    context.channel.wait(context.poll_interval)


def _unmet(resource: Resource[T], found: T) -> list[Expectation]:
    return [each for each in resource.expectations(found) if not each.met]


def _differences(unmet: Sequence[Expectation]) -> str:
    return ", ".join(f"{each.what} is {each.actual}, not {each.expected}" for each in unmet)


def _not_ours(resource: Resource[T]) -> str:
    if resource.unmarked:
        return f"nobody can tell whether this wizard made it ({resource.unmarked}): left alone"
    return f"it no longer carries the wizard's {resource.mark}: left alone"


def _told(resource: Resource[T], verb: str, note: str = "") -> Change:
    return Change(verb, resource.kind, resource.name, resource.where, note=note, resource=resource.id)


def _write(resource: Resource[T], fact: Fact, detail: str = "", *, by: str = "") -> None:
    context = resource.context
    context.ledger.write(fact, context.target, resource.id, resource.kind, detail, by=by)


def _write_off(resource: Resource[T]) -> None:
    """Note that the resource is gone, and with it what was in it."""
    ledger = resource.context.ledger
    _write(resource, Fact.DELETED)
    for entry in ledger.standing():
        if resource.takes_along(entry.resource):
            ledger.write(Fact.DELETED, entry.target, entry.resource, entry.kind, f"gone with {resource.label}")
