"""Reads test results in the format of JUnit, as the azure-pipelines-agent does (JUnitResultReader.cs).

A `failure` or `error` means Failed, `skipped` NotExecuted, anything else Passed; a case without a name is left out; a
duration that is not a number counts as 0. Declarations of document types, and with them entities, are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from hol_wizard.practice.pipelines.host import CaseResult

_MOST_BYTES = 100 << 20


class UnreadableResultsError(Exception):
    """A file has no test results in this format."""


@dataclass(frozen=True, slots=True)
class Results:
    """The results in one file."""

    suites: list[str]
    """Names of the outer suites."""
    cases: list[CaseResult]

    @property
    def failed(self) -> int:
        """Return how many failed."""
        return sum(each.outcome == "Failed" for each in self.cases)


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root of a file.

    Raises:
        UnreadableResultsError: It cannot be read, is not XML, or declares a document type with entities.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = _refuse
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableResultsError(f"{path} is larger than {_MOST_BYTES >> 20} MB")
        with path.open("rb") as file:
            parser.ParseFile(file)
        return builder.close()
    except (OSError, expat.ExpatError, ValueError) as error:
        raise UnreadableResultsError(str(error)) from error


def _refuse(*_: object) -> None:
    raise ValueError("entities are not read")


def read(path: Path) -> Results:
    """Return the results in a file.

    Raises:
        UnreadableResultsError: It has none in this format.
    """
    root = read_xml(path)
    name = _tag(root)
    if name == "testsuites":
        suites = [each for each in root if _tag(each) == "testsuite"]
    elif name == "testsuite":
        suites = [root]
    else:
        raise UnreadableResultsError(f"its root is <{name}>")
    return Results([each.get("name", "") for each in suites], [case for suite in suites for case in _cases(suite)])


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _cases(suite: ElementTree.Element) -> Iterator[CaseResult]:
    for each in suite:
        if _tag(each) == "testsuite":
            yield from _cases(each)
        elif _tag(each) == "testcase" and each.get("name"):
            yield _case(each)


def _case(element: ElementTree.Element) -> CaseResult:
    parts = {_tag(each): each for each in reversed(element)}
    bad = parts.get("failure", parts.get("error"))
    outcome = "Failed" if bad is not None else "NotExecuted" if "skipped" in parts else "Passed"
    message = stack = ""
    if bad is not None:
        stack = (bad.text or "").strip()
        message = bad.get("message") or stack.partition("\n")[0]
    elif "skipped" in parts:
        message = parts["skipped"].get("message") or (parts["skipped"].text or "").strip()
    said = [each.text or "" for each in element if _tag(each) in {"system-out", "system-err"}]
    return CaseResult(
        element.get("name", ""),
        element.get("classname", ""),
        outcome,
        _milliseconds(element.get("time", "")),
        message,
        stack,
        "\n".join(said),
    )


def _milliseconds(text: str) -> float:
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds * 1000 if math.isfinite(seconds) and seconds > 0 else 0.0
