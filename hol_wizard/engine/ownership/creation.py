"""The solve of a resource: create it, adopt an existing one that fits, or correct one that is ours."""

from __future__ import annotations

import time
from typing import TypeVar

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.ownership.looks import at_rest, concealed, find, passes_by_itself, patiently, ready
from hol_wizard.engine.ownership.marks import is_unnamed, unnamed
from hol_wizard.engine.ownership.resource import Resource, differences, owns, unmet_expectations, write
from hol_wizard.errors import (
    ConflictError,
    LedgerError,
    NotFoundError,
    StoppedError,
    UnreachableError,
    WizardError,
)

T = TypeVar("T")


def solve(resource: Resource[T]) -> T:
    """Create the resource, adopt an existing one that fits, or correct one that is ours, and wait until it is ready.

    It can be called again after a kill at any point.

    Raises:
        ConflictError: Something exists that does not fit, or that prevents the creation.
        WizardError: The service refused, or could not be asked.
    """
    found = _at_rest(resource)
    if found is not None:
        return _settle(resource, found)
    if (hidden := concealed(resource)) is not None:
        raise hidden.error
    obstacle = resource.obstacle()
    if obstacle is None:
        return _create(resource)
    # Another wizard may have sent the same request since the check, so that the name is in use.
    found = _at_rest(resource)
    if found is None:
        raise obstacle
    return _settle(resource, found)


def _at_rest(resource: Resource[T]) -> T | None:
    """Return the resource when nothing is happening to it anymore; report what is waited for."""
    found = find(resource)
    pending = resource.pending(found) if found is not None else None
    if pending is None:
        return found
    resource.context.reporter.say(f"{resource.label} is already {pending.words}; waiting for it.")
    return at_rest(resource)


def _create(resource: Resource[T]) -> T:
    """Create the resource, and return it when it is ready; after a refusal, return what else was found."""
    reporter = resource.context.reporter
    reporter.stop_if_cancelled()
    reporter.say(f"Creating {resource.label} …")
    write(resource, Fact.INTENT, by=str(resource.viewer or ""))
    began = time.monotonic()
    while True:
        try:
            noted = resource.create(lambda address: write(resource, Fact.OPERATION, address))
            break
        except (UnreachableError, StoppedError, LedgerError):
            # It is unknown whether the service accepted the request, or how it continues: the next check finds out.
            raise
        except WizardError as error:
            again = passes_by_itself(resource, error, began)
            found = _after_refusal(resource, error, again=again)
            if found is not None:
                return found
    write(resource, Fact.CREATED, noted)
    made = ready(resource)
    if resource.finish(made):
        made = ready(resource)
    reporter.say(f"{resource.label} is ready.")
    return made


def _after_refusal(resource: Resource[T], error: WizardError, *, again: bool) -> T | None:
    """Check again, and return what exists if it is usable; None if the request must be sent again.

    A resource without our mark belongs to somebody else: the intent is withdrawn before anything else is done.

    Raises:
        WizardError: The refusal, if nothing usable exists.
    """
    try:
        found = find(resource)
    except WizardError as blind:
        if isinstance(blind, NotFoundError):
            write(resource, Fact.WITHDRAWN, error.message)
        # Otherwise the check is impossible. The intent stays open: without a mark, an intent alone does not make it
        # ours.
        raise error from blind
    if found is None:
        if again:
            resource.context.reporter.progress(f"{resource.label}: {error.message}")
            try:
                resource.context.reporter.wait(resource.context.poll_interval)
            except StoppedError:
                write(resource, Fact.WITHDRAWN, error.message)
                raise
            return None
        write(resource, Fact.WITHDRAWN, error.message)
        raise error
    if resource.marked(found, None):
        # A creation that failed, or a request whose first response was lost: what exists is ours.
        write(resource, Fact.FAILED, error.message)
        fits = isinstance(error, ConflictError)
    else:
        write(resource, Fact.WITHDRAWN, error.message)
        fits = isinstance(error, ConflictError) or not unmet_expectations(resource, found)
    if not fits:
        raise error
    rested = at_rest(resource)
    if rested is None:
        raise error
    return _settle(resource, rested)


def _settle(resource: Resource[T], found: T) -> T:
    """Adopt an existing resource that fits, or correct one that is ours.

    Raises:
        ConflictError: It does not fit, or only its mark says that it is ours.
    """
    reporter, ours = resource.context.reporter, owns(resource, found)
    if is_unnamed(resource, found):
        raise unnamed(resource.label)
    unmet = unmet_expectations(resource, found)
    if unmet and not resource.changeable(found, ours=ours):
        whose = "" if ours else " This wizard did not create it."
        raise ConflictError(
            f"{resource.label} exists and does not fit: {differences(unmet)}.{whose}", resource.remedy(found)
        )
    if unmet:
        reporter.stop_if_cancelled()
        reporter.say(f"{resource.label} exists but does not fit; correcting it …")
    if not ours:
        write(resource, Fact.ADOPTED)
    if unmet:
        patiently(resource, lambda: resource.change(found))
        found = ready(resource)
    identity, ledger = resource.identity(found), resource.context.ledger
    if ours and (not ledger.created(resource.id) or (identity and identity != ledger.detail(resource.id))):
        write(resource, Fact.CREATED, identity)
    reporter.say(f"{resource.label} exists{'' if ours else ' and fits: adopted; a teardown leaves it in place'}.")
    return found
