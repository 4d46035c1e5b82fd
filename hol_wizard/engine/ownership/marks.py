"""Resources that carry this lab's mark but are not in the ledger."""

from __future__ import annotations

from typing import TypeVar

from hol_wizard.engine.ledger import REBUILD
from hol_wizard.engine.ownership.resource import Resource
from hol_wizard.engine.registry import Marked
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError

T = TypeVar("T")


def marked(resource: Resource[T]) -> tuple[Marked, ...]:
    """Return the resource if it carries the mark, regardless of the ledger; this is used to rebuild a lost ledger.

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
        # If it is hidden from us but its parent is ours, it disappears with the parent.
        if resource.parent is not None and marked(resource.parent):
            return ()
        raise
    if not (resource.marked(found, None) if found is not None else resource.trace()):
        return ()
    detail = resource.identity(found) if found is not None else ""
    return (Marked(resource.kind, resource.id, resource.name, resource.where, detail),)


def unnamed(label: str) -> ConflictError:
    """Return the error for a resource with this lab's mark that the ledger does not name: an entry was lost.

    If it were adopted, every teardown would leave it in place.
    """
    return ConflictError(
        f"{label} carries this lab's mark, but the ledger does not name it: an entry was lost, or another "
        "machine created it for this lab.",
        f"If this wizard created it, rebuild the ledger: {REBUILD}",
    )


def is_unnamed(resource: Resource[T], found: T) -> bool:
    """Return whether it carries this lab's mark although the ledger does not name it."""
    made = resource.context.ledger.made(resource.id)
    return not resource.unmarked and not made and resource.marked(found, None)


def not_ours(resource: Resource[T]) -> str:
    """Return why a resource is not considered ours although the ledger names it."""
    if resource.unmarked:
        return f"unknown whether this wizard created it ({resource.unmarked}): left in place"
    return f"it no longer carries the wizard's {resource.mark}: left in place"
