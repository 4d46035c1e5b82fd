"""A snapshot brings back what lies in the store, beside it and on the ports of single things."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.practice.process.launch import ControlError
from tests.practice.conftest import Arm, session, user_token
from tests.practice.test_devops_git import commit, devops, git, remote
from tests.practice.test_key_vault_data import VAULT, make_vault
from tests.practice_cloud import PracticeCloud

__all__ = ["devops"]


def answers(cloud: PracticeCloud, address: str, seconds: float = 5.0) -> bool:
    with session(cloud) as asking:
        try:
            return asking.get(f"{address}secrets", timeout=seconds).status_code == 401
        except OSError:
            return False


def test_everything_is_back_whatever_happened_in_between(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose("GET .*/secrets")
    practice_cloud.register_providers()
    arm = Arm(practice_cloud, user_token(practice_cloud))
    address = make_vault(practice_cloud, arm)
    practice_cloud.control.take_snapshot("with-vault")
    practice_cloud.control.reset()
    assert not answers(practice_cloud, address, seconds=1.0)
    for _ in range(2):
        practice_cloud.control.restore_snapshot("with-vault")
        # The token of before the reset is good again, too.
        assert arm.ask("GET", VAULT, version="2026-02-01").json()["properties"]["vaultUri"] == address
        assert answers(practice_cloud, address)


@pytest.mark.slow
@pytest.mark.usefixtures("devops")
def test_a_repository_has_the_commits_of_the_snapshot(practice_cloud: PracticeCloud, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    token = user_token(practice_cloud, scope="499b84ac-1321-427f-aa17-267ca6975798/.default")
    git(work, "init", "--quiet", "--initial-branch=main", cloud=practice_cloud)
    commit(work, practice_cloud, "first.txt")
    assert git(work, "push", remote(practice_cloud), "main", cloud=practice_cloud, token=token).returncode == 0
    first = git(work, "rev-parse", "HEAD", cloud=practice_cloud).stdout.strip()
    practice_cloud.control.take_snapshot("first")
    commit(work, practice_cloud, "second.txt")
    assert git(work, "push", remote(practice_cloud), "main", cloud=practice_cloud, token=token).returncode == 0
    practice_cloud.control.restore_snapshot("first")
    listed = git(work, "ls-remote", remote(practice_cloud), "main", cloud=practice_cloud, token=token).stdout
    assert listed.split()[0] == first


def test_a_snapshot_that_is_none_is_refused(practice_cloud: PracticeCloud) -> None:
    for name in ("../outside", "", "nowhere"):
        with pytest.raises(ControlError, match="snapshot"):
            practice_cloud.control.restore_snapshot(name)
    with pytest.raises(ControlError, match="cannot be called"):
        practice_cloud.control.take_snapshot("../outside")
