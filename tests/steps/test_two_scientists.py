"""Two scientists with their own accounts train in one dev workspace: nothing of one is taken for the other's."""

from __future__ import annotations

import shutil

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.practice import seed
from hol_wizard.resources.training_run import TrainingRun, listed_runs
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import DEFAULTS, Attendee
from tests.steps.databricks import client, context_of
from tests.steps.test_scientist_setup import person
from tests.steps.test_train import MODEL, READ, RUN

__all__ = ["person"]


@pytest.mark.slow
@pytest.mark.usefixtures("runtime", "keyring")
def test_each_has_runs_models_and_branches_of_their_own(person: Attendee, practice_cloud: PracticeCloud) -> None:
    person.defaults = {**DEFAULTS, "devops_organization": "practice"}
    assert person.solve("set-up").all_passed()
    seen = person.solve(RUN)
    assert seen.statuses[RUN] is Status.PASSED, seen.results[RUN]

    practice_cloud.control.settings(user=seed.ORGANIZER.name)
    shutil.rmtree(practice_cloud.state / "azure", ignore_errors=True)
    other = Attendee(person.root, person.endpoints_file, profile="olga", defaults={**person.defaults, "alias": "olga"})
    assert other.solve("set-up").all_passed()
    seen = other.solve(RUN)
    assert seen.statuses[RUN] is Status.PASSED, {key: each for key, each in seen.results.items() if not each.passed}

    ours, theirs = context_of(other, RUN), context_of(person, RUN)
    assert sorted(each.user for each in client(other).clusters()) == [seed.ATTENDEE.name, seed.ORGANIZER.name]
    (mine,), (hers,) = listed_runs(theirs), listed_runs(ours)
    assert mine.id != hers.id
    assert mine.name != hers.name, "the lab's ID is part of the name, also at the same commit"
    assert TrainingRun(ours).find(ours.reads) == (hers,)
    other.solve(READ)
    look = other.look(MODEL)
    assert look.status is Status.PASSED, look
    assert look.summary.startswith("Version 2 ")
    # Each deletes only what is theirs.
    assert other.teardown(RUN).statuses[RUN] is Status.PASSED
    assert listed_runs(context_of(person, RUN)) == (mine,)
    assert sorted(each.user for each in client(other).clusters()) == [seed.ATTENDEE.name, seed.ORGANIZER.name]
