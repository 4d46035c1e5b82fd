"""Section release through the real wizard: groups, environments, approval, pipeline, QA and Production."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.errors import CancelledByUserError, ConflictError, NotFoundError, ServiceError
from hol_wizard.practice import seed
from hol_wizard.practice.process import launch
from hol_wizard.practice.process.release_approval import answer
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.release_run import lab_release, release_digest
from hol_wizard.steps import build_pipeline, release
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee
from tests.steps.databricks import context_of
from tests.steps.test_build_pipeline import (
    CREATE,
    RUN,
    Pipelines,
    assert_solved,
    heard,
    passing_pipeline,
    registry_of,
    seeded,
)
from tests.steps.test_repository import Clone
from tests.steps.test_variable_group import linked, member, person
from tests.waiting import until

__all__ = ["linked", "member", "person", "seeded"]

VARIABLES = "release/create-the-release-variables"
ENVIRONMENTS = "release/create-the-environments"
APPROVAL = "release/ask-for-an-approval"
PIPELINE = "release/create-the-release-pipeline"
QA = "release/release-to-qa"
PRODUCTION = "release/approve-production"
BUILD_NAME, NAME, YAML = "practice-build", "practice-release", "azure-pipelines-release.yml"
PREVIEW = {"api-version": "7.1-preview.1"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

SMALL = """trigger: none
resources:
  pipelines:
  - pipeline: build
    source: practice-build
    trigger: {branches: {include: [main]}}
stages:
- stage: QA
  jobs:
  - deployment: promote
    environment: hol-qa
    strategy:
      runOnce:
        deploy:
          steps:
          - script: {script}
            displayName: Promote the image
          - script: echo an estimate of wages
            displayName: Run Smoke Test
- stage: Production
  dependsOn: QA
  jobs:
  - deployment: promote
    environment: hol-production
    strategy:
      runOnce:
        deploy:
          steps:
          - script: echo promoted
            displayName: Promote the image
"""
"""A release that takes a second. It imports nothing: the test sets the tags, so that they can be wrong."""


def prepared(attendee: Attendee, cloud: PracticeCloud, folder: Path, script: str = "echo promoted") -> str:
    """Take somebody to a successful build whose pipelines take seconds, and return the digest of its image."""
    assert_solved(attendee, CREATE, ENVIRONMENTS, APPROVAL, PIPELINE)
    digest = registry_of(attendee, cloud).push("hol-inference", "1")
    clone = passing_pipeline(attendee, cloud, folder, digest)
    clone.push(YAML, content=SMALL.replace("{script}", script))
    return digest


def agreeing(attendee: Attendee, key: str, comment: str = "") -> StepContext:
    """Return the context of a solve by somebody who has agreed to the plans of a build and its release."""
    context = context_of(attendee, key)
    plans = (*build_pipeline._plan_run(context), *release._plan_release(context))
    digests = frozenset({*(each.consent for each in plans), release_digest(context)})
    return replace(context_of(attendee, key), agreed=digests, inputs={"approval_comment": comment} if comment else {})


def built(attendee: Attendee) -> None:
    build_pipeline.run_pipeline(agreeing(attendee, RUN))


def tagged(attendee: Attendee, cloud: PracticeCloud, stage: str, layer: bytes = b"layer") -> str:
    """Set the tag of a stage to an image, by default to the one that the build has tested; return its digest."""
    source = lab_release(context_of(attendee, QA)).source
    return registry_of(attendee, cloud).push("hol-inference", f"{stage}-{source}", layer)


@pytest.fixture
def released(seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path, snapshots: Snapshots) -> Attendee:
    """Somebody whose build is in QA, with its tag, and waits for an approval of Production."""

    def make() -> None:
        take_to_qa(seeded, practice_cloud, tmp_path / "clone")

    snapshots.prepare("released-to-qa", practice_cloud, seeded.root, make)
    return seeded


def take_to_qa(attendee: Attendee, cloud: PracticeCloud, folder: Path) -> None:
    """Build an image and release it to QA, with its tag."""
    prepared(attendee, cloud, folder)
    built(attendee)
    tagged(attendee, cloud, "qa")
    release.release_to_qa(agreeing(attendee, QA))


def runs(project: Pipelines) -> list[dict[str, Any]]:
    """Return the runs of the release, the newest first."""
    found = project.ask("GET", "/build/builds", definitions=str(project.definition(NAME)["id"])).json()["value"]
    return list(found)


def has_ended(project: Pipelines) -> bool:
    """Return whether there is a run of the release, and the newest one has ended."""
    return [each["status"] for each in runs(project)[:1]] == ["completed"]


def pending(project: Pipelines) -> str:
    """Return the ID of the approval that somebody waits for."""
    found = until(lambda: project.ask("GET", "/pipelines/approvals", state="pending").json()["value"])
    return str(found[0]["id"])


def decide(project: Pipelines, status: str, comment: str) -> None:
    body = [{"approvalId": pending(project), "status": status, "comment": comment}]
    answer = project.ask("PATCH", "/pipelines/approvals", body)
    assert answer.status_code == 200, answer.text


def test_groups_environments_approval_and_pipeline_are_created_and_removed(
    seeded: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert_solved(seeded, VARIABLES, APPROVAL, PIPELINE)
    project = Pipelines(practice_cloud)
    registry = seeded.names("prod").container_registry
    (group,) = project.ask("GET", "/distributedtask/variablegroups", groupName="hol-release-production").json()["value"]
    assert {name: each["value"] for name, each in group["variables"].items()} == {
        "image-name": "hol-inference",
        "dest-acr-name": registry,
        "dest-env": "production",
    }
    (place,) = project.ask("GET", "/distributedtask/environments", name="hol-production").json()["value"]
    query = {"resourceType": "environment", "resourceId": str(place["id"]), "$expand": "settings"}
    (rule,) = project.ask("GET", "/pipelines/checks/configurations", **query, **PREVIEW).json()["value"]
    assert (rule["timeout"], len(rule["settings"]["approvers"])) == (2880, 1)
    number = project.definition(NAME)["id"]
    assert project.may_use("environment", str(place["id"])) == [number]
    assert project.may_use("variablegroup", group["id"]) == [number]
    for key in (VARIABLES, ENVIRONMENTS, APPROVAL, PIPELINE):
        assert seeded.look(key).status is Status.PASSED
    assert seeded.plan(VARIABLES, APPROVAL, PIPELINE) == {}
    assert seeded.teardown(VARIABLES, ENVIRONMENTS, APPROVAL, PIPELINE).all_passed()
    assert project.definition(NAME) == {}
    assert project.ask("GET", "/distributedtask/environments").json()["value"] == []
    assert project.ask("GET", "/distributedtask/variablegroups", groupName="hol-release-qa").json()["value"] == []


def test_a_source_that_is_not_the_build_pipeline_is_found(
    seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    assert_solved(seeded, PIPELINE)
    clone = Clone.of_main(practice_cloud, tmp_path / "clone")
    text = (clone.folder / YAML).read_text()
    clone.push(YAML, content=text.replace(f"source: {BUILD_NAME}", "source: another"))
    result = release.pipeline_exists(context_of(seeded, PIPELINE))
    assert (result.status, result.summary) == (Status.FAILED, f"{YAML} differs from the lab's file.")
    assert [(each.what, each.expected, each.actual) for each in result.expectations if not each.met] == [
        ("Source", BUILD_NAME, "another")
    ]


def test_the_release_that_the_build_started_is_used_and_its_image_is_checked_in_qa(
    seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    digest = prepared(seeded, practice_cloud, tmp_path / "clone")
    with pytest.raises(NotFoundError, match="No build of the newest commit"):
        release.qa_has_the_image(context_of(seeded, QA))
    built(seeded)
    project = Pipelines(practice_cloud)
    pending(project)
    assert [each["reason"] for each in runs(project)] == ["resourceTrigger"]
    missing = release.qa_has_the_image(context_of(seeded, QA))
    assert (missing.status, missing.expectations[-1].actual) == (Status.FAILED, "missing")
    other = tagged(seeded, practice_cloud, "qa", b"another")
    wrong = release.qa_has_the_image(context_of(seeded, QA))
    assert [each.actual for each in wrong.expectations if not each.met] == [f"{other[:19]}…"]
    assert tagged(seeded, practice_cloud, "qa") == digest
    release.release_to_qa(agreeing(seeded, QA))
    assert len(runs(project)) == 1
    result = release.qa_has_the_image(context_of(seeded, QA))
    assert result.status is Status.PASSED, result
    assert "started by the build" in result.summary
    assert [each.actual for each in result.expectations if each.what == "Smoke test in QA"] == ["succeeded"]


def test_production_is_approved_with_a_comment_and_judged_by_stages_person_and_digest(
    released: Attendee, practice_cloud: PracticeCloud
) -> None:
    waiting = release.production_has_the_image(context_of(released, PRODUCTION))
    assert waiting.status is Status.WAITING, waiting
    assert "is waiting for approval by Alex Attendee since 20" in waiting.summary
    assert "times out at 20" in waiting.summary
    (planned,) = release._plan_production(agreeing(released, PRODUCTION, "QA answers"))
    assert (planned.verb, planned.note) == ("change", "you approve Production with the comment “QA answers”")
    context = agreeing(released, PRODUCTION, "QA answers")
    said = heard(context)
    release.approve_production(context)
    assert "You approved Production of run 20" in "".join(getattr(each, "text", "") for each in said)
    missing = release.production_has_the_image(context_of(released, PRODUCTION))
    (unmet,) = [each for each in missing.expectations if not each.met]
    assert (unmet.what.partition("-")[0], unmet.actual) == ("Digest of production", "missing")
    tagged(released, practice_cloud, "production")
    result = release.production_has_the_image(context_of(released, PRODUCTION))
    assert result.status is Status.PASSED, result
    assert result.summary.endswith("in Production, approved by Alex Attendee.")
    seen = {each.what: each.actual for each in result.expectations}
    assert seen["Decision"] == "Alex Attendee: approved, “QA answers”"
    assert seen["Deployment to hol-production"] == "succeeded"
    assert [each.verb for each in release._plan_production(context_of(released, PRODUCTION))] == ["leave"]


def test_a_rejection_is_told_with_its_comment_and_the_release_can_be_started_again(
    released: Attendee, practice_cloud: PracticeCloud
) -> None:
    release.reject(agreeing(released, PRODUCTION, "The coverage is too low"))
    project = Pipelines(practice_cloud)
    until(lambda: has_ended(project))
    result = release.production_has_the_image(context_of(released, PRODUCTION))
    assert result.status is Status.FAILED
    assert result.summary.endswith(" rejected the release to Production: “The coverage is too low”.")
    assert "<solve>" in result.next_action
    with pytest.raises(ConflictError, match="waits for no approval"):
        release.reject(context_of(released, PRODUCTION))
    (planned,) = release._plan_production(context_of(released, PRODUCTION))
    assert planned.verb == "create"
    release.approve_production(agreeing(released, PRODUCTION))
    first, second = runs(project)
    assert (first["reason"], second["reason"], second["result"]) == ("manual", "resourceTrigger", "failed")


def test_the_wait_for_another_person_can_be_left_and_is_found_again(
    seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    other = seed.ORGANIZER.name
    assert seeded.solve(APPROVAL, inputs={"approvers": other}).all_passed()
    take_to_qa(seeded, practice_cloud, tmp_path / "clone")
    project, by_other = Pipelines(practice_cloud), Pipelines(practice_cloud, seed.ORGANIZER)
    pending(project)
    waiting = release.production_has_the_image(context_of(seeded, PRODUCTION))
    assert "<practice release>" in waiting.next_action
    with pytest.raises(ConflictError, match="You are no approver"):
        release.reject(context_of(seeded, PRODUCTION))
    context = context_of(seeded, PRODUCTION)
    heard(context)
    threading.Timer(0.5, context.reporter.cancelled.set).start()
    with pytest.raises(CancelledByUserError):
        release.approve_production(context)
    assert runs(project)[0]["status"] == "inProgress"
    context = agreeing(seeded, PRODUCTION)
    said = heard(context)

    def decide_when_waiting() -> None:
        until(lambda: any("You are no approver" in getattr(each, "text", "") for each in said))
        decide(by_other, "rejected", "Not today")

    decided = threading.Thread(target=decide_when_waiting)
    decided.start()
    with pytest.raises(ServiceError, match="rejected the release to Production: “Not today”"):
        release.approve_production(context)
    decided.join()


def test_a_stage_that_failed_names_its_step(seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path) -> None:
    prepared(seeded, practice_cloud, tmp_path / "clone", script="exit 1")
    built(seeded)
    project = Pipelines(practice_cloud)
    until(lambda: has_ended(project))
    result = release.qa_has_the_image(context_of(seeded, QA))
    assert result.status is Status.FAILED
    assert " ended as failed in Promote the image" in result.summary
    assert len(runs(project)) == 1


def test_an_approval_that_nobody_gave_in_time_is_told_although_the_run_may_have_succeeded(
    released: Attendee, practice_cloud: PracticeCloud
) -> None:
    project = Pipelines(practice_cloud)
    endpoints = launch.read_endpoints(practice_cloud.state) or {}
    answer(endpoints, organization="practice", approval="", user="", decision="time-out", comment="", wait=30)
    until(lambda: has_ended(project))
    result = release.production_has_the_image(context_of(released, PRODUCTION))
    assert result.status is Status.FAILED
    assert result.summary.startswith("Nobody approved the release to Production in time: Alex Attendee was asked at 20")
    (planned,) = release._plan_production(context_of(released, PRODUCTION))
    assert (planned.verb, planned.consent != "") == ("create", True)
    assert release.qa_has_the_image(context_of(released, QA)).status is Status.PASSED
