"""What a Databricks workspace offers for new clusters: runtimes and machine types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import Connection, Transport


@dataclass(frozen=True, slots=True)
class Runtime:
    """A version of the Databricks runtime that new clusters can have."""

    key: str
    """`16.4.x-cpu-ml-scala2.12`."""
    name: str
    """`16.4 LTS ML (includes Apache Spark 3.5.2, Scala 2.12)`."""

    @property
    def version(self) -> tuple[int, ...]:
        """Its version number, for comparisons."""
        found = re.match(r"(\d+)(?:\.(\d+))?", self.key)
        return (int(found[1]), int(found[2] or 0)) if found else (0, 0)

    @property
    def long_term_support(self) -> bool:
        """Whether it is an LTS version."""
        return "LTS" in self.name or "-esr-" in self.key

    @property
    def fits(self) -> bool:
        """Whether the lab's code can use it: LTS, for machine learning, not beta, for CPUs rather than GPUs.

        databricks-sdk uses the same criteria (`mixins/compute.py`, `select_spark_version`).
        """
        marks = ("-gpu-", "-photon-", "-aarch64-", "-hls-", "apache-spark-")
        ml = "-ml-" in self.key and not any(mark in self.key for mark in marks)
        return ml and self.long_term_support and "Beta" not in self.name


@dataclass(frozen=True, slots=True)
class NodeType:
    """A machine type that clusters can have."""

    id: str
    """The Azure virtual machine size."""
    cores: int
    memory_mb: int
    category: str
    """`General Purpose`, `Memory Optimized`, …"""
    deprecated: bool = False
    hidden: bool = False
    gpus: int = 0
    arm: bool = False
    local_disk: bool = False
    family: str = ""
    """The quota that it counts against, in Azure's words: `Standard DSv2 Family vCPUs`; empty if unknown."""
    unavailable: str = ""
    """Why the subscription cannot use it here; empty if Databricks reports no reason."""


class Machines(Connection):
    """What a workspace offers for new clusters."""

    def runtimes(self) -> tuple[Runtime, ...]:
        """Return the runtimes that a new cluster can have.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        found = self._api(sdk.compute().ClustersAPI, "list of runtimes").spark_versions().versions or ()
        with sdk.reading("runtime"):
            return tuple(Runtime(sdk.needed(each.key, "key"), str(each.name or "")) for each in found)

    def node_types(self) -> tuple[NodeType, ...]:
        """Return the machine types that a new cluster can have.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        transport = Transport(self._rest, self.host, "list of machine types", {}, None)
        # The SDK's class for the whole response omits `instance_family`, which Azure Databricks returns.
        found = transport.do("GET", "/api/2.1/clusters/list-node-types").get("node_types") or ()
        with sdk.reading("machine type"):
            return tuple(_node_type(sdk.compute().NodeType.from_dict(each), each) for each in found)


def _node_type(told: Any, raw: Mapping[str, Any]) -> NodeType:
    disks = told.node_instance_type
    instance = raw.get("node_instance_type")
    reasons = [sdk.value(each) for each in (told.node_info.status if told.node_info else None) or ()]
    words = {
        "NotEnabledOnSubscription": "the subscription may not use it",
        "NotAvailableInRegion": "this region does not have it",
    }
    return NodeType(
        id=sdk.needed(told.node_type_id, "node_type_id"),
        cores=int(told.num_cores or 0),
        memory_mb=int(told.memory_mb or 0),
        category=str(told.category or ""),
        deprecated=bool(told.is_deprecated),
        hidden=bool(told.is_hidden),
        gpus=int(told.num_gpus or 0),
        arm=bool(told.is_graviton),
        local_disk=bool(disks and ((disks.local_disks or 0) + (disks.local_nvme_disks or 0))),
        family=str(instance.get("instance_family") or "") if isinstance(instance, Mapping) else "",
        unavailable=", ".join(words.get(each, each) for each in reasons),
    )
