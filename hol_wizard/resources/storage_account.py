"""Storage accounts: an environment's data lake, and Machine Learning's own."""

from __future__ import annotations

from hol_wizard.engine.kinds import kind
from hol_wizard.resources.azure_resource import AzureResource, in_group
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.wanted import Wanted, location


def storage_account(context: StepContext, name: str, *, hierarchical: bool, tier: str) -> AzureResource:
    """Return a storage account of an environment."""
    return AzureResource(
        context,
        kind="Storage account",
        path=in_group(context, "Microsoft.Storage/storageAccounts", name),
        body={
            "location": context.names.location,
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {
                "accessTier": tier,
                "isHnsEnabled": hierarchical,
                "minimumTlsVersion": "TLS1_2",
                "allowBlobPublicAccess": False,
                "supportsHttpsTrafficOnly": True,
            },
        },
        wanted=(
            location(context),
            Wanted("Account kind", ("kind",), "StorageV2"),
            Wanted("Hierarchical namespace", ("properties", "isHnsEnabled"), hierarchical, missing_means=False),
            Wanted("Access tier", ("properties", "accessTier"), tier, changeable=True),
            Wanted(
                "Minimum TLS version",
                ("properties", "minimumTlsVersion"),
                "TLS1_2",
                changeable=True,
                missing_means="TLS1_0",
            ),
            Wanted("Secure transfer", ("properties", "supportsHttpsTrafficOnly"), expected=True, changeable=True),
        ),
        usually=25,
        cost="by the amount of stored data; cents for the lab",
        availability="Microsoft.Storage/storageAccounts",
    )


@kind("data_lake", uses=("storage_account",))
def data_lake(context: StepContext) -> AzureResource:
    """Return the environment's data lake: a storage account with a hierarchical namespace, access tier Cool."""
    return storage_account(context, context.here.storage_account, hierarchical=True, tier="Cool")
