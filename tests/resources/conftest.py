"""The contract's table at the end of the run: kinds and situations."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.steps.conftest import attendee, by_hand, keyring, newcomer

__all__ = ["attendee", "by_hand", "keyring", "newcomer"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows: dict[str, dict[str, str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                for key, value in report.user_properties:
                    if key == "contract":
                        name, row = cast("tuple[str, dict[str, str]]", value)
                        rows[name] = row
    if not rows:
        return
    situations = list(next(iter(rows.values())))
    width = max(len(name) for name in rows) + 2
    terminalreporter.section("contract of ownership")
    for number, situation in enumerate(situations):
        terminalreporter.write_line(f"{' ' * width}{'│ ' * number}┌ {situation}")
    for name in sorted(rows):
        marks = ("✗" if mark == "FAILED" else "·" if mark == "-" else "✓" for mark in rows[name].values())
        terminalreporter.write_line(f"{name:<{width}}{' '.join(marks)}")
