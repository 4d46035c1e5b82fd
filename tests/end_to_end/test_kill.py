"""The wizard killed at any moment, as by a closed lid or an empty battery: the cloud goes on, and nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground, made_twice
from tests.practice.conftest import Arm, user_token

SECTION = "workspace-resources"
KILLS = 6


@pytest.fixture
def ground(machine: Machine) -> Iterator[Ground]:
    with Ground.of(machine, speed=40.0) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_solves_and_teardowns_that_are_killed_again_and_again_come_to_their_end(ground: Ground) -> None:
    for done in ground.kill_again_and_again([SECTION], kills=KILLS, lines=8):
        if done == "solve":
            checked = ground.run("--check", "set-up", "resource-groups", SECTION, "--format", "json")
            assert checked.returncode == 0, checked.stdout
    assert made_twice(ground.cloud.exchanges()) == []
    assert "adopted" not in {entry["fact"] for entry in ground.ledger()}

    arm = Arm(ground.cloud, user_token(ground.cloud))
    assert arm.ask("GET", "/resources").json()["value"] == []
    assert arm.ask("GET", "/resourcegroups").json()["value"] == []
    deleted = arm.ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version="2026-02-01")
    assert deleted.json()["value"] == []
    last_facts = {entry["resource"]: entry["fact"] for entry in ground.ledger() if entry["resource"].startswith("/")}
    assert set(last_facts.values()) == {"deleted"}


@pytest.mark.slow
def test_a_look_right_after_a_kill_shows_what_is_being_made(ground: Ground) -> None:
    assert ground.run("solve", "resource-groups", "--yes").returncode == 0
    ground.cloud.control.settings(speed=20)
    ground.cloud.control.register_providers()
    process = ground.start("solve", f"{SECTION}/add-a-databricks-workspace", "--yes")
    deadline = time.monotonic() + 30
    while [entry["fact"] for entry in ground.ledger()].count("operation") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    looked = ground.run("--check", f"{SECTION}/add-a-databricks-workspace", "--format", "json")
    assert looked.returncode == 1
    found = {step["target"]: step["status"] for step in json.loads(looked.stdout)["results"]}
    assert set(found.values()) == {"waiting"}, found
    waited = ground.run("--check", f"{SECTION}/add-a-databricks-workspace", "--wait", "60")
    assert waited.returncode == 0, waited.stdout
    ground.cloud.control.settings(speed=600)
    began = ground.cloud.log_size()
    assert ground.run("solve", f"{SECTION}/add-a-databricks-workspace", "--yes").returncode == 0
    assert not [each for each in ground.cloud.exchanges(began) if each["method"] == "PUT"]
    assert ground.run("teardown", "--yes").returncode == 0
