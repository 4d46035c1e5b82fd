from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.results import Status
from hol_wizard.lab.model import targets_of
from hol_wizard.wizard.endings import ending_of, kept
from tests.tui.fake_wizard import small_lab

GROUP = "resource-groups/create-the-three-resource-groups"
ENTRIES = [
    Entry(Fact.INTENT, f"{GROUP}@dev", "/a", "Resource group", at="2026-11-28T10:00:00.000+00:00"),
    Entry(Fact.CREATED, f"{GROUP}@dev", "/a", "Resource group", at="2026-11-28T10:00:40.000+00:00"),
    Entry(Fact.INTENT, f"{GROUP}@prod", "/b", "Resource group", at="2026-11-28T10:00:10.000+00:00"),
    Entry(Fact.CREATED, f"{GROUP}@prod", "/b", "Resource group", at="2026-11-28T10:05:00.000+00:00"),
]
STATUSES = {
    **dict.fromkeys((f"{GROUP}@dev", f"{GROUP}@prod"), Status.PASSED),
    f"{GROUP}@pipeline": Status.FAILED,
    "train/look-at-it": Status.SKIPPED,
}


def test_the_end_tells_per_section_what_is_verified_confirmed_and_left_and_how_long_it_took() -> None:
    ending = ending_of(small_lab(), "cloud practice", STATUSES, ENTRIES, ["runs: a cluster"], "hol-wizard teardown")
    lines = list(ending.lines())
    assert "3. Create the resource groups: 2 of 3 verified, 1 not done, 5 min" in lines
    assert "   not done: Create the three resource groups (pipeline)" in lines
    assert "12. Train the model: 0 of 2 verified, 1 confirmed, 1 by hand" in lines
    assert "runs: a cluster" in lines
    assert not ending.is_complete
    assert ending.heading == "Not at the end yet: 2 of 49 steps are verified, 1 confirmed by you."


@pytest.mark.parametrize("at", ["", "yesterday", "2026-11-28T09:00:00"])
def test_a_line_of_the_ledger_without_a_time_that_can_be_compared_does_not_count(at: str) -> None:
    entries = [Entry(Fact.INTENT, f"{GROUP}@pipeline", "/c", "Resource group", at=at), *ENTRIES]
    lines = ending_of(small_lab(), "cloud practice", STATUSES, entries, (), "hol-wizard teardown").lines()
    assert "3. Create the resource groups: 2 of 3 verified, 1 not done, 5 min" in lines


def test_the_end_is_reached_when_nothing_is_left_that_can_be_done(tmp_path: Path) -> None:
    lab = small_lab()
    keys = [target.key for section in lab.sections for step in section.steps for target in targets_of(step)]
    statuses = {key: Status.SKIPPED if key == "train/look-at-it" else Status.PASSED for key in keys}
    ending = ending_of(lab, "cloud practice", statuses, (), ["Nothing runs."], "hol-wizard --practice teardown")
    assert ending.is_complete
    assert ending.heading.startswith("The lab is done:")
    assert kept(ending, tmp_path / "report.md") == f"The report: {tmp_path / 'report.md'}"
    report = (tmp_path / "report.md").read_text()
    assert "- 12. Train the model: 1 of 2 verified, 1 confirmed, 1 by hand" in report
    assert "`hol-wizard --practice teardown`" in report


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ending = ending_of(small_lab(), "", {}, (), (), "")
    assert kept(ending, tmp_path / "file" / "report.md").startswith("The report could not be written: ")
