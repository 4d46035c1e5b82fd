"""A price list in the format of Azure's retail prices; its figures are examples and are marked as such.

learn.microsoft.com/rest/api/cost-management/retail-prices: format of the response and of the filter. As in the real
list, a size has several meters: Linux, Windows, spot and low priority.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.databricks.runtimes import SIZES
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Service
from hol_wizard.practice.kernel.world import World

CORE_HOUR = 0.06
"""An example, not Azure's price."""
UNIT_HOUR = 0.5
"""An example, not Databricks' price."""
EFFECTIVE = "2026-01-01T00:00:00Z"

_UNSERVED = "currencyCode meterRegion $top $skip $orderby"
_TERM = re.compile(r"\s*(\w+) eq '((?:[^']|'')*)'\s*")


class Prices(Service):
    """The price list, which needs no authentication."""

    name = "prices"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.router.add("GET", "/api/retail/prices", self._list, honors="$filter", refuses=_UNSERVED)

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error; the errors of the real list are not documented."""
        return Response(status, {"Error": {"Code": code, "Message": message, **more}})

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return the error for any other path."""
        del request, path_is_known
        return self.error(404, "NotFound", "Nothing is here.")

    def _list(self, request: Request) -> Response:
        wanted: dict[str, str] = {}
        for term in filter(None, request.query.get("$filter", "").split(" and ")):
            found = _TERM.fullmatch(term)
            if found is None:
                return self.error(400, "BadRequest", f"The filter `{term}` is not understood.")
            wanted["type" if found[1] == "priceType" else found[1]] = found[2].replace("''", "'")
        region = wanted.get("armRegionName", "")
        items = [
            item
            for location in ([region] if region else seed.LOCATIONS)
            if location in seed.LOCATIONS
            for item in _items(location)
            if all(item.get(name) == value for name, value in wanted.items())
        ]
        return Response(
            200,
            {
                "BillingCurrency": "USD",
                "CustomerEntityId": "Default",
                "CustomerEntityType": "Retail",
                "Items": items,
                "NextPageLink": None,
                "Count": len(items),
            },
        )


def _items(location: str) -> Iterator[JsonObject]:
    for size in SIZES.values():
        series = f"Virtual Machines {size.family_name.split()[1]} Series"
        name = size.name.removeprefix("Standard_").replace("_", " ")
        for product, meter, factor in (
            (series, name, 1.0),
            (f"{series} Windows", name, 1.8),
            (series, f"{name} Spot", 0.2),
            (series, f"{name} Low Priority", 0.3),
        ):
            yield _item(location, "Virtual Machines", product, meter, size.cores * CORE_HOUR * factor, size.name)
    for tier, factor in (("Premium", 1.0), ("Standard", 0.7)):
        meter = f"{tier} All-purpose Compute DBU"
        yield _item(location, "Azure Databricks", "Azure Databricks", meter, UNIT_HOUR * factor)


def _item(location: str, service: str, product: str, meter: str, price: float, size: str = "") -> JsonObject:
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": round(price, 4),
        "unitPrice": round(price, 4),
        "armRegionName": location,
        "location": seed.LOCATIONS[location][0],
        "effectiveStartDate": EFFECTIVE,
        "meterId": seed.fixed_id(f"meter {location} {product} {meter}"),
        "meterName": meter,
        "productId": seed.fixed_id(f"product {product}"),
        "skuId": seed.fixed_id(f"sku {product} {meter}"),
        "productName": f"{product} (example figure)",
        "skuName": meter.removesuffix(" DBU"),
        "serviceName": service,
        "serviceId": seed.fixed_id(f"service {service}"),
        "serviceFamily": "Compute" if size else "Analytics",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size,
    }
