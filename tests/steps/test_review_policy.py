"""Section devops-project: the branch policy that requires another person's approval."""

from __future__ import annotations

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.errors import AccessDeniedError
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import DEFAULTS, Attendee
from tests.steps.test_scientist_setup import SEED, person, push

__all__ = ["person"]
REVIEW = "devops-project/require-a-review"


@pytest.mark.slow
def test_the_policy_is_made_refuses_a_push_and_is_removed_again(
    person: Attendee, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.wrong_on_purpose("/_apis/policy/")
    person.defaults = {**DEFAULTS, "devops_organization": "practice"}
    assert person.solve("set-up").all_passed()
    # Before there is a repository, the plan says what will be made, and the check what is to be done first.
    assert [change.verb for change in person.plan(REVIEW)[REVIEW]] == ["create"]
    assert person.look(REVIEW).status is Status.BLOCKED
    assert person.solve(REVIEW).statuses[REVIEW] is Status.PASSED
    assert [each.actual for each in person.look(REVIEW).expectations] == [
        "exists",
        "on and required",
        "1 reviewer",
        "does not count",
    ]
    with pytest.raises(AccessDeniedError, match="accepts changes only through pull requests") as refused:
        push(person, "main", {"direct.txt": b"1\n"}, "Direct")
    assert "your own branch" in refused.value.hint
    assert person.solve(SEED).statuses[SEED] is Status.PASSED
    assert person.teardown(REVIEW).all_passed()
    push(person, "main", {"direct.txt": b"1\n"}, "Direct")
