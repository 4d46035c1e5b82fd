"""Runs the steps of a job, one after the other.

The azure-pipelines-agent, StepsRunner.cs: each step's condition decides with the job's result so far; a condition that
cannot be evaluated fails the step; a step that runs while the job is canceled continues if its condition still holds
then; `continueOnError` turns a failure into `succeededWithIssues`. RetryHelper.cs: a failed task is tried again after
1, 4, 9 … seconds, at most ten times.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hol_wizard.practice.kernel.jobs import CanceledError, TooLongError
from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import assignment, conditions, job_variables, results
from hol_wizard.practice.pipelines.agent.command_effects import CommandEffects
from hol_wizard.practice.pipelines.agent.context import JobContext, StepContext, TaskError
from hol_wizard.practice.pipelines.agent.step_log import StepLog
from hol_wizard.practice.pipelines.expressions import ExpressionError
from hol_wizard.practice.pipelines.host import HostError

LOG = logging.getLogger(__name__)
MOST_RETRIES = 10
CANCELED = "The Operation will be canceled. The next steps may not contain expected logs."
TIMED_OUT = "The task has timed out."


@dataclass(frozen=True, slots=True)
class JobStep:
    """One step of a job, ready to run."""

    title: str
    """Its display name; may contain macros."""
    run: Callable[[StepContext], Awaitable[Result | None]]
    """Does its work; raises `TaskError` if it fails."""
    name: str = ""
    condition: str | None = None
    continue_on_error: bool | str = False
    timeout_minutes: float | str = 0
    retries: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    """Of its record: the task."""
    prepare: Callable[[StepContext], None] = lambda context: None
    """Reads its inputs, before each try."""


class StepRunner:
    """Runs steps in one job."""

    def __init__(self, job: JobContext, effects: CommandEffects) -> None:
        self._job = job
        self._effects = effects
        self.logs: list[str] = []
        """IDs of the records that have a log, in their order."""

    def announce(self, step: JobStep) -> str:
        """Add a step's pending record, and return its ID."""
        job = self._job
        title = job.masker.mask(job.variables.expand(step.title))
        return job.work.add_record(title, parent=job.assignment.record, **step.details)

    async def run(self, steps: Sequence[tuple[str, JobStep]]) -> None:
        """Run steps with their records.

        Raises:
            asyncio.CancelledError: The job has used up the time that it has after a cancel.
        """
        for record, step in steps:
            await self._one(record, step)

    async def _one(self, record: str, step: JobStep) -> None:
        job = self._job
        if job.work.canceled.is_set():
            job.set_result(Result.CANCELED)
        job.variables.recalculate()
        title = job.masker.mask(job.variables.expand(step.title))
        job.work.change_record(record, name=title)
        with contextlib.suppress(CanceledError):
            async with job.work.step(title, record=record) as kernel:
                log = StepLog(kernel, job.masker, debug=job.variables.flag("System.Debug"))
                context = StepContext(job, kernel, log, name=step.name, handle=self._effects.handle)
                try:
                    for warning in job.variables.warnings:
                        log.warning(warning)
                    kernel.result = await self._decided(context, step, title)
                finally:
                    log.flush()
                    self.logs.append(record)
                    kernel.change(log_id=job.surroundings.next_log())
                job.merge(kernel.result)

    async def _decided(self, context: StepContext, step: JobStep, title: str) -> Result:
        """Run a step if its condition holds, and return its result."""
        job, log = self._job, context.log
        values = job.variables.all()
        log.debug(f"Evaluating condition for step: '{title}'")
        try:
            verdict = conditions.verdict(step.condition, values, job.result)
        except ExpressionError as error:
            log.error(str(error))
            return Result.FAILED
        if not verdict.holds:
            log.write(conditions.SKIPPED)
            log.write(verdict.explanation)
            context.kernel.change(resultCode=conditions.SKIPPED)
            return Result.SKIPPED
        context.even_canceled = job.work.canceled.is_set() or self._holds_canceled(step, values)
        return await self._run(context, step, title)

    @staticmethod
    def _holds_canceled(step: JobStep, values: Mapping[str, str]) -> bool:
        try:
            canceled = {**values, "Agent.JobStatus": results.status(Result.CANCELED)}
            return conditions.verdict(step.condition, canceled, Result.CANCELED).holds
        except ExpressionError:
            return False

    async def _run(self, context: StepContext, step: JobStep, title: str) -> Result:
        log = context.log
        log.section(f"Starting: {title}")
        minutes = self._number(step.timeout_minutes)
        if minutes > 0:
            context.deadline = time.monotonic() + minutes * 60
        retries = min(step.retries, MOST_RETRIES)
        if step.retries > MOST_RETRIES:
            log.warning(
                f"The maximum allowed number of attempts is {MOST_RETRIES} but got {step.retries}. Retry attempts"
                f" count will be decreased to {MOST_RETRIES}."
            )
        async with self._told_of_cancel(context):
            result = await self._attempts(context, step, retries)
        if result is Result.FAILED and self._truth(step.continue_on_error):
            result = Result.SUCCEEDED_WITH_ISSUES
        log.section(f"Finishing: {title}")
        return result

    async def _attempts(self, context: StepContext, step: JobStep, retries: int) -> Result:
        for attempt in range(retries + 1):
            result = await self._attempt(context, step)
            if result is not Result.FAILED or attempt == retries or context.command_result is Result.CANCELED:
                return result
            seconds = assignment.retry_seconds(attempt + 1)
            context.log.warning(
                f"RetryHelper encountered task failure, will retry (attempt #: {attempt + 1} out of {retries})"
                f" after {seconds * 1000:.0f} ms"
            )
            context.command_result = None
            try:
                await self._job.work.sleep(seconds)
            except CanceledError:
                return self._canceled(context)
        raise AssertionError("the last attempt returns")

    async def _attempt(self, context: StepContext, step: JobStep) -> Result:
        """Run a step once; every error of it ends the step, not the job."""
        log = context.log
        try:
            step.prepare(context)
            result = await step.run(context) or Result.SUCCEEDED
            await self._effects.finish(context)
        except CanceledError:
            return self._canceled(context)
        except TooLongError:
            log.error(TIMED_OUT)
            return Result.FAILED
        except (TaskError, HostError, ExpressionError) as error:
            log.error(str(error))
            return Result.FAILED
        except Exception as error:  # noqa: BLE001 - it fails its step; the log must not get a secret from its text
            trace = "".join(traceback.format_exception(error))
            LOG.error("a step of job %s: %s", self._job.work.id, self._job.masker.mask(trace))
            log.error(f"{type(error).__name__}: {error}")
            return Result.FAILED
        return results.merged(result, context.command_result or Result.SUCCEEDED)

    def _canceled(self, context: StepContext) -> Result:
        self._job.set_result(Result.CANCELED)
        return Result.CANCELED

    @contextlib.asynccontextmanager
    async def _told_of_cancel(self, context: StepContext) -> AsyncIterator[None]:
        """Write into the log when the job is canceled, unless the step continues."""
        if context.even_canceled:
            yield
            return

        async def tell() -> None:
            await self._job.work.canceled.wait()
            context.log.error(CANCELED)

        telling = asyncio.ensure_future(tell())
        try:
            yield
        finally:
            if self._job.work.canceled.is_set():
                await asyncio.sleep(0)
            telling.cancel()

    def _number(self, given: float | str) -> float:
        text = self._text(str(given))
        try:
            return float(text or 0)
        except ValueError:
            return 0.0

    def _truth(self, given: bool | str) -> bool:
        return given if isinstance(given, bool) else self._text(given).lower() == "true"

    def _text(self, given: str) -> str:
        """Return a property of a step with its macros or its runtime expression evaluated; empty if that fails."""
        try:
            return job_variables.resolved(self._job, self._job.variables.expand(given)).strip()
        except ExpressionError:
            return ""
