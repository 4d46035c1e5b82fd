"""Where a cloud's services are: the one value in which the public clouds and the practice cloud differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hol_wizard.errors import UsageError
from hol_wizard.services import dataset
from hol_wizard.services.secrets import Secret

POLL_SECONDS = 5.0
"""Default seconds between two checks of a long-running operation."""

LOCAL_POLL_SECONDS = 0.25
"""The same for a cloud on this machine, where frequent requests do no harm."""

DATABRICKS_AUDIENCE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
"""Application ID of Azure Databricks, the same in every tenant (databricks-sdk, `azure.py`)."""

DEVOPS_AUDIENCE = "499b84ac-1321-427f-aa17-267ca6975798"
"""Application ID of Azure DevOps, the same in every tenant (azure-devops extension, `services.py`)."""

_CLOUDS = {"azure": "AzureCloud", "usgov": "AzureUSGovernment", "china": "AzureChinaCloud"}

_PUBLIC_AUTHORITY = "https://login.microsoftonline.com"
"""azure-cli-core, `cloud.py`."""

_DATABRICKS_SUFFIXES = {
    "azure": ".azuredatabricks.net",
    "usgov": ".databricks.azure.us",
    "china": ".databricks.azure.cn",
}
"""databricks-sdk, `environments.py`."""

_PORTALS = {
    "azure": "https://portal.azure.com",
    "usgov": "https://portal.azure.us",
    "china": "https://portal.azure.cn",
}


_PRICES = {"azure": "https://prices.azure.com", "usgov": "https://prices.azure.com"}
"""learn.microsoft.com/rest/api/cost-management/retail-prices.

That it includes Azure Government's regions is [K]; Azure China's prices are elsewhere.
"""


@dataclass(frozen=True, slots=True)
class Approval:
    """Address at which a person who may read a local cloud's endpoints file approves their own sign-ins."""

    address: str
    token: Secret


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses and token audiences of one cloud."""

    name: str
    """The Azure CLI's name of the cloud."""
    resource_manager: str
    active_directory: str
    microsoft_graph: str
    management_audience: str
    graph_audience: str
    key_vault_audience: str
    storage_audience: str
    storage_suffix: str
    key_vault_suffix: str
    portal: str
    """Address of the portal."""
    portal_token: Secret | None = None
    """What the portal of a local cloud wants in the fragment of its address; None for a portal with a sign-in."""
    devops: str = "https://dev.azure.com"
    devops_profile: str = "https://app.vssps.visualstudio.com"
    """Address of Azure DevOps for the list of an account's organizations."""
    devops_sps: str = "https://vssps.dev.azure.com"
    """Address of Azure DevOps for the personal access tokens of an organization."""
    devops_test_results: str = "https://vstmr.dev.azure.com"
    """Address of Azure DevOps for the results of tests."""
    devops_entitlements: str = "https://vsaex.dev.azure.com"
    """Address of Azure DevOps for the users of an organization and their access levels."""
    prices: str = ""
    """Address of the list of retail prices; empty if this cloud has none."""
    registry_suffix: str = ""
    """Suffix of container registries' login servers; empty if they are at the address of Azure Resource Manager."""
    databricks_suffix: str = ".azuredatabricks.net"
    databricks_audience: str = DATABRICKS_AUDIENCE
    devops_audience: str = DEVOPS_AUDIENCE
    ca_bundle: Path | None = None
    """Certificates to trust; None for the system's."""
    session_cloud: str = ""
    """The Azure CLI's name of the cloud in the shared session; empty if it is `name`."""
    session_authority: str = ""
    """The address of `active_directory` in that session; empty if it is the same.

    Requests to it go to `active_directory`, under this name.
    """
    names_file: Path | None = None
    """File of the names that other clients use for addresses of this cloud; None if they use its addresses."""
    azure_config_dir: Path | None = None
    """Folder of the sign-in shared with the Azure CLI; None for the CLI's own."""
    databricks_config_file: Path | None = None
    """File of the Databricks CLI's profiles; None for the CLI's own."""
    browser_sign_in: bool = True
    """Whether a browser can open the sign-in page."""
    approval: Approval | None = None
    """Where one's own sign-in is approved; None if the person does that on the cloud's pages."""
    runs_consent: Approval | None = None
    """Where the consent to run a commit's programs on this machine is recorded; None if pipelines run elsewhere."""
    instance_discovery: bool = True
    """Whether to ask Microsoft to verify the sign-in address."""
    poll_interval: float = POLL_SECONDS
    """Default seconds between two checks of a long-running operation."""
    tenant: str = ""
    """The directory of a cloud that has only one; empty if there are many."""
    data_sources: tuple[str, ...] = dataset.SOURCES
    """The sources of the lab's data file, in the order in which they are tried."""
    notice: str = ""
    """What the cloud tells whoever comes to it; empty: nothing."""
    practice_python: Path | None = None
    """Python of a cloud on this machine with the packages of the inference container, for practice without a container
    engine; None: an engine is needed. It need not be installed yet."""
    stand_in_data: bool = False
    """Whether the lab's data file is generated by default, so that it needs no request to other hosts."""

    @property
    def devops_takes_sign_in(self) -> bool:
        """Whether Azure DevOps accepts this cloud's Entra sign-in.

        Azure DevOps Services exists only in the public cloud and does not know the directories of the other clouds.
        From there, an organization can be reached only with a personal access token.
        """
        return self.name not in {_CLOUDS["usgov"], _CLOUDS["china"]}

    def known_as(self, address: str) -> str:
        """Return the name that other clients, and people in files for them, use for an address of this cloud.

        Args:
            address: The address of a service, or one below it.
        """
        return _moved(address, {here: name for name, here in self._names().items()})

    def address_of(self, name: str) -> str:
        """Return the address that this process uses for a name of other clients."""
        return _moved(name, self._names())

    def _names(self) -> dict[str, str]:
        if self.names_file is None:
            return {}
        try:
            document = json.loads(self.names_file.read_text(encoding="utf-8"))
            return {str(name): str(address) for name, address in document.items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            # It is written again whenever a workspace is created or deleted.
            return {}

    def owns(self, url: str) -> bool:
        """Return whether an address belongs to this cloud, so that a token may be sent there."""
        asked = urlsplit(url)
        if asked.scheme != "https" or not asked.hostname or "@" in asked.netloc:
            return False
        services = (
            self.resource_manager,
            self.active_directory,
            self.microsoft_graph,
            self.devops,
            self.devops_profile,
            self.devops_sps,
            self.devops_test_results,
            self.devops_entitlements,
        )
        if any(asked.hostname == urlsplit(each).hostname for each in services):
            return True
        manager = urlsplit(self.resource_manager).hostname
        # The files of artifacts are on a host of their own, whose name depends on the organization's region.
        artifacts = "artifacts.visualstudio.com" if urlsplit(self.devops).hostname == "dev.azure.com" else ""
        suffixes = (
            artifacts,
            f".{manager}",
            self.storage_suffix,
            self.key_vault_suffix,
            self.databricks_suffix,
            self.registry_suffix,
        )
        return any(suffix and asked.hostname.endswith(f".{suffix.lstrip('.')}") for suffix in suffixes)

    @classmethod
    def of_cloud(cls, cloud: str) -> Endpoints:
        """Return a public cloud's addresses, as azure-cli-core defines them.

        Args:
            cloud: `azure`, `usgov` or `china`.

        Raises:
            UsageError: There is no such cloud.
        """
        from azure.cli.core.cloud import KNOWN_CLOUDS

        if cloud not in _CLOUDS:
            raise UsageError(f"There is no cloud `{cloud}`.", f"There are {', '.join(_CLOUDS)}.")
        known = next(each for each in KNOWN_CLOUDS if each.name == _CLOUDS[cloud])
        addresses, suffixes = known.endpoints, known.suffixes
        return cls(
            name=known.name,
            resource_manager=addresses.resource_manager.rstrip("/"),
            active_directory=addresses.active_directory.rstrip("/"),
            microsoft_graph=addresses.microsoft_graph_resource_id.rstrip("/"),
            management_audience=addresses.active_directory_resource_id,
            graph_audience=addresses.microsoft_graph_resource_id,
            key_vault_audience=f"https://{suffixes.keyvault_dns.lstrip('.')}",
            storage_audience="https://storage.azure.com/",
            storage_suffix=suffixes.storage_endpoint,
            key_vault_suffix=suffixes.keyvault_dns,
            registry_suffix=suffixes.acr_login_server_endpoint or "",
            portal=_PORTALS[cloud],
            databricks_suffix=_DATABRICKS_SUFFIXES[cloud],
            prices=_PRICES.get(cloud, ""),
        )

    @classmethod
    def of_file(cls, path: Path) -> Endpoints:
        """Return the addresses from a local cloud's endpoints file.

        Raises:
            UsageError: The file does not exist, or is not an endpoints file.
        """
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            audiences, suffixes = document["audiences"], document.get("suffixes", {})
            return cls(
                name=document["name"],
                resource_manager=document["resource_manager"].rstrip("/"),
                active_directory=document["active_directory"].rstrip("/"),
                microsoft_graph=document.get("microsoft_graph", ""),
                management_audience=audiences["management"],
                graph_audience=audiences["graph"],
                key_vault_audience=audiences["key_vault"],
                storage_audience=audiences["storage"],
                databricks_audience=audiences.get("databricks", DATABRICKS_AUDIENCE),
                devops_audience=audiences.get("devops", DEVOPS_AUDIENCE),
                storage_suffix=suffixes.get("storage", ""),
                key_vault_suffix=suffixes.get("key_vault", ""),
                databricks_suffix=suffixes.get("databricks", ""),
                portal=document.get("portal", ""),
                portal_token=Secret(document["portal_token"]) if document.get("portal_token") else None,
                devops=document.get("devops", ""),
                devops_profile=document.get("devops_profile", ""),
                devops_sps=document.get("devops_sps", ""),
                devops_test_results=document.get("devops_test_results", ""),
                devops_entitlements=document.get("devops_entitlements", ""),
                prices=document.get("prices", ""),
                ca_bundle=Path(document["bundle_file"]),
                # Shells that use the services' real names share the session, so it has the public cloud's names.
                session_cloud=_CLOUDS["azure"],
                session_authority=_PUBLIC_AUTHORITY,
                names_file=path.parent / str(document.get("names_file") or "names.json"),
                azure_config_dir=path.parent / "azure",
                databricks_config_file=Path(document.get("databricks_config_file") or path.parent / "databrickscfg"),
                browser_sign_in=bool(document.get("browser_sign_in", False)),
                approval=Approval(document["approval"], Secret(document["control_token"]))
                if document.get("approval")
                else None,
                runs_consent=Approval(f"{document['control']}/pipeline-consents", Secret(document["control_token"]))
                if document.get("control")
                else None,
                instance_discovery=False,
                poll_interval=float(document.get("poll_interval", LOCAL_POLL_SECONDS)),
                tenant=document.get("defaults", {}).get("tenant", ""),
                data_sources=tuple(document.get("data_sources", dataset.SOURCES)),
                notice=str(document.get("notice") or ""),
                practice_python=Path(document["practice_python"]) if document.get("practice_python") else None,
                stand_in_data=bool(document.get("stand_in_data", True)),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"{path} does not contain the cloud's address: {error}.", "Start it again: hol-wizard practice start"
            ) from error


def _moved(url: str, places: Mapping[str, str]) -> str:
    """Return an address with its host replaced, if there is a replacement."""
    parts = urlsplit(url)
    other = places.get(f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}")
    return url if other is None else other + parts._replace(scheme="", netloc="").geturl()
