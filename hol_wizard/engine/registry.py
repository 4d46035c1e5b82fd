"""The functions that lab documents name: checks, solves and undos.

A step module marks its functions with the decorators here; a document calls them `module.function`. The step package
defines the type of the context; the engine only passes it on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hol_wizard.engine.results import Result

CheckFunction = Callable[[Any], Result]
WorkFunction = Callable[[Any], None]
FilesFunction = Callable[[Any], Sequence[Path]]
"""Returns the files on this machine that a check reads, by the lab's names; it only makes paths, and opens nothing."""


WORK_DEADLINE = 1800.0
"""Default seconds after which a solve, an undo or an action stops at its next safe point."""
LONG_WORK_DEADLINE = 3600.0
"""The same for clusters and workspaces, whose creation alone can take half an hour."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a solve or an undo will make."""

    verb: str
    """`create`, `adopt`, `change`, `delete`, `purge`, `leave`, `conflict`, `later` (not known yet), or `unclear` (this
    account cannot tell whether it exists)."""
    kind: str
    """The kind of resource: `Resource group`."""
    name: str
    where: str = ""
    """The region and the resource group, or the file or service."""
    cost: str = ""
    """What it costs, in words; empty if nothing."""
    seconds: float | None = None
    """How long it usually takes."""
    note: str = ""
    """Why it is a conflict, or what is adopted."""
    resource: str = ""
    """Its ID in the ledger, if that does not end in its name."""
    diff: tuple[str, ...] = ()
    """The lines of the unified diff of files that it publishes, for the person to read before they agree."""
    consent: str = ""
    """Digest of the programs that it runs on the person's own machine; empty: it runs none there."""

    @property
    def removes(self) -> bool:
        """Whether something that exists is removed."""
        return self.verb in {"delete", "purge"}


PlanFunction = Callable[[Any], Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Marked:
    """A resource that carries this lab's mark, regardless of the ledger."""

    kind: str
    resource: str
    """Its id in the ledger."""
    name: str
    where: str = ""
    detail: str = ""
    """The ledger's detail for its completion."""
    target: str = ""
    """Key of the step that creates such a resource under this name; empty if none does with the current choices."""

    def __str__(self) -> str:
        """Return its kind, name and place."""
        return f"{self.kind} {self.name}" + (f" ({self.where})" if self.where else "")


MarkedFunction = Callable[[Any], Sequence[Marked]]
"""Returns what a step created, as far as it carries the mark; raises a WizardError if that is unknown."""


@dataclass(frozen=True, slots=True)
class Check:
    """A read-only check of the actual resource."""

    name: str
    run: CheckFunction
    deadline: float
    """Seconds after which the runner gives up waiting and reports UNKNOWN."""
    files: FilesFunction | None = None
    """The files on this machine that it reads; a screen runs it again when one of them is saved."""


@dataclass(frozen=True, slots=True)
class Work:
    """A solve or an undo, with the plan that is shown before it runs."""

    name: str
    run: WorkFunction
    plan: PlanFunction
    marked: MarkedFunction | None = None
    """Finds what an undo would remove if the ledger named it; None if nothing is marked, or another module does it."""
    deadline: float = WORK_DEADLINE
    """Seconds after which it stops at its next safe point and counts as UNKNOWN."""
    creates: bool = True
    """Whether it can create a resource. What cannot, may run while the ledger is damaged."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something else that can be done with what a step created, such as starting and stopping a cluster."""

    name: str
    label: str
    """The text of its button: `Start the cluster`."""
    run: WorkFunction
    deadline: float = WORK_DEADLINE
    ends: str = ""
    """What it cancels that a solve which is stopped leaves running: `the training`; empty: nothing."""
    inputs: tuple[str, ...] = ()
    """Names of the inputs that it uses, which a person can change before."""

    @property
    def word(self) -> str:
        """Its name in commands: `start-cluster`."""
        return self.name.rpartition(".")[2].replace("_", "-")


@dataclass(frozen=True, slots=True)
class Offer:
    """One value of an input that a person can choose instead of typing it."""

    value: str
    label: str


OfferFunction = Callable[[Any], Sequence[Offer]]

CHECKS: dict[str, Check] = {}
SOLVES: dict[str, Work] = {}
UNDOS: dict[str, Work] = {}
ACTIONS: dict[str, Action] = {}
OFFERS: dict[str, OfferFunction] = {}
"""Functions that list an input's values in the cloud, by the input's name."""


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def check(deadline: float = 20.0, *, files: FilesFunction | None = None) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check under `module.function`.

    Args:
        deadline: Seconds after which the runner stops waiting for it.
        files: Returns the files on this machine that it reads, by the lab's names.
    """

    def register(function: CheckFunction) -> CheckFunction:
        CHECKS[_name(function)] = Check(_name(function), function, deadline, files)
        return function

    return register


def solve(
    plan: PlanFunction, *, deadline: float = WORK_DEADLINE, creates: bool = True
) -> Callable[[WorkFunction], WorkFunction]:
    """Register a solve under `module.function`.

    Args:
        plan: Returns what the solve would do, without doing it.
        deadline: Seconds after which it stops at its next safe point.
        creates: Whether it can create a resource; a sign-in, which a rebuild of the ledger needs, cannot.
    """

    def register(function: WorkFunction) -> WorkFunction:
        SOLVES[_name(function)] = Work(_name(function), function, plan, deadline=deadline, creates=creates)
        return function

    return register


def undo(
    plan: PlanFunction, marked: MarkedFunction | None = None, *, deadline: float = WORK_DEADLINE
) -> Callable[[WorkFunction], WorkFunction]:
    """Register an undo under `module.function`.

    Args:
        plan: Returns what the undo would remove, without removing it.
        marked: Finds by the mark what it would remove if the ledger named it; None if nothing carries a mark.
        deadline: Seconds after which it stops at its next safe point.
    """

    def register(function: WorkFunction) -> WorkFunction:
        UNDOS[_name(function)] = Work(_name(function), function, plan, marked, deadline)
        return function

    return register


def action(
    label: str, *, ends: str = "", inputs: tuple[str, ...] = (), deadline: float = WORK_DEADLINE
) -> Callable[[WorkFunction], WorkFunction]:
    """Register an action under `module.function`.

    Args:
        label: The text of its button: `Start the cluster`.
        ends: What it cancels that a solve which is stopped leaves running.
        inputs: Names of the inputs that it uses.
        deadline: Seconds after which it stops at its next safe point.
    """

    def register(function: WorkFunction) -> WorkFunction:
        ACTIONS[_name(function)] = Action(_name(function), label, function, deadline, ends, inputs)
        return function

    return register


def offers(name: str) -> Callable[[OfferFunction], OfferFunction]:
    """Register a function that looks up an input's values in the cloud.

    Args:
        name: The input's name.
    """

    def register(function: OfferFunction) -> OfferFunction:
        OFFERS[name] = function
        return function

    return register
