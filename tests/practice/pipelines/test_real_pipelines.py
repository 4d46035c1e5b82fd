"""Real pipelines of public projects, and the official schema for what is expanded."""

import importlib.util
import types
from pathlib import Path

import pytest
import yaml

from hol_wizard.practice.pipelines import tasks
from hol_wizard.practice.pipelines.compile import Context, compile_pipeline
from hol_wizard.practice.pipelines.plan import PipelineError
from tests.practice.pipelines.files import compiled, starter_text

CONTRACTS = Path(__file__).parents[4] / "shared" / "contracts"
REAL = CONTRACTS / "realworld" / "public" / "pipelines"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the contracts are not here")
EXPANDED = 28


class RealFiles:
    """The files of one project, whose names have underscores for slashes."""

    def __init__(self, project: str) -> None:
        self._project = project

    def read(self, path: str, repository: str = "", ref: str = "") -> str | None:
        if repository:
            raise LookupError("it is not here.")
        file = REAL / f"{self._project}__{path.replace('/', '_')}"
        return file.read_text(encoding="utf-8") if file.is_file() else None


@pytest.fixture(scope="module")
def schema() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("pipeline_check", CONTRACTS / "pipeline_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_real_pipelines_are_expanded_and_fit_the_schema_or_are_refused_by_name(schema: types.ModuleType) -> None:
    expanded, refused = [], []
    for file in sorted(REAL.iterdir()):
        project, _, name = file.name.partition("__")
        path = name.replace("_", "/")
        try:
            plan = compile_pipeline(RealFiles(project), path, Context(machine="linux"))
        except PipelineError as error:
            refused.append((file.name, error.problems))
            continue
        expanded.append(file.name)
        assert schema.check(yaml.safe_load(plan.final_yaml)) is None, file.name
        assert compiled(plan.final_yaml).final_yaml == plan.final_yaml

    assert len(expanded) == EXPANDED
    assert len(expanded) + len(refused) == 72
    for name, problems in refused:
        for problem in problems:
            assert problem.place.line >= 1, name
            assert "'" in problem.message or "@" in problem.message or "." in problem.message, problem.message


@pytest.mark.parametrize("name", ["azure-pipelines.yml", "azure-pipelines-release.yml"])
def test_the_starters_pipelines_fit_the_schema_before_and_after_they_are_expanded(
    name: str, schema: types.ModuleType
) -> None:
    # The schema has no inputs for version 2 of the coverage task; version 1 has the same ones, and one more.
    text = starter_text(name).replace("PublishCodeCoverageResults@2", "PublishCodeCoverageResults@1")
    with_tool = text.replace("summaryFileLocation", "codeCoverageTool: Cobertura\n      summaryFileLocation")

    assert schema.check(yaml.safe_load(with_tool)) is None
    assert schema.check(yaml.safe_load(compiled(with_tool).final_yaml)) is None


def test_the_tasks_have_the_inputs_of_the_official_schema(schema: types.ModuleType) -> None:
    """Choices, names and aliases, as far as the schema has them."""
    official = {
        variant["properties"]["task"]["pattern"].strip("^$").lower(): variant["properties"]["inputs"]["properties"]
        for variant in schema.S["definitions"]["task"]["anyOf"]
        if "pattern" in variant["properties"]["task"] and "inputs" in variant["properties"]
    }
    compared = 0
    for task in {each.reference: each for each in tasks.known().values()}.values():
        known = official.get(task.reference.lower())
        if known is None:
            continue
        compared += 1
        for name, shape in known.items():
            found = task.input(name)
            assert found is not None, f"{task.reference} has no {name}"
            for alias in shape.get("aliases", ()):
                assert task.input(alias) is found, f"{task.reference}: {alias}"
            choices = {each.lower() for each in shape.get("enum", ())}
            if found.options:
                assert choices <= {each.lower() for each in found.options}, f"{task.reference}: {name}"
    assert compared > 20
