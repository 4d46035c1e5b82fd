"""Somebody whose change is to be reviewed, and the other person who does that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.practice import seed
from hol_wizard.practice.process import launch
from hol_wizard.practice.process.review import review as play
from hol_wizard.resources.local_clone import required_clone
from hol_wizard.resources.written_test import TEST_FILE
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import DEFAULTS, Attendee, clone
from tests.steps.databricks import context_of
from tests.steps.test_scientist_setup import SEED, person

__all__ = ["author", "person"]
BRANCH = "scientist-setup/create-your-branch"
POLICY = "devops-project/require-a-review"
PUSH, CREATE, REVIEW, COMPLETE = (
    f"pull-request/{step}"
    for step in ("commit-and-push", "create-the-pull-request", "review-and-approve", "complete-the-pull-request")
)
OWN = """

def test_mine():
    model = MyModel()
    model.init()
    assert model.predict(PERSON)["estimated_wages"] > 0
"""


def on_branch(
    person: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots, name: str, *prepared: str
) -> Attendee:
    """Take somebody to their branch, in a clone on this machine, after steps that a snapshot keeps."""
    person.defaults = {**DEFAULTS, "devops_organization": "practice"}

    def settle() -> None:
        assert person.solve("set-up").all_passed()
        seen = person.solve(*prepared)
        assert all(seen.statuses[step] is Status.PASSED for step in prepared), seen.results

    snapshots.prepare(name, practice_cloud, person.root, settle)
    assert person.solve(BRANCH).statuses[BRANCH] is Status.PASSED
    return person


@pytest.fixture
def author(person: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody with a seeded repository that requires a review, on their branch, with a test of their own."""
    on_branch(person, practice_cloud, snapshots, "author", SEED, POLICY)
    with (clone(person) / TEST_FILE).open("a", encoding="utf-8") as file:
        file.write(OWN)
    return person


def git(attendee: Attendee, *words: str) -> str:
    """Run git in the clone, as the person does."""
    far = words[0] in {"fetch", "push"}
    return required_clone(context_of(attendee, PUSH))._git(*words, far=far).strip()


def proposed(attendee: Attendee, **inputs: str) -> Attendee:
    """Take the author to a pull request."""
    seen = attendee.solve(CREATE, inputs=inputs)
    assert seen.statuses[CREATE] is Status.PASSED, seen.results[CREATE]
    return attendee


def review(cloud: PracticeCloud, decision: str = "approve", comment: str = "") -> dict[str, Any]:
    """Play the second person."""
    return play(
        launch.read_endpoints(cloud.state) or {},
        organization="practice",
        number=None,
        user=seed.ORGANIZER.name,
        decision=decision,
        comment=comment,
    )


def shown(result: Any) -> str:
    """Return all that a result says."""
    seen = [f"{each.what}: {each.actual}" for each in result.expectations]
    return json.dumps([result.summary, *seen, result.next_action], ensure_ascii=False)
