"""Where the inference container is built, asked and tested, and what an image of it carries.

There are two: `with_engine.EngineWorkbench`, and `without_container.ContainerlessWorkbench` for a cloud on this machine
that offers its own Python. Steps use whichever `open_workbench` returns, in the same way. Whatever they report of the
second one they mark with its `note`.
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
"""Folder of what a build and a test run leave, from the top of the clone."""
NOTE_FILE: Final = f"{ARTIFACTS}/artifacts.json"
"""Names the image that was built last; after a test run that passed also the id of the image that was tested."""
TESTED: Final = "tested_image_id"
RESULTS: Final = f"{ARTIFACTS}/test_results"
"""Folder of `test-results.xml` (JUnit), `coverage.xml` (Cobertura) and `cov_html/`."""

COMMIT_LABEL: Final = "org.opencontainers.image.revision"
"""The commit that an image was built from, with `-dirty` after it if the project had uncommitted changes."""
MODEL_LABEL: Final = "model.name"
VERSION_LABEL: Final = "model.version"
LAB_LABEL: Final = "hol-wizard.lab"
"""The lab's id: the wizard's mark."""
TEST_IMAGE: Final = "mltests"
"""The image that `run_tests.py` builds on top of the inference image."""
TESTS_LABEL: Final = "hol-wizard.tests"
"""The lab's id in a test image and in the record of a run; a test image also inherits `LAB_LABEL`."""

PERSON: Final[Mapping[str, Any]] = {"age": 37, "hours-per-week": 40.0}
"""Whom the model is asked about."""
BUILD_USUALLY: Final = 120.0
"""Seconds of a build on a machine that has neither base image nor packages. [K] (12 to 20 measured with both near)"""

TESTS_USUALLY: Final = 20.0
"""Seconds of a run of the tests whose packages are near. (3 to 6 measured; the first run downloads pytest)"""


class Workbench(Protocol):
    """Builds the inference container from a clone, and says what is there."""

    @property
    def note(self) -> str:
        """What each report adds: empty, or that it was practiced without a container."""

    def build(self, clone: Path, given: Mapping[str, str], lab: str, reporter: Reporter) -> None:
        """Fetch the model and build the image as the starter's `build.py` does, with its output as it comes.

        Args:
            clone: Top of the reader's clone.
            given: Variables for `build.py` besides its settings file: where the services are, tokens.
            lab: The mark.
            reporter: Shows the output, and tells when to stop.

        Raises:
            StoppedError: The person asked to stop.
            WizardError: It failed, with the cause and what to do.
        """

    def image(self, clone: Path, name: str) -> Image | None:
        """Return the image of this name, or None if there is none.

        Raises:
            ServiceError: That could not be determined.
        """

    def files(self, clone: Path, image: Image) -> Mapping[str, str]:
        """Return the digest (SHA-256) of each file of the project in the image, by its path; bytecode is left out."""

    def predict(self, clone: Path, image: Image, seconds: float) -> Any:
        """Return what the model in the image answers about `PERSON`; whatever is started for it is stopped.

        Raises:
            WizardError: It does not answer within this time, or with an error.
        """

    def run_tests(self, clone: Path, lab: str, reporter: Reporter) -> bool:
        """Run the tests as the starter's `run_tests.py` does, and return whether all have passed.

        The results are in `RESULTS`, and if all have passed `NOTE_FILE` has the id of the tested image as `TESTED`.

        Args:
            clone: Top of the reader's clone.
            lab: The mark; empty: the results stay the reader's own.
            reporter: Shows the output, and tells when to stop.

        Raises:
            StoppedError: The person asked to stop.
            WizardError: They could not be run, with the cause and what to do.
        """

    def tested(self, clone: Path) -> str:
        """Return the id of the image whose tests have all passed, as `Image.id` has it; empty if none have."""

    def remove_tests(self, clone: Path, lab: str) -> None:
        """Remove the test image of this lab, if there is one, and the note that an image was tested.

        Raises:
            ServiceError: The image is in use, or the engine could not be asked.
        """

    def remove(self, clone: Path, image: Image, lab: str) -> None:
        """Remove an image, and those without a name that this lab has built before it.

        Raises:
            ServiceError: It is in use, or the engine could not be asked.
        """


def with_note(result: Result, workbench: Workbench) -> Result:
    """Return a result with the note that it was practiced without a container, if it was."""
    if not workbench.note:
        return result
    return replace(result, summary=f"{result.summary.rstrip('.')} ({workbench.note}).")
