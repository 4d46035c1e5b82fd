"""The check of a resource and the plan of its solve: both only read, and never wait."""

from __future__ import annotations

from typing import TypeVar

from hol_wizard.engine.ownership.looks import concealed
from hol_wizard.engine.ownership.marks import is_unnamed, unnamed
from hol_wizard.engine.ownership.resource import Resource, differences, owns, told, unmet_expectations
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import AccessDeniedError, NotFoundError, NotReadyError

T = TypeVar("T")


def check(resource: Resource[T]) -> Result:
    """Check the resource."""
    found = resource.find(resource.context.reads)
    if found is None:
        if (hidden := concealed(resource)) is not None:
            raise hidden.error
        return resource.absence()
    pending = resource.pending(found)
    if pending is None:
        return resource.result(found)
    return Result(
        Status.WAITING,
        f"{resource.label} is {pending.words}.",
        (Expectation("State", "ready", pending.words, met=False),),
        "Nothing to do: the wizard checks again automatically.",
        look_again_after=max(1.0, min(10.0, resource.usually / 20)),
        usually=resource.usually,
    )


def plan(resource: Resource[T]) -> tuple[Change, ...]:
    """Return what `solve` would do; only reads, and never waits."""
    try:
        found = resource.find(resource.context.reads)
    except (NotFoundError, NotReadyError):
        # Its parent is created, or becomes ready, before it.
        return (resource.creation(),)
    except AccessDeniedError:
        # Its parent gives the account access before it is created.
        if not resource.can_join:
            raise
        return (resource.creation(),)
    if found is None:
        if (hidden := concealed(resource)) is not None:
            return (hidden.change,)
        obstacle = resource.obstacle()
        return (told(resource, "conflict", obstacle.message) if obstacle else resource.creation(),)
    pending = resource.pending(found)
    if pending is not None:
        if pending.deleting:
            return (resource.creation("after the old one is deleted"),)
        verb = "leave" if owns(resource, found) else "adopt"
        return (told(resource, verb, f"it is {pending.words}; the wizard waits for it"),)
    if is_unnamed(resource, found):
        return (told(resource, "conflict", unnamed(resource.label).message),)
    unmet, ours = unmet_expectations(resource, found), owns(resource, found)
    if not unmet:
        return (told(resource, "leave", "exists and fits"),)
    if resource.changeable(found, ours=ours):
        return (told(resource, "change", resource.difference(found)),)
    return (told(resource, "conflict", differences(unmet)),)
