"""A wizard over a small lab that lives in memory: what the screens are tested against.

It keeps state (a solve makes the later check pass), streams a log, and can be told to be slow, to fail or to ask.
Run it as a program to look at the screens without a cloud: `python -m tests.tui.fake_wizard`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

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
from hol_wizard.lab.inputs import INPUTS, Input
from hol_wizard.lab.model import Environment, Lab, Role, Section, Step, Target, targets_of
from hol_wizard.paths import Home
from hol_wizard.services.secrets import Secret
from hol_wizard.steps.cost import Cost, Running
from hol_wizard.steps.survey import Rebuilt, Survey
from hol_wizard.wizard.facade import Wizard
from tests.fake_secrets import FakeSecrets

RUNS = Cost(
    tuple(
        Running(
            f"Cluster cpu ({place})",
            place,
            f"workspace-resources/add-a-databricks-workspace@{place}",
            "workspace.stop",
            since=time.time() - 3700,
            machines=(("Standard_D4ds_v5", 1),),
            idle_minutes=120,
            hourly=0.24,
            currency="USD",
        )
        for place in ("dev", "pipeline")
    ),
    notes=("By the public price list: no bill.",),
)
"""Two clusters that run."""

DEV, PIPELINE, PROD = Environment.DEV, Environment.PIPELINE, Environment.PROD


@dataclass(frozen=True)
class FakeProfile:
    name: str = "default"


@dataclass(frozen=True)
class FakePlannedChange:
    target_key: str
    change: Change


OPTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "location": (("westeurope", "West Europe"), ("northeurope", "North Europe"), ("eastus", "East US")),
    "subscription": (("0001", "Hands-on lab (Enabled)"), ("0002", "Production (Enabled)")),
}

GROUPS_BODY = """Each environment has a resource group of its own, so that one can be handed on, or thrown away,
without the others.

**By hand**

1. In the portal select **Resource groups**, then **Create**.
2. Choose your subscription, name it `{resource_group}` and choose the region `{location}`.

Or from a terminal:

```bash
az group create --name {resource_group} --location {location}
```

Look at it afterwards:

```bash
az group show --name {resource_group} --query properties.provisioningState
```

| Environment | What for |
| --- | --- |
| dev | experiments |
| pipeline | the build's own |
| prod | what is released |
"""


def _step(section: str, slug: str, title: str, **values: object) -> Step:
    values.setdefault(
        "body", f"What **{title.lower()}** is for, and how to do it by hand.\n\n```bash\naz do {slug}\n```\n"
    )
    return Step(id=slug, section=section, title=title, line=1, **values)  # type: ignore[arg-type]  # only known fields


def _section(
    number: int, slug: str, title: str, role: Role, minutes: int, *steps: Step, needs: tuple[str, ...] = ()
) -> Section:
    intro = f"This section is about **{title.lower()}**. Everything that follows stands on it.\n\nTake your time."
    return Section(slug, number, title, role, minutes, needs, intro, steps, Path(f"screens/{number:02}-{slug}.md"))


def small_lab() -> Lab:
    """Return nineteen sections, the first four of which can be checked."""
    every, org, sci, ops = Role.EVERYONE, Role.ORGANIZER, Role.SCIENTIST, Role.OPERATIONS
    both = (DEV, PIPELINE)
    sections = [
        _section(
            1,
            "set-up",
            "Set up: who, where, sign-in",
            every,
            10,
            _step(
                "set-up",
                "choose-your-names",
                "Choose your names",
                check="c",
                solve="s",
                undo="u",
                keep=True,
                inputs=("prefix", "location", "alias"),
                minutes=2,
            ),
            _step("set-up", "sign-in", "Sign in", check="c", solve="s", undo="u", keep=True),
            _step(
                "set-up",
                "choose-the-subscription",
                "Choose the subscription",
                check="c",
                solve="s",
                inputs=("subscription",),
                needs=("set-up/sign-in",),
                keep=True,
            ),
        ),
        _section(
            2,
            "tools",
            "Tools on your machine",
            every,
            15,
            _step("tools", "python", "Python", check="c", human="Installing programs is up to you."),
            _step("tools", "git", "Git", check="c", human="Installing programs is up to you."),
            _step("tools", "docker-engine", "A Docker engine", check="c", human="Installing programs is up to you."),
        ),
        _section(
            3,
            "resource-groups",
            "Create the resource groups",
            org,
            5,
            _step(
                "resource-groups",
                "create-the-three-resource-groups",
                "Create the three resource groups",
                body=GROUPS_BODY,
                check="c",
                solve="s",
                undo="u",
                for_each=(DEV, PIPELINE, PROD),
                portal="resource_group",
                cost="free",
                minutes=1,
                hints=(
                    "Each environment has a resource group of its own.",
                    "Its name is {resource_group}.",
                    "az group create --name {resource_group} --location {location}",
                ),
            ),
            needs=("set-up",),
        ),
        _section(
            4,
            "workspace-resources",
            "Create the workspace resources",
            org,
            40,
            _step(
                "workspace-resources",
                "register-the-resource-providers",
                "Register the resource providers",
                check="c",
                solve="s",
            ),
            _step(
                "workspace-resources",
                "add-a-machine-learning-workspace",
                "Add a Machine Learning workspace",
                check="c",
                solve="s",
                undo="u",
                for_each=both,
                portal="ml_workspace",
                minutes=3,
                cost="free; its storage about 1 € a month",
            ),
            _step(
                "workspace-resources",
                "add-a-data-lake",
                "Add a data lake",
                check="c",
                solve="s",
                undo="u",
                for_each=both,
                portal="storage_account",
            ),
            _step(
                "workspace-resources",
                "add-a-key-vault",
                "Add a Key Vault",
                check="c",
                solve="s",
                undo="u",
                for_each=both,
            ),
            _step(
                "workspace-resources",
                "add-a-databricks-workspace",
                "Add a Databricks workspace",
                check="c",
                solve="s",
                undo="u",
                actions=("workspace.start", "workspace.stop"),
                inputs=("cluster_size", "node_type", "own_data_file", "token_in_profile"),
                for_each=both,
            ),
            _step(
                "workspace-resources",
                "add-a-container-registry",
                "Add a container registry",
                check="c",
                solve="s",
                undo="u",
                for_each=(PROD,),
            ),
            needs=("resource-groups",),
        ),
    ]
    rest = [
        ("cluster", "Create the cluster and its library", org, 15),
        ("initial-data", "Bring in the initial data", org, 10),
        ("databricks-access", "Databricks access: token and CLI", org, 10),
        ("service-principal", "The service principal and the lake", org, 20),
        ("secrets", "Secret scope and secrets", org, 15),
        ("devops-project", "Create the Azure DevOps project", org, 30),
        ("scientist-setup", "Set up as a data scientist", sci, 15),
        ("train", "Train the model", sci, 25),
        ("inference-code", "Inference code: pull, test first", sci, 30),
        ("build-container", "Build the container", sci, 15),
        ("test-container", "Test the container", sci, 15),
        ("pull-request", "Pull request and review", sci, 10),
        ("variable-group", "The variable group", ops, 10),
        ("build-pipeline", "The build pipeline", ops, 25),
        ("release", "Release to production", ops, 20),
    ]
    for number, (slug, title, role, minutes) in enumerate(rest, 5):
        steps = (_step(slug, "do-it", f"{title}: do it"), _step(slug, "look-at-it", "Look at it"))
        sections.append(_section(number, slug, title, role, minutes, *steps))
    return Lab(tuple(sections))


@dataclass
class FakeWizard(FakeSecrets):
    """See the module. The fields are the knobs of the tests."""

    home: Home
    lab: Lab = field(default_factory=small_lab)
    cloud: str = "practice"
    profile: FakeProfile = field(default_factory=FakeProfile)
    done: set[str] = field(default_factory=lambda: {"tools/python", "tools/git"})
    """Keys that are as they should be."""
    remembered: dict[str, str] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    """Results to give for a key instead of the usual ones; each look takes the first of a list."""
    pace: float = 0.0
    """Seconds that each event takes."""
    lines: int = 4
    """Lines of log of a solve."""
    conflict: str = ""
    asks_person: bool = False
    broken: Exception | None = None
    """Raised by the next run."""
    values: dict[str, str] = field(
        default_factory=lambda: {"prefix": "practice", "location": "westeurope", "alias": "ada", "subscription": ""}
    )
    looks: list[str] = field(default_factory=list)
    """Every key that was looked at, in order."""
    solved_with: dict[str, str] = field(default_factory=dict)
    acted: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Actions that were done, and with which steps."""
    kept: dict[str, Secret] = field(default_factory=dict)
    """What is in the keyring, by its name there."""
    costs: Cost = field(default_factory=Cost)
    note: str = ""
    """What each planned change says besides."""
    seen: Survey = field(default_factory=Survey)
    """How far the ledger can be trusted."""
    surveyed: list[bool] = field(default_factory=list)
    closed: bool = False
    hold: threading.Event | None = None
    """A solve waits for this before it ends."""

    def __post_init__(self) -> None:
        self._targets = {t.key: t for s in self.lab.sections for step in s.steps for t in targets_of(step)}
        self.needs = {key: target.step.needs for key, target in self._targets.items()}

    def as_wizard(self) -> Wizard:
        """Return it as what the screens take."""
        return cast(Wizard, self)

    def where(self) -> str:
        return "cloud practice · profile default · attendee@practice.example · Hands-on lab"

    def speak(self, text: str, target: str = "") -> str:
        return text

    def text(self, template: str, environment: Environment | None = None) -> str:
        group = f"{self.values['prefix']}-{environment}-rg" if environment else "{resource_group}"
        return template.replace("{resource_group}", group).replace("{location}", self.values["location"])

    def dependents(self, keys: Collection[str]) -> Sequence[Target]:
        return [target for key, target in self._targets.items() if not set(keys).isdisjoint(self.needs[key])]

    def _result(self, key: str) -> Result:
        self.looks.append(key)
        if key in self.results:
            return self.results[key]
        target = self._targets[key]
        if not target.step.check:
            return Result(Status.UNKNOWN, "No check yet: the wizard cannot tell for this step.")
        for need in self.needs[key]:
            if need not in self.done:
                title = self._targets[need].step.title
                return Result(Status.BLOCKED, f"Not looked at: needs “{title}” first.", next_action=f"Do “{title}”.")
        seen = key in self.done
        looked_at = (
            Expectation("Exists", "yes", "yes" if seen else "no", seen),
            Expectation("Region", "westeurope", "westeurope" if seen else "–", seen),
        )
        if seen:
            return Result(Status.PASSED, f"{target.step.title}: it is as the lab needs it.", looked_at)
        return Result(
            Status.FAILED,
            f"{target.step.title}: it is not there yet.",
            looked_at,
            next_action="Press s to have it done, or follow the guide.",
            detail="ResourceGroupNotFound: Resource group '[practice-dev-rg]' could not be found.",
        )

    def _pause(self, cancelled: threading.Event | None = None) -> None:
        if self.pace:
            (cancelled or threading.Event()).wait(self.pace)

    def check(
        self,
        targets: Sequence[Target] | None = None,
        *,
        cancelled: threading.Event | None = None,
        wait: float = 0.0,
        fail_fast: bool = False,
    ) -> Iterator[Event]:
        if self.broken:
            error, self.broken = self.broken, None
            raise error
        results: dict[str, Result] = {}
        for target in targets if targets is not None else self._targets.values():
            if cancelled is not None and cancelled.is_set():
                break
            yield CheckStarted(target.key)
            self._pause(cancelled)
            results[target.key] = self._result(target.key)
            yield CheckFinished(target.key, results[target.key], self.pace)
        yield RunFinished(results, 0.1)

    def plan(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> tuple[FakePlannedChange, ...]:
        self._pause()
        changes = []
        for target in targets:
            if target.key in self.done or not target.step.solve:
                continue
            kind = target.step.title.removeprefix("Create the ").removeprefix("Add a ").capitalize()
            name = f"{self.values['prefix']}-{target.environment or 'lab'}"
            if self.conflict == target.key:
                change = Change(
                    "conflict", kind, name, "westeurope", note="the name is taken by somebody else's [vault]"
                )
            else:
                change = Change("create", kind, name, "westeurope", target.step.cost, 90.0, self.note)
            changes.append(FakePlannedChange(target.key, change))
        return tuple(changes)

    def solve(
        self,
        targets: Sequence[Target],
        *,
        inputs: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        if self.broken:
            error, self.broken = self.broken, None
            raise error
        stop = cancelled or threading.Event()
        self.solved_with = dict(inputs or {})
        self.values.update(self.solved_with)
        results: dict[str, Result] = {}
        began = time.monotonic()
        for target in targets:
            key = target.key
            if key in self.done:
                results[key] = self._result(key)
                yield WorkFinished(key, results[key], 0.0)
                continue
            if stop.is_set():
                results[key] = Result(Status.SKIPPED, "Not begun: the run was stopped.")
                continue
            yield WorkStarted(key)
            if self.asks_person:
                yield PersonNeeded(
                    key, "Open the page and type the code.", "https://microsoft.com/devicelogin", "ABCD-1234"
                )
            for line in range(self.lines):
                yield Said(key, f"PUT /subscriptions/0001/resourceGroups/[{key}] line {line + 1}")
                self._pause(stop)
                if line % 4 == 3:
                    yield Progressed(key, "The workspace is being made", time.monotonic() - began, 90.0)
            while self.hold is not None and not self.hold.is_set() and not stop.is_set():
                self.hold.wait(0.01)
            if stop.is_set():
                results[key] = Result(Status.SKIPPED, "Stopped as you asked.", next_action="Run it again to go on.")
            else:
                self.done.add(key)
                results[key] = self._result(key)
            yield WorkFinished(key, results[key], time.monotonic() - began)
        yield RunFinished(results, time.monotonic() - began, stop.is_set())

    def doubts(self, *, removing_all: bool = False) -> Survey:
        self.surveyed.append(removing_all)
        return self.seen

    def rebuild(self, seen: Survey) -> Rebuilt:
        self.seen = Survey()
        return Rebuilt(Path("ledger.jsonl.damaged-1"), 7, seen.found, (), True)

    def plan_teardown(self, targets: Sequence[Target] | None = None) -> tuple[FakePlannedChange, ...]:
        made = targets if targets is not None else [t for t in self._targets.values() if not t.step.keep]
        return tuple(
            FakePlannedChange(t.key, Change("delete", t.step.title, f"{self.values['prefix']}-{t.environment}"))
            for t in made
            if t.key in self.done and t.step.undo
        )

    def teardown(
        self, targets: Sequence[Target] | None = None, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        results: dict[str, Result] = {}
        for planned in self.plan_teardown(targets):
            key = planned.target_key
            yield WorkStarted(key)
            yield Said(key, f"DELETE {key}")
            self._pause(cancelled)
            self.done.discard(key)
            results[key] = Result(Status.PASSED, "Nothing of this wizard's is left here.")
            yield WorkFinished(key, results[key], 0.1)
        yield RunFinished(results, 0.1)

    def actions(self, target: Target) -> tuple[Action, ...]:
        labels = {"workspace.start": "Start the machines", "workspace.stop": "Stop the machines"}
        return tuple(Action(name, labels[name], lambda context: None) for name in target.step.actions)

    def act(
        self, targets: Sequence[Target], action: str, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        self.acted.append((action, tuple(target.key for target in targets)))
        if action == "workspace.stop":
            self.costs = Cost()
        results = {target.key: self._result(target.key) for target in targets}
        for target in targets:
            yield WorkStarted(target.key)
            yield Said(target.key, f"{action} is asked for")
            self._pause(cancelled)
            yield WorkFinished(target.key, results[target.key], 0.1)
        yield RunFinished(results, 0.1)

    def cost(self) -> Cost:
        return self.costs

    def missing(self, targets: Sequence[Target]) -> tuple[Input, ...]:
        asked = dict.fromkeys(name for target in targets for name in target.step.inputs)
        return tuple(INPUTS[name] for name in asked if not self.values.get(name))

    def value(self, name: str) -> str:
        return self.values.get(name, "") or INPUTS[name].default

    def input_problem(self, name: str, value: str) -> str:
        judged = name == "prefix" or INPUTS[name].options or INPUTS[name].secret or INPUTS[name].long
        return INPUTS[name].validate(value) if judged else "" if value else "This is needed."

    def options(self, name: str) -> tuple[tuple[str, str], ...]:
        self._pause()
        return OPTIONS.get(name, ())

    def name_preview(self, prefix: str) -> tuple[tuple[str, str, str], ...]:
        kinds = (("Resource group", "-rg"), ("Data lake", "lake"), ("Key Vault", "-kv"))
        return tuple((str(env), kind, f"{prefix}-{env}{end}") for env in (DEV, PIPELINE, PROD) for kind, end in kinds)

    def target(self, key: str) -> Target:
        return self._targets[key]

    def with_needs(self, targets: Sequence[Target]) -> Sequence[Target]:
        keys = {target.key for target in targets}
        keys |= {need for key in keys for need in self.needs[key]}
        return [target for key, target in self._targets.items() if key in keys]

    def prerequisites(self, section: Section) -> tuple[Target, ...]:
        numbers = {found.id: found.number for found in self.lab.sections}
        return tuple(t for t in self._targets.values() if numbers[t.step.section] < section.number)

    def last_results(self) -> Mapping[str, str]:
        return self.remembered

    def regressions(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        return tuple(
            key
            for key, result in results.items()
            if self.remembered.get(key) == "passed" and result.status is Status.FAILED
        )

    def portal_url(self, target: Target) -> str:
        return f"https://portal.example/{target.key}" if target.step.portal else ""

    def doctor(self) -> tuple[Mapping[str, str], Iterator[Event]]:
        titles = {"python": "Python", "keyring": "Keyring", "network": "Network"}

        def events() -> Iterator[Event]:
            results = {
                "python": Result(Status.PASSED, "Python 3.11.7."),
                "keyring": Result(Status.UNKNOWN, "No keyring here: secrets are kept for this session only."),
                "network": Result(Status.FAILED, "No answer.", next_action="Look at your network."),
            }
            for key, result in results.items():
                yield CheckStarted(key)
                self._pause()
                yield CheckFinished(key, result, 0.1)
            yield RunFinished(results, 0.1)

        return titles, events()

    def close(self) -> None:
        self.closed = True


if __name__ == "__main__":
    import sys
    import tempfile

    from hol_wizard.tui.app import run

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    fake = FakeWizard(Home(folder / "config", folder / "state"), pace=0.15, lines=40, costs=RUNS)
    sys.exit(run(fake.as_wizard))
