"""An expression as a tree, which is evaluated with the values of a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hol_wizard.practice.pipelines.expressions.errors import ExpressionError
from hol_wizard.practice.pipelines.expressions.values import (
    ExactMapping,
    StrictMapping,
    Value,
    fold,
    items_of,
    kind,
    normal,
    to_number,
    to_text,
)

MAX_DEPTH = 50
"""Levels of functions in an expression: the engine's own limit. Indexes do not count."""
MANY = 255
"""Greatest number of arguments of functions that take any number."""


class Arguments(Sequence[Value]):
    """The arguments of a call. Each is evaluated when it is first read, so that functions can stop early."""

    def __init__(self, nodes: Sequence[Node], evaluation: Evaluation) -> None:
        self._nodes = nodes
        self._evaluation = evaluation

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._nodes)

    def __getitem__(self, index: Any) -> Value:
        """Return the value of one."""
        return self._evaluation.value(self._nodes[index])


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language."""

    low: int
    """Least number of arguments."""
    high: int
    """Greatest number of arguments."""
    call: Callable[[Arguments], Value]
    shown_as_call: bool = False
    """Whether an expanded expression shows it with its arguments, as it does for logical functions, or its result."""


class Filtered(list[Value]):
    """What `.*` gives: an index of it is an index of each of its elements."""


class Node(Protocol):
    """One part of an expression."""

    def evaluate(self, evaluation: Evaluation) -> Value:
        """Return its value."""

    def expanded(self, evaluation: Evaluation) -> str:
        """Return it with values instead of names, as far as they were needed."""


@dataclass(slots=True)
class Evaluation:
    """The values of one evaluation."""

    contexts: Mapping[str, Value]
    """By their names in lowercase."""
    functions: Mapping[str, Function]
    """By their names in lowercase."""
    known: dict[int, Value] = field(default_factory=dict)
    """Values of nodes that were needed, by the nodes' identities."""

    def value(self, node: Node) -> Value:
        """Return the value of a node; it is evaluated only once."""
        if id(node) not in self.known:
            self.known[id(node)] = normal(node.evaluate(self))
        return self.known[id(node)]


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant."""

    value: Value

    def evaluate(self, evaluation: Evaluation) -> Value:
        """Return the constant."""
        return self.value

    def expanded(self, evaluation: Evaluation) -> str:
        """Return the constant."""
        return shown(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A context, such as `variables`."""

    name: str

    def evaluate(self, evaluation: Evaluation) -> Value:
        """Return the context."""
        return evaluation.contexts[self.name.lower()]

    def expanded(self, evaluation: Evaluation) -> str:
        """Return its value, or its name if it was not needed."""
        return shown(evaluation.known[id(self)]) if id(self) in evaluation.known else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Wildcard:
    """`*` as an index."""

    def evaluate(self, evaluation: Evaluation) -> Value:
        """Return the sign."""
        return "*"

    def expanded(self, evaluation: Evaluation) -> str:
        """Return the sign."""
        return "*"


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """`a.b`, `a['b']`, `a[0]` or `a.*`."""

    of: Node
    key: Node

    def evaluate(self, evaluation: Evaluation) -> Value:
        """Return the element, or None if there is none."""
        of = evaluation.value(self.of)
        if isinstance(self.key, Wildcard):
            return Filtered(_elements(of))
        key = evaluation.value(self.key)
        if isinstance(of, Filtered):
            found = (element(each, key) for each in of)
            return Filtered(each for each in found if each is not None)
        return element(of, key)

    def expanded(self, evaluation: Evaluation) -> str:
        """Return its value, or its names if it was not needed."""
        if id(self) in evaluation.known:
            return shown(evaluation.known[id(self)])
        return f"{self.of.expanded(evaluation)}[{self.key.expanded(evaluation)}]"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Node, ...]

    def evaluate(self, evaluation: Evaluation) -> Value:
        """Return what the function does."""
        return evaluation.functions[self.name.lower()].call(Arguments(self.arguments, evaluation))

    def expanded(self, evaluation: Evaluation) -> str:
        """Return the call with its arguments' values, or the result."""
        if id(self) in evaluation.known and not evaluation.functions[self.name.lower()].shown_as_call:
            return shown(evaluation.known[id(self)])
        return f"{self.name}({', '.join(each.expanded(evaluation) for each in self.arguments)})"


def shown(value: Value) -> str:
    """Return a value as an expanded expression shows it."""
    if value is None:
        return "Null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    text = to_text(value)
    return kind(value) if text is None else text


def element(of: Value, key: Value) -> Value:
    """Return an element of an array by its number, or of an object by its name; None if there is none.

    The names of contexts compare case-insensitively, those of objects in YAML do not (recorded: C-E02-027). A fraction
    is cut, and null is the first element (C-E02-026).

    Raises:
        ExpressionError: The object must have it.
    """
    if isinstance(of, Mapping):
        name = to_text(key)
        if name is None:
            return None
        if name in of:
            return of[name]
        folded = fold(name)
        for each, value in of.items() if not isinstance(of, ExactMapping) else ():
            if fold(str(each)) == folded:
                return value
        if isinstance(of, StrictMapping):
            raise ExpressionError(f"Key not found '{name}'")
        return None
    if isinstance(of, Sequence) and not isinstance(of, str):
        number = to_number(key)
        # An empty text is 0 as a number, but names no element.
        if number is None or key == "" or isinstance(key, bool):
            return None
        return of[int(number)] if 0 <= number < len(of) else None
    return None


def _elements(of: Value) -> list[Value]:
    if isinstance(of, Filtered):
        return [each for inner in of for each in _elements(inner)]
    return items_of(of)
