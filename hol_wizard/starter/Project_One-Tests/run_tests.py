"""Tests the inference container: build an image from it that has the tests, run them, copy the results out.

Used by `runtests_local` on your machine (Windows, macOS, Linux) and by `runtests_pipeline.sh` in the pipeline. Needs
Python 3.11 or newer and Docker. Nothing is mounted: the results are copied out of the container, so they belong to you,
and a Docker engine on another machine works, too. If all tests have passed, `artifacts.json` says in which image.

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
"""Where the build has left `artifacts.json`."""
TEST_IMAGE = "mltests"
IN_CONTAINER = "/var/azureml-app"
RESULTS = ("test-results.xml", "coverage.xml", "cov_html/index.html")
MADE = ".made-by-runtests"
"""In the folder with the results: which of its files a run has left there, one path a line."""


class NotReadyError(Exception):
    """The machine is not ready; the message says what to do."""


class TestRunError(Exception):
    """The tests could not be run."""

    __test__ = False


def about_image() -> dict[str, Any]:
    """Return what `artifacts.json` says of the image that was built last.

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
    """Return the id of an image, which tells exactly which one it is.

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
        NotReadyError: Something is in the folder of the results that no run has left there.
        TestRunError: They could not be run, or have left no results.
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
    # Not pytest's last line but its exit code and these files say whether the tests have run.
    missing = [each for each in RESULTS if not (results / each).is_file()]
    if missing:
        raise TestRunError(f"The tests have left no {', '.join(missing)}; pytest's exit code was {code}.")
    if code == 5:
        raise TestRunError("No test was found.")
    point_home(results / "coverage.xml")
    return code


def note(about: dict[str, Any]) -> None:
    """Write `artifacts.json` again, for whoever pushes the image."""
    (ARTIFACTS / "artifacts.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def see_that_all_was_made(results: Path) -> None:
    """See that a folder holds only what a run has left there, so that it may be removed.

    Raises:
        NotReadyError: It holds something else.
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
    """Let the coverage tell where the code is in this checkout, not in the container."""
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
