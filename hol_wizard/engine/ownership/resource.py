"""A kind of resource: what it must say, what it may say, and what follows for every kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from hol_wizard.engine.channel import Channel
from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.engine.visibility import Viewer
from hol_wizard.errors import ServiceError, WizardError

T = TypeVar("T")


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
        """Reports progress to the person."""

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
    was noted: after a lost response or a kill it is unknown, and the resource is left in place."""
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
        return ", ".join(f"{each.what}: {each.actual} → {each.expected}" for each in unmet_expectations(self, found))

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
            passed=f"{self.label} exists and fits.",
            failed=f"{self.label} exists but does not fit.",
            next_action=self.remedy(found),
        )

    def remedy(self, found: T) -> str:
        """Return what to do about one that does not fit."""
        if self.changeable(found, ours=owns(self, found)):
            return f"Set {' and '.join(each.what for each in unmet_expectations(self, found))} as expected, or <solve>."
        return f"Change or delete the existing {self.kind.lower()} {self.name}, then try again."


def owns(resource: Resource[T], found: T) -> bool:
    """Return whether this wizard made what was found, by the ledger and by the mark."""
    ledger = resource.context.ledger
    if not ledger.made(resource.id) or (resource.unmarked and not ledger.certain(resource.id)):
        return False
    return resource.marked(found, ledger.detail(resource.id) if ledger.created(resource.id) else None)


def unmet_expectations(resource: Resource[T], found: T) -> list[Expectation]:
    """Return what does not fit."""
    return [each for each in resource.expectations(found) if not each.met]


def differences(unmet: Sequence[Expectation]) -> str:
    """Return in words what does not fit."""
    return ", ".join(f"{each.what} is {each.actual}, not {each.expected}" for each in unmet)


def told(resource: Resource[T], verb: str, note: str = "") -> Change:
    """Return a line of a plan."""
    return Change(verb, resource.kind, resource.name, resource.where, note=note, resource=resource.id)


def write(resource: Resource[T], fact: Fact, detail: str = "", *, by: str = "") -> None:
    """Write a fact into the ledger; only the rule does."""
    context = resource.context
    context.ledger.write(fact, context.target, resource.id, resource.kind, detail, by=by)
