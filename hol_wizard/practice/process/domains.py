"""The hosts of the services that the practice cloud serves. It uses only the standard library."""

from __future__ import annotations

DOWNLOADS = frozenset(
    {"azcliextensionsync.blob.core.windows.net", "azcliprod.blob.core.windows.net"}
    | {"azurecliprod.blob.core.windows.net", "azuremlsdktestpypi.blob.core.windows.net"}
)
"""Hosts from which the Azure CLI downloads extensions without a sign-in (azure-cli-core, `extension/_index.py`, and the
addresses in its index)."""

_KEPT = (
    # Azure, Entra ID, Microsoft Graph and Azure DevOps; with their subdomains.
    *("azure.com", "azure.net", "windows.net", "microsoftonline.com", "microsoftonline-p.com", "login.microsoft.com"),
    *("graph.microsoft.com", "login.live.com", "microsoftazuread-sso.com", "visualstudio.com", "vsassets.io"),
    *("azurecr.io", "azureml.ms", "azureml.net", "azuredatabricks.net", "cloud.databricks.com", "gcp.databricks.com"),
    # Azure Government, China and Germany, for which the practice cloud has no sign-in.
    *("azure.us", "usgovcloudapi.net", "microsoftonline.us", "microsoft.us", "azureml.us"),
    *("azure.cn", "chinacloudapi.cn", "chinacloudapi.net", "partner.microsoftonline.cn", "windowsazure.cn"),
    *("microsoftazure.de", "cloudapi.de", "microsoftonline.de"),
)
"""Domains of these services with all subdomains, which are never accessed on the internet (azure-cli-core,
`cloud.py`)."""


def plain(host: str) -> str:
    """Return a host name in the form for comparisons: lowercase, without trailing dot and port."""
    return host.strip().lower().rstrip(".")


def is_kept(host: str) -> bool:
    """Return whether a host belongs to these services, so that it is served here or not at all."""
    name = plain(host)
    return name not in DOWNLOADS and any(name == each or name.endswith(f".{each}") for each in _KEPT)
