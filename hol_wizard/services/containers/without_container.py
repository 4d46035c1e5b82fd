"""The workbench without an engine, for a cloud on this machine that offers its own Python: for practice only.

The starter's programs do the same without a container: `build.py --here` downloads the model and records what would be
in the image, `score.py` responds, and `run_tests.py --here` runs the tests. `artifacts.json` is not written, so nothing
can be pushed. No public cloud offers such a Python, so this never counts there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hol_wizard.engine.reporter import Reporter
from hol_wizard.errors import InconclusiveError, NotFoundError, ServiceError
from hol_wizard.services.containers import build_output
from hol_wizard.services.containers.engine import Image
from hol_wizard.services.containers.with_engine import forget_tested, run_program, test_labels, tested_in
from hol_wizard.services.containers.workbench import ARTIFACTS, LAB_LABEL, PERSON, PROJECT, TESTS, TESTS_USUALLY
from hol_wizard.services.programs import ask

NOTE: Final = "practiced without a container"
NOTE_FILE: Final = f"{ARTIFACTS}/without_container.json"
"""The replacement of an image: name, ID, labels, and the digests of the files."""
_ASK: Final = "import json, score, sys; score.init(); print(json.dumps(score.run(sys.argv[1])))"


class ContainerlessWorkbench:
    """Uses the Python that the cloud offers."""

    note = NOTE

    def __init__(self, python: Path) -> None:
        """Keep the interpreter; nothing is read yet.

        Args:
            python: It has the packages of the inference container and of the tests.
        """
        self._python = python

    def build(self, clone: Path, given: Mapping[str, str], lab: str, reporter: Reporter) -> None:
        """Run `build.py --here`."""
        more = {**given, "IMAGE_LABELS": f"{LAB_LABEL}={lab}"}
        reporter.say("No container engine: this is practiced without a container.")
        ended = run_program(clone / PROJECT / "build.py", more, reporter, "--here")
        if ended.code != 0:
            raise build_output.failure("The model was not fetched", ended.last, "Correct it, then <solve>.")

    def image(self, clone: Path, name: str) -> Image | None:
        """Return what `build.py --here` has recorded."""
        about = self._noted(clone)
        if about is None or about["name"] != name:
            return None
        return Image(name, about["id"], about["labels"])

    @staticmethod
    def _noted(clone: Path) -> dict[str, Any] | None:
        path = clone / NOTE_FILE
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            labels, files = dict(about["labels"]), dict(about["files"])
            return {**about, "name": str(about["name"]), "id": str(about["id"]), "labels": labels, "files": files}
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InconclusiveError(f"{path} cannot be read: {error}.", "Delete the file, then <solve>.") from error

    def files(self, clone: Path, image: Image) -> Mapping[str, str]:
        """Return the recorded digests of the files."""
        del image
        about = self._noted(clone) or {"files": {}}
        return {str(path): str(digest) for path, digest in about["files"].items()}

    def predict(self, clone: Path, image: Image, seconds: float) -> Any:
        """Call `init()` and `run()` of `score.py`, as a web server does."""
        del image
        answer = ask([self._interpreter, "-B", "-c", _ASK, json.dumps(dict(PERSON))], seconds, folder=clone / PROJECT)
        if answer.code != 0:
            said = answer.err.strip().splitlines()
            raise ServiceError(
                f"The inference code does not answer: {said[-1] if said else 'no response in time'}",
                "Correct the inference code, then build again.",
                detail=answer.err[-2000:],
            )
        try:
            return json.loads(answer.out)
        except (ValueError, RecursionError) as error:
            raise ServiceError("The inference code does not answer with JSON.", "Correct score.py.") from error

    @property
    def _interpreter(self) -> str:
        if not self._python.is_file():
            raise NotFoundError(
                "The Python packages of the practice cloud are not installed on this machine.",
                "<first train/run-the-training>: its first run installs them.",
            )
        return str(self._python)

    def run_tests(self, clone: Path, lab: str, reporter: Reporter) -> bool:
        """Run `run_tests.py --here`."""
        reporter.say("No container engine: the tests run without a container.")
        script, python = clone / TESTS / "run_tests.py", self._interpreter
        ended = run_program(script, test_labels(lab), reporter, "--here", usually=TESTS_USUALLY, python=python)
        if ended.code not in (0, 1):
            raise build_output.failure("The tests were not run", ended.last, "Correct it, then <solve>.")
        return ended.code == 0

    def tested(self, clone: Path) -> str:
        """Return the ID in the record."""
        return tested_in(clone / NOTE_FILE)

    def has_test_images(self, lab: str) -> bool:
        """Return that there are none."""
        del lab
        return False

    def remove_tests(self, clone: Path, lab: str) -> None:
        """Remove the tests' entry from the record."""
        del lab
        forget_tested(clone / NOTE_FILE)

    def remove(self, clone: Path, image: Image, lab: str) -> None:
        """Remove the record."""
        del image, lab
        (clone / NOTE_FILE).unlink(missing_ok=True)
