"""The cores that the clusters of a subscription use, by region and family, and their quotas."""

from __future__ import annotations

from collections import Counter

from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.databricks import address
from hol_wizard.practice.databricks.records import ClusterRecords
from hol_wizard.practice.databricks.runtimes import SIZES, Size
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

HOLDING = ("PENDING", "RUNNING", "RESTARTING", "RESIZING", "TERMINATING")
"""The states in which a cluster has machines."""


def cores_of(cluster: Document) -> dict[str, int]:
    """Return the family and number of the cores of a cluster: of the driver and the minimum number of workers."""
    spec = cluster["spec"]
    workers = (spec.get("autoscale") or {}).get("min_workers", spec.get("num_workers") or 0)
    cores: Counter[str] = Counter()
    cores[SIZES[spec["driver_node_type_id"]].family] += SIZES[spec["driver_node_type_id"]].cores
    cores[SIZES[spec["node_type_id"]].family] += workers * SIZES[spec["node_type_id"]].cores
    return {family: number for family, number in cores.items() if number}


def in_use(world: World, subscription: str, location: str, besides: str = "") -> dict[str, int]:
    """Return how many cores of each family the clusters in a region use.

    Args:
        world: Where they are.
        subscription: Its ID.
        location: `westeurope`.
        besides: ID of a cluster to leave out.
    """
    workspaces = {
        address.thing(each)
        for each in world.part(Resources).all()
        if each["type"].lower() == address.TYPE
        and each["subscription"] == subscription
        and each["location"] == location
    }
    cores: Counter[str] = Counter()
    for cluster in world.part(ClusterRecords).all():
        if cluster["workspace"] in workspaces and cluster["state"] in HOLDING and cluster["cluster_id"] != besides:
            cores.update(cores_of(cluster))
    return dict(cores)


def lacking(world: World, resource: Document, cluster: Document) -> str:
    """Return Azure's error for the machines of a cluster (databricks-industry-solutions/pixels issue 24).

    Empty if there are enough cores, in the family and in total.

    Args:
        world: Where the quota is.
        resource: The workspace.
        cluster: The cluster to start.
    """
    location = resource["location"]
    used = in_use(world, resource["subscription"], location, besides=cluster["cluster_id"])
    asked = cores_of(cluster)
    asked["cores"], used["cores"] = sum(asked.values()), sum(used.values())
    for family, wanted in asked.items():
        most, now = world.quota(family), used.get(family, 0)
        if now + wanted > most:
            what = "Total Regional" if family == "cores" else family
            return (
                f"Operation could not be completed as it results in exceeding approved {what} Cores quota. "
                f"Additional details - Deployment Model: Resource Manager, Location: {location}, Current Limit: "
                f"{most}, Current Usage: {now}, Additional Required: {wanted}, (Minimum) New Limit Required: "
                f"{now + wanted}. Setup Alerts when Quota reaches threshold. Learn more at "
                "https://aka.ms/quotamonitoringalerting . Submit a request for Quota increase by specifying parameters "
                "listed in the 'Details' section for deployment to succeed. Please read more about quota limits at "
                "https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests"
            )
    return ""


def left(world: World, resource: Document, size: Size) -> tuple[int, int]:
    """Return how many cores of a size's family are free in the workspace's region, and the quota."""
    most = world.quota(size.family)
    used = in_use(world, resource["subscription"], resource["location"]).get(size.family, 0)
    return max(0, most - used), most
