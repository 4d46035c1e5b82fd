"""`--check`: checks, reports, and sets the exit code."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.background import Interrupts, in_background
from hol_wizard.engine.events import (
    CheckFinished,
    RunFinished,
)
from hol_wizard.engine.results import Result, Status
from hol_wizard.headless.output import err, watched
from hol_wizard.headless.report_file import ReportFile
from hol_wizard.lab.model import Target
from hol_wizard.markdown_report import markdown
from hol_wizard.report import Report, Row, counts_line, json_text, junit, tap, text

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": text,
    "json": json_text,
    "junit": junit,
    "tap": tap,
    "markdown": markdown,
}
"""The report formats, by the value of `--format`."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The options of `--check`."""

    selectors: tuple[str, ...] = ()
    """Sections and steps; empty: the whole lab."""
    environment: str | None = None
    format: str = "text"
    output: Path | None = None
    """None: standard output."""
    wait: float = 0.0
    """Seconds for which a WAITING step is checked again."""
    fail_fast: bool = False


def check(wizard: Wizard, options: CheckOptions) -> int:
    """Run the requested checks, write the report and return the exit code.

    Raises:
        UsageError: An unknown section, step or environment, or an output file that cannot be written; nothing is
            checked in these cases.
    """
    targets = wizard.targets(options.selectors, options.environment)
    with ReportFile(options.output) as output:
        report = look(wizard, targets, options)
        output.write(FORMATS[options.format](report))
    if options.output is not None and watched(sys.stderr):
        err(f"{counts_line(row.result for row in report.rows)}; written to {options.output}")
    return report.exit_code


def look(wizard: Wizard, targets: Sequence[Target], options: CheckOptions) -> Report:
    """Run checks, and return their report; progress goes to standard error."""
    started = timestamp()
    cancelled = threading.Event()
    shown = watched(sys.stderr)
    wanted = {target.key for target in targets}
    seconds: dict[str, float] = {}
    latest: dict[str, Result] = {}
    events = wizard.check(targets, cancelled=cancelled, wait=options.wait, fail_fast=options.fail_fast)
    finished = RunFinished({}, 0.0, cancelled=True)
    told_to_stop = False
    with Interrupts(cancelled) as interrupts:
        for event in in_background(events):
            if interrupts.count and not told_to_stop:
                told_to_stop = True
                err("Stopping: the results so far are reported. Press Ctrl-C again to quit immediately.")
            if interrupts.count > 1:
                break
            if isinstance(event, CheckFinished):
                seconds[event.target] = seconds.get(event.target, 0.0) + event.seconds
                latest[event.target] = event.result
                if shown and event.target in wanted:
                    err(f"{event.result.status:<7}  {event.target} ({event.seconds:.1f} s)")
            elif isinstance(event, RunFinished):
                finished = event
    results = finished.results or latest
    unseen = Result(Status.UNKNOWN, "Not checked: the run was stopped.", next_action="Check again.")
    causes = {result.blocked_by for key, result in results.items() if key in wanted}
    told = [wizard.target(key) for key in results if key in causes - wanted]
    rows = []
    for target in (*told, *targets):
        result = replace(results.get(target.key, unseen), report=wizard.report(target, results))
        rows.append(row_of(target, result, seconds.get(target.key, 0.0)))
    return Report(
        rows,
        wizard.cloud,
        wizard.profile.name,
        started,
        finished.seconds,
        finished.cancelled or cancelled.is_set(),
        finished.notes,
        finished.uncertain,
    )


def timestamp() -> str:
    """Return the time as a report has it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def row_of(target: Target, result: Result, seconds: float) -> Row:
    """Return the row of a report about a step."""
    environment = str(target.environment) if target.environment else ""
    return Row(target.key, target.step.title, result, target.step.section, target.step.id, environment, seconds)
