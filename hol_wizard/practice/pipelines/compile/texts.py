"""Texts with `${{ }}` in them, and the directives that are keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hol_wizard.practice.pipelines.compile.nodes import MappingNode, Node, ScalarNode, refuse
from hol_wizard.practice.pipelines.plan import Position

_OPEN = "${{"
_END = re.compile(r"'(?:[^']|'')*'|\}\}|'")
_DIRECTIVE = re.compile(r"(if|elseif|else|each|insert)(?![\w.(\[])\s*(.*)\Z", re.DOTALL | re.IGNORECASE)
_EACH = re.compile(r"([A-Za-z_]\w*)\s+in\s+(.+)\Z", re.DOTALL | re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Expression:
    """What is between `${{` and `}}`."""

    text: str


@dataclass(frozen=True, slots=True)
class Directive:
    """`if`, `elseif`, `else`, `each` or `insert`."""

    name: str
    expression: str = ""
    """The condition, or what `each` goes through."""
    variable: str = ""
    """Of `each`."""


def parts(text: str, place: Position) -> list[str | Expression]:
    """Return the plain and the computed parts of a text, in their order.

    Raises:
        PipelineError: An expression has no end.
    """
    found: list[str | Expression] = []
    end = 0
    while (begin := text.find(_OPEN, end)) >= 0:
        if begin > end:
            found.append(text[end:begin])
        end = _end_of_expression(text, begin + len(_OPEN), place)
        found.append(Expression(text[begin + len(_OPEN) : end - 2].strip()))
    if end < len(text):
        found.append(text[end:])
    return found


def whole_expression(text: str, place: Position) -> Expression | None:
    """Return the expression if a text is one and nothing else."""
    if not text.strip().startswith(_OPEN):
        return None
    found = parts(text.strip(), place)
    return found[0] if len(found) == 1 and isinstance(found[0], Expression) else None


def directive_of(key: ScalarNode) -> Directive | None:
    """Return the directive that a key is, or None.

    Raises:
        PipelineError: It is one without what it needs.
    """
    if key.expanded or (found := whole_expression(key.text, key.place)) is None:
        return None
    return _directive(found.text, key.place)


def single_directive(node: Node) -> tuple[Directive, Node] | None:
    """Return the directive of a mapping that is only that, as an element of a list, with what it is for."""
    if not isinstance(node, MappingNode) or node.expanded or len(node.entries) != 1:
        return None
    key, body = node.entries[0]
    directive = directive_of(key)
    return None if directive is None else (directive, body)


def is_directive_text(text: str) -> bool:
    """Return whether an expression's text is a directive."""
    return _DIRECTIVE.match(text) is not None


def only_directives(node: MappingNode) -> bool:
    """Return whether all keys of a mapping are directives."""
    return bool(node.entries) and not node.expanded and all(directive_of(key) for key, _ in node.entries)


def _directive(text: str, place: Position) -> Directive | None:
    found = _DIRECTIVE.match(text)
    if found is None:
        return None
    name, rest = found[1].lower(), found[2].strip()
    if name in ("else", "insert"):
        if rest:
            raise refuse(place, f"Unexpected text after the directive '{name}': '{rest}'.")
        return Directive(name)
    if name == "each":
        each = _EACH.match(rest)
        if each is None:
            raise refuse(place, "The directive 'each' has the form 'each NAME in LIST'.")
        return Directive(name, each[2], each[1])
    if not rest:
        raise refuse(place, f"The directive '{name}' needs a condition.")
    return Directive(name, rest)


def _end_of_expression(text: str, begin: int, place: Position) -> int:
    for found in _END.finditer(text, begin):
        if found[0] == "}}":
            return found.end()
        if found[0] == "'":
            break
    raise refuse(
        place,
        "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found.",
    )
