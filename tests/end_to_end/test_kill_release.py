"""Section release, up to a run, by wizards that are killed again and again: nothing twice, nothing left in the end."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from hol_wizard.practice import seed
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import SEED, Ground
from tests.steps.test_variable_group import Project

STEPS = tuple(
    f"release/{step}"
    for step in (
        *("create-the-release-variables", "create-the-environments"),
        *("ask-for-an-approval", "create-the-release-pipeline"),
    )
)
ROUNDS = 2
KILLS = 3
"""In each solve and each teardown of a round, before it comes to its end."""
LINES = 8
"""Ledger lines that a run writes at most before it is killed; a whole solve writes about 24."""
GIVEN_SEED = os.environ.get(SEED)


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    with Ground.of(attendees_machine, speed=600.0) as made:
        made.cloud.control.settings(user=seed.ATTENDEE.name)
        made.machine.more |= {"HOL_WIZARD_DEVOPS_ORGANIZATION": "practice"}
        prepared = made.run("solve", "build-pipeline/create-the-pipeline", "--yes")
        assert prepared.returncode == 0, prepared.stdout + prepared.stderr
        yield made


def killed(ground: Ground, moments: random.Random, doing: str) -> bool:
    """Kill a run when it has written some lines into the ledger; return whether it was still running."""
    process, before = ground.start(doing, *STEPS, "--yes"), len(ground.ledger())
    lines, end = moments.randint(1, LINES), time.monotonic() + 60
    while process.poll() is None and len(ground.ledger()) < before + lines:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(moments.random() * 0.1)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_there_is_one_of_each_however_often_the_wizard_is_killed(ground: Ground) -> None:
    given = int(GIVEN_SEED or random.SystemRandom().randrange(1_000_000))
    print(f"\n{SEED}={given}")  # noqa: T201 to play a failed run again
    moments, hits = random.Random(given), 0  # noqa: S311 it only picks moments
    project = Project(ground.cloud)

    def everything() -> tuple[list[str], list[str], list[str]]:
        groups = project.ask("GET", "/distributedtask/variablegroups").json()["value"]
        environments = project.ask("GET", "/distributedtask/environments").json()["value"]
        pipelines = project.ask("GET", "/build/definitions").json()["value"]
        found = ([each["name"] for each in kind] for kind in (groups, environments, pipelines))
        groups_, environments_, pipelines_ = (
            sorted(name for name in names if "hol-pipeline" not in name) for names in found
        )
        return groups_, environments_, [name for name in pipelines_ if name != "practice-build"]

    def rules() -> int:
        found = project.ask("GET", "/distributedtask/environments", name="hol-production").json()["value"]
        query = {"resourceType": "environment", "resourceId": str(found[0]["id"]), "api-version": "7.1-preview.1"}
        return int(project.ask("GET", "/pipelines/checks/configurations", **query).json()["count"])

    whole = (["hol-release-production", "hol-release-qa"], ["hol-production", "hol-qa"], ["practice-release"])
    for _ in range(ROUNDS):
        for doing in ("solve", "teardown"):
            hits += sum(killed(ground, moments, doing) for _ in range(KILLS))
            done = ground.run(doing, *STEPS, "--yes")
            assert done.returncode == 0, done.stdout + done.stderr
            assert everything() == (whole if doing == "solve" else ([], [], []))
            if doing == "solve":
                assert rules() == 1
                checked = ground.run("--check", "release/create-the-release-pipeline", "release/ask-for-an-approval")
                assert checked.returncode == 0, checked.stdout
    facts = Counter(entry["fact"] for entry in ground.ledger())
    print(f"{hits} of {ROUNDS * KILLS * 2} kills hit a run; {dict(sorted(facts.items()))}")  # noqa: T201
    assert hits > ROUNDS
