"""What starts runs in the practice cloud: pushes, pull requests, other runs, and a policy that wants a build."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice.devops.branch_policies import BUILD
from tests.practice.pipeline_ground import SECONDS, Ground
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots

STEP = "steps:\n- script: echo done\n"


@pytest.fixture
def ground(practice_cloud: PracticeCloud, tmp_path: Path, snapshots: Snapshots) -> Ground:
    def make() -> None:
        made = Ground(practice_cloud, tmp_path)
        made.begin()
        made.push("trigger: none\n" + STEP, "Added a pipeline")
        made.project.create()

    snapshots.prepare("pipeline-without-triggers", practice_cloud, tmp_path, make)
    return Ground(practice_cloud, tmp_path)


def builds(ground: Ground, **query: str) -> list[dict[str, Any]]:
    """Return the builds, the oldest first."""
    found: list[dict[str, Any]] = ground.project.get("/build/builds", queryOrder="queueTimeAscending", **query)["value"]
    return found


def wait_for_builds(ground: Ground, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + SECONDS
    while len(found := builds(ground)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_push_starts_a_run_at_its_commit(ground: Ground) -> None:
    made = ground.push("trigger: [main]\n" + STEP)
    (build,) = builds(ground)
    assert (build["reason"], build["sourceVersion"], build["sourceBranch"]) == ("individualCI", made, "refs/heads/main")
    assert build["triggerInfo"]["ci.sourceSha"] == made
    ground.wait(build["id"])
    ground.git("checkout", "--quiet", "-b", "side")
    ground.push("trigger: [main]\n" + STEP + "# side\n", branch="side")
    assert len(builds(ground)) == 1


@pytest.mark.parametrize("message", ["Quiet [skip ci]", "Quiet ***NO_CI***", "Quiet\n\n[skip azp]"])
def test_a_message_can_say_that_a_push_starts_nothing(ground: Ground, message: str) -> None:
    ground.push("trigger: ['*']\n" + STEP, message)
    assert builds(ground) == []


@pytest.mark.slow
def test_paths_decide_and_the_yaml_of_the_pushed_branch_counts(ground: Ground) -> None:
    trigger = "trigger:\n  branches: {include: ['*']}\n  paths: {include: [src], exclude: [src/docs]}\n"
    ground.push(trigger + STEP)
    assert builds(ground) == []
    for name, count in (("src/docs/a__md", 0), ("other__txt", 0), ("src/b__py", 1)):
        ground.consent(ground.commit(name, **{name: name}))
        ground.git("push", "--quiet", "origin", "HEAD:main")
        assert len(builds(ground)) == count, name
    ground.git("checkout", "--quiet", "-b", "new")
    ground.consent(ground.commit("On a new branch", **{"elsewhere__txt": "1"}))
    ground.git("push", "--quiet", "origin", "new")
    assert len(builds(ground)) == 1


def test_invalid_yaml_makes_a_run_that_fails(ground: Ground) -> None:
    ground.push("steps:\n- task: NoSuchTask@9\n")
    (build,) = builds(ground)
    assert (build["status"], build["result"]) == ("completed", "failed")
    assert "NoSuchTask@9" in build["validationResults"][0]["message"]


@pytest.mark.slow
def test_changes_are_batched_while_a_run_is_in_progress(ground: Ground) -> None:
    batched = "trigger:\n  batch: true\n  branches: {include: [main]}\n"
    wait = batched + "steps:\n- script: while [ ! -e go ]; do sleep 0.05; done\n"
    ground.push(wait)
    (first,) = builds(ground)
    ground.wait(first["id"], "inProgress")
    ground.push(wait + "# two\n")
    last = ground.push(batched + STEP)
    assert len(builds(ground)) == 1
    ground.project.ask("PATCH", f"/build/builds/{first['id']}", {"status": "cancelling"})
    second = wait_for_builds(ground, 2)[1]
    assert (second["reason"], second["sourceVersion"]) == ("batchedCI", last)
    assert ground.wait(second["id"])["result"] == "succeeded"


def pull_request(ground: Ground, yaml: str) -> tuple[str, int]:
    """Push a branch with this YAML, propose it, and return the repository's ID and the pull request's number."""
    ground.git("checkout", "--quiet", "-B", "side")
    ground.push(yaml, "On a branch", branch="side")
    (repository,) = ground.project.get("/git/repositories")["value"]
    body = {"sourceRefName": "refs/heads/side", "targetRefName": "refs/heads/main", "title": "Side"}
    made = ground.project.ask("POST", f"/git/repositories/{repository['id']}/pullrequests", body)
    assert made.status_code == 201, made.text
    return repository["id"], made.json()["pullRequestId"]


def merged(ground: Ground, repository: str, number: int) -> dict[str, Any]:
    """Return a pull request after its trial merge."""
    deadline = time.monotonic() + SECONDS
    while True:
        found: dict[str, Any] = ground.project.get(f"/git/repositories/{repository}/pullrequests/{number}")
        if found["mergeStatus"] == "succeeded":
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_completed_pull_request_starts_a_run_of_its_merge(ground: Ground) -> None:
    repository, number = pull_request(ground, "trigger: [main]\n" + STEP)
    pull = merged(ground, repository, number)
    path = f"/git/repositories/{repository}/pullrequests/{number}"
    done = {"status": "completed", "lastMergeSourceCommit": pull["lastMergeSourceCommit"]}
    assert ground.project.ask("PATCH", path, done).status_code == 200
    deadline = time.monotonic() + SECONDS
    while ground.project.get(path)["status"] != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (build,) = builds(ground)
    head = ground.project.get(f"/git/repositories/{repository}/refs", filter="heads/main")["value"][0]["objectId"]
    assert (build["reason"], build["sourceVersion"]) == ("individualCI", head)
    # The branch was up to date, so the merge has the files that were agreed to.
    assert ground.wait(build["id"])["result"] == "succeeded"


@pytest.mark.slow
def test_a_policy_wants_a_build_of_the_merge(ground: Ground) -> None:
    scope = [{"repositoryId": None, "refName": "refs/heads/main", "matchKind": "Exact"}]
    settings = {"buildDefinitionId": 1, "queueOnSourceUpdateOnly": True, "validDuration": 0, "scope": scope}
    policy = {"type": {"id": BUILD}, "isEnabled": True, "isBlocking": True, "settings": settings}
    assert ground.project.ask("POST", "/policy/configurations", policy).status_code == 200
    repository, number = pull_request(ground, "trigger: none\nsteps:\n- script: exit 1\n")
    pull = merged(ground, repository, number)
    (build,) = builds(ground)
    assert (build["reason"], build["sourceBranch"]) == ("pullRequest", f"refs/pull/{number}/merge")
    assert build["sourceVersion"] == pull["lastMergeCommit"]["commitId"]
    project = ground.devops.ask("GET", "/projects/lab").json()["id"]
    artifact = f"vstfs:///CodeReview/CodeReviewId/{project}/{number}"

    def evaluation() -> dict[str, Any]:
        (found,) = ground.project.ask(
            "GET", "/policy/evaluations", version="7.1-preview.1", artifactId=artifact
        ).json()["value"]
        return dict(found)

    assert ground.wait(build["id"])["result"] == "failed"
    rejected = evaluation()
    assert (rejected["status"], rejected["context"]["buildId"]) == ("rejected", build["id"])
    ground.cloud.wrong_on_purpose("PATCH .*/pullrequests/")
    path = f"/git/repositories/{repository}/pullrequests/{number}"
    done = {"status": "completed", "lastMergeSourceCommit": pull["lastMergeSourceCommit"]}
    assert ground.project.ask("PATCH", path, done).status_code == 403
    ground.push("trigger: none\n" + STEP, "Repaired", branch="side")
    merged(ground, repository, number)
    second = wait_for_builds(ground, 2)[1]
    assert ground.wait(second["id"])["result"] == "succeeded"
    approved = evaluation()
    assert (approved["status"], approved["context"]["buildId"]) == ("approved", second["id"])
    again = ground.project.ask("PATCH", f"/policy/evaluations/{approved['evaluationId']}", version="7.1-preview.1")
    assert again.json()["status"] in {"queued", "running"}
    assert len(builds(ground)) == 3
    ground.wait(builds(ground)[2]["id"])
    assert ground.project.ask("PATCH", path, {**done, "lastMergeSourceCommit": None}).status_code == 200


@pytest.mark.slow
def test_a_successful_run_starts_the_pipelines_that_name_it(ground: Ground) -> None:
    release = (
        "trigger: none\nresources:\n  pipelines:\n  - pipeline: up\n    source: build\n"
        "    trigger: {branches: {include: [main]}}\nsteps:\n"
        "- bash: echo from $(resources.pipeline.up.runName)\n  displayName: Say\n"
    )
    made = ground.commit("A release", **{"release__yml": release})
    ground.consent(made)
    ground.git("push", "--quiet", "origin", "HEAD:main")
    ground.agree(ground.project.create("release", file="release.yml")["id"])
    first = ground.run()
    second = wait_for_builds(ground, 2)[1]
    assert (second["reason"], second["definition"]["name"]) == ("resourceTrigger", "release")
    assert second["sourceVersion"] == first["sourceVersion"]
    assert ground.wait(second["id"])["result"] == "succeeded"
    log = ground.record(second["id"], "Say")["log"]["id"]
    assert f"from {first['buildNumber']}" in ground.project.ask("GET", f"/build/builds/{second['id']}/logs/{log}").text


@pytest.mark.slow
def test_a_tag_starts_a_run_only_if_the_trigger_has_its_name(ground: Ground) -> None:
    made = ground.push("trigger: {tags: {include: [v*]}}\n" + STEP)
    ground.git("tag", "other")
    ground.git("tag", "--annotate", "--message", "The first version", "v1")
    ground.git("push", "--quiet", "origin", "other")
    assert builds(ground) == []
    ground.git("push", "--quiet", "origin", "v1")
    (build,) = wait_for_builds(ground, 1)
    assert (build["sourceBranch"], build["sourceVersion"]) == ("refs/tags/v1", made)
    assert ground.wait(build["id"])["result"] == "succeeded"


@pytest.mark.slow
def test_a_trigger_of_the_settings_replaces_that_of_the_file(ground: Ground) -> None:
    kept = ground.project.get("/build/definitions/1")
    trigger = {"triggerType": "continuousIntegration", "settingsSourceType": 1, "branchFilters": ["+refs/heads/*"]}
    changed = {**kept, "triggers": [{**trigger, "pathFilters": ["-/docs"]}]}
    assert ground.project.ask("PUT", "/build/definitions/1", changed).status_code == 200
    ground.consent(ground.commit("Documents only", **{"docs/a__md": "a"}))
    ground.git("push", "--quiet", "origin", "HEAD:main")
    assert builds(ground) == []
    ground.push("trigger: none\n" + STEP + "# more\n")
    (build,) = builds(ground)
    assert ground.wait(build["id"])["result"] == "succeeded"
