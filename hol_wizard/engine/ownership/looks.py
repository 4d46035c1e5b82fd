"""How the rule checks a resource repeatedly: after temporary refusals, during operations, until it is ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.ownership.resource import Context, Pending, Resource, write
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.visibility import Unseen, unseen
from hol_wizard.errors import AccessDeniedError, ConflictError, InconclusiveError, ServiceError, WizardError

T = TypeVar("T")
A = TypeVar("A")
BUSY_PATIENCE = 300.0
"""Seconds to wait for a service that is busy with the same resource."""
SILENCE = 120.0
"""Seconds for which checks of an operation in progress are repeated although the service does not report its state."""
ABSENCES = 5
"""Number of checks after which a new resource must be listed, and a deleted one must not."""


def find(resource: Resource[T]) -> T | None:
    """Return the result of a new check."""
    return patiently(resource, lambda: resource.find(ReadCache()))


def patiently(resource: Resource[Any], ask: Callable[[], A], *, removing: bool = False) -> A:
    """Return the response as soon as the service no longer refuses with a temporary error.

    A removal does not wait for a permission: the account has had it for a long time, or does not get it anymore.
    """
    began = time.monotonic()
    while True:
        try:
            return ask()
        except ServiceError as error:
            closed = removing and isinstance(error, AccessDeniedError)
            if closed or not passes_by_itself(resource, error, began):
                raise
            resource.context.reporter.progress(f"{resource.label}: {error.message}")
            resource.context.reporter.wait(resource.context.poll_interval)


def passes_by_itself(resource: Resource[Any], error: WizardError, began: float) -> bool:
    """Return whether a refusal is temporary, according to the kind or to the service, and is still waited for.

    Args:
        resource: The requested resource.
        error: The refusal.
        began: When the wait began (`time.monotonic`).
    """
    waited = time.monotonic() - began
    if isinstance(error, ServiceError) and resource.passes(error):
        return waited < resource.patience
    # "Another operation is in progress", and similar errors.
    return isinstance(error, ConflictError) and error.passes and waited < min(resource.patience, BUSY_PATIENCE)


def look_again(context: Context, label: str, ask: Callable[[], A]) -> A:
    """Return the result of a check of an operation in progress, even if the service does not respond for a while.

    Args:
        context: Where progress is reported.
        label: Kind and name of the resource.
        ask: The check.

    Raises:
        InconclusiveError: The state was unknown for too long (`SILENCE`). The operation continues.
    """
    deadline = time.monotonic() + SILENCE
    while True:
        try:
            return ask()
        except InconclusiveError as error:
            if not error.untold or time.monotonic() > deadline:
                raise
            context.reporter.progress(f"{label}: {error.message}")
            context.reporter.wait(context.poll_interval)


def concealed(resource: Resource[Any]) -> Unseen | None:
    """Return why a resource of ours that was not found cannot be considered absent, or None."""
    ledger = resource.context.ledger
    viewer = resource.viewer if ledger.made(resource.id) else None
    if viewer is None:
        return None
    names = resource.kind, resource.name, resource.where
    return unseen(ledger, viewer, resource.id, *names, personal=resource.personal)


def at_rest(resource: Resource[T], look: Callable[[Resource[T]], T | None] = find) -> T | None:
    """Return the resource, or None, when nothing is happening to it anymore.

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
    """Return what a check finds, and what is happening to it."""
    found = look(resource)
    return found, resource.pending(found) if found is not None else None


def ready(resource: Resource[T]) -> T:
    """Return what was just created or changed, when it is ready.

    Raises:
        WizardError: The creation failed, the resource never appeared, or it takes too long.
    """
    deadline, absences = time.monotonic() + resource.patience, 0
    while True:
        found, pending = look_again(resource.context, resource.label, lambda: _state(resource, find))
        pending = Pending("not listed yet") if found is None else pending
        if found is None or (pending is not None and pending.deleting):
            absences += 1
            if absences > ABSENCES:
                raise ServiceError(
                    f"The request for {resource.label} was accepted, but it does not exist.", "Try again in a minute."
                )
        if found is not None and pending is None:
            trouble = resource.trouble(found)
            if trouble is None:
                return found
            write(resource, Fact.FAILED, trouble.message)
            raise trouble
        _wait(resource, pending.words if pending is not None else "", deadline)


def _wait(resource: Resource[T], words: str, deadline: float) -> None:
    context = resource.context
    if time.monotonic() > deadline:
        raise ServiceError(
            f"{resource.label} is {words}, after more than {resource.patience / 60:.0f} minutes.",
            "Check again in a few minutes; it continues automatically.",
        )
    context.reporter.progress(f"{resource.label} is {words}", resource.usually)
    context.reporter.wait(context.poll_interval)
