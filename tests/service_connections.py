"""The body of a request for a service connection to Azure, as the portal sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hol_wizard.practice import seed


def azure_connection(name: str, parameters: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Return the body of a connection to the practice subscription by workload identity federation.

    Args:
        name: Its name.
        parameters: The tenant and the client ID.
        more: Further members, or members to replace.
    """
    return {
        "name": name,
        "type": "azurerm",
        "url": "https://management.azure.com/",
        "authorization": {"scheme": "WorkloadIdentityFederation", "parameters": dict(parameters)},
        "data": {
            "environment": "AzureCloud",
            "scopeLevel": "Subscription",
            "subscriptionId": seed.SUBSCRIPTION.id,
            "subscriptionName": seed.SUBSCRIPTION.name,
            "creationMode": "Manual",
        },
        **more,
    }
