"""`lab test`: what it says of labs that keep their promises, and of labs that do not."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest
from junitparser import JUnitXml

from hol_wizard import cli
from hol_wizard.lab.folder import read_folder
from hol_wizard.paths import Home
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.wizard.facade import open_wizard
from hol_wizard.wizard.trials import Trial

GIT = '"git", "config", "--file", "{home_folder}/lab.ini"'
GOOD = f"""
[steps.good]
check = {{ command = [{GIT}, "a.good"], expect = "^yes$" }}
solve = {{ command = [{GIT}, "a.good", "yes"] }}
undo = {{ command = [{GIT}, "--unset", "a.good"] }}
"""
OTHER = GOOD.replace("good", "other")
LOOK = """
[steps.look]
check = { command = ["git", "--version"], expect = "git" }
"""
HAND = f"""
[steps.hand]
check = {{ command = [{GIT}, "a.hand"] }}
human = "Ask {{alias}}."
"""
AFTER = f"""
[steps.after]
needs = ["hand"]
check = {{ command = [{GIT}, "a.good"] }}
solve = {{ command = [{GIT}, "a.good", "yes"] }}
undo = {{ command = [{GIT}, "--unset", "a.good"] }}
"""


def write(folder: Path, *steps: str) -> list[str]:
    """Write a lab with these steps, and return the words that open it trusted."""
    folder.mkdir()
    names = [re.findall(r"\[steps\.(\w+)\]", step)[0] for step in steps]
    (folder / "lab.toml").write_text(
        'title = "L"\nintroduction = "I."\n[defaults]\nalias = "robin"\n', encoding="utf-8"
    )
    body = "".join(f"\n## {name.title()}\nText.\n" for name in names)
    (folder / "01-one.md").write_text(
        f'+++\nid = "one"\ntitle = "One"\nrole = "everyone"\nminutes = 5\n{"".join(steps)}+++\nIntro.\n{body}',
        encoding="utf-8",
    )
    return ["lab", "test", str(folder), "--trust", read_folder(folder).digest, "--yes-really"]


def rows(out: str) -> dict[str, list[str]]:
    found = [line.split() for line in out.splitlines() if line.startswith("one/")]
    return {words[0]: words[1:7] for words in found}


def test_a_lab_that_keeps_its_promises_is_taken_through_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.xml"
    assert cli.main([*write(tmp_path / "lab", GOOD, LOOK), "--output", str(report)]) == 0
    out = capsys.readouterr().out
    assert rows(out) == {
        "one/good": ["failed", "done", "passed", "nothing", "done", "failed"],
        "one/look": ["passed", "-", "passed", "-", "-", "passed"],
    }
    assert "2 passed of 2" in out
    suite = next(iter(JUnitXml.fromfile(str(report))))
    assert [(case.name, case.is_passed) for case in suite] == [("good", True), ("look", True)]
    assert all(case.time >= 0 for case in suite)
    assert "[a]" not in (Path.home() / "lab.ini").read_text(encoding="utf-8")


def test_a_step_that_cannot_be_taken_through_says_why_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(write(tmp_path / "lab", HAND, AFTER, LOOK)) == 3
    out = capsys.readouterr().out
    assert "not taken through: only a person can do it. Ask robin." in out
    assert "not taken through: it needs one/hand, which is not done." in out
    assert "1 passed, 2 unknown of 3" in out


def test_only_the_requested_steps_are_judged_and_what_they_need_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = write(tmp_path / "lab", GOOD, OTHER, LOOK.replace("[steps.look]", '[steps.look]\nneeds = ["good"]'))
    assert cli.main([*lab, "--only", "one/look"]) == 0
    captured = capsys.readouterr()
    assert list(rows(captured.out)) == ["one/look"]
    assert "back   one/good" in captured.err
    assert "other" not in captured.err


def test_a_test_says_what_it_would_use_before_it_uses_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = write(tmp_path / "lab", GOOD)
    assert cli.main(arguments[:-1]) == 2
    assert "it needs one of --practice and --yes-really" in capsys.readouterr().err
    assert cli.main([*arguments[:3], "--yes-really"]) == 2
    assert "until you trust it" in capsys.readouterr().err
    assert not (Path.home() / "lab.ini").exists()


def test_a_table_that_was_written_is_replaced_by_the_next(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    arguments = [*write(tmp_path / "lab", LOOK), "--output", str(report)]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 0
    shutil.rmtree(tmp_path / "lab")
    assert cli.main([*write(tmp_path / "lab", HAND), "--output", str(report)]) == 3
    assert 'errors="1"' in report.read_text(encoding="utf-8")


def test_a_stopped_test_undoes_what_it_has_done(tmp_path: Path) -> None:
    write(tmp_path / "lab", GOOD, OTHER)
    wizard = open_wizard(
        home=Home(tmp_path / "config", tmp_path / "state"),
        cloud="azure",
        profile="default",
        connect=lambda: Endpoints.of_cloud("azure"),
        environ={},
        screens=tmp_path / "lab",
    )
    stop = threading.Event()
    trials = {}
    for event in wizard.try_out(wizard.targets(), keeps=True, cancelled=stop):
        if isinstance(event, Trial):
            trials[event.target.key] = event
            stop.set()
    assert trials["one/good"].phases["after"] == "failed"
    assert (trials["one/other"].left, trials["one/other"].phases) == ("the run was stopped.", {})
    assert "[a]" not in (Path.home() / "lab.ini").read_text(encoding="utf-8")
