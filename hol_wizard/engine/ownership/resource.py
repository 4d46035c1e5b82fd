"""A kind of resource: what it must implement, what it may implement, and what every kind inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.engine.visibility import Viewer
from hol_wizard.errors import ServiceError, WizardError

T = TypeVar("T")


class Context(Protocol):
    """What the rule needs from a step's context."""

    @property
    def target(self) -> str:
        """Key of the step."""

    @property
    def ledger(self) -> Ledger:
        """What this wizard created."""

    @property
    def reporter(self) -> Reporter:
        """Reports progress to the person."""

    @property
    def reads(self) -> ReadCache:
        """The read cache of the run."""

    @property
    def poll_interval(self) -> float:
        """Seconds between two checks of a resource that is being created."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What is still happening to a resource."""

    words: str = "being created"
    """What is happening, with the service's own word: `being created (Creating)`."""
    deleting: bool = False
    can_be_deleted: bool = False
    """Whether it can be deleted in the meantime; an undo then does not wait."""


class Resource(ABC, Generic[T]):
    """A resource that the lab needs in a service. `T` is what the service returns for it.

    A kind is a frozen dataclass with at least `context` and the fields that name the resource. It implements `id`,
    `find`, `marked`, `create` and `delete`; everything else has a default.
    """

    kind: str
    """The kind, in the portal's words: `Container`."""
    name: str
    context: Context
    mark: ClassVar[str] = "mark"
    """What carries the wizard's mark, in words: `tag`."""
    unmarked: ClassVar[str] = ""
    """For a kind that cannot carry a mark: what counts instead, in words.

    Such a resource is ours only if *created* was recorded: after a lost response or a kill the owner is unknown, and
    the resource is left in place.
    """
    patience: ClassVar[float] = 900.0
    """Seconds to wait for a resource that is being created or deleted."""
    personal: ClassVar[bool] = False
    """Whether the service shows such a resource only to its owner, not even to an administrator (`viewer`)."""
    can_join: ClassVar[bool] = False
    """Whether its parent, if that is this wizard's, can be asked for access (`join`)."""

    # Required members

    @property
    @abstractmethod
    def id(self) -> str:
        """Return its ID in the ledger: its path in the service, below the ID of its parent."""

    @abstractmethod
    def find(self, reads: ReadCache) -> T | None:
        """Return it, or None if the service itself says that it does not exist.

        Args:
            reads: The cache for reads that several resources share (`reads.share(key, read)`): that of the run in a
                check or a plan, a new one if the rule needs to check again.

        Raises:
            NotFoundError: Its parent does not exist.
            WizardError: The service could not be asked.
        """

    @abstractmethod
    def marked(self, found: T, noted: str | None) -> bool:
        """Return whether what was found carries this wizard's mark.

        Args:
            found: The existing resource.
            noted: What `create` returned, or None if no successful creation is recorded. A kind without a mark decides
                by it: `noted is not None`, or `noted == found.id`.
        """

    @abstractmethod
    def create(self, begun: Callable[[str], None]) -> str:
        """Send the request with the mark in it, and return the ID that the service assigned, or an empty string.

        The rule waits until it is ready (`pending`). Several requests are possible if a kill between them leaves
        something that is marked.

        Args:
            begun: Records the address for the progress of a long-running creation, which is also used after a kill
                (`Ledger.open_operation`).
        """

    @abstractmethod
    def delete(self, found: T) -> None:
        """Send the request; the rule waits until it is gone."""

    # Optional members

    @property
    def where(self) -> str:
        """Return the region and the resource group, or the service."""
        return ""

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, and not in the cloud."""
        return self.id.startswith("this-machine/")

    @property
    def cost(self) -> str:
        """Return what it costs, in words; empty if that is part of another resource's cost."""
        return "free"

    @property
    def usually(self) -> float:
        """Return how many seconds its creation usually takes."""
        return 5.0

    @property
    def note(self) -> str:
        """Return a note for the plan about its creation."""
        return ""

    @property
    def label(self) -> str:
        """Return its kind and name for messages."""
        return f"{self.kind} {self.name}"

    def expectations(self, found: T) -> Sequence[Expectation]:
        """Return the expected state compared with the actual one."""
        del found
        return ()

    def identity(self, found: T) -> str:
        """Return the ID that the service assigned; recorded if a kill prevented that, or if a change assigned
        another."""
        del found
        return ""

    def pending(self, found: T) -> Pending | None:
        """Return what is still happening to it; None if nothing is."""
        del found
        return None

    def trouble(self, found: T) -> WizardError | None:
        """Return why the creation did not succeed, or None."""
        del found
        return None

    def finish(self, found: T) -> bool:
        """Send a second request that its creation needs, after the first is recorded; return whether there was one.

        After a kill in between, `change` sends it.
        """
        del found
        return False

    def changeable(self, found: T, *, ours: bool) -> bool:
        """Return whether `change` can correct it."""
        del found, ours
        return False

    def change(self, found: T) -> None:
        """Correct it."""
        raise NotImplementedError(f"{type(self).__name__} cannot be changed")

    def difference(self, found: T) -> str:
        """Return what `change` will change, for the plan."""
        return ", ".join(f"{each.what}: {each.actual} → {each.expected}" for each in unmet_expectations(self, found))

    def obstacle(self) -> WizardError | None:
        """Return why it cannot be created although it does not exist, or None; called before the request."""
        return None

    def passes(self, error: ServiceError) -> bool:
        """Return whether this refusal, of `create` or a related check, is temporary; the request is then repeated."""
        del error
        return False

    @property
    def viewer(self) -> Viewer | None:
        """Return who is signed in, for a service that hides resources from others (`Entry.by`); otherwise None."""
        return None

    @property
    def parent(self) -> Resource[Any] | None:
        """Return its parent if the parent may no longer answer while it is being deleted."""
        return None

    def join(self) -> None:
        """Ask its parent for access, before a check for a deletion."""
        raise NotImplementedError(f"{type(self).__name__} is in nothing that can be asked")

    def stays(self, found: T) -> str:
        """Return why one that is ours is not deleted, in words (it contains somebody's work); otherwise an empty
        string."""
        del found
        return ""

    def contents(self, found: T) -> str:
        """Return in words what its deletion also deletes that is not the wizard's, for the plan."""
        del found
        return ""

    def foreign(self, found: T) -> Sequence[str]:
        """Return its contents that are not the wizard's and must not be deleted with it."""
        del found
        return ()

    def takes_along(self, resource: str) -> bool:
        """Return whether another resource in the ledger disappears together with it."""
        return resource.lower().startswith(f"{self.id.lower()}/")

    def trace(self) -> str:
        """Return what is left of ours after its deletion and must be purged, in words; otherwise an empty string."""
        return ""

    def purge(self) -> bool:
        """Remove the trace; return False if the service keeps it for a fixed time, after reporting that."""
        return True

    # Texts

    def creation(self, note: str = "") -> Change:
        """Return the plan's line for its creation.

        Args:
            note: A note in addition to `Resource.note`.
        """
        note = "; ".join(filter(None, (self.note, note)))
        return Change("create", self.kind, self.name, self.where, self.cost, self.usually, note, self.id)

    def absence(self) -> Result:
        """Return the check's result if it does not exist."""
        return Result(
            Status.FAILED,
            f"{self.label} does not exist.",
            (Expectation(self.kind, f"{self.name} exists", "not found", met=False),),
            "Create it by hand as described, or <solve>.",
        )

    def result(self, found: T) -> Result:
        """Return the check's result if it exists and nothing is happening to it."""
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
    """Return whether this wizard created the found resource, according to the ledger and the mark."""
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
