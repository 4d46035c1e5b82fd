"""The functions that lab documents name: checks, solves and undos.

A step module marks its functions with the decorators here; a document calls them `module.function`. The type of
the context is the step package's business: the engine hands it through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hol_wizard.engine.results import Result

CheckFunction = Callable[[Any], Result]
WorkFunction = Callable[[Any], None]


WORK_DEADLINE = 1800.0
"""Seconds after which a solve, an undo or an action stops at its next safe point, unless it says otherwise."""
LONG_WORK_DEADLINE = 3600.0
"""The same for clusters and workspaces, whose creation alone can take half an hour."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a solve or an undo is about to do."""

    verb: str
    """`create`, `adopt`, `change`, `delete`, `purge`, `leave`, `conflict`, `later` (cannot be told yet), or `unclear`
    (whether it exists cannot be told for this account)."""
    kind: str
    """What sort of thing: `Resource group`."""
    name: str
    where: str = ""
    """Region and resource group, or the file or service."""
    cost: str = ""
    """What it costs, in words; empty when nothing."""
    seconds: float | None = None
    """How long it usually takes."""
    note: str = ""
    """Why it is a conflict, or what is adopted."""
    resource: str = ""
    """Its id in the ledger, where that does not end in its name."""


PlanFunction = Callable[[Any], Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Marked:
    """Something that carries this lab's mark now, whatever the ledger says of it."""

    kind: str
    resource: str
    """Its id in the ledger."""
    name: str
    where: str = ""
    detail: str = ""
    """What the ledger notes of it when it is complete."""
    target: str = ""
    """Key of the step that makes such a thing under this name; empty: none does with today's choices."""

    def __str__(self) -> str:
        """Return kind, name and place."""
        return f"{self.kind} {self.name}" + (f" ({self.where})" if self.where else "")


MarkedFunction = Callable[[Any], Sequence[Marked]]
"""Returns what a step made, as far as it carries the mark; raises a WizardError if nobody can tell."""


@dataclass(frozen=True, slots=True)
class Check:
    """A read-only check of the actual resource."""

    name: str
    run: CheckFunction
    deadline: float
    """Seconds after which the runner gives up waiting and reports UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Work:
    """A solve or an undo, with the plan that is shown before it runs."""

    name: str
    run: WorkFunction
    plan: PlanFunction
    marked: MarkedFunction | None = None
    """Finds what an undo would remove if the ledger named it; None: nothing carries a mark, or another module knows."""
    deadline: float = WORK_DEADLINE
    """Seconds after which it stops at its next safe point and counts as UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something else that can be done with what a step made: a cluster is started and stopped."""

    name: str
    label: str
    """What it does, as a button says it: `Start the cluster`."""
    run: WorkFunction
    deadline: float = WORK_DEADLINE

    @property
    def word(self) -> str:
        """How a command names it: `start-cluster`."""
        return self.name.rpartition(".")[2].replace("_", "-")


@dataclass(frozen=True, slots=True)
class Offer:
    """One value of an input that a person can choose rather than type."""

    value: str
    label: str


OfferFunction = Callable[[Any], Sequence[Offer]]

CHECKS: dict[str, Check] = {}
SOLVES: dict[str, Work] = {}
UNDOS: dict[str, Work] = {}
ACTIONS: dict[str, Action] = {}
OFFERS: dict[str, OfferFunction] = {}
"""What the cloud has for an input, by the input's name."""


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def check(deadline: float = 20.0) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check under `module.function`.

    Args:
        deadline: Seconds after which the runner stops waiting for it.
    """

    def register(function: CheckFunction) -> CheckFunction:
        CHECKS[_name(function)] = Check(_name(function), function, deadline)
        return function

    return register


def solve(plan: PlanFunction, *, deadline: float = WORK_DEADLINE) -> Callable[[WorkFunction], WorkFunction]:
    """Register a solve under `module.function`.

    Args:
        plan: Tells what the solve would do, without doing it.
        deadline: Seconds after which it stops at its next safe point.
    """

    def register(function: WorkFunction) -> WorkFunction:
        SOLVES[_name(function)] = Work(_name(function), function, plan, deadline=deadline)
        return function

    return register


def undo(
    plan: PlanFunction, marked: MarkedFunction | None = None, *, deadline: float = WORK_DEADLINE
) -> Callable[[WorkFunction], WorkFunction]:
    """Register an undo under `module.function`.

    Args:
        plan: Tells what the undo would remove, without removing it.
        marked: Finds what it would remove if the ledger named it, by the mark; None: nothing of it carries one.
        deadline: Seconds after which it stops at its next safe point.
    """

    def register(function: WorkFunction) -> WorkFunction:
        UNDOS[_name(function)] = Work(_name(function), function, plan, marked, deadline)
        return function

    return register


def action(label: str, *, deadline: float = WORK_DEADLINE) -> Callable[[WorkFunction], WorkFunction]:
    """Register an action under `module.function`.

    Args:
        label: What it does, as a button says it: `Start the cluster`.
        deadline: Seconds after which it stops at its next safe point.
    """

    def register(function: WorkFunction) -> WorkFunction:
        ACTIONS[_name(function)] = Action(_name(function), label, function, deadline)
        return function

    return register


def offers(name: str) -> Callable[[OfferFunction], OfferFunction]:
    """Register what looks up an input's values in the cloud.

    Args:
        name: The input's.
    """

    def register(function: OfferFunction) -> OfferFunction:
        OFFERS[name] = function
        return function

    return register
