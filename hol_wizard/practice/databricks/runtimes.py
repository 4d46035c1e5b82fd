"""The Databricks runtimes and Azure VM sizes for clusters.

Runtimes: "Databricks Runtime release notes versions and compatibility" as of June 2026 (18 LTS and 19 the newest,
LTS down to 14.3). Their keys are those that public job definitions use; 16.4 LTS is the last that exists with Scala
2.12, which `select_spark_version` of databricks-sdk looks for by default.

Sizes: cores, memory and local disk are from "Sizes for virtual machines in Azure"; the fields of a node type and the
    form of `node_info` are from a client's recorded response (Azure/azure-databricks-client, ClustersApiClientTest).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hol_wizard.practice.kernel.service import JsonObject


@dataclass(frozen=True, slots=True)
class Size:
    """A VM size."""

    name: str
    cores: int
    memory_mb: int
    family: str
    """The name of its quota in `Microsoft.Compute/locations/usages`."""
    family_name: str
    """The display name of the quota."""
    category: str
    disk_gb: int
    """Size of the local disk; 0: none."""
    io_cache: bool = False
    """Whether its local disk is used as the disk cache (NVMe)."""
    photon: bool = True


_GENERAL, _MEMORY, _COMPUTE, _STORAGE = (
    "General Purpose",
    "Memory Optimized",
    "Compute Optimized",
    "Storage Optimized",
)
_SIZES = (
    Size("Standard_D3_v2", 4, 14336, "standardDv2Family", "Standard Dv2 Family vCPUs", _GENERAL, 200, photon=False),
    Size("Standard_DS3_v2", 4, 14336, "standardDSv2Family", "Standard DSv2 Family vCPUs", _GENERAL, 28, photon=False),
    Size("Standard_DS4_v2", 8, 28672, "standardDSv2Family", "Standard DSv2 Family vCPUs", _GENERAL, 56, photon=False),
    Size("Standard_D4s_v3", 4, 16384, "standardDSv3Family", "Standard DSv3 Family vCPUs", _GENERAL, 32),
    Size("Standard_D8s_v3", 8, 32768, "standardDSv3Family", "Standard DSv3 Family vCPUs", _GENERAL, 64),
    Size("Standard_D4ds_v5", 4, 16384, "standardDDSv5Family", "Standard DDSv5 Family vCPUs", _GENERAL, 150, True),
    Size("Standard_D8ds_v5", 8, 32768, "standardDDSv5Family", "Standard DDSv5 Family vCPUs", _GENERAL, 300, True),
    Size("Standard_D4s_v5", 4, 16384, "standardDSv5Family", "Standard DSv5 Family vCPUs", _GENERAL, 0),
    Size("Standard_E4ds_v5", 4, 32768, "standardEDSv5Family", "Standard EDSv5 Family vCPUs", _MEMORY, 150, True),
    Size("Standard_F4s_v2", 4, 8192, "standardFSv2Family", "Standard FSv2 Family vCPUs", _COMPUTE, 32, photon=False),
    Size("Standard_L8s_v3", 8, 65536, "standardLSv3Family", "Standard LSv3 Family vCPUs", _STORAGE, 80, True),
)
SIZES: Mapping[str, Size] = {size.name: size for size in _SIZES}


def node_type(size: Size, left: int, limit: int) -> JsonObject:
    """Return a size as the API shows it.

    Args:
        size: The size.
        left: Free cores of its family.
        limit: The quota.
    """
    return {
        "node_type_id": size.name,
        "memory_mb": size.memory_mb,
        "num_cores": float(size.cores),
        "description": size.name,
        "instance_type_id": size.name,
        "is_deprecated": False,
        "category": size.category,
        "support_ebs_volumes": True,
        "support_cluster_tags": True,
        "num_gpus": 0,
        "node_instance_type": {
            "instance_type_id": size.name,
            "local_disks": 1 if size.disk_gb else 0,
            "local_disk_size_gb": size.disk_gb,
            "instance_family": size.family_name,
            "local_nvme_disk_size_gb": 0,
            "local_nvme_disks": 0,
        },
        "is_hidden": False,
        "support_port_forwarding": True,
        "display_order": 0,
        "is_io_cache_enabled": size.io_cache,
        "photon_worker_capable": size.photon,
        "photon_driver_capable": size.photon,
        "is_graviton": False,
        "is_encrypted_in_transit": False,
        "node_info": {"available_core_quota": left, "total_core_quota": limit},
    }


def _keys(release: str, spark: str, scala: str, *, lts: bool) -> dict[str, str]:
    number, words = release, f"{release}{' LTS' if lts else ''}"
    versions = f"(includes Apache Spark {spark}, Scala {scala})"
    return {
        f"{number}.x-scala{scala}": f"{words} {versions}",
        f"{number}.x-photon-scala{scala}": f"{words} Photon {versions}",
        f"{number}.x-cpu-ml-scala{scala}": f"{words} ML {versions}",
        f"{number}.x-gpu-ml-scala{scala}": f"{words} ML (includes Apache Spark {spark}, GPU, Scala {scala})",
    }


VERSIONS: Mapping[str, str] = {
    **_keys("19", "4.2.0", "2.13", lts=False),
    **_keys("18", "4.1.0", "2.13", lts=True),
    **_keys("17.3", "4.0.0", "2.13", lts=True),
    **_keys("16.4", "3.5.2", "2.13", lts=True),
    **_keys("16.4", "3.5.2", "2.12", lts=True),
    **_keys("15.4", "3.5.0", "2.12", lts=True),
    **_keys("14.3", "3.5.0", "2.12", lts=True),
}
"""The names of the runtimes, by key."""
