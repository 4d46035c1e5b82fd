"""What the subscription's quota allows, which determines the machine type of a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hol_wizard.errors import ConflictError, ServiceError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.cluster_wish import Wish, wish
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.workspace import open_workspace, workspace_id
from hol_wizard.services.databricks.machines import NodeType

CORES: Final = 4
"""Minimum memory of one machine: the smallest on which the lab's code was tested."""
_QUOTAS = "https://aka.ms/ProdportalCRP/?#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView"


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a machine family's quota is left in the region."""

    node_type: str
    cores: int
    """Number of cores of one machine."""
    family: str
    """Its quota in Azure's words: `Standard DDSv5 Family vCPUs`; derived from the machine's name if unknown."""
    needed: int
    used: int | None
    """None if Azure returns no such quota."""
    limit: int | None

    @property
    def fits(self) -> bool:
        """Whether it is enough, as far as known."""
        return self.limit is None or self.used is None or self.used + self.needed <= self.limit

    def __str__(self) -> str:
        """Return the figures."""
        if self.limit is None:
            return f"{self.node_type}, {self.needed} cores of {self.family}"
        return f"{self.node_type}: {self.needed} cores of {self.family} needed, {self.used} of {self.limit} used"


@dataclass(frozen=True, slots=True)
class Quota:
    """What clusters need in a region, and what the quota allows."""

    location: str
    needed: int
    """Total number of cores, with the first suitable machine type."""
    used: int | None
    """The quota for all families together; None if unknown."""
    limit: int | None
    rooms: tuple[Room, ...]
    """By machine type, the preferred one first."""
    problem: str = ""
    """Why the quota could not be read."""

    @property
    def in_region(self) -> bool:
        """Whether the quota for all families together is enough, as far as known."""
        return self.limit is None or self.used is None or self.used + self.needed <= self.limit

    @property
    def best(self) -> Room | None:
        """The first machine type that fits, or None."""
        return next((room for room in self.rooms if room.fits), None) if self.in_region else None

    @property
    def refusal(self) -> ConflictError:
        """The error if nothing fits."""
        where = f"in {self.location}"
        figures = "; ".join(str(room) for room in self.rooms[:4]) or "the workspace offers no suitable machine type"
        if not self.in_region:
            figures = f"{self.needed} cores needed, {self.used} of {self.limit} of all families together used"
        return ConflictError(
            f"The subscription's quota {where} is too small for the cluster: {figures}.",
            "Stop or delete what uses the cores, or choose another machine type (input Machine type) or another region "
            f"(<step set-up/choose-your-names>), or request more: {_QUOTAS}",
            code="QuotaExceeded",
        )


_USUAL = tuple(
    NodeType(name, CORES, memory, "General Purpose", local_disk=disk)
    for name, memory, disk in (
        ("Standard_D4ds_v5", 16384, True),
        ("Standard_D4s_v5", 16384, False),
        ("Standard_DS3_v2", 14336, True),
        ("Standard_D4s_v3", 16384, True),
    )
)
"""Machine types to consider while there is no workspace that can list its own."""


def family_of(node_type: str) -> str:
    """Return the quota that a virtual machine size counts against, derived from its name.

    `Standard_D4ds_v5` is `standardDDSv5Family`: the letters without the numbers, then the version (Virtual machine
    size naming conventions, and the names that `locations/usages` gives). GPU families break the rule.
    """
    found = re.fullmatch(r"(?:Standard|Basic)_([A-Z]+)\d+(?:-\d+)?([a-z]*)(?:_[A-Z]\w*?)??(?:_v(\d+))?", node_type)
    if found is None:
        return node_type
    letters, features, version = found[1], found[2].upper(), found[3]
    return f"standard{letters}{features}{f'v{version}' if version else ''}Family"


def _plain(name: str) -> str:
    """Return a quota's name in a form for comparisons: `standardDSv2Family`, `Standard DSv2 Family vCPUs`."""
    return re.sub(r"(?<=family)(?:vcpus|cores)$", "", re.sub(r"[^a-z0-9]", "", name.lower()))


def quota(context: StepContext, environment: Environment | None = None, *, clusters: int = 1) -> Quota:
    """Return which machine types the subscription may use for clusters in the region, the preferred ones first.

    The family of a machine type from Databricks (`node_instance_type.instance_family`) is the name of Azure's quota;
    otherwise, the quota is derived from the machine's name. If a quota cannot be read, the cluster is tried anyway.

    Args:
        context: The context of the step or the doctor.
        environment: The environment whose workspace lists the machine types; None for the context's.
        clusters: How many clusters will be started.

    Raises:
        ServiceError: The workspace could not be asked.
    """
    wanted = wish(context)
    here = open_workspace(context, environment) if environment or context.environment else None
    node_types: tuple[NodeType, ...] = _USUAL
    if here is not None:
        key = ("node types", workspace_id(context, environment).lower())
        node_types = context.reads.share(key, here.node_types)
    names = context.names
    path = f"/subscriptions/{names.subscription}/providers/Microsoft.Compute/locations/{names.location}/usages"
    problem = ""
    try:
        usages = context.reads.share(("usages", names.location), lambda: context.services.arm.list(path))
    except ServiceError as error:
        usages, problem = [], error.message
    told: dict[str, tuple[int, int]] = {}
    for each in usages:
        figures = int(each.get("currentValue") or 0), int(each.get("limit") or 0)
        for name in each.get("name", {}).values():
            told[_plain(str(name))] = figures
    rooms = []
    for node_type in _candidates(node_types, wanted):
        family = node_type.family or family_of(node_type.id)
        used, limit = told.get(_plain(family)) or told.get(_plain(family_of(node_type.id))) or (None, None)
        rooms.append(
            Room(node_type.id, node_type.cores, family, node_type.cores * wanted.machines * clusters, used, limit)
        )
    needed = rooms[0].needed if rooms else CORES * wanted.machines * clusters
    used, limit = told.get("cores") or told.get("totalregionalvcpus") or (None, None)
    return Quota(names.location, needed, used, limit, tuple(rooms), problem)


def _candidates(node_types: Iterable[NodeType], wanted: Wish) -> list[NodeType]:
    """Return the suitable machine types, the best first; only the chosen one if there is one."""
    if wanted.node_type:
        named = [each for each in node_types if each.id.lower() == wanted.node_type.lower()]
        return named or [NodeType(wanted.node_type, _cores_in(wanted.node_type), 0, "")]
    usable = [
        each
        for each in node_types
        if each.cores >= CORES and not (each.deprecated or each.hidden or each.gpus or each.arm or each.unavailable)
    ]

    def rank(each: NodeType) -> tuple[int, bool, bool, int, str]:
        version = re.search(r"_v(\d+)$", each.id)
        newest = -int(version[1]) if version else 0
        return (each.cores, each.category != "General Purpose", not each.local_disk, newest, each.id)

    return sorted(usable, key=rank)


def _cores_in(name: str) -> int:
    """Return the number of cores from the name of a size; the old D and DS sizes use another numbering."""
    old = re.fullmatch(r"Standard_DS?(\d+)(?:_v2)?", name)
    if old:
        return {2: 2, 3: 4, 4: 8, 5: 16}.get(int(old[1]), CORES)
    found = re.match(r"[A-Za-z]+_[A-Za-z]+(\d+)", name)
    return int(found[1]) if found else CORES
