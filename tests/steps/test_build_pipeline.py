"""Section build-pipeline through the real wizard: agent, file, pipeline with its permissions, trigger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.results import Status
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee
from tests.steps.test_repository import Clone
from tests.steps.test_secrets_on_the_cloud import not_passed, person
from tests.steps.test_variable_group import Project, linked, member

__all__ = ["linked", "member", "person"]

AGENT = "build-pipeline/find-an-agent"
FILE = "build-pipeline/read-the-pipeline-file"
CREATE = "build-pipeline/create-the-pipeline@pipeline"
TRIGGER = "build-pipeline/check-the-trigger"
SEED = "devops-project/seed-the-repository"
NAME, YAML = "practice-build", "azure-pipelines.yml"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture
def seeded(linked: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody with the service connection, the variable group, and the starter in the repository."""
    snapshots.prepare("before-the-pipeline", practice_cloud, linked.root, lambda: assert_solved(linked, SEED))
    return linked


def assert_solved(attendee: Attendee, *keys: str) -> None:
    assert not_passed(attendee.solve(*keys)) == {}


class Pipelines(Project):
    """The lab's pipelines, as somebody asks past the wizard."""

    def definition(self, name: str) -> dict[str, Any]:
        found = self.ask("GET", "/build/definitions", name=name, includeAllProperties="true").json()["value"]
        return dict(found[0]) if found else {}

    def may_use(self, kind: str, identity: str) -> list[int]:
        path = f"/pipelines/pipelinepermissions/{kind}/{identity}"
        found = self.ask("GET", path, **{"api-version": "7.1-preview.1"}).json()
        return [each["id"] for each in found["pipelines"]]


def test_the_pipeline_is_created_with_its_permissions_and_deleted(
    seeded: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert seeded.look(AGENT).status is Status.PASSED
    assert seeded.look(FILE).status is Status.PASSED
    assert seeded.look(CREATE).status is Status.FAILED
    planned = seeded.plan(CREATE)[CREATE]
    assert [(each.verb, each.kind) for each in planned] == [("create", "Pipeline"), *[("create", "Permission")] * 3]
    assert_solved(seeded, CREATE)
    project = Pipelines(practice_cloud)
    definition = project.definition(NAME)
    assert definition["process"]["yamlFilename"] == YAML
    assert project.may_use("endpoint", project.connection()["id"]) == [definition["id"]]
    assert project.may_use("variablegroup", project.group()["id"]) == [definition["id"]]
    assert seeded.plan(CREATE).get(CREATE, []) == []
    result = seeded.look(TRIGGER)
    assert (result.status, result.summary) == (
        Status.PASSED,
        f"A completed pull request into main starts {NAME}.",
    )
    torn = seeded.teardown(CREATE)
    assert torn.all_passed(), torn.statuses
    assert project.definition(NAME) == {}
    assert project.may_use("endpoint", project.connection()["id"]) == []


def test_a_permission_that_somebody_withdraws_is_given_again(seeded: Attendee, practice_cloud: PracticeCloud) -> None:
    assert_solved(seeded, CREATE)
    project = Pipelines(practice_cloud)
    number, connection = project.definition(NAME)["id"], project.connection()["id"]
    body = {"pipelines": [{"id": number, "authorized": False}]}
    path = f"/pipelines/pipelinepermissions/endpoint/{connection}"
    project.ask("PATCH", path, body, **{"api-version": "7.1-preview.1"})
    result = seeded.look(CREATE)
    assert result.status is Status.FAILED
    assert result.summary.endswith("but its next run will wait for permission.")
    assert_solved(seeded, CREATE)
    assert project.may_use("endpoint", connection) == [number]


def test_a_changed_file_is_named_and_a_trigger_that_is_off_is_found(
    seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    assert_solved(seeded, CREATE)
    clone = Clone(practice_cloud, tmp_path / "clone")
    clone.git("pull", "--quiet", "origin", "main")
    text = (clone.folder / YAML).read_text()
    clone.push(YAML, content=text.replace("    - main\n", "    - dev\n", 1))
    triggered = seeded.look(TRIGGER)
    assert (triggered.status, triggered.summary) == (
        Status.FAILED,
        f"A completed pull request into main does not start {NAME}.",
    )
    assert triggered.next_action.startswith("Write main below trigger in azure-pipelines.yml")
    clone.push(YAML, content=text.replace("Project_One/runbuild_pipeline.sh", "other.sh"))
    result = seeded.look(FILE)
    assert (result.status, result.summary) == (Status.FAILED, "azure-pipelines.yml differs from the lab's file.")
    assert [(each.what, each.actual) for each in result.expectations if not each.met] == [
        ("Build Inference Container", "scriptpath is other.sh")
    ]
    clone.push(YAML, content=f"{text}\nextra: [\n")
    assert seeded.look(FILE).summary.startswith("azure-pipelines.yml cannot be used: it is not valid YAML: ")
