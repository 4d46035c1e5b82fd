"""The result of a step and of its job.

The azure-pipelines-agent, TaskResultUtil and StepsRunner.cs: of the results of its steps, only `succeededWithIssues`
and `failed` go into the result of a job; it is canceled only by a cancel.
"""

from __future__ import annotations

from hol_wizard.practice.kernel.timelines import Result

GOOD = (Result.SUCCEEDED, Result.SUCCEEDED_WITH_ISSUES)
_ORDER = (*GOOD, Result.FAILED, Result.CANCELED)
_STATUS = {
    Result.SUCCEEDED: "Succeeded",
    Result.SUCCEEDED_WITH_ISSUES: "SucceededWithIssues",
    Result.FAILED: "Failed",
    Result.CANCELED: "Canceled",
    Result.SKIPPED: "Skipped",
    Result.TIMED_OUT: "Canceled",
    Result.INTERRUPTED: "Canceled",
}


def worst(*results: Result) -> Result:
    """Return the worst of several results; skipped ones do not count."""
    counted = [each for each in results if each in _ORDER]
    return max(counted, key=_ORDER.index, default=Result.SUCCEEDED)


def merged(*results: Result) -> Result:
    """Return the result of a step from those of its program and its commands; there, `skipped` is the greatest."""
    order = (*_ORDER, Result.SKIPPED)
    return max(results, key=order.index, default=Result.SUCCEEDED)


def of_job(job: Result, step: Result) -> Result:
    """Return a job's result after one more step."""
    return worst(job, step) if step in (Result.SUCCEEDED_WITH_ISSUES, Result.FAILED) else job


def status(result: Result) -> str:
    """Return a result as `Agent.JobStatus` and expressions spell it."""
    return _STATUS[result]


def named(text: str) -> Result | None:
    """Return the result that a command names; None if there is no such result."""
    found = {status(each).lower(): each for each in (*_ORDER, Result.SKIPPED)}
    return found.get(text.strip().lower())
