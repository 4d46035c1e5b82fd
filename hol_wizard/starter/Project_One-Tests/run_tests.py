"""Tests the inference container: build an image from it with the tests in, run them, bring the results home.

Used by `runtests_local` on your machine (Windows, macOS, Linux) and by `runtests_pipeline.sh` in the pipeline. Needs
Python 3.11 or newer and Docker. Nothing is mounted: the results are copied out of the container, so they belong to you,
and a Docker engine on another machine works, too.

Exit codes: 0 all tests passed, 1 some failed, 2 the machine is not ready, 3 the tests could not be run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
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


def artifacts() -> Path:
    """Return the folder in which the build has left `artifacts.json`."""
    staging = os.environ.get("ARTIFACTS_DIR") or os.environ.get("BUILD_ARTIFACTSTAGINGDIRECTORY")
    return Path(staging) if staging else HERE.parent / "ml_temp" / "artifacts"


def image_location(folder: Path) -> str:
    """Return the name of the image that was built last.

    Raises:
        NotReadyError: None was.
    """
    file = folder / "artifacts.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["image_location"])
    except FileNotFoundError as error:
        raise NotReadyError(f"There is no {file}. Run runbuild_local in Project_One first.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotReadyError(f"{file} names no image. Run runbuild_local in Project_One again.") from error


def docker(*arguments: str, quiet: bool = False) -> int:
    """Run Docker and return its exit code."""
    program = shutil.which("docker")
    if program is None:
        raise NotReadyError("Docker is not installed, or not on the PATH: see https://docs.docker.com/get-docker/.")
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run([program, *arguments], stdout=output, check=False).returncode


def run(image: str, results: Path) -> int:
    """Run the tests in the image, and return what pytest returned.

    Raises:
        NotReadyError: Something is in the folder of the results that no run has left there.
        TestRunError: They could not be run, or have left no results.
    """
    see_that_all_was_made(results)
    print(f"Adding the tests to {image}", flush=True)
    if docker("build", "--tag", TEST_IMAGE, "--build-arg", f"INFERENCE_IMAGE={image}", str(HERE)):
        raise TestRunError("The image with the tests could not be built. Does `docker version` answer?")
    name = f"{TEST_IMAGE}-{uuid.uuid4().hex[:8]}"
    if docker("create", "--name", name, "--init", "--network", "none", TEST_IMAGE, quiet=True):
        raise TestRunError("The container could not be made.")
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
    folder = artifacts()
    try:
        code = run(image_location(folder), folder / "test_results")
    except NotReadyError as error:
        print(f"runtests: {error}", file=sys.stderr)
        return 2
    except TestRunError as error:
        print(f"runtests: {error}", file=sys.stderr)
        return 3
    print(f"The results are in {folder / 'test_results'}: open cov_html/index.html there in a browser.")
    return 0 if code == 0 else 1 if code == 1 else 3


if __name__ == "__main__":
    sys.exit(main())
