"""Pipelines of the practice cloud, asked by clients that others wrote: the Azure CLI and the official Python client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.process import shell
from tests.end_to_end.test_foreign_clients import answer, installed
from tests.end_to_end.typed import programs
from tests.practice.pipeline_ground import Ground
from tests.practice.test_devops_builds import PUBLISHES
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
