"""From the trained model to the merged change, by the command itself; a second person rejects, then approves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard.practice import seed
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground

STEPS = ("commit-and-push", "create-the-pull-request", "review-and-approve", "complete-the-pull-request")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def ground(attendees_machine: Machine, runtime: Path) -> Iterator[Ground]:
    assert runtime
    with Ground.of(attendees_machine, speed=6000.0) as made:
        yield made


def solve(ground: Ground, *words: str) -> subprocess.CompletedProcess[str]:
    process = ground.start("solve", *words, "--yes")
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(words, int(process.returncode or 0), out, err)


def statuses(ground: Ground) -> list[str]:
    checked = ground.run("--check", "pull-request", "--format", "json")
    found = {each["target"]: each["status"] for each in json.loads(checked.stdout)["results"]}
    return [found[f"pull-request/{step}"] for step in STEPS]


def review(ground: Ground, *words: str) -> None:
    done = ground.machine.run("practice", "review", *words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_from_the_training_to_a_merge_that_another_person_has_approved(ground: Ground) -> None:
    reviewers = ("--reviewers", seed.ORGANIZER.name)
    trained = solve(ground, "train/commit-from-databricks", "train/check-the-registered-model")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    policy = solve(ground, "devops-project/require-a-review")
    assert policy.returncode == 0, policy.stdout + policy.stderr

    proposed = solve(ground, "pull-request", *reviewers, "--commit-message", "Test the model")
    assert proposed.returncode == 1, proposed.stdout + proposed.stderr
    assert "hol-wizard practice review --approve" in proposed.stdout
    assert statuses(ground) == ["passed", "passed", "waiting", "blocked"]

    review(ground, "--reject", "Please test the scaler.")
    assert statuses(ground) == ["passed", "passed", "failed", "blocked"]
    rejected = ground.run("--check", "pull-request/review-and-approve")
    assert "Please test the scaler." in rejected.stdout

    clone = Path(ground.machine.environment["HOL_WIZARD_CLONE_FOLDER"])
    with (clone / "Project_One-Tests" / "test_model.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef test_scaler():\n    model = MyModel()\n    model.init()\n    assert model.x_scaler\n")
    assert solve(ground, "pull-request", "--commit-message", "Test the scaler").returncode == 1
    review(ground, "--approve")
    merged = solve(ground, "pull-request")
    assert merged.returncode == 0, merged.stdout + merged.stderr
    assert statuses(ground) == ["passed"] * 4
    assert "Merged PR 1: Worst regression of attendee" in ground.commits()
    again = solve(ground, "pull-request")
    assert (again.returncode, "Nothing to create or change." in again.stdout) == (0, True)

    # The practice cloud may have ended with the last wizard
    stopped = ground.machine.run("practice", "stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    none_left = ground.machine.run("practice", "review", "--approve")
    assert none_left.returncode == 1, none_left.stdout + none_left.stderr
    assert "no practice cloud runs" not in none_left.stderr
    assert "ull request 1 is completed; only an active one can be reviewed" in none_left.stderr
