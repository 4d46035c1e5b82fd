"""A small lab, and the fake wizard over it, for the front ends that show lines."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hol_wizard.doctor.cost import Running
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.lab.model import Environment, Lab, Role, Section, Step
from hol_wizard.wizard.stand_ins import StandIns
from tests import fake_wizard
from tests.fake_wizard import CHECK, PASSED, SOLVE, UNDO

__all__ = ["PASSED"]

CHOSEN = {"prefix": "lab", "location": "westeurope", "alias": "jane"}
NAMES = "set-up/choose-your-names"
NAMED = ("prefix", "alias")

LONG_COMMAND = "az account list --output table --only-show-errors " + '--query "[].{name:name, id:id}" ' * 3

ENVIRONMENTS = (Environment.DEV, Environment.PIPELINE, Environment.PROD)

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


def small_lab(inputs: tuple[str, ...] = NAMED) -> Lab:
    """Return a lab of three sections: a step that asks for these inputs, groups in three places, and no check."""
    names = Step(
        "choose-your-names",
        "set-up",
        "Choose your names",
        f"Choose a **prefix**, see [the rules](https://example.com/rules).\n\n```bash\n{LONG_COMMAND}\n```",
        9,
        check=CHECK,
        solve=SOLVE,
        inputs=inputs,
        hints=("A short one.", "hol"),
        keep=True,
    )
    groups = Step(
        "create-groups",
        "groups",
        "Create the groups",
        "Make the groups.",
        9,
        check=CHECK,
        solve=SOLVE,
        undo=UNDO,
        actions=("groups.lock", "groups.unlock"),
        for_each=ENVIRONMENTS,
        needs=("set-up",),
        portal="resource_group",
        cost="free",
        minutes=5,
    )
    train = Step(
        "train-it", "train", "Train it", "By hand.", 9, human="The model is yours to train.", needs=("groups",)
    )
    path = Path("screens")
    return Lab(
        (
            Section("set-up", 1, "Set up", Role.EVERYONE, 5, (), "Welcome.", (names,), path / "01.md"),
            Section("groups", 2, "Create groups", Role.ORGANIZER, 5, ("set-up",), "Three.", (groups,), path / "02.md"),
            Section("train", 3, "Train the model", Role.SCIENTIST, 30, (), "Learn.", (train,), path / "03.md"),
        )
    )


def reading_lab() -> Lab:
    """Return a lab in which a step that can be done needs one that only a person can judge."""
    read = Step("read-it", "train", "Read it", "Read the code.", 9, confirm="I have read the code of {alias}.")
    run = Step(
        "run-it", "train", "Run it", "Run it.", 19, check=CHECK, solve=SOLVE, undo=UNDO, needs=("train/read-it",)
    )
    hand = Step("look-at-it", "train", "Look at it", "Look.", 29)
    section = Section("train", 1, "Train", Role.SCIENTIST, 30, (), "Learn.", (read, run, hand), Path("screens/01.md"))
    return Lab((section,))


READ, RUN = "train/read-it", "train/run-it"
"""Keys in the reading lab."""


class FakeWizard(fake_wizard.FakeWizard):
    """A wizard over the small lab, in files of its own; the names are chosen, the groups do not exist."""

    def __init__(
        self,
        results: Mapping[str, Result] | None = None,
        saved: Mapping[str, str] = CHOSEN,
        inputs: tuple[str, ...] = ("prefix", "alias"),
        lab: Lab | None = None,
        stand_ins: StandIns | None = None,
    ) -> None:
        # It is removed together with the wizard.
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        super().__init__(Path(self._folder.name), lab or small_lab(inputs), stand_ins, **saved)
        self.examined = {"python": PASSED}
        if self.profile.choices.alias:
            self.world.done.add(NAMES)
        for key, result in (results or {}).items():
            if result is PASSED:
                self.world.finish(key)
            else:
                self.world.done.discard(key)
                self.world.results[key] = result


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
