"""The real wizard over a fake cloud: what the front ends are tested with.

Graph, questions, plans, runs, ledger and progress are those of `hol_wizard.wizard`. Only what a document names is not:
the functions registered here keep their state in a `World`, which also has the knobs of the tests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from hol_wizard.doctor.cost import Cost
from hol_wizard.doctor.survey import Rebuilt, Survey
from hol_wizard.engine.events import CheckFinished, CheckStarted, Event, RunFinished
from hol_wizard.engine.registry import ACTIONS, CHECKS, SOLVES, UNDOS, Action, Change, Check, Work
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.model import Lab, Target
from hol_wizard.lab.profile import Profile
from hol_wizard.paths import Home
from hol_wizard.resources.context import StepContext
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.secrets import Secret, StoreReport
from hol_wizard.wizard.facade import Wizard
from hol_wizard.wizard.solves import PlannedChange
from hol_wizard.wizard.stand_ins import StandIns

PASSED = Result(Status.PASSED, "It is there.")
GONE = Result(Status.FAILED, "It is not there yet.", next_action="Press s to have it done, or follow the guide.")


@dataclass
class World:
    """What a fake cloud holds, and how it behaves."""

    done: set[str] = field(default_factory=set)
    """Keys of the steps that are as they should be."""
    results: dict[str, Result] = field(default_factory=dict)
    """Results of steps that are neither done nor simply absent."""
    spoiled: dict[str, Result] = field(default_factory=dict)
    """Results that steps have after their solve, which therefore fails."""
    looks: list[str] = field(default_factory=list)
    """Every step that was looked at, in order."""
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What each step asks for."""
    kept: dict[str, Secret] = field(default_factory=dict)
    """What is in the keyring, by its name there."""
    options: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """What the cloud has for an input."""
    slow: Callable[[threading.Event], None] = lambda cancelled: None
    """Called in the middle of each run."""
    pace: float = 0.0
    """Seconds that each event takes."""
    lines: int = 1
    """Lines of log of a solve."""
    conflict: str = ""
    """Key of a step whose plan is a conflict."""
    note: str = ""
    """What each planned change says besides."""
    kinds: tuple[str, ...] = ()
    """Kinds of resources that each planned step creates, at a price; empty: a resource group, free of charge."""
    diff: tuple[str, ...] = ()
    """What each planned change publishes."""
    asks_person: bool = False
    hold: threading.Event | None = None
    """A solve waits for this before it ends."""
    acted: list[tuple[str, str]] = field(default_factory=list)
    """Actions that were done, and with which step."""

    def finish(self, key: str) -> None:
        self.results.pop(key, None)
        if key in self.spoiled:
            self.results[key] = self.spoiled[key]
        else:
            self.done.add(key)

    def pause(self, cancelled: threading.Event | None = None) -> None:
        if self.pace:
            (cancelled or threading.Event()).wait(self.pace)


class _Profile(Profile):
    """A profile whose context leads to the fake cloud."""

    world: World


def _world(context: StepContext) -> World:
    return cast(_Profile, context.profile).world


def _check(context: StepContext) -> Result:
    world, key = _world(context), context.target
    world.pause()
    world.looks.append(key)
    if key in world.results:
        return world.results[key]
    if key in world.done:
        return replace(PASSED, expectations=(Expectation("Exists", "yes", "yes", met=True),))
    return replace(
        GONE,
        expectations=(Expectation("Exists", "yes", "no", met=False),),
        detail="ResourceGroupNotFound: Resource group '[practice-dev-rg]' could not be found.",
    )


def _plan(context: StepContext) -> Sequence[Change]:
    world = _world(context)
    name = f"{context.names.prefix}-db-{context.environment or 'lab'}"
    if world.conflict == context.target:
        return (Change("conflict", "Resource group", name, note="the name is in use by somebody else's [vault]"),)
    if world.kinds:
        cost = "0.24 USD per hour"
        own = f"{name}-{context.target.partition('/')[2]}"
        return [Change("create", kind, own, "westeurope", cost, 120.0) for kind in world.kinds]
    return (Change("create", "Resource group", name, "westeurope", "free", 120.0, world.note, diff=world.diff),)


def _do(context: StepContext) -> None:
    """Say something, take as long as the test wants, and stop where the person asks for it."""
    world, reporter = _world(context), context.reporter
    if world.asks_person:
        reporter.ask_person("Open the page and type the code.", "https://microsoft.com/devicelogin", "ABCD-1234")
    for line in range(world.lines):
        reporter.say(f"PUT /subscriptions/0001/resourceGroups/[{context.target}] line {line + 1}")
        world.pause(reporter.cancelled)
        if line % 4 == 0:
            reporter.progress("It is being created", 120.0)
            reporter.progress("It is being created", 120.0)
    world.slow(reporter.cancelled)
    while world.hold is not None and not world.hold.is_set() and not reporter.cancelled.is_set():
        world.hold.wait(0.01)
    reporter.stop_if_cancelled()


def _solve(context: StepContext) -> None:
    _do(context)
    context.save(*(name for name in _world(context).inputs[context.target] if name != "devops_token"))
    _world(context).finish(context.target)


def _plan_undo(context: StepContext) -> Sequence[Change]:
    if context.target not in _world(context).done:
        return ()
    return (Change("delete", "Resource group", f"{context.names.prefix}-db-{context.environment}"),)


def _undo(context: StepContext) -> None:
    context.reporter.say(f"DELETE {context.target}")
    _world(context).done.discard(context.target)


def _action(name: str) -> Callable[[StepContext], None]:
    def act(context: StepContext) -> None:
        _world(context).acted.append((name, context.target))
        _do(context)

    return act


CHECK, SOLVE, UNDO = "fake.check", "fake.solve", "fake.undo"
"""What the steps of a fake lab name."""
CHECKS[CHECK] = Check(CHECK, _check, 20.0)
SOLVES[SOLVE] = Work(SOLVE, _solve, _plan)
UNDOS[UNDO] = Work(UNDO, _undo, _plan_undo)
for _name, _label in {
    "groups.lock": "Lock the group",
    "groups.unlock": "Unlock the group",
    "workspace.start": "Start the machines",
    "workspace.stop": "Stop the machines",
}.items():
    ACTIONS[_name] = Action(_name, _label, _action(_name))


class _Keyring:
    """A keyring that lasts as long as the wizard."""

    def __init__(self, world: World) -> None:
        self._world = world

    def probe(self) -> StoreReport:
        return StoreReport("memory", persistent=False, reason="there is no keyring here", hint="")

    def get(self, name: str) -> Secret | None:
        return self._world.kept.get(name)

    def set(self, name: str, secret: Secret) -> None:
        self._world.kept[name] = secret

    def delete(self, name: str) -> None:
        self._world.kept.pop(name, None)


class _Identity:
    """Nobody's sign-in."""

    def account(self) -> None:
        return None


class FakeWizard(Wizard):
    """The real wizard over a lab of functions that keep their state in `world`."""

    def __init__(self, root: Path, lab: Lab, stand_ins: StandIns | None, **saved: str) -> None:
        """Make one whose profile has these choices saved."""
        home = Home(root / "config", root / "state")
        path = home.choices_file("practice", "default")
        if saved:
            Choices(**saved).save(path)
        profile = _Profile("default", "practice", path, environ={})
        self.world = profile.world = World()
        super().__init__(
            lab=lab,
            home=home,
            cloud="practice",
            profile=profile,
            connect=lambda: replace(Endpoints.of_cloud("azure"), poll_interval=0.01),
            environ={},
            services=lambda endpoints: Services(endpoints).replace(secrets=_Keyring(self.world), identity=_Identity()),
            stand_ins=stand_ins,
        )
        self.ledger.path.parent.mkdir(parents=True, exist_ok=True)
        self.ledger.path.touch()
        self.all = self.graph.all
        self.world.inputs = {target.key: target.step.inputs for target in self.all}
        self.calls: list[tuple[str, Any]] = []
        """What was asked of it, in order."""
        self.costs = Cost()
        self.seen = Survey()
        """How far the ledger can be trusted."""
        self.surveyed: list[bool] = []
        self.broken: Exception | None = None
        """Raised by the next run."""
        self.examined = {
            "python": Result(Status.PASSED, "Python 3.11.7."),
            "keyring": Result(Status.UNKNOWN, "No keyring here: secrets are kept for this session only."),
            "network": Result(Status.FAILED, "No answer.", next_action="Look at your network."),
        }
        """What the doctor finds."""
        self.remembered: dict[str, Status] = {}
        """How the steps stood in an earlier run."""
        self.closed = False
        self.answers.options = self._options  # type: ignore[method-assign]  # the cloud's part of it
        self.ledger_care.doubts = self._doubts  # type: ignore[method-assign]
        self.ledger_care.survey = lambda: self.seen  # type: ignore[method-assign]
        self.ledger_care.rebuild = self._rebuild  # type: ignore[method-assign]

    def as_wizard(self) -> Wizard:
        """Return it as what the front ends take."""
        return self

    def _options(self, name: str) -> tuple[tuple[str, str], ...]:
        from hol_wizard.lab.inputs import INPUTS

        self.world.pause()
        return INPUTS[name].options or self.world.options.get(name, ())

    def _doubts(self, *, removing_all: bool = False) -> Survey:
        self.surveyed.append(removing_all)
        return self.seen

    def _rebuild(self, seen: Survey) -> Rebuilt:
        self.seen = Survey()
        return Rebuilt(Path("ledger.jsonl.damaged-1"), 7, seen.found, (), True)

    def check(
        self,
        targets: Sequence[Target] | None = None,
        *,
        cancelled: threading.Event | None = None,
        wait: float = 0.0,
        fail_fast: bool = False,
    ) -> Iterator[Event]:
        cancelled = cancelled or threading.Event()
        self.calls.append(("check", [target.key for target in (self.all if targets is None else targets)]))
        events = super().check(targets, cancelled=cancelled, wait=wait, fail_fast=fail_fast)
        return self._watched(events, cancelled)

    def _watched(self, events: Iterator[Event], cancelled: threading.Event) -> Iterator[Event]:
        if self.broken:
            error, self.broken = self.broken, None
            raise error
        began = False
        for event in events:
            yield event
            if isinstance(event, CheckStarted) and not began:
                began = True
                self.world.slow(cancelled)

    def plan(
        self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None, *, whole: bool = False
    ) -> tuple[PlannedChange, ...]:
        self.calls.append(("plan", dict(inputs or {})))
        self.world.pause()
        return super().plan(targets, inputs, whole=whole)

    def solve(
        self,
        targets: Sequence[Target],
        *,
        inputs: Mapping[str, str] | None = None,
        whole: bool = False,
        cancelled: threading.Event | None = None,
        agreed: Sequence[PlannedChange] = (),
    ) -> Iterator[Event]:
        self.calls.append(("solve", dict(inputs or {})))
        if self.broken:
            error, self.broken = self.broken, None
            raise error
        return super().solve(targets, inputs=inputs, whole=whole, cancelled=cancelled, agreed=agreed)

    def act(
        self,
        targets: Sequence[Target],
        action: str,
        *,
        inputs: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        self.calls.append(("act", (action, [target.key for target in targets])))
        if action == "workspace.stop":
            self.costs = Cost()
        return super().act(targets, action, inputs=inputs, cancelled=cancelled)

    def teardown(
        self, targets: Sequence[Target] | None = None, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        self.calls.append(("teardown", None))
        return super().teardown(targets, cancelled=cancelled)

    @property
    def solved_with(self) -> dict[str, str]:
        """The answers given for the last solve."""
        return next((inputs for name, inputs in reversed(self.calls) if name == "solve"), {})

    def cost(self) -> Cost:
        self.calls.append(("cost", None))
        return self.costs

    def doctor(self) -> tuple[Mapping[str, str], Iterator[Event]]:
        titles = {"python": "Python", "keyring": "Keyring", "network": "Network"}
        results = self.examined

        def events() -> Iterator[Event]:
            for key, result in results.items():
                yield CheckStarted(key)
                self.world.pause()
                yield CheckFinished(key, result, 0.1)
            yield RunFinished(results, 0.1)

        return titles, events()

    def last_results(self) -> Mapping[str, Status]:
        return self.remembered or super().last_results()

    def regressions(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        fallen = (key for key, result in results.items() if result.status is Status.FAILED)
        return tuple(key for key in fallen if self.remembered.get(key) is Status.PASSED)

    def close(self) -> None:
        self.closed = True
        super().close()


def until_cancelled(cancelled: threading.Event) -> None:
    """Wait as a long operation does: until the person asks to stop, or too long."""
    deadline = time.monotonic() + 10
    while not cancelled.is_set() and time.monotonic() < deadline:
        cancelled.wait(0.05)
