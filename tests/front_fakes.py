"""A wizard whose lab and results a test lays down, for the front ends that show lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hol_wizard.config import Settings
from hol_wizard.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    PersonNeeded,
    Progressed,
    RunFinished,
    Said,
    WorkFinished,
    WorkStarted,
)
from hol_wizard.engine.registry import Action, Change
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.lab import select
from hol_wizard.lab.inputs import INPUTS, Input
from hol_wizard.lab.model import Environment, Lab, Role, Section, Step, Target, targets_of
from hol_wizard.services.secrets import Secret
from hol_wizard.steps.cost import Cost, Running
from hol_wizard.steps.survey import Rebuilt, Survey
from hol_wizard.wizard.actions import Actions
from hol_wizard.wizard.facade import Wizard
from hol_wizard.wizard.solves import PlannedChange
from tests.fake_secrets import FakeSecrets

LONG_COMMAND = "az account list --output table --only-show-errors " + '--query "[].{name:name, id:id}" ' * 3

ENVIRONMENTS = (Environment.DEV, Environment.PIPELINE, Environment.PROD)

PASSED = Result(Status.PASSED, "It is there.")
FAILED = Result(
    Status.FAILED,
    "It does not fit.",
    (
        Expectation("Region", "westeurope", "northeurope", False),
        Expectation("Name", "lab-db-dev", "lab-db-dev", True),
    ),
    "Delete it, then make it again.",
    detail="Code: Wrong\x1b[31m",
)
UNKNOWN = Result(Status.UNKNOWN, "No check yet.", next_action="Judge by what you see.")


def small_lab() -> Lab:
    """Return a lab of three sections: names, groups for three environments, and a step without a check."""
    names = Step(
        "choose-your-names",
        "set-up",
        "Choose your names",
        f"Choose a **prefix**, see [the rules](https://example.com/rules).\n\n```bash\n{LONG_COMMAND}\n```",
        9,
        check="set_up.names_chosen",
        solve="set_up.choose_names",
        inputs=("prefix", "alias"),
        hints=("A short one.", "hol"),
        keep=True,
    )
    groups = Step(
        "create-groups",
        "groups",
        "Create the groups",
        "Make the groups.",
        9,
        check="groups.exist",
        solve="groups.create",
        undo="groups.delete",
        actions=("groups.lock", "groups.unlock"),
        for_each=ENVIRONMENTS,
        needs=("set-up",),
        portal="resource_group",
        cost="free",
        minutes=5,
    )
    train = Step("train-it", "train", "Train it", "By hand.", 9, human="Only you can judge the model.")
    path = Path("screens")
    return Lab(
        (
            Section("set-up", 1, "Set up", Role.EVERYONE, 5, (), "Welcome.", (names,), path / "01.md"),
            Section("groups", 2, "Create groups", Role.ORGANIZER, 5, ("set-up",), "Three.", (groups,), path / "02.md"),
            Section("train", 3, "Train the model", Role.SCIENTIST, 30, (), "Learn.", (train,), path / "03.md"),
        )
    )


@dataclass
class FakeProfile:
    """A profile with the settings that a test gives."""

    name: str = "default"
    settings: Settings = field(default_factory=Settings)


class FakeWizard(FakeSecrets):
    """Keeps the state of a cloud in a dictionary of results."""

    def __init__(self, results: Mapping[str, Result] | None = None) -> None:
        self.lab = small_lab()
        self.cloud = "practice"
        self.profile = FakeProfile(settings=_settings(prefix="lab", alias="jane"))
        self.all = tuple(target for step in self.lab.steps.values() for target in targets_of(step))
        self.results: dict[str, Result] = dict.fromkeys((target.key for target in self.all), UNKNOWN)
        self.results.update(results or {})
        self.calls: list[tuple[str, Any]] = []
        self.slow: Callable[[threading.Event], None] = lambda cancelled: None
        """Called in the middle of each run."""
        self.fallen: tuple[str, ...] = ()
        self.kept: dict[str, Secret] = {}
        self.asks_person = False
        self.costs = Cost()
        self.seen = Survey()
        """How far the ledger can be trusted."""
        self.surveyed: list[bool] = []

    def as_wizard(self) -> Wizard:
        """Return it as what the front ends take."""
        return cast(Wizard, self)

    def targets(self, selectors: Sequence[str] = (), environment: str | None = None) -> tuple[Target, ...]:
        return select.find_targets(self.lab, selectors, environment)

    def find_section(self, text: str) -> Section:
        return select.find_section(self.lab, text)

    def target(self, key: str) -> Target:
        return next(target for target in self.all if target.key == key)

    def with_needs(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        return tuple(targets)

    def prerequisites(self, section: Section) -> tuple[Target, ...]:
        numbers = {each.id: each.number for each in self.lab.sections}
        return tuple(target for target in self.all if numbers[target.step.section] < section.number)

    def speak(self, text: str, target: str = "") -> str:
        return text

    def text(self, template: str, environment: Environment | None = None) -> str:
        return template

    def where(self) -> str:
        return "cloud practice · profile default"

    def last_results(self) -> Mapping[str, Status]:
        return {}

    def regressions(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        return self.fallen

    def portal_url(self, target: Target) -> str:
        return "https://portal.example/group"

    def missing(self, targets: Sequence[Target]) -> tuple[Input, ...]:
        asked = (name for target in targets for name in target.step.inputs)
        return tuple(each.input for each in self.profile.settings.missing(asked))

    def value(self, name: str) -> str:
        return self.profile.settings.value(name)

    def input_problem(self, name: str, value: str) -> str:
        return INPUTS[name].validate(value)

    def options(self, name: str) -> tuple[tuple[str, str], ...]:
        return ()

    def name_preview(self, prefix: str) -> tuple[tuple[str, str, str], ...]:
        return (("dev", "Resource group", f"{prefix}-db-dev"),)

    def check(
        self,
        targets: Sequence[Target] | None = None,
        *,
        cancelled: threading.Event | None = None,
        wait: float = 0.0,
        fail_fast: bool = False,
    ) -> Iterator[Event]:
        asked = self.all if targets is None else tuple(targets)
        cancelled = cancelled or threading.Event()
        self.calls.append(("check", [target.key for target in asked]))
        for target in asked:
            yield CheckStarted(target.key)
        self.slow(cancelled)
        if not cancelled.is_set():
            for target in asked:
                yield CheckFinished(target.key, self.results[target.key], 0.25)
        stopped = Result(Status.UNKNOWN, "Not looked at: the run was stopped.")
        found = {each.key: stopped if cancelled.is_set() else self.results[each.key] for each in asked}
        yield RunFinished(found, 0.5, cancelled.is_set())

    def actions(self, target: Target) -> tuple[Action, ...]:
        labels = {"groups.lock": "Lock the group", "groups.unlock": "Unlock the group"}
        return tuple(Action(name, labels[name], lambda context: None) for name in target.step.actions)

    of = actions

    def find_action(self, targets: Sequence[Target], text: str) -> tuple[Action, tuple[Target, ...]]:
        return Actions.find(cast(Actions, self), targets, text)

    def act(
        self, targets: Sequence[Target], action: str, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        self.calls.append(("act", (action, [target.key for target in targets])))
        yield from self._work(targets, cancelled or threading.Event(), {True: PASSED})

    def plan(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> tuple[PlannedChange, ...]:
        self.calls.append(("plan", dict(inputs or {})))
        return tuple(
            PlannedChange(
                target.key,
                Change(
                    "create", "Resource group", f"lab-db-{target.environment}", "westeurope", "free", 120.0, "A note."
                ),
            )
            for target in targets
            if target.step.solve and not self.results[target.key].passed
        )

    def solve(
        self,
        targets: Sequence[Target],
        *,
        inputs: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        self.calls.append(("solve", dict(inputs or {})))
        yield from self._work(targets, cancelled or threading.Event(), {True: PASSED})

    @property
    def command(self) -> str:
        return "hol-wizard --practice"

    def cost(self) -> Cost:
        self.calls.append(("cost", None))
        return self.costs

    def anything_noted(self) -> bool:
        return False

    def doubts(self, *, removing_all: bool = False) -> Survey:
        self.surveyed.append(removing_all)
        return self.seen

    def survey(self) -> Survey:
        return self.seen

    def rebuild(self, seen: Survey) -> Rebuilt:
        self.seen = Survey()
        return Rebuilt(Path("ledger.jsonl.damaged-1"), 7, seen.found, (), True)

    def plan_teardown(self, targets: Sequence[Target] | None = None) -> tuple[PlannedChange, ...]:
        return tuple(
            PlannedChange(target.key, Change("delete", "Resource group", f"lab-db-{target.environment}"))
            for target in (self.all if targets is None else targets)
            if target.step.undo and self.results[target.key].passed
        )

    def teardown(
        self, targets: Sequence[Target] | None = None, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        self.calls.append(("teardown", None))
        doomed = [self.target(planned.target_key) for planned in self.plan_teardown(targets)]
        yield from self._work(doomed, cancelled or threading.Event(), {True: Result(Status.PASSED, "Nothing is left.")})
        self.results.update(dict.fromkeys((target.key for target in doomed), FAILED))

    def _work(
        self, targets: Sequence[Target], cancelled: threading.Event, outcome: Mapping[bool, Result]
    ) -> Iterator[Event]:
        results: dict[str, Result] = {}
        for target in targets:
            yield WorkStarted(target.key)
            yield Said(target.key, "Asking for it …")
            if self.asks_person:
                yield PersonNeeded(target.key, "Sign in.", "https://example.com/device", "ABC123")
            yield Progressed(target.key, "It is being made", 3.0, 120.0)
            yield Progressed(target.key, "It is being made", 4.0, 120.0)
            self.slow(cancelled)
            stopped = cancelled.is_set()
            result = Result(Status.SKIPPED, "Stopped as you asked.") if stopped else outcome[True]
            results[target.key] = result
            self.results[target.key] = result
            yield WorkFinished(target.key, result, 1.0)
        yield RunFinished(results, 1.0, cancelled.is_set())

    def doctor(self) -> tuple[Mapping[str, str], Iterator[Event]]:
        return {"python": "Python"}, iter([RunFinished({"python": PASSED}, 0.1)])

    def close(self) -> None:
        self.calls.append(("close", None))


def running(place: str = "dev") -> Running:
    """Return a cluster that runs, with a price."""
    return Running(
        f"Cluster cpu ({place})",
        place,
        f"groups/create-groups@{place}",
        "groups.lock",
        machines=(("Standard_D4ds_v5", 1),),
        idle_minutes=120,
        hourly=0.24,
        currency="USD",
    )


def _settings(**values: str) -> Settings:
    from hol_wizard.lab.choices import Choices

    return Settings.resolve({}, {}, Choices(**values), {})


def until_cancelled(cancelled: threading.Event) -> None:
    """Wait as a long operation does: until the person asks to stop, or too long."""
    deadline = time.monotonic() + 10
    while not cancelled.is_set() and time.monotonic() < deadline:
        cancelled.wait(0.05)
