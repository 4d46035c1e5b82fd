"""Which hosts are those of the services that the practice cloud plays. Standard library only."""

from __future__ import annotations

DOWNLOADS = frozenset(
    {"azcliextensionsync.blob.core.windows.net", "azcliprod.blob.core.windows.net"}
    | {"azurecliprod.blob.core.windows.net", "azuremlsdktestpypi.blob.core.windows.net"}
)
"""Where the Azure CLI downloads extensions from, without any sign-in (azure-cli-core, `extension/_index.py`, and the
addresses in its index)."""

_KEPT = (
    # Azure, Entra ID, Microsoft Graph and Azure DevOps; with their subdomains.
    *("azure.com", "azure.net", "windows.net", "microsoftonline.com", "microsoftonline-p.com", "login.microsoft.com"),
    *("graph.microsoft.com", "login.live.com", "microsoftazuread-sso.com", "visualstudio.com", "vsassets.io"),
    *("azurecr.io", "azureml.ms", "azureml.net", "azuredatabricks.net", "cloud.databricks.com", "gcp.databricks.com"),
    # Azure Government, China and Germany, which no sign-in of the practice cloud is for.
    *("azure.us", "usgovcloudapi.net", "microsoftonline.us", "microsoft.us", "azureml.us"),
    *("azure.cn", "chinacloudapi.cn", "chinacloudapi.net", "partner.microsoftonline.cn", "windowsazure.cn"),
    *("microsoftazure.de", "cloudapi.de", "microsoftonline.de"),
)
"""Domains of these services, and all below them: never asked outside (azure-cli-core, `cloud.py`)."""


def plain(host: str) -> str:
    """Return a host name as it is compared: lowercase, no dot at its end, no port."""
    return host.strip().lower().rstrip(".")


def is_kept(host: str) -> bool:
    """Return whether a host is one of these services': it is answered here, or not at all."""
    name = plain(host)
    return name not in DOWNLOADS and any(name == each or name.endswith(f".{each}") for each in _KEPT)
