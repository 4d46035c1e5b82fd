"""What a pipeline's YAML has in it, with the lines.

Source for the form: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_LEVELS = 100
_LISTS = ("stages", "jobs", "steps")
_HOOKS = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")
_SHORTHANDS = ("script", "bash", "pwsh", "powershell", "checkout", "download", "publish")


class PipelineFileError(Exception):
    """The file cannot be read."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line
        """Counted from 1."""


@dataclass(frozen=True, slots=True)
class Value:
    """A text with its line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """One step as it is written."""

    task: str
    """`Name@1`, or the name of a shorthand."""
    line: int
    display_name: str = ""
    condition: Value | None = None
    enabled: Value | None = None
    continue_on_error: Value | None = None
    inputs: dict[str, Value] = field(default_factory=dict)
    """By their names in lowercase, as written: possibly aliases."""
    env: dict[str, Value] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    """The inputs' names as they are written, by the names in lowercase."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a run."""

    line: int
    branches: tuple[str, ...] | None
    """None: every branch. Empty: no push starts a run."""
    excluded: tuple[str, ...] = ()
    by_path: bool = False
    """Whether only changes of certain paths count."""


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """One file."""

    trigger: Trigger
    steps: tuple[WrittenStep, ...] = ()
    """Those of all jobs, in the file's order."""
    images: tuple[Value, ...] = ()
    """The hosted images, each once."""
    pools: tuple[Value, ...] = ()
    """The pools of one's own, each once."""
    groups: tuple[Value, ...] = ()
    timeouts: tuple[Value, ...] = ()
    """`timeoutInMinutes` of the jobs."""
    templates: tuple[Value, ...] = ()
    """Templates, whose content is not here."""


def read(text: str) -> PipelineFile:
    """Return what a file has in it.

    Raises:
        PipelineFileError: It is not valid YAML, or not a mapping.
    """
    root = _root(text)
    found = _Reader()
    found.job_properties(root)
    found.contents(root)
    return PipelineFile(
        trigger=_trigger(root),
        steps=tuple(found.steps),
        images=_once(found.images),
        pools=_once(found.pools),
        groups=_once(found.groups),
        timeouts=tuple(found.timeouts),
        templates=tuple(found.templates),
    )


def _root(text: str) -> Any:
    text = text.removeprefix("\ufeff")
    try:
        level = 0
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise PipelineFileError("Azure Pipelines reads no aliases", event.start_mark.line + 1)
            level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if level > _MAX_LEVELS:
                raise PipelineFileError("the nesting is too deep", event.start_mark.line + 1)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line + 1, len(text.splitlines())) if mark else 1
        raise PipelineFileError(f"{error.problem or error.context}", line) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise PipelineFileError("it has a character that YAML does not allow", 1) from error
    if not isinstance(root, yaml.MappingNode):
        raise PipelineFileError("it is not a pipeline", 1 if root is None else _line(root))
    return root


class _Reader:
    """Collects what is in the levels of a pipeline."""

    def __init__(self) -> None:
        self.steps: list[WrittenStep] = []
        self.images: list[Value] = []
        self.pools: list[Value] = []
        self.groups: list[Value] = []
        self.timeouts: list[Value] = []
        self.templates: list[Value] = []

    def job_properties(self, node: Any) -> None:
        """Read what the root, a stage and a job can have."""
        pool = _get(node, "pool")
        if isinstance(pool, yaml.ScalarNode) and pool.value.strip():
            self.pools.append(_value(pool))
        elif isinstance(pool, yaml.MappingNode):
            image, name = _scalar(pool, "vmImage"), _scalar(pool, "name")
            if name is not None and name.text.lower() != "azure pipelines":
                self.pools.append(name)
            elif image is not None:
                self.images.append(image)
        variables = _get(node, "variables")
        for each in variables.value if isinstance(variables, yaml.SequenceNode) else ():
            if (group := _scalar(each, "group")) is not None:
                self.groups.append(group)
        if (timeout := _scalar(node, "timeoutInMinutes")) is not None:
            self.timeouts.append(timeout)
        if (extends := _get(node, "extends")) is not None:
            self.templates.append(_scalar(extends, "template") or Value("extends", _line(extends)))

    def contents(self, node: Any) -> None:
        """Read the lists of a level."""
        for name in _LISTS:
            items = _get(node, name)
            for each in items.value if isinstance(items, yaml.SequenceNode) else ():
                if (template := _scalar(each, "template")) is not None:
                    self.templates.append(template)
                elif name == "steps":
                    self._step(each)
                elif isinstance(each, yaml.MappingNode):
                    self.job_properties(each)
                    self.contents(each)
        once = _get(_get(node, "strategy"), "runOnce")
        for hook in _HOOKS:
            if (found := _get(once, hook)) is not None:
                self.contents(found)

    def _step(self, node: Any) -> None:
        if not isinstance(node, yaml.MappingNode):
            return
        task = _scalar(node, "task")
        kind = next((each for each in _SHORTHANDS if _get(node, each) is not None), "")
        name = _scalar(node, "displayName")
        inputs = _get(node, "inputs")
        self.steps.append(
            WrittenStep(
                task=task.text if task else kind,
                line=_line(node),
                display_name=name.text if name else "",
                condition=_scalar(node, "condition"),
                enabled=_scalar(node, "enabled"),
                continue_on_error=_scalar(node, "continueOnError"),
                inputs={key.lower(): each for key, each in _texts(inputs)},
                env=dict(_texts(_get(node, "env"))),
                spelled={key.lower(): key for key, _ in _texts(inputs)},
            )
        )


def _trigger(root: Any) -> Trigger:
    node = _get(root, "trigger")
    if node is None:
        return Trigger(1, None)
    line = _line(node)
    if isinstance(node, yaml.ScalarNode):
        return Trigger(line, () if node.value.strip().lower() == "none" else None)
    if isinstance(node, yaml.SequenceNode):
        return Trigger(line, tuple(_value(each).text for each in node.value if isinstance(each, yaml.ScalarNode)))
    branches = _get(node, "branches")
    by_path = _get(node, "paths") is not None
    if branches is None:
        # With tags only, no branch starts a run.
        return Trigger(line, () if _get(node, "tags") is not None else None, by_path=by_path)
    if isinstance(branches, yaml.SequenceNode):
        return Trigger(line, _items(branches), by_path=by_path)
    included = _get(branches, "include")
    return Trigger(
        line,
        None if included is None else _items(included),
        _items(_get(branches, "exclude")),
        by_path,
    )


def _items(node: Any) -> tuple[str, ...]:
    if isinstance(node, yaml.ScalarNode):
        return (node.value.strip(),)
    if not isinstance(node, yaml.SequenceNode):
        return ()
    return tuple(each.value.strip() for each in node.value if isinstance(each, yaml.ScalarNode))


def _get(node: Any, name: str) -> Any:
    """Return an entry of a mapping by its key in any case, or None."""
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, each in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value.lower() == name.lower():
            return each
    return None


def _scalar(node: Any, name: str) -> Value | None:
    found = _get(node, name)
    return _value(found) if isinstance(found, yaml.ScalarNode) else None


def _texts(node: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(node, yaml.MappingNode):
        for key, each in node.value:
            if isinstance(key, yaml.ScalarNode) and isinstance(each, yaml.ScalarNode):
                yield key.value, _value(each)


def _value(node: Any) -> Value:
    return Value(node.value.strip(), _line(node))


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _once(values: list[Value]) -> tuple[Value, ...]:
    return tuple({each.text.lower(): each for each in reversed(values)}.values())[::-1]
