"""Somebody with a wizard: what the tests of the steps do, through the real Wizard and the real clients."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hol_wizard.engine.events import Event, Progressed, RunFinished, Said
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Result, Status
from hol_wizard.lab import loader
from hol_wizard.lab.model import Environment, Lab, Target
from hol_wizard.lab.names import EnvironmentNames
from hol_wizard.paths import Home
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.wizard.facade import Wizard, open_wizard

DEFAULTS = {"prefix": "practice", "location": "westeurope", "alias": "attendee"}

GROUP = "resource-groups/create-the-three-resource-groups"
PROVIDERS = "workspace-resources/register-the-resource-providers"
LEARNING = "workspace-resources/add-a-machine-learning-workspace"
LAKE = "workspace-resources/add-a-data-lake"
VAULT = "workspace-resources/add-a-key-vault"
DATABRICKS = "workspace-resources/add-a-databricks-workspace"
REGISTRY = "workspace-resources/add-a-container-registry"
NAMES, SIGN_IN, SUBSCRIPTION = "set-up/choose-your-names", "set-up/sign-in", "set-up/choose-the-subscription"

WHOLE = (
    *(NAMES, SIGN_IN, SUBSCRIPTION),
    *(f"{GROUP}@{name}" for name in ("dev", "pipeline", "prod")),
    PROVIDERS,
    *(f"{step}@{name}" for step in (LEARNING, LAKE, VAULT, DATABRICKS) for name in ("dev", "pipeline")),
    f"{REGISTRY}@prod",
)
"""All that a solve of the section workspace-resources covers."""


@cache
def the_lab(screens: Path | None = None) -> Lab:
    """A lab's documents, parsed once a process: every thing done here makes a wizard."""
    return loader.load(screens)


@dataclass
class Seen:
    """A run, drained."""

    events: list[Event]

    @property
    def last(self) -> RunFinished:
        last = self.events[-1]
        assert isinstance(last, RunFinished)
        return last

    @property
    def results(self) -> Mapping[str, Result]:
        return self.last.results

    @property
    def statuses(self) -> dict[str, Status]:
        return {key: result.status for key, result in self.results.items()}

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Said))

    @property
    def progress(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Progressed)]

    def all_passed(self) -> bool:
        return set(self.statuses.values()) == {Status.PASSED}


def drain(events: Iterable[Event]) -> Seen:
    return Seen(list(events))


@dataclass
class Attendee:
    """One person's files, and a new wizard over them for each thing done: as after a restart."""

    root: Path
    endpoints_file: Path
    profile: str = "default"
    defaults: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    flags: Mapping[str, str | None] = field(default_factory=dict)
    screens: Path | None = None
    """Folder of the lab's documents; None: those that come with the wizard."""

    @property
    def home(self) -> Home:
        return Home(self.root / "config", self.root / "state")

    def wizard(self) -> Wizard:
        return open_wizard(
            home=self.home,
            cloud="practice",
            profile=self.profile,
            connect=lambda: Endpoints.of_file(self.endpoints_file),
            flags=self.flags,
            environ=os.environ,
            defaults=self.defaults,
            lab=the_lab(self.screens),
        )

    def targets(self, wizard: Wizard, keys: Sequence[str]) -> tuple[Target, ...]:
        return tuple(target for key in keys for target in wizard.targets([key]))

    def check(self, *keys: str, **options: Any) -> Seen:
        wizard = self.wizard()
        return drain(wizard.check(self.targets(wizard, keys) if keys else None, **options))

    def look(self, key: str) -> Result:
        return self.check(key).results[key]

    def solve(
        self, *keys: str, inputs: Mapping[str, str] | None = None, cancelled: threading.Event | None = None
    ) -> Seen:
        """Solve, and agree to what is asked again, as with `--yes`."""
        wizard = self.wizard()
        targets = self.targets(wizard, keys)
        seen = drain(wizard.solve(targets, inputs=inputs, cancelled=cancelled))
        if any(result.ask_again for result in seen.results.values()):
            agreed = wizard.plan(targets, inputs)
            again = drain(wizard.solve(targets, inputs=inputs, cancelled=cancelled, agreed=agreed))
            seen = Seen([*seen.events, *again.events])
        return seen

    def plan(self, *keys: str, inputs: Mapping[str, str] | None = None) -> dict[str, list[Change]]:
        wizard = self.wizard()
        return _by_key(wizard.plan(self.targets(wizard, keys), inputs=inputs))

    def plan_teardown(self, *keys: str) -> dict[str, list[Change]]:
        wizard = self.wizard()
        return _by_key(wizard.plan_teardown(self.targets(wizard, keys) if keys else None))

    def teardown(self, *keys: str) -> Seen:
        wizard = self.wizard()
        return drain(wizard.teardown(self.targets(wizard, keys) if keys else None))

    def names(self, environment: str = "dev") -> EnvironmentNames:
        return self.wizard().names.of(Environment(environment))

    def ledger(self) -> list[dict[str, str]]:
        path = self.home.ledger_file("practice", self.profile)
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def clone(attendee: Attendee) -> Path:
    """Return the top folder of their clone."""
    return Path(attendee.wizard().names.clone_folder)


def git(attendee: Attendee, *words: str) -> str:
    """Run git in their clone, as they do by hand, and return its output."""
    return subprocess.run(["git", *words], cwd=clone(attendee), check=True, capture_output=True, text=True).stdout


def _by_key(changes: Iterable[Any]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for planned in changes:
        found.setdefault(planned.target_key, []).append(planned.change)
    return found
