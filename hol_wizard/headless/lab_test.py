"""`lab test`: takes every step of a lab through, and reports it as a table, or in the formats of `--check`."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.background import Interrupts, in_background
from hol_wizard.engine.events import Progressed
from hol_wizard.headless.checking import FORMATS, row_of, timestamp
from hol_wizard.headless.output import err, out
from hol_wizard.headless.report_file import ReportFile
from hol_wizard.lab.model import Target
from hol_wizard.lines import clean, duration, one_line
from hol_wizard.report import Report, counts_line, event_line
from hol_wizard.wizard.trials import PHASES, Trial

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


@dataclass(frozen=True, slots=True)
class LabTestOptions:
    """The options of `lab test`."""

    selectors: tuple[str, ...] = ()
    """Sections and steps; empty: the whole lab."""
    environment: str | None = None
    format: str = "text"
    output: Path | None = None
    """None: only the table."""
    keeps: bool = False
    """Whether steps that a teardown keeps stay done."""


def lab_test(wizard: Wizard, options: LabTestOptions) -> int:
    """Take the steps through, write the table and the report, and return the exit code.

    Raises:
        UsageError: An unknown section or step, or an output file that cannot be written; nothing is done.
    """
    targets = wizard.targets(options.selectors, options.environment)
    with ReportFile(options.output) as output:
        report, trials = _run(wizard, targets, options)
        for line in table(trials):
            out(line)
        out(f"{counts_line(row.result for row in report.rows)} ({duration(report.seconds)})")
        if options.output is not None:
            output.write(FORMATS[options.format](report))
            err(f"written to {options.output}")
    return report.exit_code


def _run(wizard: Wizard, targets: Sequence[Target], options: LabTestOptions) -> tuple[Report, list[Trial]]:
    started = timestamp()
    began = time.monotonic()
    cancelled = threading.Event()
    trials: dict[str, Trial] = {}
    latest: dict[str, str] = {}
    told = False
    with Interrupts(cancelled) as interrupts:
        for event in in_background(wizard.try_out(targets, keeps=options.keeps, cancelled=cancelled)):
            if interrupts.count and not told:
                told = True
                err(
                    "Stopping at the next safe point. What was done is undone. Press Ctrl-C again to leave it as it is."
                )
            if interrupts.count > 1:
                raise KeyboardInterrupt
            if isinstance(event, Trial):
                trials[event.target.key] = event
                way = "back" if "undo" in event.phases else "there"
                err(clean(f"{way:<5}  {event.target.key}  {one_line(event.result.summary)}"))
            elif isinstance(event, Progressed) and latest.get(event.target) == event.text:
                continue
            elif event is not None and (line := event_line(event)):
                if isinstance(event, Progressed):
                    latest[event.target] = event.text
                err(clean(f"       {line}"))
    judged = [trial for trial in trials.values() if trial.judged]
    rows = [row_of(trial.target, trial.result, trial.seconds) for trial in judged]
    seconds = time.monotonic() - began
    return Report(rows, wizard.cloud, wizard.profile.name, started, seconds, cancelled.is_set()), judged


def table(trials: Sequence[Trial]) -> list[str]:
    """Return the trials as lines: one for each step, and below it what is wrong or why it was not taken through."""
    width = max((len(trial.target.key) for trial in trials), default=4)
    lines = [f"{'STEP':<{width}}  {''.join(f'{phase.upper():<9}' for phase in PHASES)}TIME"]
    for trial in trials:
        words = "".join(f"{trial.phases.get(phase, ''):<9}" for phase in PHASES)
        lines.append(f"{trial.target.key:<{width}}  {words}{trial.seconds:.1f} s")
        if trial.wrong:
            lines.append(f"  wrong: {one_line(trial.wrong)}")
        elif trial.left:
            lines.append(f"  not taken through: {one_line(trial.left)}")
        elif trial.note:
            lines.append(f"  left: {one_line(trial.note)}")
    return lines
