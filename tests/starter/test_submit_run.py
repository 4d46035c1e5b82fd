"""`submit_run_db.py` as the build runs it: with the service connection's principal, who is nobody in the workspace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hol_wizard.practice.arm import roles
from tests.practice.conftest import MACHINE_LEARNING
from tests.practice.machine_learning import MODELS
from tests.practice.test_databricks import Workspace
from tests.starter.conftest import STARTER, Import
from tests.starter.ground import DATABRICKS_WORKSPACE, LIBRARIES, Environment, Ground

NOTEBOOKS = STARTER / "Project_One" / "notebooks"
QUICK = """# Databricks notebook source
import training

# COMMAND ----------

dbutils.notebook.exit(dbutils.widgets.get("created_by"))
"""
SLOW = "# Databricks notebook source\nimport time\ntime.sleep(600)\n"
BROKEN = "# Databricks notebook source\nraise ValueError('no column age')\n"


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back how this process takes signals."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture
def module(starter: Import, handlers: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    one = starter("submit_run_db")
    monkeypatch.setattr(one, "SECONDS_BETWEEN_LOOKS", 0.05)
    return one


def variables(environment: Environment) -> dict[str, str]:
    """What the build hands over; the sign-in is the service connection's."""
    ground = environment.ground
    return {
        "SUBSCRIPTION_ID": ground.cloud.subscription,
        "RESOURCE_GROUP": "lab",
        "DB_WORKSPACE_NAME": "lab-db",
        "DB_CLUSTER_ID": environment.cluster,
        "AUTHOR": "pipeline",
        "BUILD_BUILDID": "42",
        "AZURE_TENANT_ID": str(ground.cloud.endpoints["defaults"]["tenant"]),
        "AZURE_CLIENT_ID": ground.connection.app_id,
        "AZURE_CLIENT_SECRET": ground.connection.secret,
        "AZURE_AUTHORITY_HOST": str(ground.cloud.endpoints["active_directory"]),
        **ground.variables,
    }


@pytest.fixture
def build(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The build's environment variables."""
    for name, value in variables(environment).items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def connected(build: Environment) -> Environment:
    """The service connection is Contributor on the Databricks workspace."""
    build.ground.give(build.ground.connection, roles.CONTRIBUTOR, DATABRICKS_WORKSPACE)
    return build


def script(repository: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another notebook run than the lab's."""
    (repository / "Project_One" / "notebooks" / "quick.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("SCRIPT_NAME", "quick.py")


def runs(workspace: Workspace) -> list[dict[str, Any]]:
    return list(workspace.do("GET", "2.2/jobs/runs/list", expand_tasks="true").get("runs", []))


def uploaded(ground: Ground) -> list[str]:
    """Return what is left in the folder of builds."""
    path = f"/Users/{ground.connection.app_id}/Project_One/builds"
    found = ground.databricks().ask("GET", "2.0/workspace/list", path=path)
    return [each["path"] for each in found.json().get("objects", [])] if found.ok else []


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_it_trains_on_a_cluster_of_its_own_and_leaves_nothing(
    module: ModuleType, connected: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    ground, workspace = connected.ground, connected.ground.databricks()
    # Nobody needs the attendee's cluster to run.
    workspace.do("POST", "2.1/clusters/delete", {"cluster_id": connected.cluster})
    assert module.main() == 0
    told = capsys.readouterr().out
    (run,) = runs(workspace)
    assert run["creator_user_name"] == ground.connection.app_id
    assert run["run_page_url"] in told
    assert "Trained. {" in told
    (task,) = run["tasks"]
    assert task["libraries"] == LIBRARIES
    cluster = workspace.do("GET", "2.1/clusters/get", cluster_id=task["cluster_instance"]["cluster_id"])
    assert (cluster["cluster_source"], cluster["node_type_id"]) == ("JOB", "Standard_D4ds_v5")
    assert cluster["single_user_name"] == ground.connection.app_id
    assert cluster["spark_version"] == "16.4.x-scala2.13"
    assert cluster["state"] in {"TERMINATING", "TERMINATED"}
    assert uploaded(ground) == []
    found = ground.arm.ask("GET", f"{MODELS}/worst_regression/versions/1", version=MACHINE_LEARNING).json()
    assert found["properties"]["tags"] == {"state": "dev", "created_by": "pipeline"}


def test_each_right_that_is_missing_is_named(
    module: ModuleType, build: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert module.main() == 3
    assert "It needs the role Contributor on lab-db" in capsys.readouterr().err
    build.ground.give(build.ground.connection, roles.READER, DATABRICKS_WORKSPACE)
    assert module.main() == 3
    told = capsys.readouterr().err
    assert "Could not enter the workspace" in told
    assert "Unauthorized access to Org" in told
    assert "It needs the role Contributor on the Databricks workspace" in told
    assert runs(build.ground.databricks()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_a_failed_training_shows_its_error_and_exits_with_1(
    module: ModuleType,
    connected: Environment,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script(repository, BROKEN, monkeypatch)
    assert module.main() == 1
    told = capsys.readouterr().err
    assert "ended as FAILED" in told
    assert "ValueError: no column age" in told
    assert uploaded(connected.ground) == []


@pytest.mark.slow
@pytest.mark.usefixtures("runtime")
def test_an_answer_that_was_lost_starts_no_second_run(
    module: ModuleType,
    connected: Environment,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script(repository, QUICK, monkeypatch)
    connected.ground.cloud.control.fault("drop", path="/jobs/runs/submit", after=True, times=1)
    assert module.main() == 0
    assert "Trained. pipeline" in capsys.readouterr().out
    assert len(runs(connected.ground.databricks())) == 1


def test_a_training_that_takes_too_long_is_canceled(
    module: ModuleType, connected: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIMEOUT_MINUTES", "0")
    assert module.main() == 4
    told = capsys.readouterr()
    assert "has not ended within 0 minutes" in told.err
    assert "was canceled" in told.out
    (run,) = runs(connected.ground.databricks())
    assert run["state"]["life_cycle_state"] in {"TERMINATING", "TERMINATED"}


def test_a_run_whose_submission_was_not_answered_is_canceled_too(module: ModuleType, connected: Environment) -> None:
    environment = variables(connected)
    sign_in = module.model_registry.sign_in_of(environment)
    url, resource = module.find_workspace(environment, sign_in)
    databricks = module.Databricks(url, resource, sign_in, module.Services.of(environment))
    cluster, _ = databricks.job_cluster(connected.cluster, databricks.identity())
    task = {"task_key": "train", "new_cluster": cluster, "notebook_task": {"notebook_path": "/Shared/nothing"}}
    training = module.Training(databricks, {"tasks": [task], "idempotency_token": "t"})
    training.end()
    assert runs(connected.ground.databricks()) == []
    databricks.submit({"tasks": [task], "idempotency_token": "t"})
    training._submitting = True
    training.end()
    (run,) = runs(connected.ground.databricks())
    assert run["state"]["result_state"] == "CANCELED"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped_leaves_nothing_that_costs_money(
    connected: Environment, repository: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    script(repository, SLOW, monkeypatch)
    program = repository / "Project_One" / "notebooks" / "submit_run_db.py"
    told = ""
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as build:
        assert build.stdout is not None
        while "Run " not in told:
            line = build.stdout.readline()
            assert line, build.communicate()
            told += line
        build.send_signal(number)
        out, err = build.communicate(timeout=20)
    assert build.returncode == 4
    assert "was canceled" in out
    assert f"Stopped by {number.name}" in err
    (run,) = runs(connected.ground.databricks())
    assert run["state"]["life_cycle_state"] in {"TERMINATING", "TERMINATED"}
    assert uploaded(connected.ground) == []


def test_every_module_that_the_notebook_imports_is_uploaded(module: ModuleType) -> None:
    text = (NOTEBOOKS / "train_model.py").read_text(encoding="utf-8")
    assert {each.name for each in NOTEBOOKS.glob("*.py")} - {"train_model.py", "submit_run_db.py"} == set(
        module.MODULES
    )
    assert all(f"import {name.removesuffix('.py')}\n" in text for name in module.MODULES)


def test_a_cluster_with_workers_is_copied_with_them(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(_method: str, path: str, **_: str) -> dict[str, Any]:
        if "libraries" in path:
            return {"library_statuses": [{"library": LIBRARIES[0], "status": "INSTALLED"}]}
        return {"spark_version": "v", "node_type_id": "n", "autoscale": {"min_workers": 1}, "num_workers": 1}

    databricks = module.Databricks("https://x", "", None, None)
    monkeypatch.setattr(databricks, "ask", told)
    cluster, libraries = databricks.job_cluster("c", "me")
    assert libraries == LIBRARIES
    assert cluster == {
        "spark_version": "v",
        "node_type_id": "n",
        "autoscale": {"min_workers": 1},
        "data_security_mode": "SINGLE_USER",
        "single_user_name": "me",
    }


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DB_CLUSTER_ID", "$(db-cluster-id)", "db-cluster-id in the variable group"),
        ("SCRIPT_NAME", "nothing.py", "SCRIPT_NAME is not right"),
        ("TIMEOUT_MINUTES", "soon", "not a number: 'soon'"),
        ("DB_WORKSPACE_NAME", "$(db-workspace-name)", "Not set: DB_WORKSPACE_NAME"),
    ],
)
def test_a_wrong_setting_exits_with_2(
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    told: str,
) -> None:
    for each in ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "DB_WORKSPACE_NAME", "DB_CLUSTER_ID"):
        monkeypatch.setenv(each, "given")
    monkeypatch.setenv(name, value)
    assert module.main() == 2
    assert told in capsys.readouterr().err
