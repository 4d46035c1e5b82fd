"""The ledger: what was made survives a kill at any point."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from hol_wizard.engine.ledger import Fact, Ledger

GROUP = "/subscriptions/s/resourceGroups/practice-db-dev"


def write(ledger: Ledger, *facts: Fact, resource: str = GROUP, detail: str = "") -> None:
    for fact in facts:
        ledger.write(fact, "resource-groups/create@dev", resource, "Resource group", detail)


def test_an_intent_alone_means_that_it_may_be_ours(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state" / "ledger.jsonl")
    write(ledger, Fact.INTENT)
    assert ledger.made(GROUP)
    assert ledger.made(GROUP.upper())
    assert [entry.resource for entry in ledger.standing()] == [GROUP]


def test_what_was_adopted_is_not_ours(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    write(ledger, Fact.ADOPTED)
    assert not ledger.made(GROUP)
    assert not ledger.standing()


def test_what_was_deleted_is_no_longer_ours_until_it_is_made_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    write(ledger, Fact.INTENT, Fact.CREATED, Fact.DELETED)
    assert not ledger.made(GROUP)
    write(ledger, Fact.INTENT)
    assert ledger.made(GROUP)


def test_a_step_finds_what_it_made_of_a_kind_also_what_was_left_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for name in ("one", "two", "three"):
        ledger.write(Fact.INTENT, "section/step", name, "Branch")
    ledger.write(Fact.INTENT, "section/other", "four", "Branch")
    ledger.write(Fact.INTENT, "section/step", "five", "Clone")
    ledger.write(Fact.LEFT, "section/step", "two", "Branch")
    ledger.write(Fact.DELETED, "section/step", "three", "Branch")
    assert ledger.made_by("section/step", "Branch") == ("one", "two")


def test_an_operation_is_open_until_its_end_is_seen(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    write(ledger, Fact.INTENT)
    write(ledger, Fact.OPERATION, detail="https://management.example/operations/1")
    found = ledger.open_operation(GROUP)
    assert found is not None
    assert found.detail == "https://management.example/operations/1"
    write(ledger, Fact.CREATED)
    assert ledger.open_operation(GROUP) is None


def test_a_line_cut_short_by_a_kill_loses_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    write(ledger, Fact.INTENT)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"fact": "created", "targ')
    write(ledger, Fact.INTENT, resource=f"{GROUP}2")
    assert [entry.resource for entry in ledger.standing()] == [GROUP, f"{GROUP}2"]


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    threads = [
        threading.Thread(target=write, args=(ledger, Fact.INTENT), kwargs={"resource": f"{GROUP}{n}"})
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.standing()) == 20


def test_who_made_a_resource_is_noted_and_a_ledger_without_it_stays_readable(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    write(ledger, Fact.INTENT)
    assert ledger.maker(GROUP) == ""
    ledger.write(Fact.INTENT, "devops-project/create-the-project", GROUP, "Azure DevOps project", by="1f2e Alex")
    ledger.write(Fact.CREATED, "devops-project/create-the-project", GROUP, "Azure DevOps project", "id-of-it")
    assert ledger.maker(GROUP) == "1f2e Alex"
    path = tmp_path / "earlier.jsonl"
    lines = (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    path.write_text(
        "".join(
            f"{json.dumps({k: v for k, v in json.loads(line).items() if k not in {'by', 'crc32'}})}\n" for line in lines
        )
    )
    earlier = Ledger(path)
    assert [entry.by for entry in earlier.entries()] == ["", "", ""]
    assert earlier.made(GROUP)
    assert earlier.maker(GROUP) == ""
