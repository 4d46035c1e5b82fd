"""Only an image that has passed its tests is pushed, and its digest is noted."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.starter.conftest import Import

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for az and docker are shell scripts")
DIGEST = f"sha256:{'d' * 64}"
SERVER = "janeacr.azurecr.us"


@pytest.fixture
def module(starter: Import) -> ModuleType:
    return starter("push")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File with what `az` and `docker` were told; both are stand-ins that answer as the real ones."""
    tools, told = tmp_path / "tools", tmp_path / "told"
    tools.mkdir()
    digests = json.dumps([f"other.example/hol-inference@sha256:{'0' * 64}", f"{SERVER}/hol-inference@{DIGEST}"])
    program(
        tools / "az",
        f'echo "az $*" >>"{told}"\n'
        f'case "$*" in *loginServer*) echo {SERVER};; '
        f'*"repository show"*) test -e "{tmp_path}/imported" && echo {DIGEST};; '
        f'*"acr import"*) touch "{tmp_path}/imported";; esac\n',
    )
    program(
        tools / "docker",
        f'echo "docker $*" >>"{told}"\n'
        f"case \"$*\" in *RepoDigests*) echo '{digests}';; *.Id*) echo sha256:tested;;"
        ' run*) text=$(cat); echo "$text"; exit "${text##* }";; esac\n',
    )
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return told


def program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def artifacts(module: ModuleType, **about: str) -> Path:
    file: Path = module.ARTIFACTS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"image_location": "hol-inference:42", **about}), encoding="utf-8")
    return file


def test_the_tested_image_is_pushed_and_noted_by_its_digest(
    module: ModuleType, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACR_NAME", "janeacr")
    file = artifacts(module, tested_image_id="sha256:tested")
    assert module.main() == 0
    # The address is the registry's own: in this cloud it does not end with azurecr.io.
    assert f"docker push --quiet {SERVER}/hol-inference:42\n" in calls.read_text(encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8"))["image_location"] == f"{SERVER}/hol-inference@{DIGEST}"
    calls.unlink()
    assert module.main() == 0
    assert not calls.exists(), "it is pushed once"


@pytest.mark.parametrize("tested", [{}, {"tested_image_id": "sha256:another"}])
def test_what_has_not_passed_its_tests_is_not_pushed(
    module: ModuleType,
    calls: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tested: dict[str, str],
) -> None:
    monkeypatch.setenv("ACR_NAME", "janeacr")
    before = artifacts(module, **tested).read_bytes()
    assert module.main() == 2
    assert "hol-inference:42 has not passed its tests" in capsys.readouterr().err
    assert "push" not in calls.read_text(encoding="utf-8")
    assert module.ARTIFACTS.read_bytes() == before


def test_without_a_registry_or_an_image_it_says_what_is_missing(
    module: ModuleType, calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ACR_NAME", raising=False)
    assert module.main() == 2
    assert "ACR_NAME is not set" in capsys.readouterr().err
    monkeypatch.setenv("ACR_NAME", "janeacr")
    assert module.main() == 2
    assert "Build the image first" in capsys.readouterr().err
    assert not calls.exists()


@pytest.mark.slow
def test_the_base_image_is_imported_once_and_built_on_by_its_digest(
    repository: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACR_NAME", "janeacr")
    project = repository / "Project_One"
    for _ in range(2):
        subprocess.run(["sh", project / "configure_agent.sh"], check=True, capture_output=True)
    told = calls.read_text(encoding="utf-8")
    wanted = "az acr import --name janeacr --source docker.io/library/python:3.11-slim --image base/python:3.11-slim\n"
    assert told.count("acr import") == told.count(wanted) == 1
    (project / "build.py").write_text("import os\nprint(os.environ['PYTHON_IMAGE'])\n", encoding="utf-8")
    done = subprocess.run(["sh", project / "runbuild_pipeline.sh"], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"{SERVER}/base/python@{DIGEST}"


@pytest.mark.parametrize(("code", "pushed"), [(0, True), (1, False), (3, False)])
def test_the_pipeline_pushes_only_after_the_tests(repository: Path, code: int, pushed: bool) -> None:
    (repository / "Project_One-Tests" / "run_tests.py").write_text(f"raise SystemExit({code})\n", encoding="utf-8")
    (repository / "Project_One" / "push.py").write_text("print('pushed')\n", encoding="utf-8")
    done = subprocess.run(
        ["sh", repository / "Project_One-Tests" / "runtests_pipeline.sh"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, "pushed" in done.stdout) == (code, pushed)


@pytest.mark.parametrize(
    ("tested", "code"), [(f"@{DIGEST}", 0), (f"@sha256:{'e' * 64}", 1), (":local", 1)], ids=["same", "other", "none"]
)
def test_a_stage_imports_the_tested_digest_and_compares_it(
    repository: Path, tmp_path: Path, calls: Path, tested: str, code: int
) -> None:
    image = f"{SERVER}/hol-inference{tested}"
    (tmp_path / "artifacts.json").write_text(json.dumps({"image_location": image}), encoding="utf-8")
    done = staged(repository / "Project_One" / "promote_pipeline.sh", ARTIFACTS=str(tmp_path))
    assert done.returncode == code, done.stderr
    if tested == ":local":
        assert not calls.exists()
        return
    told = calls.read_text(encoding="utf-8").splitlines()
    assert told[0] == f"az acr import --name janeacr --source {image} --image hol-inference:qa-42 --force"
    assert "docker" not in "".join(told)


@pytest.mark.parametrize("code", [0, 1])
def test_the_smoke_test_runs_the_promoted_image_by_its_digest(
    repository: Path, tmp_path: Path, calls: Path, code: int
) -> None:
    (repository / "Project_One-Tests" / "smoketest.py").write_text(f"the program; exit {code}\n", encoding="utf-8")
    (tmp_path / "imported").touch()
    done = staged(repository / "Project_One-Tests" / "smoketest_pipeline.sh")
    assert done.returncode == code, done.stderr
    image = f"{SERVER}/hol-inference@{DIGEST}"
    assert calls.read_text(encoding="utf-8").splitlines()[-3:] == [
        "az acr login --name janeacr",
        f"docker pull --quiet {image}",
        f"docker run --rm --interactive --network none {image} python -",
    ]
    assert f"the program; exit {code}" in done.stdout


def staged(script: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the stage QA of the release for build 42 does."""
    given = {"ACR_NAME": "janeacr", "IMAGE_NAME": "hol-inference", "STAGE": "qa", "BUILD": "42", **more}
    return subprocess.run(["sh", str(script)], env={**os.environ, **given}, check=False, capture_output=True, text=True)
