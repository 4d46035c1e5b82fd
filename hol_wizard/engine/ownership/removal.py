"""The undo of a resource and its plan: what is ours is deleted, and a check verifies that it is gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.ownership.looks import ABSENCES, at_rest, concealed, patiently
from hol_wizard.engine.ownership.marks import not_ours
from hol_wizard.engine.ownership.resource import Resource, owns, told, write
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change
from hol_wizard.engine.visibility import UnseenError
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError, UnreachableError

T = TypeVar("T")
JOINS = "you have no access to its parent yet; the wizard requests it"
"""Text in a plan for a resource that cannot be checked before `Resource.join`."""


def plan_undo(resource: Resource[T]) -> tuple[Change, ...]:
    """Return what `undo` would do; empty if nothing of ours is left."""
    if not resource.context.ledger.made(resource.id):
        return ()
    try:
        found = _find_for_undo(resource)
    except _GoesAlongError as closed:
        if resource.can_join and closed.refused:
            return (told(resource, "unclear", f"cannot tell whether it exists: {JOINS}"),)
        return (told(resource, "leave", closed.words),)
    except UnseenError as error:
        return (error.unseen.change,)
    except AccessDeniedError as error:
        return (told(resource, "unclear", f"cannot tell whether it exists: {error.message}"),)
    except UnreachableError as error:
        if not resource.is_here:
            raise
        # Everything in the cloud can be removed without this machine's container engine.
        return (told(resource, "unclear", f"cannot tell whether it exists: {error.message}"),)
    if found is None:
        trace = resource.trace()
        return (told(resource, "purge", trace),) if trace else ()
    if not owns(resource, found):
        return (told(resource, "leave", not_ours(resource)),)
    pending = resource.pending(found)
    if pending is not None and not (pending.deleting or pending.can_be_deleted):
        return (told(resource, "delete", f"is still {pending.words}; the wizard waits for it first"),)
    if stays := resource.stays(found):
        return (told(resource, "leave", f"{stays}: left in place"),)
    return (told(resource, "delete", resource.contents(found)),)


def undo(resource: Resource[T]) -> None:
    """Delete the resource if this wizard created it and it still carries the mark, and verify that it is gone.

    Raises:
        ConflictError: It contains something that is not the wizard's.
        WizardError: The service refused or could not be asked, or the resource is still there.
    """
    reporter, ledger, label = resource.context.reporter, resource.context.ledger, resource.label
    if not ledger.made(resource.id):
        reporter.say(f"{label} was not created by this wizard: left in place.")
        return
    try:
        found = _find_for_undo(resource, join=True)
    except _GoesAlongError as closed:
        # Nothing is recorded: the parent's deletion records that its contents are gone, and verifies it.
        reporter.say(f"{label}: {closed.words}.")
        return
    pending = resource.pending(found) if found is not None else None
    if found is not None and pending is not None and not pending.can_be_deleted and owns(resource, found):
        found = at_rest(resource, _find_rest)
    if found is not None:
        stays = resource.stays(found)
        why = f"{stays}: left in place" if stays else ""
        if not owns(resource, found):
            why = not_ours(resource)
        if why:
            if not ledger.left(resource.id):
                write(resource, Fact.LEFT, why)
            reporter.say(f"{label}: {why}.")
            return
        foreign = resource.foreign(found)
        if foreign:
            raise ConflictError(
                f"{label} contains what this wizard did not create: {', '.join(foreign)}.",
                "Move or delete these, then run the teardown again.",
            )
        reporter.stop_if_cancelled()
        reporter.say(f"Deleting {label} …")
        patiently(resource, lambda: resource.delete(found), removing=True)
        _gone(resource)
    if resource.trace():
        reporter.say(f"Purging {label} …")
        if patiently(resource, resource.purge, removing=True) and resource.trace():
            raise ServiceError(f"{label} is deleted, but not purged.", "Run the teardown again in a few minutes.")
    _write_off(resource)
    reporter.say(f"{label} is gone.")


def plan_undo_all(resources: Iterable[Resource[Any]]) -> list[Change]:
    """Return what `undo_all` would do.

    Raises:
        WizardError: As `plan_undo`.
    """
    return [change for each in resources for change in plan_undo(each)]


def undo_all(resources: Iterable[Resource[Any]]) -> None:
    """Undo one resource after another; if one cannot be checked with this account, the others are still undone.

    Raises:
        UnseenError: It is unknown whether one of them exists.
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


class _GoesAlongError(ServiceError):
    """The resource can no longer be checked from here; it disappears with its parent, which is this wizard's."""

    def __init__(self, error: ServiceError, place: str) -> None:
        super().__init__(error.message, error.hint, code=error.code, detail=error.detail)
        self.refused = isinstance(error, AccessDeniedError)
        why = "your account may not see it" if self.refused else "it cannot be reached"
        self.words = f"{why}; it is deleted together with {place}"


def _find_for_undo(resource: Resource[T], *, join: bool = False) -> T | None:
    """Return what is left of the resource; None if it is gone, alone or together with its parent.

    Args:
        resource: The resource.
        join: Whether to ask its parent, if that is this wizard's, for access.

    Raises:
        _GoesAlongError: It cannot be checked, and its parent is this wizard's and exists.
        UnseenError: It may exist, hidden from this account.
        WizardError: It is unknown.
    """
    try:
        found = patiently(resource, lambda: resource.find(ReadCache()), removing=True)
    except NotFoundError:
        return None
    except (AccessDeniedError, UnreachableError) as error:
        if error.untold:
            raise
        # No access: the resource is deleted together with its parent if that is ours.
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
    if found is None and (hidden := concealed(resource)) is not None:
        raise hidden.error
    return found


def _find_rest(resource: Resource[T]) -> T | None:
    """Return what is left of a resource that this account has seen, so that it is not hidden from it."""
    try:
        return _find_for_undo(resource)
    except UnseenError:
        return None


def _find_ours(resource: Resource[T]) -> T | None:
    """Return what is left of a resource after its deletion; somebody else's of the same name does not count."""
    found = _find_rest(resource)
    if found is None or owns(resource, found):
        return found
    # While it is being deleted, its mark may no longer be visible.
    pending = resource.pending(found)
    return found if pending is not None and pending.deleting else None


def _gone(resource: Resource[Any]) -> None:
    """Wait until the resource is no longer found after its deletion; some services list it for a little longer.

    Raises:
        ServiceError: It is still there.
    """
    for _ in range(ABSENCES):
        if at_rest(resource, _find_ours) is None:
            return
        resource.context.reporter.wait(resource.context.poll_interval)
    raise ServiceError(
        f"{resource.label} is still there after its deletion.", "Run the teardown again in a few minutes."
    )


def _write_off(resource: Resource[T]) -> None:
    """Record that the resource and everything in it are gone."""
    ledger = resource.context.ledger
    write(resource, Fact.DELETED)
    for entry in ledger.standing():
        if resource.takes_along(entry.resource):
            ledger.write(Fact.DELETED, entry.target, entry.resource, entry.kind, f"gone with {resource.label}")
