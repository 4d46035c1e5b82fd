"""One Azure resource that the lab wants: looked at, planned, created and removed the same way for every type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, NotFoundError, ServiceError, UnreachableError
from hol_wizard.resources.context import StepContext
from hol_wizard.services.arm import Operation

Document = Mapping[str, Any]

TAG = "hol-wizard"
"""The tag that says which lab made a resource; its value is the profile's lab id."""

SETTLED = {"succeeded", ""}
BROKEN = {"failed", "canceled", "cancelled"}
GOING = {"deleting"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A property that the resource must have."""

    what: str
    """In the portal's words: `Access tier`."""
    path: tuple[str, ...]
    """Where it stands in the resource's document."""
    expected: str | bool
    changeable: bool = False
    """Whether Azure can still change it on an existing resource."""
    missing_means: str | bool | None = None
    """What Azure means when it leaves the property out."""

    def seen_in(self, document: Document) -> Expectation:
        """Return the expectation with what the document says."""
        value: Any = document
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            value = self.missing_means
        met = _same(value, self.expected)
        return Expectation(self.what, _shown(self.expected), _shown(value), met)


def _same(value: Any, expected: str | bool) -> bool:
    if isinstance(value, str) and isinstance(expected, str):
        return value.lower().replace(" ", "") == expected.lower().replace(" ", "")
    return bool(value == expected)


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


@dataclass(frozen=True, slots=True)
class Resource:
    """What to create when it is missing, and what must be true of it."""

    kind: str
    """In the portal's words: `Storage account`."""
    id: str
    """Full Azure resource id."""
    body: Document
    """Body of the PUT that creates it, without tags."""
    wanted: tuple[Wanted, ...]
    usually: float
    """Seconds that a creation usually takes."""
    cost: str = ""
    availability: str = ""
    """Provider and type (`Microsoft.Storage/storageAccounts`) when the name is unique worldwide; empty: it is not."""
    delete_query: tuple[tuple[str, str], ...] = ()
    """Query parameters of its DELETE."""
    trace: str = ""
    """Id under which it stands while it is soft-deleted; purged after the deletion. Empty: no soft delete."""

    @property
    def name(self) -> str:
        """Last part of the id."""
        return self.id.rpartition("/")[2]

    @property
    def group(self) -> str:
        """Name of its resource group, or an empty string."""
        parts = self.id.split("/")
        return parts[4] if len(parts) > 5 else ""


def provisioning_state(document: Document) -> str:
    """Return `properties.provisioningState` in lower case; an empty string where the type has none."""
    properties = document.get("properties")
    state = properties.get("provisioningState") if isinstance(properties, Mapping) else None
    return str(state or "").lower()


def read(context: StepContext, resource_id: str) -> Document | None:
    """Return the resource's document, or None; checks of one run share the read."""
    return context.reads.share(("arm", resource_id.lower()), lambda: context.services.arm.find(resource_id))


def look(context: StepContext, resource: Resource) -> Result:
    """Tell how the resource stands."""
    document = read(context, resource.id)
    if document is None:
        return _look_for_operation(context, resource)
    state = provisioning_state(document)
    if state in BROKEN:
        return Result(
            Status.FAILED,
            f"{resource.kind} {resource.name} exists, but its creation ended as {state}.",
            (Expectation("Provisioning state", "Succeeded", state.capitalize(), met=False),),
            "Let the wizard try again (do it for me), or delete it in the portal first.",
        )
    if state in GOING:
        return replace(
            _being_made(resource, state.capitalize()), summary=f"{resource.kind} {resource.name} is being deleted."
        )
    if state not in SETTLED:
        return _being_made(resource, state.capitalize())
    return judge(
        [wanted.seen_in(document) for wanted in resource.wanted],
        passed=f"{resource.kind} {resource.name} is there and fits.",
        failed=f"{resource.kind} {resource.name} is there, but it does not fit.",
        next_action=_remedy(resource, document),
    )


def _look_for_operation(context: StepContext, resource: Resource) -> Result:
    missing = Result(
        Status.FAILED,
        f"{resource.kind} {resource.name} does not exist.",
        (Expectation(resource.kind, f"{resource.name} exists", "not found", met=False),),
        "Create it by hand as described, or let the wizard do it.",
    )
    begun = context.ledger.open_operation(resource.id)
    if begun is None or not begun.detail:
        return missing
    try:
        operation = context.services.arm.operation(begun.detail)
        operation.poll()
    except NotFoundError:
        return missing
    except UnreachableError:
        raise
    except ServiceError as error:
        return Result(
            Status.FAILED,
            f"{resource.kind} {resource.name} could not be created: {error.message}",
            (Expectation(resource.kind, f"{resource.name} exists", "its creation failed", met=False),),
            error.hint or "Let the wizard try again.",
            error.detail,
        )
    return missing if operation.done else _being_made(resource, "Accepted")


def _being_made(resource: Resource, state: str) -> Result:
    return Result(
        Status.WAITING,
        f"{resource.kind} {resource.name} is being made ({state}).",
        (Expectation("Provisioning state", "Succeeded", state, met=False),),
        "Nothing to do: the wizard looks again by itself.",
        look_again_after=max(1.0, min(10.0, resource.usually / 20)),
        usually=resource.usually,
    )


def _unmet(resource: Resource, document: Document) -> list[tuple[Wanted, Expectation]]:
    seen = [(wanted, wanted.seen_in(document)) for wanted in resource.wanted]
    return [(wanted, expectation) for wanted, expectation in seen if not expectation.met]


def _remedy(resource: Resource, document: Document) -> str:
    unmet = _unmet(resource, document)
    if all(wanted.changeable for wanted, _ in unmet):
        wishes = ", ".join(f"{wanted.what} to {expectation.expected}" for wanted, expectation in unmet)
        return f"Set {wishes}, in the portal or with “do it for me”."
    fixed = ", ".join(wanted.what for wanted, _ in unmet if not wanted.changeable)
    return (
        f"{fixed} cannot be changed on an existing {resource.kind.lower()}: delete {resource.name}, "
        "or choose another prefix (section set-up)."
    )


def plan(context: StepContext, resource: Resource) -> tuple[Change, ...]:
    """Tell what `create` would do, after looking at what exists."""

    def change(verb: str, note: str = "", *, new: bool = False) -> tuple[Change, ...]:
        where = f"{resource.group}, {context.names.location}" if resource.group else context.names.location
        return (
            Change(
                verb,
                resource.kind,
                resource.name,
                where,
                resource.cost if new else "",
                resource.usually if new else None,
                note,
            ),
        )

    document = read(context, resource.id)
    if document is None:
        if context.ledger.open_operation(resource.id):
            return change("adopt", "its creation was begun earlier and is waited for")
        taken = name_problem(context, resource)
        return change("conflict", taken) if taken else change("create", new=True)
    if provisioning_state(document) in GOING:
        return change("create", "as soon as the old one is deleted", new=True)
    if provisioning_state(document) not in SETTLED | BROKEN:
        return change("adopt", "it is being made and is waited for")
    unmet = _unmet(resource, document)
    if not unmet and provisioning_state(document) in SETTLED:
        return change("leave", "is there and fits")
    if ours(context, resource.id, document) and all(wanted.changeable for wanted, _ in unmet):
        return change("change", ", ".join(f"{w.what}: {e.actual} → {e.expected}" for w, e in unmet) or "try again")
    return change("conflict", ", ".join(f"{w.what} is {e.actual}, not {e.expected}" for w, e in unmet) or "is broken")


def name_problem(context: StepContext, resource: Resource) -> str:
    """Return why the worldwide name cannot be had, or an empty string."""
    if not resource.availability:
        return ""
    provider = resource.availability.partition("/")[0]
    path = f"/subscriptions/{context.names.subscription}/providers/{provider}/checkNameAvailability"
    answer = context.services.arm.post(path, {"name": resource.name, "type": resource.availability})
    if answer.get("nameAvailable", True):
        return ""
    return str(answer.get("message") or f"the name {resource.name} is taken")


def create(context: StepContext, resource: Resource) -> Document:
    """Create the resource, or adopt what is there and fits, and wait until it is ready.

    Safe to call again after a kill at any point.

    Returns:
        The resource's document.

    Raises:
        ConflictError: Something is there that does not fit, or the name is taken.
        ServiceError: Azure refused, or the creation failed.
    """
    arm, channel, ledger = context.services.arm, context.channel, context.ledger
    label = f"{resource.kind} {resource.name}"
    document = await_deletion(context, resource)
    if document is not None:
        state = provisioning_state(document)
        if state not in SETTLED | BROKEN:
            channel.say(f"{label} is already being made; waiting for it.")
            return _finish(context, resource)
        unmet = _unmet(resource, document)
        mine = ours(context, resource.id, document)
        if not unmet and state in SETTLED:
            if mine:
                channel.say(f"{label} is there.")
                _note_ready(context, resource)
            else:
                ledger.write(Fact.ADOPTED, context.target, resource.id, resource.kind)
                channel.say(f"{label} is there and fits: adopted, and left alone by a teardown.")
            return document
        if not mine or not all(wanted.changeable for wanted, _ in unmet):
            what = ", ".join(f"{e.what} is {e.actual}, not {e.expected}" for _, e in unmet) or f"state {state}"
            raise ConflictError(f"{label} exists and does not fit: {what}.", _remedy(resource, document))
        channel.say(f"{label} is there and ours; setting it right.")
    else:
        begun = ledger.open_operation(resource.id)
        if begun is not None and begun.detail:
            channel.say(f"{label} was begun at {begun.at}; looking how far it is.")
            try:
                _drive(context, resource, arm.operation(begun.detail))
                return _finish(context, resource)
            except NotFoundError:
                channel.say("Azure no longer knows that operation; beginning again.")
            except ServiceError as error:
                if isinstance(error, UnreachableError) and not error.code:
                    raise
                ledger.write(Fact.FAILED, context.target, resource.id, resource.kind, error.message)
                channel.say(f"It had failed: {error.message} Beginning again.")
        taken = name_problem(context, resource)
        if taken:
            other = "hoose another prefix (section set-up, step Choose your names): the worldwide names follow from it."
            deleted = "If it was yours and is soft-deleted: purge it in the portal under Manage deleted vaults. Else c"
            raise ConflictError(f"{label} cannot be created: {taken}", f"{deleted if resource.trace else 'C'}{other}")
    channel.stop_if_cancelled()
    channel.say(f"Creating {label} …")
    ledger.write(Fact.INTENT, context.target, resource.id, resource.kind)
    try:
        tags = {**_tags(document), TAG: context.profile.choices.lab_id}
        operation = arm.put(resource.id, {**resource.body, "tags": tags})
        if operation.url:
            ledger.write(Fact.OPERATION, context.target, resource.id, resource.kind, operation.url)
        _drive(context, resource, operation)
        return _finish(context, resource)
    except UnreachableError:
        # Nobody knows whether Azure took it, or how it goes on there: the next look tells.
        raise
    except ServiceError as error:
        ledger.write(Fact.FAILED, context.target, resource.id, resource.kind, error.message)
        raise


def await_deletion(context: StepContext, resource: Resource) -> Document | None:
    """Return the resource's document, or None; one that is just being deleted is waited for until it is gone."""
    document = context.services.arm.find(resource.id)
    while document is not None and provisioning_state(document) in GOING:
        context.channel.progress(f"{resource.kind} {resource.name} is still being deleted")
        context.channel.wait(context.services.arm.poll_interval)
        document = context.services.arm.find(resource.id)
    return document


def _finish(context: StepContext, resource: Resource) -> Document:
    ready = _await_resource(context, resource)
    _note_ready(context, resource)
    context.channel.say(f"{resource.kind} {resource.name} is ready.")
    return ready


def _note_ready(context: StepContext, resource: Resource) -> None:
    """Write down that what this wizard began is there, once."""
    if context.ledger.made(resource.id) and not context.ledger.created(resource.id):
        context.ledger.write(Fact.CREATED, context.target, resource.id, resource.kind)


def _drive(context: StepContext, resource: Resource, operation: Operation) -> None:
    while not operation.done:
        context.channel.progress(f"{resource.kind} {resource.name} is being made", resource.usually)
        context.channel.wait(operation.retry_after)
        operation.poll()


def _await_resource(context: StepContext, resource: Resource) -> Document:
    """Return the document once it has settled.

    Raises:
        ServiceError: It ended as failed, or it never came.
    """
    arm = context.services.arm
    absences = 0
    while True:
        document = arm.find(resource.id)
        if document is None:
            absences += 1
            if absences > 5:
                raise ServiceError(
                    f"{resource.kind} {resource.name} was accepted, but it is not there.", "Try again in a minute."
                )
        else:
            state = provisioning_state(document)
            if state in BROKEN:
                raise ServiceError(
                    f"The creation of {resource.kind} {resource.name} ended as {state}.",
                    "Look at the resource group's Activity log in the portal, then try again.",
                    detail=str(document.get("properties", "")),
                )
            if state in SETTLED:
                return document
        context.channel.progress(f"{resource.kind} {resource.name} is being made", resource.usually)
        context.channel.wait(arm.poll_interval)


def plan_removal(context: StepContext, resource: Resource) -> tuple[Change, ...]:
    """Tell what `remove` would do, after looking at what exists; empty when nothing of ours is left."""
    if not context.ledger.made(resource.id):
        return ()
    document = context.services.arm.find(resource.id)
    if document is None:
        if _still_being_made(context, resource):
            note = "is still being made: waited for first"
            return (Change("delete", resource.kind, resource.name, resource.group, note=note),)
        if resource.trace and context.services.arm.find(resource.trace) is not None:
            return (
                Change("purge", resource.kind, resource.name, note="soft-deleted: its name stays taken until then"),
            )
        return ()
    if not ours(context, resource.id, document):
        note = "it no longer carries the wizard's tag: left alone"
        return (Change("leave", resource.kind, resource.name, resource.group, note=note),)
    return (Change("delete", resource.kind, resource.name, resource.group),)


def _still_being_made(context: StepContext, resource: Resource) -> bool:
    """Whether a creation that was begun goes on although the resource cannot be seen yet."""
    return _look_for_operation(context, resource).status is Status.WAITING


def ours(context: StepContext, resource_id: str, document: Document) -> bool:
    """Whether this wizard made the resource and it still carries the wizard's tag: only then may it be changed."""
    tagged = _tags(document).get(TAG) == context.profile.choices.lab_id
    return tagged and context.ledger.made(resource_id)


def _tags(document: Document | None) -> Mapping[str, Any]:
    tags = (document or {}).get("tags")
    return tags if isinstance(tags, Mapping) else {}


def remove(context: StepContext, resource: Resource, *, obstacles: Callable[[], Sequence[str]] | None = None) -> None:
    """Delete the resource if this wizard made it and it still carries the wizard's tag, and see that it is gone.

    Args:
        context: The step's.
        resource: What to delete.
        obstacles: Names what must not be deleted along with it; asked right before the deletion.

    Raises:
        ConflictError: There are obstacles.
        ServiceError: Azure refused, or it is still there afterwards.
    """
    arm, channel, ledger = context.services.arm, context.channel, context.ledger
    label = f"{resource.kind} {resource.name}"
    if not ledger.made(resource.id):
        channel.say(f"{label} was not made by this wizard: left alone.")
        return
    document = _await_rest(context, resource)
    if document is not None:
        if not ours(context, resource.id, document):
            channel.say(f"{label} no longer carries the wizard's tag: left alone.")
            return
        foreign = list(obstacles()) if obstacles else []
        if foreign:
            raise ConflictError(
                f"{label} holds what this wizard did not make: {', '.join(foreign)}.",
                "Move or delete these in the portal, then run the teardown again.",
            )
        channel.stop_if_cancelled()
        channel.say(f"Deleting {label} …")
        _drive_away(context, f"{label} is being deleted", arm.delete(resource.id, **dict(resource.delete_query)))
        if arm.find(resource.id) is not None:
            raise ServiceError(
                f"{label} is still there after its deletion.", "Run the teardown again in a few minutes."
            )
    if resource.trace and arm.find(resource.trace) is not None:
        channel.say(f"Purging {label}, so that its name is free again …")
        _drive_away(context, f"{label} is being purged", arm.begin_post(f"{resource.trace}/purge"))
        if arm.find(resource.trace) is not None:
            raise ServiceError(f"{label} is deleted, but not purged.", "Run the teardown again in a few minutes.")
    ledger.write(Fact.DELETED, context.target, resource.id, resource.kind)
    channel.say(f"{label} is gone.")


def _await_rest(context: StepContext, resource: Resource) -> Document | None:
    """Return the document, or None, once nothing is being made any more: Azure deletes nothing half-made."""
    arm = context.services.arm
    while True:
        document = arm.find(resource.id)
        state = provisioning_state(document or {})
        made = state in SETTLED | BROKEN | GOING if document is not None else not _still_being_made(context, resource)
        if made:
            return document
        context.channel.progress(f"{resource.kind} {resource.name} is still being made")
        context.channel.wait(arm.poll_interval)


def _drive_away(context: StepContext, text: str, operation: Operation | None) -> None:
    while operation is not None and not operation.done:
        context.channel.progress(text)
        context.channel.wait(operation.retry_after)
        operation.poll()
