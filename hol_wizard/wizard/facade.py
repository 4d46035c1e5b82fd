"""Combines lab, steps, services and engine: the only object that front ends use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.engine.confirmations import Confirmations
from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.progress import Progress
from hol_wizard.engine.registry import CHECKS, Action
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import WizardError
from hol_wizard.lab import loader, select
from hol_wizard.lab.folder import LabFolder
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.model import Environment, Lab, Section, Target
from hol_wizard.lab.names import Names
from hol_wizard.lab.profile import Profile
from hol_wizard.paths import Home
from hol_wizard.wizard.actions import Actions
from hol_wizard.wizard.answers import Answers
from hol_wizard.wizard.checks import Checks
from hol_wizard.wizard.confirming import Confirming
from hol_wizard.wizard.connection import Connection
from hol_wizard.wizard.graph import Graph
from hol_wizard.wizard.ledger_care import LedgerCare
from hol_wizard.wizard.overviews import Overviews
from hol_wizard.wizard.parts import Parts
from hol_wizard.wizard.secret_answers import SecretAnswers
from hol_wizard.wizard.solves import PlannedChange, Solves
from hol_wizard.wizard.stand_ins import StandIns
from hol_wizard.wizard.teardown import Teardown
from hol_wizard.wizard.watching import Watching
from hol_wizard.wizard.wording import Wording

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost
    from hol_wizard.services.context import Services
    from hol_wizard.services.endpoints import Endpoints
    from hol_wizard.test_results.report import RunReport
    from hol_wizard.wizard.endings import Ending
    from hol_wizard.wizard.receipts import Receipt
    from hol_wizard.wizard.trials import Trial

ShellVariables = Callable[[Mapping[str, str]], Mapping[str, str | None]]
"""Returns what to set, and with None what to remove, in a shell with these variables so that it uses a cloud."""


class Wizard:
    """The lab, one attendee's choices, and everything that can be done with them.

    Creating it only reads files; the first check contacts the cloud.
    """

    def __init__(
        self,
        *,
        lab: Lab,
        home: Home,
        cloud: str,
        profile: Profile,
        connect: Callable[[], Endpoints],
        environ: Mapping[str, str] | None = None,
        services: Callable[[Endpoints], Services] | None = None,
        stand_ins: StandIns | None = None,
        shell_variables: ShellVariables | None = None,
    ) -> None:
        """Create a wizard.

        Args:
            lab: The loaded lab.
            home: Where files are kept.
            cloud: `azure`, `usgov`, `china` or `practice`.
            profile: The attendee's choices.
            connect: Returns the cloud's addresses; called on worker threads before each run.
            environ: Environment variables; None: the process's own.
            services: Makes the service clients for the addresses; tests put others in.
            stand_ins: They play the people of the lab, if this cloud has any.
            shell_variables: What a shell needs to use this cloud; None if it needs nothing.
        """
        environ = os.environ if environ is None else environ
        self.lab = lab
        self._shell_variables = shell_variables
        self.home = home
        self.cloud = cloud
        self.profile = profile
        self.ledger = Ledger(home.ledger_file(cloud, profile.name))
        self.graph = Graph(lab)
        self.connection = Connection(
            home=home,
            cloud=cloud,
            profile=profile,
            ledger=self.ledger,
            connect=connect,
            environ=environ,
            make=services,
        )
        self.wording = Wording(self.connection, self.graph)
        self.answers = Answers(self.connection)
        self.secrets = SecretAnswers(self.connection, self.answers, environ)
        self.ledger_care = LedgerCare(
            self.ledger, home.lock_file(cloud, profile.name), self.graph, self.connection, self.wording
        )
        self._progress = Progress(home.progress_file(cloud, profile.name))
        self.connection.known_user = self._progress.user
        self.confirming = Confirming(
            self.graph, self.connection, self.wording, Confirmations(home.confirmations_file(cloud, profile.name))
        )
        parts = Parts(
            self.graph,
            self.connection,
            self.answers,
            self.wording,
            self.ledger,
            self.ledger_care,
            self._progress,
            self.confirming,
        )
        self._checks = Checks(parts)
        self._solves = Solves(parts, self._checks, stand_ins)
        self._actions = Actions(parts, self._checks)
        self._teardown = Teardown(parts)
        self._overviews = Overviews(parts, home)
        self.watching = Watching(parts, self._checks)
        self._parts = parts

    # Looking things up

    def targets(self, selectors: Sequence[str] = (), environment: str | None = None) -> tuple[Target, ...]:
        """Return the steps that the selectors name, in the lab's order (`Graph.select`)."""
        return self.graph.select(selectors, environment)

    def find_section(self, text: str) -> Section:
        """Return the section with this id, number or unique part of its title.

        Raises:
            UsageError: There is none, or several.
        """
        return select.find_section(self.lab, text)

    def target(self, key: str) -> Target:
        """Return the target with this key.

        Raises:
            KeyError: There is none.
        """
        return self.graph.by_key[key]

    def prerequisites(self, section: Section) -> tuple[Target, ...]:
        """Return everything outside a section that its steps need, in the lab's order."""
        return self.graph.prerequisites(section)

    def with_needs(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """Return the targets and everything that they need, in the lab's order."""
        return self.graph.with_needs(targets)

    def dependents(self, keys: Collection[str]) -> tuple[Target, ...]:
        """Return the targets that need one of these, directly or through others, in the lab's order."""
        return self.graph.dependents(keys)

    # Texts and names

    def text(self, template: str, environment: Environment | None = None) -> str:
        """Return a text of the lab as the reader sees it (`Wording.text`)."""
        return self.wording.text(template, environment)

    def speak(self, text: str, target: str = "") -> str:
        """Return a text of code or of an error rule in the reader's terms (`Wording.speak`)."""
        return self.wording.speak(text, target)

    @property
    def command(self) -> str:
        """The beginning of a command for this cloud and profile: `hol-wizard --practice`."""
        return self.wording.command

    @property
    def names(self) -> Names:
        """The names, or those that would result from the defaults."""
        return self.wording.names

    def name_preview(self, prefix: str) -> tuple[tuple[str, str, str], ...]:
        """Return (environment, kind, name) of everything that would be created under a prefix."""
        names = replace(self.names, prefix=prefix)
        return tuple((str(made.environment), made.kind, made.name) for made in names.created())

    def where(self) -> str:
        """Return one line about cloud, profile, account and subscription, as far as known without contacting the cloud.

        The account is known after the first check of the sign-in.
        """
        choices = self.profile.choices
        parts = [f"cloud {self.cloud}", f"profile {self.profile.name}"]
        if self.connection.user:
            parts.append(self.connection.user)
        if choices.subscription_name or choices.subscription:
            parts.append(choices.subscription_name or choices.subscription)
        if choices.prefix:
            parts.append(f"{choices.prefix}-… in {choices.location}")
        return " · ".join(parts)

    def next_step(self, target: Target) -> str:
        """Return a sentence that names the step to continue with (`Wording.next_step`)."""
        return self.wording.next_step(target)

    def portal_url(self, target: Target) -> str:
        """Return the portal's address for the step's resource; an empty string if there is none."""
        return self.wording.portal_url(target)

    def files(self, target: Target) -> tuple[Path, ...]:
        """Return the files on this machine that the step's check reads, whether they exist or not."""
        declared = target.step.declared.get("check")
        if declared is not None and declared.file:
            from hol_wizard.resources.declared_work import file_of

            return (file_of(declared, dict(self.names.values(target.environment)))[0],)
        check = CHECKS.get(target.step.check)
        return tuple(check.files(self.names)) if check is not None and check.files is not None else ()

    def input_problem(self, name: str, value: str) -> str:
        """Return what is wrong with a value for an input, or an empty string."""
        return INPUTS[name].validate(value)

    # Running

    def check(
        self,
        targets: Sequence[Target] | None = None,
        *,
        cancelled: threading.Event | None = None,
        wait: float = 0.0,
        fail_fast: bool = False,
    ) -> Iterator[Event]:
        """Check the targets (None: the whole lab) and what they need (`Checks.run`)."""
        return self._checks.run(targets, cancelled=cancelled, wait=wait, fail_fast=fail_fast)

    def plan(
        self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None, *, whole: bool = False
    ) -> tuple[PlannedChange, ...]:
        """Return what a solve of the targets, and of what they need, would do (`Solves.plan`)."""
        return self._solves.plan(targets, inputs, whole=whole)

    def solve(
        self,
        targets: Sequence[Target],
        *,
        inputs: Mapping[str, str] | None = None,
        whole: bool = False,
        cancelled: threading.Event | None = None,
        agreed: Sequence[PlannedChange] = (),
    ) -> Iterator[Event]:
        """Do the targets and what they need (`Solves.run`)."""
        return self._solves.run(targets, inputs=inputs, whole=whole, cancelled=cancelled, agreed=agreed)

    def actions(self, target: Target) -> tuple[Action, ...]:
        """Return a step's actions, in the document's order; does not contact the cloud."""
        return self._actions.of(target)

    def find_action(self, targets: Sequence[Target], text: str) -> tuple[Action, tuple[Target, ...]]:
        """Return the action that a person means, and those of the targets that have it (`Actions.find`)."""
        return self._actions.find(targets, text)

    def act(
        self,
        targets: Sequence[Target],
        action: str,
        *,
        inputs: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Do an action with what the targets created, then check them (`Actions.run`)."""
        return self._actions.run(targets, action, inputs=inputs, cancelled=cancelled)

    def plan_teardown(self, targets: Sequence[Target] | None = None) -> tuple[PlannedChange, ...]:
        """Return what a teardown would remove, in its order (`Teardown.plan`)."""
        return self._teardown.plan(targets)

    def teardown(
        self, targets: Sequence[Target] | None = None, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        """Remove what this wizard created for the targets (`Teardown.run`)."""
        return self._teardown.run(targets, cancelled=cancelled)

    def receipt(
        self, changes: Sequence[PlannedChange], finished: RunFinished, cost: Cost | None, began: datetime
    ) -> Receipt:
        """Return the receipt of a teardown (`receipts.receipt_of`)."""
        from hol_wizard.wizard.receipts import receipt_of

        return receipt_of(self.where(), changes, finished, self.ledger.entries(), cost, began)

    def keep(self, receipt: Receipt) -> str:
        """Write a receipt into the profile's folder, and return where it is, or why it is not written."""
        from hol_wizard.wizard.receipts import FOLDER, kept

        return kept(receipt, self.home.state_folder(self.cloud, self.profile.name) / FOLDER)

    def try_out(self, targets: Sequence[Target], *, keeps: bool, cancelled: threading.Event) -> Iterator[Trial | Event]:
        """Take the targets through for their author: check, solve, check, solve again, undo, check (`Trials.run`)."""
        from hol_wizard.wizard.trials import Trials

        trials = Trials(self._parts, self._checks, self._solves, self._teardown)
        return trials.run(targets, keeps=keeps, cancelled=cancelled)

    def ending(self) -> Ending:
        """Return what became of the lab by the last checks, and what costs money now. Reads the cloud."""
        from hol_wizard.doctor.cost import lines
        from hol_wizard.wizard.endings import ending_of

        try:
            costs = lines(self.cost(), self.command)
        except WizardError as error:
            costs = [f"unknown: {error.message}"]
        entries = self.ledger.entries() if self.ledger.damage is None else ()
        command = f"{self.command} teardown"
        return ending_of(self.lab, self.where(), self.last_results(), entries, costs, command)

    def keep_ending(self, ending: Ending) -> str:
        """Write the report into the profile's folder, and return where it is, or why it is not written."""
        from hol_wizard.wizard.endings import kept

        return kept(ending, self.home.state_folder(self.cloud, self.profile.name) / "report.md")

    def cost(self) -> Cost:
        """Return what costs money now (`Overviews.cost`)."""
        return self._overviews.cost()

    def doctor(self) -> tuple[Mapping[str, str], Iterator[Event]]:
        """Return the titles of the doctor's checks, by key, and their run."""
        return self._overviews.doctor()

    # What earlier runs saw

    def last_results(self) -> Mapping[str, Status]:
        """Return the last results, which the first screen shows until the steps are checked again."""
        seen = {key: status for key, status in self._progress.statuses().items() if key in self.graph.by_key}
        return seen | {key: result.status for key, result in self.confirming.results().items()}

    def regressions(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        """Return the steps that passed in an earlier run but, by these results, no longer do."""
        return self._progress.regressed(results)

    def report(self, target: Target, results: Mapping[str, Result]) -> RunReport | None:
        """Return the report of a run of tests that a step is about, or None.

        For a step that a person judges, it is the one of a step that it needs.
        """
        keys = (target.key, *(reversed(self.graph.needs(target)) if target.step.confirm else ()))
        reports = (result.report for key in keys if (result := results.get(key)) is not None)
        return next((report for report in reports if report), None)

    def shell_variables(self, environ: Mapping[str, str]) -> Mapping[str, str | None]:
        """Return what to set, and with None what to remove, in a shell with these variables so that it uses this cloud.

        Raises:
            WizardError: The cloud could not be reached.
        """
        return self._shell_variables(environ) if self._shell_variables is not None else {}

    def close(self) -> None:
        """Close the connections."""
        if self.connection.services is not None:
            self.connection.services.close()


def open_wizard(
    *,
    home: Home,
    cloud: str,
    profile: str,
    connect: Callable[[], Endpoints],
    flags: Mapping[str, str | None] | None = None,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    screens: LabFolder | Path | None = None,
    lab: Lab | None = None,
    stand_ins: StandIns | None = None,
    shell_variables: ShellVariables | None = None,
) -> Wizard:
    """Load the lab and the attendee's choices and return a wizard over them.

    Args:
        home: Where files are kept.
        cloud: Name of the cloud.
        profile: Name of the profile.
        connect: Returns the cloud's addresses.
        flags: Values of the command line for this run, by input name.
        environ: Environment variables; None: the process's own.
        defaults: Default values for inputs that are not set; those of the lab take precedence.
        screens: Folder of the lab's documents, or its files; None for those that come with the wizard.
        lab: The lab if it is already loaded; `screens` is then ignored.
        stand_ins: They play the people of the lab, if the cloud has any.
        shell_variables: What a shell needs to use the cloud; None if it needs nothing.

    Raises:
        ContentError: The lab's documents are wrong.
        UsageError: The saved choices are broken, or a value breaks its rule.
    """
    # Lint and the tests verify that each name in the lab's documents is registered; not every start does.
    lab = lab or loader.load(screens)
    path = home.choices_file(cloud, profile)
    defaults = {**(defaults or {}), **lab.defaults}
    chosen = Profile(profile, cloud, path, flags=flags, environ=environ, defaults=defaults)
    return Wizard(
        lab=lab,
        home=home,
        cloud=cloud,
        profile=chosen,
        connect=connect,
        environ=environ,
        stand_ins=stand_ins,
        shell_variables=shell_variables,
    )
