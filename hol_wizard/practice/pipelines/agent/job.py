"""One job of a pipeline, from its first record to its last.

The order of the records is that of the azure-pipelines-agent (JobExtension.cs; CoreL1Tests.cs names them): Initialize
job, what comes before the job's own steps, the checkouts and steps, what comes after them, Finalize Job.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable

from hol_wizard.practice.kernel import job_log
from hol_wizard.practice.kernel.jobs import Work
from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import environment, job_variables, predefined, secrets_download, step_plan
from hol_wizard.practice.pipelines.agent.assignment import Assignment, Outcome, Surroundings
from hol_wizard.practice.pipelines.agent.command_effects import CommandEffects
from hol_wizard.practice.pipelines.agent.context import JobContext, StepContext, TaskError
from hol_wizard.practice.pipelines.agent.masking import Masker
from hol_wizard.practice.pipelines.agent.step_runner import JobStep, StepRunner
from hol_wizard.practice.pipelines.agent.variables import Variables
from hol_wizard.practice.pipelines.agent.workspace import Workspace
from hol_wizard.practice.pipelines.host import Value
from hol_wizard.practice.pipelines.orchestrate.timeline import issues_of
from hol_wizard.practice.pipelines.plan import ProtectedKind

_LONGEST = 360 * 60.0
"""Seconds that a job may take if it has no limit of its own (https://learn.microsoft.com/azure/devops/pipelines/process
/phases, "Timeouts": 360 minutes on hosted agents with a purchased job)."""
_LEAST_SPACE = 512 << 20
"""Bytes on the disk without which a job does not start."""
_BOM = "\ufeff"


def too_long(minutes: float) -> str:
    """Return the issue of a job that took longer than its limit."""
    return (
        f"The job running on agent {predefined.AGENT_NAME} ran longer than the maximum time of {minutes:g} minutes. For"
        " more information, see https://go.microsoft.com/fwlink/?linkid=2077134"
    )


class JobRun:
    """Runs one job."""

    def __init__(self, work: Work, assignment: Assignment, surroundings: Surroundings) -> None:
        masker = Masker()
        self._work = work
        self._assignment = assignment
        self._job = JobContext(work, assignment, surroundings, Workspace(work.folder), masker, Variables(masker))
        self._effects = CommandEffects()
        self._runner = StepRunner(self._job, self._effects)

    async def run(self) -> Outcome:
        """Run the job to its end, also if it is canceled meanwhile."""
        work, assignment = self._work, self._assignment
        limit = assignment.timeout_minutes * 60 if assignment.timeout_minutes > 0 else _LONGEST
        work.limit(limit, assignment.cancel_timeout_minutes * 60)
        async with work.step(assignment.display_name, record=assignment.record) as record:
            record.change(worker=predefined.AGENT_NAME)
            try:
                await self._steps()
            finally:
                job = self._job
                if not work.abandoned:
                    job.host.job_ended(assignment.record)
                result = Result.CANCELED if work.canceled.is_set() else job.result
                record.result = result
                issues = issues_of([too_long(limit / 60)] if work.stopped is Result.TIMED_OUT else [])
                self._gather_logs(record.log.append)
                record.change(**issues, log_id=job.surroundings.next_log())
        return Outcome(result, dict(self._job.outputs))

    def _gather_logs(self, append: Callable[..., None]) -> None:
        """Put the logs of the steps together as the job's own."""
        first = True
        for record in self._runner.logs:
            lines = job_log.read(self._work.log_file(record))
            append(*(line if first and number == 0 else line.removeprefix(_BOM) for number, line in enumerate(lines)))
            first = first and not lines

    async def _steps(self) -> None:
        job, runner = self._job, self._runner
        job.workspace.create()
        environment.write_shims(job.workspace.shims)
        job_variables.set_predefined(job)
        before = [JobStep("Initialize job", self._initialize)]
        for group in self._vault_groups():
            before.append(secrets_download.step(group))
        pre, main, after = step_plan.of(job)
        before += pre
        last = [JobStep("Finalize Job", self._finalize, condition="always()")]
        announced = [(runner.announce(each), each) for each in (*before, *main, *after, *last)]
        await runner.run(announced)

    def _vault_groups(self) -> list[str]:
        """Return the names of the groups whose values are fetched from a Key Vault when the job starts."""
        names = dict.fromkeys(each.name for each in self._assignment.variables if each.is_group)
        return [each for each in names if self._job.host.vault_of(self._job.key, each)]

    def _connections(self) -> list[str]:
        """Return the names of the service connections that the checkpoint of the stage has authorized for this job."""
        return [
            each.name
            for each in self._assignment.stage.protected
            if each.kind is ProtectedKind.ENDPOINT and each.job.lower() in {"", self._assignment.job.name.lower()}
        ]

    async def _initialize(self, context: StepContext) -> None:
        job, log, assignment = self._job, context.log, self._assignment
        log.write(f"Agent name: '{predefined.AGENT_NAME}'")
        log.write(f"Agent machine name: '{platform.node() or 'practice'}'")
        log.write(f"Current agent version: '{predefined.AGENT_VERSION}'")
        with log.group("Operating System"):
            log.write(platform.system())
            log.write(platform.release())
        with log.group("Practice agent"):
            log.write("This job runs on this machine, with a home folder and an environment of its own.")
            image = assignment.job.pool.vm_image
            if image:
                log.write(f"The image '{image}' is not there: a step that needs one of its programs fails.")
        free = shutil.disk_usage(job.workspace.root).free
        if free < _LEAST_SPACE:
            raise TaskError(f"There are only {free >> 20} MB left on this disk; a job needs {_LEAST_SPACE >> 20} MB.")
        for note in assignment.request.plan.notes:
            log.warning(str(note))
        log.write("Prepare build directory.")
        log.write("Set build variables.")
        token = await job.host.job_begins(job.key, assignment.record, assignment.plan, self._connections())
        job.variables.set("System.AccessToken", token, secret=True, read_only=True)
        groups: dict[str, dict[str, Value]] = {}
        vaults = {each.lower() for each in self._vault_groups()}
        for source in self._assignment.variables:
            if source.is_group and source.name.lower() not in {*vaults, *groups}:
                groups[source.name.lower()] = dict(await job.host.group_values(job.key, source.name))
        job_variables.set_declared(job, await job.host.definition_variables(job.key), groups)
        job.variables.recalculate()
        log.write("Download all required tasks.")
        for task in dict.fromkeys(each.task for each in self._assignment.steps):
            log.write(f"The practice agent has its own task: {task}")

    async def _finalize(self, context: StepContext) -> None:
        context.log.write("Cleaning up task key")
        context.log.write("Start cleaning up orphan processes.")
