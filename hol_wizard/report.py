"""The results of a run as text, JSON, JUnit XML or TAP, with the same rows in each; also texts of plans and events."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from hol_wizard import __version__
from hol_wizard.engine.events import Event, PersonNeeded, Progressed, RunFinished, Said, WorkFinished, WorkStarted
from hol_wizard.engine.results import DONE, Expectation, Result, Status, exit_code
from hol_wizard.lines import clean, duration, one_line
from hol_wizard.test_results.report import report_value

if TYPE_CHECKING:
    from hol_wizard.wizard.solves import PlannedChange

SCHEMA_VERSION = 1
"""Version of the JSON; `docs/check.schema.json` describes it. Only an incompatible change raises it."""
HEADER: Final[Mapping[str, object]] = {
    "version": SCHEMA_VERSION,
    "tool": {"name": "hol-wizard", "version": __version__},
}
"""The first members of each JSON document of this program."""
_DIFF_LINES = 200
"""Maximum number of lines of a diff in a plan: the rest would scroll everything else out of the terminal."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""

_SHOWN_SECONDS = 0.05
"""What took less is not shown in the critical path."""

_BAD = {Status.FAILED, Status.WAITING}
_UNSURE = {Status.UNKNOWN, Status.BLOCKED}


@dataclass(frozen=True, slots=True)
class Row:
    """One step in one environment, with its status."""

    key: str
    """`section/step` or `section/step@environment`; for the doctor, the name of the check."""
    title: str
    result: Result
    section: str = ""
    step: str = ""
    environment: str = ""
    """Empty if the step has none."""
    seconds: float = 0.0
    """Duration of the check, in seconds."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run."""

    rows: Sequence[Row]
    cloud: str
    profile: str
    started: str
    """ISO 8601, UTC."""
    seconds: float
    cancelled: bool = False
    notes: Sequence[str] = field(default=())
    uncertain: bool = False
    """Whether something is unknown that no row reports; `notes` says what."""

    @property
    def exit_code(self) -> int:
        """0 everything passed, 1 something failed, 3 unknown, 130 interrupted."""
        if self.cancelled:
            return INTERRUPTED
        return exit_code(row.result.status for row in self.rows) or (3 if self.uncertain else 0)

    @property
    def counts(self) -> Mapping[Status, int]:
        """The number of rows for each status, including statuses without rows."""
        counted = Counter(row.result.status for row in self.rows)
        return {status: counted[status] for status in Status}

    @property
    def confirmed(self) -> int:
        """How many of the skipped rows a person has confirmed."""
        return sum(row.result.confirmed is not None for row in self.rows)


def counts_line(results: Iterable[Result]) -> str:
    """Return `3 passed, 1 failed, 1 unknown of 5`; statuses without rows are omitted.

    What a person has confirmed is shown separately from what is skipped: `3 passed, 2 skipped (1 confirmed) of 5`.
    """
    results = tuple(results)
    counted = Counter(result.status for result in results)
    confirmed = sum(result.confirmed is not None for result in results)
    parts = [f"{counted[status]} {status}" for status in Status if counted[status]]
    said = f"{', '.join(parts) or 'nothing checked'} of {counted.total()}"
    return said.replace(" skipped", f" skipped ({confirmed} confirmed)") if confirmed else said


def expectation_line(expectation: Expectation) -> str:
    """Return `Access tier: expected Cool, found Hot`."""
    return one_line(f"{expectation.what}: expected {expectation.expected}, found {expectation.actual}")


def result_lines(key: str, result: Result) -> list[str]:
    """Return a result as lines: the status, then unmet expectations and the next action."""
    lines = [f"{result.status.upper():<7}  {key}  {one_line(result.summary)}"]
    if result.status not in DONE:
        lines += [f"         {expectation_line(met)}" for met in result.expectations if not met.met]
    if result.next_action:
        lines.append(f"         next: {one_line(result.next_action)}")
    return lines


def plan_lines(changes: Sequence[PlannedChange]) -> Iterator[str]:
    """Yield what would be done, one line per change, below the step that does it."""
    key = ""
    for planned in changes:
        if planned.target_key != key:
            key = planned.target_key
            yield key
        change = planned.change
        about = [one_line(change.where)] if change.where else []
        if change.cost:
            about.append(f"cost: {one_line(change.cost)}")
        if change.seconds:
            about.append(f"usually {duration(change.seconds)}")
        told = f"  {change.verb:<8}  {change.kind} {one_line(change.name)}".rstrip()
        yield f"{told} ({'; '.join(about)})" if about else told
        if change.note:
            yield f"            {one_line(change.note)}"
        for line in change.diff[:_DIFF_LINES]:
            yield f"            {clean(line)}".rstrip()
        if (more := len(change.diff) - _DIFF_LINES) > 0:
            yield f"            … and {more} more line{'' if more == 1 else 's'}. To see all: git diff HEAD"


def timing_lines(finished: RunFinished) -> Iterator[str]:
    """Yield how long each step took, and the critical path: the longest chain of steps that need each other."""
    took = finished.durations
    if not took:
        return
    yield "Time"
    for key in finished.results:
        if key in took:
            yield f"{took[key]:8.1f} s  {key}"
    longest = sum(took.get(key, 0.0) for key in finished.critical_path)
    ratio = f", {finished.seconds / longest:.2f} times the critical path" if longest else ""
    yield "Critical path"
    for key in finished.critical_path:
        if took.get(key, 0.0) >= _SHOWN_SECONDS:
            yield f"{took[key]:8.1f} s  {key}"
    yield f"critical path {longest:.1f} s"
    yield f"wall time {finished.seconds:.1f} s{ratio}"


def event_line(event: Event) -> str:
    """Return the log line for an event of a solve; empty if there is none."""
    if isinstance(event, WorkStarted):
        return f"[{event.target}] begins"
    if isinstance(event, Said):
        return f"[{event.target}] {one_line(event.text)}"
    if isinstance(event, Progressed):
        usually = f", usually {duration(event.usually)}" if event.usually else ""
        return f"[{event.target}] {one_line(event.text)} ({duration(event.seconds)} so far{usually})"
    if isinstance(event, PersonNeeded):
        told = f"[{event.target}] {one_line(event.text)}\n  open: {one_line(event.url)}"
        return f"{told}\n  code: {one_line(event.code)}" if event.code else told
    if isinstance(event, WorkFinished):
        return f"[{event.target}] {event.result.status}: {one_line(event.result.summary)} ({event.seconds:.1f} s)"
    return ""


def text(report: Report) -> str:
    """Return the report for a person: one line per step, the problems below it, and the counts at the end."""
    lines: list[str] = []
    before = ""
    for row in report.rows:
        # Written once for consecutive steps that wait for the same step.
        again = row.result.next_action == before
        before = row.result.next_action
        lines += result_lines(row.key, replace(row.result, next_action="") if again else row.result)
        if row.result.report:
            lines.append(f"         {one_line(str(row.result.report))}")
    lines += [one_line(note) for note in report.notes]
    stopped = "interrupted; " if report.cancelled else ""
    lines.append(f"{stopped}{counts_line(row.result for row in report.rows)} ({report.seconds:.1f} s)")
    return "\n".join(lines) + "\n"


def result_value(result: Result) -> dict[str, object]:
    """Return a result as in the JSON report."""
    return {
        "status": str(result.status),
        "summary": result.summary,
        "expectations": [
            {"what": seen.what, "expected": seen.expected, "actual": seen.actual, "met": seen.met}
            for seen in result.expectations
        ],
        "next_action": result.next_action,
        "detail": result.detail,
        "blocked_by": result.blocked_by or None,
    }


def _confirmation_value(result: Result) -> dict[str, object]:
    confirmed = result.confirmed
    return {
        "confirmable": result.confirmable,
        "confirmed": {"by": confirmed.by, "at": confirmed.at.isoformat()} if confirmed else None,
    }


def json_text(report: Report) -> str:
    """Return the report as JSON; `docs/check.schema.json` describes it.

    ASCII only: how Windows encodes other letters in redirected output depends on the console.
    """
    value = {
        **HEADER,
        "cloud": report.cloud,
        "profile": report.profile,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "cancelled": report.cancelled,
        "exit_code": report.exit_code,
        "counts": {str(status): number for status, number in report.counts.items()},
        "confirmed": report.confirmed,
        "notes": list(report.notes),
        "results": [
            {
                "target": row.key,
                "section": row.section,
                "step": row.step,
                "environment": row.environment or None,
                "title": row.title,
                **result_value(row.result),
                **_confirmation_value(row.result),
                "report": report_value(row.result.report) if row.result.report else None,
                "seconds": round(row.seconds, 3),
            }
            for row in report.rows
        ],
    }
    return json.dumps(value, indent=2) + "\n"


def _details(row: Row) -> str:
    lines = [expectation_line(seen) for seen in row.result.expectations if not seen.met]
    if row.result.next_action:
        lines.append(f"next: {one_line(row.result.next_action)}")
    if row.result.detail:
        lines.append(clean(row.result.detail))
    return "\n".join(lines)


def junit(report: Report) -> str:
    """Return the report as JUnit XML: one suite per section, one case per step.

    What failed, or is not done yet, is a failure; what is unknown is an error. What a person has confirmed is skipped,
    with the type `confirmed`.
    """
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    document = JUnitXml("hol-wizard")
    suites: dict[str, TestSuite] = {}
    for row in report.rows:
        section = row.section or row.key
        suite = suites.get(section)
        if suite is None:
            suite = suites[section] = TestSuite(section)
            suite.timestamp = report.started
            suite.add_property("cloud", report.cloud)
            suite.add_property("profile", report.profile)
        name = f"{row.step}@{row.environment}" if row.environment else row.step or row.key
        case = TestCase(name, classname=section, time=round(row.seconds, 3))
        summary, status = one_line(row.result.summary), row.result.status
        outcome: Failure | Error | Skipped | None = None
        if status in _BAD:
            outcome = Failure(summary, str(status))
        elif status in _UNSURE:
            outcome = Error(summary, str(status))
        elif status is Status.SKIPPED:
            outcome = Skipped(summary, "confirmed" if row.result.confirmed else str(status))
        if outcome is not None:
            outcome.text = _details(row)
            case.result = [outcome]
        else:
            case.system_out = summary
        suite.add_testcase(case)
    for suite in suites.values():
        document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call] # junitparser is annotated in part
    xml: bytes = document.tostring()  # type: ignore[no-untyped-call] # junitparser is annotated in part
    return xml.decode("utf-8").encode("ascii", "xmlcharrefreplace").decode("ascii") + "\n"


_TAP_MARK = "# hol-wizard "
MARKDOWN_MARK = "<!-- hol-wizard "
"""These comments identify a file as a report of this program."""


def tap(report: Report) -> str:
    """Return the report as TAP version 14; what is unknown is `not ok`, with its status below it."""
    lines = ["TAP version 14", f"{_TAP_MARK}{__version__}", f"1..{len(report.rows)}"]
    for number, row in enumerate(report.rows, start=1):
        status = row.result.status
        ok = status in DONE
        told = f"{row.key} {one_line(row.result.summary)}".replace("\\", "\\\\").replace("#", "\\#")
        skip = " # SKIP" if status is Status.SKIPPED else ""
        skip += " confirmed" if row.result.confirmed else ""
        lines.append(f"{'ok' if ok else 'not ok'} {number} - {told}{skip}")
        if not ok:
            # A JSON string is a YAML string.
            lines += ["  ---", f"  status: {status}"]
            if row.result.next_action:
                lines.append(f"  next: {json.dumps(row.result.next_action)}")
            wrong = [seen for seen in row.result.expectations if not seen.met]
            if wrong:
                lines.append("  expectations:")
            for seen in wrong:
                lines += [
                    f"    - what: {json.dumps(seen.what)}",
                    f"      expected: {json.dumps(seen.expected)}",
                    f"      actual: {json.dumps(seen.actual)}",
                ]
            lines.append("  ...")
    if report.cancelled:
        lines.append("Bail out! Interrupted.")
    return "\n".join(lines) + "\n"


_COUNT = rf"\d+ (?:{'|'.join(Status)})(?: \(\d+ confirmed\))?"
_TEXT_ENDS = re.compile(rf"(?:(?:interrupted; )?(?:{_COUNT}(?:, )?)+|nothing checked) of \d+ \(\d+\.\d s\)")
_TEXT_BEGINS = re.compile(rf"(?:{'|'.join(status.upper() for status in Status)}) +\S+/\S+  .")


def is_report(content: bytes) -> bool:
    """Return whether a file's content is a report of this program, in any of its formats."""
    try:
        told = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if told.startswith("TAP version 14\n"):
        return told.splitlines()[1].startswith(_TAP_MARK) if "\n" in told.strip() else False
    if told.startswith(MARKDOWN_MARK):
        return True
    if told.startswith("<"):
        return re.match(r"(?:<\?xml[^>]*\?>\s*)?<testsuites name=\"hol-wizard\"", told) is not None
    if told.startswith("{"):
        try:
            return bool(json.loads(told)["tool"]["name"] == "hol-wizard")
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
    lines = told.splitlines()
    return bool(lines and _TEXT_ENDS.fullmatch(lines[-1]) and (len(lines) == 1 or _TEXT_BEGINS.match(lines[0])))
