"""Texts with `${{ }}` in them, and the directives that are keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hol_wizard.practice.pipelines.compile.nodes import MappingNode, Node, ScalarNode, refuse
from hol_wizard.practice.pipelines.expressions import ExpressionSyntaxError
from hol_wizard.practice.pipelines.plan import Position

_OPEN = "${{"
_END = re.compile(r"'(?:[^']|'')*'|\}\}|'")
_DIRECTIVE = re.compile(r"(if|elseif|else|each|insert)(?![\w.(\[])\s*(.*)\Z", re.DOTALL)
"""Unlike all names, directives are lowercase only (recorded: C-E03-100)."""
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_UNIT = re.compile(r"'(?:[^']|'')*'|[()\[\]]|\s+(?![(\[\s])|[^\s'()\[\]]+|.", re.DOTALL)
_PARAMETERS = {"else": 0, "insert": 0, "each": 3}
"""How many parameters follow a directive; `if` and `elseif` take a whole expression (recorded: C-E03-101 and 102)."""


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
    name, rest = found[1], found[2].strip()
    if name in _PARAMETERS:
        found_units, wanted = _units(rest), _PARAMETERS[name]
        if len(found_units) != wanted:
            counts = f"Actual parameter count: {len(found_units)}"
            raise refuse(
                place, f"Exactly {wanted} parameter(s) were expected following the directive '{name}'. {counts}"
            )
        return _each(found_units, place) if name == "each" else Directive(name)
    if not rest:
        raise refuse(place, str(ExpressionSyntaxError(f"Unrecognized value: '{name}'", text, 0)))
    return Directive(name, rest)


def _each(units: list[str], place: Position) -> Directive:
    variable, word, collection = units
    if word != "in":
        # The single brace is the service's own (recorded: C-E03-103).
        form = "The expected format of an 'each' expression is: ${ each <identifier> in <value> }"
        raise refuse(place, f"The value '{word}' is unexpected. {form}")
    if not _NAME.match(variable):
        raise refuse(place, str(ExpressionSyntaxError(f"Unrecognized value: '{variable}'", variable, 0)))
    return Directive("each", collection, variable)


def _units(text: str) -> list[str]:
    """Return the parts of a text that spaces separate, but not those in functions, in indexes and in texts."""
    found = [""]
    depth = 0
    for part in _UNIT.findall(text.strip()):
        depth += (part in "([") - (part in ")]")
        if part.isspace() and depth <= 0:
            found.append("")
        else:
            found[-1] += part
    return [each for each in found if each]


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
