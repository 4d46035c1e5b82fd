"""Regions, known offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.regions import REGIONS
from hol_wizard.practice import seed

RECORDINGS = Path(__file__).parents[4] / "shared/contracts/recordings/public"
STAGING = ("stg", "euap")
"""Azure's own: no customer's subscription may use them."""


@pytest.mark.parametrize("typed", ["westeurope", "West Europe", "(Europe) West Europe", "usgovvirginia", "chinanorth3"])
def test_a_region_is_taken_in_every_form_in_which_azure_writes_it(typed: str) -> None:
    assert INPUTS["location"].validate(typed) == ""


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("westeuropa", "Did you mean westeurope?"),
        ("eastus4", "Did you mean eastus"),
        ("atlantis", "For example: westeurope"),
        ("münchen", "For example: westeurope"),
        ("europe", "Did you mean"),
    ],
)
def test_a_region_that_does_not_exist_is_refused_at_once_with_the_nearest(typed: str, said: str) -> None:
    problem = INPUTS["location"].validate(typed)
    assert problem.startswith("It is not the name of an Azure region.")
    assert said in problem


def test_every_region_that_azure_was_ever_seen_to_list_is_known() -> None:
    recording = RECORDINGS / "arm.resources.Subscriptions_ListLocations.jsonl"
    if not recording.exists():
        pytest.skip("the recordings are not on this machine")
    known = {name: display for regions in REGIONS.values() for name, display in regions.items()}
    listed = {
        each["name"]: each["displayName"]
        for line in recording.read_text(encoding="utf-8").splitlines()
        for each in (json.loads(line)["response_body"] or {}).get("value", ())
        if each.get("metadata", {}).get("regionType") == "Physical" and not each["name"].endswith(STAGING)
    }
    assert len(listed) > 40
    assert {name: display for name, display in listed.items() if known.get(name) != display} == {}


def test_the_practice_cloud_has_no_region_that_azure_has_not() -> None:
    assert {name: display for name, (display, _) in seed.LOCATIONS.items()}.items() <= REGIONS["azure"].items()
