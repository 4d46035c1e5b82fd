"""What a kind contributes to the contract test: what somebody else does with one, past the wizard."""

from __future__ import annotations

import os
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from hol_wizard.engine.events import Event, Said
from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.lab.model import Environment, Step, Target
from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from tests.practice.conftest import Arm
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee


@dataclass
class Ground:
    """A practice cloud, an attendee who is set up, and a ledger of its own for each situation."""

    cloud: PracticeCloud
    attendee: Attendee
    hand: Arm
    """Resource Manager, as somebody else uses it."""
    root: Path
    events: list[Event] = field(default_factory=list)
    situations: int = 0
    companions: frozenset[str] = frozenset()
    """Kinds that a creation makes as well, whose entries are not looked at."""
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.begin()
        self._wizard = self.attendee.wizard()

    def begin(self) -> None:
        """Begin a situation: nothing is noted, nothing was said."""
        self.situations += 1
        self.ledger = Ledger(self.root / f"{self.situations}.jsonl")
        self.events.clear()

    def sign_in(self, who: seed.Principal, organization: str) -> None:
        """Sign in as a person, with an organization; a service principal has no tokens of its own."""
        for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
            os.environ.pop(name, None)
        self.cloud.control.settings(user=who.name)
        shutil.rmtree(self.cloud.state / "azure", ignore_errors=True)
        self.attendee.defaults = {**self.attendee.defaults, "devops_organization": organization}
        assert self.attendee.solve("set-up", "devops-project/choose-the-organization").all_passed()
        self._wizard = self.attendee.wizard()

    def context(self, environment: Environment | None = Environment.DEV) -> StepContext:
        """Return a step's context with no memory but the ledger: as after a restart."""
        target = Target(Step("contract", "contract", "Contract", "", 0), environment)
        reporter = Reporter(target.key, self.events.append, threading.Event())
        context = self._wizard.connection.context(target, self._wizard.connection.reach(), ReadCache(), reporter)
        return replace(context, ledger=self.ledger)

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Said))

    @property
    def facts(self) -> list[str]:
        """What the ledger says, in order, without operations."""
        entries = [entry for entry in self.ledger.entries() if entry.kind not in self.companions]
        return [str(entry.fact) for entry in entries if entry.fact != "operation"]

    @property
    def standing(self) -> list[str]:
        """The ids of what stands, by the ledger."""
        return [entry.resource for entry in self.ledger.standing() if entry.kind not in self.companions]


class Case(ABC):
    """One kind in the contract test; a situation that cannot be for it is named, with the reason."""

    resource: ClassVar[type[Resource[Any]]]
    """The kind."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Situations that cannot be, with why."""
    beside: ClassVar[bool] = False
    """Whether what somebody else makes is another one beside it, and never taken for it: one is found by its mark."""
    namesakes: ClassVar[bool] = False
    """Whether the service takes several of one name: `by_hand` makes another one then, also beside the wizard's."""
    stays: ClassVar[bool] = False
    """Whether one is left alone in any case: somebody's work is in it."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def prepare(self) -> None:  # noqa: B027 a kind that needs nothing has nothing to prepare
        """Make what it is in; called again after `remove_parent`."""

    @abstractmethod
    def make(self, context: StepContext) -> Resource[Any]:
        """Return the resource."""

    @abstractmethod
    def state(self) -> object:
        """Return what somebody else sees of it, to compare; None: it is not there."""

    @abstractmethod
    def by_hand(self) -> None:
        """Make one that fits, without the wizard's mark."""

    def by_hand_wrong(self) -> None:
        """Make one that does not fit, without the wizard's mark."""
        raise NotImplementedError

    @abstractmethod
    def refuse(self) -> None:
        """Have the next creation refused, by a fault of the practice cloud that is used up by it."""

    def remove_mark(self) -> None:
        """Take the wizard's mark away from the one that is there."""
        raise NotImplementedError

    @abstractmethod
    def remove(self) -> None:
        """Remove it by hand; nothing if it is not there."""

    def remove_parent(self) -> None:
        """Remove by hand what it is in."""
        raise NotImplementedError
