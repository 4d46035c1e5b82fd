"""The expression language of Azure Pipelines, for all three kinds: `${{ }}`, `$[ ]` and conditions.

What is refused, with which words and at which position, is as a public project has recorded it from the service's own
preview (its notes C-E02-001 to C-E02-110, August 2026): there is no operator, names are looked up only after the syntax
is known to be valid, and a wrong number of arguments is a problem of the token that makes it wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hol_wizard.practice.pipelines.expressions.errors import ExpressionError, ExpressionSyntaxError
from hol_wizard.practice.pipelines.expressions.functions import FUNCTIONS
from hol_wizard.practice.pipelines.expressions.nodes import MANY, Arguments, Evaluation, Function, shown
from hol_wizard.practice.pipelines.expressions.parser import parse
from hol_wizard.practice.pipelines.expressions.values import StrictMapping, Value, Version, is_truthy, to_text

__all__ = [
    "MANY",
    "Arguments",
    "ExpressionError",
    "ExpressionSyntaxError",
    "Function",
    "Outcome",
    "StrictMapping",
    "Value",
    "Version",
    "evaluate",
    "is_truthy",
    "outcome",
    "to_text",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The value of an expression, and how it was evaluated."""

    value: Value
    expanded: str
    """The expression with values instead of names, as the agent logs it for a step that it skips."""

    @property
    def result(self) -> str:
        """Return the value as the agent logs it."""
        return shown(self.value)


def outcome(text: str, contexts: Mapping[str, Value], functions: Mapping[str, Function] | None = None) -> Outcome:
    """Evaluate an expression, and say what it became.

    Args:
        text: Without its brackets. An empty one is null.
        contexts: Mappings by their names, for example `variables`. Names and keys compare case-insensitively; what a
            mapping does not have is null, and an error if it is a `StrictMapping`.
        functions: Those of the place besides the general ones, for example `succeeded`, by their names.

    Raises:
        ExpressionSyntaxError: It is not valid.
        ExpressionError: It cannot be evaluated with these values.
    """
    known = {**FUNCTIONS, **{name.lower(): each for name, each in (functions or {}).items()}}
    node = parse(text, contexts, known)
    if node is None:
        return Outcome(None, "")
    evaluation = Evaluation({name.lower(): each for name, each in contexts.items()}, known)
    value = evaluation.value(node)
    return Outcome(value, node.expanded(evaluation))


def evaluate(text: str, contexts: Mapping[str, Value], functions: Mapping[str, Function] | None = None) -> Value:
    """Return the value of an expression; for the arguments and errors, see `outcome`."""
    return outcome(text, contexts, functions).value
