"""`lab test` on a practice cloud of its own, as an author and CI run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hol_wizard.lab.folder import read_folder
from tests.end_to_end.conftest import ROOT, Machine
from tests.unit.front.test_lab_test import GIT, GOOD, rows, write

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "docs" / "example-lab"
USELESS = f"""
[steps.useless]
check = {{ command = [{GIT}, "a.useless"] }}
solve = {{ command = ["git", "--version"] }}
undo = {{ command = ["git", "--version"] }}
"""
STUCK = f"""
[steps.stuck]
check = {{ command = [{GIT}, "a.stuck"] }}
solve = {{ command = [{GIT}, "a.stuck", "yes"] }}
undo = {{ command = ["git", "--version"] }}
"""


def test_the_example_lab_is_taken_through(machine: Machine, tmp_path: Path) -> None:
    digest = read_folder(EXAMPLE).digest
    report = tmp_path / "report.json"
    (tmp_path / "temporary").mkdir()
    machine.more["TMPDIR"] = str(tmp_path / "temporary")
    done = machine.run(
        "--practice", "lab", "test", str(EXAMPLE), "--trust", digest, "--output", str(report), "--format", "json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed of 6" in done.stdout
    results = json.loads(report.read_text(encoding="utf-8"))["results"]
    assert {each["status"] for each in results} == {"passed"}
    assert all(each["seconds"] >= 0 for each in results)
    assert not list((tmp_path / "temporary").iterdir()), "the test's own home and cloud are removed"


def test_a_lab_that_breaks_its_promises_is_told(machine: Machine, tmp_path: Path) -> None:
    arguments = [each for each in write(tmp_path / "lab", GOOD, USELESS, STUCK) if each != "--yes-really"]
    done = machine.run("--practice", *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    found = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith("one/")}
    assert found["one/good"][:6] == rows(done.stdout)["one/good"] == [
        "failed", "done", "passed", "nothing", "done", "failed",
    ]  # fmt: skip
    assert "wrong: after the solve: " in done.stdout
    assert "wrong: after the undo: Step one/stuck is still there after its deletion." in done.stdout
    assert "1 passed, 2 failed of 3" in done.stdout
