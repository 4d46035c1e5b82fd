"""Section variable-group by wizards that are killed again and again: nothing twice, and nothing left in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hol_wizard.practice import seed
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.practice.conftest import Arm, provider, user_token
from tests.steps.test_variable_group import MANAGED, Project

SECTION = "variable-group"
ROUNDS = 3
KILLS = 2
"""In each solve and each teardown of a round, before it comes to its end."""
LINES = 10
"""Ledger lines that a run writes at most before it is killed; a whole solve writes about twenty."""


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    with Ground.of(attendees_machine, speed=600.0) as made:
        made.cloud.control.settings(user=seed.ATTENDEE.name)
        made.machine.more |= {"HOL_WIZARD_DEVOPS_ORGANIZATION": "practice"}
        before = ("secrets", "devops-project/create-the-project", "workspace-resources/add-a-container-registry")
        prepared = made.run("solve", *before, "--yes")
        assert prepared.returncode == 0, prepared.stdout + prepared.stderr
        yield made


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_there_is_one_of_each_however_often_the_wizard_is_killed(ground: Ground) -> None:
    project = Project(ground.cloud)
    arm = Arm(ground.cloud, user_token(ground.cloud))
    path = provider("ManagedIdentity/userAssignedIdentities", "hol-practice-build", "practice-db-pipeline")

    def everything() -> tuple[int, int, int]:
        connections = project.ask("GET", "/serviceendpoint/endpoints", includeFailed="true").json()["count"]
        groups = project.ask("GET", "/distributedtask/variablegroups").json()["count"]
        return connections, groups, len(arm.ask("GET", path.rpartition("/")[0], version=MANAGED).json()["value"])

    for done in ground.kill_each_run((SECTION,), rounds=ROUNDS, kills=KILLS, lines=LINES):
        assert everything() == ((1, 1, 1) if done == "solve" else (0, 0, 0))
        if done == "solve":
            checked = ground.run("--check", SECTION)
            assert checked.returncode == 0, checked.stdout
            credentials = arm.ask("GET", f"{path}/federatedIdentityCredentials", version=MANAGED).json()["value"]
            assert len(credentials) == 1
