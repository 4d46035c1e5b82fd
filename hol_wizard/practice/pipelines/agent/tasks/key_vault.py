"""The task AzureKeyVault@2: secrets of a vault as secret variables.

azure-pipelines-tasks, AzureKeyVaultV2: `*` means all secrets that are enabled and not expired; the filter is split at
commas, and one without a name in it downloads nothing (`getDelimitedInput`).
"""

from __future__ import annotations

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent.context import StepContext


async def run(context: StepContext) -> Result:
    """Run the task."""
    job = context.job
    connection = await job.host.connection(job.key, context.input("ConnectedServiceName", required=True))
    for secret in (connection.federated_token, connection.secret):
        job.masker.add(secret)
    vault = context.input("KeyVaultName", required=True)
    names = [each.strip() for each in context.input("SecretsFilter", required=True).split(",") if each.strip()]
    context.log.write(f"SubscriptionId: {connection.subscription}.")
    context.log.write(f"Key vault name: {vault}.")
    if not names:
        return Result.SUCCEEDED
    for name, value in (await job.host.secrets(job.key, vault, connection, [] if names == ["*"] else names)).items():
        context.log.write(f"Downloading secret value for: {name}.")
        job.variables.set(name, value, secret=True)
    return Result.SUCCEEDED
