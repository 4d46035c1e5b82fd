"""Twelve ways in which a run of the pipeline is broken: each ends as on the service, and the check names the remedy.

Most use a file of a few steps instead of the lab's, so that a run takes a second. Tasks out of order and a trigger that
is off are found in the file (`test_build_pipeline`, `unit/resources/test_pipeline_file`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import ConflictError
from hol_wizard.practice import seed
from hol_wizard.resources import cluster
from hol_wizard.resources.pipeline_run import lab_run, remedy_of
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.databricks.job_runs import JobRun
from hol_wizard.steps import build_pipeline
from tests.practice.conftest import VAULTS, Arm, user_token
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee
from tests.steps.databricks import context_of
from tests.steps.test_build_pipeline import AGENT, CREATE, NAME, RUN, YAML, Pipelines, agreed, created, seeded
from tests.steps.test_repository import Clone
from tests.steps.test_secrets_on_the_cloud import person, vault, vault_path
from tests.steps.test_variable_group import GROUP, MANAGED, identity_path, linked, member
from tests.waiting import until

__all__ = ["created", "linked", "member", "person", "seeded"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

START = "trigger: none\npool:\n  vmImage: ubuntu-24.04\n"
ECHO = "steps:\n- script: echo $(created-by)\n"
SLOW = f"{START}steps:\n- script: exec sleep 60\n  displayName: Train Model\n"


@dataclass
class Ground:
    """Somebody with the pipeline, and what the cases change."""

    attendee: Attendee
    cloud: PracticeCloud
    clone: Clone
    project: Pipelines

    def runs(self, text: str) -> Result:
        """Run a file to its end, and return what the check says."""
        self.clone.push(YAML, content=text)
        self.start()
        return self.ended()

    def start(self) -> None:
        context = agreed(self.attendee)
        lab_run(context)._queue()

    def newest(self) -> Any:
        found = lab_run(context_of(self.attendee, RUN)).find(context_of(self.attendee, RUN).reads)
        assert found is not None
        return found[0]

    def ended(self) -> Result:
        until(lambda: self.newest().ended)
        return build_pipeline.run_succeeded(context_of(self.attendee, RUN))

    def begun(self, name: str) -> None:
        """Wait until a step of the newest run is in progress."""

        def is_in_progress() -> bool:
            run = lab_run(context_of(self.attendee, RUN))
            return any(each.name == name and each.state == "inProgress" for each in run.records(self.newest()))

        until(is_in_progress)


@pytest.fixture
def ground(created: Attendee, practice_cloud: PracticeCloud, tmp_path: Path) -> Ground:
    clone = Clone.of_main(practice_cloud, tmp_path / "clone")
    return Ground(created, practice_cloud, clone, Pipelines(practice_cloud))


def secret_missing(ground: Ground) -> Result:
    assert vault(ground.cloud, ground.attendee, "pipeline").ask("DELETE", "/secrets/created-by").status_code == 200
    return ground.runs(f"{START}variables:\n- group: {GROUP}\n{ECHO}")


def vault_closed(ground: Ground) -> Result:
    arm = Arm(ground.cloud, user_token(ground.cloud))
    client = arm.ask("GET", identity_path(ground.attendee), version=MANAGED).json()["properties"]["principalId"]
    entry = {"tenantId": seed.TENANT, "objectId": client, "permissions": {"secrets": ["get", "list"]}}
    path = f"{vault_path(ground.attendee, 'pipeline')}/accessPolicies/remove"
    assert arm.ask("PUT", path, {"properties": {"accessPolicies": [entry]}}, version=VAULTS).status_code == 200
    return ground.runs(f"{START}variables:\n- group: {GROUP}\n{ECHO}")


def artifact_twice(ground: Ground) -> Result:
    twice = "- publish: .\n  artifact: PipelineArtifacts\n" * 2
    return ground.runs(f"{START}steps:\n{twice}")


def no_parallelism(ground: Ground) -> Result:
    ground.cloud.control.settings(hosted_jobs=0)
    assert ground.attendee.look(AGENT).status is Status.FAILED
    return ground.runs(f"{START}steps:\n- script: echo\n")


def failing_test(ground: Ground) -> Result:
    return ground.runs(f"{START}steps:\n- script: exit 1\n  displayName: Run Unit Tests\n")


def cancelled_in_training(ground: Ground) -> Result:
    ground.clone.push(YAML, content=SLOW)
    ground.start()
    ground.begun("Train Model")
    build_pipeline.cancel_run(context_of(ground.attendee, RUN))
    return ground.ended()


def expired_secret(ground: Ground) -> Result:
    said = "AADSTS7000222: The provided client secret keys for app 'x' are expired."
    return ground.runs(f'{START}steps:\n- script: |\n    echo "{said}"\n    exit 1\n  displayName: Train Model\n')


@pytest.mark.parametrize(
    ("case", "summary", "remedy"),
    [
        (secret_missing, "", "<first variable-group/link-the-key-vault>"),
        (vault_closed, "", "<first variable-group/give-the-connection-its-roles>"),
        (artifact_twice, "Artifact PipelineArtifacts already exists for build 1.", "Give one of them another name"),
        (no_parallelism, "No hosted parallelism", "<first build-pipeline/find-an-agent>"),
        (failing_test, "ended as failed in Run Unit Tests", "<step build-pipeline/read-the-results>"),
        (cancelled_in_training, "was canceled in Train Model.", "Its training in Databricks is canceled as well"),
        (expired_secret, "ended as failed in Train Model", "The client secret has expired"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_broken_run_ends_and_names_the_remedy(
    ground: Ground, case: Callable[[Ground], Result], summary: str, remedy: str
) -> None:
    result = case(ground)
    assert result.status is Status.FAILED
    assert summary in result.summary
    assert ".." not in result.summary
    assert remedy in result.next_action
    assert "To run it again, <solve>." in result.next_action


def test_a_run_with_a_connection_that_does_not_exist_is_refused_with_its_place(ground: Ground) -> None:
    task = "- task: AzureCLI@2\n  inputs:\n    azureSubscription: no-such\n    scriptType: bash\n"
    inline = "    scriptLocation: inlineScript\n    inlineScript: echo\n"
    ground.clone.push(YAML, content=f"{START}steps:\n{task}{inline}")
    with pytest.raises(ConflictError, match="no-such"):
        ground.start()
    seen = build_pipeline.pipeline_exists(context_of(ground.attendee, CREATE)).expectations[-1]
    assert (seen.what, seen.met) == ("Azure DevOps' preview of a run", False)
    assert "no-such" in seen.actual


def test_a_run_waits_for_the_permission_to_use_the_group(ground: Ground) -> None:
    number, group = ground.project.definition(NAME)["id"], ground.project.group()["id"]
    body = {"pipelines": [{"id": number, "authorized": False}]}
    path = f"/pipelines/pipelinepermissions/variablegroup/{group}"
    ground.project.ask("PATCH", path, body, **{"api-version": "7.1-preview.1"})
    ground.clone.push(YAML, content=f"{START}variables:\n- group: {GROUP}\n{ECHO}")
    ground.start()
    until(lambda: "permission" in build_pipeline.run_succeeded(context_of(ground.attendee, RUN)).summary)
    result = build_pipeline.run_succeeded(context_of(ground.attendee, RUN))
    assert result.status is Status.WAITING
    assert "waiting for permission, which you give on the run's page" in result.summary
    named = build_pipeline.pipeline_exists(context_of(ground.attendee, CREATE))
    assert [each.what for each in named.expectations if not each.met] == [f"May use {GROUP}"]


def test_what_an_agent_that_was_killed_leaves_is_told() -> None:
    # The practice agent's own test kills it (`test_an_agent_that_is_killed_ends_its_run_with_an_issue`).
    assert remedy_of("We stopped hearing from agent x.").startswith("The agent ended before the run did.")


def test_the_training_of_a_run_is_followed_in_databricks_and_its_failure_is_the_cause(
    ground: Ground, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.1; done; exit 1"
    ground.clone.push(YAML, content=f"{START}steps:\n- script: {wait}\n  displayName: Train Model\n")
    ground.start()
    ground.begun("Train Model")
    context = context_of(ground.attendee, RUN)
    found = cluster.find(context)
    assert found is not None
    name = f"Project_One build {ground.newest().id}"
    workspace(context).submit_notebook(name, "/Workspace/Shared/no-such", {}, found.id, 600, uuid.uuid4().hex)

    def training_that_ended() -> JobRun | None:
        training = lab_run(context_of(ground.attendee, RUN)).training(ground.newest())
        return training if training is not None and training.ended else None

    training = until(training_that_ended)
    result = build_pipeline.run_succeeded(context_of(ground.attendee, RUN))
    assert result.status is Status.WAITING
    assert f" steps done, Databricks: {training.state.lower()}, {training.page}" in result.summary
    go.touch()
    ended = ground.ended()
    assert "Databricks: Unable to access the notebook" in ended.summary
    assert training.page in ended.summary
    assert "<first scientist-setup/open-the-training-notebook>" in ended.next_action
