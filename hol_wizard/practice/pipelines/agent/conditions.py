"""The condition of a step.

The azure-pipelines-agent, ExpressionManager.cs: only `variables` and the status functions without arguments are known;
`succeeded()` also holds if the job has succeeded with issues, `succeededOrFailed()` unless it is canceled. A condition
that has none of them replaces the default, so it is evaluated even in a job that has failed or was canceled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines import expressions
from hol_wizard.practice.pipelines.agent import results
from hol_wizard.practice.pipelines.expressions import Arguments, Function, Value

DEFAULT = "succeeded()"
SKIPPED = "Skipping step due to condition evaluation."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The value of a condition."""

    holds: bool
    explanation: str
    """The lines that the log has for a step that is skipped."""


def status_functions(status: Result) -> dict[str, Function]:
    """Return the status functions of a step in a job with this result so far."""
    values = {
        "always": True,
        "canceled": status is Result.CANCELED,
        "failed": status is Result.FAILED,
        "succeeded": status in results.GOOD,
        "succeededorfailed": status is not Result.CANCELED,
    }
    return {name: Function(0, 0, _constant(value), shown_as_call=True) for name, value in values.items()}


def _constant(value: bool) -> Callable[[Arguments], Value]:
    return lambda arguments: value


def verdict(condition: str | None, variables: Mapping[str, str], status: Result) -> Verdict:
    """Evaluate a step's condition.

    Args:
        condition: Its text; None is `succeeded()`.
        variables: The job's variables.
        status: The job's result so far.

    Raises:
        ExpressionError: It cannot be evaluated, which fails the step.
    """
    text = condition or DEFAULT
    found = expressions.outcome(text, {"variables": variables}, status_functions(status))
    lines = [f"Evaluating: {text}"]
    if found.expanded != text:
        lines.append(f"Expanded: {found.expanded}")
    lines.append(f"Result: {expressions.is_truthy(found.value)}")
    return Verdict(expressions.is_truthy(found.value), "\n".join(lines))
