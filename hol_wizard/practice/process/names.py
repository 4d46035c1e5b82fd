"""The services' real host names: which of them the practice cloud serves, and which it keeps from the internet.

The state contains only the practice cloud's own addresses. `Names` maps real names to ports, and translates requests
and responses under real names. See docs/practice-internals.md, "Real names".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from hol_wizard.practice import seed
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.process.domains import plain

FIXED: Mapping[str, str] = {
    "management.azure.com": "resource_manager",
    "login.microsoftonline.com": "active_directory",
    "graph.microsoft.com": "microsoft_graph",
    "prices.azure.com": "prices",
    "dev.azure.com": "devops",
    "app.vssps.visualstudio.com": "devops_profile",
    "vsaex.dev.azure.com": "devops_entitlements",
    "vssps.dev.azure.com": "devops_sps",
    "vstmr.dev.azure.com": "devops_test_results",
    "artprodweu1.artifacts.visualstudio.com": "devops_artifacts",
}
"""Services with one host name (azure-cli-core, `cloud.py`; the resource areas of Azure DevOps)."""

PER_THING: Mapping[str, str] = {
    ".vault.azure.net": "key_vault",
    ".azuredatabricks.net": "databricks",
    ".azurecr.io": "registry",
}
"""Suffixes of services with a host name for each resource (azure-cli-core; databricks-sdk, `environments.py`)."""

PER_ACCOUNT: Mapping[str, str] = {".blob.core.windows.net": "storage_blob", ".dfs.core.windows.net": "storage_dfs"}
"""The same for storage accounts, which are the first part of a path here."""

PER_REGION: Mapping[str, str] = {".api.azureml.ms": "machine_learning"}
"""Services with a host name in each region, and one address here (azure-ai-ml, azureml-mlflow)."""

SUFFIXES: Mapping[str, str] = {
    ".vault.azure.net": seed.KEY_VAULT_SUFFIX,
    ".azuredatabricks.net": f".{seed.DATABRICKS_SUFFIX}",
    **{
        f".{each}.core.windows.net": f".{each}.{seed.STORAGE_SUFFIX}"
        for each in ("blob", "dfs", "web", "queue", "table", "file")
    },
}
"""Suffixes of host names, real ones and those in the state, of resources without a port here."""

_LOCAL = re.compile(
    r"(?P<scheme>https(?::|%3A)(?://|%2F%2F))?127\.0\.0\.1(?::|%3A)(?P<port>\d{1,5})"
    r"(?:(?P<slash>/|%2F)(?P<account>[a-z0-9]{3,24})(?![a-z0-9-]))?",
    re.IGNORECASE,
)
_REAL = re.compile(r"https://(?P<host>[a-z0-9][a-z0-9.-]{1,250})(?![a-z0-9.:-])", re.IGNORECASE)
_REAL_ENDS = re.compile(rf"(?<=[a-z0-9])({'|'.join(re.escape(each) for each in SUFFIXES)})(?![a-z0-9-])", re.IGNORECASE)
_LOCAL_ENDS = re.compile(
    rf"(?<=[a-z0-9])({'|'.join(re.escape(each) for each in SUFFIXES.values())})(?![a-z0-9-])", re.IGNORECASE
)
_TRANSLATED = frozenset({"active_directory", "devops", "devops_profile", "devops_entitlements", "devops_sps"})
"""Services with one host name whose address occurs in requests: the address of a repository."""


@dataclass(frozen=True, slots=True)
class Place:
    """The target of a real name."""

    host: str
    service: str
    port: int
    prefix: str = ""
    """Prefix of each path here: `/account`."""


class Names:
    """The real names of existing resources."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.things: dict[tuple[str, str], str] = {}
        """The addresses of the ports of single resources, by service and resource."""

    def is_at(self, port: int) -> Callable[[str], bool]:
        """Return a function that says whether a host is a real name of a port."""
        return lambda host: (place := self.find(host)) is not None and place.port == port

    def find(self, host: str) -> Place | None:
        """Return the target of a real name; None if it does not exist."""
        name = plain(host)
        service = FIXED.get(name, "")
        if service:
            address = self._world.addresses.get(service)
            return Place(name, service, _port(address)) if address else None
        label, _, rest = name.partition(".")
        if label in seed.LOCATIONS and (service := PER_REGION.get(f".{rest}", "")):
            return Place(name, service, _port(self._world.addresses[service]))
        if (service := PER_ACCOUNT.get(f".{rest}", "")) and self._is_account(label):
            return Place(name, service, _port(self._world.addresses[service]), f"/{label}")
        for suffix, service in PER_THING.items():
            thing = name.removesuffix(suffix)
            if thing != name and (address := self.things.get((service, thing))):
                return Place(name, service, _port(address))
        return None

    def _is_account(self, name: str) -> bool:
        return any(
            each["name"] == name and each["type"].lower() == "microsoft.storage/storageaccounts"
            for each in self._world.part(Resources).all()
        )

    def pairs(self) -> dict[str, str]:
        """Return the real addresses of all existing resources, each with its address here."""
        found = {host: self._world.addresses.get(service, "") for host, service in FIXED.items()}
        suffixes = {service: suffix for suffix, service in PER_THING.items()}
        found |= {f"{thing}{suffixes[service]}": address for (service, thing), address in self.things.items()}
        return {f"https://{host}": address for host, address in found.items() if address}

    # Translation

    def real(self, text: str) -> str:
        """Return a text with real names instead of this machine's addresses."""
        if "127.0.0.1" in text:
            by_port = self._by_port()
            text = _LOCAL.sub(lambda found: _named(found, by_port), text)
        ends = {local: real for real, local in SUFFIXES.items()}
        return _LOCAL_ENDS.sub(lambda found: ends[found[0].lower()], text) if ".practice.invalid" in text else text

    def here(self, text: str) -> str:
        """Return a text with this machine's addresses instead of real names."""
        text = _REAL.sub(self._addressed, text)
        return _REAL_ENDS.sub(lambda found: SUFFIXES[found[0].lower()], text)

    def _addressed(self, found: re.Match[str]) -> str:
        place = self.find(found["host"])
        if place is None or (plain(found["host"]) in FIXED and place.service not in _TRANSLATED):
            return found[0]
        return f"https://127.0.0.1:{place.port}{place.prefix}"

    def _by_port(self) -> dict[int, str]:
        """Return host names by port; for a storage service only the suffix, because the account is in the path."""
        names = {service: host for host, service in FIXED.items()}
        names |= {service: suffix for suffix, service in PER_ACCOUNT.items()}
        # The address does not contain the region.
        names |= {service: f"{seed.LOCATION}{suffix}" for suffix, service in PER_REGION.items()}
        found = {_port(address): names[each] for each, address in self._world.addresses.items() if each in names}
        suffixes = {service: suffix for suffix, service in PER_THING.items()}
        things = self.things.items()
        return found | {_port(address): f"{thing}{suffixes[service]}" for (service, thing), address in things}


def _named(found: re.Match[str], by_port: Mapping[int, str]) -> str:
    name = by_port.get(int(found["port"]))
    if name is None:
        return found[0]
    account = f"{found['slash'] or ''}{found['account'] or ''}"
    if name.startswith("."):
        if not found["account"]:
            return found[0]
        name, account = f"{found['account']}{name}", ""
    return f"{found['scheme'] or ''}{name}{account}"


def _port(address: str) -> int:
    return int(urlsplit(address).port or 443)
