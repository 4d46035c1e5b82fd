"""Which policy is the wizard's if a kill has cut off its creation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.resources.review_policy import BranchReviewPolicy
from hol_wizard.services.answers import Document, moment
from hol_wizard.services.devops import policies
from hol_wizard.services.devops.policies import ReviewPolicy

ME, OTHER, REPOSITORY = "a1b2", "c3d4", "99ff"


@pytest.fixture
def resource(tmp_path: Path) -> BranchReviewPolicy:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    made = BranchReviewPolicy(Mock(ledger=ledger), "practice", REPOSITORY, "main")
    ledger.write(Fact.INTENT, "devops-project/require-a-review", made.id, made.kind, by=f"{ME.upper()} Alex Attendee")
    return made


def shown(resource: BranchReviewPolicy, **more: Any) -> ReviewPolicy:
    """Return what the service shows of the policy that the wizard's request creates."""
    body = policies._body(REPOSITORY, "main")
    settings = {**body["settings"], "requireVoteOnLastIteration": False, **more.pop("settings", {})}
    about = {"id": 7, "revision": 1, "createdBy": {"id": ME}, "createdDate": resource.context.ledger.begun(resource.id)}
    return policies._policy(Document({**body, **about, **more, "settings": settings}, "https://devops"))


def scope(**more: Any) -> dict[str, Any]:
    wanted = {"repositoryId": REPOSITORY, "refName": "refs/heads/main", "matchKind": "Exact"}
    return {"settings": {"scope": [{**wanted, **more}]}}


def test_the_policy_that_the_request_created_is_ours(resource: BranchReviewPolicy) -> None:
    found = shown(resource)
    assert resource.marked(found, None)
    assert resource.marked(found, "7")
    assert not resource.marked(found, "6"), "another one was noted"
    resource.context.ledger.write(Fact.WITHDRAWN, "devops-project/require-a-review", resource.id, resource.kind)
    assert not resource.marked(found, None), "nothing was begun"


@pytest.mark.parametrize(
    "more",
    [
        {"createdBy": {"id": OTHER}},
        {"createdBy": None},
        {"createdDate": None},
        {"revision": 2},
        {"settings": {"minimumApproverCount": 2}},
        {"settings": {"resetOnSourcePush": False}},
        {"settings": {"blockLastPusherVote": True}},
        scope(matchKind="Prefix"),
        scope(refName="refs/heads/other"),
        scope(repositoryId=None),
        {"settings": {"scope": scope()["settings"]["scope"] * 2}},
    ],
    ids=str,
)
def test_a_policy_that_somebody_may_have_made_by_hand_is_not(
    resource: BranchReviewPolicy, more: dict[str, Any]
) -> None:
    assert not resource.marked(shown(resource, **more), None)


def test_one_from_before_the_creation_was_begun_is_not(resource: BranchReviewPolicy) -> None:
    begun, found = moment(resource.context.ledger.begun(resource.id)), shown(resource)
    assert begun is not None
    assert resource.marked(replace(found, created=begun - timedelta(seconds=90)), None), "clocks differ"
    assert not resource.marked(replace(found, created=begun - timedelta(minutes=3)), None)
