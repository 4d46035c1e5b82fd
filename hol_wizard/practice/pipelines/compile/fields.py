"""The entries of a mapping, read by their names; a key that nothing reads is refused."""

from __future__ import annotations

import re
from collections.abc import Collection

from hol_wizard.practice.pipelines.compile.nodes import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    filled,
    kind_of,
    refuse,
)
from hol_wizard.practice.pipelines.expressions import ExpressionError
from hol_wizard.practice.pipelines.expressions.places import RUNTIME_VALUE, Place, runtime_expression
from hol_wizard.practice.pipelines.plan import Position

NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
"""Of a stage, a job, a step, or a leg of a matrix."""
_TRUE = ("true", "yes", "on", "y")
_FALSE = ("false", "no", "off", "n")


class Fields:
    """One mapping. Keys compare case-insensitively.

    Raises:
        PipelineError: From each method, if a value does not fit.
    """

    def __init__(self, node: Node, what: str) -> None:
        if not isinstance(node, MappingNode):
            raise refuse(node.place, f"Expected a mapping for {what}, not {kind_of(node)}.")
        self._node = node
        self._what = what
        self._entries = {key.text.lower(): (key, each) for key, each in node.entries}
        self._read: set[str] = set()

    def has(self, name: str) -> bool:
        """Return whether it has this key."""
        return name.lower() in self._entries

    def place(self, name: str = "") -> Position:
        """Return the place of a value, or of the whole mapping."""
        found = self._entries.get(name.lower())
        return self._node.place if found is None else found[1].place

    def key_place(self, name: str) -> Position:
        """Return the place of a key, or of the whole mapping."""
        found = self._entries.get(name.lower())
        return self._node.place if found is None else found[0].place

    def node(self, name: str) -> Node | None:
        """Return a value as it is, or None."""
        self._read.add(name.lower())
        found = self._entries.get(name.lower())
        return None if found is None else found[1]

    def mapping(self, name: str) -> MappingNode | None:
        """Return a mapping, or None."""
        node = filled(self.node(name))
        if node is None:
            return None
        if not isinstance(node, MappingNode):
            raise refuse(node.place, f"Expected a mapping for '{name}', not {kind_of(node)}.")
        return node

    def items(self, name: str) -> tuple[Node, ...]:
        """Return the elements of a list."""
        node = filled(self.node(name))
        if node is None:
            return ()
        if not isinstance(node, SequenceNode):
            raise refuse(node.place, f"Expected a list for '{name}', not {kind_of(node)}.")
        return node.items

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        node = self.node(name)
        return default if node is None else scalar_text(node, name)

    def name(self, key: str, what: str, default: str) -> str:
        """Return the name of a stage or a job.

        Args:
            key: The key that has it.
            what: What it is the name of, for messages.
            default: The name if there is none.
        """
        name = self.text(key).strip() or default
        if not NAME.match(name):
            raise refuse(
                self.place(key),
                f"The {what} name '{name}' is not valid: only letters, digits and underscores, and no digit first.",
            )
        return name

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a text or a list of texts."""
        node = filled(self.node(name))
        if node is None:
            return ()
        if isinstance(node, ScalarNode):
            return (node.text,)
        if isinstance(node, MappingNode):
            raise refuse(node.place, f"Expected a text or a list for '{name}', not a mapping.")
        return tuple(scalar_text(each, name) for each in node.items)

    def texts_by_name(self, name: str) -> dict[str, str]:
        """Return a mapping of texts."""
        node = self.mapping(name)
        return {} if node is None else {key.text: scalar_text(each, key.text) for key, each in node.entries}

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean."""
        text = self.text(name).strip().lower()
        if not text:
            return default
        if text not in _TRUE + _FALSE:
            raise refuse(self.place(name), f"Expected 'true' or 'false' for '{name}', not '{self.text(name)}'.")
        return text in _TRUE

    def number(self, name: str, default: int = 0) -> int:
        """Return a number, 0 or greater."""
        text = self.text(name).strip()
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise refuse(self.place(name), f"Expected a number for '{name}', not '{text}'.")
        return int(text)

    def late_flag(self, name: str) -> bool | str:
        """Return a boolean, or the text of one that only the run knows."""
        late = self._late(name)
        return self.flag(name) if late is None else late

    def late_number(self, name: str, default: int = 0) -> int | str:
        """Return a number, or the text of one that only the run knows."""
        late = self._late(name)
        return self.number(name, default) if late is None else late

    def condition(self, place: Place) -> str | None:
        """Return the condition, after a check of its syntax; None if there is none."""
        text = self.text("condition").strip()
        if not text:
            return None
        try:
            place.check(text)
        except ExpressionError as error:
            raise refuse(self.place("condition"), f"{error}") from error
        return text

    def refuse(self, name: str, why: str) -> None:
        """Refuse a key that the service knows and the practice agent does not."""
        if self.has(name):
            raise refuse(self.key_place(name), f"The practice agent does not know '{name}': {why}")

    def end(self) -> None:
        """Refuse the first key that nothing has read."""
        self.refuse_unknown(self._read)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuse the first key that is not known."""
        for name, (key, _) in self._entries.items():
            if name not in known:
                raise refuse(key.place, f"Unexpected value '{key.text}'")

    def _late(self, name: str) -> str | None:
        text = self.text(name).strip()
        if text.startswith("$["):
            check_runtime(text, self.place(name))
            return text
        return text if text.startswith("$(") and text.endswith(")") else None


def scalar_text(node: Node, name: str) -> str:
    """Return a node's text.

    Raises:
        PipelineError: It is not a text.
    """
    if not isinstance(node, ScalarNode):
        raise refuse(node.place, f"Expected a text for '{name}', not {kind_of(node)}.")
    return node.text


def check_runtime(text: str, place: Position) -> None:
    """Check a value that is possibly a runtime expression.

    Raises:
        PipelineError: It is one, and not valid.
    """
    if not text.lstrip().startswith("$["):
        return
    inner = runtime_expression(text)
    try:
        if inner is None:
            raise ExpressionError(f"A runtime expression must be the whole value: '{text}'")
        RUNTIME_VALUE.check(inner)
    except ExpressionError as error:
        raise refuse(place, f"{error}") from error
