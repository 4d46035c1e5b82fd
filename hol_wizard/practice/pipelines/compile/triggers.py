"""`trigger`, `pr` and `schedules` as plain data.

Source: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/trigger, `pr` and `schedules`.
"""

from __future__ import annotations

import re

from hol_wizard.practice.pipelines.compile.fields import Fields, scalar_text
from hol_wizard.practice.pipelines.compile.nodes import Node, ScalarNode, SequenceNode, filled, refuse
from hol_wizard.practice.pipelines.plan import Filter, PushTrigger, Schedule

_CRON_FIELD = re.compile(r"[\w*/,\-]+\Z", re.ASCII)


def push_trigger(node: Node | None, what: str) -> PushTrigger:
    """Return a `trigger`, or a `pr`.

    Raises:
        PipelineError: It is not valid.
    """
    if node is None:
        return PushTrigger()
    if isinstance(node, ScalarNode):
        if node.text.strip().lower() == "none":
            return PushTrigger(enabled=False, declared=True)
        if not node.text.strip():
            return PushTrigger()
        raise refuse(node.place, f"Expected 'none', a list or a mapping for '{what}', not '{node.text}'.")
    if isinstance(node, SequenceNode):
        return PushTrigger(declared=True, branches=filter_of(node, "branches"))
    fields = Fields(node, f"'{what}'")
    trigger = PushTrigger(
        declared=True,
        batch=fields.flag("batch") if what == "trigger" else False,
        branches=filter_of(fields.node("branches"), "branches"),
        paths=filter_of(fields.node("paths"), "paths"),
        tags=filter_of(fields.node("tags"), "tags") if fields.has("tags") and what == "trigger" else None,
    )
    if what == "pr":
        fields.flag("autoCancel")
        fields.flag("drafts")
    fields.end()
    if what == "trigger" and fields.has("paths") and not fields.has("branches"):
        raise refuse(fields.key_place("paths"), "Path filters need 'branches'.")
    return trigger


def schedules(node: Node | None) -> tuple[Schedule, ...]:
    """Return the `schedules`.

    Raises:
        PipelineError: One is not valid.
    """
    if node is None:
        return ()
    if not isinstance(node, SequenceNode):
        if isinstance(node, ScalarNode) and node.text.strip().lower() in ("", "none"):
            return ()
        raise refuse(node.place, "Expected a list for 'schedules'.")
    return tuple(_schedule(each) for each in node.items)


def _schedule(node: Node) -> Schedule:
    fields = Fields(node, "a schedule")
    cron = fields.text("cron")
    parts = cron.split()
    if len(parts) != 5 or not all(_CRON_FIELD.match(part) for part in parts):
        raise refuse(fields.place("cron"), f"Improperly formed cron syntax: '{cron}'.")
    schedule = Schedule(
        cron=cron,
        place=node.place,
        display_name=fields.text("displayName"),
        branches=filter_of(fields.node("branches"), "branches"),
        always=fields.flag("always"),
        batch=fields.flag("batch"),
    )
    fields.end()
    return schedule


def filter_of(node: Node | None, what: str) -> Filter:
    """Return a list of patterns, or `include` and `exclude`.

    Raises:
        PipelineError: It is not valid.
    """
    if (node := filled(node)) is None:
        return Filter()
    if isinstance(node, SequenceNode):
        return Filter(tuple(scalar_text(each, what) for each in node.items))
    fields = Fields(node, f"'{what}'")
    found = Filter(fields.texts("include"), fields.texts("exclude"))
    fields.end()
    return found
