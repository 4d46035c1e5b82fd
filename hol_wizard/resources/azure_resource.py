"""A resource of Azure Resource Manager, of any type."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hol_wizard.engine.ownership import Pending, Resource, looks
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import (
    ConflictError,
    InconclusiveError,
    NotFoundError,
    ServiceError,
    UnreachableError,
    WizardError,
)
from hol_wizard.lab.model import Environment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.wanted import Document, Wanted
from hol_wizard.services.arm import Operation

TAG = "hol-wizard"
"""The tag that says which lab created a resource; its value is the profile's lab ID."""

TRY_AGAIN = "Wait until it is ready, then try again."

SETTLED = {"succeeded", ""}
BROKEN = {"failed", "canceled", "cancelled"}
GOING = {"deleting"}


@dataclass(frozen=True)
class AzureResource(Resource[Document]):
    """A resource: how to create it, and its required properties."""

    context: StepContext
    kind: str
    """In the portal's words: `Storage account`."""
    path: str
    """Full Azure resource ID."""
    body: Document
    """Body of the PUT that creates it, without tags."""
    wanted: tuple[Wanted, ...] = ()
    usually: float = 30.0
    cost: str = ""
    availability: str = ""
    """Provider and type (`Microsoft.Storage/storageAccounts`) if the name is globally unique; otherwise empty."""
    delete_query: tuple[tuple[str, str], ...] = ()
    """Query parameters of its DELETE."""
    name: str = field(init=False)
    mark = "tag"

    def __post_init__(self) -> None:
        """Derive the name from the path."""
        object.__setattr__(self, "name", self.path.rpartition("/")[2])

    @property
    def id(self) -> str:
        """Return its resource ID."""
        return self.path

    @property
    def group(self) -> str:
        """Return the name of its resource group, or an empty string."""
        parts = self.path.split("/")
        return parts[4] if len(parts) > 5 else ""

    @property
    def where(self) -> str:
        """Return the resource group and the region."""
        return ", ".join(filter(None, (self.group, self.context.names.location)))

    # Checking

    def find(self, reads: ReadCache) -> Document | None:
        """Return its document; if its creation was accepted but Azure does not show it yet, a document that only says
        so."""
        arm = self.context.services.arm
        document = reads.share(("arm", self.id.lower()), lambda: arm.find(self.id))
        if document is None and self._begun() is True:
            return {"tags": {TAG: self.context.lab_id}, "properties": {"provisioningState": "Accepted"}}
        return document

    def _begun(self) -> bool | ServiceError:
        """Return whether a creation that was started is in progress, or why it failed.

        Raises:
            WizardError: Its state could not be checked.
        """
        begun = self.context.ledger.open_operation(self.id)
        if begun is None or not begun.detail:
            return False
        operation = self.context.services.arm.operation(begun.detail)
        try:
            operation.poll()
        except (NotFoundError, UnreachableError) as error:
            if isinstance(error, NotFoundError):
                return False
            raise
        except ServiceError as error:
            return error
        return not operation.done

    def marked(self, found: Document, noted: str | None) -> bool:
        """Return whether it has the lab's tag."""
        del noted
        return self.context.is_lab_id(tags(found).get(TAG))

    def pending(self, found: Document) -> Pending | None:
        """Return what Azure is doing with it."""
        state = provisioning_state(found)
        if state in GOING:
            return Pending("being deleted", deleting=True)
        return None if state in SETTLED | BROKEN else Pending(f"being created ({state.capitalize()})")

    def expectations(self, found: Document) -> Sequence[Expectation]:
        """Return the properties that the lab needs."""
        state = provisioning_state(found)
        broken = Expectation("Provisioning state", "Succeeded", state.capitalize(), met=False)
        return [*([broken] if state in BROKEN else []), *(wanted.seen_in(found) for wanted in self.wanted)]

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return an error if its globally unique name is in use."""
        taken = name_problem(self)
        return ConflictError(f"{self.label} cannot be created: {taken}", self.other_name) if taken else None

    @property
    def other_name(self) -> str:
        """Return what to do if its globally unique name is in use."""
        return "Choose another prefix (<step set-up/choose-your-names>): the worldwide names follow from it."

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it and wait for the operation to end."""
        failed = self._begun()
        if isinstance(failed, ServiceError):
            self.context.reporter.say(f"It had failed: {failed.message} Starting again.")
        self._put(self.body, {}, begun)
        return ""

    def _put(
        self,
        body: Document,
        kept: Mapping[str, Any],
        begun: Callable[[str], None] | None = None,
        *,
        tagged: bool = True,
    ) -> None:
        mark = {TAG: self.context.lab_id} if tagged else {}
        operation = self.context.services.arm.put(self.id, {**body, "tags": {**kept, **mark}})
        if operation.url and begun is not None:
            begun(operation.url)
        self._drive(operation, f"{self.label} is being created")

    def trouble(self, found: Document) -> WizardError | None:
        """Return an error if its creation failed."""
        state = provisioning_state(found)
        if state not in BROKEN:
            return None
        return ServiceError(
            f"The creation of {self.label} ended as {state}.",
            "Check the resource group's Activity log in the portal, then try again.",
            detail=str(found.get("properties", "")),
        )

    def _fixed(self, found: Document) -> list[str]:
        """Return what does not fit and cannot be changed."""
        return [each.what for each in self.wanted if not (each.changeable or each.seen_in(found).met)]

    def changeable(self, found: Document, *, ours: bool) -> bool:
        """Return whether it is ours, and Azure can change everything that does not fit."""
        return ours and not self._fixed(found)

    def change(self, found: Document) -> None:
        """Send the whole resource again."""
        self._put(self.body, tags(found))

    # Removing

    def delete(self, found: Document) -> None:
        """Delete it and wait for the operation to end."""
        del found
        operation = self.context.services.arm.delete(self.id, **dict(self.delete_query))
        if operation is not None:
            self._drive(operation, f"{self.label} is being deleted")

    def _drive(self, operation: Operation, words: str) -> None:
        """Wait for an operation to end, even if Azure does not report its progress for a while.

        Raises:
            InconclusiveError: Azure did not report it for too long; the operation continues.
            ServiceError: It failed, or takes too long.
        """
        deadline = time.monotonic() + self.patience
        told = time.monotonic()
        while not operation.done:
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"{words}, after more than {self.patience / 60:.0f} minutes.",
                    "Check again in a few minutes; it continues automatically.",
                )
            self.context.reporter.progress(words, self.usually)
            self.context.reporter.wait(operation.retry_after)
            try:
                operation.poll()
            except InconclusiveError as error:
                if time.monotonic() - told > looks.SILENCE:
                    raise
                self.context.reporter.progress(f"{self.label}: {error.message}", self.usually)
            else:
                told = time.monotonic()

    # Texts

    def absence(self) -> Result:
        """Return the result if it does not exist: that it is missing, or why its creation failed."""
        failed = self._begun()
        if not isinstance(failed, ServiceError):
            return super().absence()
        return Result(
            Status.FAILED,
            f"{self.label} could not be created: {failed.message}",
            (Expectation(self.kind, f"{self.name} exists", "its creation failed", met=False),),
            failed.hint or "To try again, <solve>.",
            failed.detail,
        )

    def result(self, found: Document) -> Result:
        """Return the result for its properties."""
        state = provisioning_state(found)
        if state in BROKEN:
            return Result(
                Status.FAILED,
                f"{self.label} exists, but its creation ended as {state}.",
                (Expectation("Provisioning state", "Succeeded", state.capitalize(), met=False),),
                "Delete it in the portal and create it again, or <solve>.",
            )
        return judge(
            self.expectations(found),
            passed=f"{self.label} exists and fits.",
            failed=f"{self.label} exists but does not fit.",
            next_action=self.remedy(found),
        )

    def remedy(self, found: Document) -> str:
        """Return what can be changed, or that it cannot."""
        if fixed := self._fixed(found):
            return (
                f"{', '.join(fixed)} cannot be changed on an existing {self.kind.lower()}: delete {self.name}, "
                "or choose another prefix (<step set-up/choose-your-names>)."
            )
        unmet = [each for each in self.expectations(found) if not each.met]
        wishes = ", ".join(f"{each.what} to {each.expected}" for each in unmet)
        return f"Set {wishes}, in the portal, or <solve>."


def in_group(context: StepContext, resource_type: str, name: str, environment: Environment | None = None) -> str:
    """Return the ID of a resource in an environment's resource group; None for the context's environment."""
    here = context.names.of(environment) if environment else context.here
    group = f"/subscriptions/{context.names.subscription}/resourceGroups/{here.resource_group}"
    return f"{group}/providers/{resource_type}/{name}"


def tags(document: Document | None) -> Mapping[str, Any]:
    """Return the tags of a document."""
    found = (document or {}).get("tags")
    return found if isinstance(found, Mapping) else {}


def provisioning_state(document: Document) -> str:
    """Return `properties.provisioningState` in lowercase; an empty string if the type has none."""
    properties = document.get("properties")
    state = properties.get("provisioningState") if isinstance(properties, Mapping) else None
    return str(state or "").lower()


def read(context: StepContext, resource_id: str) -> Document | None:
    """Return the resource's document, or None; checks of one run share the read."""
    return context.reads.share(("arm", resource_id.lower()), lambda: context.services.arm.find(resource_id))


def ours(context: StepContext, resource_id: str, document: Document) -> bool:
    """Whether this wizard created the resource and it still carries the wizard's tag: only then may it be changed."""
    return context.is_lab_id(tags(document).get(TAG)) and context.ledger.made(resource_id)


def name_problem(resource: AzureResource) -> str:
    """Return why the globally unique name is not available, or an empty string."""
    if not resource.availability:
        return ""
    context, provider = resource.context, resource.availability.partition("/")[0]
    path = f"/subscriptions/{context.names.subscription}/providers/{provider}/checkNameAvailability"
    answer = context.services.arm.post(path, {"name": resource.name, "type": resource.availability})
    if answer.get("nameAvailable", True):
        return ""
    return str(answer.get("message") or f"the name {resource.name} is already in use")
