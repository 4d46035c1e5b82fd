"""Pull requests as our client sees them: one is proposed, discussed, approved by another person and merged."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hol_wizard.errors import AccessDeniedError, ConflictError
from hol_wizard.practice import seed
from hol_wizard.services.context import Services
from hol_wizard.services.identity import Account
from tests.practice.test_devops import as_user
from tests.practice.test_pull_requests import OTHER, Place, place
from tests.practice_cloud import PracticeCloud

__all__ = ["place"]
pytestmark = pytest.mark.slow


def test_a_pull_request_is_followed_from_the_proposal_to_the_merge(
    services: Services, sign_in: Callable[[], Account], practice_cloud: PracticeCloud, place: Place
) -> None:
    sign_in()
    devops, me = services.devops("practice"), services.devops("practice").person().id
    place.policy()
    made = devops.create_pull_request("lab", place.repository, "work", "main", "Mine", "Why", [OTHER])
    assert (made.status, made.source, made.target, made.creator.id) == ("active", "work", "main", me)
    with pytest.raises(ConflictError, match="already an active pull request between these branches"):
        devops.create_pull_request("lab", place.repository, "work", "main", "Again", "")
    thread = {"comments": [{"content": "Please test the scaler.", "commentType": "text"}], "status": "active"}
    place.ask("POST", f"/{made.id}/threads", thread, by=place.others)
    (said,) = devops.discussions("lab", place.repository, made.id)
    assert (said.is_open, said.comments) == (True, ((seed.CONTRIBUTOR_USER.display_name, "Please test the scaler."),))
    (policy,) = devops.policy_evaluations(place.project, made.id)
    assert (policy.name, policy.status, policy.is_met) == ("Minimum number of reviewers", "queued", False)
    with pytest.raises(AccessDeniedError, match="branch policy prevents pull request 1 from being completed"):
        devops.complete_pull_request("lab", place.repository, made, "Mine")
    place.push("work", "three.txt")
    with pytest.raises(ConflictError, match="Somebody has pushed"):
        devops.complete_pull_request("lab", place.repository, made, "Mine")
    devops.vote("lab", place.repository, made.id, me, 10)
    place.vote(10, as_user(practice_cloud, seed.CONTRIBUTOR_USER.name), OTHER)
    (found,) = devops.pull_requests("lab", place.repository, "work", "main", "active")
    assert [each.name for each in found.approvers] == [seed.CONTRIBUTOR_USER.display_name]
    assert devops.complete_pull_request("lab", place.repository, found, "Mine").is_completing
    deadline = time.monotonic() + 10
    while (done := devops.pull_request("lab", place.repository, made.id)).status != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (done.closed_by, done.merge_status) == (me, "succeeded")
    assert devops.branches("lab", place.repository)["main"] == done.merge_commit
