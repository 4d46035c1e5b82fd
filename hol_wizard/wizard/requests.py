"""The requests of a conversation to a front end. Each has a field for the answer, which means no until it is set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.registry import Change
from hol_wizard.lab.model import Target
from hol_wizard.wizard.questions import Question
from hol_wizard.wizard.solves import PlannedChange

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost
    from hol_wizard.doctor.survey import Rebuilt, Survey
    from hol_wizard.wizard.receipts import Receipt


class Kind(StrEnum):
    """The effect of a run."""

    CHECK = "check"
    """Only reads, and can be abandoned. A conversation is never about a check."""
    SOLVE = "solve"
    UNDO = "undo"
    ACT = "act"
    """An action with what a step created."""


@dataclass(eq=False)
class ByHand:
    """Show what the wizard cannot do for the person. It needs no answer."""

    targets: Sequence[Target]


@dataclass(eq=False)
class Confirm:
    """Ask whether the person has done a step that only they can judge, and that other steps of the run need."""

    target: Target
    statement: str
    """What they confirm, with their own names."""
    confirmed: bool = False


@dataclass(eq=False)
class Ask:
    """Ask the questions in this order, except those that earlier answers make unnecessary."""

    questions: Sequence[Question]
    answers: Mapping[str, str] | None = None
    """The values by name, without secrets, which go to `Question.keep`; None if the person leaves."""


@dataclass(eq=False)
class LedgerDoubt:
    """Show what the ledger may have lost, and offer to rebuild it if that helps."""

    survey: Survey
    rebuild: bool | None = False
    """Whether to write it again; None if the person leaves."""

    @property
    def may_rebuild(self) -> bool:
        """Whether rebuilding can be offered: it helps, and everything could be checked."""
        return self.survey.rebuildable and not self.survey.unknown


@dataclass(eq=False)
class LedgerRebuilt:
    """Show the result for the ledger. It needs no answer."""

    rebuilt: Rebuilt


@dataclass(eq=False)
class Consent:
    """Show what will be done, and ask whether to do it."""

    plan: Callable[[], Sequence[PlannedChange]]
    """Reads the cloud; `changes` calls it once."""
    removes: bool = False
    complete: bool = True
    """Whether the ledger is known to be complete."""
    noted: bool = False
    """Whether the ledger names something that a removal records as removed because it no longer exists."""
    because: Sequence[str] = ()
    """Why the person is asked again, in sentences; empty the first time."""
    agreed: bool = False

    @cached_property
    def changes(self) -> tuple[PlannedChange, ...]:
        """The plan. Blocks until it is ready.

        Raises:
            WizardError: There can be no plan.
        """
        return tuple(self.plan())

    @property
    def must_ask(self) -> bool:
        """Whether anything would be changed, so that the person must agree."""
        return any(does_something(planned.change) for planned in self.changes)

    @property
    def has_work(self) -> bool:
        """Whether to offer to continue: a solve without changes still verifies, a removal needs something to remove."""
        return not self.removes or self.noted or self.must_ask


@dataclass(eq=False)
class Work:
    """Run this, and show its progress."""

    kind: Kind
    targets: Sequence[Target] | None
    """None: everything that was created."""
    events: Callable[[threading.Event], Iterator[Event]]
    """Starts the work; set the argument to stop it at the next safe point."""
    finished: RunFinished | None = None
    """How it ended; None if it failed."""


@dataclass(eq=False)
class Outcome:
    """Show the result of the work, what is running now and what it costs, and what is next. It needs no answer."""

    kind: Kind
    targets: Sequence[Target] | None
    """What was requested; None: everything that was created."""
    finished: RunFinished
    changes: Sequence[PlannedChange] = ()
    """What was planned."""
    complete: bool = True
    """As in `Consent`."""
    cost: Cost | None = None
    """What is running; None if nothing that was changed can run, or it is unknown."""
    cost_unknown: str = ""
    """Why it is unknown."""
    receipt: Receipt | None = None
    """Of a teardown."""
    receipt_kept: str = ""
    """Where its file is, or why there is none, in a sentence."""
    gone: Sequence[Target] = field(default=())
    """What was removed and must be checked again."""
    following: Target | None = None
    """The next step if everything that was requested is done; None if something is left to do, or nothing follows."""


Request = ByHand | Confirm | Ask | LedgerDoubt | LedgerRebuilt | Consent | Work | Outcome


def does_something(change: Change) -> bool:
    """Return whether a planned change is a real change, rather than a note on what is left unchanged."""
    return change.verb not in {"leave", "conflict"}
