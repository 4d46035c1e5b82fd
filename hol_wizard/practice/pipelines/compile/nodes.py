"""The YAML as a tree whose nodes know their places, and are values of the expression language at the same time.

A value that a template receives as a parameter therefore keeps the place where it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, overload

from hol_wizard.practice.pipelines.expressions import Value, to_text
from hol_wizard.practice.pipelines.expressions.values import ExactMapping, normal
from hol_wizard.practice.pipelines.plan import Note, PipelineError, Position


@dataclass(frozen=True, slots=True, eq=False)
class ScalarNode:
    """A text."""

    text: str
    place: Position
    expanded: bool = False
    """Whether nothing in it is an expression."""
    typed: bool | Decimal | None = None
    """The value if it comes from a typed parameter; None for a text."""

    @property
    def value(self) -> Value:
        """Return it as a value of the expression language."""
        return self.text if self.typed is None else self.typed


@dataclass(frozen=True, slots=True, eq=False)
class SequenceNode(Sequence[Value]):
    """A list."""

    items: tuple[Node, ...]
    place: Position
    expanded: bool = False

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Value]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return an element's value."""
        if isinstance(index, slice):
            return [each.value for each in self.items[index]]
        return self.items[index].value

    @property
    def value(self) -> Value:
        """Return it as a value of the expression language."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class MappingNode(ExactMapping):
    """A mapping. Before it is expanded, it can have the same directive as a key several times."""

    entries: tuple[tuple[ScalarNode, Node], ...]
    place: Position
    expanded: bool = False

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys."""
        return (key.text for key, _ in self.entries)

    def __getitem__(self, name: str) -> Value:
        """Return an entry's value by its exact key."""
        for key, each in self.entries:
            if key.text == name:
                return each.value
        raise KeyError(name)

    @property
    def value(self) -> Value:
        """Return it as a value of the expression language."""
        return self

    def get_node(self, name: str) -> Node | None:
        """Return an entry's value by its key, in any case."""
        return next((each for key, each in self.entries if key.text.lower() == name.lower()), None)


Node = ScalarNode | SequenceNode | MappingNode


def node_of(value: Value, place: Position) -> Node:
    """Return a value of the expression language as a node; what has no place of its own gets this one."""
    if isinstance(value, ScalarNode | SequenceNode | MappingNode):
        return value
    if isinstance(value, Mapping):
        entries = ((ScalarNode(str(key), place, True), node_of(each, place)) for key, each in value.items())
        return MappingNode(tuple(entries), place, True)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return SequenceNode(tuple(node_of(each, place) for each in value), place, True)
    value = normal(value)
    typed = value if isinstance(value, bool | Decimal) else None
    return ScalarNode(to_text(value) or "", place, True, typed)


def filled(node: Node | None) -> Node | None:
    """Return a node, or None if it is missing or an empty text, as of a key without a value."""
    return None if isinstance(node, ScalarNode) and not node.text.strip() else node


def refuse_expressions(node: Node, message: str) -> None:
    """Check that a tree has no expressions.

    Raises:
        PipelineError: It has one; at the place of the first, with this message.
    """
    if node.expanded:
        return
    if isinstance(node, ScalarNode):
        raise refuse(node.place, message)
    parts = node.items if isinstance(node, SequenceNode) else (part for entry in node.entries for part in entry)
    for part in parts:
        refuse_expressions(part, message)


def refuse(place: Position, message: str) -> PipelineError:
    """Return the error that refuses a place."""
    return PipelineError((Note(place, message),))


def kind_of(node: Node) -> str:
    """Return what a node is, for messages."""
    return {ScalarNode: "a text", SequenceNode: "a list", MappingNode: "a mapping"}[type(node)]
