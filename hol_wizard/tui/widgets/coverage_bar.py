"""Coverage as bars against the lab's."""

from __future__ import annotations

from enum import StrEnum

from textual.content import Content

from hol_wizard.test_results.cobertura import Coverage, percent
from hol_wizard.test_results.report import GOAL, RunReport, compared


class Ink(StrEnum):
    """How a part of a bar is drawn; the number beside the bar always says the same."""

    ENOUGH = "enough"
    """Covered, and at least as much as the lab had."""
    SHORT = "short"
    """Covered, and less than the lab had."""
    REST = "rest"
    MARK = "mark"
    """Where the lab's figure is."""


LEGEND = f"┃ {percent(GOAL)}: the class of 2019"
"""What the mark in a bar means."""
STYLES = {Ink.ENOUGH: "$success", Ink.SHORT: "$warning", Ink.REST: "$foreground 25%", Ink.MARK: "$foreground"}


def ink_of(rate: float | None) -> Ink:
    """Return how a rate is drawn."""
    return Ink.ENOUGH if rate is not None and rate >= GOAL else Ink.SHORT


def bar_parts(rate: float | None, width: int) -> list[tuple[str, Ink]]:
    """Return a bar of so many cells, with a mark at the lab's figure."""
    full, mark = int(width * (rate or 0.0)), min(width - 1, int(width * GOAL))
    covered = ("━", ink_of(rate))
    parts: list[tuple[str, Ink]] = []
    for cell in range(width):
        part = ("┃", Ink.MARK) if cell == mark else covered if cell < full else ("─", Ink.REST)
        if parts and parts[-1][1] is part[1]:
            parts[-1] = (parts[-1][0] + part[0], part[1])
        else:
            parts.append(part)
    return parts


def report_content(report: RunReport, width: int) -> Content:
    """Return a report in a few lines: what was tested, what failed, the bars."""
    lines: list[Content] = [Content.styled(line, "$foreground 75%") for line in report.about]
    results = report.results
    if results is not None:
        symbol, style = ("✓", "$success") if results.passed else ("✗", "$error")
        lines.append(Content.assemble((f"{symbol} Tests  ", f"{style} bold"), f"{results} ({results.seconds:.1f} s)"))
        lines += [Content.styled(f"  {note}", "$warning") for note in results.notes]
    if report.coverage is not None:
        lines += _coverage_lines(report.coverage, width)
    lines += [Content.styled(problem, "$warning") for problem in report.problems]
    return Content("\n").join(lines)


def _coverage_lines(coverage: Coverage, width: int) -> list[Content]:
    room = 20 if width >= 60 else 10
    lines = [Content.assemble(("Coverage  ", "bold"), f"{coverage.percent} of the lines, {compared(coverage.rate)}")]
    for file in coverage.files:
        if file.rate is None:
            continue
        drawn = [(text, STYLES[ink]) for text, ink in bar_parts(file.rate, room)]
        name = Content(f" {percent(file.rate):>5}  {file.name}").truncate(max(12, width - room), ellipsis=True)
        lines.append(Content.assemble(*drawn) + name)
    lines.append(Content.styled(LEGEND, "$foreground 60%"))
    return lines + [Content.styled(note, "$warning") for note in coverage.notes]
