"""The notebook as a text; how it runs is in `test_training_run.py`."""

from __future__ import annotations

import ast
from pathlib import Path

from hol_wizard.steps.secret_values import DATA_LAKE, ML_WORKSPACE
from tests.starter.conftest import STARTER

NOTEBOOK = STARTER / "Project_One" / "notebooks" / "train_model.py"


def cells() -> list[str]:
    source = NOTEBOOK.read_text(encoding="utf-8")
    assert source.startswith("# Databricks notebook source\n")
    return source.removeprefix("# Databricks notebook source\n").split("\n# COMMAND ----------\n")


def is_text(cell: str) -> bool:
    return cell.strip().startswith("# MAGIC %md")


def test_each_cell_is_either_text_or_python() -> None:
    kinds = [is_text(cell) for cell in cells()]
    assert len(kinds) == 15
    assert kinds[0]
    assert kinds[1::2] == [True] * 7
    for cell in cells():
        lines = [line for line in cell.strip().splitlines() if line]
        if is_text(cell):
            assert all(line.startswith("# MAGIC") for line in lines)
        else:
            assert not any(line.startswith("# MAGIC") for line in lines)
            ast.parse(cell)


def test_the_box_for_the_alias_is_made_by_the_first_cell_with_code() -> None:
    first = next(cell for cell in cells() if not is_text(cell))
    assert first.strip().startswith('dbutils.widgets.text("created_by"')


def test_no_name_of_an_environment_and_no_mount_is_in_it() -> None:
    code = "\n".join(cell for cell in cells() if not is_text(cell))
    assert "mount" not in code
    assert "azureml://" not in code
    assert "core.windows.net" not in code


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
    assert asked == {*DATA_LAKE, *ML_WORKSPACE}


def test_the_modules_know_neither_spark_nor_databricks_nor_an_sdk() -> None:
    for file in Path(NOTEBOOK.parent).glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        # The notebook needs no package to be imported: where MLflow is missing, it goes on.
        nodes = tree.body if file == NOTEBOOK else list(ast.walk(tree))
        for node in nodes:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in {"pyspark", "databricks", "azure", "azureml", "mlflow", "requests"}
