"""The task Cache@2. The practice agent keeps nothing between jobs, and says so: every look-up is a miss."""

from __future__ import annotations

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent.context import StepContext


async def run(context: StepContext) -> Result:
    """Run the task."""
    context.input("key", required=True)
    context.input("path", required=True)
    context.log.warning("There is a cache miss: the practice agent keeps no caches between jobs.")
    if name := context.input("cacheHitVar"):
        context.job.variables.set(name, "false")
    return Result.SUCCEEDED
