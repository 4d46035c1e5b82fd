"""The wizard killed at any moment, as by a closed lid or an empty battery: the cloud goes on, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground, made_twice
from tests.practice.conftest import Arm, user_token

SECTION = "workspace-resources"
KILLS = 14
SEED = "HOL_WIZARD_TEST_SEED"
"""Environment variable that plays a run of this test again."""


@pytest.fixture
def ground(machine: Machine) -> Iterator[Ground]:
    with Ground.of(machine, speed=40.0) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_solves_and_teardowns_that_are_killed_again_and_again_come_to_their_end(ground: Ground) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1_000_000))
    moments = random.Random(seed)  # noqa: S311 it only picks moments
    print(f"\n{SEED}={seed}")  # noqa: T201 to play a failed run again
    kills, ends, solving = 0, 0, True
    while kills < KILLS or not solving:
        assert ends < 20, "a run ends at once and does nothing"
        words = ("solve", SECTION, "--yes") if solving else ("teardown", "--yes")
        process = ground.start(*words)
        moment = moments.uniform(0.5, 3.0) if kills < KILLS else 90.0
        try:
            out, err = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            facts = [entry["fact"] for entry in ground.ledger()]
            count = {fact: facts.count(fact) for fact in sorted(set(facts))}
            print(f"kill {kills} after {moment:.2f} s of {words[0]}: {count}")  # noqa: T201
            continue
        assert process.returncode == 0, f"{words}: {out}\n{err}"
        ends += 1
        solving = not solving
    assert kills >= 12

    last = ground.run("solve", SECTION, "--yes")
    assert last.returncode == 0, last.stdout + last.stderr
    checked = ground.run("--check", "set-up", "resource-groups", SECTION, "--format", "json")
    assert checked.returncode == 0, checked.stdout
    assert made_twice(ground.cloud.exchanges()) == []
    assert "adopted" not in {entry["fact"] for entry in ground.ledger()}

    removed = ground.run("teardown", "--yes")
    assert removed.returncode == 0, removed.stdout + removed.stderr
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
