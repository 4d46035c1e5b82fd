"""The command itself, as people run it, against a practice cloud of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hol_wizard.practice.process import launch

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "hol_wizard")


@dataclass
class Machine:
    """An empty machine with the wizard on it."""

    home: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a command gets."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOL_WIZARD", "AZURE_"))}
        own = {"HOL_WIZARD_HOME": str(self.home), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        return {**kept, **own, **self.more}

    def run(self, *words: str, typed: str = "", timeout: float = 100) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*COMMAND, *words],
            input=typed,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self.environment,
            timeout=timeout,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=self.environment,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "home")
    yield made
    launch.stop(made.home / "state" / "practice")


def of_the_attendee(machine: Machine) -> Machine:
    """Make git know the attendee, and put the clone beside the wizard's own folder."""
    for each in ("AUTHOR", "COMMITTER"):
        machine.more |= {f"GIT_{each}_NAME": "Alex Attendee", f"GIT_{each}_EMAIL": "attendee@practice.example"}
    machine.more |= {"HOL_WIZARD_CLONE_FOLDER": str(machine.home.parent / "clone" / "practice-hol")}
    return machine


@pytest.fixture
def attendees_machine(machine: Machine) -> Machine:
    """A machine whose git knows the attendee, and whose clone is beside the wizard's own folder."""
    return of_the_attendee(machine)
