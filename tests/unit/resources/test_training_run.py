"""The request that starts a training carries the same token until the ledger has the run, and another one then."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.resources import training_run
from hol_wizard.resources.training_run import TrainingRun
from hol_wizard.services.databricks.job_runs import JobRun

COMMIT = "0123456789abcdef"
ID = "/workspaces/one/training-runs/0123456789abcdef"


@dataclass
class Here:
    """A workspace that starts one run for each token, and lists none of them yet."""

    runs: dict[str, JobRun] = field(default_factory=dict)

    def submit_notebook(self, name: str, path: str, parameters: Any, cluster: str, seconds: int, token: str) -> str:
        return self.runs.setdefault(token, ended(str(len(self.runs) + 1))).id

    def run(self, number: str) -> JobRun | None:
        return next((each for each in self.runs.values() if each.id == number), None)


def ended(number: str) -> JobRun:
    return JobRun(number, "train", "TERMINATED", "", "FAILED", "https://page", number, None)


@dataclass(frozen=True)
class Training(TrainingRun):
    """A training in that workspace."""

    workspace: Here = field(default_factory=Here)
    id = ID

    @property
    def here(self) -> Any:
        return self.workspace

    def enter(self, reads: ReadCache) -> Any:
        return self.workspace


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    context = Mock(mark="hol-1", ledger=Ledger(tmp_path / "ledger.jsonl"))
    monkeypatch.setattr("hol_wizard.resources.cluster.find", lambda context: Mock(id="cluster"))
    monkeypatch.setattr("hol_wizard.resources.cluster.idling_of", lambda found: "")
    monkeypatch.setattr(training_run, "_submitted", lambda context, reads: ())
    return Training(context, COMMIT, "/Workspace/train")


@pytest.fixture
def note(training: Training, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a fact about it; each entry has its own second."""
    times = (f"2026-11-28T07:00:{second:02}+00:00" for second in range(60))

    def write(fact: Fact, detail: str = "") -> None:
        now = Mock(isoformat=Mock(return_value=next(times)))
        monkeypatch.setattr("hol_wizard.engine.ledger.datetime", Mock(now=lambda zone: now))
        training.context.ledger.write(fact, "train/run", ID, training.kind, detail)

    return write


def begin(training: Training) -> str:
    return training.create(lambda address: None)


def test_a_wizard_that_is_killed_before_the_run_is_listed_finds_it(training: Training, note: Any) -> None:
    note(Fact.INTENT)
    assert begin(training) == "1"
    note(Fact.INTENT)
    assert begin(training) == "1", "the next wizard, without a list that has it"
    note(Fact.CREATED, "1")
    assert training.find(ReadCache()) == (ended("1"),), "the ledger has it, the list not yet"


def test_a_run_that_was_removed_or_refused_is_not_waited_for(training: Training, note: Any) -> None:
    begun = []
    for end in (Fact.DELETED, Fact.WITHDRAWN, Fact.CREATED, Fact.DELETED):
        note(Fact.INTENT)
        begun.append(begin(training))
        note(end)
    assert begun == ["1", "2", "3", "4"]


def test_a_failed_run_is_replaced_once_however_often_that_is_cut_off(training: Training, note: Any) -> None:
    note(Fact.INTENT)
    note(Fact.CREATED, begin(training))
    assert [training._submit("1"), training._submit("1")] == ["2", "2"]
    note(Fact.CREATED, "2")
    # Somebody deleted the second one in the browser: the first one is the newest again.
    assert training._submit("1") == "3"
