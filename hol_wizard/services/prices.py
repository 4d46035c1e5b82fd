"""What a machine or a Databricks unit costs an hour: Azure's public list of retail prices.

learn.microsoft.com/rest/api/cost-management/retail-prices: asked without a sign-in, answers `Items` with one entry for
each meter. A meter is taken only where exactly one fits: nothing is guessed, and a bill has discounts, disks, traffic
and taxes that no list knows.
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
"""Where a person finds prices."""
VERSION: Final = "2023-01-01-preview"
"""The version whose filters tell upper from lower case."""
TIMEOUT: Final = (2.0, 4.0)
"""Seconds to connect and to wait: a price is nice to have, and nobody waits for it."""
KEPT: Final = 24 * 3600.0
"""Seconds for which an answer is good: the list changes with the month."""
SULKS: Final = 300.0
"""Seconds for which a list that did not answer is not asked again."""
PAGES: Final = 5
"""Pages of an answer that are read at most; the right filter leaves one."""

FILE: Final = "prices.json"


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs an hour by the list."""

    amount: float
    currency: str
    meter: str
    """The list's own name for it."""
    example: bool = False
    """Whether the list says itself that its figures are examples."""


class Prices:
    """The list of retail prices; safe to use from many threads."""

    def __init__(self, connect: Callable[[], requests.Session], address: str, folder: Path) -> None:
        """Ask nobody yet.

        Args:
            connect: Returns the connections (`transport.make_session`).
            address: Where the list is: `https://prices.azure.com`; empty: this cloud has none.
            folder: Where answers are kept for a day.
        """
        self._connect = connect
        self._address = address
        self._file = folder / FILE
        self._lock = threading.Lock()
        self._silent_since = -SULKS

    def machine(self, size: str, location: str) -> Price | None:
        """Return the price of a Linux virtual machine, paid as it goes; None where the list has not exactly one.

        Args:
            size: `Standard_D4ds_v5`.
            location: `westeurope`.

        Raises:
            UnreachableError: The list does not answer.
        """
        return _only(
            each
            for each in self._items(serviceName="Virtual Machines", armRegionName=location, armSkuName=size)
            if str(each.get("productName", "")).startswith("Virtual Machines")
            and not _says(each, "windows", "spot", "low priority", "cloud services", "cloudservices")
        )

    def databricks_unit(self, location: str) -> Price | None:
        """Return the price of a Databricks unit on an all-purpose cluster of a premium workspace, without Photon.

        How many units a machine takes in an hour is in no list that a program may read.

        Raises:
            UnreachableError: The list does not answer.
        """
        meter = "Premium All-purpose Compute DBU"
        return _only(self._items(serviceName="Azure Databricks", armRegionName=location, meterName=meter))

    def _items(self, **wanted: str) -> Sequence[Mapping[str, Any]]:
        """Return the entries of the list for pay-as-you-go, from an answer of the last day where there is one."""
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
"""What is kept of an entry."""


def _says(item: Mapping[str, Any], *words: str) -> bool:
    said = " ".join(str(item.get(name, "")) for name in ("productName", "skuName", "meterName")).lower()
    return any(word in said for word in words)


def _only(items: Any) -> Price | None:
    """Return the price of the only hourly meter among these; None where there is none, or where two differ."""
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
