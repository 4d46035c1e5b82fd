"""The results of the attendee's tests: a folder in the clone that a test run in the image writes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.ownership.resource import owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, NotFoundError, ServiceError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.own_tests import own_tests
from hol_wizard.resources.unit_tests import UnitTest, read
from hol_wizard.resources.written_test import TEST_FILE
from hol_wizard.services.containers.engine import Image
from hol_wizard.services.containers.workbench import (
    COMMIT_LABEL,
    MODEL_LABEL,
    RESULTS,
    TESTS,
    TESTS_LABEL,
    TESTS_USUALLY,
    VERSION_LABEL,
    Workbench,
)
from hol_wizard.test_results.junit import WORST_FIRST, Case, Outcome
from hol_wizard.test_results.report import TESTS_FILE, RunReport, compared, read_report

logger = logging.getLogger(__name__)

RECORD: Final = "tested.json"
"""File in the results folder that says which image was tested, with which tests; `run_tests.py` writes it."""
MADE: Final = ".made-by-runtests"
"""File in the results folder that lists the files that a run wrote; `run_tests.py` writes it."""
_SHORT: Final = 12
"""Number of characters of an ID or a commit that are shown."""
_SHOWN: Final = 5
"""Maximum number of failed tests that a message names."""


@dataclass(frozen=True, slots=True)
class Record:
    """The record that a run has written; empty values are unknown."""

    image_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The labels of the tested image."""
    tests: Mapping[str, str] = field(default_factory=dict)
    """The digest of each file with tests, by name."""
    lab: str = ""
    """The wizard's mark; empty: the attendee ran the tests."""


@dataclass(frozen=True, slots=True)
class Found:
    """The contents of the folder."""

    record: Record
    report: RunReport
    strange: tuple[str, ...]
    """Files that no run wrote."""


@dataclass(frozen=True)
class TestRun(Resource[Found]):
    """The results, and the image that the tests ran in.

    They match if they are of the inference image and all tests passed.
    """

    __test__ = False
    """Otherwise pytest would collect this class because of its name."""
    context: StepContext
    bench: Workbench
    clone: Path
    """The top folder of the attendee's clone."""
    image: Image | None
    """The inference image; None: there is none."""
    kind = "Test results"
    name = RESULTS
    mark = "entry in their record"
    usually = TESTS_USUALLY

    @property
    def _image_id(self) -> str:
        """The ID of the inference image; empty: there is none."""
        return self.image.id if self.image is not None else ""

    @property
    def folder(self) -> Path:
        """Return the folder."""
        return self.clone / RESULTS

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.id_in(self.clone)

    @staticmethod
    def id_in(clone: Path) -> str:
        """Return the ID of the results in a clone."""
        return f"this-machine/{clone / RESULTS}"

    @property
    def where(self) -> str:
        """Return the clone."""
        return str(self.clone)

    @property
    def note(self) -> str:
        """Return what else is created."""
        return self.bench.note or "in an image of their own, which is built from the inference image"

    # Reading

    def find(self, reads: ReadCache) -> Found | None:
        """Return the results of a run, or None."""
        del reads
        if not any((self.folder / each).exists() for each in (RECORD, TESTS_FILE)):
            return None
        record = _record(self.folder / RECORD)
        return Found(record, read_report(self.folder, tuple(self._about(record))), _strange(self.folder))

    def _about(self, record: Record) -> Iterator[str]:
        commit, model = record.labels.get(COMMIT_LABEL, ""), record.labels.get(MODEL_LABEL, "")
        parts = [f"commit {commit[:_SHORT]}"] if commit else []
        parts += [f"version {record.labels.get(VERSION_LABEL, '?')} of {model}"] if model else []
        built = f", built from {' and '.join(parts)}" if parts else ""
        if record.image_id:
            tested = "what would be in the image" if self.bench.note else "image"
            yield f"Tested: {tested} {_short(record.image_id)}{built}."
        if self.bench.note:
            yield f"{self.bench.note[:1].upper()}{self.bench.note[1:]}."

    def marked(self, found: Found, noted: str | None) -> bool:
        """Return whether their record names this lab."""
        del noted
        return bool(found.record.lab) and self.context.is_lab_id(found.record.lab)

    def expectations(self, found: Found) -> Sequence[Expectation]:
        """Return which image was tested, whether the tests are those in the clone, and which did not pass."""
        wanted, recorded = self._image_id, found.record.image_id
        seen = [Expectation("Tested image", _short(wanted), _tested(recorded, wanted), met=recorded == wanted)]
        changed = self._changed(found.record)
        seen.append(Expectation("Tests in the clone", "as they were run", changed or "as they were run", not changed))
        seen += [Expectation("Results", "can be read", each, met=False) for each in found.report.problems]
        results = found.report.results
        if results is None:
            return seen
        seen.append(Expectation("Tests", "all passed", str(results), results.passed))
        for case in results.bad[:_SHOWN]:
            seen.append(Expectation(case.name, "passed", case.message or str(case.outcome), met=False))
        if len(results.bad) > _SHOWN:
            seen.append(Expectation("Further tests", "passed", f"{len(results.bad) - _SHOWN} not passed", met=False))
        return [*seen, *self._own(results.cases)]

    def _own(self, cases: Sequence[Case]) -> Iterator[Expectation]:
        """Yield whether the attendee's tests are among those that ran."""
        path = self.clone / TEST_FILE
        try:
            own = own_tests(read(path.read_text(encoding="utf-8-sig")))
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            yield Expectation("Your test", "passed", f"{path.name} cannot be read: {error}", met=False)
            return
        if not own:
            yield Expectation("Your test", "passed", f"{path.name} has none", met=False)
        for test in own:
            ran = (case.outcome for case in cases if _is_of(case, test))
            worst = min(ran, key=WORST_FIRST.index, default=None)
            actual = str(worst or "not among those that ran")
            yield Expectation(f"Your test {test.name}", "passed", actual, worst is Outcome.PASSED)

    def _changed(self, record: Record) -> str:
        """Return which files with tests have changed since the run; empty: none."""
        before, now = record.tests, self._tests()
        names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        return f"changed since: {', '.join(names)}" if before and names else ""

    def _tests(self) -> dict[str, str]:
        """Return the digests of the files with tests, as `run_tests.py` computes them."""
        found = {}
        for file in sorted((self.clone / TESTS).glob("test_*.py")):
            try:
                found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
            except OSError as error:
                raise ConflictError(f"{file} cannot be read: {error}.", "Look at the file's permissions.") from error
        return found

    # Running

    def create(self, begun: Callable[[str], None]) -> str:
        """Run the tests; failed tests are a valid result."""
        del begun
        self._run(self.context.lab_id)
        return ""

    def changeable(self, found: Found, *, ours: bool) -> bool:
        """Say that the tests can be run again: a run replaces only files of an earlier run."""
        del ours
        return not found.strange

    def change(self, found: Found) -> None:
        """Run the tests again; results of the attendee's own runs keep no mark."""
        self._run(self.context.lab_id if owns(self, found) else "")

    def difference(self, found: Found) -> str:
        """Say that they run again."""
        return f"the tests run again: {self._reason(found)}"

    def _run(self, lab: str) -> None:
        if self.image is None:
            raise NotFoundError("There is no image to test.", "<first build-container/run-the-local-build>.")
        before = self._written()
        passed = self.bench.run_tests(self.clone, lab, self.context.reporter)
        # Failed tests and a program that Python could not run to its end have the same exit code.
        if self._written() == before:
            raise ServiceError(
                "The tests were not run to their end: their program has written no results.",
                f"Read its last lines in the log. By hand, run: python {TESTS}/run_tests.py",
            )
        if not passed:
            self.context.reporter.say("Not all tests have passed.")

    def _written(self) -> tuple[int, int]:
        """Return what differs between the records of two runs; (0, 0) if there is no record."""
        try:
            found = (self.folder / RECORD).stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def foreign(self, found: Found) -> Sequence[str]:
        """Return the files that no run wrote."""
        return found.strange

    def contents(self, found: Found) -> str:
        """Return what is removed with them."""
        del found
        return "" if self.bench.note else "with the image that the tests ran in"

    def delete(self, found: Found) -> None:
        """Remove the files of the run, and the image that it built."""
        self.bench.remove_tests(self.clone, self.context.lab_id)
        try:
            for name in (*_made(self.folder), MADE):
                (self.folder / name).unlink(missing_ok=True)
            for path in sorted((each for each in self.folder.rglob("*") if each.is_dir()), reverse=True):
                path.rmdir()
            self.folder.rmdir()
        except OSError as error:
            raise ConflictError(
                f"{self.folder} cannot be removed: {error}.", "Look at the permissions, or remove it yourself."
            ) from error

    def trace(self) -> str:
        """Return that a run which was cut off has left the image that it built."""
        return "the image that the tests ran in" if self.bench.has_test_images(self.context.lab_id) else ""

    def purge(self) -> bool:
        """Remove that image."""
        self.bench.remove_tests(self.clone, self.context.lab_id)
        return True

    # Messages

    def absence(self) -> Result:
        """Say that the tests have not run."""
        return Result(
            Status.FAILED,
            "The tests have not run in the image yet.",
            (Expectation("Test results", f"in {RESULTS}", "none", met=False),),
            "Run runtests_local in Project_One-Tests, or <solve>.",
        )

    def result(self, found: Found) -> Result:
        """Return the outcome of the tests, with their report."""
        results, coverage = found.report.results, found.report.coverage
        covered = f"; coverage {coverage.percent}, {compared(coverage.rate)}" if coverage is not None else ""
        reason = self._reason(found)
        judged = judge(
            self.expectations(found),
            passed=f"All tests passed in this image, yours among them: {results}{covered}.",
            failed=f"{reason[:1].upper()}{reason[1:]}.",
            next_action=self.remedy(found),
        )
        return replace(judged, report=found.report)

    def _reason(self, found: Found) -> str:
        """Return in words why they do not match."""
        record, results = found.record, found.report.results
        if found.report.problems or results is None:
            return "the results cannot be read"
        if not record.image_id:
            return "the results do not say which image was tested"
        if record.image_id != self._image_id:
            return "the results are of an older image"
        if self._changed(record):
            return "the tests have changed since they ran"
        if results.bad:
            names = ", ".join(case.name for case in results.bad[:3])
            more = f" and {len(results.bad) - 3} more" if len(results.bad) > 3 else ""
            return f"{len(results.bad)} of {len(results.cases)} tests did not pass: {names}{more}"
        return "your test is not among those that passed" if results.passed else "no test has passed"

    def remedy(self, found: Found) -> str:
        """Return what to do."""
        if found.strange:
            return f"Move {found.strange[0]} out of {self.folder}: no test run left it there."
        results = found.report.results
        ran = found.record.image_id == self._image_id
        if results is not None and ran and not self._changed(found.record):
            if results.bad:
                return (
                    "Correct the test, then run the tests again by hand, or <solve>. If the code in Project_One is "
                    "wrong, correct and commit it, and build again first: <step build-container/run-the-local-build>."
                )
            return "<step inference-code/add-a-unit-test>, then run the tests again."
        return "Run runtests_local in Project_One-Tests again, or <solve>."


def _is_of(case: Case, test: UnitTest) -> bool:
    """Return whether a case in the results belongs to the attendee's test; a parametrized test has several cases."""
    module = Path(TEST_FILE).stem
    return f".{case.group}.{case.name.partition('[')[0]}".endswith(f".{module}.{test.name}")


def _tested(recorded: str, wanted: str) -> str:
    if not recorded:
        return "not recorded"
    return _short(recorded) if recorded == wanted else f"an older one, {_short(recorded)}"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_SHORT] or "none"


def _record(path: Path) -> Record:
    """Return the record of a run; one that cannot be read counts as empty, so that the tests run again."""
    try:
        about: Any = json.loads(path.read_text(encoding="utf-8"))
        marks = _words(about.get("marks"))
        return Record(
            str(about.get("image_id") or ""),
            _words(about.get("labels")),
            _words(about.get("tests")),
            marks.get(TESTS_LABEL, ""),
        )
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return Record()


def _words(value: Any) -> dict[str, str]:
    return {str(name): str(each) for name, each in value.items()} if isinstance(value, dict) else {}


def _made(folder: Path) -> set[str]:
    try:
        lines = (folder / MADE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {line for line in lines if line and not Path(line).is_absolute() and ".." not in Path(line).parts}


def _strange(folder: Path) -> tuple[str, ...]:
    made = {MADE, *_made(folder)}
    files: list[Path] = []
    # It skips a folder that a run removes while it is read.
    for place, folders, names in os.walk(folder):
        here = Path(place)
        files += (here / name for name in names)
        files += (here / name for name in folders if (here / name).is_symlink())
    return tuple(name for each in sorted(files) if (name := each.relative_to(folder).as_posix()) not in made)
