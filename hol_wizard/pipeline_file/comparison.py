"""The lab's pipeline and somebody's, compared task by task."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hol_wizard.pipeline_file.document import PipelineFile, Trigger, Value, WrittenStep, read

MAX_MINUTES = 60
"""A free Microsoft-hosted job ends after this time: https://learn.microsoft.com/azure/devops/pipelines/licensing."""
NOT_THERE = "missing"
_ALIASES: Mapping[str, str] = {
    "connectedservicenamearm": "azuresubscription",
    "args": "arguments",
    "scriptarguments": "arguments",
    "cwd": "workingdirectory",
    "testrunner": "testresultsformat",
    "path": "targetpath",
    "artifactname": "artifact",
    "artifacttype": "publishlocation",
}
"""Other names of the inputs of the lab's tasks, in lowercase; the service writes them into an expanded pipeline."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One property that was compared."""

    what: str
    """For example `Train Model: scriptPath`."""
    expected: str
    actual: str
    line: int
    """Where it is set, or where the task is; 0 if nothing is there."""
    met: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was compared."""

    findings: tuple[Finding, ...]
    """In the order of the lab's file."""
    templates: tuple[Value, ...] = ()
    """Templates that the file uses. What they have in it counts as missing here; compare the expanded text instead."""

    @property
    def differences(self) -> tuple[Finding, ...]:
        """Return what is missing or set otherwise."""
        return tuple(each for each in self.findings if not each.met)


def compare(text: str, wanted: str) -> Comparison:
    """Compare a pipeline with the lab's.

    Tasks of one's own are allowed, also between the lab's; and so are further inputs, groups and branches.

    Args:
        text: The YAML, as it is in the repository or as the service has expanded it.
        wanted: The lab's YAML, with the reader's names.

    Raises:
        PipelineFileError: The first text cannot be read.
    """
    ours, theirs = read(wanted), read(text)
    findings = [_trigger(ours.trigger, theirs.trigger), _image(ours, theirs), *_groups(ours, theirs)]
    findings += [_timeout(ours, theirs), *_steps(ours.steps, theirs.steps)]
    return Comparison(tuple(findings), theirs.templates)


def _trigger(ours: Trigger, theirs: Trigger) -> Finding:
    wanted = (ours.branches or ("",))[0]
    if theirs.branches is None and not theirs.excluded:
        actual, met = "every branch", False
    elif theirs.branches == ():
        actual, met = "none", False
    else:
        included = any(_matches(wanted, each) for each in theirs.branches or ("*",))
        met = included and not any(_matches(wanted, each) for each in theirs.excluded) and not theirs.by_path
        actual = ", ".join(theirs.branches or ("every branch",))
        if theirs.excluded:
            actual += f", without {', '.join(theirs.excluded)}"
        if theirs.by_path:
            actual += ", only for certain paths"
    return Finding("Trigger", wanted, actual, theirs.line, met)


def _matches(branch: str, pattern: str) -> bool:
    # Square brackets have no meaning in a branch filter.
    escaped = pattern.removeprefix("refs/heads/").replace("[", "[[]")
    return fnmatch.fnmatchcase(branch.removeprefix("refs/heads/"), escaped)


def _image(ours: PipelineFile, theirs: PipelineFile) -> Finding:
    wanted = ours.images[0].text
    if theirs.pools and not theirs.images:
        own = theirs.pools[0]
        return Finding("Agent", wanted, f"the pool {own.text}", own.line, met=own.text.lower() != "server")
    other = next((each for each in theirs.images if each.text.lower() != wanted.lower()), None)
    found = other or (theirs.images[0] if theirs.images else None)
    return Finding("Agent", wanted, found.text if found else NOT_THERE, found.line if found else 0, found is not other)


def _groups(ours: PipelineFile, theirs: PipelineFile) -> Iterator[Finding]:
    for wanted in ours.groups:
        found = next((each for each in theirs.groups if each.text.lower() == wanted.text.lower()), None)
        actual = ", ".join(each.text for each in theirs.groups) or NOT_THERE
        line = found.line if found else theirs.groups[0].line if theirs.groups else 0
        yield Finding("Variable group", wanted.text, actual, line, found is not None)


def _timeout(ours: PipelineFile, theirs: PipelineFile) -> Finding:
    wanted = f"less than {MAX_MINUTES} minutes"
    if not theirs.timeouts:
        return Finding("Time limit of the job", wanted, f"{MAX_MINUTES} minutes, the default", 0, met=False)
    longest = max(theirs.timeouts, key=lambda each: int(each.text) if each.text.isdecimal() else MAX_MINUTES)
    met = longest.text.isdecimal() and 0 < int(longest.text) < MAX_MINUTES
    actual = f"{longest.text} minutes" if longest.text.isdecimal() else longest.text
    return Finding("Time limit of the job", wanted, actual, longest.line, met)


def _steps(ours: tuple[WrittenStep, ...], theirs: tuple[WrittenStep, ...]) -> Iterator[Finding]:
    pairs = _pairs(ours, theirs)
    last: WrittenStep | None = None
    for wanted in ours:
        found = pairs.get(wanted.line)
        title = wanted.display_name or wanted.task
        if found is None:
            yield Finding(f"Task {title}", wanted.task, NOT_THERE, 0, met=False)
            continue
        yield Finding(f"Task {title}", wanted.task, found.task, found.line, found.task.lower() == wanted.task.lower())
        if found.display_name != wanted.display_name:
            actual = found.display_name or NOT_THERE
            yield Finding(f"{title}: displayName", wanted.display_name, actual, found.line, met=False)
        if last is not None and found.line < last.line:
            after = last.display_name or last.task
            yield Finding(f"{title}: order", f"after {after}", f"before {after}", found.line, met=False)
        last = found if last is None or found.line > last.line else last
        yield from _properties(title, wanted, found)


def _pairs(ours: tuple[WrittenStep, ...], theirs: tuple[WrittenStep, ...]) -> dict[int, WrittenStep]:
    """Return for each of the lab's steps, by its line, the one that is meant by it."""
    free = list(theirs)
    pairs: dict[int, WrittenStep] = {}
    for same in (_same_name_and_task, _same_name, _same_place):
        for wanted in ours:
            if wanted.line in pairs:
                continue
            found = next((each for each in free if same(wanted, each)), None)
            if found is not None:
                pairs[wanted.line] = found
                free.remove(found)
    return pairs


def _same_name_and_task(wanted: WrittenStep, each: WrittenStep) -> bool:
    return _same_name(wanted, each) and wanted.task.lower() == each.task.lower()


def _same_name(wanted: WrittenStep, each: WrittenStep) -> bool:
    name = wanted.display_name.casefold()
    return name == each.display_name.casefold() and _kind(wanted) == _kind(each)


def _same_place(wanted: WrittenStep, each: WrittenStep) -> bool:
    """Return whether a step with another name does the same: the same task with the same script, files or artifact."""
    if _kind(wanted) != _kind(each):
        return False
    theirs = {_ALIASES.get(name, name): value.text for name, value in each.inputs.items()}
    telling = [name for name in wanted.inputs if name not in ("azuresubscription", "scripttype", "scriptlocation")]
    return any(_normal(theirs.get(name, "")) == _normal(wanted.inputs[name].text) for name in telling)


def _kind(step: WrittenStep) -> str:
    return step.task.partition("@")[0].lower()


def _properties(title: str, wanted: WrittenStep, found: WrittenStep) -> Iterator[Finding]:
    theirs = {_ALIASES.get(name, name): value for name, value in found.inputs.items()}
    for name, value in wanted.inputs.items():
        yield _property(f"{title}: {wanted.spelled[name]}", value, theirs.get(_ALIASES.get(name, name)), found)
    for name, value in wanted.env.items():
        yield _property(f"{title}: env {name}", value, found.env.get(name), found)
    if wanted.condition is not None:
        yield _property(f"{title}: condition", wanted.condition, found.condition, found)
    elif found.condition is not None and _normal(found.condition.text) != "succeeded()":
        yield Finding(f"{title}: condition", "succeeded()", found.condition.text, found.condition.line, met=False)
    if found.enabled is not None and found.enabled.text.lower() == "false":
        yield Finding(f"{title}: enabled", "true", "false", found.enabled.line, met=False)
    if found.continue_on_error is not None and found.continue_on_error.text.lower() != "false":
        actual = found.continue_on_error
        yield Finding(f"{title}: continueOnError", "false", actual.text, actual.line, met=False)


def _property(what: str, wanted: Value, found: Value | None, step: WrittenStep) -> Finding:
    if found is None:
        return Finding(what, wanted.text, NOT_THERE, step.line, met=False)
    return Finding(what, wanted.text, found.text, found.line, _normal(found.text) == _normal(wanted.text))


def _normal(text: str) -> str:
    """Return a text without what has no effect: the ends of lines, and comments and empty lines of scripts."""
    lines = (line.rstrip() for line in text.strip().splitlines())
    return "\n".join(line for line in lines if line and not re.match(r"\s*#", line))
