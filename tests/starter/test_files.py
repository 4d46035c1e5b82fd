"""What the repository is made of: it is valid, it is alike on all systems, and nothing is left to be replaced."""

from __future__ import annotations

import ast
import importlib.resources
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.lab.names import Names
from hol_wizard.lab.text import placeholders
from hol_wizard.resources.starter_project import NAMED, starter_files
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
        "Project_One-Tests/requirements.in",
        "Project_One-Tests/requirements.txt",
        "Project_One-Tests/run_tests.py",
        "Project_One-Tests/runtests_local.cmd",
        "Project_One-Tests/runtests_local.sh",
        "Project_One-Tests/runtests_pipeline.sh",
        "Project_One-Tests/smoketest.py",
        "Project_One-Tests/smoketest_pipeline.sh",
        "Project_One-Tests/test_ml_metrics.py",
        "Project_One-Tests/test_model.py",
        "Project_One/.dockerignore",
        "Project_One/build.py",
        "Project_One/configure_agent.sh",
        "Project_One/dockerfile",
        "Project_One/inference_code/__init__.py",
        "Project_One/inference_code/model_class.py",
        "Project_One/inference_code/utility.py",
        "Project_One/notebooks/model_registry.py",
        "Project_One/notebooks/submit_run_db.py",
        "Project_One/notebooks/train_model.py",
        "Project_One/notebooks/training.py",
        "Project_One/promote_pipeline.sh",
        "Project_One/push.py",
        "Project_One/requirements.in",
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


def text_of(name: str) -> str:
    """Return a pipeline as it is in a repository: with its reader's names."""
    return starter_files(Names(prefix="jane", default_branch="trunk"))[name].content.decode()


def pipeline(name: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    # YAML 1.1 reads `on` as true; nothing here is called so.
    return dict(yaml.safe_load(text_of(name)))


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not CONTRACTS.exists():
        pytest.skip("the schema is not here")
    monkeypatch.setattr(sys, "path", [str(CONTRACTS), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    check = __import__("pipeline_check").check
    document = pipeline(name)
    steps = [job.get("steps", []) for job in document.get("jobs", [])]
    for step in [each for each in chain(*steps) if each.get("task") == "PublishCodeCoverageResults@2"]:
        # The schema knows this task's name and none of its inputs: it refuses Azure/azure-dev's own use of it, too.
        assert set(step["inputs"]) <= {"summaryFileLocation", "pathToSources", "failIfCoverageEmpty"}
        document["jobs"][0]["steps"].remove(step)
    assert check(document) is None


def test_the_build_has_the_lab_s_tasks_in_the_lab_s_order() -> None:
    document = pipeline("azure-pipelines.yml")
    (job,) = document["jobs"]
    assert [(step["task"], step["displayName"]) for step in job["steps"]] == [
        ("AzureCLI@2", "Configure agent environment"),
        ("AzureCLI@2", "Train Model"),
        ("AzureCLI@2", "Build Inference Container"),
        ("AzureCLI@2", "Run Unit Tests"),
        ("CopyFiles@2", "Copy Files to: $(Build.ArtifactStagingDirectory)"),
        ("CopyFiles@2", "Copy Files to: $(Build.ArtifactStagingDirectory)/test_results"),
        ("PublishTestResults@2", "Publish Test Results test-results.xml"),
        ("PublishCodeCoverageResults@2", "Publish code coverage"),
        ("PublishPipelineArtifact@1", "Publish Artifact: PipelineArtifacts"),
    ]
    assert document["trigger"] == {"branches": {"include": ["trunk"]}}
    assert document["pool"] == {"vmImage": "ubuntu-24.04"}
    assert document["variables"] == [{"group": "hol-pipeline-kv"}]
    # The free job ends after 60 minutes, with all that was to clean up.
    assert job["timeoutInMinutes"] < 60


def test_nothing_turns_red_that_did_not_fail_itself() -> None:
    """The first failed record of a run is its cause."""
    steps = pipeline("azure-pipelines.yml")["jobs"][0]["steps"]
    late = [step for step in steps if "condition" in step]
    assert [step["task"] for step in late] == ["PublishTestResults@2", "PublishCodeCoverageResults@2"]
    assert not [key for step in late for key in step["inputs"] if key.startswith("fail")]


def test_pipelines_have_the_readers_names() -> None:
    for named in NAMED:
        found = named.found(text_of(named.file))
        assert found == (named.expected(Names(prefix="jane")),), named
    release = pipeline("azure-pipelines-release.yml")
    (source,) = release["resources"]["pipelines"]
    assert (source["source"], source["trigger"]["branches"]["include"]) == ("jane-build", ["trunk"])
    assert not [name for name in PIPELINES for _ in placeholders(text_of(name))]


def test_no_program_is_needed_that_only_a_hosted_agent_has() -> None:
    scripts = [
        step.get("inputs", {}).get("inlineScript", "") for step in pipeline("azure-pipelines.yml")["jobs"][0]["steps"]
    ]
    scripts += [script.read_text(encoding="utf-8") for script in SCRIPTS]
    for script in scripts:
        lines = [line for line in script.splitlines() if line and not line.lstrip().startswith("#")]
        words = {
            word for line in lines for word in re.findall(r"(?:^|\$\(|&& |exec |then |else |if )\s*([a-z_0-9]+)", line)
        }
        assert not words & {"jq", "pip", "pip3", "conda", "kubectl", "helm", "curl", "wget"}, script


def test_the_build_reads_only_secrets_of_the_list_and_hands_over_what_the_programs_want() -> None:
    document = pipeline("azure-pipelines.yml")
    text = text_of("azure-pipelines.yml")
    known = {
        *("subscription-id", "resource-group", "ml-workspace-name", "alg-state", "created-by", "acr-name"),
        *("db-workspace-name", "db-cluster-id", "model-name", "image-name"),
    }
    assert set(re.findall(r"\$\(([a-z-]+)\)", text)) == known
    steps = document["jobs"][0]["steps"]
    build = next(step for step in steps if step.get("displayName") == "Build Inference Container")
    example = (STARTER / "Project_One" / "settings.example.env").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) | {"ACR_NAME"} == set(build["env"])
    for step in steps:
        if "scriptPath" in step.get("inputs", {}):
            assert (STARTER / step["inputs"]["scriptPath"]).is_file()


def test_production_does_what_qa_does_except_for_the_smoke_test() -> None:
    qa, production = pipeline("azure-pipelines-release.yml")["stages"]
    assert production["dependsOn"] == "QA"
    assert (qa["jobs"][0]["environment"], production["jobs"][0]["environment"]) == ("hol-qa", "hol-production")
    *same, smoke_test = deployed_by(qa)
    assert same == deployed_by(production)
    assert [next(iter(step)) for step in same] == ["checkout", "download", "task"]
    assert (smoke_test["task"], smoke_test["displayName"]) == ("AzureCLI@2", "Run Smoke Test")
    for step in (same[-1], smoke_test):
        script = STARTER / step["inputs"]["scriptPath"]
        read = set(re.findall(r"\$\{?([A-Z_]+)", script.read_text(encoding="utf-8")))
        assert read == step["env"].keys()


def deployed_by(stage: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a stage of the release."""
    return list(stage["jobs"][0]["strategy"]["runOnce"]["deploy"]["steps"])


def test_every_requirement_is_pinned_and_has_hashes() -> None:
    for file in STARTER.rglob("requirements.txt"):
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert all(
            re.fullmatch(r"[a-z0-9-]+(\[toml\])?==[0-9.]+(\s+--hash=sha256:[0-9a-f]{64})+", line) for line in lines
        )
        assert lines == sorted(lines, key=lambda line: re.split(r"==|\[", line)[0])
        wanted = file.with_suffix(".in").read_text(encoding="utf-8").splitlines()
        assert {line for line in wanted if not line.startswith("#")} <= {line.split()[0] for line in lines}


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
