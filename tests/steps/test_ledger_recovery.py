"""A ledger that was damaged or lost, on the practice cloud: nothing is concluded from the gap, and it comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hol_wizard import headless
from hol_wizard.engine.registry import SOLVES
from hol_wizard.engine.results import Status
from hol_wizard.errors import ConflictError, LedgerError
from hol_wizard.headless import WorkOptions
from hol_wizard.practice import seed
from tests.practice.conftest import Arm
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import DATABRICKS, GROUP, LAKE, NAMES, VAULT, Attendee
from tests.steps.databricks import context_of

BUILT = (f"{LAKE}@dev", f"{VAULT}@dev")
YES = WorkOptions(yes=True)


@pytest.fixture
def built(attendee: Attendee) -> Attendee:
    """Somebody with a group, a data lake and a key vault in dev."""
    assert attendee.solve(*BUILT).all_passed()
    return attendee


def ledger_file(attendee: Attendee) -> Path:
    return attendee.home.ledger_file("practice", attendee.profile)


def middle(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    half = len(lines) // 2
    return b"".join([*lines[:half], b'{"fact": "intent", "target": "x", "resource": null}\n', *lines[half + 1 :]])


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "random bytes": lambda data: b"\xfe\x03\x9a" * 300,
    "NUL bytes at the end": lambda data: data + bytes(2000),
    "only NUL bytes": lambda data: bytes(len(data)),
    "half a file": lambda data: data[: len(data) // 2],
    "nothing": lambda data: b"",
    "one bad line": middle,
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ledger_is_told_by_every_command_and_rebuilt(
    built: Attendee, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ledger_file(built)
    whole = {entry["resource"] for entry in built.ledger() if entry["fact"] == "intent"}
    before = DAMAGES[damage](path.read_bytes())
    path.write_bytes(before)
    told = f"The ledger {path} is damaged: "

    assert headless.teardown(built.wizard(), WorkOptions(plan=True)) == 3
    out, err = capsys.readouterr()
    assert told in err
    assert "Nothing to remove" not in out + err

    report = headless.check(built.wizard(), headless.CheckOptions(BUILT))
    assert report == 3
    assert told in capsys.readouterr().out
    assert headless.cost(built.wizard(), "text") == 3
    assert told in capsys.readouterr().out
    with pytest.raises(LedgerError, match="is damaged"):
        headless.solve(built.wizard(), WorkOptions((f"{DATABRICKS}@dev",), yes=True))
    with pytest.raises(LedgerError, match="is damaged"):
        built.solve(f"{DATABRICKS}@dev")
    assert path.read_bytes() == before

    assert headless.rebuild_ledger(built.wizard(), YES) == 0
    aside = next(path.parent.glob("ledger.jsonl.damaged-*"))
    assert aside.read_bytes() == before
    assert {entry.resource.lower() for entry in built.wizard().ledger.standing()} == {each.lower() for each in whole}
    assert built.solve(*BUILT).all_passed()
    assert headless.teardown(built.wizard(), YES) == 0
    assert built.wizard().ledger.standing() == ()


@pytest.mark.slow
def test_with_a_damaged_ledger_one_can_sign_in_and_rebuild_it(
    built: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ledger_file(built)
    whole = {entry.resource.lower() for entry in built.wizard().ledger.standing()}
    path.write_bytes(DAMAGES["only NUL bytes"](path.read_bytes()))
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name)
    practice_cloud.control.settings(user=seed.ATTENDEE.name)
    with pytest.raises(LedgerError, match="Nobody is signed in") as raised:
        headless.rebuild_ledger(built.wizard(), YES)
    assert "<step set-up/sign-in>" in raised.value.hint
    assert headless.solve(built.wizard(), WorkOptions(("set-up/sign-in",), yes=True)) == 0
    assert headless.solve(built.wizard(), WorkOptions(("set-up/choose-the-subscription",), yes=True)) == 0
    assert headless.rebuild_ledger(built.wizard(), YES) == 0
    assert whole < {entry.resource.lower() for entry in built.wizard().ledger.standing()}


@pytest.mark.slow
def test_a_lost_ledger_is_found_again_by_the_mark(built: Attendee, capsys: pytest.CaptureFixture[str]) -> None:
    whole = {entry.resource.lower() for entry in built.wizard().ledger.standing()}
    for path in ledger_file(built).parent.glob("ledger.jsonl*"):
        path.unlink()
    assert headless.teardown(built.wizard(), YES) == 3
    out, err = capsys.readouterr()
    assert "Nothing to remove" not in out
    assert "does not name 3 resources of this lab" in err
    with pytest.raises(LedgerError, match="3 resources of this lab exist"):
        built.solve(*BUILT)
    with pytest.raises(LedgerError):
        headless.solve(built.wizard(), WorkOptions(BUILT, yes=True))
    assert headless.cost(built.wizard(), "json") == 3
    assert built.teardown(NAMES).statuses[NAMES] is Status.FAILED
    assert headless.rebuild_ledger(built.wizard(), YES) == 0
    assert {entry.resource.lower() for entry in built.wizard().ledger.standing()} == whole
    assert headless.teardown(built.wizard(), YES) == 0
    assert "3 gone, 0 left" in capsys.readouterr().out
    assert headless.teardown(built.wizard(), YES) == 0
    assert "Nothing to remove" in capsys.readouterr().out


@pytest.mark.slow
def test_an_old_copy_of_a_ledger_is_found_out_by_a_teardown(
    attendee: Attendee, capsys: pytest.CaptureFixture[str]
) -> None:
    assert attendee.solve(f"{GROUP}@dev").all_passed()
    folder = ledger_file(attendee).parent
    old = {path: path.read_bytes() for path in folder.glob("ledger.jsonl*")}
    assert attendee.solve(*BUILT).all_passed()
    for path, data in old.items():
        path.write_bytes(data)
    assert attendee.solve(*BUILT).all_passed()
    assert "adopted" not in {entry["fact"] for entry in attendee.ledger()}
    assert headless.teardown(attendee.wizard(), WorkOptions(plan=True)) == 3
    assert "does not name 2 resources" in capsys.readouterr().err
    assert headless.rebuild_ledger(attendee.wizard(), YES) == 0
    assert headless.teardown(attendee.wizard(), YES) == 0
    assert "3 gone, 0 left" in capsys.readouterr().out


@pytest.mark.slow
def test_solving_with_an_old_ledger_does_not_adopt_what_is_marked(attendee: Attendee) -> None:
    assert attendee.solve(f"{GROUP}@dev").all_passed()
    folder = ledger_file(attendee).parent
    old = {path: path.read_bytes() for path in folder.glob("ledger.jsonl*")}
    assert attendee.solve(f"{GROUP}@prod").all_passed()
    for path, data in old.items():
        path.write_bytes(data)
    with pytest.raises(ConflictError, match="carries this lab's mark, but the ledger does not name it"):
        SOLVES["resource_group"].run(context_of(attendee, f"{GROUP}@prod"))
    assert not [entry for entry in attendee.ledger() if entry["fact"] == "adopted"]


@pytest.mark.slow
def test_what_cannot_be_asked_is_no_rebuild(
    built: Attendee, practice_cloud: PracticeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ledger_file(built)
    path.write_bytes(bytes(500))
    practice_cloud.control.fault("error", service="resource_manager", status=503, times=1000)
    try:
        with pytest.raises(LedgerError, match="not everything could be checked"):
            headless.rebuild_ledger(built.wizard(), YES)
        assert headless.teardown(built.wizard(), WorkOptions(plan=True)) == 3
    finally:
        practice_cloud.control.clear_faults()
    assert path.read_bytes() == bytes(500)
    assert "Not known: " in capsys.readouterr().err


@pytest.mark.slow
def test_what_bears_the_tag_under_another_name_is_told_and_left(
    built: Attendee, by_hand: Arm, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = built.wizard().profile.choices.lab_id
    copied = {"location": "westeurope", "tags": {"hol-wizard": lab}}
    assert by_hand.ask("PUT", "/resourcegroups/copied-by-hand", copied).status_code == 201
    assert headless.teardown(built.wizard(), YES) == 3
    out, err = capsys.readouterr()
    assert "3 gone, 0 left" in out
    assert "Resource group copied-by-hand" in err
    assert headless.rebuild_ledger(built.wizard(), YES) == 3
    assert not built.wizard().ledger.standing()
