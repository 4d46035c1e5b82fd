"""Cobertura files are read: real ones, which contradict themselves or miss attributes, and hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.test_results.cobertura import Coverage, cobertura_of, percent, read_cobertura
from hol_wizard.untrusted_xml import UnreadableError, parse_xml

REAL = Path(__file__).parents[4] / "shared" / "contracts" / "realworld" / "public" / "cobertura"


def read(root: str, lines: str = "", filename: str = "filename='a.py'") -> Coverage:
    document = (
        f"<coverage {root}><packages><package><classes><class {filename}><lines>{lines}</lines></class></classes>"
        "</package></packages></coverage>"
    )
    return cobertura_of(parse_xml(document.encode()))


LINES = "<line number='1' hits='1'/><line number='2' hits='0'/><line number='3' hits='0'/><line number='5' hits='9'/>"


def test_the_root_decides() -> None:
    found = read("line-rate='0.44' lines-covered='44' lines-valid='100'", LINES)

    assert found.percent == "44 %"
    assert found.notes == ("The report says 44 % for all files; the lines that it lists are 50 %.",)


def test_the_counts_of_the_root_stand_in_for_its_rate() -> None:
    assert read("lines-covered='44' lines-valid='100'").percent == "44 %"
    assert read("line-rate='nan' lines-covered='44' lines-valid='100'").percent == "44 %"
    assert read("line-rate='44' lines-covered='44' lines-valid='100'").percent == "44 %"


@pytest.mark.parametrize(
    "root", ["", "line-rate=''", "line-rate='-1'", "lines-covered='9' lines-valid='3'", "lines-valid='0'"]
)
def test_the_lines_are_counted_where_the_root_does_not_say(root: str) -> None:
    found = read(root, LINES)

    assert (found.percent, found.files[0].covered, found.files[0].valid) == ("50 %", 2, 4)
    assert found.files[0].ranges == "2-3"


def test_nothing_says_anything() -> None:
    found = read("")

    assert (found.rate, found.percent, found.files[0].rate) == (None, "unknown", None)


def test_two_figures_of_the_root_that_differ_are_told() -> None:
    found = read("line-rate='0.9' lines-covered='1' lines-valid='2'")

    assert found.percent == "90 %"
    assert found.notes == ("The report says 90 %, and 1 of 2 lines, which is 50 %.",)


def test_a_rate_is_rounded_down() -> None:
    assert [percent(rate) for rate in (0.0, 0.29, 0.6799, 0.68, 1.0, None)] == [
        "0 %", "29 %", "67 %", "68 %", "100 %", "unknown",
    ]  # fmt: skip


def test_the_classes_of_a_file_are_one_file() -> None:
    root = parse_xml(
        b"<coverage><packages><package><classes>"
        b"<class filename='A.java' name='A'><lines><line number='1' hits='0'/></lines></class>"
        b"<class filename='A.java' name='A$1'><lines><line number='1' hits='2'/><line number='x' hits='1'/>"
        b"<line number='7' hits='many'/></lines></class><class name='dir\\b.lua'/>"
        b"</classes></package></packages></coverage>"
    )

    found = cobertura_of(root)

    assert [(each.name, each.covered, each.valid) for each in found.files] == [("A.java", 1, 2), ("dir/b.lua", 0, 0)]


CONTRADICT = {
    "diff_cover__fixtures_coverage.xml",
    "diff_cover__fixtures_coverage_missing_lines.xml",
    "pycobertura__cobertura.xml",
    "pycobertura__dummy.linestatus_test1.xml",
}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
def test_real_files_are_read_as_their_roots_say() -> None:
    found = {path.name: read_cobertura(path) for path in sorted(REAL.glob("*.xml"))}

    assert len(found) == 21
    assert {name for name, coverage in found.items() if coverage.notes} == CONTRADICT
    for name, coverage in found.items():
        assert coverage.rate == float(parse_xml((REAL / name).read_bytes()).get("line-rate") or "")
        assert coverage.files
    own = found["gen__coveragepy-pycobertura.xml"]
    assert (own.percent, sum(each.covered for each in own.files), sum(each.valid for each in own.files)) == (
        "94 %", 859, 910,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<coverage/>", "is not Cobertura XML"),
        ("<coverage><project/></coverage>", "is a report of Clover"),
        ("<testsuites/>", "its root is <testsuites>"),
        ('<!DOCTYPE c [<!ENTITY a "b">]><coverage line-rate="&a;"><packages/></coverage>', "declares XML entities"),
        ("<coverage>" * 12_000, "nested more than 64 deep"),
    ],
)
def test_another_document_ends_in_one_sentence(content: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        cobertura_of(parse_xml(content.encode()))


def test_a_dtd_is_not_fetched() -> None:
    found = cobertura_of(
        parse_xml(
            b"<!DOCTYPE coverage SYSTEM 'http://127.0.0.1:9/coverage-03.dtd'>"
            b"<coverage line-rate='0.5'><packages/></coverage>"
        )
    )

    assert found.percent == "50 %"
