"""What the repository is made of: it is valid, it is alike on all systems, and nothing is left to be replaced."""

from __future__ import annotations

import ast
import importlib.resources
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.starter.conftest import STARTER

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"
SCRIPTS = sorted(STARTER.rglob("*.sh"))
PIPELINES = ("azure-pipelines.yml", "azure-pipelines-release.yml")


def files() -> Iterator[Path]:
    for file in sorted(STARTER.rglob("*")):
        if file.is_file() and not {"__pycache__", ".ruff_cache"} & set(file.parts):
            yield file


def test_the_layout_is_the_lab_s() -> None:
    assert {file.relative_to(STARTER).as_posix() for file in files()} == {
        ".gitattributes",
        ".gitignore",
        "Project_One-Tests/dockerfile",
        "Project_One-Tests/requirements.txt",
        "Project_One-Tests/run_tests.py",
        "Project_One-Tests/runtests_local.cmd",
        "Project_One-Tests/runtests_local.sh",
        "Project_One-Tests/runtests_pipeline.sh",
        "Project_One-Tests/test_ml_metrics.py",
        "Project_One-Tests/test_model.py",
        "Project_One/.dockerignore",
        "Project_One/build.py",
        "Project_One/dockerfile",
        "Project_One/inference_code/__init__.py",
        "Project_One/inference_code/model_class.py",
        "Project_One/inference_code/utility.py",
        "Project_One/notebooks/model_registry.py",
        "Project_One/notebooks/submit_run_db.py",
        "Project_One/notebooks/train_model.py",
        "Project_One/notebooks/training.py",
        "Project_One/requirements.txt",
        "Project_One/runbuild_local.cmd",
        "Project_One/runbuild_local.sh",
        "Project_One/runbuild_pipeline.sh",
        "Project_One/score.py",
        "Project_One/server.py",
        "Project_One/settings.example.env",
        "README.md",
        "azure-pipelines-release.yml",
        "azure-pipelines.yml",
        "ruff.toml",
    }


def test_it_is_data_of_the_package() -> None:
    data = importlib.resources.files("hol_wizard") / "starter"
    assert (data / ".gitattributes").is_file()
    assert not list(STARTER.rglob("__init__.py"))[1:], "only inference_code is a package, and only in the repository"
    assert not (STARTER / "__init__.py").exists()


def test_line_ends_are_those_of_the_system_that_runs_them() -> None:
    for file in files():
        content = file.read_bytes()
        if file.suffix == ".cmd":
            assert content.count(b"\n") == content.count(b"\r\n") > 0, file
        else:
            assert b"\r" not in content, file
        assert content.endswith(b"\n"), file
        content.decode("utf-8")


def test_nothing_is_left_to_be_replaced_by_hand() -> None:
    for file in files():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"<[A-Z_]{4,}>|TODO|FIXME|\[YOUR|\{\{ ", text), file


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_parse_and_are_executable(script: Path) -> None:
    if sys.platform == "win32" or shutil.which("sh") is None:
        pytest.skip("there is no sh")
    subprocess.run(["sh", "-n", script], check=True)
    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")


@pytest.mark.parametrize(
    ("name", "program"),
    [("Project_One/runbuild_local", "build.py"), ("Project_One-Tests/runtests_local", "run_tests.py")],
)
def test_both_scripts_start_one_program_and_hand_on_arguments_and_exit_code(name: str, program: str) -> None:
    shell = (STARTER / f"{name}.sh").read_text(encoding="utf-8").splitlines()
    batch = (STARTER / f"{name}.cmd").read_text(encoding="utf-8").splitlines()
    assert shell[-1] == f'exec "$python" {program} "$@"'
    # A batch file's exit code is that of its last command.
    assert batch[-1] == f"%hol_python% {program} %*"
    assert shell[1].removeprefix("# ") == batch[1].removeprefix("rem ")
    assert (STARTER / name).with_name(program).is_file()


def test_ruff_has_nothing_to_say() -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", "ruff.toml", "."],
            cwd=STARTER,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_runs_on_the_oldest_python_it_is_for() -> None:
    for file in files():
        if file.suffix == ".py":
            ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 11))


def pipeline(name: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    # YAML 1.1 reads `on` as true; nothing here is called so.
    return dict(yaml.safe_load((STARTER / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not CONTRACTS.exists():
        pytest.skip("the schema is not here")
    monkeypatch.setattr(sys, "path", [str(CONTRACTS), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    check = __import__("pipeline_check").check
    document = pipeline(name)
    for step in [each for each in document.get("steps", []) if each.get("task") == "PublishCodeCoverageResults@2"]:
        # The schema knows this task's name and none of its inputs: it refuses Azure/azure-dev's own use of it, too.
        assert set(step["inputs"]) <= {"summaryFileLocation", "pathToSources", "failIfCoverageEmpty"}
        document["steps"].remove(step)
    assert check(document) is None


def test_the_build_reads_only_secrets_of_the_list_and_hands_over_what_the_programs_want() -> None:
    document = pipeline("azure-pipelines.yml")
    text = (STARTER / "azure-pipelines.yml").read_text(encoding="utf-8")
    known = {
        *("subscription-id", "resource-group", "ml-workspace-name", "alg-state", "created-by", "acr-name"),
        *("db-workspace-name", "db-cluster-id", "model-name", "image-name"),
    }
    assert set(re.findall(r"\$\(([a-z-]+)\)", text)) == known
    build = next(step for step in document["steps"] if step.get("displayName") == "Build Inference Container")
    example = (STARTER / "Project_One" / "settings.example.env").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) | {"ACR_NAME"} == set(build["env"])
    for step in document["steps"]:
        if "scriptPath" in step.get("inputs", {}):
            assert (STARTER / step["inputs"]["scriptPath"]).is_file()


def test_both_stages_of_the_release_do_the_same() -> None:
    qa, production = pipeline("azure-pipelines-release.yml")["stages"]
    assert production["dependsOn"] == "QA"
    assert qa["jobs"][0]["strategy"] == production["jobs"][0]["strategy"]
    assert (qa["jobs"][0]["environment"], production["jobs"][0]["environment"]) == ("hol-qa", "hol-production")


def test_every_requirement_is_pinned() -> None:
    for file in STARTER.rglob("requirements.txt"):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line) for line in lines), file
        assert lines == sorted(lines, key=lambda line: line.split("==")[0])


def test_dockerfiles_need_no_buildkit_and_do_not_run_as_root() -> None:
    for file in STARTER.rglob("dockerfile"):
        text = file.read_text(encoding="utf-8")
        assert "# syntax" not in text
        assert "--mount" not in text
        assert "<<" not in text
        assert "--platform" not in text
        users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
        assert users[-1] == "10001:10001"


def test_git_takes_the_starter_and_not_what_it_leaves_behind(repository: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    for name in (
        "ml_temp/artifacts/artifacts.json",
        "Project_One/assets/model.pkl",
        "Project_One/settings.env",
        "Project_One/notebooks/__pycache__/training.pyc",
    ):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=repository, check=True)
    subprocess.run(["git", "add", "."], cwd=repository, check=True, capture_output=True)
    listed = subprocess.run(["git", "ls-files"], cwd=repository, check=True, capture_output=True, text=True).stdout
    assert listed.splitlines() == sorted(file.relative_to(STARTER).as_posix() for file in files())
    attributes = ["git", "ls-files", "--eol", "Project_One/runbuild_local.cmd"]
    eol = subprocess.run(attributes, cwd=repository, check=True, capture_output=True, text=True).stdout
    assert eol.split()[:2] == ["i/lf", "w/crlf"]
