"""The report on a test run, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from hol_wizard.test_results.cobertura import Coverage, FileCoverage, percent, read_cobertura
from hol_wizard.test_results.failure import failure_lines
from hol_wizard.test_results.junit import Case, Outcome, Results, read_junit
from hol_wizard.untrusted_xml import UnreadableError

T = TypeVar("T")

GOAL: Final = 0.68
"""The coverage that the lab's class of 2019 reached; every report is compared with it."""
TESTS_FILE: Final = "test-results.xml"
COVERAGE_FILE: Final = "coverage.xml"
PAGE: Final = "cov_html/index.html"
"""The files of a run, relative to its folder; `Project_One-Tests/run_tests.py` writes them."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report on a test run."""

    results: Results | None = None
    """None: missing or unreadable."""
    coverage: Coverage | None = None
    page: str = ""
    """Path of the coverage report as web pages; empty: there is none."""
    about: tuple[str, ...] = ()
    """What was tested, in full sentences."""
    problems: tuple[str, ...] = ()
    """Which files are missing or cannot be read, in sentences."""

    def __bool__(self) -> bool:
        """Return whether there is anything to show."""
        return bool(self.results or self.coverage or self.problems)

    def __str__(self) -> str:
        """Return it in one line: `tests: 5 passed; coverage: 44 %, 24 points below the lab's 68 %`."""
        parts = [f"tests: {self.results}"] if self.results is not None else []
        parts += [f"coverage: {self.coverage.percent}, {compared(self.coverage.rate)}"] if self.coverage else []
        return "; ".join(parts) or self.problems[0]


def read_report(folder: Path, about: tuple[str, ...] = (), called: str = "") -> RunReport:
    """Return the report on the run in a folder; an unreadable file is listed as a problem and raises nothing.

    Args:
        folder: Where the files are.
        about: What was tested, in full sentences.
        called: What to call the folder if its path says nothing to a person; empty: its path.
    """
    problems: list[str] = []
    results = _readable(read_junit, folder / TESTS_FILE, problems, called)
    coverage = _readable(read_cobertura, folder / COVERAGE_FILE, problems, called)
    page = folder / PAGE
    return RunReport(results, coverage, str(page) if page.is_file() else "", about, tuple(problems))


def _readable(read: Callable[[Path], T], file: Path, problems: list[str], called: str) -> T | None:
    """Return the contents of a file; None, with a sentence added to the problems, if there are none."""
    try:
        return read(file)
    except FileNotFoundError:
        problems.append(f"There is no {file.name} in {called or file.parent}.")
    except UnreadableError as error:
        problems.append(f"{f'{file.name} in {called}' if called else file} {error}.")
    return None


# As lines


def report_lines(report: RunReport) -> Iterator[str]:
    """Yield a report as lines for a terminal or a screen reader: without drawings, and without information in
    colors."""
    yield from report.about
    if report.results is not None:
        yield from _test_lines(report.results)
    if report.coverage is not None:
        yield from _coverage_lines(report.coverage)
    yield from report.problems
    if report.page:
        yield f"The coverage as web pages: {report.page}"


def _test_lines(results: Results) -> Iterator[str]:
    yield f"Tests: {results} ({results.seconds:.1f} s)"
    for group, cases in results.groups.items():
        yield f"  {group or 'without a module'}: {Results(cases)}"
        for case in cases:
            yield f"    {case.outcome}: {case.name}{_reason(case)}"
            if case.bad:
                yield from (f"      {line.text}" for line in failure_lines(case))
    yield from (f"  {note}" for note in results.notes)


def _reason(case: Case) -> str:
    return f": {case.message}" if case.outcome is Outcome.SKIPPED and case.message else ""


def _coverage_lines(coverage: Coverage) -> Iterator[str]:
    yield f"Coverage: {coverage.percent} of the lines, {compared(coverage.rate)}"
    yield from (f"  {file.name}: {told(file)}" for file in coverage.files)
    yield from (f"  {note}" for note in coverage.notes)


def compared(rate: float | None) -> str:
    """Return how a rate compares with the lab's: `24 points below the lab's 68 %`."""
    if rate is None:
        return f"the lab had {percent(GOAL)}"
    points = int(round(rate * 100, 6)) - int(GOAL * 100)
    if points == 0:
        return f"as many as the lab's {percent(GOAL)}"
    counted = "1 point" if abs(points) == 1 else f"{abs(points)} points"
    return f"{counted} {'above' if points > 0 else 'below'} the lab's {percent(GOAL)}"


def told(file: FileCoverage) -> str:
    """Return a file's coverage in words: `50 %, 12 of 24 lines; not run: 3-5, 9`."""
    if file.rate is None:
        return "no lines to run" if file.told is None or file.told == 1 else f"{percent(file.told)} by its own entry"
    missing = f"; not run: {file.ranges}" if file.missing else ""
    return f"{percent(file.rate)}, {file.covered} of {file.valid} lines{missing}"


# As JSON


def report_value(report: RunReport) -> dict[str, object]:
    """Return a report as JSON; `docs/check.schema.json` describes it."""
    results, coverage = report.results, report.coverage
    return {
        "about": list(report.about),
        "problems": [*report.problems, *(results.notes if results else ()), *(coverage.notes if coverage else ())],
        "page": report.page or None,
        "tests": None
        if results is None
        else {
            **{str(outcome): results.count(outcome) for outcome in Outcome},
            "seconds": round(results.seconds, 3),
            "cases": [_case_value(case) for case in results.cases],
        },
        "coverage": None
        if coverage is None
        else {
            "rate": coverage.rate,
            "lab": GOAL,
            "files": [
                {"name": each.name, "covered": each.covered, "lines": each.valid, "missing": list(each.missing)}
                for each in coverage.files
            ],
        },
    }


def _case_value(case: Case) -> dict[str, object]:
    return {
        "group": case.group,
        "name": case.name,
        "outcome": str(case.outcome),
        "seconds": round(case.seconds, 3),
        "message": case.message,
        "text": case.text,
    }
