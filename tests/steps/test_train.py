"""Section train over the practice cloud: the notebook of the Git folder really runs on the dev cluster."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from unittest.mock import Mock

import pytest

from hol_wizard.engine.events import Progressed
from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import StopRequest
from hol_wizard.engine.results import Status
from hol_wizard.errors import ServiceError
from hol_wizard.resources import machine_learning
from hol_wizard.resources.notebooks import NOTEBOOK
from hol_wizard.resources.training_run import TrainingRun, own_folder_commit, remedy_of
from hol_wizard.services.databricks.job_runs import JobRun
from hol_wizard.steps import train
from tests.practice.conftest import MACHINE_LEARNING, Arm, user_token
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import DEFAULTS, Attendee
from tests.steps.databricks import act, client, context_of
from tests.steps.test_scientist_setup import person, push
from tests.waiting import until

__all__ = ["person"]

RUN, MODEL = "train/run-the-training@dev", "train/check-the-registered-model@dev"
FOLDER = "scientist-setup/create-a-git-folder@dev"
READ = "scientist-setup/let-yourself-read-the-model-files@dev"
SLOW = b"# Databricks notebook source\nimport time\ntime.sleep(600)\n"
BROKEN = b"# Databricks notebook source\nimport not_there\n"


def newest(attendee: Attendee) -> JobRun:
    context = context_of(attendee, RUN)
    found = TrainingRun(context).find(context.reads)
    assert found is not None
    return found[0]


def move_on(attendee: Attendee, content: bytes, path: str = f"{NOTEBOOK}.py") -> None:
    """Change a file on the branch, the notebook, and pull it into the clone and the Git folder."""
    push(attendee, context_of(attendee, FOLDER).names.branch, {path: content}, f"Change {path}")
    act(attendee, "scientist-setup/create-your-branch", "own_branch.pull")
    act(attendee, FOLDER, "scientist_setup.pull_folder")


@pytest.mark.slow
@pytest.mark.usefixtures("runtime", "keyring")
def test_from_nothing_to_a_model_and_through_what_can_go_wrong(person: Attendee, practice_cloud: PracticeCloud) -> None:
    person.defaults = {**DEFAULTS, "devops_organization": "practice"}
    assert person.solve("set-up").all_passed()
    seen = person.solve(RUN)
    assert seen.statuses[RUN] is Status.PASSED, [
        each for each in seen.results.values() if each.status not in (Status.PASSED, Status.BLOCKED)
    ]
    assert "shows the output of its cells only on the run's page" in seen.said
    assert any("going on (" in told and newest(person).page in told for told in seen.progress)
    assert "Registered version 1 of worst_regression" in seen.said
    assert "R2 0.0" in seen.said
    assert f"The run's page: {newest(person).page}" in seen.said

    # The run, and the model with its files
    assert own_folder_commit(context_of(person, RUN))[:10] in person.look(RUN).summary
    assert json.loads(client(person).run_output(newest(person)).value)["tracked"]
    assert RUN not in person.plan(RUN)
    person.solve(READ)
    model = person.look(MODEL)
    assert model.status is Status.PASSED, model
    assert "model.pkl" in str(model.expectations)

    # A commit that leaves the notebooks as they are leaves the model as it is
    trained = newest(person)
    move_on(person, b"def test_more():\n    assert True\n", "Project_One-Tests/test_more.py")
    assert own_folder_commit(context_of(person, RUN))[:10] not in trained.name
    assert person.look(RUN).status is Status.PASSED, person.look(RUN)
    assert RUN not in person.plan(RUN)
    assert "No training goes on" in str(act(person, RUN, "train.cancel").results[RUN])

    # A changed notebook is trained again; a failure says why, and another run replaces it
    move_on(person, BROKEN)
    assert "has not run with the notebooks of commit" in person.look(RUN).summary, person.look(RUN)
    seen = person.solve(RUN)
    assert seen.statuses[RUN] is Status.FAILED
    assert "No module named 'not_there'" in str(seen.results[RUN])
    failed = newest(person)
    assert failed.page in person.look(RUN).next_action
    assert [change.verb for change in person.plan(RUN)[RUN]] == ["change"]
    person.solve(RUN)
    assert newest(person).id != failed.id

    # A run in the browser after a failed one counts: it leaves a model only
    by_hand = Arm(practice_cloud, user_token(practice_cloud))
    models = f"{machine_learning.workspace(context_of(person, RUN)).id.removeprefix(by_hand.base)}/models/{train.MODEL}"
    assert person.look(RUN).status is Status.FAILED
    time.sleep(1.1)  # Azure tells the second
    body = {"properties": {"modelUri": "azureml://x", "tags": {"state": "dev", "created_by": "attendee"}}}
    assert by_hand.ask("PUT", f"{models}/versions/2", body, version=MACHINE_LEARNING).status_code < 300
    seen_there = person.look(RUN)
    assert (seen_there.status, "version 2" in seen_there.summary) == (Status.PASSED, True), seen_there

    # A wizard is killed once its request was answered: the next one finds the run
    move_on(person, SLOW)
    context = context_of(person, RUN)
    run = TrainingRun(context)
    context.ledger.write(Fact.INTENT, RUN, run.id, run.kind)
    submitted = run.create(lambda address: None)
    assert person.look(RUN).status is Status.WAITING
    assert run.create(lambda address: None) == submitted, "also if it was not listed yet"
    act(person, RUN, "train.cancel")
    until(lambda: newest(person).ended)
    assert newest(person).result == "CANCELED"
    assert "No training goes on" in str(act(person, RUN, "train.cancel").results[RUN])

    # A person who stops watching can have the run canceled, or leave it running
    for cancels in (True, False):
        wizard, stop = person.wizard(), StopRequest()
        for event in wizard.solve(wizard.targets([RUN]), cancelled=stop):
            if isinstance(event, Progressed) and newest(person).page in event.text and not stop.is_set():
                stop.set_and_cancel() if cancels else stop.set()
        if not cancels:
            assert newest(person).state == "RUNNING"
            output = client(person).run_output(newest(person))
            assert (output.value, output.error, output.trace) == ("", "", ""), "the service has none before the end"
            assert person.look(RUN).status is Status.WAITING
            continue
        until(lambda: newest(person).ended)
        assert newest(person).result == "CANCELED"
    lines = [(each.verb, each.kind) for each in person.plan_teardown(RUN)[RUN]]
    assert lines[-1] == ("leave", "Registered model"), "the reader is told that it stays"
    person.teardown(RUN)
    assert TrainingRun(context_of(person, RUN)).find(context_of(person, RUN).reads) is None
    assert not [each for each in context_of(person, RUN).ledger.standing() if each.kind == TrainingRun.kind]

    # Without a run, a model of one's own says that somebody trained; without that, nothing does
    assert "is not recorded" in person.look(RUN).summary
    body = {"properties": {"tags": {"state": "dev", "created_by": "joe"}}}
    for number in (1, 2):
        assert by_hand.ask("PUT", f"{models}/versions/{number}", body, version=MACHINE_LEARNING).status_code == 200
    assert person.look(RUN).status is Status.FAILED
    assert person.look(MODEL).blocked_by == RUN
    registered = train.has_registered(context_of(person, MODEL))
    assert (registered.status, "2 with other tags" in str(registered.expectations)) == (Status.FAILED, True)


def run(number: str, result: str) -> JobRun:
    return JobRun(number, "train", "TERMINATED", "", result, "https://page", number, None)


@dataclass(frozen=True)
class Listed(TrainingRun):
    """Runs as a workspace lists them that shows a new one some looks later."""

    lists: tuple[tuple[JobRun, ...], ...] = ()
    looks: list[int] = field(default_factory=list)

    def obstacle(self) -> None:
        """Nothing is in the way."""

    def _submit(self, before: str) -> str:
        """Have the new run accepted."""
        assert before == "old"
        return "new"

    def find(self, reads: ReadCache) -> tuple[JobRun, ...]:
        """Return the next list."""
        self.looks.append(1)
        return self.lists[min(len(self.looks), len(self.lists)) - 1]


def test_a_new_run_that_is_not_listed_yet_does_not_leave_the_old_one_as_the_newest() -> None:
    old, new = run("old", "FAILED"), run("new", "SUCCESS")
    context = Mock(spec_set=["reporter", "poll_interval"])
    again = Listed(context, "0123456789", lists=((old,), (old,), (new, old)))
    again.change((old,))
    assert (len(again.looks), context.reporter.wait.call_count) == (3, 2)
    with pytest.raises(ServiceError, match="does not list it"):
        Listed(context, "0123456789", lists=((old,),)).change((old,))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Single-user check failed: user", "create-the-cluster"),
        ("AbfsRestOperationException: Operation failed", "give-it-the-storage-role"),
        ("ValueError: x", "correct the code"),
    ],
)
def test_each_failure_has_its_remedy(said: str, told: str) -> None:
    assert told in remedy_of(said)
