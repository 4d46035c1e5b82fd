"""The schema of the YAML that this practice cloud runs (distributedtask/yamlschema, 7.1).

The service answers its own schema with the tasks of the organization. This one is made from what the practice agent
knows: the keys of a pipeline, and its tasks with their inputs. It is JSON Schema, draft 7, as the service's.
"""

from __future__ import annotations

import functools
from typing import Final

from hol_wizard.practice.devops import access
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.pipelines import tasks
from hol_wizard.practice.pipelines.tasks import Task

_ROOT: Final = (
    *("name", "trigger", "pr", "schedules", "pool", "variables", "parameters", "resources", "extends", "lockBehavior"),
    *("appendCommitMessageToRunName", "stages", "jobs", "steps", "strategy", "workspace", "continueOnError"),
    *("timeoutInMinutes", "cancelTimeoutInMinutes"),
)
_SHORTHANDS: Final = ("script", "bash", "powershell", "pwsh", "checkout", "download", "publish", "template")
_OF_EVERY_STEP: Final = (
    *("name", "displayName", "condition", "continueOnError", "enabled", "env", "timeoutInMinutes", "inputs"),
    *("retryCountOnTaskFailure", "target"),
)


class YamlSchemaRequests:
    """Handles requests for the schema."""

    def __init__(self, router: Router) -> None:
        # Every task here has a name that is known.
        router.add("GET", "/{organization}/_apis/distributedtask/yamlschema", self._get, ignores="validateTaskNames")

    def _get(self, request: Request) -> Response:
        access.organization(request)
        return Response(200, schema())


@functools.cache
def schema() -> JsonObject:
    """Return the schema."""
    known = sorted({each.reference: each for each in tasks.known().values()}.items())
    steps = {"type": "array", "items": {"$ref": "#/definitions/step"}}
    jobs = {"type": "array", "items": {"type": "object"}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Pipeline schema",
        "description": "What the practice agent runs: a part of Azure Pipelines.",
        "oneOf": [{"$ref": "#/definitions/pipeline"}, {"type": "string", "pattern": "^$"}],
        "definitions": {
            "pipeline": {
                "type": "object",
                "properties": {
                    **{each: {} for each in _ROOT},
                    "stages": {"type": ["array", "object"]},
                    "jobs": jobs,
                    "steps": steps,
                },
                "additionalProperties": False,
            },
            "step": {
                "anyOf": [
                    {"$ref": "#/definitions/task"},
                    *({"type": "object", "required": [each], "properties": {each: {}}} for each in _SHORTHANDS),
                ]
            },
            "task": {
                "type": "object",
                "required": ["task"],
                "properties": {
                    "task": {"anyOf": [_named(each) for _, each in known]},
                    **{each: {} for each in _OF_EVERY_STEP},
                },
                "allOf": [_inputs(each) for _, each in known],
            },
        },
    }


def _named(task: Task) -> JsonObject:
    return {"description": task.description, "ignoreCase": "value", "enum": [task.reference]}


def _inputs(task: Task) -> JsonObject:
    """Return what follows for the inputs from the name of a task; aliases count as names."""
    names: JsonObject = {}
    for each in task.inputs:
        for name in (each.name, *each.aliases):
            names[name] = {"enum": list(each.options)} if each.options else {}
    inputs = {"type": "object", "properties": names}
    return {
        "if": {"properties": {"task": {"enum": [task.reference]}}},
        "then": {"properties": {"inputs": inputs}},
    }
