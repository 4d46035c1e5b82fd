"""The build pipeline's file, compared with the starter's: task by task, trigger and variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

import yaml

from hol_wizard.engine.results import Expectation
from hol_wizard.services.devops.pipelines import ClassicPipeline

MAX_MINUTES: Final = 60
"""After which Microsoft ends a job of the free grant; also the default of a job's time limit."""
_IMAGE: Final = re.compile(r"(ubuntu|windows|macos|vs)[-\d]", re.IGNORECASE)
"""Name of an image of Microsoft's agents, as opposed to a pool's."""
_ALIASES: Final = {
    "connectedservicenamearm": "azuresubscription",
    "scriptarguments": "arguments",
    "cwd": "workingdirectory",
    "testrunner": "testresultsformat",
    "path": "targetpath",
    "artifactname": "artifact",
    "artifacttype": "publishlocation",
    "platform": "buildplatform",
    "configuration": "buildconfiguration",
}
"""The names of inputs of the lab's tasks, with the aliases that its file uses. The service writes the names into an
expanded file (`task.json` of AzureCLI, PublishTestResults and PublishPipelineArtifact in
microsoft/azure-pipelines-tasks)."""
_TASKS: Final = {
    "46e4be58-730b-4389-8a2f-ea10b3e5e815": "AzureCLI",
    "5bfb729a-a7c8-4a78-a7c3-8d717bb7c13c": "CopyFiles",
    "0b0f01ed-7dde-43ff-9cbb-e48954daf9b1": "PublishTestResults",
    "2a7ebc54-c13e-490e-81a5-d7561ab7cd97": "PublishCodeCoverageResults",
    "ecdc45f6-832d-4ad9-b52b-ee49e94659be": "PublishPipelineArtifact",
}
"""The lab's tasks by their IDs (`task.json` of each in microsoft/azure-pipelines-tasks)."""


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
    """By the name in lowercase that the lab's file uses; a task accepts others for some inputs."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Its own environment variables (`env`)."""
    condition: str = ""
    enabled: bool = True
    continue_on_error: str = ""
    """As in the file; empty: it does not continue."""


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
    limits: tuple[str, ...] = ()
    """`timeoutInMinutes` of its jobs, as in the file; `60`, the default, where it is missing."""
    sources: tuple[str, ...] = ()
    """Names of the pipelines whose runs it uses."""
    environments: tuple[str, ...] = ()
    """Names of the environments that its jobs deploy to."""

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

    @property
    def paths(self) -> str:
        """To which paths its trigger is limited, in words; empty: to none."""
        named = self.trigger.get("paths") if isinstance(self.trigger, dict) else None
        if isinstance(named, list):
            named = {"include": named}
        if not isinstance(named, dict):
            return ""
        kept = [str(each) for each in named.get("include") or () if str(each) not in {"*", "/", "/*"}]
        left_out = [str(each) for each in named.get("exclude") or ()]
        words = [f"only {', '.join(kept)}" if kept else "", f"not {', '.join(left_out)}" if left_out else ""]
        return " and ".join(filter(None, words))


def _fits(branch: str, patterns: Sequence[Any]) -> bool:
    # Square brackets have no meaning in a branch filter.
    plain = (str(each).removeprefix("refs/heads/").replace("[", "[[]") for each in patterns)
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
    resources = found.get("resources")
    pipelines = _mappings(resources.get("pipelines") if isinstance(resources, dict) else None)
    return PipelineFile(
        tasks=tuple(_task(each) for each in _steps(found)),
        trigger=found.get("trigger"),
        groups=tuple(dict.fromkeys(str(each["group"]) for part in _parts(found) for each in _groups(part))),
        images=tuple(dict.fromkeys(_pools(found))),
        limits=tuple(_limits(found)),
        sources=tuple(str(each["source"]) for each in pipelines if each.get("source")),
        environments=tuple(dict.fromkeys(filter(None, map(_environment, _parts(found))))),
    )


def _mappings(listed: Any) -> list[Mapping[str, Any]]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _limits(found: Mapping[str, Any]) -> Iterator[str]:
    """Iterate over the time limits of the jobs."""
    for part in _parts(found):
        if isinstance(part.get("steps"), list) or "deployment" in part:
            yield str(part.get("timeoutInMinutes") or MAX_MINUTES)


def _parts(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Iterate over the file, its stages and their jobs, in the order of the file."""
    yield part
    for name in ("stages", "jobs"):
        for each in _mappings(part.get(name)):
            yield from _parts(each)


def _steps(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Iterate over the steps of all jobs; a deployment job has them below its strategy."""
    for part in _parts(found):
        yield from _mappings(part.get("steps"))
        deploy: Any = part
        for name in ("strategy", "runOnce", "deploy"):
            deploy = deploy.get(name) if isinstance(deploy, dict) else None
        yield from _mappings(deploy.get("steps") if isinstance(deploy, dict) else None)


def _groups(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in _mappings(part.get("variables")) if each.get("group")]


def _environment(part: Mapping[str, Any]) -> str:
    found = part.get("environment")
    return str((found.get("name") if isinstance(found, dict) else found) or "")


def _pools(found: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(found):
        pool = part.get("pool")
        if isinstance(pool, str):
            yield pool
        elif isinstance(pool, dict):
            yield str(pool.get("vmImage") or pool.get("name") or "")


def _task(step: Mapping[str, Any]) -> Task:
    name = str(step.get("task") or next(iter(step), ""))
    return Task(
        name=name,
        title=str(step.get("displayName") or name),
        inputs={_canonical(key): value.strip() for key, value in _texts(step.get("inputs")).items()},
        variables=_texts(step.get("env")),
        condition=str(step.get("condition") or ""),
        enabled=str(step.get("enabled", "true")).lower() != "false",
        continue_on_error=found if (found := str(step.get("continueOnError") or "")).lower() != "false" else "",
    )


def of_classic(found: ClassicPipeline, names: Mapping[str, str]) -> PipelineFile:
    """Return a pipeline of the classic editor as the file that it corresponds to; its triggers are not compared.

    Args:
        found: The pipeline.
        names: Names of service connections by their IDs in lowercase: the classic editor saves the IDs.
    """
    tasks = tuple(
        Task(
            name=f"{_TASKS.get(each.task, each.task)}@{each.version.partition('.')[0]}",
            title=each.title,
            inputs={_canonical(key): names.get(value.lower(), value.strip()) for key, value in each.inputs.items()},
            variables=dict(each.variables),
            condition=each.condition,
            enabled=each.enabled,
            continue_on_error="true" if each.continues else "",
        )
        for each in found.steps
    )
    return PipelineFile(tasks, None, found.groups, found.images, (str(found.limit or MAX_MINUTES),))


def _canonical(name: str) -> str:
    return _ALIASES.get(name.lower(), name.lower())


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
    for what, mine, theirs in (
        ("Variable group", expected.groups, found.groups),
        ("Source", expected.sources, found.sources),
        ("Environment", expected.environments, found.environments),
    ):
        seen += [Expectation(what, each, ", ".join(theirs) or "none", each in theirs) for each in mine]
    return (*seen, *_machine(found, expected))


def _machine(found: PipelineFile, expected: PipelineFile) -> Iterator[Expectation]:
    """Return where it runs, and for how long. A self-hosted agent is accepted; another image of Microsoft's is not."""
    hosted = [each for each in found.images if _IMAGE.match(each)]
    wanted = ", ".join(expected.images)
    if hosted or not found.images:
        same = set(hosted) <= set(expected.images) and bool(hosted)
        yield Expectation("Image of the agent", wanted, ", ".join(hosted) or "missing", same)
    limits = [int(each) if each.isdecimal() else MAX_MINUTES for each in found.limits] or [MAX_MINUTES]
    longest = MAX_MINUTES if 0 in limits else max(limits)
    met = longest < MAX_MINUTES
    # Microsoft ends a job of the free grant after 60 minutes; the job must have time to cancel the training before.
    yield Expectation("Time limit of the job", f"less than {MAX_MINUTES} minutes", f"{longest} minutes", met)


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
    if _condition(found) != _condition(expected):
        yield f"condition is {found.condition or 'missing'}"
    if found.continue_on_error != expected.continue_on_error:
        yield f"continueOnError is {found.continue_on_error or 'missing'}"


def _condition(task: Task) -> str:
    """Return a task's condition without spaces; without one, a task runs if all before it have succeeded."""
    return re.sub(r"\s", "", task.condition).lower() or "succeeded()"


def _short(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else "empty"
    return first if len(first) <= 60 and "\n" not in text.strip() else f"{first[:59]}…"
