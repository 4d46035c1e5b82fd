"""A workbench whose runs leave what a test wants, at the seam between steps and containers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hol_wizard.engine.reporter import Reporter
from hol_wizard.resources.test_run import MADE, RECORD
from hol_wizard.services.containers.engine import Image
from hol_wizard.services.containers.workbench import COMMIT_LABEL, RESULTS, TESTS, TESTS_LABEL

IMAGE = Image("hol-inference:local", f"sha256:{'1' * 64}", {COMMIT_LABEL: "c" * 40})
STARTER_TEST = "test_scalers_and_model_are_loaded_after_init"
OWN_TEST = """

def test_mine():
    model = MyModel()
    model.init()
    assert model.x_scaler.n_features_in_ == 3
"""
PASSED = {STARTER_TEST: "", "test_mine": ""}
COVERAGE = """<coverage line-rate="0.44"><packages><package><classes><class filename="score.py"><lines>
<line number="1" hits="0"/></lines></class></classes></package></packages></coverage>"""


def leave(
    clone: Path,
    lab: str = "",
    *,
    image: Image = IMAGE,
    tests: Mapping[str, str] = PASSED,
    coverage: str = COVERAGE,
    module: str = "test_model",
) -> None:
    """Leave what `run_tests.py` leaves: each test with the reason why it failed, or an empty text."""
    folder = clone / RESULTS
    (folder / "cov_html").mkdir(parents=True, exist_ok=True)
    cases = "".join(
        f'<testcase classname="{module}" name="{name}">'
        + (f'<failure message="{why}">E   {why}</failure>' if why else "")
        + "</testcase>"
        for name, why in tests.items()
    )
    files = {
        "test-results.xml": f"<testsuites><testsuite>{cases}</testsuite></testsuites>",
        "coverage.xml": coverage,
        "cov_html/index.html": "<html></html>",
    }
    digests = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in (clone / TESTS).glob("test_*.py")}
    about = {"image_id": image.id, "labels": dict(image.labels), "tests": digests, "marks": {TESTS_LABEL: lab}}
    files[RECORD] = json.dumps(about)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / MADE).write_text("".join(f"{each}\n" for each in files), encoding="utf-8")


class Bench:
    """A workbench with one image; a run leaves the tests that it is told."""

    note = ""

    def __init__(self) -> None:
        self.tests: Mapping[str, str] = PASSED
        self.runs = 0

    def run_tests(self, clone: Path, lab: str, reporter: Reporter) -> bool:
        self.runs += 1
        reporter.say("5 passed")
        leave(clone, lab, tests=self.tests)
        return not any(self.tests.values())

    def has_test_images(self, lab: str) -> bool:
        return False

    def remove_tests(self, clone: Path, lab: str) -> None:
        assert lab
        assert clone.is_dir()

    def image(self, clone: Path, name: str) -> Image | None:
        del clone
        return IMAGE if name == IMAGE.name else None

    def build(self, clone: Path, given: Mapping[str, str], lab: str, reporter: Reporter) -> None:
        raise NotImplementedError

    def files(self, clone: Path, image: Image) -> Mapping[str, str]:
        raise NotImplementedError

    def predict(self, clone: Path, image: Image, seconds: float) -> Any:
        raise NotImplementedError

    def tested(self, clone: Path) -> str:
        raise NotImplementedError

    def remove(self, clone: Path, image: Image, lab: str) -> None:
        raise NotImplementedError
