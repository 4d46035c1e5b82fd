"""Section build-pipeline through the real wizard: agent, file, pipeline with its permissions, trigger."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.events import Said
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Status
from hol_wizard.errors import NotAgreedError, NotFoundError, ServiceError
from hol_wizard.practice.launchers.without_engine.command_line import MARK, TAG
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, seeded_repository
from hol_wizard.services.devops.builds import Build
from hol_wizard.steps import build_pipeline
from tests.practice.conftest import MACHINE_LEARNING, REGISTRIES, Arm, provider, user_token
from tests.practice.test_registry import Registry
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee
from tests.steps.databricks import context_of
from tests.steps.test_build_container import remove_built_from
from tests.steps.test_repository import Clone
from tests.steps.test_secrets_on_the_cloud import not_passed, person
from tests.steps.test_variable_group import Project, linked, member
from tests.waiting import until

__all__ = ["linked", "member", "person"]

AGENT = "build-pipeline/find-an-agent"
FILE = "build-pipeline/read-the-pipeline-file"
CREATE = "build-pipeline/create-the-pipeline@pipeline"
RUN = "build-pipeline/run-the-pipeline@pipeline"
RESULTS = "build-pipeline/read-the-results@pipeline"
TRIGGER = "build-pipeline/check-the-trigger"
SEED = "devops-project/seed-the-repository"
NAME, YAML = "practice-build", "azure-pipelines.yml"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture
def seeded(linked: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody with the service connection, the variable group, and the starter in the repository."""
    snapshots.prepare("before-the-pipeline", practice_cloud, linked.root, lambda: assert_solved(linked, SEED))
    return linked


@pytest.fixture
def created(seeded: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """The same, with the pipeline."""
    snapshots.prepare("with-the-pipeline", practice_cloud, seeded.root, lambda: assert_solved(seeded, CREATE))
    return seeded


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
        f"A completed pull request into main starts {NAME}. No pull request has been completed since the pipeline was "
        "set up.",
    )
    torn = seeded.teardown(CREATE)
    assert torn.all_passed(), torn.statuses
    assert project.definition(NAME) == {}
    assert project.may_use("endpoint", project.connection()["id"]) == []


def test_a_permission_that_somebody_withdraws_is_given_again(created: Attendee, practice_cloud: PracticeCloud) -> None:
    project = Pipelines(practice_cloud)
    number, connection = project.definition(NAME)["id"], project.connection()["id"]
    body = {"pipelines": [{"id": number, "authorized": False}]}
    path = f"/pipelines/pipelinepermissions/endpoint/{connection}"
    project.ask("PATCH", path, body, **{"api-version": "7.1-preview.1"})
    result = created.look(CREATE)
    assert result.status is Status.FAILED
    assert result.summary.endswith("but its next run will wait for permission.")
    assert_solved(created, CREATE)
    assert project.may_use("endpoint", connection) == [number]


def test_a_changed_file_is_named_and_a_trigger_that_is_off_is_found(
    created: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    clone = Clone.of_main(practice_cloud, tmp_path / "clone")
    text = (clone.folder / YAML).read_text()
    clone.push(YAML, content=text.replace("    - main\n", "    - dev\n", 1))
    triggered = created.look(TRIGGER)
    assert (triggered.status, triggered.summary) == (
        Status.FAILED,
        f"A completed pull request into main does not start {NAME}.",
    )
    assert triggered.next_action.startswith("Write main below trigger in azure-pipelines.yml")
    clone.push(YAML, content=text.replace("Project_One/runbuild_pipeline.sh", "other.sh"))
    result = created.look(FILE)
    assert (result.status, result.summary) == (Status.FAILED, "azure-pipelines.yml differs from the lab's file.")
    assert [(each.what, each.actual) for each in result.expectations if not each.met] == [
        ("Build Inference Container", "scriptpath is other.sh")
    ]
    clone.push(YAML, content=f"{text}\nextra: [\n")
    assert created.look(FILE).summary.startswith("azure-pipelines.yml cannot be used: it is not valid YAML: ")


def test_azure_devops_checks_the_file_and_that_of_the_clone_before_a_push(
    seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    folder = Path(seeded.wizard().names.clone_folder)
    folder.mkdir(parents=True, exist_ok=True)
    mine = folder / YAML
    mine.write_text("steps:\n- task: NoSuchTask@1\n")
    assert seeded.look(FILE).status is Status.PASSED  # the service checks no file before there is a pipeline
    assert_solved(seeded, CREATE)
    seen = build_pipeline.pipeline_exists(context_of(seeded, CREATE)).expectations[-1]
    assert (seen.what, seen.actual) == ("Azure DevOps' preview of a run", "valid")
    result = seeded.look(FILE)
    assert (result.status, result.summary) == (Status.FAILED, "azure-pipelines.yml in your clone is not valid.")
    assert "/azure-pipelines.yml (Line: 2, Col: 9)" in result.expectations[-1].actual
    clone = Clone.of_main(practice_cloud, tmp_path / "clone")
    text = (clone.folder / YAML).read_text()
    mine.write_text(f"{text}\n# valid\n")
    assert seeded.look(FILE).status is Status.PASSED
    clone.push(YAML, content=text.replace("- group: ", "- group: no-"))
    result = build_pipeline.pipeline_exists(context_of(seeded, CREATE))
    assert (result.status, result.summary) == (Status.FAILED, f"The pipeline {NAME} exists, but cannot run.")
    assert "variable group" in result.expectations[-1].actual.lower()


def test_a_classic_pipeline_is_compared_with_the_same_rules_and_never_required(
    seeded: Attendee, practice_cloud: PracticeCloud
) -> None:
    project = Pipelines(practice_cloud)
    connection = project.connection()
    train = {
        "displayName": "Train Model",
        "enabled": False,
        "continueOnError": True,
        "condition": "succeeded()",
        "task": {"id": "46E4BE58-730B-4389-8A2F-EA10B3E5E815", "versionSpec": "2.*", "definitionType": "task"},
        "inputs": {
            "connectedServiceNameARM": connection["id"],
            "scriptType": "bash",
            "scriptLocation": "inlineScript",
            "inlineScript": "exec python3 Project_One/notebooks/submit_run_db.py",
        },
        "environment": {},
    }
    repository = project.ask("GET", "/git/repositories").json()["value"][0]
    body = {
        "name": "as-in-2019",
        "repository": {"id": repository["id"], "type": "TfsGit", "defaultBranch": "refs/heads/main"},
        "process": {"type": 1, "phases": [{"name": "Job", "refName": "Job_1", "steps": [train]}]},
        "jobTimeoutInMinutes": 55,
    }
    allowed = {"disableClassicPipelineCreation": False, "disableClassicBuildPipelineCreation": False}
    assert project.ask("PATCH", "/build/generalsettings", allowed).status_code == 200
    made = project.ask("POST", "/build/definitions", body)
    assert made.status_code == 200, made.text
    result = seeded.look(FILE)
    assert result.status is Status.PASSED
    (said,) = [each.actual for each in result.expectations if each.what == "Classic pipeline as-in-2019 (not required)"]
    assert "Configure agent environment: missing" in said
    assert "Train Model: is disabled; env SUBSCRIPTION_ID is missing" in said
    assert "continueOnError is true" in said
    assert "azuresubscription" not in said


SMALL = """trigger: none
pool:
  vmImage: ubuntu-24.04
steps:
- script: |
    mkdir -p out/test_results
    cp small/artifacts.json out/
    cp small/*.xml out/test_results/
  displayName: Collect
- script: {script}
  displayName: Run Unit Tests
- publish: out
  artifact: PipelineArtifacts
- task: PublishTestResults@2
  inputs:
    testResultsFiles: out/test_results/test-results.xml
- task: PublishCodeCoverageResults@2
  inputs:
    summaryFileLocation: out/test_results/coverage.xml
"""
TESTS = """<testsuites><testsuite name="pytest" tests="2" failures="0" errors="0" skipped="0" time="0.2">
<testcase classname="test_model" name="test_model" time="0.1"/>
<testcase classname="test_mine" name="test_mine" time="0.1"/>
</testsuite></testsuites>
"""
COVERAGE = """<coverage line-rate="0.5" lines-covered="1" lines-valid="2" version="1">
<sources><source>x</source></sources>
<packages><package name="."><classes><class name="score.py" filename="score.py"><lines><line number="1" hits="1"/>
<line number="2" hits="0"/></lines></class></classes></package></packages></coverage>
"""


def small_pipeline(cloud: PracticeCloud, folder: Path, script: str, image: str) -> Clone:
    """Replace the file on the default branch by one that takes a second instead of half an hour."""
    clone = Clone.of_main(cloud, folder)
    (clone.folder / "small").mkdir()
    about = {"image_location": image, "model": {"name": "worst_regression", "version": "3"}}
    files = {"artifacts.json": json.dumps(about), "test-results.xml": TESTS, "coverage.xml": COVERAGE}
    for name, text in files.items():
        (clone.folder / "small" / name).write_text(text)
    clone.push(YAML, content=SMALL.replace("{script}", script))
    return clone


def passing_pipeline(attendee: Attendee, cloud: PracticeCloud, folder: Path, digest: str) -> Clone:
    """Do the same with one that passes, and whose image is in the registry and has a model of the pipeline."""
    register(attendee, cloud, "pipeline")
    image = f"{registry_of(attendee, cloud).host}/hol-inference@{digest}"
    return small_pipeline(cloud, folder, "echo tested", image)


def registry_of(attendee: Attendee, cloud: PracticeCloud) -> Registry:
    """Return the registry of prod, as the attendee."""
    names = attendee.names("prod")
    arm = Arm(cloud, user_token(cloud))
    found = Registry(cloud, arm, names.container_registry, arm.token)
    path = provider("ContainerRegistry/registries", names.container_registry, names.resource_group)
    found.server = str(arm.ask("GET", path, version=REGISTRIES).json()["properties"]["loginServer"])
    return found


def register(attendee: Attendee, cloud: PracticeCloud, state: str) -> None:
    """Register version 3 of the model in the pipeline's workspace."""
    names = attendee.names("pipeline")
    arm = Arm(cloud, user_token(cloud))
    workspace = provider("MachineLearningServices/workspaces", names.ml_workspace, names.resource_group)
    where = f"subscriptions/{arm.subscription}/resourcegroups/{names.resource_group}/workspaces/{names.ml_workspace}"
    uri = f"azureml://{where}/datastores/workspaceblobstore/paths/models/3"
    properties = {"modelType": "custom_model", "modelUri": uri, "tags": {"state": state}}
    path = f"{workspace}/models/worst_regression/versions/3"
    assert arm.ask("PUT", path, {"properties": properties}, version=MACHINE_LEARNING).status_code == 201


def agreed(attendee: Attendee) -> StepContext:
    """Return the context of a solve whose plan the person has agreed to."""
    context = context_of(attendee, RUN)
    digests = frozenset(each.consent for each in build_pipeline._plan_run(context))
    return replace(context_of(attendee, RUN), agreed=digests)


def heard(context: StepContext) -> list[Any]:
    """Return the list that gets what a step says from now on."""
    events: list[Any] = []
    object.__setattr__(context, "reporter", Reporter(RUN, events.append, threading.Event()))
    return events


@pytest.mark.timeout(300)
def test_a_run_is_followed_and_its_results_are_read(
    created: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    registry = registry_of(created, practice_cloud)
    passing_pipeline(created, practice_cloud, tmp_path / "clone", registry.push("hol-inference", "1"))
    (planned,) = build_pipeline._plan_run(context_of(created, RUN))
    assert "the programs of this commit run on your machine as you; digest" in planned.note
    assert "tasks: Collect, Run Unit Tests, publish, PublishTestResults" in planned.note
    context = agreed(created)
    events = heard(context)
    build_pipeline.run_pipeline(context)
    lines = [each.text for each in events if isinstance(each, Said)]
    assert "Run Unit Tests: succeeded" in lines
    assert "  tested" in lines
    assert build_pipeline.run_succeeded(context_of(created, RUN)).status is Status.PASSED
    result = build_pipeline.results_are_there(context_of(created, RESULTS))
    assert result.status is Status.PASSED, result
    assert result.report is not None
    assert str(result.report).startswith("tests: 2 passed; coverage: 50 %")
    published = {each.what: each.actual for each in result.expectations}
    assert (published["Test results"], published["Code coverage"]) == ("2 of 2 passed", "50 %")
    assert [each.verb for each in build_pipeline._plan_run(context_of(created, RUN))] == ["leave"]
    # Nobody but the run's own registry and workspace count.
    registry.ask("DELETE", "/acr/v1/hol-inference")
    register_again = build_pipeline.results_are_there(context_of(created, RESULTS))
    assert [each.what for each in register_again.expectations if not each.met] == ["Image in the registry"]
    project = Pipelines(practice_cloud)
    assert len(project.ask("GET", "/build/builds").json()["value"]) == 1
    build_pipeline.remove_runs(context_of(created, RUN))
    assert project.ask("GET", "/build/builds").json()["value"] == []
    assert build_pipeline._ran(context_of(created, RUN)) == []


def test_a_merge_has_to_start_a_run_unless_it_asked_for_none(
    created: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    clone = Clone.of_main(practice_cloud, tmp_path / "clone")
    project = Pipelines(practice_cloud)

    def merge(branch: str, title: str) -> None:
        clone.push(f"{branch}.txt", branch, content=branch)
        context = context_of(created, RUN)
        here, names = organization(context), context.names
        repository = seeded_repository(context)
        made = here.create_pull_request(names.devops_project, repository.id, branch, "main", title, "")
        made = here.pull_request(names.devops_project, repository.id, made.id)
        here.complete_pull_request(names.devops_project, repository.id, made, title)
        until(lambda: here.pull_request(names.devops_project, repository.id, made.id).status == "completed")
        clone.pull()

    def newest() -> tuple[Status, str]:
        result = created.look(TRIGGER)
        return result.status, result.expectations[-1].actual

    merge("one", "Not now [skip ci]")
    assert newest() == (Status.PASSED, "pull request 1 asked to skip the run")
    merge("two", "Something")
    status, said = newest()
    assert status is Status.PASSED
    assert re.fullmatch(r"started run [\d.]+ \(individualCI\)", said)
    definition = project.definition(NAME)
    project.ask("PUT", f"/build/definitions/{definition['id']}", definition | {"triggers": []})
    merge("three", "More")
    result = created.look(TRIGGER)
    assert result.status is Status.FAILED
    assert result.expectations[-1].actual.startswith("started none, at ")


def test_files_of_an_artifact_are_named_by_it_and_not_by_where_they_were_unpacked() -> None:
    run = Build(1, "7", "completed", "succeeded", "0" * 40, "main", "manual", "", None)
    report = build_pipeline._report({"test_results/coverage.xml": b"<coverage"}, run)
    missing, broken = report.problems
    assert missing == "There is no test-results.xml in the artifact PipelineArtifacts."
    assert broken.startswith("coverage.xml in the artifact PipelineArtifacts ")
    assert "/" not in broken


@pytest.mark.timeout(300)
def test_the_first_failed_step_is_the_cause(created: Attendee, practice_cloud: PracticeCloud, tmp_path: Path) -> None:
    script = "echo AADSTS700213 >&2; echo '##vso[task.logissue type=error]AADSTS700213: no match'; exit 1"
    small_pipeline(practice_cloud, tmp_path / "clone", f'"{script}"', "none")
    with pytest.raises(ServiceError) as failed:
        build_pipeline.run_pipeline(agreed(created))
    assert "ended as failed in Run Unit Tests: AADSTS700213: no match" in failed.value.message
    assert "<first variable-group/trust-the-service-connection>" in failed.value.hint
    (again,) = build_pipeline._plan_run(context_of(created, RUN))
    assert again.verb == "change"
    assert f"run on your machine as you; digest {again.consent[:10]}" in again.note
    assert build_pipeline.run_succeeded(context_of(created, RUN)).status is Status.FAILED
    with pytest.raises(NotFoundError):
        build_pipeline.results_are_there(context_of(created, RESULTS))


def test_a_push_after_the_plan_makes_the_agreement_void(
    created: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    clone = small_pipeline(practice_cloud, tmp_path / "clone", "echo tested", "none")
    project, shown = Pipelines(practice_cloud), agreed(created)
    clone.push("small/other.py", content="print('not shown')")
    with pytest.raises(NotAgreedError) as refused:
        build_pipeline.run_pipeline(shown)
    assert refused.value.message.startswith("Nothing was started: the run would use commit ")
    assert "main has changed since" in refused.value.message
    assert project.ask("GET", "/build/builds").json()["value"] == []
    assert practice_cloud.control.pipeline_consents() == []
    again = agreed(created)
    build_pipeline.run_pipeline(again)
    assert practice_cloud.control.pipeline_consents() == list(again.agreed)


def test_the_plan_of_a_pipeline_to_be_created_already_has_the_digest_and_its_settings_change_it(
    seeded: Attendee, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    def digest() -> str:
        (planned,) = build_pipeline._plan_run(context_of(seeded, RUN))
        return planned.consent

    before = digest()
    assert_solved(seeded, CREATE)
    assert digest() == before != ""
    project = Pipelines(practice_cloud)
    definition = project.definition(NAME)
    definition["variables"] = {"SCRIPT": {"value": "other.sh"}}
    project.ask("PUT", f"/build/definitions/{definition['id']}", definition)
    assert digest() != before
    clone = small_pipeline(practice_cloud, tmp_path / "clone", "echo tested", "none")
    text = SMALL.replace("{script}", "echo tested")
    clone.push(
        YAML, content=f"resources:\n  repositories:\n  - repository: other\n    type: git\n    name: nowhere\n{text}"
    )
    with pytest.raises(ServiceError) as refused:
        build_pipeline.run_pipeline(agreed(seeded))
    assert "There is no repository nowhere." in refused.value.message
    assert "(Line: 3, Col: 5)" in refused.value.message


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_the_committed_build_trains_builds_tests_and_pushes(
    seeded: Attendee, practice_cloud: PracticeCloud, runtime: Path
) -> None:
    del runtime  # it is installed
    practice_cloud.wrong_on_purpose(".*")
    server = registry_of(seeded, practice_cloud).host
    try:
        assert_solved(seeded, "build-pipeline")
        result = seeded.look(RESULTS)
    finally:
        remove_built_from(server)
    assert result.status is Status.PASSED, result
    assert [each.actual for each in result.expectations if each.what == "Model of the image"] == [
        "version 1, state=pipeline"
    ]
    assert result.report is not None
    assert result.report.results is not None
    assert result.report.results.passed


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_without_an_engine_the_committed_build_is_practiced_and_labeled(
    seeded: Attendee, practice_cloud: PracticeCloud, runtime: Path
) -> None:
    del runtime  # it is installed
    practice_cloud.wrong_on_purpose(".*")
    practice_cloud.control.settings(container_engine=False)
    registry = registry_of(seeded, practice_cloud)
    assert_solved(seeded, "build-pipeline")
    assert seeded.look(RESULTS).status is Status.PASSED
    asked = Pipelines(practice_cloud)
    (build,) = asked.ask("GET", "/build/builds").json()["value"]
    assert build["tags"] == [TAG]
    records = asked.ask("GET", f"/build/builds/{build['id']}/timeline").json()["records"]
    steps = [each for each in records if "practiced without a container" in str(each.get("issues"))]
    log = "".join(asked.ask("GET", f"/build/builds/{build['id']}/logs/{each['log']['id']}").text for each in steps)
    assert f"{MARK} Built " in log
    assert "##[warning]No container engine responds" in log
    # The pushed image is real, and says what it is.
    listed = registry.ask("GET", "/v2/hol-inference/tags/list").json()["tags"]
    manifest = registry.ask("GET", f"/v2/hol-inference/manifests/{listed[0]}", Accept="*/*").json()
    config = registry.ask("GET", f"/v2/hol-inference/blobs/{manifest['config']['digest']}").json()
    assert config["config"]["Labels"]["practice.no-container-engine"] == "true"
