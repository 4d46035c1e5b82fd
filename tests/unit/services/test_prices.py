"""Prices: the right meter or none, kept for a day, and never waited for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pytest
import requests

from hol_wizard.errors import UnreachableError
from hol_wizard.services import prices
from hol_wizard.services.prices import Prices


def item(price: float, product: str = "Virtual Machines Ddsv5 Series", meter: str = "D4ds v5", **more: Any) -> Any:
    entry = {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "meterName": meter,
        "skuName": meter,
        "productName": product,
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
    }
    return {**entry, **more}


LINUX = item(0.25)
OTHERS = [
    item(0.45, "Virtual Machines Ddsv5 Series Windows"),
    item(0.05, meter="D4ds v5 Spot"),
    item(0.06, meter="D4ds v5 Low Priority"),
    item(1500.0, type="Reservation", reservationTerm="1 Year"),
    item(0.3, "Ddsv5 Series Cloud Services"),
    item(99.0, unitOfMeasure="1/Month"),
]


class Session:
    """Answers with pages of entries, or does not answer."""

    def __init__(self, *pages: list[Any], status: int = 200) -> None:
        self.pages = list(pages)
        self.status = status
        self.asked: list[str] = []

    def get(self, url: str, **more: Any) -> requests.Response:
        self.asked.append(unquote(url))
        if not self.pages:
            raise requests.ConnectTimeout("timed out")
        answer = requests.Response()
        answer.status_code = self.status
        document = {"Items": self.pages.pop(0), "NextPageLink": "https://prices.test/next" if self.pages else None}
        answer.json = lambda **kw: document  # type: ignore[method-assign]  # a response without a body
        return answer


def of(session: Session, folder: Path, address: str = "https://prices.test") -> Prices:
    return Prices(lambda: cast("requests.Session", session), address, folder)


def test_the_linux_price_paid_as_it_goes_is_found_among_the_others(tmp_path: Path) -> None:
    session = Session([*OTHERS, LINUX])
    found = of(session, tmp_path).machine("Standard_D4ds_v5", "westeurope")
    assert found is not None
    assert (found.amount, found.currency, found.example) == (0.25, "USD", False)
    assert "armSkuName eq 'Standard_D4ds_v5' and priceType eq 'Consumption'" in session.asked[0]


@pytest.mark.parametrize("entries", [[], OTHERS, [LINUX, item(0.26)]])
def test_where_not_exactly_one_meter_fits_there_is_no_price(entries: list[Any], tmp_path: Path) -> None:
    assert of(Session(entries), tmp_path).machine("Standard_D4ds_v5", "westeurope") is None


def test_all_pages_are_read(tmp_path: Path) -> None:
    assert of(Session(OTHERS, [LINUX]), tmp_path).machine("Standard_D4ds_v5", "westeurope") is not None


def test_an_answer_is_good_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of(Session([LINUX]), tmp_path).machine("Standard_D4ds_v5", "westeurope")
    again = Session([item(0.5)])
    kept = of(again, tmp_path).machine("Standard_D4ds_v5", "westeurope")
    assert kept is not None
    assert kept.amount == 0.25
    assert not again.asked
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + prices.KEPT + 1)
    fresh = of(again, tmp_path).machine("Standard_D4ds_v5", "westeurope")
    assert fresh is not None
    assert fresh.amount == 0.5


BROKEN = ['{"x": 3}', "[]", "[" * 100_000, '{"QUESTION": {"at": NOW, "items": ["x", 7, null]}}']


@pytest.mark.parametrize("note", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_note_of_prices_is_as_good_as_none(note: str, tmp_path: Path) -> None:
    session = Session([LINUX])
    of(session, tmp_path / "first").machine("Standard_D4ds_v5", "westeurope")
    question = session.asked[0].partition("$filter=")[2]
    (tmp_path / prices.FILE).write_text(
        note.replace("QUESTION", question).replace("NOW", str(time.time())), encoding="utf-8"
    )
    assert of(Session([LINUX]), tmp_path).machine("Standard_D4ds_v5", "westeurope") is not None


def test_a_list_that_does_not_answer_is_told_and_not_asked_again_at_once(tmp_path: Path) -> None:
    session = Session()
    list_ = of(session, tmp_path)
    for _ in range(2):
        with pytest.raises(UnreachableError, match="cannot be reached") as told:
            list_.databricks_unit("westeurope")
        assert "https://azure.microsoft.com" in told.value.hint
    assert len(session.asked) == 1


def test_an_answer_that_is_no_list_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        of(Session([LINUX], status=503), tmp_path).machine("Standard_D4ds_v5", "westeurope")


@pytest.mark.parametrize("entries", ["x", None, 7, {}], ids=repr)
def test_an_answer_of_another_form_is_no_answer(entries: Any, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        of(Session(entries), tmp_path).machine("Standard_D4ds_v5", "westeurope")
    strange = [7, None, "x", {}, {"retailPrice": "cheap"}, {"productName": 3, "retailPrice": None}]
    assert of(Session(strange), tmp_path).machine("Standard_D4ds_v5", "westeurope") is None


def test_a_cloud_without_a_list_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no price list"):
        of(Session(), tmp_path, "").machine("Standard_D4ds_v5", "chinaeast2")
