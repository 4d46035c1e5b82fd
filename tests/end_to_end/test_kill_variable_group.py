"""Section variable-group by wizards that are killed again and again: nothing twice, and nothing left in the end."""

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
from tests.practice.conftest import Arm, provider, user_token
from tests.steps.test_variable_group import MANAGED, Project

SECTION = "variable-group"
ROUNDS = 3
KILLS = 2
"""In each solve and each teardown of a round, before it comes to its end."""
LINES = 10
"""Ledger lines that a run writes at most before it is killed; a whole solve writes about twenty."""
GIVEN_SEED = os.environ.get(SEED)


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    with Ground.of(attendees_machine, speed=600.0) as made:
        made.cloud.control.settings(user=seed.ATTENDEE.name)
        made.machine.more |= {"HOL_WIZARD_DEVOPS_ORGANIZATION": "practice"}
        before = ("secrets", "devops-project/create-the-project", "workspace-resources/add-a-container-registry")
        prepared = made.run("solve", *before, "--yes")
        assert prepared.returncode == 0, prepared.stdout + prepared.stderr
        yield made


def killed(ground: Ground, moments: random.Random, doing: str) -> bool:
    """Kill a run when it has written some lines into the ledger; return whether it was still running."""
    process, before = ground.start(doing, SECTION, "--yes"), len(ground.ledger())
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
    arm = Arm(ground.cloud, user_token(ground.cloud))
    path = provider("ManagedIdentity/userAssignedIdentities", "hol-practice-build", "practice-db-pipeline")

    def everything() -> tuple[int, int, int]:
        connections = project.ask("GET", "/serviceendpoint/endpoints", includeFailed="true").json()["count"]
        groups = project.ask("GET", "/distributedtask/variablegroups").json()["count"]
        return connections, groups, len(arm.ask("GET", path.rpartition("/")[0], version=MANAGED).json()["value"])

    for _ in range(ROUNDS):
        for doing, expected in (("solve", (1, 1, 1)), ("teardown", (0, 0, 0))):
            hits += sum(killed(ground, moments, doing) for _ in range(KILLS))
            done = ground.run(doing, SECTION, "--yes")
            assert done.returncode == 0, done.stdout + done.stderr
            assert everything() == expected
            if doing == "solve":
                checked = ground.run("--check", SECTION)
                assert checked.returncode == 0, checked.stdout
                credentials = arm.ask("GET", f"{path}/federatedIdentityCredentials", version=MANAGED).json()["value"]
                assert len(credentials) == 1
    facts = Counter(entry["fact"] for entry in ground.ledger())
    print(f"{hits} of {ROUNDS * KILLS * 2} kills hit a run; {dict(sorted(facts.items()))}")  # noqa: T201
    assert hits > ROUNDS
