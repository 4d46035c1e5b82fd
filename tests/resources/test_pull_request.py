"""Which pull request counts when the branch goes on after a merge."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.resources.devops import organization
from hol_wizard.services.git.remote import File
from hol_wizard.services.secrets import Secret
from tests.practice.conftest import Arm
from tests.practice_cloud import PracticeCloud
from tests.resources.case import Ground
from tests.resources.kinds.branch import BRANCH, PERSON
from tests.resources.kinds.pull_request import PullRequestCase
from tests.steps.attendee import Attendee


@pytest.fixture
def ground(
    practice_cloud: PracticeCloud, attendee: Attendee, by_hand: Arm, keyring: dict[str, Secret], tmp_path: Path
) -> Ground:
    assert not keyring
    return Ground(practice_cloud, attendee, by_hand, tmp_path / "ledgers")


@pytest.mark.slow
def test_a_completed_one_counts_until_the_branch_goes_on(ground: Ground) -> None:
    case = PullRequestCase(ground)
    case.prepare()
    wanted = case.make(ground.context())
    ownership.solve(wanted)
    found = wanted.find(ReadCache())
    assert found is not None
    project = ground.context().names.devops_project
    deadline = time.monotonic() + 10
    while wanted.client.pull_request(project, case.repository.id, found.id).merge_status != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    wanted.client.complete_pull_request(project, case.repository.id, found, "Mine")
    while (done := wanted.find(ReadCache())) is None or done.status != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert wanted.stays(done)
    context = ground.context()
    remote = context.services.git_remote(case.repository.remote_url, organization(context).authorization)
    files = {"more.txt": File(b"More")}
    remote.push(files, BRANCH, "More", PERSON, onto=True, settle=lambda path, content: None)
    assert wanted.find(ReadCache()) is None
