"""A change that is committed, pushed and proposed by wizards that are killed again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.end_to_end.test_kill_infrastructure import adopted_without_a_reason, left_over
from tests.practice.test_devops import as_user

STEPS = ("devops-project/require-a-review", "pull-request/create-the-pull-request")
KILLS = 18


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    with Ground.of(attendees_machine, speed=300.0) as made:
        yield made


def asked(ground: Ground, path: str) -> list[dict[str, Any]]:
    """Return what Azure DevOps lists below the project."""
    mine = as_user(ground.cloud)
    address = f"{ground.cloud.endpoints['devops']}/practice/practice-hol/_apis/{path}"
    found = mine.http.get(address, params={"api-version": "7.1"}, timeout=10).json()
    return list(found["value"])


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_nothing_is_committed_proposed_or_required_twice(ground: Ground) -> None:
    for done in ground.kill_again_and_again(STEPS, kills=KILLS, lines=3):
        if done == "teardown":
            assert left_over(ground.cloud) == []
            continue
        checked = ground.run("--check", *STEPS, "--format", "json")
        assert checked.returncode == 0, checked.stdout
        # The service tries each merge, on a ref of its own.
        commits = [each for each in ground.commits() if not each.startswith("Merge pull request")]
        assert commits == ["Add a test of the model", "initial repo seed"]
        assert len(asked(ground, "git/repositories/practice-hol/pullrequests")) == 1
        assert len(asked(ground, "policy/configurations")) == 1
    assert adopted_without_a_reason(ground.ledger()) == []
