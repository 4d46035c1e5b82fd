"""The conditions of stages and jobs.

https://learn.microsoft.com/azure/devops/pipelines/process/expressions ("Job status functions"): `succeeded()` needs all
stages or jobs that this one depends on, also indirectly, to have succeeded; a skipped one is enough to make it false.
After a cancellation, only `always()` and `canceled()` hold, and conditions without a status function are evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines import expressions
from hol_wizard.practice.pipelines.agent.results import GOOD
from hol_wizard.practice.pipelines.expressions import MANY, Arguments, Function, Value

DEFAULT = "succeeded()"


def all_before(name: str, depends_on: Mapping[str, Iterable[str]]) -> list[str]:
    """Return everything that something depends on, also indirectly, in lowercase."""
    found: dict[str, None] = {}
    waiting = [each.lower() for each in depends_on.get(name.lower(), ())]
    while waiting:
        each = waiting.pop(0)
        if each not in found:
            found[each] = None
            waiting += [other.lower() for other in depends_on.get(each, ())]
    return list(found)


def status_functions(before: Mapping[str, Result], canceled: bool) -> dict[str, Function]:
    """Return the status functions.

    Args:
        before: The results of everything that it depends on, by name in lowercase.
        canceled: Whether the run was canceled.
    """

    def chosen(arguments: Arguments) -> list[Result]:
        names = [(expressions.to_text(each) or "").lower() for each in arguments]
        return [before[each] for each in names if each in before] if names else list(before.values())

    def of(test: Callable[[list[Result]], bool]) -> Callable[[Arguments], Value]:
        return lambda arguments: not canceled and test(chosen(arguments))

    return {
        "succeeded": Function(0, MANY, of(lambda found: all(each in GOOD for each in found)), shown_as_call=True),
        "failed": Function(0, MANY, of(lambda found: Result.FAILED in found), shown_as_call=True),
        "succeededorfailed": Function(
            0, MANY, of(lambda found: all(each in (*GOOD, Result.FAILED) for each in found)), shown_as_call=True
        ),
        "always": Function(0, 0, lambda _: True, shown_as_call=True),
        "canceled": Function(0, 0, lambda _: canceled, shown_as_call=True),
    }


def holds(condition: str | None, contexts: Mapping[str, Any], before: Mapping[str, Result], canceled: bool) -> bool:
    """Return whether a condition holds.

    Raises:
        ExpressionError: It cannot be evaluated.
    """
    functions = status_functions(before, canceled)
    return expressions.is_truthy(expressions.evaluate(condition or DEFAULT, contexts, functions))
