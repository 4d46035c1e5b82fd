from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.starter import cloud as fake
from tests.starter.cloud import Cloud, refused
from tests.starter.conftest import STARTER, Import

NOTEBOOKS = STARTER / "Project_One" / "notebooks"


@pytest.fixture
def module(starter: Import, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    one = starter("submit_run_db")
    monkeypatch.setattr(one.time, "sleep", lambda _seconds: None)
    return one


@pytest.fixture
def environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What the build pipeline hands over."""
    given = {
        "SUBSCRIPTION_ID": fake.SUBSCRIPTION,
        "RESOURCE_GROUP": fake.GROUP,
        "DB_WORKSPACE_NAME": "jane-pipeline",
        "DB_WORKSPACE_URL": cloud.url,
        "DB_CLUSTER_ID": "1123-101010-abcdefgh",
        "DB_ACCESS_TOKEN": "token-for-databricks",
        "ARM_ACCESS_TOKEN": fake.ARM_TOKEN,
        "BUILD_BUILDID": "42",
        **cloud.environment,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_it_uploads_what_was_checked_out_and_trains(
    module: ModuleType, cloud: Cloud, environment: object, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.run_states = [
        {"life_cycle_state": "PENDING", "state_message": "Waiting for cluster"},
        {"life_cycle_state": "RUNNING"},
        {"life_cycle_state": "RUNNING"},
        {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"},
    ]
    assert module.main() == 0
    folder = "/Shared/Project_One/builds/42"
    assert cloud.workspace_files == {
        f"{folder}/train_model": ("SOURCE", (NOTEBOOKS / "train_model.py").read_bytes()),
        f"{folder}/training.py": ("AUTO", (NOTEBOOKS / "training.py").read_bytes()),
        f"{folder}/model_registry.py": ("AUTO", (NOTEBOOKS / "model_registry.py").read_bytes()),
    }
    (submitted,) = cloud.submitted
    assert submitted["tasks"][0]["existing_cluster_id"] == "1123-101010-abcdefgh"
    assert submitted["tasks"][0]["notebook_task"]["notebook_path"] == f"{folder}/train_model"
    assert submitted["idempotency_token"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == 'Trained. {"r2": 0.005}'
    assert printed.count("RUNNING") == 1
    assert "PENDING Waiting for cluster" in printed


def test_every_module_that_the_notebook_imports_is_uploaded(module: ModuleType) -> None:
    text = (NOTEBOOKS / "train_model.py").read_text(encoding="utf-8")
    assert {each.name for each in NOTEBOOKS.glob("*.py")} - {"train_model.py", "submit_run_db.py"} == set(
        module.MODULES
    )
    assert all(f"import {name.removesuffix('.py')}\n" in text for name in module.MODULES)


def test_a_failed_training_shows_its_error_and_exits_with_1(
    module: ModuleType, cloud: Cloud, environment: object, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.run_states = [{"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "See the error."}]
    cloud.run_output = {"error": "DataError: no column age", "error_trace": "Traceback …\nDataError: no column age"}
    assert module.main() == 1
    told = capsys.readouterr().err
    assert "ended as FAILED. https://run" in told
    assert "DataError: no column age" in told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DB_CLUSTER_ID", "$(db-cluster-id)", "db-cluster-id in the variable group"),
        ("SCRIPT_NAME", "nothing.py", "SCRIPT_NAME is not right"),
        ("TIMEOUT_MINUTES", "soon", "no number: 'soon'"),
    ],
)
def test_a_wrong_setting_exits_with_2(
    module: ModuleType,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    told: str,
) -> None:
    environment.setenv(name, value)
    assert module.main() == 2
    assert told in capsys.readouterr().err


def test_without_a_token_of_its_own_the_sign_in_is_asked_for_one(
    module: ModuleType, cloud: Cloud, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Azure Pipelines leaves the name where the variable group does not have it; whoever is signed in here has another.
    environment.setenv("DB_ACCESS_TOKEN", "$(db-access-token)")
    assert module.main() == 3
    assert f"There is no token for {module.DATABRICKS}" in capsys.readouterr().err
    assert not cloud.submitted


def test_a_workspace_without_a_name_exits_with_2(
    module: ModuleType, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("DB_WORKSPACE_URL")
    environment.setenv("DB_WORKSPACE_NAME", "$(db-workspace-name)")
    assert module.main() == 2
    assert "Not set: DB_WORKSPACE_NAME" in capsys.readouterr().err


def test_a_refusal_exits_with_3(
    module: ModuleType, cloud: Cloud, environment: object, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.next_answers.append(("POST /api/2.0/workspace/mkdirs", refused(403, "PERMISSION_DENIED")))
    assert module.main() == 3
    assert "Is the service connection Contributor" in capsys.readouterr().err


def test_a_training_that_takes_too_long_is_cancelled(
    module: ModuleType, cloud: Cloud, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("TIMEOUT_MINUTES", "0")
    cloud.run_states = [{"life_cycle_state": "RUNNING"}]
    assert module.main() == 4
    assert ("POST", "/api/2.2/jobs/runs/cancel") in cloud.requests


def test_the_workspace_is_found_by_its_name(module: ModuleType, cloud: Cloud, starter: Import) -> None:
    registry = starter("model_registry")
    sign_in: Any = registry.GivenTokens({registry.ARM: fake.ARM_TOKEN})
    environment = {
        "SUBSCRIPTION_ID": fake.SUBSCRIPTION,
        "RESOURCE_GROUP": fake.GROUP,
        "DB_WORKSPACE_NAME": "jane-pipeline",
        **cloud.environment,
    }
    assert module.workspace_url(environment, sign_in) == "https://adb-1.2.azuredatabricks.net"
    assert module.workspace_url({"DB_WORKSPACE_URL": "adb-1.2.example"}, sign_in) == "https://adb-1.2.example"
