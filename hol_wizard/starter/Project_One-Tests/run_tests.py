"""Tests the inference container: builds an image with the tests from it, runs them, copies the results out.

Used by `runtests_local` on your machine (Windows, macOS, Linux) and by `runtests_pipeline.sh` in the pipeline. Needs
Python 3.11 or newer and Docker. Nothing is mounted: the results are copied out of the container, so they belong to you,
and a Docker engine on another machine works, too. If all tests have passed, `artifacts.json` records the image's ID.

Exit codes: 0 all tests passed, 1 some failed, 2 the machine is not ready, 3 the tests could not be run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE.parent / "ml_temp" / "artifacts"
"""Folder in which the build writes `artifacts.json`."""
TEST_IMAGE = "mltests"
IN_CONTAINER = "/var/azureml-app"
RESULTS = ("test-results.xml", "coverage.xml", "cov_html/index.html")
MADE = ".made-by-runtests"
"""File in the folder with the results: lists the files that a test run wrote there, one path per line."""


class NotReadyError(Exception):
    """The machine is not ready; the message says what to do."""


class TestRunError(Exception):
    """The tests could not be run."""

    __test__ = False


def about_image() -> dict[str, Any]:
    """Return the contents of `artifacts.json` about the image that was built last.

    Raises:
        NotReadyError: None was built.
    """
    file = ARTIFACTS / "artifacts.json"
    try:
        about = dict(json.loads(file.read_text(encoding="utf-8")))
        str(about["image_location"])
    except FileNotFoundError as error:
        raise NotReadyError(f"{file} does not exist. Run runbuild_local in Project_One first.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotReadyError(f"{file} names no image. Run runbuild_local in Project_One again.") from error
    return about


def docker(*arguments: str, quiet: bool = False) -> int:
    """Run Docker and return its exit code."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run([program(), *arguments], stdout=output, check=False).returncode


def program() -> str:
    """Return the path of Docker's command.

    Raises:
        NotReadyError: It is not installed.
    """
    found = shutil.which("docker")
    if found is None:
        raise NotReadyError("Docker is not installed, or not on the PATH: see https://docs.docker.com/get-docker/.")
    return found


def image_id(image: str) -> str:
    """Return the ID of an image, which identifies exactly one image.

    Raises:
        TestRunError: Docker has no such image.
    """
    asked = [program(), "image", "inspect", "--format", "{{.Id}}", image]
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise TestRunError(f"There is no image {image}. Does `docker version` answer?")
    return done.stdout.strip()


def run(image: str, platform: str, results: Path) -> int:
    """Run the tests in the image, and return pytest's exit code.

    Raises:
        NotReadyError: The folder of the results contains something that no test run wrote.
        TestRunError: They could not be run, or wrote no results.
    """
    see_that_all_was_made(results)
    print(f"Adding the tests to {image}", flush=True)
    on = ["--platform", platform] if platform else []
    if docker("build", *on, "--tag", TEST_IMAGE, "--build-arg", f"INFERENCE_IMAGE={image}", str(HERE)):
        raise TestRunError("The image with the tests could not be built. Does `docker version` answer?")
    name = f"{TEST_IMAGE}-{uuid.uuid4().hex[:8]}"
    if docker("create", *on, "--name", name, "--init", "--network", "none", TEST_IMAGE, quiet=True):
        raise TestRunError("The container could not be created.")
    try:
        print("Running the tests", flush=True)
        code = docker("start", "--attach", name)
        see_that_all_was_made(results)
        if results.exists():
            shutil.rmtree(results)
        results.mkdir(parents=True)
        copied = docker("cp", f"{name}:/results/.", str(results), quiet=True) == 0
        made = [each.relative_to(results).as_posix() for each in results.rglob("*") if not each.is_dir()]
        (results / MADE).write_text("".join(f"{each}\n" for each in sorted(made)), encoding="utf-8")
        if not copied:
            raise TestRunError("The results could not be copied out of the container.")
    finally:
        docker("rm", "--force", name, quiet=True)
    # pytest's exit code and these files show whether the tests have run; its last line does not.
    missing = [each for each in RESULTS if not (results / each).is_file()]
    if missing:
        raise TestRunError(f"The tests have left no {', '.join(missing)}; pytest's exit code was {code}.")
    if code == 5:
        raise TestRunError("No test was found.")
    point_home(results / "coverage.xml")
    return code


def note(about: dict[str, Any]) -> None:
    """Write `artifacts.json` again, for the program that pushes the image."""
    (ARTIFACTS / "artifacts.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


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


def point_home(coverage: Path) -> None:
    """Make the coverage report name the code's path in this checkout instead of in the container."""
    home = (HERE.parent / "Project_One").as_posix()
    text = coverage.read_text(encoding="utf-8")
    coverage.write_text(text.replace(f"<source>{IN_CONTAINER}", f"<source>{home}"), encoding="utf-8")


def main() -> int:
    """Run the tests and return the exit code."""
    results = ARTIFACTS / "test_results"
    try:
        about = about_image()
        image = str(about["image_location"])
        if about.pop("tested_image_id", None):
            note(about)
        tested = image_id(image)
        code = run(image, str(about.get("platform", "")), results)
        if code == 0:
            note({**about, "tested_image_id": tested})
    except NotReadyError as error:
        print(f"runtests: {error}", file=sys.stderr)
        return 2
    except TestRunError as error:
        print(f"runtests: {error}", file=sys.stderr)
        return 3
    print(f"The results are in {results}: open cov_html/index.html there in a browser.")
    return 0 if code == 0 else 1 if code == 1 else 3


if __name__ == "__main__":
    sys.exit(main())
