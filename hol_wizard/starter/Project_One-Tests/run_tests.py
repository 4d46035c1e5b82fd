"""Tests the inference container: builds an image with the tests from it, runs them, copies the results out.

Used by `runtests_local` on your machine (Windows, macOS, Linux) and by `runtests_pipeline.sh` in the pipeline. Needs
Python 3.11 or newer and Docker. Nothing is mounted: the results are copied out of the container, so they belong to you,
and a Docker engine on another machine works, too. If all tests have passed, `artifacts.json` records the image's ID.

With `--here`, they run without a container, in this Python, which must have the packages. They test a copy of what the
image would contain, as `build.py --here` has recorded it in `without_container.json`.

Exit codes: 0 all tests passed, 1 some failed, 2 the machine is not ready, 3 the tests could not be run, 130 stopped
with Ctrl-C.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE.parent / "ml_temp" / "artifacts"
"""Folder in which the build writes `artifacts.json`."""
TESTS_OF = "mltests.of"
"""Label of an image with tests: which checkout it was built from. It has no name, which another checkout could take."""
IN_CONTAINER = "/var/azureml-app"
RESULTS = ("test-results.xml", "coverage.xml", "cov_html/index.html")
RECORD = "tested.json"
"""File in the folder with the results: which image was tested, and with which tests."""
MADE = ".made-by-runtests"
"""File in the folder with the results: lists the files that a test run wrote there, one path per line."""


class NotReadyError(Exception):
    """The machine is not ready; the message says what to do."""


class TestRunError(Exception):
    """The tests could not be run."""

    __test__ = False


def about_image(name: str = "artifacts.json", needed: str = "image_location") -> dict[str, Any]:
    """Return the contents of `artifacts.json` about the image that was built last.

    Raises:
        NotReadyError: None was built.
    """
    file = ARTIFACTS / name
    try:
        about = dict(json.loads(file.read_text(encoding="utf-8")))
        str(about[needed])
    except FileNotFoundError as error:
        raise NotReadyError(f"{file} does not exist. Run runbuild_local in Project_One first.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotReadyError(f"{file} names no image. Run runbuild_local in Project_One again.") from error
    return about


def docker(*arguments: str, quiet: bool = False, apart: bool = False) -> int:
    """Run Docker and return its exit code.

    Args:
        arguments: Its arguments.
        quiet: Whether its output is not shown.
        apart: Whether Ctrl-C in this terminal does not reach it (not on Windows).
    """
    output = subprocess.DEVNULL if quiet else None
    words = [program(), *arguments]
    return subprocess.run(words, stdout=output, start_new_session=apart, check=False).returncode


@contextmanager
def ctrl_c_later() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a request that Docker carries out even if its command is interrupted."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def program() -> str:
    """Return the path of Docker's command.

    Raises:
        NotReadyError: It is not installed.
    """
    found = shutil.which("docker") or shutil.which("podman")
    if found is None:
        raise NotReadyError("Docker is not installed, or not on the PATH: see https://docs.docker.com/get-docker/.")
    return found


def inspect(image: str) -> tuple[str, dict[str, str]]:
    """Return the ID of an image, which identifies exactly one image, and its labels.

    Raises:
        TestRunError: Docker has no such image.
    """
    asked = [program(), "image", "inspect", image]
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise TestRunError(f"There is no image {image}. Does `docker version` answer?")
    about = json.loads(done.stdout)[0]
    return str(about["Id"]), dict((about.get("Config") or {}).get("Labels") or {})


def marks() -> dict[str, str]:
    """Return the labels that `TEST_LABELS` gives to the image with the tests, and to the record of a run."""
    return dict(each.split("=", 1) for each in os.environ.get("TEST_LABELS", "").split() if "=" in each)


def record_of(image: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return what a run of the tests, as they are now, says of itself.

    Args:
        image: ID of the tested image.
        labels: Its labels, which name commit and model.
    """
    tests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(HERE.glob("test_*.py"))}
    return {"image_id": image, "labels": labels, "tests": tests, "marks": marks()}


def this_checkout() -> str:
    """Return a value for the label that no other checkout has, also not one on another machine with the same engine."""
    return hashlib.sha256(os.fsencode(f"{platform.node()} {HERE}")).hexdigest()[:16]


def run(image: str, on: str, results: Path, record: dict[str, Any]) -> int:
    """Run the tests in the image, and return pytest's exit code.

    Args:
        image: The image to test.
        on: Its platform; empty: the engine's own.
        results: Folder for the results.
        record: What is tested.

    Raises:
        NotReadyError: The folder of the results contains something that no test run wrote.
        TestRunError: They could not be run, or wrote no results.
    """
    see_that_all_was_made(results)
    print(f"Adding the tests to {image}", flush=True)
    options = ["--platform", on] if on else []
    tests = with_tests(image, options)
    name = f"mltests-{uuid.uuid4().hex[:8]}"
    try:
        with ctrl_c_later():
            if docker("create", *options, "--name", name, "--init", "--network", "none", tests, quiet=True, apart=True):
                raise TestRunError("The container could not be created.")
        print("Running the tests", flush=True)
        code = docker("start", "--attach", name)
        with new_draft(results) as draft:
            if docker("cp", f"{name}:/results/.", str(draft), quiet=True):
                raise TestRunError("The results could not be copied out of the container.")
            judge(draft, code)
            keep(draft, results, record, IN_CONTAINER)
    finally:
        docker("rm", "--force", name, quiet=True)
    return code


def with_tests(image: str, options: list[str]) -> str:
    """Build an image with the tests from another one, remove the ones that this checkout built before, return its ID.

    Raises:
        TestRunError: It could not be built.
    """
    labels = {**marks(), TESTS_OF: this_checkout()}
    words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    with tempfile.TemporaryDirectory(prefix="runtests-") as folder:
        file = Path(folder) / "id"
        words += ["--iidfile", str(file), "--build-arg", f"INFERENCE_IMAGE={image}"]
        if docker("build", *options, *words, str(HERE)):
            raise TestRunError("The image with the tests could not be built. Does `docker version` answer?")
        built = file.read_text(encoding="utf-8").strip()
    listed = [program(), "image", "ls", "--quiet", "--no-trunc", "--filter", f"label={TESTS_OF}={this_checkout()}"]
    done = subprocess.run(listed, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    for earlier_one in sorted({*done.stdout.split()} - {built}):
        # A run that is still in progress uses its image, so it stays until the next run.
        subprocess.run([program(), "image", "rm", earlier_one], capture_output=True, check=False)
    return built


def run_here(about: dict[str, Any], results: Path, record: dict[str, Any]) -> int:
    """Run the tests in this Python, on a copy of what the image would have, and return pytest's exit code.

    Raises:
        NotReadyError: The project has changed since `build.py --here`.
        TestRunError: They have left no results.
    """
    see_that_all_was_made(results)
    with tempfile.TemporaryDirectory(prefix="runtests-") as folder:
        project, tests, made = (Path(folder).resolve() / name for name in ("project", "tests", "results"))
        for path, digest in about["files"].items():
            source, target = HERE.parent / "Project_One" / path, project / path
            if not source.is_file() or hashlib.sha256(source.read_bytes()).hexdigest() != digest:
                raise NotReadyError(f"{path} has changed. Run build.py --here again.")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        tests.mkdir()
        for file in HERE.glob("test_*.py"):
            shutil.copyfile(file, tests / file.name)
        print("Running the tests", flush=True)
        words = ["-m", "pytest", str(tests), "-vv", "-p", "no:cacheprovider", f"--junitxml={made / 'test-results.xml'}"]
        words += ["--cov=.", "--cov-report=term", f"--cov-report=xml:{made / 'coverage.xml'}"]
        words += [f"--cov-report=html:{made / 'cov_html'}"]
        own = {"PYTHONPATH": str(project), "COVERAGE_FILE": str(Path(folder) / ".coverage")}
        code = subprocess.run([sys.executable, *words], cwd=project, env={**os.environ, **own}, check=False).returncode
        with new_draft(results) as draft:
            if made.is_dir():
                shutil.copytree(made, draft, dirs_exist_ok=True)
            judge(draft, code)
            keep(draft, results, record, str(project))
        return code


@contextmanager
def new_draft(results: Path) -> Iterator[Path]:
    """Give an empty folder next to the results, which `keep` puts in their place; remove it if it is not complete."""
    draft = results.with_name(f".{results.name}.draft")
    for left in (draft, earlier(results)):
        shutil.rmtree(left, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def keep(draft: Path, results: Path, record: dict[str, Any], tested: str) -> None:
    """Put new results in place of those of an earlier run, with their record and the list of their files.

    Args:
        draft: The folder with the new ones.
        results: Their place.
        record: What was tested.
        tested: The folder in which the tested code was.

    Raises:
        NotReadyError: The place contains something that no test run wrote.
    """
    point_home(draft / "coverage.xml", tested)
    (draft / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    made = [each.relative_to(draft).as_posix() for each in draft.rglob("*") if not each.is_dir()]
    (draft / MADE).write_text("".join(f"{each}\n" for each in sorted(made)), encoding="utf-8")
    see_that_all_was_made(results)
    # A folder is renamed at once, but removed file by file: a kill must not leave half of it in place.
    before = earlier(results)
    if results.exists():
        results.replace(before)
    draft.replace(results)
    shutil.rmtree(before, ignore_errors=True)


def earlier(results: Path) -> Path:
    """Return the name of results from the moment when new ones take their place until they are removed."""
    return results.with_name(f".{results.name}.earlier")


def judge(draft: Path, code: int) -> None:
    """Check that a run was complete. Earlier results stay if it was not.

    pytest's exit code and these files show that; its last line does not. pytest ends with 2 if a file with tests cannot
    be imported, and if it was interrupted. It writes its results in both cases; only in the first are they complete.

    Args:
        draft: The folder with its results.
        code: pytest's exit code.

    Raises:
        TestRunError: It was not; the message says what is missing.
    """
    missing = [each for each in RESULTS if not (draft / each).is_file()]
    if missing:
        raise TestRunError(f"The tests have left no {', '.join(missing)}; pytest's exit code was {code}.")
    if code == 5:
        raise TestRunError("No test was found.")
    if code not in (0, 1) and not (code == 2 and not_imported(draft / RESULTS[0])):
        raise TestRunError(f"The tests were interrupted; pytest's exit code was {code}.")


def not_imported(results: Path) -> bool:
    """Return whether a file with tests could not be imported, according to the results (JUnit)."""
    try:
        errors = ElementTree.parse(results).iter("error")
    except ElementTree.ParseError:
        return False
    # pytest's own words (_pytest/junitxml.py, `append_collect_error`).
    return any(error.get("message") == "collection failure" for error in errors)


def note(about: dict[str, Any], name: str = "artifacts.json") -> None:
    """Write `artifacts.json` again, whole or not at all, for the program that pushes the image."""
    draft = ARTIFACTS / f".{name}.draft"
    draft.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    draft.replace(ARTIFACTS / name)


def see_that_all_was_made(results: Path) -> None:
    """Check that a folder contains only what a test run wrote there, so that it can be removed.

    Raises:
        NotReadyError: It contains something else.
    """
    if results.is_symlink() or (results.exists() and not results.is_dir()):
        raise NotReadyError(f"{results} is not a folder of its own. Move it away.")
    note = results / MADE
    ours = {MADE, *note.read_text(encoding="utf-8").splitlines()} if note.is_file() else set()
    for file in sorted(results.rglob("*")):
        name = file.relative_to(results).as_posix()
        if name not in ours and (file.is_symlink() or not file.is_dir()):
            raise NotReadyError(f"{results} holds {name}, which no test run left there. Move it away.")


def point_home(coverage: Path, tested: str) -> None:
    """Make the coverage report name the code's path in this checkout, instead of where it was tested."""
    if not coverage.is_file():
        return
    home = (HERE.parent / "Project_One").as_posix()
    text = coverage.read_text(encoding="utf-8")
    # A path need not be UTF-8, but the report is.
    coverage.write_text(text.replace(f"<source>{tested}", f"<source>{home}"), encoding="utf-8", errors="replace")


def main(arguments: list[str] | None = None) -> int:
    """Run the tests and return the exit code."""
    parser = argparse.ArgumentParser(description="Test the inference container.")
    parser.add_argument("--here", action="store_true", help="run the tests in this Python, without a container")
    here = parser.parse_args(arguments).here
    results = ARTIFACTS / "test_results"
    try:
        code = in_this_python(results) if here else in_container(results)
    except KeyboardInterrupt:
        print("runtests: stopped", file=sys.stderr)
        return 130
    except NotReadyError as error:
        print(f"runtests: {error}", file=sys.stderr)
        return 2
    except TestRunError as error:
        print(f"runtests: {error}", file=sys.stderr)
        return 3
    shown = os.fsencode(results).decode("utf-8", "replace")
    print(f"The results are in {shown}: open cov_html/index.html there in a browser.")
    # 2: a file with tests cannot be imported; the results say so.
    return {0: 0, 1: 1, 2: 1}[code]


def in_container(results: Path) -> int:
    """Test the image that was built last, and note it if all tests have passed; return pytest's exit code."""
    about = about_image()
    image = str(about["image_location"])
    if about.pop("tested_image_id", None):
        note(about)
    tested, labels = inspect(image)
    code = run(image, str(about.get("platform", "")), results, record_of(tested, labels))
    if code == 0:
        note({**about, "tested_image_id": tested})
    return code


def in_this_python(results: Path) -> int:
    """Test what `build.py --here` has noted, and note that if all tests have passed; return pytest's exit code."""
    name = "without_container.json"
    about = about_image(name, "id")
    if about.pop("tested_image_id", None):
        note(about, name)
    code = run_here(about, results, record_of(about["id"], about.get("labels", {})))
    if code == 0:
        note({**about, "tested_image_id": about["id"]}, name)
    return code


if __name__ == "__main__":
    sys.exit(main())
