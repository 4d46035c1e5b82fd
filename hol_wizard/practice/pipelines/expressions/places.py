"""What may be used in which place: contexts and additional functions.

Sources: https://learn.microsoft.com/azure/devops/pipelines/process/expressions,
https://learn.microsoft.com/azure/devops/pipelines/process/conditions, and ExpressionManager.cs of the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hol_wizard.practice.pipelines.expressions.functions import FUNCTIONS
from hol_wizard.practice.pipelines.expressions.nodes import MANY
from hol_wizard.practice.pipelines.expressions.parser import Arity, parse

_STATUS = ("always", "canceled", "failed", "succeeded", "succeededorfailed")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression is."""

    names: frozenset[str]
    functions: Mapping[str, Arity] = field(default_factory=dict)
    """Besides those that every place has."""

    def check(self, text: str) -> None:
        """Check an expression that is evaluated in this place later.

        Raises:
            ExpressionSyntaxError: It is not valid, or uses what the place does not have.
        """
        parse(text, self.names, {**FUNCTIONS, **self.functions})


_WITH_NAMES = {name: Arity(0, MANY) for name in _STATUS} | {name: Arity(0, 0) for name in ("always", "canceled")}
STAGE_CONDITION = Place(frozenset({"variables", "dependencies", "pipeline"}), _WITH_NAMES)
JOB_CONDITION = Place(frozenset({"variables", "dependencies", "stagedependencies", "pipeline"}), _WITH_NAMES)
STEP_CONDITION = Place(frozenset({"variables"}), {name: Arity(0, 0) for name in _STATUS})
RUNTIME_VALUE = Place(
    frozenset({"variables", "dependencies", "stagedependencies", "pipeline", "resources"}),
    {"counter": Arity(0, 2)},
)
"""A `$[ … ]`."""


def runtime_expression(text: str) -> str | None:
    """Return what is between `$[` and `]` if that is the whole text, or None."""
    text = text.strip()
    return text[2:-1] if text.startswith("$[") and text.endswith("]") else None
