"""An Azure Machine Learning workspace, and the resources that it needs."""

from __future__ import annotations

from hol_wizard.resources.azure_resource import AzureResource, in_group
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.key_vault import vault
from hol_wizard.resources.storage_account import storage_account
from hol_wizard.resources.wanted import location


def dependants(context: StepContext) -> tuple[AzureResource, ...]:
    """Return the resources that a Machine Learning workspace needs, in the order of creation.

    They are not shared: a Databricks secret scope on a shared vault would show the workspace's secrets to everybody.
    """
    names = context.here
    logs = in_group(context, "Microsoft.OperationalInsights/workspaces", names.log_analytics)
    return (
        storage_account(context, names.ml_storage_account, hierarchical=False, tier="Hot"),
        vault(context, names.ml_key_vault, roles=True),
        AzureResource(
            context,
            kind="Log Analytics workspace",
            path=logs,
            body={
                "location": context.names.location,
                "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30},
            },
            wanted=(location(context),),
            usually=30,
            cost="by the amount of logged data; nothing for the lab",
            delete_query=(("force", "true"),),
        ),
        AzureResource(
            context,
            kind="Application Insights",
            path=in_group(context, "Microsoft.Insights/components", names.application_insights),
            body={
                "location": context.names.location,
                "kind": "web",
                "properties": {"Application_Type": "web", "WorkspaceResourceId": logs},
            },
            wanted=(location(context),),
            usually=10,
            cost="by the amount of logged data; nothing for the lab",
        ),
    )


def storage_id(context: StepContext) -> str:
    """Return the resource ID of the storage account that holds the files of registered models."""
    return in_group(context, "Microsoft.Storage/storageAccounts", context.here.ml_storage_account)


def workspace(context: StepContext) -> AzureResource:
    """Return the environment's Azure Machine Learning workspace."""
    names = context.here
    return AzureResource(
        context,
        kind="Machine Learning workspace",
        path=in_group(context, "Microsoft.MachineLearningServices/workspaces", names.ml_workspace),
        body={
            "location": context.names.location,
            "identity": {"type": "SystemAssigned"},
            "sku": {"name": "Basic", "tier": "Basic"},
            "properties": {
                "friendlyName": names.ml_workspace,
                "storageAccount": storage_id(context),
                "keyVault": in_group(context, "Microsoft.KeyVault/vaults", names.ml_key_vault),
                "applicationInsights": in_group(context, "Microsoft.Insights/components", names.application_insights),
            },
        },
        wanted=(location(context),),
        usually=45,
        cost="free; the resources that it needs cost cents",
        # Without it, the workspace is only soft-deleted and its name stays in use.
        delete_query=(("forceToPurge", "true"),),
    )
