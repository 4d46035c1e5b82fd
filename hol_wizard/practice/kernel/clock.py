"""How long operations take, and the clock that speeds them up.

Due times are in wall-clock time, so time also passes while the server is stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

DEFAULT_SPEED = 60.0
"""How many of Azure's seconds pass in one real second: a Databricks workspace then takes three seconds."""


@dataclass(frozen=True, slots=True)
class Duration:
    """How long one kind of operation takes in Azure."""

    seconds: float
    source: str
    """Source of the figure; `estimate` if it was not measured."""


DURATIONS: Mapping[str, Duration] = {
    "Microsoft.Storage/storageAccounts": Duration(20, "recordings: one or two polls of about 17 s"),
    "Microsoft.KeyVault/vaults": Duration(15, "estimate; recordings: RegisteringDns for a poll or two"),
    "Microsoft.KeyVault/vaults recover": Duration(15, "estimate"),
    "Microsoft.KeyVault/vaults purge": Duration(7, "recordings: created 06:40:15, last action 06:40:22"),
    "Microsoft.KeyVault/vaults/secrets delete": Duration(
        5, "estimate: the SDK looks every two seconds until it is done"
    ),
    "Microsoft.KeyVault/vaults/secrets recover": Duration(5, "estimate: as for the deletion"),
    "Microsoft.Storage container delete": Duration(30, "Delete Container: at least 30 s until the name is free again"),
    "deployment step": Duration(5, "estimate: how often a deployment looks at its resources"),
    "Microsoft.Databricks/workspaces": Duration(180, "estimate: 2 to 6 minutes (lab/steps.md A5)"),
    "Microsoft.Databricks/workspaces update": Duration(30, "estimate"),
    "Microsoft.Databricks/workspaces delete": Duration(120, "estimate; recordings: eleven polls"),
    "Databricks cluster start": Duration(300, "estimate: 'may take several minutes'; about five on Azure"),
    "Databricks cluster stop": Duration(30, "estimate"),
    "Databricks cluster refused": Duration(60, "estimate: the quota is found wanting within a minute"),
    "Databricks library install": Duration(40, "estimate: pip on the driver, half a minute to two"),
    "Microsoft.MachineLearningServices/workspaces": Duration(45, "estimate: 15 to 60 s (lab/steps.md A2)"),
    "Microsoft.MachineLearningServices/workspaces delete": Duration(30, "estimate"),
    "Microsoft.OperationalInsights/workspaces": Duration(20, "estimate"),
    "Microsoft.ContainerRegistry/registries": Duration(20, "estimate"),
    "Microsoft.ContainerRegistry/registries delete": Duration(10, "estimate"),
    "Microsoft.ContainerRegistry/registries import": Duration(10, "estimate: a copy within Azure"),
    "role assignment": Duration(120, "estimate: 'several minutes' (Key Vault RBAC guide), at most ten"),
    "access policy": Duration(
        10, "estimate: the scripts of Azure-Samples/modern-data-warehouse-dataops wait 10 s after set-policy"
    ),
    "application": Duration(5, "estimate: az tries again, every 5 s, for up to three minutes"),
    "service principal": Duration(20, "estimate: az tries again, every 5 s, for up to three minutes"),
    "managed identity": Duration(
        20, "estimate: as for a service principal; terraform-provider-azurerm tries again for minutes"
    ),
    "federated credential": Duration(
        60,
        "estimate: it 'takes time to propagate', minutes at most (workload identity federation, considerations)",
    ),
    "service connection": Duration(5, "estimate: isReady within seconds"),
    "client secret": Duration(30, "estimate: a new secret is known everywhere after half a minute"),
    "Azure DevOps project": Duration(15, "recordings: three polls in progress before the project is there"),
    "Azure DevOps project delete": Duration(10, "recordings: one poll in progress"),
    "Azure DevOps pull request merge": Duration(3, "recordings: queued, then succeeded a second later"),
    "resource group delete": Duration(60, "estimate: an empty group 15 s, a full one minutes"),
    "provider registration": Duration(60, "estimate: 'a few minutes at most' (lab/steps.md A0b)"),
}

APPROVAL_SECONDS = 1.0
"""How long the approval of a device code takes: a person's time, which does not follow the clock's speed."""

IDLE_SLOWNESS = 10.0
"""How many times slower than operations a cluster's idle time passes.

Between two steps, a person reads, and reading is not sped up. At the default speed, two idle hours take twenty minutes.
"""

POLL_SECONDS = 15
"""Azure's wait between two polls of an operation (`Retry-After`; 15 to 17 recorded)."""


class Clock:
    """Returns the time, and when an operation that starts now will be due."""

    def __init__(self, speed: float = DEFAULT_SPEED) -> None:
        self.speed = speed
        self.approval_seconds = APPROVAL_SECONDS

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def due(self, work: str) -> float:
        """Return when an operation of this kind that starts now is due.

        Raises:
            KeyError: The kind is not in `DURATIONS`.
        """
        return self.now() + DURATIONS[work].seconds / self.speed

    def poll_interval(self) -> float:
        """Return the real seconds between two polls of an operation for which a response names none."""
        return min(max(POLL_SECONDS / self.speed, 0.02), 0.25)

    def idle(self, seconds: float) -> float:
        """Return how many real seconds pass while a cluster is idle for this many of Azure's seconds."""
        return seconds / max(1.0, self.speed / IDLE_SLOWNESS)

    def retry_headers(self, seconds: float = POLL_SECONDS) -> dict[str, str]:
        """Return the headers that ask a client to wait for this many of Azure's seconds.

        Below one second, it is only `x-ms-retry-after-ms`: azure-core ignores `Retry-After: 0` and uses its default of
        30 s, and it reads the milliseconds only if `Retry-After` is absent.
        """
        scaled = seconds / self.speed
        if scaled >= 1:
            return {"Retry-After": str(round(scaled))}
        return {"x-ms-retry-after-ms": str(max(50, math.ceil(scaled * 1000)))}


def timestamp(seconds: float) -> str:
    """Return a time in ARM's format: `2026-11-23T03:24:38.1234567Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}0Z"


def short_timestamp(seconds: float) -> str:
    """Return a time in the format of Key Vault and Entra ID: `2026-11-23T03:24:38Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
