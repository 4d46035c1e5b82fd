"""The receipt of a teardown: what is gone, what is left and why, and what it cost; also if it partly failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hol_wizard import headless
from hol_wizard.doctor.cost import Cost, Standing
from hol_wizard.engine.events import RunFinished
from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Result, Status
from hol_wizard.headless import WorkOptions
from hol_wizard.wizard.receipts import FOLDER, Receipt, kept, receipt_of
from hol_wizard.wizard.solves import PlannedChange
from tests.front_fakes import PASSED, FakeWizard, running

NOW = datetime.now(UTC)
GROUPS = tuple(f"groups/create-groups@{place}" for place in ("dev", "pipeline", "prod"))
GROUP, POLICY = "groups/create@dev", "groups/lock@dev"
DONE = Result(Status.PASSED, "Nothing that this wizard created is left here.")
FAILED = Result(Status.FAILED, "Still there: Policy two.", next_action="Run the teardown again.")


def entry(fact: Fact, target: str, name: str, kind: str, minutes_ago: float, *, now: datetime = NOW) -> Entry:
    at = (now - timedelta(minutes=minutes_ago)).isoformat()
    return Entry(fact, target, f"/some/where/{name}", kind, at=at)


CHANGES = (
    PlannedChange(POLICY, Change("delete", "Policy", "one")),
    PlannedChange(POLICY, Change("delete", "Policy", "two")),
    PlannedChange(GROUP, Change("delete", "Group", "lab-dev")),
    PlannedChange(GROUP, Change("leave", "Clone", "/home/me/lab", note="it may contain your work")),
)


def noted(now: datetime) -> tuple[Entry, ...]:
    return (
        entry(Fact.CREATED, POLICY, "one", "Policy", 20, now=now),
        entry(Fact.CREATED, POLICY, "two", "Policy", 20, now=now),
        entry(Fact.CREATED, GROUP, "lab-dev", "Group", 30, now=now),
        entry(Fact.DELETED, POLICY, "one", "Policy", 0, now=now),
        entry(Fact.DELETED, GROUP, "lab-dev", "Group", 0, now=now),
    )


def made(results: dict[str, Result], cost: Cost | None = None, *, cancelled: bool = False) -> Receipt:
    # What is left stood until the receipt: this module may have been imported long before.
    finished, now = RunFinished(results, 2.0, cancelled), datetime.now(UTC)
    return receipt_of("cloud practice", CHANGES, finished, noted(now), cost, now - timedelta(minutes=1))


def test_it_names_each_resource_that_is_gone_and_how_long_it_stood() -> None:
    lines = list(made({POLICY: DONE, GROUP: DONE}).lines())
    assert f"GONE     {POLICY}  Policy one (stood 20 min)" in lines
    assert f"GONE     {GROUP}  Group lab-dev (stood 30 min)" in lines
    assert f"KEPT     {GROUP}  Clone /home/me/lab: it may contain your work" in lines
    assert lines[-1] == "3 gone, 0 left (2.0 s)"


def test_after_a_partly_failed_teardown_it_tells_what_is_gone_from_what_is_left() -> None:
    receipt = made({POLICY: FAILED, GROUP: DONE}, cancelled=True)
    lines = list(receipt.lines())
    assert f"GONE     {POLICY}  Policy one (stood 20 min)" in lines
    assert f"LEFT     {POLICY}  Policy two (stood 20 min)" in lines
    assert f"FAILED   {POLICY}  Still there: Policy two." in lines
    assert lines[-1] == "interrupted; 2 gone, 1 left (2.0 s)"


def test_a_removal_of_an_earlier_teardown_is_not_counted_again() -> None:
    before = [entry(Fact.DELETED, POLICY, name, "Policy", 25) for name in ("one", "two")]
    finished = RunFinished({POLICY: FAILED}, 2.0)
    receipt = receipt_of("here", CHANGES[:2], finished, before, None, NOW)
    assert receipt.gone == 0


def test_it_says_what_the_resources_cost() -> None:
    cost = Cost(
        (running(),),
        (Standing("a/registry@prod", "by the day"), Standing("a/other@dev", "by the day")),
        notes=("Not your bill.",),
    )
    lines = list(made({POLICY: DONE, GROUP: DONE}, cost).lines())
    place = lines.index("Cost until the teardown")
    assert lines[place + 1].startswith("  Cluster cpu (dev): ran; about 0.24 USD an hour for the machine")
    assert lines[place + 2] == "  a/registry@prod, a/other@dev: by the day"
    assert lines[place + 3] == "  Not your bill."


def test_a_terminal_does_not_execute_what_a_name_contains() -> None:
    changes = (PlannedChange(GROUP, Change("delete", "Group", "lab\x1b[2J")),)
    receipt = receipt_of("here", changes, RunFinished({GROUP: DONE}, 1.0), (), None, NOW)
    assert "\x1b" not in "".join(receipt.lines())


def test_the_file_has_the_same_lines_and_is_only_for_its_owner(tmp_path: Path) -> None:
    receipt = made({POLICY: DONE, GROUP: DONE})
    path = receipt.keep(tmp_path / FOLDER)
    assert path.read_text(encoding="utf-8").splitlines() == list(receipt.lines())
    assert path.stat().st_mode & 0o077 == 0


def test_a_receipt_that_cannot_be_kept_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert kept(made({}), tmp_path / "file").startswith("This receipt is not kept in a file.")


def test_a_teardown_writes_its_receipt_on_the_screen_and_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    assert headless.teardown(wizard.as_wizard(), WorkOptions(yes=True)) == 0
    told = capsys.readouterr()
    (file,) = wizard.home.state.glob(f"practice/default/{FOLDER}/*.txt")
    assert f"This receipt is kept in {file}" in told.err
    text = file.read_text(encoding="utf-8")
    assert text in told.out
    assert "GONE     groups/create-groups@dev  Resource group lab-db-dev" in text
