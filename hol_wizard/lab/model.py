"""The parts of a lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hol_wizard.lab.declared import Declared


class Role(StrEnum):
    """Who does a section."""

    EVERYONE = "everyone"
    ORGANIZER = "organizer"
    SCIENTIST = "scientist"
    OPERATIONS = "operations"


class Environment(StrEnum):
    """One of the lab's three environments, each with its own resource group."""

    DEV = "dev"
    PIPELINE = "pipeline"
    PROD = "prod"


@dataclass(frozen=True, slots=True)
class Step:
    """One `## ` heading of a section's document."""

    id: str
    """The heading's slug: `create-the-three-resource-groups`."""
    section: str
    title: str
    body: str
    """Markdown below the heading, placeholders not filled in."""
    line: int
    """Line of the heading in the document, from 1."""
    check: str = ""
    """Registered name of the check; empty: no check yet."""
    solve: str = ""
    undo: str = ""
    declared: Mapping[str, Declared] = field(default_factory=dict, hash=False)
    """What the document declares instead of naming a function, by `check`, `solve` and `undo`."""
    arguments: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Arguments of the kind of resource for check, solve and undo; placeholders are not filled in."""
    actions: tuple[str, ...] = ()
    """Registered names of its actions, such as starting and stopping a cluster."""
    for_each: tuple[Environment, ...] = ()
    needs: tuple[str, ...] = ()
    """Section ids, or `section/step`, that must pass before; includes this section's needs."""
    after: tuple[str, ...] = ()
    """Section ids, or `section/step`, that come first in a run that includes them, whether they pass or not."""
    inputs: tuple[str, ...] = ()
    """Names of the inputs (`hol_wizard.lab.inputs`) that its solve asks for."""
    hints: tuple[str, ...] = ()
    """From a first idea to the exact command; placeholders are not filled in."""
    portal: str = ""
    """Name of the portal page that shows the resource (`hol_wizard.lab.portal`); empty if there is none."""
    cost: str = ""
    minutes: float | None = None
    human: str = ""
    """What only a person can do: the reason why there is no solve, or the person's part if there is one."""
    person: str = ""
    """The person who must do it (`hol_wizard.lab.people`); empty if anybody can, or the wizard."""
    confirm: str = ""
    """What the person confirms, for a step that only they can judge; empty if it cannot be confirmed."""
    keep: bool = False
    """Whether a teardown of everything skips it: it is undone only if it is named."""

    @property
    def key(self) -> str:
        """`section/step`."""
        return f"{self.section}/{self.id}"


@dataclass(frozen=True, slots=True)
class Section:
    """One document of the lab."""

    id: str
    number: int
    """Place in the lab, from 1."""
    title: str
    role: Role
    minutes: int
    needs: tuple[str, ...]
    intro: str
    """Markdown before the first step, placeholders not filled in."""
    steps: tuple[Step, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class Lab:
    """All sections, in the lab's order."""

    sections: tuple[Section, ...]
    title: str = ""
    introduction: str = ""
    """What the lab is about, in one or a few sentences."""
    defaults: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Default values of inputs."""
    folder: Path | None = None
    """Where its documents are; None if they come with the wizard."""

    def section(self, section_id: str) -> Section:
        """Return the section with this id.

        Raises:
            KeyError: There is none.
        """
        for section in self.sections:
            if section.id == section_id:
                return section
        raise KeyError(section_id)

    @property
    def steps(self) -> Mapping[str, Step]:
        """Every step under its key, in the lab's order."""
        return {step.key: step for section in self.sections for step in section.steps}


@dataclass(frozen=True, slots=True)
class Target:
    """A step in one environment, or a step without environments: the unit that is checked, solved and undone."""

    step: Step
    environment: Environment | None = None

    @property
    def key(self) -> str:
        """`section/step@environment`, or `section/step`."""
        return f"{self.step.key}@{self.environment}" if self.environment else self.step.key

    @property
    def title(self) -> str:
        """The step's title, with the environment if there is one."""
        return f"{self.step.title} ({self.environment})" if self.environment else self.step.title


def targets_of(step: Step) -> tuple[Target, ...]:
    """Return the step once for each of its environments, or once if it has none."""
    return tuple(Target(step, environment) for environment in step.for_each) or (Target(step),)
