"""Where the inference container is built, tried and tested, and the labels of its image.

There are two: `with_engine.EngineWorkbench`, and `without_container.ContainerlessWorkbench` for a cloud on this machine
that offers its own Python. Steps use whichever `open_workbench` returns, in the same way. They add the `note` of the
second one to everything that they report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result
from hol_wizard.services.containers.engine import Image

PROJECT: Final = "Project_One"
TESTS: Final = "Project_One-Tests"
ARTIFACTS: Final = "ml_temp/artifacts"
"""Folder for the files of a build and a test run, relative to the top of the clone."""
NOTE_FILE: Final = f"{ARTIFACTS}/artifacts.json"
"""Names the image that was built last and, after tests that passed, has the ID of the tested image."""
TESTED: Final = "tested_image_id"
RESULTS: Final = f"{ARTIFACTS}/test_results"
"""Folder of `test-results.xml` (JUnit), `coverage.xml` (Cobertura) and `cov_html/`."""

COMMIT_LABEL: Final = "org.opencontainers.image.revision"
"""The commit that an image was built from, with `-dirty` after it if the project had uncommitted changes."""
MODEL_LABEL: Final = "model.name"
VERSION_LABEL: Final = "model.version"
LAB_LABEL: Final = "hol-wizard.lab"
"""The lab's ID: the wizard's mark."""
TESTS_LABEL: Final = "hol-wizard.tests"
"""The lab's ID in an image with tests, which has no name, and in the record of a run. Such an image also inherits
`LAB_LABEL`."""

CHECK_LABEL: Final = "hol-wizard.asked"
"""Label of the containers in which a check looks into an image or asks it."""

PERSON: Final[Mapping[str, Any]] = {"age": 37, "hours-per-week": 40.0}
"""The person in the trial request to the model."""
BUILD_USUALLY: Final = 120.0
"""Seconds of a build on a machine that has neither the base image nor the packages. [K] (12 to 20 measured if a nearby
server has both)"""

TESTS_USUALLY: Final = 20.0
"""Seconds of a test run with packages from a nearby server. (3 to 6 measured; the first run downloads pytest)"""


class Workbench(Protocol):
    """Builds the inference container from a clone, and reports its state."""

    @property
    def note(self) -> str:
        """The note in each report: empty, or that it was practiced without a container."""

    def build(self, clone: Path, given: Mapping[str, str], lab: str, reporter: Reporter) -> None:
        """Download the model and build the image with the starter's `build.py`, and show its output live.

        Args:
            clone: Top of the reader's clone.
            given: Variables for `build.py` in addition to its settings file: addresses of services, and tokens.
            lab: The mark.
            reporter: Shows the output, and tells when to stop.

        Raises:
            StoppedError: The user stopped it.
            WizardError: It failed, with the cause and what to do.
        """

    def image(self, clone: Path, name: str) -> Image | None:
        """Return the image with a name, or None if there is none.

        Raises:
            ServiceError: That could not be determined.
        """

    def files(self, clone: Path, image: Image) -> Mapping[str, str]:
        """Return the digest (SHA-256) of each file of the project in the image, by its path; bytecode is left out."""

    def predict(self, clone: Path, image: Image, seconds: float) -> Any:
        """Return the model's response for `PERSON`; a container that is started for it is stopped again.

        Raises:
            WizardError: It does not respond in time, or responds with an error.
        """

    def run_tests(self, clone: Path, lab: str, reporter: Reporter) -> bool:
        """Run the tests with the starter's `run_tests.py`, and return whether all passed.

        The results are in `RESULTS`; if all passed, `NOTE_FILE` has the ID of the tested image as `TESTED`.

        Args:
            clone: Top of the reader's clone.
            lab: The mark; empty: the results stay the reader's own.
            reporter: Shows the output, and tells when to stop.

        Raises:
            StoppedError: The user stopped it.
            WizardError: They could not be run, with the cause and what to do.
        """

    def tested(self, clone: Path) -> str:
        """Return the ID of the image whose tests have all passed, as in `Image.id`; empty if there is none."""

    def has_test_images(self, lab: str) -> bool:
        """Return whether there is an image with tests of this lab: a run that is cut off leaves one without results."""

    def remove_tests(self, clone: Path, lab: str) -> None:
        """Remove the images with tests of this lab, and the record that an image was tested.

        A container that a killed run has left is removed as well.

        Raises:
            ServiceError: The image is in use, or the engine could not be asked.
        """

    def remove(self, clone: Path, image: Image, lab: str) -> None:
        """Remove an image, and the earlier, now unnamed images of this lab.

        A container that a killed check has left is removed as well.

        Raises:
            ServiceError: It is in use, or the engine could not be asked.
        """


def with_note(result: Result, workbench: Workbench) -> Result:
    """Return a result with the note that it was practiced without a container, if it was."""
    if not workbench.note:
        return result
    return replace(result, summary=f"{result.summary.rstrip('.')} ({workbench.note}).")
