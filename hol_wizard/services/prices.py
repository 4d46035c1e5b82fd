"""The price per hour of a machine or a Databricks unit, from Azure's public list of retail prices.

learn.microsoft.com/rest/api/cost-management/retail-prices: needs no sign-in, returns `Items` with one entry for each
meter. A meter is used only if exactly one matches: nothing is guessed. A bill also contains discounts, disks, traffic
and taxes, which are in no list.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from hol_wizard.errors import UnreachableError, UsageError
from hol_wizard.paths import write_private

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

PAGE: Final = "https://azure.microsoft.com/pricing/calculator/"
"""Page with prices for people."""
VERSION: Final = "2023-01-01-preview"
"""The version with case-sensitive filters."""
TIMEOUT: Final = (2.0, 4.0)
"""Timeouts in seconds to connect and to wait: a price is optional, and nobody should wait for it."""
KEPT: Final = 24 * 3600.0
"""Seconds for which a response is cached: the list changes monthly."""
SULKS: Final = 300.0
"""Seconds before the list is requested again after it did not respond."""
PAGES: Final = 5
"""Maximum number of pages that are read; with the right filter there is one."""

FILE: Final = "prices.json"


@dataclass(frozen=True, slots=True)
class Price:
    """A price per hour from the list."""

    amount: float
    currency: str
    meter: str
    """The list's own name for it."""
    example: bool = False
    """Whether the list says that its figures are examples."""


class Prices:
    """The list of retail prices; thread-safe."""

    def __init__(self, connect: Callable[[], requests.Session], address: str, folder: Path) -> None:
        """Create the client without sending a request.

        Args:
            connect: Returns the connections (`transport.make_session`).
            address: Address of the list: `https://prices.azure.com`; empty if this cloud has none.
            folder: Folder in which responses are cached for a day.
        """
        self._connect = connect
        self._address = address
        self._file = folder / FILE
        self._lock = threading.Lock()
        self._silent_since = -SULKS

    def machine(self, size: str, location: str) -> Price | None:
        """Return the pay-as-you-go price of a Linux virtual machine; None if the list does not have exactly one.

        Args:
            size: `Standard_D4ds_v5`.
            location: `westeurope`.

        Raises:
            UnreachableError: The list does not respond.
        """
        return _only(
            each
            for each in self._items(serviceName="Virtual Machines", armRegionName=location, armSkuName=size)
            if str(each.get("productName", "")).startswith("Virtual Machines")
            and not _says(each, "windows", "spot", "low priority", "cloud services", "cloudservices")
        )

    def databricks_unit(self, location: str) -> Price | None:
        """Return the price of a Databricks unit on an all-purpose cluster of a premium workspace, without Photon.

        No machine-readable list contains how many units a machine uses per hour.

        Raises:
            UnreachableError: The list does not respond.
        """
        meter = "Premium All-purpose Compute DBU"
        return _only(self._items(serviceName="Azure Databricks", armRegionName=location, meterName=meter))

    def _items(self, **wanted: str) -> Sequence[Mapping[str, Any]]:
        """Return the list's entries for pay-as-you-go, from a response of the last day if there is one."""
        asked = {**wanted, "priceType": "Consumption"}
        question = " and ".join("{} eq '{}'".format(name, value.replace("'", "''")) for name, value in asked.items())
        with self._lock:
            kept = self._kept()
            answer = kept.get(question)
            if answer is not None and 0 <= time.time() - answer["at"] < KEPT:
                found: list[Mapping[str, Any]] = answer["items"]
                return found
            if not self._address:
                raise UnreachableError("This cloud has no price list.", f"See {PAGE}")
            if time.monotonic() - self._silent_since < SULKS:
                raise self._unreachable()
            try:
                items = self._ask(question)
            except UnreachableError:
                self._silent_since = time.monotonic()
                raise
            self._keep({**kept, question: {"at": time.time(), "items": items}})
            return items

    def _unreachable(self, reason: str = "") -> UnreachableError:
        return UnreachableError("The price list cannot be reached.", f"See {PAGE}", detail=reason)

    def _ask(self, question: str) -> list[Mapping[str, Any]]:
        import requests

        url = f"{self._address}/api/retail/prices?api-version={VERSION}&$filter={quote(question)}"
        items: list[Mapping[str, Any]] = []
        for _ in range(PAGES):
            try:
                answer = self._connect().get(url, timeout=TIMEOUT, headers={"Accept": "application/json"})
                document = answer.json() if answer.status_code == 200 else None
            except (requests.RequestException, OSError, ValueError, RecursionError) as error:
                raise self._unreachable(str(error)[:500]) from error
            if not isinstance(document, dict) or not isinstance(document.get("Items"), list):
                raise self._unreachable(f"HTTP {answer.status_code}")
            items += [each for each in document["Items"] if isinstance(each, dict)]
            url = str(document.get("NextPageLink") or "")
            if not url or urlsplit(url).hostname != urlsplit(self._address).hostname:
                break
        return [{name: each.get(name) for name in _USED} for each in items]

    def _kept(self) -> dict[str, dict[str, Any]]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            good = {
                str(question): answer
                for question, answer in kept.items()
                if isinstance(answer["at"], int | float)
                and isinstance(answer["items"], list)
                and all(isinstance(each, dict) for each in answer["items"])
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            logger.info("kept prices are of no use: %s", type(error).__name__)
            return {}
        return good

    def _keep(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        try:
            write_private(self._file, json.dumps(answers).encode())
        except UsageError as error:
            logger.info("prices are not kept: %s", error.message)


_USED = (
    *("currencyCode", "retailPrice", "tierMinimumUnits", "unitOfMeasure", "type"),
    *("meterName", "skuName", "productName", "isPrimaryMeterRegion"),
)
"""The cached part of an entry."""


def _says(item: Mapping[str, Any], *words: str) -> bool:
    said = " ".join(str(item.get(name, "")) for name in ("productName", "skuName", "meterName")).lower()
    return any(word in said for word in words)


def _only(items: Any) -> Price | None:
    """Return the price of the only hourly meter among these; None if there is none, or where two differ."""
    fitting: dict[float, Mapping[str, Any]] = {}
    for each in items:
        hourly = each.get("type") == "Consumption" and each.get("unitOfMeasure") == "1 Hour"
        amount = each.get("retailPrice")
        if hourly and isinstance(amount, int | float) and amount > 0 and not each.get("tierMinimumUnits"):
            fitting[float(amount)] = each
    if len(fitting) != 1:
        return None
    amount, item = fitting.popitem()
    return Price(
        amount, str(item.get("currencyCode") or "USD"), str(item.get("meterName", "")), example=_says(item, "example")
    )
