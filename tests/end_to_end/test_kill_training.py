"""A training whose wizard is killed while the notebook runs: the next one finds the run, and starts no second one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from hol_wizard.resources.training_run import TrainingRun
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.end_to_end.test_kill_infrastructure import left_over

RUN = "train/run-the-training"
STEPS = (RUN, "inference-code/add-a-unit-test")
KILLS = 18
"""Fifty over sections 12 to 16, with those of the build and of the pull request."""


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    with Ground.of(attendees_machine, speed=300.0) as made:
        yield made


def submitted(ground: Ground) -> list[dict[str, Any]]:
    return [each for each in ground.cloud.exchanges() if str(each["url"]).endswith("/jobs/runs/submit")]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("runtime")
def test_a_run_that_goes_on_is_found_after_a_kill_and_not_started_again(ground: Ground) -> None:
    process = ground.start("solve", RUN, "--yes")
    end = time.monotonic() + 150
    while not submitted(ground):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    process.kill()
    process.communicate()
    done = ground.run("solve", RUN, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(submitted(ground)) == 1
    assert ground.run("teardown", "--yes").returncode == 0
    assert left_over(ground.cloud) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("runtime")
def test_a_training_is_submitted_once_however_often_the_wizard_is_killed(ground: Ground) -> None:
    before = 0
    for done in ground.kill_again_and_again(STEPS, kills=KILLS, lines=8):
        if done == "solve":
            checked = ground.run("--check", *STEPS, "--format", "json")
            assert checked.returncode == 0, checked.stdout
            assert len(submitted(ground)) == before + 1
        else:
            assert left_over(ground.cloud) == []
        before = len(submitted(ground))
    assert [each for each in ground.ledger() if each["fact"] == "adopted" and each["kind"] == TrainingRun.kind] == []
