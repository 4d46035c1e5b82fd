"""The promise of the product: the whole lab in one command, checked, torn down whatever happened, and nothing left."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.lab.loader import load
from hol_wizard.lab.people import person_of, words_for
from hol_wizard.practice.process import launch
from hol_wizard.resources.build_settings import FILE
from hol_wizard.services.containers.workbench import LAB_LABEL
from tests.end_to_end.conftest import Machine, of_the_attendee
from tests.end_to_end.ground import Ground
from tests.end_to_end.test_kill_build import clone, images
from tests.end_to_end.test_kill_infrastructure import adopted_without_a_reason, left_over
from tests.practice.conftest import REGISTRIES, Arm, user_token
from tests.practice.test_devops import as_user
from tests.steps.test_build_container import engine, remove_built_from
from tests.waiting import until

__all__ = ["engine"]

WHOLE = ("solve", "--all", "--yes")
NO_ENGINE = "tcp://127.0.0.1:1"
SPEED = 600.0
SNAPSHOT = "solved"
DONE = 0 if all(step.check or step.confirm for step in load().steps.values()) else 3
"""Exit code of the whole lab that is done: 3 while this version cannot check all of its steps."""
PLAYED = [f"{words_for(step)} ({step.key})" for step in load().steps.values() if person_of(step)]
PARTS = ("config", "state/practice/default", "state/practice/azure", "state/practice/databrickscfg", "cache")
"""What the wizard keeps on its machine: the rest of its folder is the practice cloud's."""


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last lines, behind those that say which steps are not done, wherever they are."""
    words = tuple(f"{status.value.upper()} " for status in Status if status not in {Status.PASSED, Status.SKIPPED})
    lines = (done.stdout + done.stderr).splitlines()
    said = [line for line in lines if line.startswith(words) or "] failed: " in line or "] waiting: " in line]
    return "\n".join((*said, *lines[-60:]))


def not_good(checked: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the results of a check that are not good."""
    return [each for each in json.loads(checked.stdout)["results"] if each["status"] not in {"passed", "skipped"}]


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A machine without a container engine on which one command has done the whole lab."""
    root = tmp_path_factory.mktemp("whole")
    machine = of_the_attendee(Machine(root / "home"))
    machine.more["DOCKER_HOST"] = NO_ENGINE
    try:
        with pytest.MonkeyPatch.context() as environment:
            # The practice cloud, which this process starts, runs the steps of pipelines.
            environment.setenv("DOCKER_HOST", NO_ENGINE)
            with Ground.of(machine, speed=SPEED) as ground:
                done = ground.run(*WHOLE, timeout=300)
                assert done.returncode == DONE, told(done)
                (root / "said").write_text(done.stdout, encoding="utf-8")
                ground.cloud.control.take_snapshot(SNAPSHOT)
                for part in (*PARTS, "../clone"):
                    _copy(machine.home / part, root / "kept" / part.removeprefix("../"))
                yield ground
    finally:
        launch.stop(machine.home / "state" / "practice")


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(source, to, symlinks=True, copy_function=shutil.copy)
    elif source.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, to)


@pytest.fixture
def ground(solved: Ground) -> Ground:
    """The same, as it was right after the command."""
    home = solved.machine.home
    solved.cloud.control.clear_faults()
    solved.cloud.control.restore_snapshot(SNAPSHOT)
    solved.cloud.control.settings(speed=SPEED)
    for part in (*PARTS, "../clone"):
        _copy(home.parent / "kept" / part.removeprefix("../"), home / part)
    return solved


def torn_down(ground: Ground, *words: str) -> subprocess.CompletedProcess[str]:
    """Tear everything down, and hold that nothing is left and that the receipt says so."""
    done = ground.run("teardown", *words, "--yes")
    assert done.returncode == 0, told(done)
    assert left_over(ground.cloud) == []
    receipts = sorted((ground.ledger_file.parent / "receipts").iterdir())
    receipt = receipts[-1].read_text(encoding="utf-8")
    assert receipt in done.stdout
    assert ", 0 left (" in receipt.splitlines()[-1]
    last = {entry["resource"]: entry for entry in ground.ledger()}
    open_ = {entry["kind"] for entry in last.values() if entry["fact"] in {"intent", "created", "operation"}}
    # A sign-in stays, a merge is not taken back, and a clone and what is in it may be the person's work.
    assert open_ <= {"Sign-in", "Pull request", "Branch", "Clone", "Build settings", "Unit test"}
    return done


def arm(ground: Ground) -> Arm:
    return Arm(ground.cloud, user_token(ground.cloud))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("test_whole_lab")
@pytest.mark.usefixtures("runtime")
class TestWithoutAnEngine:
    """One group, which shares what the one command has made."""

    def test_one_command_does_it_all_names_who_was_played_and_says_how_long_it_took(self, ground: Ground) -> None:
        said = (ground.machine.home.parent / "said").read_text(encoding="utf-8")
        assert len(PLAYED) >= 5
        for part in PLAYED:
            assert f"played on the practice cloud: {part}" in said
        assert "practiced without a container" in said
        assert "times the critical path" in said
        # The build starts the release, not the wizard.
        assert {kind for kind, _ in adopted_without_a_reason(ground.ledger())} <= {"Release run"}

    def test_a_check_passes_and_the_teardown_leaves_nothing_and_lists_it(self, ground: Ground) -> None:
        checked = ground.run("--check", "--format", "json")
        assert checked.returncode == DONE, json.dumps(not_good(checked), indent=1) + checked.stderr
        found = {each["target"]: each for each in json.loads(checked.stdout)["results"]}
        assert "practiced without a container" in found["build-container/run-the-local-build"]["summary"]
        receipt = torn_down(ground).stdout.partition("Receipt of ")[2]
        assert receipt.count("\nGONE ") > 90
        assert "Cost until the teardown" in receipt

    def test_a_second_command_changes_nothing(self, ground: Ground) -> None:
        ledger = ground.ledger_file.read_bytes()
        done = ground.run(*WHOLE)
        assert done.returncode == DONE, told(done)
        assert "played" not in done.stdout
        after = ground.ledger_file.read_bytes()
        assert after == ledger, after.removeprefix(ledger).decode() + told(done)

    def test_a_second_teardown_has_nothing_to_remove(self, ground: Ground) -> None:
        torn_down(ground)
        again = ground.run("teardown", "--yes")
        assert again.returncode == 0, told(again)
        assert "\n0 gone, 0 left (" in again.stdout

    @pytest.mark.parametrize(
        "parents",
        [("practice-db-pipeline",), ("practice-db-dev", "practice-db-prod")],
        ids=["the group of the build", "the other groups"],
    )
    def test_groups_that_somebody_deleted_in_between(self, ground: Ground, parents: tuple[str, ...]) -> None:
        there = arm(ground)
        for name in parents:
            assert there.ask("DELETE", f"/resourcegroups/{name}").status_code in {200, 202}
        until(lambda: not {each["name"] for each in _groups(there)} & set(parents))
        torn_down(ground)

    def test_a_project_that_somebody_deleted_in_between(self, ground: Ground) -> None:
        devops = as_user(ground.cloud)
        (project,) = devops.ask("GET", "/projects").json()["value"]
        assert devops.ask("DELETE", f"/projects/{project['id']}").status_code == 202
        until(lambda: devops.ask("GET", "/projects").json()["value"] == [])
        torn_down(ground)

    def test_a_workspace_that_somebody_deleted_in_between(self, ground: Ground) -> None:
        there = arm(ground)
        path = "/resourceGroups/practice-db-dev/providers/Microsoft.Databricks/workspaces/practice-dev"
        assert there.ask("DELETE", path, version="2024-05-01").status_code in {200, 202, 204}
        until(lambda: there.ask("GET", path, version="2024-05-01").status_code == 404)
        torn_down(ground)

    def test_a_prefix_that_was_changed_in_between(self, ground: Ground) -> None:
        torn_down(ground, "--prefix", "another")

    def test_a_ledger_that_is_lost(self, ground: Ground) -> None:
        ground.ledger_file.unlink()
        doubted = ground.run("teardown", "--yes")
        assert doubted.returncode == 3, told(doubted)
        assert "hol-wizard --practice ledger rebuild" in doubted.stdout + doubted.stderr
        rebuilt = ground.run("ledger", "rebuild", "--yes")
        assert rebuilt.returncode == 0, told(rebuilt)
        torn_down(ground)

    def test_a_teardown_that_failed_in_part_says_so_in_its_receipt_and_the_next_one_ends_it(
        self, ground: Ground
    ) -> None:
        ground.cloud.control.fault("error", method="DELETE", path="vaults/practice-kv-d", status=500, code="Broken")
        failed = ground.run("teardown", "--yes")
        assert failed.returncode == 3, told(failed)
        (receipt,) = (each.read_text("utf-8") for each in (ground.ledger_file.parent / "receipts").iterdir())
        assert "LEFT     workspace-resources/add-a-key-vault@dev  Key vault practice-kv-d" in receipt
        assert "GONE     workspace-resources/add-a-container-registry@prod" in receipt
        ground.cloud.control.clear_faults()
        torn_down(ground)

    def test_a_run_of_the_pipeline_whose_wizard_is_killed(self, ground: Ground) -> None:
        undone = ground.run("teardown", "build-pipeline/run-the-pipeline", "--yes")
        assert undone.returncode == 0, told(undone)
        process = ground.start("solve", "build-pipeline/run-the-pipeline", "--yes")
        runs = {"organization": "practice/practice-hol", "statusFilter": "inProgress"}
        devops = as_user(ground.cloud)
        until(lambda: bool(devops.ask("GET", "/build/builds", **runs).json()["value"]))
        process.kill()
        process.communicate()
        torn_down(ground)


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("runtime", "engine")
def test_with_a_container_engine_the_very_image_is_built_tested_and_removed(attendees_machine: Machine) -> None:
    with Ground.of(attendees_machine, speed=SPEED) as ground:
        prepared = ground.run("solve", "build-container/set-the-build-settings", "--yes")
        assert prepared.returncode == 0, told(prepared)
        with (clone(ground) / FILE).open("a", encoding="utf-8") as file:
            # Other tests use the same engine.
            file.write(f"IMAGE_TAG=whole-{uuid.uuid4().hex[:8]}\n")
        done = ground.run(*WHOLE, timeout=500)
        assert done.returncode == DONE, told(done)
        assert "without a container" not in done.stdout
        path = "/resourceGroups/practice-db-prod/providers/Microsoft.ContainerRegistry/registries"
        (registry,) = arm(ground).ask("GET", path, version=REGISTRIES).json()["value"]
        try:
            checked = ground.run("--check")
            assert checked.returncode == DONE, checked.stdout[-4000:]
            assert images(ground, LAB_LABEL) != []
            torn_down(ground)
            assert images(ground, LAB_LABEL) == []
        finally:
            remove_built_from(registry["properties"]["loginServer"])


def _groups(there: Arm) -> list[dict[str, Any]]:
    return list(there.ask("GET", "/resourcegroups").json()["value"])
