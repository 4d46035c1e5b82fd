"""The tasks that the practice agent knows: their names, versions and inputs, as data.

The data is in `first.toml` (the lab's tasks and the most common ones) and `second.toml`. What a task does is the
agent's. Source: the `task.json` files of microsoft/azure-pipelines-tasks (MIT); the tests compare names, aliases and
choices with the official schema.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

POWERSHELL_PREFERENCES = (
    "errorActionPreference",
    "warningPreference",
    "informationPreference",
    "verbosePreference",
    "debugPreference",
    "progressPreference",
)
"""Inputs of PowerShell@2, and of its shorthands, whose values become variables of PowerShell with the same names."""
_FILES = ("first.toml", "second.toml")
_TERM = re.compile(r"(\w+)\s*(==?|!=)\s*(\S+)\Z")


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a task."""

    name: str
    aliases: tuple[str, ...] = ()
    kind: str = "string"
    """`string`, `multiLine`, `boolean`, `filePath`, `pickList`, or `connectedService:TYPE`."""
    default: str = ""
    """May have macros."""
    required: bool = False
    options: tuple[str, ...] = ()
    """Of a `pickList`: its values."""
    visible: str = ""
    """A condition over other inputs; an input that is not visible is not asked for. Empty: always."""
    refused: Mapping[str, str] | None = None
    """Values that the practice agent does not know, with the reasons."""

    @property
    def is_connection(self) -> bool:
        """Return whether its value names a service connection."""
        return self.kind.startswith("connectedService")

    def is_visible(self, values: Mapping[str, str]) -> bool:
        """Return whether it is asked for, with these values of the other inputs by their names."""
        if not self.visible:
            return True
        return any(
            all(_holds(term.strip(), values) for term in either.split("&&")) for either in self.visible.split("||")
        )


def _holds(term: str, values: Mapping[str, str]) -> bool:
    found = _TERM.match(term)
    if found is None:
        raise ValueError(term)
    same = values.get(found[1], "").lower() == found[3].lower()
    return same if found[2] != "!=" else not same


@dataclass(frozen=True, slots=True)
class Task:
    """One major version of a task."""

    name: str
    major: int
    id: str
    """A GUID; a step can name a task by it, too."""
    version: str
    """The whole version that is imitated, for logs and timeline records."""
    title: str
    description: str
    help: str
    inputs: tuple[Input, ...] = ()
    server: bool = False
    """Whether it runs without an agent, in a job with `pool: server`."""

    @property
    def reference(self) -> str:
        """Return it as a step names it."""
        return f"{self.name}@{self.major}"

    def input(self, name: str) -> Input | None:
        """Return an input by its name or an alias, in any case."""
        wanted = name.lower()
        return next(
            (each for each in self.inputs if wanted in (each.name.lower(), *map(str.lower, each.aliases))), None
        )

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the values of all inputs by their names: what is given, or else the defaults."""
        return {each.name: given.get(each.name, each.default) for each in self.inputs}

    def missing(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the inputs that are required with these values, and are empty."""
        return tuple(
            each.name
            for each in self.inputs
            if each.required and not values.get(each.name, "").strip() and each.is_visible(values)
        )


@functools.cache
def known() -> Mapping[str, Task]:
    """Return all tasks by `name@major` in lowercase, and by `id@major`."""
    found: dict[str, Task] = {}
    for file in _FILES:
        text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
        for document in tomllib.loads(text)["tasks"]:
            task = _task(document)
            found[task.reference.lower()] = found[f"{task.id}@{task.major}".lower()] = task
    return found


def find(reference: str) -> Task | None:
    """Return the task of a step's `task`, such as `Bash@3`, or None."""
    return known().get(reference.strip().lower())


def majors(name: str) -> tuple[int, ...]:
    """Return the versions that are known of a task, by its name or ID."""
    wanted = name.strip().lower()
    return tuple(sorted({each.major for each in known().values() if wanted in (each.name.lower(), each.id.lower())}))


def _task(document: Mapping[str, Any]) -> Task:
    inputs = tuple(_input(name, each) for name, each in document.get("inputs", {}).items())
    return Task(
        name=document["name"],
        major=document["major"],
        id=document["id"],
        version=document["version"],
        title=document["title"],
        description=document["description"],
        help=document["help"],
        inputs=inputs,
        server=document.get("server", False),
    )


def _input(name: str, document: Mapping[str, Any]) -> Input:
    options = tuple(document.get("options", ()))
    return Input(
        name=name,
        aliases=tuple(document.get("aliases", ())),
        kind=document.get("type", "pickList" if options else "string"),
        default=document.get("default", ""),
        required=document.get("required", False),
        options=options,
        visible=document.get("visible", ""),
        refused=document.get("refused"),
    )
