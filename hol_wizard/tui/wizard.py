"""What the screens ask of the wizard behind them; `hol_wizard.bootstrap.Wizard` is the real one."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from hol_wizard.engine.events import Event
from hol_wizard.engine.registry import Action, Change
from hol_wizard.engine.results import Result
from hol_wizard.lab.inputs import Input
from hol_wizard.lab.model import Environment, Lab, Section, Target
from hol_wizard.paths import Home

if TYPE_CHECKING:
    from hol_wizard.services.secrets import Secret
    from hol_wizard.steps.cost import Cost
    from hol_wizard.steps.survey import Rebuilt, Survey


class PlannedChangeLike(Protocol):
    """One thing that a step is about to do."""

    @property
    def target_key(self) -> str:
        """Key of the step that does it."""

    @property
    def change(self) -> Change:
        """What it does."""


class ProfileLike(Protocol):
    """One attendee's choices."""

    @property
    def name(self) -> str:
        """The profile's name; `default` unless `--profile` says otherwise."""


class WizardLike(Protocol):
    """The part of the wizard that the screens use.

    Only the generators and the methods that say so touch the network; they are called on threads.
    """

    @property
    def lab(self) -> Lab:
        """The lab's sections and steps."""

    @property
    def home(self) -> Home:
        """Where the files are."""

    @property
    def profile(self) -> ProfileLike:
        """The attendee's choices."""

    @property
    def cloud(self) -> str:
        """`practice`, `azure`, …"""

    def where(self) -> str:
        """Return one line: cloud, profile, account and subscription as known without asking anybody."""

    def text(self, template: str, environment: Environment | None = None) -> str:
        """Return the template with the reader's own names in it."""

    def check(
        self,
        targets: Sequence[Target] | None = None,
        *,
        cancelled: threading.Event | None = None,
        wait: float = 0.0,
        fail_fast: bool = False,
    ) -> Iterator[Event]:
        """Look at the targets, or at the whole lab."""

    def standing_on(self, keys: Collection[str]) -> Sequence[Target]:
        """Return the targets that need one of these, themselves or through others."""

    def plan(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> Sequence[PlannedChangeLike]:
        """Tell what a solve would do; reads the cloud."""

    def solve(
        self,
        targets: Sequence[Target],
        *,
        inputs: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Do what the targets are for."""

    def doubts(self, *, removing_all: bool = False) -> Survey:
        """Return what the ledger may have lost; reads the cloud where the ledger is damaged or lost."""

    def rebuild_ledger(self, seen: Survey) -> Rebuilt:
        """Write the ledger again from what can be read and from what carries this lab's mark."""

    def plan_teardown(self, targets: Sequence[Target] | None = None) -> Sequence[PlannedChangeLike]:
        """Tell what a teardown would remove; reads the cloud."""

    def teardown(
        self, targets: Sequence[Target] | None = None, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        """Remove what this wizard made."""

    def actions(self, target: Target) -> Sequence[Action]:
        """Return what else can be done with what a step made; may load code, reads no cloud."""

    def act(
        self, targets: Sequence[Target], action: str, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        """Do an action with what the targets made, then look at them."""

    def cost(self) -> Cost:
        """Return what runs and costs now; reads the cloud."""

    def missing_inputs(self, targets: Sequence[Target]) -> Sequence[Input]:
        """Return the questions that nobody has answered yet."""

    def input_value(self, name: str) -> str:
        """Return the answer given so far, or the default to offer."""

    def input_problem(self, name: str, value: str) -> str:
        """Return what is wrong with the answer; empty when it is fine."""

    def input_options(self, name: str) -> Sequence[tuple[str, str]]:
        """Return the answers to choose from, as value and label; reads the cloud."""

    def secrets_asked(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> Sequence[Input]:
        """Return the secrets that are asked for, with these answers, and not given yet; asks the keyring."""

    def secret_source(self, name: str, inputs: Mapping[str, str] | None = None) -> str:
        """Return where a secret's value comes from; empty where nobody gave one; asks the keyring."""

    def keep_secret(self, name: str, value: Secret, inputs: Mapping[str, str] | None = None) -> str:
        """Put a secret into the keyring, and return what to say about it."""

    def name_preview(self, prefix: str) -> Sequence[tuple[str, str, str]]:
        """Return environment, kind and name of everything that this prefix would give."""

    def before(self, section: Section) -> Sequence[Target]:
        """Return all targets of the sections before this one."""

    def last_results(self) -> Mapping[str, str]:
        """Return the statuses of the previous run."""

    def regressions(self, results: Mapping[str, Result]) -> Sequence[str]:
        """Return the keys that passed in an earlier run and do not now."""

    def portal_url(self, target: Target) -> str:
        """Return the address that shows the thing; empty when there is none."""

    def doctor(self) -> tuple[Mapping[str, str], Iterator[Event]]:
        """Return the titles of the checks of this machine, and their events."""

    def close(self) -> None:
        """Let go of everything."""
