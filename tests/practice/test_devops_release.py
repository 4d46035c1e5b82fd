"""A release in the practice cloud: started by a build, to QA by itself, and to production after an approval."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.pipelines.checks import APPROVAL
from hol_wizard.practice.process import commands, launch
from tests.contracts import assert_valid
from tests.practice.pipeline_ground import SECONDS, Ground
from tests.practice.test_devops import as_user, join
from tests.practice.test_devops_pipelines import Project
from tests.practice_cloud import SPEED, PracticeCloud
from tests.waiting import until

pytestmark = pytest.mark.slow

BUILD_OF = """\
trigger: none
steps:
- bash: |
    mkdir -p out
    echo '{{"image_location": "{image}"}}' > out/artifacts.json
- publish: out
  artifact: PipelineArtifacts
"""
"""A build that does nothing but name the image that it has tested."""
BUILD = BUILD_OF.format(image="registry.example/img@sha256:1")
RELEASE = """\
trigger: none
resources:
  pipelines:
  - pipeline: build
    source: build
    trigger:
      branches:
        include: [main]
stages:
- stage: QA
  jobs:
  - deployment: promote
    environment: qa
    strategy:
      runOnce:
        deploy:
          steps:
          - download: build
            artifact: PipelineArtifacts
          - bash: |
              echo "build $(resources.pipeline.build.runID) at $(resources.pipeline.build.sourceCommit)"
              cat "$(Pipeline.Workspace)/build/PipelineArtifacts/artifacts.json"
            displayName: Promote
- stage: Production
  dependsOn: QA
  jobs:
  - deployment: promote
    environment: production
    strategy:
      runOnce:
        deploy:
          steps:
          - bash: echo promoted
            displayName: Promote
"""
PREVIEW = {"version": "7.1-preview.1"}


def member(who: seed.Principal) -> str:
    return member_id("practice", who.id)


@dataclass
class Release:
    """A build pipeline (1), a release pipeline (2), and their two environments."""

    ground: Ground
    qa: str
    production: str

    def check(self, *approvers: str, **more: Any) -> dict[str, Any]:
        """Return the body of an approval of production, as several public clients send it."""
        settings = {"approvers": [{"id": each} for each in approvers], "executionOrder": "anyOrder"}
        return {
            "type": {"id": APPROVAL, "name": "Approval"},
            "settings": {**settings, "minRequiredApprovers": 1, "instructions": "Look first", "blockedApprovers": []},
            "resource": {"type": "environment", "id": self.production, "name": "production"},
            "timeout": 2880,
            **more,
        }

    def protect(self, *approvers: str, **settings: Any) -> None:
        """Have production approved by these users or groups."""
        body = self.check(*approvers)
        body["settings"] |= settings
        answer = self.ground.project.ask("POST", "/pipelines/checks/configurations", body, **PREVIEW)
        assert answer.status_code == 200, answer.text

    def triggered(self) -> dict[str, Any]:
        """Run the build, and return the release that it starts."""
        built = self.ground.run(1)
        assert built["result"] == "succeeded"

        def started() -> dict[str, Any] | None:
            releases: list[dict[str, Any]] = self.ground.project.get("/build/builds", definitions="2")["value"]
            return next((each for each in releases if each["triggerInfo"].get("version") == built["buildNumber"]), None)

        return until(started)

    def pending(self, run: int) -> dict[str, Any]:
        """Wait until a run waits for its approval, and return that."""
        deadline = time.monotonic() + SECONDS
        while True:
            waiting = [each for each in self.ground.timeline(run) if each["type"] == "Checkpoint.Approval"]
            if waiting and waiting[0]["state"] == "inProgress":
                path = f"/pipelines/approvals/{waiting[0]['id']}"
                return dict(self.ground.project.get(path, **{"$expand": "steps"}))
            assert time.monotonic() < deadline, self.ground.timeline(run)
            time.sleep(0.05)

    def decide(self, approval: str, status: str, comment: str = "", who: str = seed.ATTENDEE.name) -> Any:
        """Answer an approval as a user."""
        asking = Project(as_user(self.ground.cloud, who))
        return asking.ask(
            "PATCH", "/pipelines/approvals", [{"approvalId": approval, "status": status, "comment": comment}]
        )

    def stages(self, run: int) -> dict[str, str]:
        """Return the results of a run's stages."""
        return {each["name"]: each["result"] for each in self.ground.timeline(run) if each["type"] == "Stage"}

    def history(self, environment: str) -> list[dict[str, Any]]:
        """Return the deployments to an environment."""
        path = f"/distributedtask/environments/{environment}/environmentdeploymentrecords"
        return list(self.ground.project.get(path)["value"])


@pytest.fixture
def release(practice_cloud: PracticeCloud, tmp_path: Path) -> Release:
    return prepared(practice_cloud, tmp_path)


def prepared(cloud: PracticeCloud, folder: Path, yaml: str = RELEASE) -> Release:
    """Make the pipelines and the environments in a practice cloud."""
    ground = Ground(cloud, folder)
    ground.begin()
    made = ground.commit("Pipelines", **{"azure-pipelines__yml": BUILD, "release__yml": yaml})
    ground.git("push", "--quiet", "origin", "HEAD:main")
    ground.project.create()
    ground.project.create("release", file="release.yml")
    ground.consent(made)
    qa, production = (str(ground.environment(name, 2)["id"]) for name in ("qa", "production"))
    return Release(ground, qa, production)


def test_a_build_starts_the_release_which_waits_for_production(release: Release) -> None:
    release.protect(member(seed.ORGANIZER))
    run = release.triggered()
    build = release.ground.project.get("/build/builds", definitions="1")["value"][0]
    assert (run["reason"], run["sourceVersion"]) == ("resourceTrigger", build["sourceVersion"])
    pending = release.pending(run["id"])
    assert release.stages(run["id"]) == {"QA": "succeeded", "Production": None}
    log = release.ground.record(run["id"], "Promote")["log"]["id"]
    said = release.ground.project.ask("GET", f"/build/builds/{run['id']}/logs/{log}").text
    assert f"build {build['id']} at {build['sourceVersion']}" in said
    assert "registry.example/img@sha256:1" in said
    (step,) = pending["steps"]
    assert (step["assignedApprover"]["id"], step["status"]) == (member(seed.ORGANIZER), "pending")
    assert pending["instructions"] == "Look first"
    decided = release.decide(pending["id"], "approved", "Tests are green.", seed.ORGANIZER.name).json()["value"][0]
    assert decided["status"] == "approved"
    (step,) = decided["steps"]
    assert (step["actualApprover"]["displayName"], step["comment"]) == ("Olga Organizer", "Tests are green.")
    assert release.ground.wait(run["id"])["result"] == "succeeded"
    assert release.stages(run["id"]) == {"QA": "succeeded", "Production": "succeeded"}
    (deployed,) = release.history(release.production)
    assert (deployed["result"], deployed["stageName"], deployed["jobName"]) == ("succeeded", "Production", "promote")
    assert (deployed["owner"]["id"], deployed["owner"]["name"]) == (run["id"], run["buildNumber"])
    assert (deployed["definition"]["id"], deployed["definition"]["name"]) == (2, "release")
    shown = release.ground.project.get(f"/pipelines/2/runs/{run['id']}")
    used = shown["resources"]["pipelines"]["build"]
    assert (used["pipeline"]["name"], used["version"]) == ("build", build["buildNumber"])


def test_a_rejected_release_fails_and_deploys_nothing(release: Release) -> None:
    release.protect(member(seed.ORGANIZER))
    run = release.triggered()
    pending = release.pending(run["id"])
    release.ground.cloud.wrong_on_purpose("PATCH .*/approvals")
    for who, status in ((seed.ATTENDEE, "approved"), (seed.ATTENDEE, "rejected")):
        assert release.decide(pending["id"], status, who=who.name).status_code == 400
    assert release.decide(pending["id"], "rejected", "The tests are red.", seed.ORGANIZER.name).status_code == 200
    assert release.ground.wait(run["id"])["result"] == "failed"
    assert release.stages(run["id"]) == {"QA": "succeeded", "Production": "failed"}
    assert release.history(release.production) == []
    assert release.decide(pending["id"], "approved", who=seed.ORGANIZER.name).status_code == 400


def test_a_disabled_approval_asks_nobody(release: Release) -> None:
    release.protect(member(seed.ORGANIZER))
    query = {"resourceType": "environment", "resourceId": release.production}
    path = "/pipelines/checks/configurations"
    (check,) = release.ground.project.ask("GET", path, **PREVIEW, **query).json()["value"]
    assert check["isDisabled"] is False
    body = release.check(member(seed.ORGANIZER), isDisabled=True)
    changed = release.ground.project.ask("PATCH", f"{path}/{check['id']}", body, **PREVIEW)
    assert (changed.status_code, changed.json()["isDisabled"]) == (200, True)
    assert release.ground.wait(release.triggered()["id"])["result"] == "succeeded"
    assert [each["result"] for each in release.history(release.production)] == ["succeeded"]


def test_a_rejected_stage_that_runs_again_asks_again(release: Release) -> None:
    release.protect(member(seed.ORGANIZER))
    run = release.triggered()
    first = release.pending(run["id"])
    assert release.decide(first["id"], "rejected", "Not today.", seed.ORGANIZER.name).status_code == 200
    assert release.ground.wait(run["id"])["result"] == "failed"
    path = f"/build/builds/{run['id']}/stages/Production"
    again = release.ground.project.ask("PATCH", path, {"state": "retry", "forceRetryAllJobs": False})
    assert again.status_code == 200, again.text
    second = release.pending(run["id"])
    assert second["id"] != first["id"]
    assert release.decide(second["id"], "approved", "Now.", seed.ORGANIZER.name).status_code == 200
    assert release.ground.wait(run["id"])["result"] == "succeeded"
    assert [(each["result"], each["stageAttempt"]) for each in release.history(release.production)] == [
        ("succeeded", 2)
    ]
    assert len(release.history(release.qa)) == 1
    listed = release.ground.project.get("/pipelines/approvals", state="all")["value"]
    assert {each["id"]: each["status"] for each in listed} == {first["id"]: "rejected", second["id"]: "approved"}


def test_an_approval_cannot_bring_back_an_environment_that_is_gone_meanwhile(release: Release) -> None:
    release.protect(member(seed.ORGANIZER))
    run = release.triggered()
    pending = release.pending(run["id"])
    gone = release.ground.project.ask("DELETE", f"/distributedtask/environments/{release.production}")
    assert gone.status_code == 204
    assert release.decide(pending["id"], "approved", who=seed.ORGANIZER.name).status_code == 200
    assert release.ground.wait(run["id"])["result"] == "failed"
    assert release.stages(run["id"]) == {"QA": "succeeded", "Production": "failed"}
    (problem,) = [each for each in release.ground.timeline(run["id"]) if each.get("errorCount")]
    assert "Environment production could not be found" in problem["issues"][0]["message"]
    assert [each["name"] for each in release.ground.project.get("/distributedtask/environments")["value"]] == ["qa"]


def test_an_approval_that_nobody_gives_in_time_skips_production(
    release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    release.protect(member(seed.ORGANIZER))
    run = release.triggered()
    pending = release.pending(run["id"])
    assert release_command(release, capsys, "--time-out")["status"] == "timedOut"
    # Nobody failed: the run is green, although production was not reached.
    assert release.ground.wait(run["id"])["result"] == "succeeded"
    assert release.stages(run["id"]) == {"QA": "succeeded", "Production": "skipped"}
    ended = release.ground.project.get(f"/pipelines/approvals/{pending['id']}", **{"$expand": "steps"})
    assert (ended["status"], [each["status"] for each in ended["steps"]]) == ("timedOut", ["timedOut"])
    assert release.history(release.production) == []


def test_somebody_may_not_approve_their_own_run_if_the_check_says_so(release: Release) -> None:
    release.protect(member(seed.ATTENDEE), member(seed.ORGANIZER), requesterCannotBeApprover=True)
    run = release.triggered()
    assert run["requestedFor"]["id"] == member(seed.ATTENDEE)
    pending = release.pending(run["id"])
    release.ground.cloud.wrong_on_purpose("PATCH .*/approvals")
    refused = release.decide(pending["id"], "approved")
    assert (refused.status_code, refused.json()["typeKey"]) == (400, "ApprovalUpdateException")
    assert release.decide(pending["id"], "approved", who=seed.ORGANIZER.name).status_code == 200
    assert release.ground.wait(run["id"])["result"] == "succeeded"


def test_one_member_of_a_group_approves_for_it(release: Release) -> None:
    ground = release.ground
    project = ground.devops.ask("GET", "/projects/lab").json()["id"]
    address = f"{ground.cloud.endpoints['devops_sps']}/practice/_apis/graph/groups"
    groups = ground.devops.http.get(address, params={"api-version": "7.1-preview.1"}, timeout=10).json()["value"]
    group = next(each for each in groups if each["principalName"] == "[lab]\\Contributors")
    join(as_user(ground.cloud, seed.ORGANIZER.name), seed.CONTRIBUTOR_USER, project)
    release.protect(group["originId"])
    run = release.triggered()
    pending = release.pending(run["id"])
    assigned = pending["steps"][0]["assignedApprover"]
    assert (assigned["displayName"], assigned["isContainer"]) == ("[lab]\\Contributors", True)
    ground.cloud.wrong_on_purpose("PATCH .*/approvals")
    assert release.decide(pending["id"], "approved", who=seed.ORGANIZER.name).status_code == 400
    (step,) = release.decide(pending["id"], "approved", who=seed.CONTRIBUTOR_USER.name).json()["value"][0]["steps"]
    assert (step["assignedApprover"]["id"], step["actualApprover"]["displayName"]) == (
        group["originId"],
        "Cleo Contributor",
    )
    assert ground.wait(run["id"])["result"] == "succeeded"


def test_a_release_waits_for_permission_to_use_its_environment(release: Release) -> None:
    ground = release.ground
    body = {"pipelines": [{"id": 2, "authorized": False}]}
    path = f"/pipelines/pipelinepermissions/environment/{release.production}"
    assert ground.project.ask("PATCH", path, body, **PREVIEW).json()["pipelines"] == []
    run = release.triggered()
    waiting = until(lambda: [each for each in ground.timeline(run["id"]) if each["currentOperation"]])
    assert waiting[0]["type"] == "Checkpoint.Authorization"
    assert (
        "needs permission to access a resource before this run can continue to Production"
        in (waiting[0]["currentOperation"])
    )
    assert release.stages(run["id"])["QA"] == "succeeded"
    ground.allow("environment", release.production, 2)
    assert ground.wait(run["id"])["result"] == "succeeded"


def test_a_run_does_not_create_the_environment_that_its_file_names(release: Release) -> None:
    ground = release.ground
    assert ground.project.ask("DELETE", f"/distributedtask/environments/{release.production}").status_code == 204
    run = ground.wait(release.triggered()["id"])
    assert run["result"] == "failed"
    (problem,) = run["validationResults"]
    assert problem["message"].endswith(
        "Job promote: Environment production could not be found. "
        "The environment does not exist or has not been authorized for use."
    )
    assert [each["name"] for each in ground.project.get("/distributedtask/environments")["value"]] == ["qa"]
    ground.cloud.wrong_on_purpose("POST .*/build/builds")
    assert ground.project.ask("POST", "/build/builds", {"definition": {"id": 2}}).status_code == 400


def test_a_release_without_its_builds_artifact_fails_in_qa(release: Release) -> None:
    ground = release.ground
    made = ground.commit(
        "Nothing is published", **{"azure-pipelines__yml": BUILD.replace("PipelineArtifacts", "Other")}
    )
    ground.consent(made)
    ground.git("push", "--quiet", "origin", "HEAD:main")
    run = release.triggered()
    assert ground.wait(run["id"])["result"] == "failed"
    assert release.stages(run["id"]) == {"QA": "failed", "Production": "skipped"}
    (failed,) = [each for each in ground.timeline(run["id"]) if each["type"] == "Task" and each["result"] == "failed"]
    assert "PipelineArtifacts" in failed["issues"][0]["message"]
    assert [each["result"] for each in release.history(release.qa)] == ["failed"]


def test_only_a_passed_build_of_the_branch_starts_a_release_and_a_person_can_choose_one(release: Release) -> None:
    ground = release.ground
    first = release.triggered()
    assert ground.wait(first["id"])["result"] == "succeeded"
    ground.git("checkout", "--quiet", "-b", "side")
    made = ground.commit("A failing build", **{"azure-pipelines__yml": BUILD + "- bash: exit 1\n"})
    ground.consent(made)
    ground.git("push", "--quiet", "origin", "HEAD:side")
    assert ground.run(1, sourceBranch="refs/heads/side")["result"] == "failed"
    ground.push(BUILD, "Repaired", branch="side")
    assert ground.run(1, sourceBranch="refs/heads/side")["result"] == "succeeded"
    second = release.triggered()
    assert ground.wait(second["id"])["result"] == "succeeded"
    assert ground.project.get("/build/builds", definitions="2")["count"] == 2
    builds = ground.project.get("/build/builds", definitions="1")["value"]
    oldest = min(builds, key=lambda each: each["id"])
    chosen = {"resources": {"pipelines": {"build": {"version": oldest["buildNumber"]}}}}
    run = ground.project.ask("POST", "/pipelines/2/runs", chosen).json()
    assert ground.wait(run["id"])["result"] == "succeeded"
    log = ground.record(run["id"], "Promote")["log"]["id"]
    assert f"build {oldest['id']} at" in ground.project.ask("GET", f"/build/builds/{run['id']}/logs/{log}").text
    unknown = {"resources": {"pipelines": {"build": {"version": "19990101.1"}}}}
    ground.cloud.wrong_on_purpose("POST .*/pipelines/2/runs")
    assert ground.project.ask("POST", "/pipelines/2/runs", unknown).status_code == 400


def test_the_creator_of_an_environment_administers_it_and_other_contributors_do_not(release: Release) -> None:
    ground = release.ground
    lab = ground.devops.ask("GET", "/projects/lab").json()["id"]
    organizer = as_user(ground.cloud, seed.ORGANIZER.name)
    join(organizer, seed.CONTRIBUTOR_USER, lab)
    join(organizer, seed.READER_USER, lab, "projectReader")
    contributor = Project(as_user(ground.cloud, seed.CONTRIBUTOR_USER.name))
    reader = Project(as_user(ground.cloud, seed.READER_USER.name))
    ground.cloud.wrong_on_purpose("(POST|PATCH|DELETE) .*")
    check = release.check(member(seed.CONTRIBUTOR_USER))
    allowed = {"pipelines": [{"id": 2, "authorized": True}]}

    def codes(who: Project, environment: str) -> list[int]:
        body = {**check, "resource": {"type": "environment", "id": environment, "name": ""}}
        permission = f"/pipelines/pipelinepermissions/environment/{environment}"
        return [
            who.ask("PATCH", f"/distributedtask/environments/{environment}", {"description": "mine"}).status_code,
            who.ask("POST", "/pipelines/checks/configurations", body, **PREVIEW).status_code,
            who.ask("PATCH", permission, allowed, **PREVIEW).status_code,
            who.ask("DELETE", f"/distributedtask/environments/{environment}").status_code,
        ]

    assert codes(contributor, release.qa) == [403] * 4
    assert reader.ask("POST", "/distributedtask/environments", {"name": "other"}).status_code == 403
    made = contributor.ask("POST", "/distributedtask/environments", {"name": "other"})
    assert made.status_code == 200
    assert contributor.error("POST", "/distributedtask/environments", {"name": "OTHER"}) == (
        409,
        "EnvironmentExistsException",
    )
    assert codes(reader, str(made.json()["id"])) == [403] * 4
    assert codes(contributor, str(made.json()["id"])) == [200, 200, 200, 204]
    gone = f"/distributedtask/environments/{made.json()['id']}"
    assert contributor.error("GET", gone) == (404, "EnvironmentNotFoundException")


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 43_201},
        {"timeout": -1},
        {"settings": {"approvers": []}},
        {"settings": {"approvers": [{"id": seed.fixed_id("nobody")}]}},
        {"settings": {"approvers": [{"id": member(seed.ORGANIZER)}], "minRequiredApprovers": 2}},
        {"resource": {"type": "environment", "id": "999", "name": "nowhere"}},
    ],
)
def test_a_check_that_nobody_could_pass_is_refused(release: Release, wrong: dict[str, Any]) -> None:
    release.ground.cloud.wrong_on_purpose("POST .*/checks/configurations")
    body = {**release.check(member(seed.ORGANIZER)), **wrong}
    answer = release.ground.project.ask("POST", "/pipelines/checks/configurations", body, **PREVIEW)
    assert answer.status_code == 400


# A practice cloud that is killed meanwhile


@pytest.fixture
def own_state(tmp_path: Path) -> Iterator[Path]:
    state = tmp_path / "practice"
    yield state
    launch.stop(state)


def started(state: Path) -> PracticeCloud:
    """Start a practice cloud in a folder, perhaps after it was killed."""
    log = state.parent / "exchanges.jsonl"
    endpoints = launch.start(state, speed=SPEED, log_exchanges=log, keep=True)
    return PracticeCloud(state, endpoints, launch.ControlClient(endpoints), log)


def killed(release: Release, folder: Path) -> Release:
    """Kill the practice cloud, start it again, and return the release there."""
    cloud = release.ground.cloud
    os.kill(int(cloud.endpoints["pid"]), signal.SIGKILL)
    return Release(Ground(started(cloud.state), folder), release.qa, release.production)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("answer", ["approved", "rejected", "timedOut"])
def test_an_approval_outlives_the_practice_cloud(own_state: Path, tmp_path: Path, answer: str) -> None:
    release = prepared(started(own_state), tmp_path)
    release.protect(member(seed.ORGANIZER))
    run = release.triggered()
    pending = release.pending(run["id"])
    before = {each["id"]: each["state"] for each in release.ground.timeline(run["id"])}
    if answer == "timedOut":
        release.ground.cloud.control.expire_approval(pending["id"])
    release = killed(release, tmp_path)
    if answer != "timedOut":
        assert {each["id"]: each["state"] for each in release.ground.timeline(run["id"])} == before
        assert release.pending(run["id"])["id"] == pending["id"]
        decided = release.decide(pending["id"], answer, "After the restart.", seed.ORGANIZER.name)
        assert decided.status_code == 200, decided.text
        release = killed(release, tmp_path) if answer == "rejected" else release
    result = {"approved": "succeeded", "rejected": "failed", "timedOut": "succeeded"}[answer]
    assert release.ground.wait(run["id"])["result"] == result
    production = {"approved": "succeeded", "rejected": "failed", "timedOut": "skipped"}[answer]
    assert release.stages(run["id"]) == {"QA": "succeeded", "Production": production}
    ended = release.ground.project.get(f"/pipelines/approvals/{pending['id']}", **{"$expand": "steps"})
    assert ended["status"] == answer
    assert len(release.history(release.qa)) == 1
    assert len(release.history(release.production)) == (answer == "approved")
    assert_valid(release.ground.cloud.exchanges())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_deployment_that_a_kill_interrupts_has_failed(own_state: Path, tmp_path: Path) -> None:
    release = prepared(started(own_state), tmp_path, RELEASE.replace("echo promoted", "sleep 600"))
    run = release.triggered()
    deployments = until(lambda: release.history(release.production))
    assert not {"result", "finishTime"} & deployments[0].keys()
    release = killed(release, tmp_path)
    assert release.ground.wait(run["id"])["result"] == "failed"
    (deployed,) = release.history(release.production)
    assert (deployed["id"], deployed["result"]) == (deployments[0]["id"], "failed")
    assert deployed["finishTime"] >= deployed["startTime"]


# The stand-in for practice


def release_command(release: Release, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run `practice release`, and return what it prints."""
    code = commands.main(["release", *words], state=release.ground.cloud.state, environ={})
    told = capsys.readouterr()
    assert code == 0, told.err
    printed: dict[str, Any] = json.loads(told.out)
    return printed


def refused(release: Release, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run `practice release`, which must fail, and return its message."""
    code = commands.main(["release", *words], state=release.ground.cloud.state, environ={})
    assert code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_a_wait_has_a_number_of_seconds(tmp_path: Path, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commands.main(["release", "--approve", f"--wait={seconds}"], state=tmp_path, environ={})
    assert f"'{seconds}' is not a number of seconds" in capsys.readouterr().err


def test_the_approver_is_played_for_people_who_practice_alone(
    release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    none = "No approval is pending in the organization practice.\n"
    assert refused(release, capsys, "--approve") == none
    release.protect(member(seed.ORGANIZER), member(seed.ATTENDEE))
    first, second = release.triggered(), release.triggered()
    approvals = [release.pending(each["id"])["id"] for each in (first, second)]
    assert "Several approvals are pending" in refused(release, capsys, "--approve")
    release.ground.cloud.wrong_on_purpose("PATCH .*/approvals")
    stranger = refused(release, capsys, "--approve", "--approval", approvals[0], "--user", seed.STRANGER.name)
    assert "not in the organization" in stranger
    told = release_command(release, capsys, "--reject", "The tests are red.", "--approval", approvals[0])
    assert told == {
        "approval": approvals[0],
        "project": "lab",
        "approver": "Olga Organizer",
        "status": "rejected",
        "comment": "The tests are red.",
        "run": first["buildNumber"],
        "result": "failed",
    }
    told = release_command(release, capsys, "--approve", "--user", seed.ATTENDEE.name, "--wait", "5")
    # It stays until production is reached: nothing else may keep the practice cloud alive.
    assert (told["approver"], told["status"], told["result"]) == ("Alex Attendee", "approved", "succeeded")
    assert release.stages(second["id"])["Production"] == "succeeded"
    assert refused(release, capsys, "--approve", "--approval", approvals[0]).startswith("No approval ")
