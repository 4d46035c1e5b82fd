"""The protected resources that a stage uses, and the resources that its steps name.

Sources: https://learn.microsoft.com/azure/devops/pipelines/security/resources, and for when they are authorized
https://learn.microsoft.com/azure/devops/pipelines/process/runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hol_wizard.practice.pipelines import tasks
from hol_wizard.practice.pipelines.compile.pools import HOSTED, check_image
from hol_wizard.practice.pipelines.compile.problems import Findings
from hol_wizard.practice.pipelines.compile.steps import CHECKOUT, DOWNLOAD
from hol_wizard.practice.pipelines.compile.variables import KnownVariables, has_macro
from hol_wizard.practice.pipelines.plan import (
    Job,
    Plan,
    Pool,
    ProtectedKind,
    ProtectedUse,
    Stage,
    Step,
    VariableSource,
)


@dataclass(slots=True)
class Uses:
    """Finds what a stage uses."""

    plan: Plan
    machine: str
    findings: Findings

    def of_stage(self, stage: Stage) -> tuple[ProtectedUse, ...]:
        """Return what a stage uses, each resource once for each job and input."""
        found = list(_groups(self.plan.variables)) + list(_groups(stage.variables))
        for job in stage.jobs:
            found += self._of_job(stage, job)
        return tuple(dict.fromkeys(found))

    def _of_job(self, stage: Stage, job: Job) -> Iterator[ProtectedUse]:
        known = KnownVariables(self.plan.variables, stage.variables, job.variables)
        yield from _groups(job.variables, job.name)
        if job.environment is not None:
            name = known.resolve(job.environment.name)
            if has_macro(name):
                self.findings.problem(
                    job.environment.place,
                    f"Job {job.name}: Environment {name} could not be found: its name must be known before the run.",
                )
            yield ProtectedUse(ProtectedKind.ENVIRONMENT, name, job.environment.place, job.name)
        for pool in (job.pool, *(hook.pool for hook in job.hooks if hook.pool is not None)):
            yield from self._of_pool(pool, known, job)
        for step in (*job.steps, *(step for hook in job.hooks for step in hook.steps)):
            yield from self._of_step(step, known, job)

    def _of_pool(self, pool: Pool, known: KnownVariables, job: Job) -> Iterator[ProtectedUse]:
        if pool.server:
            return
        legs = job.strategy.matrix if job.strategy is not None and isinstance(job.strategy.matrix, dict) else {}
        for values in legs.values() or ({},):
            check_image(pool, known.with_values(values), self.machine, self.findings, job.place)
        name = known.resolve(pool.name) if pool.name else HOSTED
        yield ProtectedUse(ProtectedKind.QUEUE, name, pool.place or job.place, job.name)

    def _of_step(self, step: Step, known: KnownVariables, job: Job) -> Iterator[ProtectedUse]:
        if not step.enabled:
            return
        title = step.name or step.display_name
        if step.task == CHECKOUT:
            yield from self._of_checkout(step, job, title)
            return
        if step.task == DOWNLOAD:
            self._check_download(step)
            return
        task = tasks.find(step.task)
        for each in task.inputs if task else ():
            name = known.resolve(step.inputs.get(each.name, "")).strip()
            if each.is_connection and name:
                yield ProtectedUse(ProtectedKind.ENDPOINT, name, step.place, job.name, title, each.name)

    def _of_checkout(self, step: Step, job: Job, title: str) -> Iterator[ProtectedUse]:
        alias = step.inputs["repository"]
        if alias.lower() in ("self", "none"):
            return
        for each in self.plan.repositories:
            if each.alias.lower() == alias.lower():
                yield ProtectedUse(ProtectedKind.REPOSITORY, each.name, step.place, job.name, title)
                return
        self.findings.problem(step.place, f"The repository '{alias}' of a checkout is not in 'resources.repositories'.")

    def _check_download(self, step: Step) -> None:
        alias = step.inputs["alias"]
        if alias.lower() in ("current", "none"):
            return
        if all(each.alias.lower() != alias.lower() for each in self.plan.pipelines):
            self.findings.problem(step.place, f"The pipeline '{alias}' of a download is not in 'resources.pipelines'.")


def _groups(sources: tuple[VariableSource, ...], job: str = "") -> Iterator[ProtectedUse]:
    for each in sources:
        if each.is_group:
            yield ProtectedUse(ProtectedKind.VARIABLE_GROUP, each.name, each.place, job)
