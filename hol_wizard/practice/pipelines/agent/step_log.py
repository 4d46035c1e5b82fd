"""The log of a step, and the issues of its record.

Each line begins with the time in UTC with seven digits of a second; the first line has a byte order mark, because the
azure-pipelines-agent (Logging.cs, PagingLogger) writes its pages with one. Everything is masked before it is stored.
An issue refers to its line in the log; `##[endgroup]` is not counted as a line (ExecutionContext.cs).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.jobs import Step
from hol_wizard.practice.pipelines.agent.masking import Masker

MOST_ISSUES = 10
"""How many errors, and how many warnings, a record keeps; all are counted (ExecutionContext.cs, `_maxIssueCount`)."""
_BOM = "\ufeff"
_END_OF_GROUP = "##[endgroup]"


class StepLog:
    """Writes the log of one record."""

    def __init__(self, step: Step, masker: Masker, *, debug: bool = False) -> None:
        self._step = step
        self._masker = masker
        self.debugging = debug
        """Whether `##[debug]` lines are written (`System.Debug`)."""
        self._waiting: list[str] = []
        self._flush_due = False
        self._lines = 0
        self.issues: list[dict[str, Any]] = []
        self.counts = {"error": 0, "warning": 0}

    # Lines

    def write(self, text: str = "") -> None:
        """Write a text of one or more lines."""
        if self._step.log.cut:
            return  # nothing more is kept, so that nothing has to be masked
        now = timestamp(time.time())
        for line in self._masker.mask(text).splitlines() or [""]:
            mark = "" if self._lines or self._step.log.lines else _BOM
            self._lines += line != _END_OF_GROUP or bool(mark)
            self._waiting.append(f"{mark}{now} {line}")
        if not self._flush_due:
            # Many lines arrive at once; they are written together.
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write what is still waiting to the file."""
        self._flush_due = False
        lines, self._waiting = self._waiting, []
        self._step.log.append(*lines)

    def section(self, text: str) -> None:
        """Write the line that begins or ends a step."""
        self.write(f"##[section]{text}")

    def command(self, text: str) -> None:
        """Write a program's command line."""
        self.write(f"##[command]{text}")

    def debug(self, text: str) -> None:
        """Write a line that only debugging shows."""
        if self.debugging:
            for line in text.splitlines():
                self.write(f"##[debug]{line}")

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Write a group of lines."""
        self.write(f"##[group]{title}")
        yield
        self.write(_END_OF_GROUP)

    # Issues

    def error(self, message: str, **details: str) -> None:
        """Add an error to the record, and write it."""
        self._issue("error", message, details)

    def warning(self, message: str, **details: str) -> None:
        """Add a warning to the record, and write it."""
        self._issue("warning", message, details)

    def _issue(self, kind: str, message: str, details: Mapping[str, str]) -> None:
        for line in message.splitlines() or [""]:
            self.write(f"##[{kind}]{line}")
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_ISSUES:
            data = {"type": kind, "logFileLineNumber": str(self._lines), **details}
            self.issues.append(
                {
                    "type": kind,
                    "category": "Code" if "sourcepath" in details else "General",
                    "message": self._masker.mask(message),
                    "data": {key: self._masker.mask(value) for key, value in data.items()},
                }
            )
        self.save_issues()

    def save_issues(self) -> None:
        """Save the issues in the record."""
        self._step.change(issues=self.issues, errorCount=self.counts["error"], warningCount=self.counts["warning"])
