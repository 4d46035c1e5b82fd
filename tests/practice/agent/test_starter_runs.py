"""The starter's two pipelines from end to end, with stubs for the Azure CLI, Docker and the starter's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hol_wizard.practice.pipelines.host import Artifact, Value
from hol_wizard.practice.pipelines.orchestrate.request import Named, UpstreamRun
from tests.practice.agent.bench import Bench, launcher, request
from tests.practice.pipelines.files import STARTER, compiled, starter_text

NAMES = [
    "acr-name",
    "alg-state",
    "created-by",
    "db-cluster-id",
    "db-workspace-name",
    "image-name",
    "ml-workspace-name",
    "model-name",
    "resource-group",
    "subscription-id",
]
DIGEST = f"sha256:{'a' * 64}"
_AZ = f"""case "$*" in
  *"acr show"*) echo registry.example;;
  *"repository show"*) echo {DIGEST};;
esac
case "$*" in *@-*) cat > /dev/null;; esac"""
_TRAIN = """import os
assert os.environ["DB_CLUSTER_ID"] == "value-db-cluster-id"
print("trained for", os.environ["AUTHOR"])
"""
_BUILD = """import json, os, pathlib
folder = pathlib.Path('../ml_temp/artifacts')
folder.mkdir(parents=True)
image = f"registry.example/img@sha256:{'a' * 64}"
(folder / 'artifacts.json').write_text(json.dumps({'image_location': image, 'base': os.environ['PYTHON_IMAGE']}))
"""
_TEST = """import pathlib
folder = pathlib.Path('../ml_temp/artifacts/test_results')
folder.mkdir(parents=True)
(folder / 'test-results.xml').write_text('<testsuite name="model"><testcase name="good" time="1"/></testsuite>')
(folder / 'coverage.xml').write_text('<coverage lines-covered="9" lines-valid="10"/>')
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with the starter, whose long programs are stubs."""
    folder = tmp_path / "starter"
    shutil.copytree(STARTER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "Project_One/notebooks/submit_run_db.py").write_text(_TRAIN)
    (folder / "Project_One/build.py").write_text(_BUILD)
    (folder / "Project_One/push.py").write_text("print('pushed')\n")
    (folder / "Project_One-Tests/run_tests.py").write_text(_TEST)
    (folder / "Project_One-Tests/smoketest.py").write_text("the smoke test")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    environment |= {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "."], ["commit", "--quiet", "-m", "Start"]):
        subprocess.run(["git", *words], cwd=folder, env=environment, check=True)
    return folder


@pytest.fixture
def ready(bench: Bench, tmp_path: Path, repository: Path) -> Bench:
    """Return a bench with a vault's group, and launchers."""
    bench.host.repository = repository
    for name, text in (("az", _AZ), ("docker", "echo docker $*; case $1 in run) cat;; esac")):
        launcher(tmp_path / "launchers", name, text)
    bench.host.launcher_folder = tmp_path / "launchers"
    bench.host.groups["lab-secrets"] = {name: Value(f"value-{name}", secret=True) for name in NAMES}
    bench.host.vaults["lab-secrets"] = "lab-vault"
    return bench


def head(repository: Path) -> str:
    words = ["git", "rev-parse", "HEAD"]
    return subprocess.run(words, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
async def test_the_build_runs_to_its_artifact(ready: Bench, repository: Path) -> None:
    made = request(compiled(starter_text("azure-pipelines.yml")), commit=head(repository))
    run = await ready.ended(ready.queue(made))
    assert run["result"] == "succeeded", ready.steps()
    assert list(ready.steps()) == [
        "Initialize job",
        "Download secrets: lab-secrets",
        "Checkout Lab@main to s",
        "Configure agent environment",
        "Train Model",
        "Build Inference Container",
        "Run Unit Tests",
        *(each for each in ready.steps() if each.startswith("Copy Files to: ")),
        "Publish Test Results test-results.xml",
        "Publish code coverage",
        "Publish Artifact: PipelineArtifacts",
        "Post-job: Checkout Lab@main to s",
        "Finalize Job",
    ]
    assert "trained for ***" in ready.log("Train Model")
    folder = ready.host.published[1, "PipelineArtifacts"].folder
    assert sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*.*")) == [
        "artifacts.json",
        "test_results/coverage.xml",
        "test_results/test-results.xml",
    ]
    assert [each.name for each in ready.host.tests] == ["model"]
    assert [each.statistics[0].covered for each in ready.host.coverage] == [9]


async def test_a_vault_that_is_closed_fails_the_job_before_its_own_steps(ready: Bench, repository: Path) -> None:
    del ready.host.groups["lab-secrets"]
    made = request(compiled(starter_text("azure-pipelines.yml")), commit=head(repository))
    assert (await ready.ended(ready.queue(made)))["result"] == "failed"
    steps = ready.steps()
    assert steps["Download secrets: lab-secrets"] == "failed"
    assert "##[error]the vault of lab-secrets is closed to the connection" in ready.log("Download secrets: lab-secrets")
    assert steps["Checkout Lab@main to s"] == steps["Train Model"] == "skipped"


async def test_a_secret_that_is_not_in_the_group_stays_as_it_is_written(ready: Bench, repository: Path) -> None:
    del ready.host.groups["lab-secrets"]["db-cluster-id"]
    made = request(compiled(starter_text("azure-pipelines.yml")), commit=head(repository))
    assert (await ready.ended(ready.queue(made)))["result"] == "failed"
    steps = ready.steps()
    assert (steps["Configure agent environment"], steps["Train Model"]) == ("succeeded", "failed")
    # Results that are not there are only a warning, so that the first failed step is the cause.
    assert steps["Publish Test Results test-results.xml"] == "succeeded"
    assert steps["Publish Artifact: PipelineArtifacts"] == "skipped"


async def test_the_release_promotes_the_tested_image(ready: Bench, repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "built"
    folder.mkdir()
    (folder / "artifacts.json").write_text(f'{{"image_location": "registry.example/img@{DIGEST}"}}')
    ready.host.published[5, "PipelineArtifacts"] = Artifact("PipelineArtifacts", "PipelineArtifact", folder)
    for stage in ("qa", "production"):
        values = {"dest-acr-name": "acr", "image-name": "img", "dest-env": stage}
        ready.host.groups[f"hol-release-{stage}"] = {name: Value(value) for name, value in values.items()}
    up = UpstreamRun(Named("project-1", "Lab"), Named("7", "Build"), Named("5", "20261128.1"), "refs/heads/main", "c")
    plan = compiled(starter_text("azure-pipelines-release.yml"))
    made = request(plan, pipelines={"build": up}, commit=head(repository))
    run = await ready.ended(ready.queue(made))
    assert run["result"] == "succeeded", ready.steps()

    def lines_of(step: str) -> list[str]:
        steps = (each["id"] for each in ready.records("Task") if each["name"] == step)
        return [line for each in steps for line in ready.jobs.timelines.log(run["timeline"], each)]

    (pulled,) = [line for line in lines_of("Run Smoke Test") if "docker run" in line]
    assert pulled.endswith(f"docker run --rm --interactive --network none registry.example/img@{DIGEST} python -")
    assert any(line.endswith("Z the smoke test") for line in lines_of("Run Smoke Test"))
    promoted = [line for line in lines_of("Promote the image") if "Promoted:" in line]
    assert [line.partition("Promoted: ")[2] for line in promoted] == [
        f"img:qa-5 with the digest {DIGEST}",
        f"img:production-5 with the digest {DIGEST}",
    ]
    assert [(each.environment, each.result) for each in ready.host.deployments] == [
        ("hol-qa", "succeeded"),
        ("hol-production", "succeeded"),
    ]
