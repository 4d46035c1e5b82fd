"""`--list`, `cost` and `doctor`: commands that change nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hol_wizard.background import Interrupts, in_background, waited
from hol_wizard.engine.events import (
    CheckFinished,
    Event,
    RunFinished,
)
from hol_wizard.engine.results import Result, exit_code
from hol_wizard.headless.output import out
from hol_wizard.lab.model import Step, targets_of
from hol_wizard.lines import one_line
from hol_wizard.report import (
    HEADER,
    INTERRUPTED,
    counts_line,
    result_lines,
    result_value,
)

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


def list_steps(wizard: Wizard, format_: str) -> int:
    """List all sections and steps, as every command names them."""
    if format_ == "json":
        value = {
            **HEADER,
            "lab": wizard.lab.title,
            "sections": [
                {
                    "number": section.number,
                    "id": section.id,
                    "title": section.title,
                    "role": section.role,
                    "minutes": section.minutes,
                    "steps": [_step_value(wizard, step) for step in section.steps],
                }
                for section in wizard.lab.sections
            ],
        }
        out(json.dumps(value, indent=2))
        return 0
    for section in wizard.lab.sections:
        out(f"{section.number:>2}  {section.id}  {section.title} ({section.role}, {section.minutes} min)")
        for step in section.steps:
            places = f"@{'|'.join(step.for_each)}" if step.for_each else ""
            out(f"      {step.key}{places}  {step.title}")
            if step.confirm:
                out(f"          confirm {step.key}  Only you can judge it")
            if step.actions:
                for action in wizard.actions(targets_of(step)[0]):
                    out(f"          do {step.key} {action.word}  {action.label}")
    return 0


def _step_value(wizard: Wizard, step: Step) -> dict[str, object]:
    return {
        "key": step.key,
        "title": step.title,
        "environments": list(step.for_each),
        "has_check": bool(step.check),
        "has_solve": bool(step.solve),
        "confirm": step.confirm or None,
        "actions": [
            {"name": action.word, "title": action.label}
            for action in (wizard.actions(targets_of(step)[0]) if step.actions else ())
        ],
    }


def cost(wizard: Wizard, format_: str) -> int:
    """Write what costs money now, and return the exit code: 0, or 3 if something is unknown."""
    from hol_wizard.doctor.cost import lines

    found = waited(wizard.cost)
    if format_ == "json":
        value = {
            **HEADER,
            "running": [
                {
                    "target": each.target_key,
                    "what": each.what,
                    "since": None if each.since is None else datetime.fromtimestamp(each.since, UTC).isoformat(),
                    "machines": [{"size": size, "number": number} for size, number in each.machines],
                    "machines_price_per_hour": each.hourly,
                    "databricks_unit_price": each.unit.amount if each.unit else None,
                    "currency": each.currency or None,
                    "example": each.example,
                    "stops_after_idle_minutes": each.idle_minutes or None,
                }
                for each in found.running
            ],
            "standing": [{"target": each.target_key, "cost": each.cost} for each in found.standing],
            "unknown": list(found.unknown),
            "notes": list(found.notes),
        }
        out(json.dumps(value, indent=2))
    else:
        for line in lines(found, wizard.command):
            out(one_line(line) if not line.startswith(" ") else f"      {one_line(line)}")
    return 3 if found.unknown else 0


def doctor(titles: Mapping[str, str], events: Iterator[Event], format_: str) -> int:
    """Check the wizard's prerequisites, write the results and return the exit code.

    Args:
        titles: Titles of the checks, by key.
        events: The run's events.
        format_: `text` or `json`.
    """
    results, code = prerequisites(events)
    if format_ == "json":
        out(json.dumps(prerequisites_value(titles, results, code), indent=2))
        return code
    for key, result in results.items():
        for line in result_lines(titles.get(key, key), result):
            out(line)
    out(counts_line(results.values()))
    return code


def prerequisites(events: Iterator[Event]) -> tuple[Mapping[str, Result], int]:
    """Run the checks of the wizard's prerequisites, and return their results and the exit code."""
    cancelled = threading.Event()
    finished = RunFinished({}, 0.0, cancelled=True)
    latest: dict[str, Result] = {}
    with Interrupts(cancelled) as interrupts:
        for event in in_background(events):
            if interrupts.count:
                break
            if isinstance(event, CheckFinished):
                latest[event.target] = event.result
            elif isinstance(event, RunFinished):
                finished = event
    results = finished.results or latest
    code = INTERRUPTED if finished.cancelled else exit_code(result.status for result in results.values())
    return results, code


def prerequisites_value(titles: Mapping[str, str], results: Mapping[str, Result], code: int) -> dict[str, object]:
    """Return the results of the doctor as in its JSON report."""
    return {
        **HEADER,
        "cancelled": code == INTERRUPTED,
        "exit_code": code,
        "results": [
            {"name": key, "title": titles.get(key, key), **result_value(result)} for key, result in results.items()
        ],
    }
