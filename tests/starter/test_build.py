from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.starter.conftest import Import
from tests.starter.ground import Registered

SETTINGS = {
    "SUBSCRIPTION_ID": "11111111-2222-3333-4444-555555555555",
    "RESOURCE_GROUP": "rg",
    "WORKSPACE_NAME": "ml",
    "STATE": "dev",
    "AUTHOR": "jane",
    "MODEL_NAME": "worst_regression",
    "IMAGE_NAME": "hol-inference",
}


@pytest.fixture
def module(starter: Import, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in [*os.environ]:
        if name in SETTINGS or name.startswith(("BUILD_", "ACR_", "ARTIFACTS_", "IMAGE_", "AZURE_", "ARM_")):
            monkeypatch.delenv(name)
    return starter("build")


@pytest.fixture
def fetched(registered: Registered, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What an earlier build of jane's has fetched; she is signed in, and her settings are in the environment."""
    assets = registered.assets
    noted = "".join(f"{file.name}\n" for file in assets.iterdir())
    (assets / ".fetched").write_text(noted, encoding="utf-8")
    for name, value in {**registered.environment, **registered.settings}.items():
        monkeypatch.setenv(name, value)
    return assets


def write(file: Path, values: dict[str, str]) -> None:
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")


def test_settings_are_read_from_the_file(module: ModuleType) -> None:
    write(module.SETTINGS_FILE, SETTINGS)
    settings = module.read_settings({})
    assert settings.workspace.name == SETTINGS["WORKSPACE_NAME"]
    assert settings.tags == {"state": "dev", "created_by": "jane"}
    assert (settings.image, settings.platform) == ("hol-inference:local", "linux/amd64")
    write(module.SETTINGS_FILE, {**SETTINGS, "PLATFORM": "linux/arm64"})
    assert module.read_settings({}).platform == "linux/arm64"


def test_the_environment_wins_but_not_with_what_the_pipeline_does_not_know(module: ModuleType) -> None:
    write(module.SETTINGS_FILE, SETTINGS)
    settings = module.read_settings(
        {
            "AUTHOR": "joe",
            "STATE": "$(alg-state)",
            "PYTHON_IMAGE": "$(python-image)",
            "BUILD_BUILDID": "42",
        }
    )
    assert settings.tags == {"state": "dev", "created_by": "joe"}
    assert (settings.image, settings.python_image) == ("hol-inference:42", "")


def test_the_example_has_every_setting_and_its_blanks_are_missed(module: ModuleType) -> None:
    example = module.HERE / "settings.example.env"
    assert tuple(module.read_file(example)) == module.NEEDED
    with pytest.raises(module.NotReadyError, match="Not set: SUBSCRIPTION_ID, RESOURCE_GROUP, WORKSPACE_NAME, AUTHOR"):
        module.read_settings({}, example)


def test_a_file_may_have_comments_quotes_and_a_mark_of_windows(module: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_bytes("\ufeff# mine\r\n\r\nA = \"x y\"\r\nB='z'\r\nC=a=b\r\n".encode())
    assert module.read_file(file) == {"A": "x y", "B": "z", "C": "a=b"}
    file.write_text("A\n", encoding="utf-8")
    with pytest.raises(module.NotReadyError, match="line 1 has no ="):
        module.read_file(file)


@pytest.mark.slow
def test_it_fetches_builds_and_notes_the_image_and_its_model(
    module: ModuleType, fetched: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in fetched.iterdir() if file.name != ".fetched"}
    for name in before:
        (fetched / name).unlink()
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "docker", lambda *arguments: asked.append(arguments))
    assert module.main([]) == 0
    noted = (fetched / ".fetched").read_text(encoding="utf-8").splitlines()
    assert sorted(noted) == sorted(before)
    assert {file.name: file.read_bytes() for file in fetched.iterdir() if file.name != ".fetched"} == before
    (build,) = asked
    assert build[0] == "build"
    assert "hol-inference:local" in build
    assert "model.version=1" in build
    assert build[build.index("--platform") + 1] == "linux/amd64"
    written = (repository / "ml_temp" / "artifacts" / "artifacts.json").read_text(encoding="utf-8")
    assert json.loads(written) == {
        "image_location": "hol-inference:local",
        "platform": "linux/amd64",
        "model": {"name": "worst_regression", "version": "1"},
    }


@pytest.mark.slow
def test_another_base_image_is_handed_on_and_noted_in_the_image(
    module: ModuleType, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"mine.example/base/python@sha256:{'0' * 64}"
    monkeypatch.delenv("PYTHON_IMAGE", raising=False)
    write(module.SETTINGS_FILE, {"PYTHON_IMAGE": base})
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "docker", lambda *arguments: asked.append(arguments))
    assert module.main([]) == 0
    assert f"PYTHON_IMAGE={base}" in asked[0]
    assert f"org.opencontainers.image.base.name={base}" in asked[0]


@pytest.mark.slow
def test_a_build_that_fails_leaves_no_note(
    module: ModuleType, fetched: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def docker(*_arguments: str) -> None:
        raise module.DockerError("No space left on device.")

    monkeypatch.setattr(module, "docker", docker)
    assert module.main([]) == 1
    assert not (repository / "ml_temp").exists()


def test_exit_codes_tell_what_is_wrong(
    module: ModuleType, fetched: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTHOR", "joe")
    assert module.main([]) == 3
    assert "There is no model worst_regression with state=dev and created_by=joe" in capsys.readouterr().err
    monkeypatch.setenv("AUTHOR", "")
    assert module.main([]) == 2
    assert "Not set: AUTHOR" in capsys.readouterr().err
    monkeypatch.setenv("AUTHOR", "jane")
    monkeypatch.setenv("PATH", "")
    assert module.main([]) == 2
    assert "Docker is not installed" in capsys.readouterr().err


def test_another_scikit_learn_is_told_of(module: ModuleType) -> None:
    pinned = (module.HERE / "requirements.txt").read_text(encoding="utf-8").split("scikit-learn==")[1].split()[0]
    assert module.trained_with({"scikit_learn": pinned}) == ""
    assert module.trained_with({}) == ""
    assert f"1.3.0, the container has {pinned}" in module.trained_with({"scikit_learn": "1.3.0"})


@pytest.fixture
def run_tests(starter: Import, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = starter("run_tests")
    monkeypatch.setattr(module, "inspect", lambda image: (f"id of {image}", {"model.version": "1"}))
    return module


def test_tests_want_a_build_first(run_tests: Any, capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    assert run_tests.main([]) == 2
    assert "Run runbuild_local in Project_One first" in capsys.readouterr().err
    artifacts = repository / "ml_temp" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "artifacts.json").write_text("{}", encoding="utf-8")
    assert run_tests.main([]) == 2
    assert "names no image" in capsys.readouterr().err


def test_results_of_somebody_else_s_are_never_removed(
    run_tests: Any, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = repository / "ml_temp" / "artifacts" / "test_results"
    results.mkdir(parents=True)
    (results.parent / "artifacts.json").write_text('{"image_location": "i:local"}', encoding="utf-8")
    asked: list[str] = []

    def docker(*arguments: str) -> int:
        asked.append(arguments[0])
        if arguments[0] == "cp":
            leave(arguments[2], dict.fromkeys(run_tests.RESULTS, "ours"))
        return 0

    use_engine(monkeypatch, run_tests, docker)
    assert [run_tests.main([]), run_tests.main([])] == [0, 0]
    for place in ("notes.txt", "cov_html/notes.txt"):
        asked.clear()
        (results / place).write_text("mine", encoding="utf-8")
        assert run_tests.main([]) == 2
        assert f"holds {place}, which no test run left there" in capsys.readouterr().err
        assert (results / place).read_text(encoding="utf-8") == "mine"
        assert asked == []
        (results / place).unlink()


def use_engine(monkeypatch: pytest.MonkeyPatch, run_tests: Any, docker: Callable[..., int]) -> None:
    """Replace the engine with a function; it has no earlier images of the tests."""

    def answer(*arguments: str, quiet: bool = False, apart: bool = False) -> int:
        if arguments[0] == "build":
            Path(arguments[arguments.index("--iidfile") + 1]).write_text("sha256:tests\n", encoding="utf-8")
        return docker(*arguments)

    monkeypatch.setattr(run_tests, "docker", answer)
    monkeypatch.setattr(run_tests, "program", lambda: "true")


def leave(folder: str, results: Mapping[str, str]) -> None:
    """Write results, as copied out of a container."""
    for name, text in results.items():
        file = Path(folder) / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


NOT_IMPORTED = '<testsuites><testcase><error message="collection failure">E</error></testcase></testsuites>'


@pytest.mark.parametrize(
    ("pytest_code", "junit", "code"),
    [
        (0, "<testsuites/>", 0),
        (1, "<testsuites/>", 1),
        (2, NOT_IMPORTED, 1),
        (2, "<testsuites/>", 3),
        (2, NOT_IMPORTED[:-9], 3),
        (0, None, 3),
        (137, None, 3),
        (137, "<testsuites/>", 3),
        (3, "<testsuites/>", 3),
        (5, "<testsuites/>", 3),
    ],
)
def test_a_run_is_judged_by_exit_code_and_files_and_one_that_was_cut_off_leaves_the_results_before(
    run_tests: Any,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pytest_code: int,
    junit: str | None,
    code: int,
) -> None:
    artifacts = repository / "ml_temp" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "artifacts.json").write_text(
        '{"image_location": "i:local", "tested_image_id": "before"}', encoding="utf-8"
    )
    results = artifacts / "test_results"
    results.mkdir()
    (results / run_tests.MADE).write_text("test-results.xml\n", encoding="utf-8")
    (results / "test-results.xml").write_text("before", encoding="utf-8")
    asked: list[str] = []

    made = dict.fromkeys(run_tests.RESULTS, "<source>/var/azureml-app</source>")
    del made["test-results.xml"]
    if junit is not None:
        made["test-results.xml"] = junit

    def docker(*arguments: str) -> int:
        asked.append(arguments[0])
        if arguments[0] == "cp":
            leave(arguments[2], made)
        return pytest_code if arguments[0] == "start" else 0

    use_engine(monkeypatch, run_tests, docker)
    assert run_tests.main([]) == code
    assert asked == ["build", "create", "start", "cp", "rm"]
    assert sorted(file.name for file in artifacts.iterdir()) == ["artifacts.json", "test_results"]
    if code == 3:
        assert (results / "test-results.xml").read_text(encoding="utf-8") == "before"
        assert str(pytest_code) in capsys.readouterr().err or pytest_code == 5
    else:
        assert (results / "test-results.xml").read_text(encoding="utf-8") == junit
    about = json.loads((artifacts / "artifacts.json").read_text(encoding="utf-8"))
    assert about.get("tested_image_id") == ("id of i:local" if code == 0 else None)
    if code == 0:
        text = (artifacts / "test_results" / "coverage.xml").read_text(encoding="utf-8")
        assert text == f"<source>{(repository / 'Project_One').as_posix()}</source>"


@pytest.mark.skipif(os.name == "nt", reason="the fake command is a shell script")
def test_a_container_that_is_being_created_at_ctrl_c_is_removed(repository: Path, tmp_path: Path) -> None:
    """Docker creates it also if its command is interrupted, as a real one showed: three of three were left."""
    artifacts = repository / "ml_temp" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "artifacts.json").write_text('{"image_location": "i:local"}', encoding="utf-8")
    fake = tmp_path / "bin" / "docker"
    fake.parent.mkdir()
    fake.write_text(
        """#!/bin/sh
case "$1 $2" in
"image inspect") echo '[{"Id": "sha256:1"}]' ;;
build*) while [ "$1" != --iidfile ]; do shift; done; echo sha256:2 > "$2" ;;
create*) (trap "" INT; sleep 1; echo created >> "$LOG") & echo creating >> "$LOG"; wait ;;
rm*) echo removed >> "$LOG" ;;
esac
""",
        encoding="utf-8",
    )
    fake.chmod(0o755)
    log = tmp_path / "log"
    log.touch()
    given = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "LOG": str(log)}
    words = [sys.executable, str(repository / "Project_One-Tests" / "run_tests.py")]
    with subprocess.Popen(words, env=given, start_new_session=True, stderr=subprocess.PIPE) as process:
        while "creating" not in log.read_text(encoding="utf-8"):
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
    assert log.read_text(encoding="utf-8").split() == ["creating", "created", "removed"]


def test_a_run_records_the_image_the_tests_and_who_has_asked(
    run_tests: Any, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = repository / "ml_temp" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "artifacts.json").write_text('{"image_location": "i:local"}', encoding="utf-8")
    asked: list[tuple[str, ...]] = []

    def docker(*arguments: str) -> int:
        asked.append(arguments)
        if arguments[0] == "cp":
            leave(arguments[2], dict.fromkeys(run_tests.RESULTS, "new"))
        return 0

    use_engine(monkeypatch, run_tests, docker)
    monkeypatch.setenv("TEST_LABELS", "hol-wizard.tests=abc")
    # A run that was killed while it copied its results, and one that was killed while it removed those before.
    for name in ("draft", "earlier"):
        (artifacts / f".test_results.{name}").mkdir()
        (artifacts / f".test_results.{name}" / "half.xml").write_text("half", encoding="utf-8")
    assert run_tests.main([]) == 0
    record = json.loads((artifacts / "test_results" / "tested.json").read_text(encoding="utf-8"))
    assert record["image_id"] == "id of i:local"
    assert record["labels"] == {"model.version": "1"}
    assert record["marks"] == {"hol-wizard.tests": "abc"}
    assert record["tests"].keys() == {"test_ml_metrics.py", "test_model.py"}
    assert ("--label", "hol-wizard.tests=abc") in zip(asked[0], asked[0][1:], strict=False)
    assert sorted(file.name for file in artifacts.iterdir()) == ["artifacts.json", "test_results"]
    assert not (artifacts / "test_results" / "half.xml").exists()


@pytest.mark.slow
def test_without_docker_it_records_what_the_image_would_contain(
    module: ModuleType, fetched: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "docker", lambda *arguments: pytest.fail(f"docker {arguments}"))
    monkeypatch.setenv("IMAGE_LABELS", "hol-wizard.lab=abc")
    assert module.main(["--here"]) == 0
    artifacts = repository / "ml_temp" / "artifacts"
    about = json.loads((artifacts / "without_container.json").read_text(encoding="utf-8"))
    assert [file.name for file in artifacts.iterdir()] == ["without_container.json"]
    assert about["name"] == "hol-inference:local"
    assert about["labels"] == {"model.name": "worst_regression", "model.version": "1", "hol-wizard.lab": "abc"}
    assert {"score.py", "inference_code/model_class.py", "assets/model.pkl"} < about["files"].keys()
    assert not any("fetched" in path or path.endswith(".pyc") for path in about["files"])
    (fetched.parent / "score.py").write_text("def init(): ...\n", encoding="utf-8")
    assert module.main(["--here"]) == 0
    changed = json.loads((artifacts / "without_container.json").read_text(encoding="utf-8"))
    assert changed["id"] != about["id"]


def test_the_labels_name_the_commit_and_say_if_it_is_not_all_of_it(module: ModuleType, repository: Path) -> None:
    assert module.revision() == ""
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    assert module.revision() == head.stdout.strip()
    (repository / "Project_One-Tests" / "test_more.py").write_text("", encoding="utf-8")
    assert module.revision() == head.stdout.strip(), "it is not in the image"
    (repository / "Project_One" / "score.py").write_text("", encoding="utf-8")
    assert module.revision() == f"{head.stdout.strip()}-dirty"


def test_docker_gets_no_tokens_and_podman_takes_its_place(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "podman"
    program.write_text(
        '#!/bin/sh\necho "$*: $ARM_ACCESS_TOKEN$STORAGE_ACCESS_TOKEN" > "$HOME/asked"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ARM_ACCESS_TOKEN", "secret")
    module.docker("version")
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "version: \n"


@pytest.mark.slow
def test_the_tests_run_without_a_container_on_what_was_recorded(
    module: ModuleType, fetched: Path, repository: Path, runtime: Path
) -> None:
    artifacts = repository / "ml_temp" / "artifacts"
    tests = repository / "Project_One-Tests"

    def run() -> subprocess.CompletedProcess[str]:
        words = [str(runtime), "-B", str(tests / "run_tests.py"), "--here"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    assert run().returncode == 2
    assert module.main(["--here"]) == 0
    done = run()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    note = artifacts / "without_container.json"
    about = json.loads(note.read_text(encoding="utf-8"))
    assert about["tested_image_id"] == about["id"]
    assert not (artifacts / "artifacts.json").exists()
    results = artifacts / "test_results"
    assert (results / "test-results.xml").is_file()
    coverage = (results / "coverage.xml").read_text(encoding="utf-8")
    assert f"<source>{(repository / 'Project_One').as_posix()}</source>" in coverage
    assert 'line-rate="0.44' in coverage, "as in the container"
    assert not list((repository / "Project_One").rglob("__pycache__")), "the project is only read"

    with (tests / "test_model.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef test_mine():\n    assert False\n")
    assert run().returncode == 1
    assert "tested_image_id" not in json.loads(note.read_text(encoding="utf-8"))

    (fetched / "model.pkl").write_bytes(b"another")
    done = run()
    assert (done.returncode, "assets/model.pkl has changed" in done.stderr) == (2, True)
    assert (results / "test-results.xml").is_file(), "the results before stay"
