"""Section inference-code: the clone is brought up to date, and a test of one's own is looked for and written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.resources.written_test import TEST_FILE, WrittenTest
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee, clone
from tests.steps.author import BRANCH, OWN, on_branch
from tests.steps.databricks import context_of
from tests.steps.test_scientist_setup import SEED, person, push

__all__ = ["person"]
PULL, TEST = "inference-code/pull-the-training-code", "inference-code/add-a-unit-test"


@pytest.fixture
def reader(person: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody with a seeded repository, and a clone of it on this machine that is on their branch."""
    return on_branch(person, practice_cloud, snapshots, "reader", SEED)


def write(attendee: Attendee, more: str, encoding: str = "utf-8") -> Path:
    file = clone(attendee) / TEST_FILE
    file.write_bytes(f"{file.read_text(encoding='utf-8')}{more}".encode(encoding))
    return file


@pytest.mark.slow
def test_what_was_pushed_elsewhere_is_seen_and_pulled(reader: Attendee) -> None:
    assert reader.check(PULL).results[PULL].status is Status.PASSED
    push(reader, "attendee", {"from_databricks.py": b"print(1)\n"}, "From Databricks")
    behind = reader.check(PULL).results[PULL]
    assert (behind.status, behind.expectations[-1].met) == (Status.FAILED, False)
    assert "git pull" in behind.next_action
    seen = reader.solve(PULL).results[PULL]
    assert seen.status is Status.PASSED, seen
    assert (clone(reader) / "from_databricks.py").read_text() == "print(1)\n"


@pytest.mark.slow
def test_a_pull_that_git_would_not_do_says_what_is_in_the_way(reader: Attendee) -> None:
    push(reader, "attendee", {"README.md": b"Theirs\n"}, "Theirs")
    (clone(reader) / "README.md").write_text("Mine\n")
    failed = reader.solve(PULL).results[PULL]
    assert failed.status is Status.FAILED
    assert "README.md" in f"{failed.summary} {failed.detail}"
    assert (clone(reader) / "README.md").read_text() == "Mine\n"


@pytest.mark.slow
def test_a_test_of_ones_own_is_seen_when_it_is_saved(reader: Attendee) -> None:
    none = reader.check(TEST).results[TEST]
    assert (none.status, none.expectations[-1].actual) == (Status.FAILED, "none")
    write(reader, "\n\ndef test_mine():\n    assert MyModel()\n")
    vague = reader.check(TEST).results[TEST]
    assert vague.status is Status.FAILED
    assert "does not depend on a MyModel" in vague.expectations[-1].actual
    file = write(reader, OWN.replace("test_mine", "test_mine_too"))
    good = reader.check(TEST).results[TEST]
    assert (good.status, good.summary) == (Status.PASSED, "test_mine_too tests the model.")
    before = file.read_bytes()
    assert reader.solve(TEST).statuses[TEST] is Status.PASSED
    assert file.read_bytes() == before


@pytest.mark.slow
def test_the_starters_test_is_nobodys_own_and_stays(reader: Attendee) -> None:
    file = write(reader, "")
    given = file.read_text(encoding="utf-8")
    file.write_text(given.replace("is not None", "is not None, 'not loaded'"), encoding="utf-8")
    changed = reader.check(TEST).results[TEST]
    assert (changed.status, changed.expectations[-1].actual) == (Status.FAILED, "none")
    file.write_text(given.partition("def test_")[0] + OWN, encoding="utf-8")
    replaced = reader.check(TEST).results[TEST]
    assert replaced.status is Status.FAILED
    assert f"origin/main:{TEST_FILE}" in replaced.next_action
    file.write_text(given + OWN, encoding="utf-8")
    assert reader.check(TEST).results[TEST].status is Status.PASSED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "encoding", "said"),
    [("\ndef test_(:\n", "utf-8", "Python cannot read"), ("\n# é\n", "latin-1", "cannot be read")],
    ids=["not Python", "not UTF-8"],
)
def test_a_file_that_cannot_be_read_is_told_with_the_way_out(
    reader: Attendee, more: str, encoding: str, said: str
) -> None:
    file = write(reader, more, encoding)
    failed = reader.check(TEST).results[TEST]
    assert failed.status is Status.FAILED
    assert said in failed.summary
    assert str(file) in failed.summary
    assert failed.next_action


@pytest.mark.slow
def test_the_wizards_test_says_that_it_is_not_the_readers_and_is_taken_out_again(reader: Attendee) -> None:
    file = clone(reader) / TEST_FILE
    before = file.read_bytes()
    seen = reader.solve(TEST).results[TEST]
    assert seen.status is Status.PASSED, seen
    assert seen.summary == f"The test {WrittenTest.name} is there; the wizard wrote it, not you."
    assert f"# Written by {context_of(reader, TEST).mark}, not by the attendee" in file.read_text(encoding="utf-8")
    assert reader.teardown(TEST).all_passed()
    assert file.read_bytes() == before


@pytest.mark.slow
def test_without_a_clone_the_step_before_is_named(reader: Attendee) -> None:
    clone(reader).rename(clone(reader).with_name("away"))
    result = reader.check(TEST).results[TEST]
    assert result.status is Status.BLOCKED
    assert result.blocked_by == BRANCH
