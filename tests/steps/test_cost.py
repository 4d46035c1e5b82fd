"""What costs: never more than the list and the cloud tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hol_wizard.doctor.cost import Cost, Running, Standing, lines
from hol_wizard.services.prices import Price
from tests.front_fakes import running

UNIT = Price(0.55, "USD", "Premium All-purpose Compute DBU")


def test_a_price_is_about_so_much_and_units_are_apart() -> None:
    assert running().price_text == "about 0.24 USD an hour for the machine, and Databricks units"
    told = replace(running(), unit=UNIT, machines=(("Standard_D4ds_v5", 3),), hourly=0.72).price_text
    assert told == "about 0.72 USD an hour for 3 machines, and Databricks units at 0.55 USD each"
    assert replace(running(), example=True).price_text.startswith("example: 0.24 USD")


def test_a_price_that_is_not_known_is_not_invented() -> None:
    unknown = replace(running(), hourly=None, currency="")
    assert unknown.price_text == "price of 1 × Standard_D4ds_v5 not known, and Databricks units"
    assert Cost((unknown,)).line == "1 cluster runs"


@pytest.mark.parametrize(
    ("minutes", "said"), [(120, "stops automatically after 120 idle minutes"), (0, "never stops automatically")]
)
def test_when_it_ends_is_told(minutes: int, said: str) -> None:
    assert replace(running(), idle_minutes=minutes).end_text == said


def test_a_runs_own_cluster_ends_with_it() -> None:
    assert replace(running(), idle_minutes=0, for_run=True).end_text == "ends with its run"


def test_how_long_it_has_run_is_told_from_an_hour_on() -> None:
    since = replace(running(), since=1_000_000.0)
    assert since.since_text(1_000_000 + 600).startswith("since ")
    assert since.since_text(1_000_000 + 3 * 3600 + 300).endswith("(3 h 05 min)")
    assert running().since_text() == ""


def test_the_short_line_adds_up_and_fits_half_a_narrow_screen() -> None:
    both: tuple[Running, ...] = (running("dev"), running("pipeline"))
    assert Cost(both).line == "2 clusters run, ~0.48 USD/h+DBU"
    assert len(Cost(tuple(replace(each, example=True) for each in both)).line) <= 36
    assert Cost().line == ""
    assert Cost(both).stops == {"groups.lock": ["groups/create-groups@dev", "groups/create-groups@pipeline"]}


def test_the_lines_can_be_pasted_and_say_the_same_once() -> None:
    standing = (Standing("a/b@dev", "a fee a day"), Standing("a/b@pipeline", "a fee a day"))
    told = lines(Cost((running(),), standing, ("what runs in pipeline: no answer",)), "hol-wizard --practice")
    assert "      stop it: hol-wizard --practice do groups/create-groups@dev lock" in told
    assert "unknown: what runs in pipeline: no answer" in told
    assert "there: a/b@dev, a/b@pipeline: a fee a day" in told
    assert lines(Cost()) == ["Nothing that is billed by the hour is running."]
    assert "Nothing runs" not in "\n".join(lines(Cost(unknown=("dev",))))
