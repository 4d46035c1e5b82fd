"""JUnit files are read: real ones of several tools, and hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.test_results.failure import Part, failure_lines
from hol_wizard.test_results.junit import MOST_TEXT, Outcome, Results, junit_of, read_junit
from hol_wizard.untrusted_xml import LARGEST, UnreadableError, parse_xml

REAL = Path(__file__).parents[4] / "shared" / "contracts" / "realworld" / "public" / "junit"

PYTEST = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="2"
failures="2" skipped="1" tests="6" time="0.180"><testcase classname="test_model.TestAnswers" name="test_dict"
time="0.003"><failure message="AssertionError: assert {'wages': 41.5} == {'wages': 40.0}&#10;">self = 1

    def test_dict(self):
        model = Model()
&gt;       assert model.predict({}) == {"wages": 40.0}
E       AssertionError: assert {'wages': 41.5} == {'wages': 40.0}
E         
E         Full diff:
E           {
E         -     'wages': 40.0,
E         ?              ^^
E         +     'wages': 41.5,
E         ?              ^^
E           }

/tests/test_model.py:11: AssertionError</failure></testcase><testcase classname="test_model" name="test_len"
time="0.001"><failure message="assert 3 == 4&#10; +  where 3 = len([1, 2, 3])">def test_len():
&gt;       assert len([1,2,3]) == 4
E       assert 3 == 4
E        +  where 3 = len([1, 2, 3])

/tests/test_model.py:13: AssertionError</failure></testcase><testcase classname="test_model" name="test_len"
time="0.000"><error message="failed on teardown with &quot;RuntimeError: teardown&quot;">E   RuntimeError: teardown
</error></testcase><testcase classname="test_model" name="test_ok" time="0.000" /><testcase classname="test_model"
name="test_later" time="0.000"><skipped type="pytest.skip" message="later">/tests/test_model.py:15: later</skipped>
</testcase><testcase classname="" name="test_broken" time="0.000"><error message="collection failure"
>ImportError while importing test module '/tests/test_broken.py'.
E   ModuleNotFoundError: No module named 'pandas'</error></testcase></testsuite></testsuites>"""


def read(text: str) -> Results:
    return junit_of(parse_xml(text.encode()))


def test_a_file_of_pytest_is_read_with_every_outcome() -> None:
    found = read(PYTEST)

    assert [(case.group, case.name, case.outcome) for case in found.cases] == [
        ("test_model.TestAnswers", "test_dict", Outcome.FAILED),
        ("test_model", "test_len", Outcome.FAILED),
        ("test_model", "test_ok", Outcome.PASSED),
        ("test_model", "test_later", Outcome.SKIPPED),
        ("", "test_broken", Outcome.ERROR),
    ]
    assert str(found) == "1 passed, 2 failed, 1 with an error, 1 skipped"
    assert not found.passed
    assert found.cases[3].message == "later"
    assert found.notes == ()


def test_a_comparison_is_shown_by_what_was_expected_and_what_was_found() -> None:
    lines = failure_lines(read(PYTEST).cases[0])

    assert (lines[0].part, lines[0].text) == (Part.PLACE, "/tests/test_model.py:11")
    assert (lines[1].part, lines[1].text) == (Part.CODE, 'assert model.predict({}) == {"wages": 40.0}')
    assert [line.text for line in lines if line.part is Part.EXPECTED] == ["  -     'wages': 40.0,"]
    assert [line.text for line in lines if line.part is Part.ACTUAL] == ["  +     'wages': 41.5,"]
    # What explains a value is not part of a comparison.
    assert {line.part for line in failure_lines(read(PYTEST).cases[1])} == {Part.PLACE, Part.CODE, Part.ERROR}


REALITY = {
    "gen__jest-junit.xml": "1 passed, 1 failed, 1 skipped",
    "gen__pytest-pycobertura.xml": "167 passed, 5 failed",
    "gen__pytest-xunit1-pytest_mark.xml": "223 passed, 1 skipped",
    "gen__unittest-xml-reporting-lcov_cobertura.xml": "1 with an error",
}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
def test_real_files_of_four_tools_are_read() -> None:
    found = {path.name: read_junit(path) for path in sorted(REAL.glob("*.xml"))}

    assert {name: str(results) for name, results in found.items()} == REALITY
    assert all(results.notes == () for results in found.values())
    for case in (case for results in found.values() for case in results.bad):
        assert case.message
        assert "Traceback" not in case.message
        assert failure_lines(case)[0].text
    [unittest] = found["gen__unittest-xml-reporting-lcov_cobertura.xml"].bad
    assert failure_lines(unittest)[0].text == "ModuleNotFoundError: No module named 'xmldiff'"


def test_a_single_suite_nested_suites_and_missing_attributes_are_read() -> None:
    found = read(
        '<testsuite name="a"><testcase/><testsuite name="b"><testcase name="x" time="1,234.5"/>'
        '<testcase name="y" time="soon"><failure/></testcase></testsuite></testsuite>'
    )

    assert [(case.group, case.name, case.seconds) for case in found.cases] == [
        ("a", "(no name)", 0.0),
        ("b", "x", 1234.5),
        ("b", "y", 0.0),
    ]
    assert failure_lines(found.cases[2])[0].text == "The tool wrote nothing about it."


def test_two_tests_of_one_name_are_two() -> None:
    case = '<testcase classname="a" name="same"/>'

    assert len(read(f"<testsuite>{case}{case}</testsuite>").cases) == 2


def test_no_test_at_all_is_no_success() -> None:
    assert not read("<testsuites/>").passed
    assert not read('<testsuites><testsuite><testcase name="x"><skipped/></testcase></testsuite></testsuites>').passed
    assert str(read("<testsuites/>")) == "none"


def test_a_file_with_fewer_tests_than_it_announces_says_so() -> None:
    found = read('<testsuites><testsuite tests="3"><testcase name="x"/></testsuite></testsuites>')

    assert found.notes == ("The file announces 3 tests and has 1.",)


def test_a_long_failure_is_cut_and_a_secret_in_it_hidden() -> None:
    token = "dapi" + "0" * 32 + " "
    found = read(f"<testsuite><testcase name='x'><failure>{token}{'z' * 30_000}</failure></testcase></testsuite>")

    assert len(found.cases[0].text) < MOST_TEXT + 100
    assert "more characters" in found.cases[0].text
    assert token.strip() not in found.cases[0].text


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<testsuites><testsuite><testcase name='&b;'/></testsuite></testsuites>"
)
HOSTILE = {
    "nothing": (b"", "is empty"),
    "blank": (b" \n", "is empty"),
    "entities": (BOMB.encode(), "declares XML entities"),
    "a file as an entity": (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuites>&a;</testsuites>',
        "declares XML entities",
    ),
    "deep": (b"<testsuite>" * 9_000 + b"</testsuite>" * 9_000, "nested more than 64 deep"),
    "cut": (PYTEST.encode()[:700], "is not valid XML (line 18, column"),
    "text": (b"5 passed in 0.12s", "is not valid XML (line 1"),
    "zero bytes": (b"\0" * 100, "is not valid XML"),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><testsuites/>', "is not valid XML"),
    "multi-byte encoding": (b'<?xml version="1.0" encoding="shift_jis"?><testsuites/>', "is not valid XML"),
    "another document": (b"<html><body/></html>", "is not JUnit XML: its root is <html>"),
}


@pytest.mark.parametrize(("content", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_ends_in_one_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "results.xml").write_bytes(content)

    with pytest.raises(UnreadableError, match=said.replace("(", r"\(")):
        read_junit(tmp_path / "results.xml")


def test_a_folder_and_a_huge_file_cannot_be_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.xml").open("wb") as file:
        file.truncate(LARGEST + 1)

    with pytest.raises(UnreadableError, match="is larger than 32 MB"):
        read_junit(tmp_path / "huge.xml")
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_junit(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_junit(tmp_path / "none.xml")


def test_a_prefix_of_a_namespace_does_not_matter() -> None:
    found = read('<j:testsuites xmlns:j="urn:j"><j:testsuite><j:testcase name="x"/></j:testsuite></j:testsuites>')

    assert str(found) == "1 passed"
