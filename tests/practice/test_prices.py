"""The list of prices, asked by the wizard's own client."""

from __future__ import annotations

from pathlib import Path

from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from tests.practice_cloud import PracticeCloud


def test_prices_are_examples_and_say_so(practice_cloud: PracticeCloud, tmp_path: Path) -> None:
    prices = Services(Endpoints.of_file(practice_cloud.endpoints_file), cache=tmp_path).prices
    machine, unit = prices.machine("Standard_D4ds_v5", "westeurope"), prices.databricks_unit("westeurope")
    assert machine is not None
    assert unit is not None
    assert machine.example
    assert unit.example
    assert machine.amount == 0.24
    assert prices.machine("Standard_ND128", "westeurope") is None
