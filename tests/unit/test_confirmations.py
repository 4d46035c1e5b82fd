"""What a person has confirmed: kept, withdrawn, and never taken over from another text, subscription or profile."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.engine.confirmations import Confirmations, Statement, digest_of
from hol_wizard.engine.results import Confirmation
from hol_wizard.errors import UsageError

READ = Statement("train/read-the-training-code", "sub-1", digest_of("Read it."))
OTHER = Statement("inference-code/know-the-code-structure", "sub-1", digest_of("Know it."))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "confirmations.jsonl"


def found(path: Path, statement: Statement) -> Confirmation:
    confirmation = Confirmations(path).find(statement)
    assert confirmation is not None
    return confirmation


def test_a_confirmation_is_there_after_a_restart_with_who_and_when(path: Path) -> None:
    assert Confirmations(path).find(READ) is None
    Confirmations(path).confirm([READ], "ada@example.com")
    confirmation = found(path, READ)
    assert confirmation.by == "ada@example.com"
    assert confirmation.at.tzinfo is not None
    assert Confirmations(path).find(OTHER) is None


def test_only_its_owner_can_read_the_file(path: Path) -> None:
    Confirmations(path).confirm([READ], "ada")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_withdrawal_takes_it_back_and_it_can_be_confirmed_again(path: Path) -> None:
    store = Confirmations(path)
    store.confirm([READ, OTHER], "ada")
    store.withdraw([READ], "ada")
    assert store.find(READ) is None
    assert found(path, OTHER).by == "ada"
    store.confirm([READ], "bob")
    assert found(path, READ).by == "bob"


def test_confirming_again_keeps_the_first_date_and_withdrawing_nothing_notes_nothing(path: Path) -> None:
    store = Confirmations(path)
    store.withdraw([READ], "ada")
    assert not path.exists()
    store.confirm([READ], "ada")
    before = path.read_bytes()
    store.confirm([READ], "bob")
    assert path.read_bytes() == before


def test_another_text_outdates_it_until_it_is_confirmed_again(path: Path) -> None:
    store = Confirmations(path)
    store.confirm([READ], "ada")
    changed = replace(READ, digest=digest_of("Read all of it."))
    assert found(path, changed).outdated
    assert not found(path, READ).outdated
    store.confirm([changed], "ada")
    assert not found(path, changed).outdated
    assert found(path, READ).outdated


def test_how_the_lines_of_a_text_are_wrapped_does_not_matter() -> None:
    assert digest_of("a b\nc") == digest_of(" a\n  b c ")
    assert digest_of("a", "b") != digest_of("a b")


@pytest.mark.parametrize("other", [{"step": "train/read-the-code"}, {"subscription": "sub-2"}])
def test_another_step_or_subscription_does_not_inherit_it(path: Path, other: dict[str, str]) -> None:
    Confirmations(path).confirm([READ], "ada")
    assert Confirmations(path).find(replace(READ, **other)) is None


@pytest.mark.parametrize(
    "damage",
    [
        b"{broken\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"{}\n",
        b'{"version": 2, "step": "a/b"}\n',
        b'{"version": 1, "step": "a/b", "subscription": "s", "text": "t", "by": "x", "at": "2026-11-27", '
        b'"withdrawn": false}\n',
        b'{"version": 1, "step": 3, "subscription": "s", "text": "t", "by": "x", "at": "2026-11-27T00:00:00+00:00", '
        b'"withdrawn": false}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_damaged_line_is_told_the_others_count_and_nothing_is_lost(path: Path, damage: bytes) -> None:
    store = Confirmations(path)
    store.confirm([READ], "ada")
    assert store.damage == ""
    path.write_bytes(damage + path.read_bytes())
    whole = path.read_bytes()
    assert "1 line of" in store.damage
    assert str(path) in store.damage
    assert found(path, READ).by == "ada"
    kept = store.confirm([OTHER], "ada")
    assert kept is not None
    assert kept.read_bytes() == whole
    assert store.damage == ""
    assert found(path, READ).by == found(path, OTHER).by == "ada"


def test_a_second_damage_in_the_same_second_is_kept_beside_the_first(path: Path) -> None:
    store = Confirmations(path)
    kept = []
    for content in (b"{one\n", b"{two\n"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        kept.append(store.withdraw([READ], "ada"))
    assert [each.read_bytes() for each in kept if each] == [b"{one\n", b"{two\n"]


def test_a_file_that_cannot_be_read_is_an_error_and_not_nobody(path: Path) -> None:
    path.mkdir(parents=True)
    store = Confirmations(path)
    with pytest.raises(UsageError, match="cannot be read"):
        store.find(READ)
    with pytest.raises(UsageError, match="cannot be read"):
        store.confirm([READ], "ada")


_MANY = """
import sys
from pathlib import Path
from hol_wizard.engine.confirmations import Confirmations, Statement
path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(20):
    Confirmations(path).confirm([Statement(f"{name}/{number}", "s", "d")], name)
"""


def test_wizards_at_the_same_time_do_not_take_back_each_others_confirmations(path: Path) -> None:
    names = ("a", "b", "c")
    running = [subprocess.Popen([sys.executable, "-c", _MANY, str(path), name]) for name in names]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    lines = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name}/{number}" for name in names for number in range(20))
