from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema  # type: ignore[import-untyped] # has no annotations
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from hol_wizard import __version__
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Confirmation, Result, Status
from hol_wizard.headless.checking import FORMATS
from hol_wizard.lines import clean, one_line
from hol_wizard.markdown_report import markdown, plan_markdown
from hol_wizard.report import (
    Report,
    Row,
    counts_line,
    is_report,
    json_text,
    junit,
    plan_lines,
    tap,
    text,
)
from hol_wizard.test_results.cobertura import Coverage, FileCoverage
from hol_wizard.test_results.junit import Case, Outcome, Results
from hol_wizard.test_results.report import RunReport
from hol_wizard.wizard.solves import PlannedChange
from tests.front_fakes import FAILED, PASSED, UNKNOWN

SCHEMA = Path(__file__).parents[3] / "docs" / "check.schema.json"


def row(key: str, result: Result) -> Row:
    section, _, rest = key.partition("/")
    step, _, environment = rest.partition("@")
    return Row(key, step.replace("-", " ").title(), result, section, step, environment, 0.25)


def report(*results: Result, cancelled: bool = False) -> Report:
    keys = ("groups/make@dev", "groups/make@prod", "train/it", "train/more", "train/last", "train/all")
    rows = [row(key, result) for key, result in zip(keys, results, strict=False)]
    return Report(rows, "practice", "default", "2026-11-23T03:00:00Z", 1.25, cancelled, ("A note.",))


CONFIRMED = Result(
    Status.SKIPPED,
    "Confirmed by you.",
    confirmable=True,
    confirmed=Confirmation("ada", datetime(2026, 11, 27, tzinfo=UTC)),
)
EVERY = tuple(
    Result(status, f"It is {status}: “so” & <so>.", next_action="Do it.", detail="\x1b[31mred\x00") for status in Status
)


def test_text_has_a_line_for_each_step_and_what_is_wrong_below_it() -> None:
    assert text(report(PASSED, FAILED, UNKNOWN)).splitlines() == [
        "PASSED   groups/make@dev  It is there.",
        "FAILED   groups/make@prod  It does not fit.",
        "         Region: expected westeurope, found northeurope",
        "         next: Delete it, then make it again.",
        "UNKNOWN  train/it  No check yet.",
        "         next: Judge by what you see.",
        "A note.",
        "1 passed, 1 failed, 1 unknown of 3 (1.2 s)",
    ]


def test_text_says_the_same_next_action_once() -> None:
    assert text(report(UNKNOWN, UNKNOWN, UNKNOWN)).count("next:") == 1


def test_text_of_an_interrupted_run_says_so() -> None:
    assert text(report(PASSED, cancelled=True)).splitlines()[-1].startswith("interrupted; 1 passed")


TESTED = replace(
    FAILED,
    report=RunReport(
        Results((Case("test_it", "test_model", Outcome.FAILED, 0.1, "assert 3 == 4", "E   assert 3 == 4"),)),
        Coverage(0.44, (FileCoverage("score.py", 0, 3, None, (1, 2, 5)), FileCoverage("empty.py", 0, 0))),
        "/tmp/index.html",  # noqa: S108  only shown
        ("The image was tested.",),
    ),
)
UNREADABLE = replace(FAILED, report=RunReport(problems=("There is no coverage.xml.",)))


def test_text_has_the_tests_and_the_coverage_in_one_line() -> None:
    assert (
        "         tests: 1 failed; coverage: 44 %, 24 points below the lab's 68 %" in text(report(TESTED)).splitlines()
    )
    assert "         There is no coverage.xml." in text(report(UNREADABLE)).splitlines()


def test_json_has_each_test_and_each_file() -> None:
    found = json.loads(json_text(report(TESTED)))["results"][0]["report"]

    assert found["about"] == ["The image was tested."]
    assert found["tests"]["failed"] == 1
    assert found["tests"]["cases"][0]["text"] == "E   assert 3 == 4"
    assert found["coverage"]["files"][0] == {"name": "score.py", "covered": 0, "lines": 3, "missing": [1, 2, 5]}


@pytest.mark.parametrize("results", [(PASSED, FAILED, UNKNOWN), EVERY, (CONFIRMED,), (TESTED,), (UNREADABLE,), ()])
def test_json_fits_its_published_schema(results: tuple[Result, ...]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json_text(report(*results))
    jsonschema.validate(json.loads(written), schema, format_checker=jsonschema.FormatChecker())
    assert written.isascii()


def test_json_has_expected_and_actual() -> None:
    value = json.loads(json_text(report(FAILED)))
    assert value["exit_code"] == 1
    assert value["counts"]["failed"] == 1
    assert value["results"][0]["environment"] == "dev"
    assert value["results"][0]["expectations"][0] == {
        "what": "Region",
        "expected": "westeurope",
        "actual": "northeurope",
        "met": False,
    }


def test_junit_is_read_back_by_junitparser() -> None:
    written = junit(report(*EVERY))
    read = JUnitXml.fromstring(written.encode())
    suites = {suite.name: suite for suite in read}
    assert list(suites) == ["groups", "train"]
    cases = {(case.classname, case.name): case for suite in read for case in suite}
    assert len(cases) == len(EVERY)
    outcomes = [[type(outcome) for outcome in case.result] for case in cases.values()]
    assert outcomes == [[], [Failure], [Failure], [Error], [Error], [Skipped]]
    assert (read.tests, read.failures, read.errors, read.skipped) == (6, 2, 2, 1)
    failure = cases[("groups", "make@prod")].result[0]
    assert failure.message == "It is failed: “so” & <so>."
    assert failure.type == "failed"
    assert "next: Do it." in failure.text
    assert written.isascii()


def test_tap_counts_what_could_not_be_found_out_as_not_ok() -> None:
    lines = tap(report(PASSED, FAILED, UNKNOWN, Result(Status.SKIPPED, "Not #1."), cancelled=True)).splitlines()
    assert lines[:3] == ["TAP version 14", f"# hol-wizard {__version__}", "1..4"]
    assert [line for line in lines if line.startswith(("ok", "not ok"))] == [
        "ok 1 - groups/make@dev It is there.",
        "not ok 2 - groups/make@prod It does not fit.",
        "not ok 3 - train/it No check yet.",
        r"ok 4 - train/more Not \#1. # SKIP",
    ]
    assert '      actual: "northeurope"' in lines
    assert lines[-1] == "Bail out! Interrupted."


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_names_every_step(name: str) -> None:
    written = FORMATS[name](report(*EVERY))
    for each in report(*EVERY).rows:
        assert each.step in written
    assert "\x1b" not in written
    assert "\x00" not in written


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ((PASSED,), 0),
        ((PASSED, Result(Status.SKIPPED, "")), 0),
        ((PASSED, FAILED, UNKNOWN), 1),
        ((Result(Status.WAITING, ""),), 1),
        ((PASSED, UNKNOWN), 3),
        ((Result(Status.BLOCKED, ""),), 3),
    ],
)
def test_the_exit_code_tells_failed_from_could_not_tell(results: tuple[Result, ...], code: int) -> None:
    assert report(*results).exit_code == code


def test_an_interrupted_run_has_the_exit_code_of_ctrl_c() -> None:
    assert report(PASSED, cancelled=True).exit_code == 130


def test_control_characters_never_reach_the_terminal() -> None:
    assert clean("a\x1b[2Jb\x07\tc\nd é“") == "a�[2Jb�\tc\nd é“"
    assert one_line(" a\n b\r\nc ") == "a b c"


def test_counts_of_nothing() -> None:
    assert counts_line([]) == "nothing checked of 0"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("results", [(PASSED,), (PASSED, FAILED, UNKNOWN), EVERY])
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_report_is_recognized_in_every_format(form: str, results: tuple[Result, ...], *, cancelled: bool) -> None:
    assert is_report(FORMATS[form](report(*results, cancelled=cancelled)).encode())


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"\xff\xfe",
        b"my notes\n",
        b"{}",
        b'{"tool": {"name": "other"}}',
        b'{"tool": "hol-wizard"}',
        b"{" * 100_000,
        b'<?xml version="1.0"?>\n<testsuites name="pytest tests"></testsuites>\n',
        b'<?xml version="1.0"?>\n<html><!-- <testsuites name="hol-wizard"> --></html>',
        b"TAP version 14\n",
        b"TAP version 14\n1..1\nok 1 - mine\n",
        b"PASSED   groups/make  It is there.\n",
        b"my notes\n1 passed of 1 (1.2 s)\n",
        b"1 passed of 1 (1.2 s)\nmy notes\n",
    ],
)
def test_what_another_program_or_a_person_wrote_is_no_report(foreign: bytes) -> None:
    assert not is_report(foreign)


def test_a_plan_shows_the_diff_of_what_it_publishes_up_to_a_bound() -> None:
    diff = ("diff --git a/x b/x", "+\x1b[2J", "    indented", *("+more" for _ in range(300)))
    lines = list(plan_lines([PlannedChange("a/b", Change("create", "Commit", "“works”", note="1 file", diff=diff))]))
    assert lines[:4] == ["a/b", "  create    Commit “works”", f"{'':12}1 file", f"{'':12}diff --git a/x b/x"]
    assert lines[4:6] == [f"{'':12}+�[2J", f"{'':16}indented"]
    assert len(lines) == 3 + 200 + 1
    assert lines[-1] == f"{'':12}… and 103 more lines. To see all: git diff HEAD"


def test_markdown_has_a_row_per_step_and_tells_what_to_do_about_each_that_has_not_passed() -> None:
    told = markdown(report(PASSED, replace(FAILED, summary="no | such `group`")))
    assert "# Lab check: 1 passed, 1 failed of 2" in told
    assert "| ✓ passed | `groups/make@dev` | It is there. |" in told
    assert "| ✗ failed | `groups/make@prod` | no \\| such \\`group\\` |" in told
    assert told.partition("## Make\n\n")[2].splitlines() == [
        "- Region: expected westeurope, found northeurope",
        "",
        "Next: Delete it, then make it again.",
        "",
        "A note.",
    ]


def test_a_plan_in_markdown_is_one_table_and_its_diffs() -> None:
    change = Change("create", "Branch", "sam", "origin", cost="free", seconds=3, diff=("+```", "+a"))
    lines = list(plan_markdown([PlannedChange("s/a", change)]))
    assert lines[2] == "| `s/a` | create | Branch sam | origin | free | 3 s |"
    assert lines[3:] == ["", "````diff", "+```", "+a", "````"]
