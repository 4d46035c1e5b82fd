"""Reads JUnit XML, as pytest, jest, unittest-xml-reporting and others write it.

There is no standard: the counts of a suite can be missing or wrong, so the cases are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hol_wizard.redaction import scrub
from hol_wizard.test_results.attributes import count_of, number_of
from hol_wizard.untrusted_xml import UnreadableError, read_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from junitparser import TestCase, TestSuite

MOST_MESSAGE: Final = 300
"""Maximum length of a message."""
MOST_TEXT: Final = 20_000
"""Maximum length of a failure: a comparison of two large tables can have millions of characters."""


class Outcome(StrEnum):
    """The outcome of a test."""

    PASSED = "passed"
    FAILED = "failed"
    """An assertion did not hold."""
    ERROR = "error"
    """It could not be run: its file could not be imported, or a fixture failed."""
    SKIPPED = "skipped"


WORST_FIRST: Final = (Outcome.ERROR, Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED)


@dataclass(frozen=True, slots=True)
class Case:
    """One test and its outcome."""

    name: str
    """`test_predict`, `test_predict[37]`."""
    group: str
    """Its module or class: `tests.test_model`, `test_model.TestScalers`; can be empty."""
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""
    """One line on why it did not pass; can be empty."""
    text: str = ""
    """The tool's full text on why it did not pass, at most `MOST_TEXT` characters."""

    @property
    def bad(self) -> bool:
        """Whether it failed or could not be run."""
        return self.outcome in {Outcome.FAILED, Outcome.ERROR}


@dataclass(frozen=True, slots=True)
class Results:
    """All tests of a run, in order."""

    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()
    """Problems of the file itself, in sentences."""

    def count(self, outcome: Outcome) -> int:
        """Return the number of tests with an outcome."""
        return sum(case.outcome is outcome for case in self.cases)

    @property
    def seconds(self) -> float:
        """Their total duration."""
        return sum(case.seconds for case in self.cases)

    @property
    def bad(self) -> tuple[Case, ...]:
        """Those that failed or could not be run."""
        return tuple(case for case in self.cases if case.bad)

    @property
    def passed(self) -> bool:
        """Whether there is a test that passed, and none that failed or could not be run."""
        return not self.bad and self.count(Outcome.PASSED) > 0

    @property
    def groups(self) -> dict[str, tuple[Case, ...]]:
        """The tests by module or class, in the order of the run."""
        found: dict[str, list[Case]] = {}
        for case in self.cases:
            found.setdefault(case.group, []).append(case)
        return {group: tuple(cases) for group, cases in found.items()}

    def __str__(self) -> str:
        """Return the counts: `5 passed, 1 failed`."""
        words = {Outcome.ERROR: "with an error"}
        counted = [(outcome, self.count(outcome)) for outcome in Outcome]
        return ", ".join(f"{number} {words.get(outcome, outcome)}" for outcome, number in counted if number) or "none"


def read_junit(path: Path) -> Results:
    """Return the tests in a file.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableError: It is not JUnit XML.
    """
    return junit_of(read_xml(path))


def junit_of(root: Element) -> Results:
    """Return the tests in a document.

    Raises:
        UnreadableError: It is not JUnit XML.
    """
    from junitparser import JUnitXml, JUnitXmlError

    try:
        suites = list(JUnitXml.fromroot(root))  # type: ignore[arg-type] # annotated as its own type, takes ElementTree's
    except JUnitXmlError as error:
        raise UnreadableError(f"is not JUnit XML: its root is <{root.tag[:40]}>") from error
    cases: list[Case] = []
    entries = [entry for suite in suites for entry in _cases(suite, "")]
    for group, case in entries:
        read, before = _case(case, group), cases[-1] if cases else None
        if before and (before.group, before.name) == (read.group, read.name) and read.outcome is Outcome.ERROR:
            # pytest writes a test twice if its teardown failed (`_pytest/junitxml.py`).
            cases[-1] = before if before.bad else read
        else:
            cases.append(read)
    return Results(tuple(cases), tuple(_contradictions(suites, len(entries))))


def _cases(suite: TestSuite, above: str) -> Iterator[tuple[str, TestCase]]:
    from junitparser import TestCase

    name = suite.name or above
    for case in suite.iterchildren(TestCase):  # type: ignore[no-untyped-call] # junitparser is annotated in part
        yield name, case
    for inner in suite.testsuites():  # type: ignore[no-untyped-call] # junitparser is annotated in part
        yield from _cases(inner, name)


def _case(case: TestCase, suite: str) -> Case:
    attributes = case._elem.attrib  # its typed attributes raise ValueError if a value is not a number
    told = [(_outcome(str(each._tag)), each) for each in case.result]
    outcome, worst = min(told, key=lambda pair: WORST_FIRST.index(pair[0]), default=(Outcome.PASSED, None))
    message = (worst.message or "") if worst is not None else ""
    text = "\n\n".join(dict.fromkeys((each.text or "").strip("\n") for kind, each in told if kind is outcome))
    # XML turns line ends in attributes into spaces; unittest-xml-reporting puts the whole traceback into the message.
    whole = message.partition("Traceback (most recent call last)")[0] or text
    if message == "collection failure":
        # pytest's message for a file that it cannot import; the cause is marked with an E in the text.
        whole = next((line[1:] for line in text.splitlines() if line.startswith("E ")), message)
    first = next((line.strip() for line in whole.splitlines() if line.strip()), "")
    return Case(
        attributes.get("name") or "(no name)",
        attributes.get("classname") or ("" if suite == "pytest" else suite),
        outcome,
        number_of((attributes.get("time") or "").replace(",", "")) or 0.0,
        scrub(first if len(first) <= MOST_MESSAGE else f"{first[:MOST_MESSAGE]} …"),
        _cut(text.expandtabs(8) or message),
    )


def _outcome(tag: str) -> Outcome:
    return {"failure": Outcome.FAILED, "error": Outcome.ERROR, "skipped": Outcome.SKIPPED}[tag]


def _cut(text: str) -> str:
    # Secrets are hidden first: a truncated one would not be recognized.
    shown = scrub(text[: MOST_TEXT + 1000])[:MOST_TEXT]
    return shown if len(text) <= MOST_TEXT else f"{shown}\n… {len(text) - MOST_TEXT:,} more characters"


def _contradictions(suites: list[TestSuite], found: int) -> Iterator[str]:
    """Yield a sentence if the suites announce more tests than there are: the file was truncated, or a case is
    missing."""
    told = [count_of(suite._elem.get("tests")) for suite in suites]
    announced = sum(number for number in told if number is not None)
    if announced > found:
        yield f"The file announces {announced} tests and has {found}."
