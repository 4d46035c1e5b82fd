"""The build pipeline's file, compared with the starter's: task by task, trigger and variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import yaml

from hol_wizard.engine.results import Expectation


class UnreadableFileError(Exception):
    """The file is not a pipeline that can be compared; the message says why."""


class _Loader(yaml.BaseLoader):  # type: ignore[misc]  # PyYAML has no types.
    """Reads every value as text, as Azure Pipelines does: `3.10` is no number.

    Azure Pipelines supports neither anchors nor aliases (https://learn.microsoft.com/azure/devops/pipelines/yaml-schema).
    Nested aliases would also make a small file expand to millions of tasks.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node.

        Raises:
            yaml.composer.ComposerError: It is an alias.
        """
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "Azure Pipelines does not support aliases", mark)
        return super().compose_node(parent, index)


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a pipeline."""

    name: str
    """With its version: `AzureCLI@2`."""
    title: str
    """Its display name, or its name."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """By name in lowercase."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Its own environment variables (`env`)."""
    condition: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """The contents of a build pipeline's file."""

    tasks: tuple[Task, ...]
    trigger: Any
    """As it is in the file; None if it is missing."""
    groups: tuple[str, ...]
    """Names of its variable groups."""
    images: tuple[str, ...]
    """The pools that it names: images of Microsoft's agents, or names of pools."""

    def starts_for(self, branch: str) -> bool:
        """Return whether a push to a branch starts it.

        Without a trigger every push does (Azure Pipelines, "Build Azure Repos Git repositories"); an organization can
        turn that off.
        """
        if self.trigger is None:
            return True
        if isinstance(self.trigger, str):
            return self.trigger.lower() != "none" and _fits(branch, [self.trigger])
        if isinstance(self.trigger, list):
            return _fits(branch, self.trigger)
        named = self.trigger.get("branches") if isinstance(self.trigger, dict) else None
        if isinstance(named, list):
            return _fits(branch, named)
        if not isinstance(named, dict):
            # With tags only, no branch starts a run.
            return isinstance(self.trigger, dict) and "tags" not in self.trigger
        return _fits(branch, named.get("include") or ["*"]) and not _fits(branch, named.get("exclude") or [])


def _fits(branch: str, patterns: Sequence[Any]) -> bool:
    plain = (str(each).removeprefix("refs/heads/") for each in patterns)
    return any(fnmatchcase(branch, each) for each in plain)


def read(text: str) -> PipelineFile:
    """Return the contents of a file.

    Raises:
        UnreadableFileError: It is not YAML, or not a pipeline.
    """
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 - it makes only texts, lists and mappings
    except yaml.MarkedYAMLError as error:
        place = f" (line {error.problem_mark.line + 1})" if error.problem_mark is not None else ""
        raise UnreadableFileError(f"it is not valid YAML: {error.problem}{place}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UnreadableFileError(f"it is not valid YAML: {error}") from error
    if not isinstance(found, dict):
        raise UnreadableFileError("it has no top-level keys")
    variables = found.get("variables")
    groups = [each.get("group") for each in variables if isinstance(each, dict)] if isinstance(variables, list) else []
    return PipelineFile(
        tasks=tuple(_task(each) for each in _steps(found)),
        trigger=found.get("trigger"),
        groups=tuple(str(each) for each in groups if each),
        images=tuple(dict.fromkeys(_pools(found))),
    )


def _steps(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Iterate over the steps of all jobs, in the order of the file."""
    for name in ("stages", "jobs", "steps"):
        listed = part.get(name)
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict):
                yield from (each,) if name == "steps" else _steps(each)


def _pools(part: Mapping[str, Any]) -> Iterator[str]:
    pool = part.get("pool")
    if isinstance(pool, str):
        yield pool
    elif isinstance(pool, dict):
        yield str(pool.get("vmImage") or pool.get("name") or "")
    for name in ("stages", "jobs"):
        listed = part.get(name)
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict):
                yield from _pools(each)


def _task(step: Mapping[str, Any]) -> Task:
    name = str(step.get("task") or next(iter(step), ""))
    return Task(
        name=name,
        title=str(step.get("displayName") or name),
        inputs={key.lower(): value.strip() for key, value in _texts(step.get("inputs")).items()},
        variables=_texts(step.get("env")),
        condition=str(step.get("condition") or ""),
        enabled=str(step.get("enabled", "true")).lower() != "false",
    )


def _texts(found: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def compare(found: PipelineFile, expected: PipelineFile) -> tuple[Expectation, ...]:
    """Compare a file with the starter's: one expectation for each task of the starter, and one for each difference.

    Tasks that the person has added are welcome; the starter's must be there, in its order.
    """
    seen: list[Expectation] = []
    places: list[int] = []
    left = list(enumerate(found.tasks))
    for task in expected.tasks:
        match = next((each for each in left if each[1].title == task.title), None) or next(
            (each for each in left if _kind(each[1]) == _kind(task) and each[1].inputs == task.inputs), None
        )
        if match is None:
            seen.append(Expectation(task.title, task.name, "missing", met=False))
            continue
        left.remove(match)
        places.append(match[0])
        differences = list(_differences(match[1], task))
        seen.append(Expectation(task.title, task.name, "; ".join(differences) or task.name, not differences))
    if places != sorted(places):
        seen.append(Expectation("Order of the tasks", "as in the starter", "another one", met=False))
    for group in expected.groups:
        there = group in found.groups
        seen.append(Expectation("Variable group", group, ", ".join(found.groups) or "none", there))
    return tuple(seen)


def _kind(task: Task) -> str:
    return task.name.partition("@")[0].lower()


def _differences(found: Task, expected: Task) -> Iterator[str]:
    if found.name.lower() != expected.name.lower():
        yield f"is {found.name}"
    if not found.enabled:
        yield "is disabled"
    for what, mine, theirs in (
        ("", expected.inputs, found.inputs),
        ("env ", expected.variables, found.variables),
    ):
        for name, value in mine.items():
            actual = theirs.get(name)
            if actual is None:
                yield f"{what}{name} is missing"
            elif actual.strip() != value.strip():
                yield f"{what}{name} is {_short(actual)}"
    if found.condition != expected.condition:
        yield f"condition is {found.condition or 'missing'}"


def _short(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else "empty"
    return first if len(first) <= 60 and "\n" not in text.strip() else f"{first[:59]}…"
