"""Section release, up to a run, by wizards that are killed again and again: nothing twice, nothing left in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hol_wizard.practice import seed
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
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


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    with Ground.of(attendees_machine, speed=600.0) as made:
        made.cloud.control.settings(user=seed.ATTENDEE.name)
        made.machine.more |= {"HOL_WIZARD_DEVOPS_ORGANIZATION": "practice"}
        prepared = made.run("solve", "build-pipeline/create-the-pipeline", "--yes")
        assert prepared.returncode == 0, prepared.stdout + prepared.stderr
        yield made


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_there_is_one_of_each_however_often_the_wizard_is_killed(ground: Ground) -> None:
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
    for done in ground.kill_each_run(STEPS, rounds=ROUNDS, kills=KILLS, lines=LINES):
        assert everything() == (whole if done == "solve" else ([], [], []))
        if done == "solve":
            assert rules() == 1
            checked = ground.run("--check", "release/create-the-release-pipeline", "release/ask-for-an-approval")
            assert checked.returncode == 0, checked.stdout
