from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.starter import cloud as fake
from tests.starter.cloud import Cloud
from tests.starter.conftest import STARTER, Import

NOTEBOOK = STARTER / "Project_One" / "notebooks" / "train_model.py"
SECRETS = {
    "sp-app-id": fake.APP_ID,
    "sp-password": fake.PASSWORD,
    "datalake-fqdn": "abfss://datalake@janedldabcde.dfs.core.windows.net",
    "subscription-id": fake.SUBSCRIPTION,
    "resource-group": fake.GROUP,
    "ml-workspace-name": fake.WORKSPACE,
    "alg-state": "dev",
    "created-by": "operations",
}


class Exit(Exception):
    """What `dbutils.notebook.exit` raises, on Databricks as well."""


class Widgets:
    """The boxes above a notebook; a run fills them in with its parameters."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def text(self, name: str, default: str, _label: str) -> None:
        self.values.setdefault(name, default)

    def get(self, name: str) -> str:
        return self.values[name]


class FakeDatabricks:
    """`dbutils` and `spark`, as far as the notebook uses them; everything else fails."""

    def __init__(self, people: Any, secrets: dict[str, str]) -> None:
        self.conf_values: dict[str, str] = {}
        self.values = secrets
        self.people = people
        self.read_from: list[tuple[str, dict[str, Any]]] = []
        self.secrets = self.notebook = self.conf = self.read = self
        self.widgets = Widgets()

    def get(self, scope: str, key: str) -> str:
        assert scope == "data-lake"
        return self.values[key]

    def set(self, name: str, value: str) -> None:
        self.conf_values[name] = value

    def csv(self, url: str, **options: Any) -> FakeDatabricks:
        self.read_from.append((url, options))
        return self

    def toPandas(self) -> Any:
        return self.people

    def sql(self, statement: str) -> FakeDatabricks:
        assert statement == "SELECT current_user()"
        return self

    def first(self) -> list[str]:
        return ["Jane.Doe@contoso.com"]

    def exit(self, result: str) -> None:
        raise Exit(result)


def cells() -> list[str]:
    source = NOTEBOOK.read_text(encoding="utf-8")
    assert source.startswith("# Databricks notebook source\n")
    return source.removeprefix("# Databricks notebook source\n").split("\n# COMMAND ----------\n")


def is_text(cell: str) -> bool:
    return cell.strip().startswith("# MAGIC %md")


def run(cloud: Cloud, databricks: FakeDatabricks, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    databricks.values.setdefault("sp-token-endpoint", f"{cloud.url}/tenant/oauth2/token")
    names: dict[str, Any] = {"__name__": "__main__", "dbutils": databricks, "spark": databricks}
    for cell in cells():
        try:
            exec(compile(cell, str(NOTEBOOK), "exec"), names)  # noqa: S102  a cell after the other, as Databricks does
        except Exit as exited:
            return dict(json.loads(str(exited)))
    raise AssertionError("the notebook has told nothing at its end")


def test_each_cell_is_either_text_or_python() -> None:
    kinds = [is_text(cell) for cell in cells()]
    assert len(kinds) == 13
    assert kinds[0]
    assert kinds[1::2] == [True] * 6
    for cell in cells():
        lines = [line for line in cell.strip().splitlines() if line]
        if is_text(cell):
            assert all(line.startswith("# MAGIC") for line in lines)
        else:
            assert not any(line.startswith("# MAGIC") for line in lines)
            ast.parse(cell)


def test_no_name_of_an_environment_and_no_mount_is_in_it() -> None:
    code = "\n".join(cell for cell in cells() if not is_text(cell))
    assert "mount" not in code
    assert "azureml" not in code
    assert "core.windows.net" not in code


def test_it_trains_and_registers_under_the_name_of_who_runs_it(
    starter: Import,
    cloud: Cloud,
    stand_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    databricks = FakeDatabricks(stand_in, dict(SECRETS))
    result = run(cloud, databricks, monkeypatch)
    account = "janedldabcde.dfs.core.windows.net"
    assert databricks.read_from[0][0] == f"abfss://datalake@{account}/AdultCensusIncome.csv"
    assert databricks.conf_values[f"fs.azure.account.auth.type.{account}"] == "OAuth"
    assert all(name.endswith(f".{account}") for name in databricks.conf_values)
    assert len(databricks.conf_values) == 5
    assert result["version"] == "1"
    assert result["tags"] == {"state": "dev", "created_by": "jane.doe"}
    assert result["r2"] == pytest.approx(0.00757, abs=1e-6)
    registered = cloud.versions["worst_regression"]["1"]["properties"]
    assert registered["tags"] == result["tags"]
    assert {name.rsplit("/", 1)[1] for name in cloud.blobs} == {
        "model.json",
        "model.pkl",
        "x_scaler.pkl",
        "y_scaler.pkl",
    }
    printed = capsys.readouterr().out
    assert "R2:   0.007570" in printed
    assert fake.PASSWORD not in printed


def test_the_pipeline_s_model_bears_the_name_in_the_secret(
    starter: Import, cloud: Cloud, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks = FakeDatabricks(stand_in, SECRETS | {"alg-state": "pipeline"})
    assert run(cloud, databricks, monkeypatch)["tags"] == {"state": "pipeline", "created_by": "operations"}


def test_whoever_has_another_alias_says_so(
    starter: Import, cloud: Cloud, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks = FakeDatabricks(stand_in, dict(SECRETS))
    databricks.widgets.values["created_by"] = "jd"
    assert run(cloud, databricks, monkeypatch)["tags"] == {"state": "dev", "created_by": "jd"}


def test_the_notebook_reads_only_secrets_of_the_list() -> None:
    tree = ast.parse(NOTEBOOK.read_text(encoding="utf-8"))
    asked = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "secret"
        and isinstance(node.args[0], ast.Constant)
    }
    assert asked == {*SECRETS, "sp-token-endpoint"}


def test_the_modules_know_neither_spark_nor_databricks_nor_an_sdk() -> None:
    for file in Path(NOTEBOOK.parent).glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in {"pyspark", "databricks", "azure", "azureml", "mlflow", "requests"}
