"""The results of a run, and a plan, as Markdown: for an issue, a chat or the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hol_wizard import __version__
from hol_wizard.engine.results import DONE, Status
from hol_wizard.lines import clean, duration, one_line
from hol_wizard.report import MARKDOWN_MARK, Report, counts_line, expectation_line

if TYPE_CHECKING:
    from hol_wizard.wizard.solves import PlannedChange

_SYMBOLS: Mapping[Status, str] = {
    Status.PASSED: "✓",
    Status.FAILED: "✗",
    Status.WAITING: "…",
    Status.UNKNOWN: "?",
    Status.BLOCKED: "⊘",
    Status.SKIPPED: "–",
}
"""What the eye finds first in a long table; the word follows."""
_TICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def markdown(report: Report) -> str:
    """Return the report as a table, with what to do about each step that has not passed below it."""
    counts = counts_line(row.result for row in report.rows)
    stopped = "Interrupted. " if report.cancelled else ""
    lines = [
        f"{MARKDOWN_MARK}{__version__} -->",
        f"# Lab check: {counts}",
        "",
        f"{stopped}Cloud {_escaped(report.cloud)}, profile {_escaped(report.profile)}, {report.started}, "
        f"{report.seconds:.1f} s.",
        "",
        "| status | step | result |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {_SYMBOLS[row.result.status]} {row.result.status} | `{row.key}` | {_escaped(row.result.summary)} |"
        for row in report.rows
    ]
    for row in report.rows:
        if row.result.status in DONE:
            continue
        wrong = [f"- {_escaped(expectation_line(met))}" for met in row.result.expectations if not met.met]
        following = [f"Next: {_escaped(row.result.next_action)}"] if row.result.next_action else []
        if wrong or following:
            lines += ["", f"## {_escaped(row.title)}", "", *wrong, *([""] if wrong and following else []), *following]
    lines += ["", *(_escaped(note) for note in report.notes)] if report.notes else []
    return "\n".join(lines) + "\n"


def plan_markdown(changes: Sequence[PlannedChange]) -> Iterator[str]:
    """Yield the lines of a plan: one table of all changes, and their diffs below it."""
    yield "| step | change | resource | where | cost | usually |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for planned in changes:
        change = planned.change
        what = f"{change.kind} {change.name}" + (f": {change.note}" if change.note else "")
        usually = duration(change.seconds) if change.seconds else ""
        cells = (change.verb, what, change.where, change.cost, usually)
        yield f"| `{planned.target_key}` | {' | '.join(map(_escaped, cells))} |"
    for planned in changes:
        if planned.change.diff:
            # A fence that is longer than any in the files.
            inner = max((len(found) for found in _TICKS.findall("\n".join(planned.change.diff))), default=0)
            fence = "`" * max(3, inner + 1)
            yield ""
            yield f"{fence}diff"
            yield from (clean(line).rstrip() for line in planned.change.diff)
            yield fence


def _escaped(text: str) -> str:
    """Return a text in one line without markup of its own."""
    return _SPECIAL.sub(r"\\\1", one_line(text))
