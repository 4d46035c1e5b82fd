"""Builds and test runs in a real engine whose wizard is killed again and again: nothing twice, nothing left."""

from __future__ import annotations

import subprocess
import time
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hol_wizard.resources.build_settings import FILE
from hol_wizard.resources.test_run import MADE, RECORD
from hol_wizard.services.containers.workbench import LAB_LABEL, RESULTS, TESTS_LABEL
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.end_to_end.test_kill_infrastructure import adopted_without_a_reason, left_over
from tests.steps.test_build_container import docker, engine

__all__ = ["engine"]

PREPARED = (
    "train/run-the-training",
    "scientist-setup/let-yourself-read-the-model-files",
    "inference-code/add-a-unit-test",
    "build-container/set-the-build-settings",
)
BUILD, TESTS = "build-container/run-the-local-build", "test-container/run-the-tests-in-the-container"
KILLS = 13


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    """A machine with a model of one's own, and an image with a name that no other test has."""
    with Ground.of(attendees_machine, speed=300.0) as made:
        done = made.run("solve", *PREPARED, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        with (clone(made) / FILE).open("a", encoding="utf-8") as file:
            file.write(f"IMAGE_TAG=test-{uuid.uuid4().hex[:8]}\n")
        ours = lab(made)
        yield made
    # What a failed test has left on this machine.
    for kind in (("container", "ls", "--all"), ("image", "ls")):
        for each in docker(*kind, "--quiet", "--filter", f"label={LAB_LABEL}={ours}").split():
            subprocess.run(["docker", kind[0], "rm", "--force", each], capture_output=True, check=False)


def clone(ground: Ground) -> Path:
    return Path(ground.machine.environment["HOL_WIZARD_CLONE_FOLDER"])


def lab(ground: Ground) -> str:
    file = ground.machine.home / "config" / "practice" / "default.toml"
    return str(tomllib.loads(file.read_text(encoding="utf-8"))["lab_id"])


def images(ground: Ground, label: str) -> list[str]:
    words = ("image", "ls", "--quiet", "--no-trunc", "--filter", f"label={label}={lab(ground)}")
    return sorted(set(docker(*words).split()))


def containers(ground: Ground) -> list[str]:
    return docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"label={LAB_LABEL}={lab(ground)}").split()


def programs(ground: Ground) -> list[str]:
    """Return the command lines of the programs that work in the clone: docker among them."""
    found = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    return [words for words in found if f"{clone(ground)}/Project_One" in words]


def see_that_nothing_goes_on(ground: Ground) -> None:
    """Wait until what the wizard has started is gone with it, and see that it has left nothing half-written."""
    end = time.monotonic() + 20
    while going_on := [*programs(ground), *(each for each in containers(ground) if each.startswith("mltests-"))]:
        assert time.monotonic() < end, going_on
        time.sleep(0.1)
    results = clone(ground) / RESULTS
    if results.exists():
        made = (results / MADE).read_text(encoding="utf-8").splitlines()
        assert RECORD in made
        there = {each.relative_to(results).as_posix() for each in results.rglob("*") if each.is_file()}
        assert there == {*made, MADE}


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("runtime", "engine")
def test_nothing_is_built_twice_goes_on_or_is_left_however_often_the_wizard_is_killed(ground: Ground) -> None:
    rounds = ground.kill_again_and_again(
        (BUILD, TESTS),
        kills=KILLS,
        lines=4,
        pause=4.0,
        torn_down=(TESTS, BUILD),
        killed=lambda: see_that_nothing_goes_on(ground),
    )
    for done in rounds:
        see_that_nothing_goes_on(ground)
        if done == "solve":
            checked = ground.run("--check", BUILD, TESTS, "--format", "json")
            assert checked.returncode == 0, checked.stdout
            assert len(images(ground, TESTS_LABEL)) == 1
            assert len(images(ground, LAB_LABEL)) == 2, "with the one that has the tests"
        else:
            assert images(ground, LAB_LABEL) == []
            assert containers(ground) == []
            assert not (clone(ground) / RESULTS).exists()
    assert adopted_without_a_reason(ground.ledger()) == []
    gone = ground.run("teardown", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert left_over(ground.cloud) == []
