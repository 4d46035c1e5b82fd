"""Section build-container over the practice cloud: a real engine builds the real container, or there is none."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import ServiceError, UnreachableError
from hol_wizard.resources import machine_learning
from hol_wizard.resources.build_settings import FILE, read_values
from hol_wizard.resources.inference_image import InferenceImage
from hol_wizard.services.containers.engine import Engine
from hol_wizard.services.containers.with_engine import EngineWorkbench
from hol_wizard.services.containers.workbench import NOTE_FILE
from tests.practice.conftest import MACHINE_LEARNING, Arm, user_token
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee, clone, git
from tests.steps.author import on_branch
from tests.steps.databricks import context_of
from tests.steps.test_scientist_setup import person

__all__ = ["person"]

SECTION = "build-container"
SETTINGS, BUILD, LOOK = (
    f"{SECTION}/{step}" for step in ("set-the-build-settings", "run-the-local-build", "look-at-the-image")
)
RUN, ENGINE = "train/run-the-training@dev", "tools/docker-engine"
READ = "scientist-setup/let-yourself-read-the-model-files@dev"
BASE = "python:3.11-slim"


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def remove_built_from(registry: str) -> None:
    """Remove the images with a base of a registry: the practice agent uses this machine's engine, which keeps them."""
    base = "org.opencontainers.image.base.name"
    found = set(docker("image", "ls", "--quiet", "--no-trunc", "--filter", f"label={base}").split())
    words = ("docker", "image", "inspect", "--format", f'{{{{.Id}}}} {{{{index .Config.Labels "{base}"}}}}', *found)
    # Another test may have removed one of them meanwhile.
    told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout
    for image, _, name in (line.partition(" ") for line in told.splitlines()):
        if name.startswith(f"{registry}/"):
            subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("runtime", "keyring")]


@pytest.fixture
def engine() -> None:
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    found = subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, timeout=20, check=False)
    if found.returncode != 0:
        pytest.skip(f"there is no Docker engine, or it does not have {BASE}")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'no.sock'}")


@pytest.fixture
def modeller(person: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Iterator[Attendee]:
    """Somebody who has registered a model, and has a clone on this machine."""
    yield on_branch(person, practice_cloud, snapshots, "modeller", RUN, READ)
    if shutil.which("docker"):
        lab = person.wizard().profile.choices.lab_id
        ours = ["image", "ls", "--all", "--quiet", "--filter", f"label=hol-wizard.lab={lab}"]
        found = subprocess.run(["docker", *ours], capture_output=True, text=True, check=False).stdout.split()
        for each in found:
            subprocess.run(["docker", "image", "rm", "--force", each], capture_output=True, check=False)


@pytest.fixture
def builder(modeller: Attendee) -> Attendee:
    """Somebody whose settings are set; their image has a name of its own, so that others may build at the same time."""
    assert modeller.solve(SETTINGS).statuses[SETTINGS] is Status.PASSED
    with (clone(modeller) / FILE).open("a", encoding="utf-8") as file:
        file.write(f"IMAGE_TAG=test-{uuid.uuid4().hex[:8]}\n")
    return modeller


def image(attendee: Attendee) -> InferenceImage:
    return InferenceImage(context_of(attendee, BUILD))


def actual(result: Result, what: str) -> str:
    (found,) = [each.actual for each in result.expectations if each.what == what]
    return found


def verbs(attendee: Attendee, key: str) -> list[str]:
    return [change.verb for change in attendee.plan(key).get(key, [])]


def register_version(attendee: Attendee, cloud: PracticeCloud, number: int) -> None:
    """Register the files of version 1 once more, as a later training that gives the same does."""
    by_hand = Arm(cloud, user_token(cloud))
    workspace = machine_learning.workspace(context_of(attendee, RUN)).id.removeprefix(by_hand.base)
    path = f"{workspace}/models/worst_regression/versions"
    first = by_hand.ask("GET", f"{path}/1", version=MACHINE_LEARNING).json()["properties"]
    body = {"properties": {name: first[name] for name in ("modelType", "modelUri", "tags")}}
    assert by_hand.ask("PUT", f"{path}/{number}", body, version=MACHINE_LEARNING).status_code == 201


def test_the_settings_are_the_profile_s_and_stay_the_person_s(modeller: Attendee) -> None:
    file = clone(modeller) / FILE
    assert modeller.look(SETTINGS).status is Status.FAILED
    assert verbs(modeller, SETTINGS) == ["create"]
    assert modeller.solve(SETTINGS).statuses[SETTINGS] is Status.PASSED
    written = file.read_text(encoding="utf-8")
    names = modeller.names()
    assert read_values(written) == {
        "SUBSCRIPTION_ID": modeller.wizard().names.subscription,
        "RESOURCE_GROUP": names.resource_group,
        "WORKSPACE_NAME": names.ml_workspace,
        "STATE": "dev",
        "AUTHOR": "attendee",
        "MODEL_NAME": "worst_regression",
        "IMAGE_NAME": "hol-inference",
    }
    assert git(modeller, "status", "--porcelain") == "", "git ignores the file"

    # Somebody's own line stays, also when a wrong one of the wizard's file is set right
    file.write_text(f"{written.replace('AUTHOR=attendee', 'AUTHOR=joe')}PLATFORM=linux/arm64\r\n", encoding="utf-8")
    assert actual(modeller.look(SETTINGS), "AUTHOR") == "joe"
    assert verbs(modeller, SETTINGS) == ["change"]
    assert modeller.solve(SETTINGS).statuses[SETTINGS] is Status.PASSED
    assert read_values(file.read_text(encoding="utf-8"))["PLATFORM"] == "linux/arm64"
    modeller.teardown(SETTINGS)
    assert file.exists(), "the person has changed it"

    # A copy of the example is filled in; other values of somebody's are not written over
    shutil.copy(file.with_name("settings.example.env"), file)
    assert verbs(modeller, SETTINGS) == ["change"]
    assert modeller.solve(SETTINGS).statuses[SETTINGS] is Status.PASSED
    file.write_text("AUTHOR=joe\n", encoding="utf-8")
    seen = modeller.solve(SETTINGS)
    assert seen.statuses[SETTINGS] is not Status.PASSED
    assert "AUTHOR is joe, not attendee" in seen.results[SETTINGS].summary
    assert file.read_text(encoding="utf-8") == "AUTHOR=joe\n"

    file.unlink()
    modeller.solve(SETTINGS)
    modeller.teardown(SETTINGS)
    assert not file.exists()


@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("engine")
def test_the_image_has_this_code_and_this_model_and_answers(builder: Attendee, practice_cloud: PracticeCloud) -> None:
    assert builder.look(ENGINE).status is Status.PASSED
    assert "does not exist" in builder.look(BUILD).summary
    assert verbs(builder, BUILD) == ["create"]
    seen = builder.solve(BUILD)
    assert seen.statuses[BUILD] is Status.PASSED, seen.results[BUILD]
    assert "Fetching version 1 into assets" in seen.said
    assert "CACHED" in seen.said or "DONE" in seen.said
    assert seen.progress, "how far it is"
    built = builder.look(BUILD)
    assert (built.status, actual(built, "Model")) == (Status.PASSED, "version 1")
    assert actual(built, "Files of the model") == "model.pkl, x_scaler.pkl, y_scaler.pkl"
    assert "estimated_wages" in actual(built, "Answer")
    name = image(builder).name
    assert json.loads((clone(builder) / NOTE_FILE).read_text(encoding="utf-8"))["image_location"] == name
    assert builder.look(LOOK).status is Status.PASSED, builder.look(LOOK)
    assert verbs(builder, BUILD) == []
    assert docker("ps", "--all", "--quiet", "--filter", f"ancestor={name}") == ""
    before = docker("image", "inspect", "--format", "{{.Id}}", name)

    # A commit that is not about the container leaves it as it is
    tests = clone(builder) / "Project_One-Tests" / "test_more.py"
    tests.write_text("def test_more():\n    assert True\n", encoding="utf-8")
    git(builder, "add", "--all")
    git(builder, "commit", "-m", "Test more")
    assert "(same Project_One)" in actual(builder.look(BUILD), "Commit")
    assert builder.look(BUILD).status is Status.PASSED

    # Another dockerfile, committed or not, is another image
    recipe = clone(builder) / "Project_One" / "dockerfile"
    given = recipe.read_text(encoding="utf-8")
    recipe.write_text(given + "\nLABEL mine=1\n", encoding="utf-8")
    assert builder.look(BUILD).status is Status.FAILED
    assert "before dockerfile changed" in actual(builder.look(BUILD), "Commit")
    recipe.write_text(given, encoding="utf-8")
    assert builder.look(BUILD).status is Status.PASSED

    # Another code, committed or not, is another image
    score = clone(builder) / "Project_One" / "score.py"
    score.write_text(score.read_text(encoding="utf-8") + "\n# Mine\n", encoding="utf-8")
    assert actual(builder.look(BUILD), "Code") == "different: score.py"
    assert verbs(builder, BUILD) == ["change"]
    assert builder.solve(BUILD).statuses[BUILD] is Status.PASSED
    assert "with uncommitted changes" in actual(builder.look(BUILD), "Commit")
    lab = builder.wizard().profile.choices.lab_id
    kept = docker("image", "ls", "--quiet", "--no-trunc", "--filter", f"label=hol-wizard.lab={lab}").split()
    assert kept == [docker("image", "inspect", "--format", "{{.Id}}", name)], "the one before is gone"
    git(builder, "commit", "-m", "Comment", "--all")
    assert "Project_One" not in actual(builder.look(BUILD), "Code")
    changed = builder.look(BUILD)
    assert changed.status is Status.FAILED, "its label names the commit before"
    assert builder.solve(BUILD).statuses[BUILD] is Status.PASSED

    # So is another model
    register_version(builder, practice_cloud, 2)
    assert actual(builder.look(BUILD), "Model") == "version 1"
    assert builder.look(BUILD).status is Status.FAILED
    assert builder.solve(BUILD).statuses[BUILD] is Status.PASSED
    assert builder.look(LOOK).status is Status.PASSED

    # One of somebody's own is not built over, and not removed
    ours = docker("image", "inspect", "--format", "{{.Id}}", name)
    docker("tag", BASE, name)
    assert builder.look(BUILD).status is Status.FAILED
    assert verbs(builder, BUILD) == ["conflict"]
    assert "docker image rm" in builder.solve(BUILD).results[BUILD].next_action
    builder.teardown(BUILD)
    assert docker("image", "inspect", "--format", "{{.Id}}", name) == docker(
        "image", "inspect", "--format", "{{.Id}}", BASE
    )
    docker("image", "rm", name)

    # Somebody else uses this engine, too: the way out takes nothing from them
    recipe = builder.root / "theirs"
    recipe.write_text(f"FROM {BASE}\nLABEL hol-wizard.lab=theirs\n", encoding="utf-8")
    docker("build", "--quiet", "--file", str(recipe), "--tag", name, str(clone(builder)))
    advice = builder.look(BUILD).next_action
    assert "add the line IMAGE_TAG=attendee to" in advice
    file = clone(builder) / FILE
    mine = file.read_text(encoding="utf-8")
    file.write_text(f"{mine}IMAGE_TAG=attendee\n", encoding="utf-8")
    assert builder.look(SETTINGS).status is Status.PASSED
    (planned,) = builder.plan(BUILD)[BUILD]
    assert (planned.verb, planned.name) == ("create", "hol-inference:attendee")
    file.write_text(mine, encoding="utf-8")
    docker("image", "rm", name)

    # Ours goes, with those that it took the name from
    docker("tag", ours, name)
    builder.solve(BUILD)
    left = docker("create", "--label", "hol-wizard.asked", ours)  # by a check that was killed
    builder.teardown(BUILD)
    assert docker("ps", "--all", "--quiet", "--filter", f"id={left}") == ""
    assert before not in docker(
        "image", "ls", "--all", "--quiet", "--no-trunc", "--filter", f"label=hol-wizard.lab={lab}"
    )
    assert builder.look(BUILD).status is Status.FAILED


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_it_is_practiced_and_everything_says_so(builder: Attendee) -> None:
    engine = builder.look(ENGINE)
    assert engine.status is Status.SKIPPED
    assert "practiced without one" in engine.summary
    assert engine.next_action
    absent = builder.look(BUILD)
    assert (absent.status, "practiced without a container" in absent.summary) == (Status.FAILED, True)
    (planned,) = builder.plan(BUILD)[BUILD]
    assert "practiced without a container" in planned.note
    seen = builder.solve(BUILD)
    assert seen.statuses[BUILD] is Status.PASSED, seen.results[BUILD]
    assert "practiced without a container" in seen.said
    for key in (BUILD, LOOK):
        result = builder.look(key)
        assert result.status is Status.PASSED, result
        assert "practiced without a container" in result.summary
    assert "estimated_wages" in actual(builder.look(BUILD), "Answer")
    assert not (clone(builder) / NOTE_FILE).exists(), "there is nothing that could be pushed"

    # An answer that is none, and another code
    score = clone(builder) / "Project_One" / "score.py"
    score.write_text("def init(): pass\ndef run(package): raise ValueError('no')\n", encoding="utf-8")
    assert actual(builder.look(BUILD), "Code") == "different: score.py"
    assert builder.solve(BUILD).statuses[BUILD] is Status.FAILED
    broken = builder.look(BUILD)
    assert (broken.status, "ValueError: no" in broken.summary) == (Status.FAILED, True)
    git(builder, "checkout", "--", "Project_One/score.py")

    # Where the cloud offers no Python, nothing of this passes
    context = context_of(builder, BUILD)
    public = replace(context.services.endpoints, practice_python=None)
    context.services.endpoints = public
    with pytest.raises(UnreachableError):
        InferenceImage(context).find(context.reads)

    builder.teardown(BUILD)
    assert builder.look(BUILD).status is Status.FAILED


@contextmanager
def forwarded(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the address of an engine that can be stopped: a way to the real one, and what cuts it off."""
    open_ones: list[socket.socket] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "e.sock"))
    listener.listen(20)

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while block := source.recv(1 << 16):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # cut off

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # stopped
            engine = socket.socket(socket.AF_UNIX)
            engine.connect("/var/run/docker.sock")
            open_ones.extend((client, engine))
            for pair in ((client, engine), (engine, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    def stop() -> None:
        for each in (listener, *open_ones):
            with suppress(OSError):  # it has ended already
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"unix://{folder / 'e.sock'}", stop
    finally:
        stop()


def write_dockerfile(attendee: Attendee, *lines: str) -> None:
    file = clone(attendee) / "Project_One" / "dockerfile"
    file.write_text(
        "\n".join(("ARG PYTHON_IMAGE=python:3.11-slim", "FROM ${PYTHON_IMAGE}", *lines, "")), encoding="utf-8"
    )


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def builds(attendee: Attendee) -> list[psutil.Process]:
    """Return the programs of this clone's build that run."""
    folder, found = str(clone(attendee)), []
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found


def once_it_builds(attendee: Attendee, then: Callable[[], None]) -> None:
    """Do something once Docker's own program has run for a second."""

    def wait() -> None:
        wait_for(lambda: len(builds(attendee)) > 1)
        time.sleep(1)
        then()

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("engine")
def test_what_goes_wrong_is_told_with_its_cause_and_what_to_do(
    builder: Attendee, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def failed() -> Result:
        seen = builder.solve(BUILD)
        assert seen.statuses[BUILD] is not Status.PASSED
        assert not (clone(builder) / NOTE_FILE).exists(), "nothing is half written"
        assert image(builder).find(context_of(builder).reads) is None
        return seen.results[BUILD]

    write_dockerfile(builder, "RUNN pip install")
    broken = failed()
    assert ("cannot read the dockerfile" in broken.summary, "git diff" in broken.next_action) == (True, True)
    write_dockerfile(builder, "COPY nothing.py ./")
    assert "is not there (/nothing.py)" in failed().summary
    write_dockerfile(builder, "RUN echo it is wrong && exit 3")
    assert "a command of the dockerfile failed" in failed().summary
    # As a full disk of the engine's says it: the kernel's own words, from a file system without room
    write_dockerfile(
        builder,
        "RUN --mount=type=tmpfs,target=/full,size=65536 python -c \"open('/full/x', 'wb').write(bytes(1 << 20))\"",
    )
    full = failed()
    assert ("disk of the container engine is full" in full.summary, "docker system df" in full.next_action) == (
        True,
        True,
    )
    write_dockerfile(builder, "RUN pip install --require-hashes 'waitress==3.0.2'")
    assert "hash" in failed().summary
    settings = clone(builder) / FILE
    before = settings.read_text(encoding="utf-8")
    settings.write_text(f"{before}PYTHON_IMAGE=registry.invalid/python:3.11-slim\n", encoding="utf-8")
    missing = failed()
    assert "base image is not on this machine" in missing.summary
    assert "PYTHON_IMAGE" in missing.next_action
    settings.write_text(before, encoding="utf-8")

    # The person stops it: nothing of it goes on
    # No engine has it in its cache: one may have finished such a command for a test that was killed.
    write_dockerfile(builder, f"RUN sleep 300 && echo {uuid.uuid4()}")
    cancelled = threading.Event()
    once_it_builds(builder, cancelled.set)
    seen = builder.solve(BUILD, cancelled=cancelled)
    assert "Stopped as you asked" in seen.results[BUILD].summary, seen.results[BUILD]
    assert "Nothing is half done" in seen.results[BUILD].next_action
    assert builds(builder) == []
    assert image(builder).find(context_of(builder).reads) is None

    # The engine stops in the middle of it
    with forwarded(tmp_path_factory.mktemp("e")) as (address, stop):
        monkeypatch.setenv("DOCKER_HOST", address)
        once_it_builds(builder, stop)
        seen = builder.solve(BUILD)
        # The engine at docker's own address still answers: it is offered, not used.
        assert "No Docker engine responds" in seen.results[BUILD].summary, seen.results[BUILD]
        assert "DOCKER_HOST" in seen.results[BUILD].next_action
    monkeypatch.delenv("DOCKER_HOST")

    git(builder, "checkout", "--", "Project_One/dockerfile")
    assert builder.solve(BUILD).statuses[BUILD] is Status.PASSED
    builder.teardown(BUILD)


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
def test_a_container_that_ends_at_once_or_answers_wrongly_is_no_image_that_works(tmp_path: Path) -> None:
    bench = EngineWorkbench(Engine())
    for command, told in (("true", "ended right after it was started"), ("python -m http.server 5001", "answers 501")):
        name = f"hol-test-{uuid.uuid4().hex[:8]}"
        (tmp_path / "dockerfile").write_text(f"FROM {BASE}\nCMD {command}\n", encoding="utf-8")
        docker("build", "--quiet", "--file", str(tmp_path / "dockerfile"), "--tag", name, str(tmp_path))
        found = bench.image(tmp_path, name)
        assert found is not None
        try:
            with pytest.raises(ServiceError, match=told):
                bench.predict(tmp_path, found, 20)
            assert docker("ps", "--all", "--quiet", "--filter", f"ancestor={name}") == ""
        finally:
            docker("image", "rm", "--force", name)
