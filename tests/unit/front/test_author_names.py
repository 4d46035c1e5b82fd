"""`lint --names`: what a document may name."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hol_wizard import cli
from hol_wizard.headless.author_names import names
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.loader import load
from hol_wizard.lab.names import BOUND, PLAIN
from hol_wizard.wizard.registration import known_names


def test_everything_that_a_document_may_name_has_one_line_about_it() -> None:
    # Other tests register functions of their own in this process.
    told = subprocess.run(
        [sys.executable, "-m", "hol_wizard", "lint", "--names", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(told.stdout)
    assert len(found["check"]) > 50
    known = known_names()
    assert found["check"].keys() | found["resource"].keys() <= known.checks
    assert found["solve"].keys() | found["resource"].keys() <= known.solves
    assert found["undo"].keys() | found["resource"].keys() <= known.undos
    assert found["actions"].keys() <= known.actions
    assert {step.check for step in load().steps.values() if step.check} <= found["check"].keys() | found[
        "resource"
    ].keys()
    assert found["inputs"].keys() == INPUTS.keys()
    assert found["placeholder"].keys() == {f"{{{name}}}" for name in (*PLAIN, *BOUND)}
    for place, described in found.items():
        for name, words in described.items():
            assert words.endswith("."), (place, name)
            assert "\n" not in words
            assert len(words) > 5, (place, name)


def test_the_names_are_written_as_lines_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lint", "--names"]) == 0
    assert "  {container_registry}      Container registry; in prod.\n" in capsys.readouterr().out
    assert cli.main(["lint", "--names", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == names()


@pytest.mark.parametrize("arguments", [("--names", "screens"), ("--format", "json"), ("--names", "--format", "tap")])
def test_options_that_mean_nothing_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert cli.main(["lint", *arguments]) == 2
