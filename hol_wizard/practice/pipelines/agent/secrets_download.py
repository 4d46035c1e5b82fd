"""The step that fetches the secrets of a variable group from its Key Vault.

On the service, it comes before the job's own steps: a step "Download secrets: GROUP" of the task Azure Key Vault, with
the identity of the group's service connection (https://learn.microsoft.com/azure/devops/pipelines/library/link-variable-groups
-to-key-vaults). If the vault refuses, the step fails with the vault's message, and no step of the job runs.
"""

from __future__ import annotations

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError
from hol_wizard.practice.pipelines.agent.step_runner import JobStep
from hol_wizard.practice.pipelines.host import HostError


def step(group: str) -> JobStep:
    """Return the step for one group."""

    async def run(context: StepContext) -> Result:
        job = context.job
        context.log.write(f"Key vault name: {job.host.vault_of(job.key, group)}.")
        try:
            values = await job.host.group_values(job.key, group)
        except HostError as error:
            raise TaskError(str(error)) from error
        later = _declared_after(context, group)
        for name, value in values.items():
            context.log.write(f"Downloading secret value for: {name}.")
            job.masker.add(value.value)
            if name.lower() not in later:
                job.variables.set(name, value.value, secret=True)
        return Result.SUCCEEDED

    return JobStep(f"Download secrets: {group}", run)


def _declared_after(context: StepContext, group: str) -> set[str]:
    """Return the variables that are declared after the group, in lowercase: they win."""
    assignment = context.job.assignment
    names = {each.lower() for each in assignment.own_variables}
    for each in reversed(assignment.variables):
        if each.is_group and each.name.lower() == group.lower():
            break
        if not each.is_group:
            names.add(each.name.lower())
    return names
