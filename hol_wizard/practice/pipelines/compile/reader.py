"""A YAML file as a tree with places; what Azure Pipelines does not read is refused.

Scalars keep their text: `3.10` is not a number before something needs one. Anchors, aliases, tags, complex keys, merge
keys and several documents are refused (https://learn.microsoft.com/azure/devops/pipelines/yaml-schema, "doesn't support
all YAML features").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from hol_wizard.practice.pipelines.compile.nodes import MappingNode, Node, ScalarNode, SequenceNode, refuse
from hol_wizard.practice.pipelines.plan import Position

MAX_SIZE = 10_000_000
"""Characters of a file; the service limits all files together (templates page, "Imposed limits")."""
MAX_LEVELS = 100
"""Nested mappings and lists; no real file comes near it."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DIRECTIVE = re.compile(r"\s*\$\{\{")


def read(text: str, file: str) -> MappingNode:
    """Return a file's content.

    Raises:
        PipelineError: It is not valid, or not a mapping.
    """
    top = Position(file, 1, 1)
    if len(text) > MAX_SIZE:
        raise refuse(top, "Maximum file size exceeded.")
    try:
        root = _Builder(text.removeprefix("\ufeff"), file).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(file, mark.line + 1, mark.column + 1) if mark else top
        raise refuse(place, f"{_sentence(error.problem or error.context or 'The YAML is not valid')}.") from error
    except (yaml.YAMLError, UnicodeError) as error:
        place = _place_of_character(text, file, getattr(error, "position", 0))
        raise refuse(place, "The file has a character that YAML does not allow.") from error
    if root is None:
        raise refuse(top, "The file is empty.")
    if not isinstance(root, MappingNode):
        raise refuse(root.place, "Expected a mapping.")
    return root


def _sentence(problem: str) -> str:
    return problem[:1].upper() + problem[1:]


def _place_of_character(text: str, file: str, offset: int) -> Position:
    before = text[:offset]
    return Position(file, before.count("\n") + 1, offset - before.rfind("\n"))


class _Builder:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise refuse(self._place(event), "A pipeline is one YAML document; this is a second one.")
                root = self._node(next(self._events), 0)
        if isinstance(root, ScalarNode) and not root.text:
            return None
        return root

    def _place(self, event: Any) -> Position:
        return Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, level: int) -> Node:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            raise refuse(place, f"Aliases are not supported: '*{event.anchor}'.")
        if event.anchor is not None:
            raise refuse(place, f"Anchors are not supported: '&{event.anchor}'.")
        if event.tag is not None:
            raise refuse(place, f"Tags are not supported: '{event.tag}'.")
        if level > MAX_LEVELS:
            raise refuse(place, f"More than {MAX_LEVELS} levels.")
        if isinstance(event, yaml.ScalarEvent):
            return ScalarNode(event.value, place, "${{" not in event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, level)
        return self._mapping(place, level)

    def _sequence(self, place: Position, level: int) -> SequenceNode:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, level + 1))
        return SequenceNode(tuple(items), place, all(each.expanded for each in items))

    def _mapping(self, place: Position, level: int) -> MappingNode:
        entries: list[tuple[ScalarNode, Node]] = []
        seen: set[str] = set()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, level)
            if not _DIRECTIVE.match(key.text):
                if key.text.lower() in seen:
                    raise refuse(key.place, f"'{key.text}' is already defined")
                seen.add(key.text.lower())
            entries.append((key, self._node(next(self._events), level + 1)))
        return MappingNode(tuple(entries), place, all(key.expanded and each.expanded for key, each in entries))

    def _key(self, event: Any, level: int) -> ScalarNode:
        key = self._node(event, level)
        if not isinstance(key, ScalarNode):
            raise refuse(key.place, "A key must be a text.")
        if key.text == "<<" and not event.style:
            raise refuse(key.place, "Merge keys ('<<') are not supported.")
        return key
