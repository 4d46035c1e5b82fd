"""Splits a failure into lines with their kinds, so that every front end can show it readably."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hol_wizard.test_results.junit import Case


class Part(StrEnum):
    """The kind of a line in a failure."""

    PLACE = "place"
    """File and line number."""
    CODE = "code"
    """The statement that failed."""
    ERROR = "error"
    """The error."""
    EXPECTED = "expected"
    """A line of a comparison that is only in the expected value."""
    ACTUAL = "actual"
    """A line of a comparison that is only in the actual value."""
    OUTPUT = "output"
    """Other output of the tool."""


@dataclass(frozen=True, slots=True)
class FailureLine:
    """One line of a failure."""

    part: Part
    text: str


_PLACE: Final = re.compile(r"^(\S[^:\n]*\.\w+:\d+): (?:in )?\S.*$")
_MOST: Final = 40
"""Number of lines that are kept of a failure that is not in pytest's format."""


def failure_lines(case: Case) -> list[FailureLine]:
    """Return why a test did not pass: pytest's `E` lines, the statement, and the place; else the tool's text.

    pytest writes the source of every function in the traceback, with a `>` before the statement that failed, `E` before
    the error, and the place at the end (`_pytest/_code/code.py`). In pytest's comparisons, `-` marks what is only on
    the right of `==`, the expected value, and `+` what is only on the left (`_pytest/assertion/util.py` since 5.4).
    """
    lines = case.text.splitlines()
    errors = [line[1:] for line in lines if line == "E" or line.startswith("E ")]
    if not errors:
        return _other(case, lines)
    last = max(index for index, line in enumerate(lines) if line == "E" or line.startswith("E "))
    place = next((match[1] for line in lines[last:] if (match := _PLACE.match(line))), "")
    code = [line[1:].strip() for line in lines[: last + 1] if line.startswith(">")]
    found = [FailureLine(Part.PLACE, place)] if place else []
    # The statement of the test, and the one in the tested code.
    found += [FailureLine(Part.CODE, each) for each in dict.fromkeys((*code[:1], *code[-1:])) if each]
    margin = min((len(line) - len(line.lstrip()) for line in errors if line.strip()), default=0)
    found += [_error(line[margin:].rstrip()) for line in errors]
    if {Part.EXPECTED, Part.ACTUAL} <= {line.part for line in found} and "(-:" not in case.text:
        found.append(FailureLine(Part.OUTPUT, "(-: expected, +: found)"))
    return found


def _error(line: str) -> FailureLine:
    mark = line.lstrip()[:2]
    part = {"- ": Part.EXPECTED, "-": Part.EXPECTED, "+ ": Part.ACTUAL, "+": Part.ACTUAL}.get(mark, Part.ERROR)
    # ` + where 3 = f()` explains a value; it is not part of a comparison.
    return FailureLine(Part.ERROR if line.lstrip().startswith(("+  where", "+  and")) else part, line)


def _other(case: Case, lines: list[str]) -> list[FailureLine]:
    text = [line.rstrip() for line in lines if line.strip()]
    if any(line.startswith("Traceback (most recent call last)") for line in text):
        # Python's own traceback: its last line is the error.
        return [FailureLine(Part.ERROR, text[-1]), *(FailureLine(Part.OUTPUT, line) for line in text[-_MOST:-1])]
    found = [] if not case.message or case.message in "\n".join(text) else [FailureLine(Part.ERROR, case.message)]
    found += [FailureLine(Part.OUTPUT, line) for line in text[:_MOST]]
    if len(text) > _MOST:
        found.append(FailureLine(Part.OUTPUT, f"… {len(text) - _MOST} more lines in the file"))
    return found or [FailureLine(Part.OUTPUT, "The tool wrote nothing about it.")]
