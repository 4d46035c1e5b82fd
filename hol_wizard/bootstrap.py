"""Puts lab, steps, services and engine together: the one thing that every front end talks to."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from hol_wizard import resources
from hol_wizard.config import Origin
from hol_wizard.engine.channel import Channel
from hol_wizard.engine.events import CheckFinished, Event, RunFinished, Said, WorkFinished
from hol_wizard.engine.kinds import KINDS
from hol_wizard.engine.ledger import SIGN_IN_PREFIX, Entry, Ledger
from hol_wizard.engine.progress import Progress
from hol_wizard.engine.reads import FirstLooks, SharedReads
from hol_wizard.engine.registry import ACTIONS, CHECKS, OFFERS, SOLVES, UNDOS, Action, Change
from hol_wizard.engine.results import Result, Status
from hol_wizard.engine.runner import CheckTask, WorkTask, run_checks, run_work
from hol_wizard.errors import InconclusiveError, LedgerError, ServiceError, UsageError, WizardError
from hol_wizard.lab import loader, portal, select
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import INPUTS, Input
from hol_wizard.lab.model import Environment, Lab, Section, Step, Target, targets_of
from hol_wizard.lab.names import Names
from hol_wizard.lab.profile import Profile
from hol_wizard.lab.text import fill, nearest
from hol_wizard.paths import Home

if TYPE_CHECKING:
    from hol_wizard.resources.context import StepContext
    from hol_wizard.services.context import Services
    from hol_wizard.services.endpoints import Endpoints
    from hol_wizard.services.identity import Account
    from hol_wizard.services.secrets import Secret
    from hol_wizard.steps.cost import Cost
    from hol_wizard.steps.survey import Rebuilt, Survey

logger = logging.getLogger(__name__)

NO_CHECK_YET = Result(
    Status.UNKNOWN,
    "No check yet: the wizard cannot tell for this step.",
    next_action="Do it by hand as described, and judge by what you see.",
)


STEP_MODULES = (
    "set_up",
    "tools",
    "workspace_resources",
    "cluster",
    "initial_data",
    "databricks_access",
    "service_principal",
    "secrets",
    "devops_project",
    "repository",
    "scientist_setup",
)
"""What `hol_wizard.steps` has for the lab's sections."""


_COMMAND = re.compile(r"\bhol-wizard(?= (?:solve|teardown|do|cost|doctor|ledger|--check|--resume)\b)")
"""A command, as texts and errors name it, that means one cloud and profile."""
_DEVOPS = "https://dev.azure.com"
"""As the lab's documents call it; the practice cloud has one of its own."""
SIGN_IN_CHECK = "set_up.signed_in"
"""The check after which it is known who is signed in."""


@cache
def load_steps() -> None:
    """Register the functions that the lab's documents name; the first screen is painted without them."""
    for module in STEP_MODULES:
        import_module(f"hol_wizard.steps.{module}")
    for found in iter_modules(resources.__path__):
        import_module(f"{resources.__name__}.{found.name}")


def known_names() -> loader.Known:
    """Return the names of the functions that a document may use."""
    load_steps()
    return loader.Known(frozenset(CHECKS), frozenset(SOLVES), frozenset(UNDOS), frozenset(ACTIONS), KINDS)


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """Something that a solve or a teardown is about to do, and for which step."""

    target_key: str
    change: Change


class Wizard:
    """The lab, one attendee's choices, and everything that can be done with them.

    Making one reads files only; the clouds are reached at the first check.
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
    ) -> None:
        """Put a wizard together.

        Args:
            lab: The loaded lab.
            home: Where files are kept.
            cloud: `azure`, `usgov`, `china` or `practice`.
            profile: The attendee's choices.
            connect: Returns the cloud's addresses; called on worker threads before each run.
            environ: Environment variables; None: the process's own.
            services: Makes the service clients for the addresses; tests put others in.
        """
        self.lab = lab
        self.home = home
        self.cloud = cloud
        self.profile = profile
        self.ledger = Ledger(home.ledger_file(cloud, profile.name))
        self._progress = Progress(home.progress_file(cloud, profile.name))
        self._connect = connect
        self._environ = os.environ if environ is None else environ
        self._make_services = services or self._make
        self._services: Services | None = None
        self._connecting = threading.Lock()
        self._user = ""
        self._all = tuple(target for step in lab.steps.values() for target in targets_of(step))
        self._by_key = {target.key: target for target in self._all}
        self._needs = {target.key: self._needs_of(target) for target in self._all}

    def _set_variable(self, each: Input) -> str:
        """Return which environment variable gives a secret; an empty string where none does."""
        return next((variable for variable in each.variables if self._environ.get(variable, "").strip()), "")

    # Looking things up
    def needs(self, target: Target) -> tuple[str, ...]:
        """Return the keys of the targets that must have passed before this one."""
        return self._needs[target.key]

    def targets(self, selectors: Sequence[str] = (), environment: str | None = None) -> tuple[Target, ...]:
        """Return the steps that the selectors name, in the lab's order; all of them for none.

        Raises:
            UsageError: A selector names nothing; the message has the nearest names.
        """
        return select.find_targets(self.lab, selectors, environment)

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
        return self._by_key[key]

    def before(self, section: Section) -> tuple[Target, ...]:
        """Return everything that comes before a section in the lab."""
        numbers = {candidate.id: candidate.number for candidate in self.lab.sections}
        return tuple(target for target in self._all if numbers[target.step.section] < section.number)

    def with_needs(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """Return the targets and all that they need, in the lab's order."""
        wanted: set[str] = set()
        open_keys = [target.key for target in targets]
        while open_keys:
            key = open_keys.pop()
            if key not in wanted:
                wanted.add(key)
                open_keys.extend(self._needs[key])
        return tuple(target for target in self._all if target.key in wanted)

    def standing_on(self, keys: Collection[str]) -> tuple[Target, ...]:
        """Return the targets that need one of these, themselves or through others, in the lab's order."""
        on = set(keys)
        found: set[str] = set()
        while more := {key for key, needs in self._needs.items() if key not in found and not on.isdisjoint(needs)}:
            found |= more
            on |= more
        return tuple(target for target in self._all if target.key in found)

    def _needs_of(self, target: Target) -> tuple[str, ...]:
        needed: list[str] = []
        for need in target.step.needs:
            section_id, _, step_id = need.partition("/")
            for step in self.lab.section(section_id).steps:
                if step_id and step.id != step_id:
                    continue
                same = [found for found in targets_of(step) if found.environment == target.environment]
                needed.extend(found.key for found in (same or targets_of(step)) if found.key != target.key)
        return tuple(dict.fromkeys(needed))

    # Texts and names

    def text(self, template: str, environment: Environment | None = None) -> str:
        """Return a text of the lab with the reader's own names, and this cloud's address of Azure DevOps."""
        text = fill(template, self.names.values(environment))
        if self._services is not None:
            text = text.replace(_DEVOPS, self._services.endpoints.devops)
        return self._addressed(text)

    @property
    def names(self) -> Names:
        """The names as they are, or would be with the defaults offered."""
        return self.profile.offered_names

    def name_preview(self, prefix: str) -> tuple[tuple[str, str, str], ...]:
        """Return (environment, kind, name) of everything that would be created under a prefix."""
        names = replace(self.names, prefix=prefix)
        return tuple((str(made.environment), made.kind, made.name) for made in names.created())

    def where(self) -> str:
        """Return one line on cloud, profile, account and subscription, as known without asking anybody.

        The account is known from the first look at the sign-in on.
        """
        choices = self.profile.choices
        parts = [f"cloud {self.cloud}", f"profile {self.profile.name}"]
        if self._user:
            parts.append(self._user)
        if choices.subscription_name or choices.subscription:
            parts.append(choices.subscription_name or choices.subscription)
        if choices.prefix:
            parts.append(f"{choices.prefix}-… in {choices.location}")
        return " · ".join(parts)

    @property
    def command(self) -> str:
        """How a command begins that is about this cloud and profile: `hol-wizard --practice`."""
        return " ".join(("hol-wizard", *self.profile.options))

    def _addressed(self, text: str) -> str:
        """Return a text in which the commands that look at a cloud are about this cloud and profile."""
        return _COMMAND.sub(self.command, text)

    def _addressed_result(self, result: Result) -> Result:
        summary, advice = self._addressed(result.summary), self._addressed(result.next_action)
        same = (summary, advice) == (result.summary, result.next_action)
        return result if same else replace(result, summary=summary, next_action=advice)

    def _told(self, events: Iterator[Event]) -> Iterator[Event]:
        """Yield the events as whoever watches reads them."""
        for event in events:
            match event:
                case CheckFinished() | WorkFinished():
                    yield replace(event, result=self._addressed_result(event.result))
                case RunFinished():
                    results = {key: self._addressed_result(each) for key, each in event.results.items()}
                    yield replace(event, results=results)
                case Said():
                    yield replace(event, text=self._addressed(event.text))
                case _:
                    yield event

    def portal_url(self, target: Target) -> str:
        """Return the portal's address of what the step is about; an empty string when there is none."""
        if not target.step.portal:
            return ""
        base = self._services.endpoints.portal if self._services else portal.PUBLIC
        return portal.url(target.step.portal, self.names, target.environment, base=base)

    # Inputs

    def missing_inputs(self, targets: Sequence[Target]) -> tuple[Input, ...]:
        """Return the required inputs that the targets ask for and that have neither a value nor a default."""
        asked = (name for target in targets for name in target.step.inputs)
        return tuple(each.input for each in self.profile.settings.missing(asked))

    def input_value(self, name: str) -> str:
        """Return an input's value: chosen already, else the default to offer, else an empty string."""
        return self.profile.settings.value(name)

    def input_problem(self, name: str, value: str) -> str:
        """Return what is wrong with a value for an input, or an empty string."""
        return INPUTS[name].validate(value)

    def input_options(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return the (value, label) pairs to choose from; none where any text will do.

        Raises:
            WizardError: The cloud could not be asked.
        """
        if INPUTS[name].options or not INPUTS[name].listed:
            return INPUTS[name].options
        services = self._reach()
        if name in OFFERS:
            target = Target(Step("inputs", "inputs", "Inputs", "", 0))
            return tuple(
                (each.value, each.label) for each in OFFERS[name](self._context(target, services, SharedReads()))
            )
        if name == "subscription":
            return tuple((item.id, f"{item.name} ({item.state})") for item in services.identity.subscriptions())
        subscription = self.profile.choices.subscription
        if name == "location" and subscription:
            found = services.arm.list(f"/subscriptions/{subscription}/locations")
            return tuple(sorted((str(item["name"]), str(item.get("displayName", item["name"]))) for item in found))
        return ()

    def secrets_asked(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> tuple[Input, ...]:
        """Return the secrets that the targets ask for, with these answers, and that nobody has given yet.

        Blocking: the keyring may wait for a person to unlock it.

        Args:
            targets: What is to be done.
            inputs: Answers given for this run.

        Raises:
            WizardError: The keyring, or the cloud's addresses, could not be had.
        """
        answers = self._answers(inputs)
        names = dict.fromkeys(name for target in targets for name in target.step.inputs)
        asked = [INPUTS[name] for name in names if INPUTS[name].secret and INPUTS[name].asked_with(answers)]
        return tuple(each for each in asked if not self.secret_source(each.name, inputs))

    def secret_source(self, name: str, inputs: Mapping[str, str] | None = None) -> str:
        """Return in words where a secret's value comes from; an empty string where nobody gave one yet.

        Blocking, as `secrets_asked`.

        Raises:
            WizardError: The keyring, or the cloud's addresses, could not be had.
        """
        each = INPUTS[name]
        # Before the keyring, as everywhere: a variable is set on purpose, for this run.
        if variable := self._set_variable(each):
            return variable
        store = self._reach().secrets
        if store.get(each.keyring_name(self._answers(inputs))) is None:
            return ""
        report = store.probe()
        return report.backend if report.persistent else "this session"

    def keep_secret(self, name: str, value: Secret, inputs: Mapping[str, str] | None = None) -> str:
        """Put a secret into the keyring, and return what to say about it.

        Blocking, as `secrets_asked`.

        Args:
            name: The input's.
            value: What the person typed.
            inputs: Answers given for this run: the secret's name hangs on them.

        Raises:
            UsageError: It breaks its rule.
            WizardError: The keyring refused, or the cloud's addresses could not be had.
        """
        from hol_wizard.services.secrets import Secret

        each = INPUTS[name]
        if problem := each.validate(value.reveal()):
            raise UsageError(problem, f"Give the {each.label.lower()} again.")
        store = self._reach().secrets
        key = each.keyring_name(self._answers(inputs))
        store.set(key, Secret.hidden(each.normalise(value.reveal())))
        report = store.probe()
        said = f"{each.label}: kept in {report.backend}, as {key}."
        if not report.persistent:
            said = f"{each.label}: kept for this session only, because {report.reason}. {report.hint}".rstrip()
        if variable := self._set_variable(each):
            said += f" The variable {variable} is set, too, and goes before it."
        return said

    def _answers(self, inputs: Mapping[str, str] | None) -> dict[str, str]:
        """Return the answers for a run: what was just answered over what is chosen or offered, in the form kept."""
        answers = {name: self.input_value(name) for name in INPUTS} | dict(inputs or {})
        return {
            name: INPUTS[name].normalise(value) if name in INPUTS else value for name, value in answers.items() if value
        }

    def account(self) -> Account | None:
        """Return who is signed in, or None.

        Raises:
            WizardError: The cloud's addresses could not be had.
        """
        return self._reach().identity.account()

    def _note_user(self, keys: Iterable[str]) -> None:
        """Keep who is signed in, after a run that had to do with the sign-in."""
        if self._services is None or not any(self._by_key[key].step.check == SIGN_IN_CHECK for key in keys):
            return
        try:
            account = self._services.identity.account()
        except WizardError as error:
            logger.info("who is signed in is not known: %s", error.message)
            return
        self._user = account.user if account else ""

    # Running

    def _make(self, endpoints: Endpoints) -> Services:
        from hol_wizard.services.context import Services

        return Services(
            endpoints,
            self.profile.name,
            tenant=lambda: self.profile.choices.tenant,
            environ=self._environ,
            cache=self.home.cache_folder(self.cloud, self.profile.name),
            devops_by_token=lambda: self.profile.settings.value("devops_sign_in") == "token",
        )

    def _reach(self) -> Services:
        load_steps()
        with self._connecting:
            endpoints = self._connect()
            if self._services is None or self._services.endpoints != endpoints:
                made = self._make_services(endpoints)
                # What a session without a keyring was told stays told.
                self._services = made.replace(secrets=self._services.secrets) if self._services else made
            return self._services

    def git_authorization(self, host: str) -> Secret | None:
        """Return the `Authorization` header for git at a host, or None where that is not the lab's Azure DevOps.

        Args:
            host: `https://dev.azure.com`.

        Raises:
            SignInError: Nobody is signed in.
        """
        services, organization = self._reach(), self.profile.choices.devops_organization
        if not organization or host.lower() != services.endpoints.devops.lower():
            return None
        return services.devops(organization).authorization()

    def _context(
        self,
        target: Target,
        services: Services,
        reads: SharedReads,
        channel: Channel | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> StepContext:
        from hol_wizard.resources.context import StepContext

        return StepContext(
            target=target.key,
            environment=target.environment,
            profile=self.profile,
            services=services,
            reads=reads,
            ledger=self.ledger,
            channel=channel or Channel(target.key, lambda event: None, threading.Event()),
            inputs=inputs or {},
            templates=target.step.arguments,
        )

    def _title(self, target: Target) -> str:
        return f"{target.step.title} ({target.environment})" if target.environment else target.step.title

    def _look(self, target: Target, reads: SharedReads | None) -> Result:
        check = CHECKS.get(target.step.check)
        if check is None:
            return NO_CHECK_YET
        return check.run(self._context(target, self._reach_once(), reads or SharedReads()))

    def _look_at_work(self, target: Target, inputs: Mapping[str, str] | None) -> Result:
        """Look as a check does; what was given for this run only is not done before it is saved."""
        result = self._look(target, None)
        unsaved = self._unsaved(target, inputs) if result.passed else ()
        if not unsaved:
            return result
        labels = ", ".join(INPUTS[name].label for name in unsaved)
        return Result(Status.FAILED, f"Not saved yet: {labels}.", next_action="Save it (do it for me).")

    def _unsaved(self, target: Target, inputs: Mapping[str, str] | None) -> tuple[str, ...]:
        """Return the step's inputs whose value was given for this run and is not, or not wholly, in the file.

        Everything that is made bears these values: a run without the same options must find it again.
        """
        if not target.step.solve or not target.step.inputs:
            return ()
        saved = Choices.load(self.profile.path)
        kept = {name: {str(getattr(saved, name, ""))} for name in target.step.inputs}
        if "subscription" in kept:
            kept["subscription"] |= {saved.subscription_name.lower()}
        given = {
            name: setting.value
            for name, setting in self.profile.settings.values.items()
            if setting.origin in {Origin.FLAG, Origin.VARIABLE}
        } | {name: INPUTS[name].normalise(value) for name, value in (inputs or {}).items() if name in INPUTS and value}
        return tuple(
            name
            for name in target.step.inputs
            if (name in given and given[name] not in kept[name]) or (name == "subscription" and not saved.tenant)
        )

    def _reach_once(self) -> Services:
        return self._services or self._reach()

    def check(
        self,
        targets: Sequence[Target] | None = None,
        *,
        cancelled: threading.Event | None = None,
        wait: float = 0.0,
        fail_fast: bool = False,
    ) -> Iterator[Event]:
        """Look at the targets, all of the lab for None, and at what they need; yield what happens.

        The results are kept for the next start.
        """
        wanted = self._all if targets is None else tuple(targets)
        keys = {target.key for target in wanted}
        self._services_now()
        reads = FirstLooks()
        tasks = [
            CheckTask(
                key=target.key,
                title=self._title(target),
                run=lambda target=target: self._look(target, reads.of(target.key)),  # type: ignore[misc]
                needs=self._needs[target.key] if target.step.check else (),
                deadline=CHECKS[target.step.check].deadline if target.step.check else 5.0,
                wanted=target.key in keys,
            )
            for target in self.with_needs(wanted)
        ]
        seen: dict[str, Result] = {}
        for event in self._told(run_checks(tasks, cancelled=cancelled, wait=wait, fail_fast=fail_fast)):
            if isinstance(event, CheckFinished):
                seen[event.target] = event.result
            if isinstance(event, RunFinished):
                self._progress.remember(seen)
                self._note_user(seen)
                if (damage := self.ledger.damage) is not None:
                    notes = (*event.notes, damage.message, self._addressed(damage.hint))
                    event = replace(event, notes=notes, uncertain=True)
            yield event

    def _services_now(self) -> None:
        """Reach the cloud again, so that a practice cloud that was stopped is back; errors show up in the checks."""
        try:
            self._reach()
        except WizardError as error:
            logger.warning("cannot reach the cloud: %s", error)
            self._services = None

    def plan(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> tuple[PlannedChange, ...]:
        """Return what a solve of the targets, and of what they need, would do; looks at the clouds, changes nothing.

        What several steps would do each, if none of the others did, is told once, for the first of them.

        Raises:
            LedgerError: The ledger is damaged or lost: what this wizard made would be made twice, or adopted.
        """
        wanted = self.with_needs(targets)
        self._require_ledger()
        results: Mapping[str, Result] = {}
        for event in self.check(wanted):
            if isinstance(event, RunFinished):
                results = event.results
        from hol_wizard.services.arm import NothingThere

        services = self._reach()
        empty = self._make_services(services.endpoints).replace(arm=NothingThere(), secrets=services.secrets)
        reads = SharedReads()
        asked = self._answers(inputs)
        kinds = {"clone_folder": "chosen_folder"} | {field.name: field.name for field in fields(Names)}
        names = replace(self.names, **{kinds[name]: value for name, value in asked.items() if name in kinds})

        def planned(target: Target) -> list[PlannedChange]:
            result, work = results[target.key], SOLVES.get(target.step.solve)
            if work is None or (result.passed and not self._unsaved(target, inputs)):
                return []
            blind = result.status in {Status.BLOCKED, Status.UNKNOWN}
            context = self._context(target, empty if blind else services, reads, inputs=asked)
            if blind:
                context = replace(context, reads=SharedReads(), preview=names)
            try:
                changes = work.plan(context)
            except WizardError as error:
                if blind:
                    return [PlannedChange(target.key, Change("later", target.step.title, "", note="not known yet"))]
                return [PlannedChange(target.key, Change("conflict", target.step.title, "", note=error.message))]
            return [PlannedChange(target.key, _unseen(change) if blind else change) for change in changes]

        with ThreadPoolExecutor(8) as pool:
            changes = [each for planned_here in pool.map(planned, wanted) for each in planned_here]
        first = {_thing(each.change): each for each in reversed(changes)}
        return tuple(each for each in changes if first[_thing(each.change)] is each)

    def solve(
        self,
        targets: Sequence[Target],
        *,
        inputs: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Do the targets and what they need; yield what happens.

        Raises:
            LedgerError: The ledger is damaged or lost: what this wizard made would be made twice, or adopted.
            UsageError: Another wizard works on this profile.
        """
        asked = self._answers(inputs)
        wanted = self.with_needs(targets)
        with self._only_writer():
            self._require_ledger()
            services = self._reach()
            tasks = [
                WorkTask(
                    key=target.key,
                    title=self._title(target),
                    look=lambda target=target: self._look_at_work(target, inputs),  # type: ignore[misc]
                    work=self._work(target, services, asked),
                    needs=self._needs[target.key],
                )
                for target in wanted
            ]
            for event in self._told(run_work(tasks, cancelled=cancelled)):
                if isinstance(event, RunFinished):
                    self._progress.remember(event.results)
                    self._note_user(event.results)
                yield event

    def _work(self, target: Target, services: Services, inputs: Mapping[str, str]) -> Callable[[Channel], None] | None:
        work = SOLVES.get(target.step.solve)
        if work is None:
            return None
        return lambda channel: work.run(self._context(target, services, SharedReads(), channel, inputs))

    def actions(self, target: Target) -> tuple[Action, ...]:
        """Return what else can be done with what a step made, in the document's order; reads no cloud."""
        if target.step.actions:
            load_steps()
        return tuple(ACTIONS[name] for name in target.step.actions if name in ACTIONS)

    def find_action(self, targets: Sequence[Target], text: str) -> tuple[Action, tuple[Target, ...]]:
        """Return the action that a person means, and those of the targets that have it.

        Args:
            targets: Where it is looked for.
            text: Its name, `cluster.start_cluster`, or the part behind the dot; `-` and `_` are the same.

        Raises:
            UsageError: None of the targets has it; the message has those that there are, the nearest first.
        """
        having: dict[str, list[Target]] = {}
        known: dict[str, Action] = {}
        for target in targets:
            for action in self.actions(target):
                known[action.name] = action
                having.setdefault(action.name, []).append(target)
        wanted = text.strip().casefold().replace("-", "_")
        fits = [name for name in known if wanted in {name, name.rpartition(".")[2]}]
        # Nobody has another `stop` in mind than the only one that there is.
        fits = fits or [name for name in known if wanted and name.rpartition(".")[2].startswith(f"{wanted}_")]
        if len(fits) == 1:
            return known[fits[0]], tuple(having[fits[0]])
        words = dict.fromkeys(action.word for action in known.values())
        if fits:
            raise UsageError(f"Several actions are called `{text}`: {', '.join(fits)}.", "Say the whole name.")
        if not words:
            places = ", ".join(dict.fromkeys(target.step.key for target in targets))
            raise UsageError(f"Nothing else can be done with {places}.", "`hol-wizard --list` shows what can.")
        near = nearest(wanted.replace("_", "-"), words)
        meant = f" Did you mean {near}?" if near else ""
        raise UsageError(f"There is no action `{text}`.{meant}", f"There are {', '.join(words)}.")

    def act(
        self, targets: Sequence[Target], action: str, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        """Do an action with what the targets made, then look at them; yield what happens.

        Args:
            targets: Steps that have the action.
            action: Its registered name.
            cancelled: Set by another thread to stop at the next safe point.

        Raises:
            UsageError: Another wizard works on this profile.
        """
        load_steps()
        run = ACTIONS[action].run
        asked = self._answers(None)
        with self._only_writer():
            services = self._reach()

            def bound(target: Target) -> Callable[[Channel], None]:
                return lambda channel: run(self._context(target, services, SharedReads(), channel, asked))

            tasks = [
                WorkTask(
                    key=target.key,
                    title=self._title(target),
                    look=lambda target=target: self._look(target, None),  # type: ignore[misc]
                    work=bound(target),
                    asked=True,
                )
                for target in targets
            ]
            for event in self._told(run_work(tasks, cancelled=cancelled)):
                if isinstance(event, RunFinished):
                    self._progress.remember(event.results)
                yield event

    def _undone(self, targets: Sequence[Target] | None) -> tuple[Target, ...]:
        """Return the targets that a teardown is for, last things first."""
        wanted = [target for target in self._all if not target.step.keep] if targets is None else list(targets)
        return tuple(target for target in reversed(wanted) if target.step.undo)

    def plan_teardown(self, targets: Sequence[Target] | None = None) -> tuple[PlannedChange, ...]:
        """Return what a teardown would remove, in its order; None: all that was made, without what is kept.

        Raises:
            InconclusiveError: The subscription does not answer, so that no absence in it can be believed.
        """
        services = self._reach()
        self._require_the_subscription(services, self._undone(targets))

        def planned(target: Target) -> list[PlannedChange]:
            changes = UNDOS[target.step.undo].plan(self._context(target, services, SharedReads()))
            return [PlannedChange(target.key, change) for change in changes]

        with ThreadPoolExecutor(8) as pool:
            return tuple(change for changes in pool.map(planned, self._undone(targets)) for change in changes)

    def _require_the_subscription(self, services: Services, targets: Sequence[Target]) -> None:
        """Refuse to believe absences where not even what is known to exist answers.

        Whoever sees anything in a subscription sees the subscription (`GET /subscriptions/{id}`).

        Raises:
            InconclusiveError: It does not answer, and the ledger names something in it for these targets.
        """
        subscription, keys = self.names.subscription, {target.key for target in targets}
        path = f"/subscriptions/{subscription}"
        inside = [
            entry
            for entry in self.ledger.standing()
            if entry.target in keys and entry.resource.lower().startswith(f"{path.lower()}/")
        ]
        if not subscription or not inside:
            return
        unclear = f"Cannot tell what is left of {len(inside)} things that the ledger names"
        nothing = "Nothing was removed, and the ledger keeps its entries."
        try:
            found = services.arm.get(path)
        except ServiceError as error:
            raise InconclusiveError(
                f"{unclear}: the subscription {subscription} does not answer. {error.message} {nothing}",
                error.hint,
                code=error.code,
                detail=error.detail,
            ) from error
        if str(found.get("subscriptionId", "")).lower() != subscription.lower():
            raise InconclusiveError(
                f"{unclear}: what answers for the subscription {subscription} is something else. {nothing}",
                "Check proxy and network (hol-wizard doctor), then try again.",
            )

    def survey(self) -> Survey:
        """Return how far the ledger can be trusted: its damage, and what carries this lab's mark unnamed by it.

        Raises:
            WizardError: The cloud's addresses could not be had.
        """
        from hol_wizard.steps import survey

        services, reads = self._reach(), SharedReads()
        contexts = [(each.step.undo, self._context(each, services, reads)) for each in self._all if each.step.undo]
        seen = survey.survey(self.ledger, contexts)
        return replace(seen, command=self._addressed(seen.command))

    def ledger_problem(self) -> LedgerError | None:
        """Return what is damaged in the ledger, and what to do about it; None: it can be read."""
        damage = self.ledger.damage
        return LedgerError(damage.message, self._addressed(damage.hint)) if damage is not None else None

    def doubts(self, *, removing_all: bool = False) -> Survey:
        """Return the survey where it is needed, else one without doubts.

        A solve needs it where the ledger is damaged or lost, a teardown of everything always: a ledger that was put
        back from an old copy looks whole.

        Raises:
            WizardError: The cloud's addresses could not be had.
        """
        from hol_wizard.steps.survey import Survey

        needed = removing_all or self.ledger.damage is not None or not self.ledger.exists
        return self.survey() if needed else Survey()

    def rebuild_ledger(self, seen: Survey) -> Rebuilt:
        """Write the ledger again from what can be read and from what carries this lab's mark; the old file is kept.

        Raises:
            LedgerError: Not everything could be looked at, or it cannot be written.
            UsageError: Another wizard works on this profile.
        """
        from hol_wizard.steps import survey

        with self._only_writer():
            return survey.rebuild(self.ledger, seen)

    def _require_ledger(self) -> None:
        """Refuse to make anything while it is not known what there is of ours already.

        Raises:
            LedgerError: The ledger is damaged, or lost while resources carry this lab's mark.
        """
        if (problem := self.ledger_problem()) is not None:
            raise problem
        seen = self.doubts()
        if seen.found or seen.strays:
            raise seen.error()

    def anything_noted(self) -> bool:
        """Whether the ledger still names something in a cloud: a teardown then looks and writes off what is gone."""
        return any(_in_a_cloud(entry) for entry in self.ledger.standing())

    def teardown(
        self, targets: Sequence[Target] | None = None, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        """Remove what this wizard made for the targets, what depends on a thing before the thing; yield what happens.

        Raises:
            InconclusiveError: The subscription does not answer.
            UsageError: Another wizard works on this profile.
        """
        wanted = self._undone(targets)
        # Steps without an undo stand between others too: whoever needs one of them needs what that one needs.
        stands_on = {target.key: {each.key for each in self.with_needs([target])} - {target.key} for target in wanted}
        with self._only_writer():
            services = self._reach()
            self._require_the_subscription(services, wanted)
            tasks = [
                WorkTask(
                    key=target.key,
                    title=self._title(target),
                    look=lambda target=target: self._look_for_remains(target, services),  # type: ignore[misc]
                    work=self._removal(target, services),
                    needs=tuple(other.key for other in wanted if target.key in stands_on[other.key]),
                )
                for target in wanted
            ]
            for event in self._told(run_work(tasks, cancelled=cancelled)):
                if isinstance(event, RunFinished):
                    self._progress.forget([key for key, result in event.results.items() if result.passed])
                yield event

    def _removal(self, target: Target, services: Services) -> Callable[[Channel], None]:
        work = UNDOS[target.step.undo]
        return lambda channel: work.run(self._context(target, services, SharedReads(), channel))

    def _look_for_remains(self, target: Target, services: Services) -> Result:
        changes = UNDOS[target.step.undo].plan(self._context(target, services, SharedReads()))
        left = [f"{change.kind} {change.name}" for change in changes if change.verb in {"delete", "purge"}]
        if left:
            return Result(Status.FAILED, f"Still there: {', '.join(left)}.", next_action="Run the teardown again.")
        unclear = [f"{change.kind} {change.name}: {change.note}" for change in changes if change.verb == "unclear"]
        if unclear:
            return Result(
                Status.UNKNOWN,
                f"{'; '.join(unclear)}.",
                next_action="Sign in as the account that made it, and run the teardown again. The ledger keeps it.",
            )
        # What is gone without us has to be noted once; what bears other names than today's is out of reach.
        named = {change.name for change in changes} | {change.resource for change in changes}
        noted = [
            f"{entry.kind} {entry.resource.rpartition('/')[2]}"
            for entry in self.ledger.standing()
            if entry.target == target.key
            and _in_a_cloud(entry)
            and not {entry.resource, entry.resource.rpartition("/")[2]} & named
        ]
        if noted:
            return Result(
                Status.FAILED,
                f"In the ledger: {', '.join(noted)}.",
                next_action="If it was made under another prefix or subscription, run the teardown with that one: "
                "--prefix NAME, --subscription ID.",
            )
        kept = [f"{change.kind} {change.name}: {change.note}" for change in changes if change.verb == "leave"]
        return Result(Status.PASSED, "; ".join(kept) if kept else "Nothing of this wizard's is left here.")

    def cost(self) -> Cost:
        """Return what costs money now: what runs, and what this wizard made that is always there.

        Raises:
            WizardError: The cloud's addresses could not be had.
        """
        from hol_wizard.steps import cost

        services = self._reach()
        reads = SharedReads()
        stoppable = [target for target in self._all if cost.STOP in target.step.actions]
        contexts = [self._context(target, services, reads) for target in stoppable]
        found = cost.look(contexts, dict.fromkeys((target.key for target in stoppable), cost.STOP))
        made = dict.fromkeys(entry.target for entry in self.ledger.standing())
        standing = tuple(
            cost.Standing(key, self.text(words))
            for key in made
            if key in self._by_key
            and (words := self._by_key[key].step.cost)
            and not words.startswith("free")
            and cost.STOP not in self._by_key[key].step.actions
        )
        found = replace(found, standing=standing)
        if (damage := self.ledger.damage) is not None:
            found = replace(found, unknown=(*found.unknown, f"what else this wizard made. {damage.message}"))
        elif not self.ledger.exists and (seen := self.survey()).found:
            found = replace(found, unknown=(*found.unknown, f"what this wizard made. {seen.error().message}"))
        return found

    def doctor(self) -> tuple[Mapping[str, str], Iterator[Event]]:
        """Return the titles of what the doctor looks at, by key, and the run that does it."""
        from hol_wizard.steps import doctor

        examinations = doctor.examinations(self.home)
        reads = SharedReads()

        def bound(run: Callable[[StepContext], Result]) -> Callable[[], Result]:
            target = Target(Step("doctor", "doctor", "Doctor", "", 0))
            return lambda: run(self._context(target, self._reach_once(), reads))

        def events() -> Iterator[Event]:
            self._services_now()
            tasks = [
                CheckTask(each.key, each.title, bound(each.run), each.needs, each.deadline) for each in examinations
            ]
            yield from self._told(run_checks(tasks))

        return {each.key: each.title for each in examinations}, events()

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        path = self.home.lock_file(self.cloud, self.profile.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UsageError(
                f"Another wizard is at work on profile {self.profile.name}.",
                "Wait until it is done, or stop it; looking and checking work meanwhile. "
                "For another attendee use --profile NAME.",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def close(self) -> None:
        """Let go of connections."""
        if self._services is not None:
            self._services.close()

    # What earlier runs saw

    def last_results(self) -> Mapping[str, Status]:
        """Return how each step stood when it was last looked at; a memory for the first screen, never a truth."""
        return {key: status for key, status in self._progress.statuses().items() if key in self._by_key}

    def regressions(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        """Return the steps that passed in an earlier run and, by these results, are not so any more."""
        return self._progress.regressed(results)


def _in_a_cloud(entry: Entry) -> bool:
    """Whether a ledger entry is about a thing that costs or stays, rather than about a sign-in."""
    return not entry.resource.startswith(SIGN_IN_PREFIX)


def _thing(change: Change) -> tuple[str, ...]:
    """Return what is done with what: two changes that agree in it are one."""
    return change.verb, change.kind, change.name, change.where


def _unseen(change: Change) -> Change:
    """Return a change that was planned without a look at what exists, saying so."""
    return replace(change, note="; ".join(filter(None, (change.note, "unless it is there already"))))


def open_wizard(
    *,
    home: Home,
    cloud: str,
    profile: str,
    connect: Callable[[], Endpoints],
    flags: Mapping[str, str | None] | None = None,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    screens: Path | None = None,
    lab: Lab | None = None,
) -> Wizard:
    """Load the lab and the attendee's choices and return a wizard over them.

    Args:
        home: Where files are kept.
        cloud: Name of the cloud.
        profile: Name of the profile.
        connect: Returns the cloud's addresses.
        flags: Values of the command line for this run, by input name.
        environ: Environment variables; None: the process's own.
        defaults: Values to offer for inputs that nobody gave.
        screens: Folder of the lab's documents; None: the one that comes with the wizard.
        lab: The lab, if it is loaded already; `screens` does not matter then.

    Raises:
        ContentError: The lab's documents are wrong.
        UsageError: The saved choices are broken, or a value breaks its rule.
    """
    # That each name in the lab's documents is registered is lint's and the tests' business, not that of every start.
    lab = lab or loader.load(screens)
    path = home.choices_file(cloud, profile)
    chosen = Profile(profile, cloud, path, flags=flags, environ=environ, defaults=defaults)
    return Wizard(lab=lab, home=home, cloud=cloud, profile=chosen, connect=connect, environ=environ)
