"""What may be used in which place: contexts and additional functions.

Sources: https://learn.microsoft.com/azure/devops/pipelines/process/expressions,
https://learn.microsoft.com/azure/devops/pipelines/process/conditions, and ExpressionManager.cs of the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hol_wizard.practice.pipelines.expressions.errors import ExpressionError, ExpressionSyntaxError
from hol_wizard.practice.pipelines.expressions.functions import FUNCTIONS, MANY
from hol_wizard.practice.pipelines.expressions.nodes import Call, Node
from hol_wizard.practice.pipelines.expressions.parser import Arity, parse

STATUS = ("always", "canceled", "failed", "succeeded", "succeededorfailed")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression is."""

    title: str
    names: frozenset[str]
    functions: Mapping[str, Arity] = field(default_factory=dict)
    """Besides those that every place has."""

    def check(self, text: str) -> Node | None:
        """Return the tree of an expression that is evaluated in this place later.

        Raises:
            ExpressionSyntaxError: It is not valid, or uses what the place does not have.
        """
        return parse(text, self.names, {**FUNCTIONS, **self.functions})


_WITH_NAMES = {name: Arity(0, MANY) for name in STATUS} | {name: Arity(0, 0) for name in ("always", "canceled")}
STAGE_CONDITION = Place("a stage's condition", frozenset({"variables", "dependencies", "pipeline"}), _WITH_NAMES)
JOB_CONDITION = Place(
    "a job's condition", frozenset({"variables", "dependencies", "stagedependencies", "pipeline"}), _WITH_NAMES
)
STEP_CONDITION = Place("a step's condition", frozenset({"variables"}), {name: Arity(0, 0) for name in STATUS})
RUNTIME_VALUE = Place(
    "a runtime expression",
    frozenset({"variables", "dependencies", "stagedependencies", "pipeline", "resources"}),
    {"counter": Arity(0, 2)},
)
"""A `$[ … ]`."""


def uses_status(node: Node | None) -> bool:
    """Return whether a condition calls a status function; without one, it is evaluated even after a cancellation."""
    if node is None:
        return False
    return any(isinstance(each, Call) and each.name.lower() in STATUS for each in node.nodes())


def runtime_expression(text: str) -> str | None:
    """Return what is between `$[` and `]` if that is the whole text, or None."""
    text = text.strip()
    return text[2:-1] if text.startswith("$[") and text.endswith("]") else None


__all__ = [
    "JOB_CONDITION",
    "RUNTIME_VALUE",
    "STAGE_CONDITION",
    "STEP_CONDITION",
    "ExpressionError",
    "ExpressionSyntaxError",
    "Place",
    "runtime_expression",
    "uses_status",
]
