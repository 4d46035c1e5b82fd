"""Runs on a practice cluster: the notebook as it is, with the lab's identities; and how runs fail."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice.arm import roles
from hol_wizard.practice.process import launch
from tests.practice.conftest import DATABRICKS, MACHINE_LEARNING, Arm, databricks_body, provider, user_token
from tests.practice.machine_learning import MODELS, WORKSPACE
from tests.practice.test_databricks import SCOPE, Workspace
from tests.practice_cloud import PracticeCloud
from tests.starter.conftest import STARTER
from tests.starter.ground import CLUSTER, DATABRICKS_WORKSPACE, Environment

NOTEBOOKS = STARTER / "Project_One" / "notebooks"
FOLDER = "/Users/attendee@practice.example/lab"
HEAD = "# Databricks notebook source\n"
OWN_CLUSTER = {
    name: value for name, value in CLUSTER.items() if name not in {"cluster_name", "autotermination_minutes"}
}
TASK = {"task_key": "t", "existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}


def put(workspace: Workspace, name: str, text: str) -> str:
    """Put a notebook or a file into the attendee's folder, and return its path."""
    workspace.do("POST", "2.0/workspace/mkdirs", {"path": FOLDER})
    body = {"path": f"{FOLDER}/{name}", "overwrite": True, "content": base64.b64encode(text.encode()).decode()}
    body |= {"format": "AUTO"} if name.endswith(".py") else {"format": "SOURCE", "language": "PYTHON"}
    workspace.do("POST", "2.0/workspace/import", body)
    return f"{FOLDER}/{name}"


def put_the_lab_s(workspace: Workspace) -> str:
    """Put the starter's notebook and its modules there, and return the notebook's path."""
    for name in ("training.py", "model_registry.py"):
        put(workspace, name, (NOTEBOOKS / name).read_text(encoding="utf-8"))
    return put(workspace, "train_model", (NOTEBOOKS / "train_model.py").read_text(encoding="utf-8"))


def submit(workspace: Workspace, path: str, *, more: dict[str, Any] | None = None, **task: Any) -> int:
    """Submit a run of a notebook."""
    body = {"task_key": "train", "notebook_task": {"notebook_path": path}, **task}
    return int(workspace.do("POST", "2.2/jobs/runs/submit", {"tasks": [body], **(more or {})})["run_id"])


def end_of(workspace: Workspace, run: int, seconds: float = 60) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a run and its output when it has ended."""
    deadline = time.monotonic() + seconds
    while True:
        found = workspace.do("GET", "2.2/jobs/runs/get", run_id=run)
        if found["state"]["life_cycle_state"] in {"TERMINATED", "INTERNAL_ERROR"}:
            task = found["tasks"][0]["run_id"]
            return found, workspace.do("GET", "2.2/jobs/runs/get-output", run_id=task)
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.fixture
def workspace(environment: Environment) -> Workspace:
    """The workspace, as the attendee."""
    return environment.ground.databricks()


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_the_notebook_trains_registers_and_tracks(environment: Environment, workspace: Workspace) -> None:
    notebook = {"notebook_path": put_the_lab_s(workspace), "base_parameters": {"created_by": "jd"}}
    run = submit(workspace, "", existing_cluster_id=environment.cluster, notebook_task=notebook)
    found, output = end_of(workspace, run)
    assert found["state"]["result_state"] == "SUCCESS", output
    result = json.loads(output["notebook_output"]["result"])
    # `dev` is the value of a secret, too.
    assert result["tags"] == {"state": "[REDACTED]", "created_by": "jd"}
    arm = environment.ground.arm
    version = arm.ask("GET", f"{MODELS}/worst_regression/versions/1", version=MACHINE_LEARNING).json()["properties"]
    assert version["tags"] == {"state": "dev", "created_by": "jd"}
    # What MLflow's own client and Azure's plugin have sent.
    tracking = f"{arm.cloud.endpoints['machine_learning']}/mlflow/v2.0{arm.base}{WORKSPACE}/api/2.0/mlflow"
    tracked = arm.http.get(f"{tracking}/runs/get", params={"run_id": result["tracked"]}, timeout=10).json()["run"]
    assert tracked["info"]["status"] == "FINISHED"
    metrics = {each["key"]: each["value"] for each in tracked["data"]["metrics"]}
    assert metrics == {"mean_absolute_error": result["mean_absolute_error"], "r2": result["r2"]}
    parameters = {each["key"]: each["value"] for each in tracked["data"]["params"]}
    assert (parameters["seed"], parameters["rows"], parameters["y"]) == ("777", "3000", "fnlwgt")
    tags = {each["key"]: each["value"] for each in tracked["data"]["tags"]}
    assert (tags["created_by"], tags["model_version"]) == ("jd", "1")


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("why", ["no library", "refused"])
def test_where_tracking_fails_the_model_is_registered_all_the_same(
    environment: Environment, workspace: Workspace, why: str
) -> None:
    where: dict[str, Any] = {"existing_cluster_id": environment.cluster}
    if why == "no library":
        where = {"new_cluster": OWN_CLUSTER}
    else:
        environment.ground.cloud.control.fault("error", service="machine_learning", status=403, code="Forbidden")
    found, output = end_of(workspace, submit(workspace, put_the_lab_s(workspace), **where))
    assert found["state"]["result_state"] == "SUCCESS", output
    result = json.loads(output["notebook_output"]["result"])
    assert (result["version"], result["tracked"]) == ("1", None)
    # Nobody gave an alias: it is the user name of whoever ran it.
    assert result["tags"]["created_by"] == "attendee"


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_each_missing_right_of_the_service_principal_is_named(environment: Environment, workspace: Workspace) -> None:
    arm, lake = environment.ground.arm, environment.ground.lake.object_id
    found = arm.ask("GET", f"{WORKSPACE}/providers/Microsoft.Authorization/roleAssignments", version="2022-04-01")
    for each in found.json()["value"]:
        properties = each["properties"]
        if properties["principalId"] == lake and properties["roleDefinitionId"].endswith(roles.AZUREML_DATA_SCIENTIST):
            arm.http.delete(f"{arm.cloud.resource_manager}{each['id']}?api-version=2022-04-01", timeout=10)
    run = submit(workspace, put_the_lab_s(workspace), existing_cluster_id=environment.cluster)
    ended, output = end_of(workspace, run)
    assert ended["state"]["state_message"] == "Workload failed, see run output for details"
    assert ended["status"]["termination_details"]["code"] == "RUN_EXECUTION_ERROR"
    assert "AuthorizationFailed" in output["error"]
    assert "It needs the role AzureML Data Scientist" in output["error"]
    assert "model_registry.py" in output["error_trace"]


def test_a_dedicated_cluster_refuses_the_run_of_somebody_else(environment: Environment, workspace: Workspace) -> None:
    ground = environment.ground
    ground.give(ground.connection, roles.CONTRIBUTOR, DATABRICKS_WORKSPACE)
    other = ground.databricks(ground.connection)
    management = ground.token(ground.connection, "https://management.core.windows.net//.default")
    other.http.headers["X-Databricks-Azure-SP-Management-Token"] = management
    path = put(workspace, "quick", f"{HEAD}print(1)\n")
    found, output = end_of(other, submit(other, path, existing_cluster_id=environment.cluster))
    assert found["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert f"Single-user check failed: user '{ground.connection.app_id}' attempted to run" in output["error"]


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_a_run_is_canceled_or_ends_when_its_time_is_over(environment: Environment, workspace: Workspace) -> None:
    path = put(workspace, "slow", f"{HEAD}import time\ntime.sleep(600)\n")
    canceled = submit(workspace, path, existing_cluster_id=environment.cluster)
    late = submit(workspace, path, existing_cluster_id=environment.cluster, timeout_seconds=2)
    deadline = time.monotonic() + 20
    while workspace.do("GET", "2.2/jobs/runs/get", run_id=canceled)["state"]["life_cycle_state"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert workspace.error("POST", "2.2/jobs/runs/delete", {"run_id": canceled}) == (400, "INVALID_STATE")
    workspace.do("POST", "2.2/jobs/runs/cancel", {"run_id": canceled})
    found, _ = end_of(workspace, canceled)
    assert (found["state"]["result_state"], found["state"]["user_cancelled_or_timedout"]) == ("CANCELED", True)
    found, _ = end_of(workspace, late)
    assert (found["state"]["result_state"], found["state"]["state_message"]) == (
        "TIMEDOUT",
        "Run timed out after 2 seconds.",
    )
    workspace.do("POST", "2.2/jobs/runs/delete", {"run_id": canceled})
    assert workspace.error("GET", "2.2/jobs/runs/get", run_id=canceled) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_a_run_ends_with_its_cluster(environment: Environment, workspace: Workspace) -> None:
    path = put(workspace, "slow", f"{HEAD}import time\ntime.sleep(600)\n")
    run = submit(workspace, path, existing_cluster_id=environment.cluster)
    deadline = time.monotonic() + 20
    while workspace.do("GET", "2.2/jobs/runs/get", run_id=run)["state"]["life_cycle_state"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workspace.do("POST", "2.1/clusters/delete", {"cluster_id": environment.cluster})
    found, output = end_of(workspace, run)
    assert (found["state"]["life_cycle_state"], found["state"]["result_state"]) == ("INTERNAL_ERROR", "FAILED")
    assert "was terminated during the run" in output["error"]


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_a_cluster_is_not_idle_while_a_run_goes_on(environment: Environment, workspace: Workspace) -> None:
    ten = {**CLUSTER, "cluster_id": environment.cluster, "autotermination_minutes": 10}
    workspace.do("POST", "2.1/clusters/edit", ten)
    path = put(workspace, "slow", f"{HEAD}import time\ntime.sleep(4)\n")
    run = submit(workspace, path, existing_cluster_id=environment.cluster)
    deadline = time.monotonic() + 20
    while workspace.do("GET", "2.2/jobs/runs/get", run_id=run)["state"]["life_cycle_state"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Ten minutes last one second now.
    environment.ground.cloud.control.settings(speed=6000)
    time.sleep(2)
    assert workspace.do("GET", "2.1/clusters/get", cluster_id=environment.cluster)["state"] == "RUNNING"
    found, _ = end_of(workspace, run)
    assert found["state"]["result_state"] == "SUCCESS"


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_a_python_file_runs_too_on_a_cluster_that_was_stopped(environment: Environment, workspace: Workspace) -> None:
    workspace.do("POST", "2.1/clusters/delete", {"cluster_id": environment.cluster})
    workspace.until(environment.cluster, "TERMINATED")
    path = put(workspace, "file.py", "import sys\nassert sys.argv[1] == 'given', sys.argv\nsys.exit(0)\n")
    task = {"python_file": path, "parameters": ["given"]}
    body = {"task_key": "t", "existing_cluster_id": environment.cluster, "spark_python_task": task}
    run = workspace.do("POST", "2.2/jobs/runs/submit", {"tasks": [body], "idempotency_token": "once"})["run_id"]
    again = workspace.do("POST", "2.2/jobs/runs/submit", {"tasks": [body], "idempotency_token": "once"})["run_id"]
    assert run == again
    found, output = end_of(workspace, run)
    assert found["state"]["result_state"] == "SUCCESS", output
    listed = workspace.do("GET", "2.2/jobs/runs/list", completed_only="true")
    assert [each["run_id"] for each in listed["runs"]] == [run]
    assert "runs" not in workspace.do("GET", "2.2/jobs/runs/list", active_only="true")
    # A token stays that of its run, also when that has ended, and is never free again.
    once = {"tasks": [body], "idempotency_token": "once"}
    assert workspace.do("POST", "2.2/jobs/runs/submit", once) == {"run_id": run}
    workspace.do("POST", "2.2/jobs/runs/delete", {"run_id": run})
    refused = workspace.ask("POST", "2.2/jobs/runs/submit", once)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "was deleted" in refused.json()["message"]


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ({"existing_cluster_id": "0101-000000-nothing1"}, "failed since the cluster does not exist"),
        ({"new_cluster": OWN_CLUSTER, "libraries": [{"pypi": {"package": "no-such-package"}}]}, "No matching distrib"),
        ({}, "Unable to access the notebook"),
    ],
)
def test_a_run_that_cannot_begin_says_why(
    environment: Environment, workspace: Workspace, task: dict[str, Any], told: str, runtime: Path
) -> None:
    del runtime
    run = submit(workspace, "/Shared/nothing", **(task or {"existing_cluster_id": environment.cluster}))
    found, output = end_of(workspace, run)
    assert found["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert told in output["error"]


def test_quota_that_is_used_up_ends_a_run_with_azure_s_reason(environment: Environment, workspace: Workspace) -> None:
    environment.ground.cloud.control.settings(quota={"cores": 4})
    path = put(workspace, "quick", f"{HEAD}print(1)\n")
    _, output = end_of(workspace, submit(workspace, path, new_cluster=OWN_CLUSTER))
    assert "is in unexpected state Terminated: AZURE_QUOTA_EXCEEDED_EXCEPTION" in output["error"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_PARAMETER_VALUE"),
        ({"tasks": [{"task_key": "t", "existing_cluster_id": "c"}]}, "INVALID_PARAMETER_VALUE"),
        ({"tasks": [{"task_key": "t", "notebook_task": {"notebook_path": "/n"}}]}, "INVALID_PARAMETER_VALUE"),
        (
            {"tasks": [{"task_key": "t", "existing_cluster_id": "c", "notebook_task": {"notebook_path": "n"}}]},
            "INVALID_PARAMETER_VALUE",
        ),
        (
            {
                "tasks": [
                    {"task_key": "t", "new_cluster": {"spark_version": "1"}, "notebook_task": {"notebook_path": "/n"}}
                ]
            },
            "INVALID_PARAMETER_VALUE",
        ),
        ({"idempotency_token": "x" * 65}, "INVALID_PARAMETER_VALUE"),
        ({"tasks": [TASK], "run_as": 7}, "MALFORMED_REQUEST"),
        ({"tasks": [{**TASK, "libraries": 7}]}, "MALFORMED_REQUEST"),
    ],
)
def test_a_wrong_submission_is_refused(
    environment: Environment, workspace: Workspace, body: dict[str, Any], code: str
) -> None:
    environment.ground.cloud.wrong_on_purpose("POST .*/jobs/runs/submit")
    assert workspace.error("POST", "2.2/jobs/runs/submit", body) == (400, code)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeCloud]:
    """A practice cloud without the clusters' packages, and without a way to get them."""
    monkeypatch.setenv("HOL_WIZARD_PRACTICE_RUNTIME", str(tmp_path / "runtime"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    log = tmp_path / "exchanges.jsonl"
    endpoints = launch.start(tmp_path / "practice", speed=6000, keep=True, log_exchanges=log)
    yield PracticeCloud(tmp_path / "practice", endpoints, launch.ControlClient(endpoints), log)
    launch.stop(tmp_path / "practice")


@pytest.mark.slow
def test_without_the_packages_and_the_internet_one_line_says_what_to_do(offline: PracticeCloud) -> None:
    offline.register_providers()
    arm = Arm(offline, user_token(offline))
    arm.make_group()
    path = provider("Databricks/workspaces", "practice-db")
    arm.poll(arm.ask("PUT", path, databricks_body(arm), version=DATABRICKS))
    made = arm.ask("GET", path, version=DATABRICKS).json()
    workspace = Workspace(offline, made, user_token(offline, scope=SCOPE))
    path = put(workspace, "quick", f"{HEAD}print(1)\n")
    found, output = end_of(workspace, submit(workspace, path, new_cluster=OWN_CLUSTER))
    assert found["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert "Connect this machine to the internet, or name a mirror in PIP_INDEX_URL" in output["error"]
    assert "No matching distribution found" in output["error"]
