"""Tests and coverage that a run has published, as its page shows them.

Sources: Test - Runs, List; Test Results - Codecoverage, Get (7.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from hol_wizard.services.answers import rows
from hol_wizard.services.devops.connection import PREVIEW, Connection, ask
from hol_wizard.services.rest import json_object

_PAGE: Final = 100
_LINES: Final = "line"
"""Beginning of the label of the lines; the service counts branches separately."""


@dataclass(frozen=True, slots=True)
class PublishedTests:
    """The counts on the tab Tests of a run."""

    total: int
    passed: int

    def __str__(self) -> str:
        """Return the counts: `4 of 5 passed`."""
        return f"{self.passed} of {self.total} passed"


@dataclass(frozen=True, slots=True)
class PublishedCoverage:
    """The lines on the tab Code Coverage of a run."""

    covered: int
    total: int

    @property
    def rate(self) -> float | None:
        """The covered part, between 0 and 1; None if nothing was measured."""
        return self.covered / self.total if self.total else None


class TestResults(Connection):
    """The published tests and coverage of an organization's runs."""

    __test__ = False  # not a class of tests

    def published_tests(self, project: str, build: int) -> PublishedTests | None:
        """Return the counts of the tests that a run has published; None if it has published none.

        Args:
            project: Name or ID.
            build: ID of the run.
        """
        query = {"buildUri": f"vstfs:///Build/Build/{build}", "includeRunDetails": "true", "$top": str(_PAGE)}
        found = list(
            rows(
                lambda skipped: self._get(
                    "/test/runs", "the test results", below=project, **{**query, "$skip": str(skipped)}
                ),
                _PAGE,
                "id",
            )
        )
        if not found:
            return None
        return PublishedTests(*(sum(each.number(name) for each in found) for name in ("totalTests", "passedTests")))

    def published_coverage(self, project: str, build: int) -> PublishedCoverage | None:
        """Return the lines of the coverage that a run has published; None if it has published none.

        Args:
            project: Name or ID.
            build: ID of the run.
        """
        base = f"{self._rest.endpoints.devops_test_results}/{quote(self.organization)}/{quote(project)}"
        url, query = f"{base}/_apis/testresults/codecoverage", {"buildId": str(build)}
        found = json_object(ask(self._rest, "GET", url, "the code coverage", None, PREVIEW, query), base)
        counted = [
            each
            for data in found.some("coverageData")
            for each in data.some("coverageStats")
            if each.text("label").lower().startswith(_LINES)
        ]
        if not counted:
            return None
        return PublishedCoverage(*(sum(each.number(name) for each in counted) for name in ("covered", "total")))
