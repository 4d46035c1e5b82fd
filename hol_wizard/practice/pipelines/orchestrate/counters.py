"""The function `counter(prefix, seed)`, which counts the runs of a pipeline for each prefix.

https://learn.microsoft.com/azure/devops/pipelines/process/expressions ("counter"): it begins with the seed, and goes up
by one with each run; a greater seed takes effect.
"""

from __future__ import annotations

from collections.abc import Callable

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.expressions import Arguments, Function, to_text


class Counters:
    """The counters of all pipelines."""

    def __init__(self, world: World) -> None:
        self._last = world.collection("pipeline_counters", self)

    def count(self, run: Document, prefix: str, seed: int) -> int:
        """Return the value of a run for a prefix, which is the same wherever the run asks for it."""
        if prefix not in run["counters"]:
            key = f"{run['request']['project']['id']}/{run['request']['pipeline']['id']}/{prefix}"
            last = self._last.get(key)
            value = seed if last is None else max(seed, int(last["value"]) + 1)
            self._last.put(key, {"value": value})
            run["counters"][prefix] = value
        return int(run["counters"][prefix])

    def function(self, run: Document) -> Function:
        """Return the function for the expressions of a run."""
        return function(lambda prefix, seed: self.count(run, prefix, seed))


def function(count: Callable[[str, int], int]) -> Function:
    """Return the function for expressions.

    Args:
        count: Returns the value for a prefix and a seed.
    """

    def call(arguments: Arguments) -> str:
        prefix = (to_text(arguments[0]) or "") if len(arguments) > 0 else ""
        seed = (to_text(arguments[1]) or "") if len(arguments) > 1 else ""
        return str(count(prefix, int(seed) if seed.lstrip("-").isdecimal() else 0))

    return Function(0, 2, call)
