"""Pipelines of the practice cloud, asked by clients that others wrote: the Azure CLI and the official Python client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.pipelines.checks import APPROVAL
from hol_wizard.practice.process import shell
from tests.end_to_end.test_foreign_clients import answer, installed
from tests.end_to_end.typed import programs
from tests.practice.pipeline_ground import Ground
from tests.practice.test_devops_builds import DEPLOYS, PUBLISHES
from tests.practice_cloud import PracticeCloud

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CLIENT = """
import json, os, time
from azure.devops.connection import Connection
from msrest.authentication import BasicAuthentication

made = Connection(base_url=os.environ["URL"], creds=BasicAuthentication("", os.environ["PAT"])).clients_v7_1
build, pipelines, tests = made.get_build_client(), made.get_pipelines_client(), made.get_test_client()
run = pipelines.run_pipeline({"resources": {"repositories": {"self": {"refName": "refs/heads/main"}}}}, "lab", 1)
while (found := build.get_build("lab", run.id)).status != "completed":
    time.sleep(0.2)
timeline = build.get_build_timeline("lab", run.id)
said = {}
for record in timeline.records:
    if record.log is not None:
        said[record.name] = build.get_build_log_lines("lab", run.id, record.log.id)
archive = b"".join(build.get_artifact_content_zip("lab", run.id, "PipelineArtifacts"))
preview = pipelines.preview({"previewRun": True, "yamlOverride": "steps:\\n- script: echo of a preview"}, "lab", 1)
print(json.dumps({
    "result": found.result,
    "changeId": timeline.change_id,
    "records": [[each.type, each.name, each.state, each.result] for each in timeline.records],
    "logs": said,
    "tags": build.get_build_tags("lab", run.id),
    "artifacts": [each.name for each in build.get_artifacts("lab", run.id)],
    "archive": len(archive),
    "pipelines": [each.name for each in pipelines.list_pipelines("lab")],
    "definition": build.get_definition("lab", 1).process["yamlFilename"],
    "runs": [each.total_tests for each in tests.get_test_runs("lab", build_uri=found.uri)],
    "preview": preview.final_yaml,
}))
"""

RELEASER = """
import json, os, sys, time
from azure.devops.connection import Connection
from azure.devops.v7_1.task_agent.models import EnvironmentCreateParameter, EnvironmentUpdateParameter
from msrest.authentication import BasicAuthentication

made = Connection(base_url=os.environ["URL"], creds=BasicAuthentication("", os.environ["PAT"])).clients_v7_1
tasks, checks, build = made.get_task_agent_client(), made.get_pipelines_checks_client(), made.get_build_client()
if sys.argv[1] == "prepare":
    one = tasks.add_environment(EnvironmentCreateParameter(name="production"), "lab")
    tasks.update_environment(EnvironmentUpdateParameter(description="What customers use"), "lab", one.id)
    print(one.id)
elif sys.argv[1] == "permit":
    permissions = made.get_pipeline_permissions_client()
    body = {"pipelines": [{"id": 1, "authorized": True}]}
    given = permissions.update_pipeline_permisions_for_resource(body, "lab", "environment", sys.argv[2])
    queries = checks.query_check_configurations_on_resources([{"type": "environment", "id": sys.argv[2]}], "lab")
    run = build.queue_build({"definition": {"id": 1}}, "lab")
    while not (waiting := [each.id for each in build.get_build_timeline("lab", run.id).records
                           if each.type == "Checkpoint.Approval"]):
        time.sleep(0.1)
    print(json.dumps([run.id, waiting[0], [each.id for each in given.pipelines], [each.timeout for each in queries]]))
else:
    (found,) = tasks.get_environments("lab", name="production")
    records = tasks.get_environment_deployment_execution_records("lab", found.id)
    (check,) = checks.get_check_configurations_on_resource("lab", "environment", str(found.id))
    checks.delete_check_configuration("lab", check.id)
    left = checks.get_check_configurations_on_resource("lab", "environment", str(found.id))
    deployed = [[each.stage_name, each.result, each.owner.id] for each in records]
    print(json.dumps([found.description, check.type.name, left, deployed]))
"""


@pytest.fixture
def ground(practice_cloud: PracticeCloud, tmp_path: Path) -> Ground:
    folder = tmp_path / "ground"
    folder.mkdir()
    made = Ground(practice_cloud, folder)
    made.begin()
    made.push(PUBLISHES, "Added a pipeline")
    return made


def test_the_official_python_client_runs_a_pipeline_and_reads_what_it_made(ground: Ground, tmp_path: Path) -> None:
    ground.project.create()
    python = installed(tmp_path / "client", "azure-devops==7.1.0b4") / "python"
    scope = "vso.build_execute vso.code vso.project vso.test"
    token = ground.cloud.control.devops_token("practice", scope, user=seed.ATTENDEE.name)["token"]
    program = tmp_path / "ask.py"
    program.write_text(CLIENT, encoding="utf-8")
    seen = answer(
        [str(python), str(program)],
        PAT=str(token),
        URL=f"{ground.cloud.endpoints['devops']}/practice",
        REQUESTS_CA_BUNDLE=str(ground.cloud.endpoints["bundle_file"]),
        AZURE_DEVOPS_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert seen["result"] == "succeeded"
    assert ["Task", "Bash", "completed", "succeeded"] in seen["records"]
    assert any("Starting: Bash" in line for line in seen["logs"]["Bash"])
    assert (seen["tags"], seen["artifacts"], seen["runs"]) == (["tried"], ["PipelineArtifacts"], [3])
    assert seen["archive"] > 100
    assert (seen["pipelines"], seen["definition"]) == (["build"], "azure-pipelines.yml")
    assert "echo of a preview" in seen["preview"]


def test_the_official_python_client_protects_an_environment(ground: Ground, tmp_path: Path) -> None:
    python = installed(tmp_path / "client", "azure-devops==7.1.0b4") / "python"
    scope = "vso.build_execute vso.project vso.environment_manage vso.pipelineresources_manage"
    token = ground.cloud.control.devops_token("practice", scope, user=seed.ATTENDEE.name)["token"]
    program = tmp_path / "release.py"
    program.write_text(RELEASER, encoding="utf-8")
    variables = {
        "PAT": str(token),
        "URL": f"{ground.cloud.endpoints['devops']}/practice",
        "REQUESTS_CA_BUNDLE": str(ground.cloud.endpoints["bundle_file"]),
        "AZURE_DEVOPS_CACHE_DIR": str(tmp_path / "cache"),
    }

    def ran(*words: str) -> Any:
        return answer([str(python), str(program), *words], **variables)

    ground.push(DEPLOYS.replace("QA", "production"), "A deployment")
    ground.project.create()
    environment = ran("prepare")
    # The client's model of a check has no settings, so it cannot create an approval.
    check = {
        "type": {"id": APPROVAL, "name": "Approval"},
        "settings": {"approvers": [{"id": member_id("practice", seed.ATTENDEE.id)}], "minRequiredApprovers": 1},
        "resource": {"type": "environment", "id": str(environment), "name": "production"},
        "timeout": 2880,
    }
    made = ground.project.ask("POST", "/pipelines/checks/configurations", check, version="7.1-preview.1")
    assert made.status_code == 200, made.text
    run, approval, permitted, timeouts = ran("permit", str(environment))
    assert (permitted, timeouts) == ([1], [2880])
    decision = [{"approvalId": approval, "status": "approved", "comment": "Seen"}]
    assert ground.project.ask("PATCH", "/pipelines/approvals", decision).status_code == 200
    assert ground.wait(run)["result"] == "succeeded"
    assert ran("records") == ["What customers use", "Approval", [], [["__default", "succeeded", run]]]


def test_the_azure_cli_creates_and_runs_a_pipeline(ground: Ground, tmp_path: Path) -> None:
    cli = programs.azure_cli()
    if not cli.has_devops:
        pytest.skip("the extension azure-devops cannot be installed here")
    scope = "vso.build_execute vso.code vso.project vso.agentpools vso.variablegroups_manage vso.serviceendpoint"
    token = ground.cloud.control.devops_token("practice", scope, user=seed.ATTENDEE.name)["token"]
    settings = shell.settings(ground.cloud.endpoints, ground.cloud.state, {})
    more = {
        **{name: value for name, value in settings.items() if value is not None},
        "AZURE_CONFIG_DIR": str(tmp_path / "azure"),
        "AZURE_EXTENSION_DIR": str(cli.extensions),
        "AZURE_DEVOPS_EXT_PAT": str(token),
        "AZURE_DEVOPS_CACHE_DIR": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }
    base = ["--organization", "https://dev.azure.com/practice", "--project", "lab", "--output", "json"]

    def az(*words: str) -> Any:
        return answer([str(cli.program), *words, *base], **more)

    where = ("--repository", "lab", "--repository-type", "tfsgit", "--branch", "main")
    made = az("pipelines", "create", "--name", "build", *where, "--yml-path", "azure-pipelines.yml", "--skip-first-run")
    assert (made["name"], made["process"]["yamlFilename"]) == ("build", "azure-pipelines.yml")
    assert [each["name"] for each in az("pipelines", "list")] == ["build"]
    run = az("pipelines", "run", "--name", "build")
    assert ground.wait(run["id"])["result"] == "succeeded"
    shown = az("pipelines", "runs", "show", "--id", str(run["id"]))
    assert (shown["result"], shown["reason"]) == ("succeeded", "manual")
    assert [each["id"] for each in az("pipelines", "runs", "list")] == [run["id"]]
    artifacts = az("pipelines", "runs", "artifact", "list", "--run-id", str(run["id"]))
    assert [each["name"] for each in artifacts] == ["PipelineArtifacts"]
    assert az("pipelines", "runs", "tag", "list", "--run-id", str(run["id"])) == ["tried"]
    assert az("pipelines", "runs", "tag", "add", "--run-id", str(run["id"]), "--tags", "by-az") == ["tried", "by-az"]
    assert "Azure Pipelines" in [each["name"] for each in az("pipelines", "queue", "list")]
    az("pipelines", "variable", "create", "--pipeline-name", "build", "--name", "one", "--value", "1")
    assert az("pipelines", "variable", "list", "--pipeline-name", "build")["one"]["value"] == "1"
    group = az("pipelines", "variable-group", "create", "--name", "group", "--variables", "a=1")
    assert [each["name"] for each in az("pipelines", "variable-group", "list")] == [group["name"]]
    az("pipelines", "delete", "--id", str(made["id"]), "--yes")
    assert az("pipelines", "list") == []
