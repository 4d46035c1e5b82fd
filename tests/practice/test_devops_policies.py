"""Branch policies of the practice cloud's Azure DevOps, and what they do to a push."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.devops.branch_policies import REVIEWERS
from tests.practice.conftest import user_token
from tests.practice.test_devops import SCOPE, DevOps, as_user, join
from tests.practice.test_devops_git import commit, git, remote
from tests.practice_cloud import PracticeCloud


@pytest.fixture
def devops(practice_cloud: PracticeCloud) -> DevOps:
    made = as_user(practice_cloud)
    made.make("lab")
    return made


def ask(devops: DevOps, method: str, path: str = "", body: Any = None) -> requests.Response:
    address = f"{devops.cloud.endpoints['devops']}/practice/lab/_apis/policy/configurations{path}"
    return devops.http.request(method, address, params={"api-version": "7.1"}, json=body, timeout=10)


def policy(repository: str, **more: Any) -> dict[str, Any]:
    scope = [{"repositoryId": repository, "refName": "refs/heads/main", "matchKind": "Exact"}]
    settings = {"minimumApproverCount": 1, "creatorVoteCounts": False, "scope": scope}
    return {"type": {"id": REVIEWERS}, "isEnabled": True, "isBlocking": True, "settings": settings, **more}


@pytest.mark.slow
def test_a_branch_with_a_policy_takes_no_push_and_other_branches_do(
    practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path
) -> None:
    practice_cloud.wrong_on_purpose("/_apis/policy/")
    (repository,) = devops.ask("GET", "/git/repositories").json()["value"]
    token = user_token(practice_cloud, seed.ATTENDEE.name, SCOPE)

    def run(*words: str) -> tuple[int, str]:
        done = git(tmp_path / "clone", *words, cloud=practice_cloud, token=token)
        return done.returncode, done.stderr

    assert git(tmp_path, "clone", remote(practice_cloud), "clone", cloud=practice_cloud, token=token).returncode == 0
    commit(tmp_path / "clone", practice_cloud)
    assert run("push", "origin", "HEAD:main")[0] == 0
    made = ask(devops, "POST", body=policy(repository["id"]))
    assert made.status_code == 200, made.text
    assert made.json()["type"]["displayName"] == "Minimum number of reviewers"
    me = devops.ask("GET", "/connectionData", version="7.1-preview.1").json()["authenticatedUser"]
    assert made.json()["createdBy"]["id"] == me["id"]
    commit(tmp_path / "clone", practice_cloud, "two.txt")
    code, said = run("push", "origin", "HEAD:main")
    assert code != 0
    assert "TF402455: Pushes to this branch are not permitted" in said
    assert run("push", "origin", "HEAD:attendee")[0] == 0
    number = f"/{made.json()['id']}"
    changed = ask(devops, "PUT", number, policy(repository["id"], isEnabled=False)).json()
    assert (changed["revision"], changed["isEnabled"]) == (2, False)
    assert run("push", "origin", "HEAD:main")[0] == 0
    assert ask(devops, "GET").json()["count"] == 1
    assert ask(devops, "DELETE", number).status_code == 204
    assert ask(devops, "GET").json()["count"] == 0
    assert ask(devops, "GET", number).status_code == 404
    assert ask(devops, "POST", body=policy(repository["id"])).json()["id"] != made.json()["id"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scope", "protected"),
    [
        ({"refName": "refs/heads/main", "matchKind": "Exact"}, {"main"}),
        ({"refName": "refs/heads/releases", "matchKind": "Prefix"}, {"releases/1"}),
        ({"refName": "refs/heads/releases/", "matchKind": "prefix"}, {"releases/1"}),
        ({"refName": None, "repositoryId": None, "matchKind": "DefaultBranch"}, {"main"}),
        ({"refName": None}, {"main", "releases/1", "releases2"}),
        ({"refName": "refs/heads/releases", "matchKind": "Prefix", "repositoryId": seed.fixed_id("x")}, set()),
    ],
)
def test_a_policy_applies_to_pushes_and_pull_requests_of_the_same_branches(
    practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path, scope: dict[str, Any], protected: set[str]
) -> None:
    practice_cloud.wrong_on_purpose("/_apis/")
    (repository,) = devops.ask("GET", "/git/repositories").json()["value"]
    token, branches = user_token(practice_cloud, seed.ATTENDEE.name, SCOPE), ("main", "releases/1", "releases2")
    assert git(tmp_path, "clone", remote(practice_cloud), "clone", cloud=practice_cloud, token=token).returncode == 0
    clone = tmp_path / "clone"
    commit(clone, practice_cloud)
    everywhere = [f"HEAD:refs/heads/{each}" for each in branches]
    assert git(clone, "push", "origin", *everywhere, cloud=practice_cloud, token=token).returncode == 0
    commit(clone, practice_cloud, "two.txt")
    assert git(clone, "push", "origin", "HEAD:refs/heads/mine", cloud=practice_cloud, token=token).returncode == 0
    wanted = policy(repository["id"])
    wanted["settings"]["scope"] = [{"repositoryId": repository["id"], **scope}]
    assert ask(devops, "POST", body=wanted).status_code == 200

    refused, evaluated = set(), set()
    for branch in branches:
        address = f"/git/repositories/{repository['id']}/pullrequests"
        pull = {"sourceRefName": "refs/heads/mine", "targetRefName": f"refs/heads/{branch}", "title": "t"}
        made = devops.ask("POST", address, pull).json()
        project = made["repository"]["project"]["id"]
        artifact = f"vstfs:///CodeReview/CodeReviewId/{project}/{made['pullRequestId']}"
        where = f"{practice_cloud.endpoints['devops']}/practice/lab/_apis/policy/evaluations"
        answer = devops.http.get(where, params={"api-version": "7.1-preview.1", "artifactId": artifact}, timeout=10)
        if answer.json()["value"]:
            evaluated.add(branch)
        if git(clone, "push", "origin", f"HEAD:{branch}", cloud=practice_cloud, token=token).returncode:
            refused.add(branch)
    assert (refused, evaluated) == (protected, protected)


def test_policies_that_are_not_there_and_rights_that_are_missing_are_told(
    practice_cloud: PracticeCloud, devops: DevOps
) -> None:
    practice_cloud.wrong_on_purpose("/_apis/policy/")
    assert ask(devops, "GET", "/7").json()["typeKey"] == "PolicyConfigurationNotFoundException"
    unknown = policy(seed.fixed_id("x"), type={"id": seed.fixed_id("no type")})
    assert ask(devops, "POST", body=unknown).json()["typeKey"] == "PolicyTypeNotFoundException"
    other = as_user(practice_cloud, seed.CONTRIBUTOR_USER.name)
    assert ask(other, "POST", body=policy(seed.fixed_id("x"))).status_code == 404
    join(devops, seed.CONTRIBUTOR_USER, devops.ask("GET", "/projects/lab").json()["id"])
    assert ask(other, "POST", body=policy(seed.fixed_id("x"))).status_code == 403


def test_truth_and_numbers_that_az_sends_as_texts_are_none(devops: DevOps) -> None:
    """Recorded: `useSquashMerge` is sent as "False" and answered as false, `matchKind` as "exact" and "Exact"."""
    (repository,) = devops.ask("GET", "/git/repositories").json()["value"]
    scope = [{"repositoryId": repository["id"], "refName": "refs/heads/main", "matchKind": "exact"}]
    settings = {"minimumApproverCount": "2", "creatorVoteCounts": "False", "scope": scope}
    sent = policy(repository["id"], isEnabled=False, settings=settings)
    made = ask(devops, "POST", body=sent).json()
    assert (made["isEnabled"], made["isBlocking"]) == (False, True)
    assert made["settings"]["minimumApproverCount"] == 2
    assert made["settings"]["creatorVoteCounts"] is False
    assert made["settings"]["scope"][0] == {**scope[0], "matchKind": "Exact"}
