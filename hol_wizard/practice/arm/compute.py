"""The cores that a subscription uses in a region, and its quotas: Usage_List (Compute, 2024-11-01).

We have no API description of Microsoft.Compute; the fields are those of "Usage - List" in the REST reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from hol_wizard.practice.arm import errors, providers
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.databricks import quota
from hol_wizard.practice.databricks.runtimes import SIZES
from hol_wizard.practice.kernel.service import JsonObject, Request, Response

FAMILIES: Mapping[str, str] = {
    **{size.family: size.family_name for size in SIZES.values()},
    "standardDDSv4Family": "Standard DDSv4 Family vCPUs",
    "standardDASv5Family": "Standard DASv5 Family vCPUs",
    "standardNCSv3Family": "Standard NCSv3 Family vCPUs",
}
"""The quotas of machine families by name, with the display names that Azure uses."""


class Compute:
    """Lists the cores in use and their quotas."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        path = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/usages"
        manager.router.add("GET", path, self._usages)

    def _usages(self, request: Request) -> Response:
        subscription = self._arm.subscription(request)
        location = self._arm.location({"location": request.match["location"]}, "locations/usages")
        scope = f"/subscriptions/{subscription.id}"
        self._arm.require(request, "Microsoft.Compute/locations/usages/read", scope)
        if providers.state(self._world, subscription, "Microsoft.Compute") == "NotRegistered":
            raise errors.not_registered("Microsoft.Compute")
        used = quota.in_use(self._world, subscription.id, location)
        values = [self._usage("cores", "Total Regional vCPUs", sum(used.values()))]
        values += [self._usage(family, words, used.get(family, 0)) for family, words in FAMILIES.items()]
        return Response(200, {"value": values})

    def _usage(self, family: str, words: str, used: int) -> JsonObject:
        return {
            "unit": "Count",
            "currentValue": used,
            "limit": self._world.quota(family),
            "name": {"value": family, "localizedValue": words},
        }
