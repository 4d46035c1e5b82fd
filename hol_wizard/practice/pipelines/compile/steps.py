"""Steps: shorthands become tasks; tasks and inputs are looked up, and unknown ones refused by name.

Source: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from hol_wizard.practice.pipelines import tasks
from hol_wizard.practice.pipelines.compile.fields import NAME, Fields, scalar_text
from hol_wizard.practice.pipelines.compile.nodes import MappingNode, Node, refuse
from hol_wizard.practice.pipelines.compile.problems import Findings
from hol_wizard.practice.pipelines.compile.variables import has_macro
from hol_wizard.practice.pipelines.expressions.places import STEP_CONDITION
from hol_wizard.practice.pipelines.plan import Position, Step

CHECKOUT = "Checkout@1"
DOWNLOAD = "Download@1"
MAX_RETRIES = 10
"""https://learn.microsoft.com/azure/devops/pipelines/process/tasks, "Number of retries if task failed"."""
_TASK = re.compile(r"\s*([^@\s]+)@(\d+)(?:\.\d+(?:\.\d+)?)?\s*\Z", re.ASCII)
_TRUE = ("true", "recursive", "1", "yes", "on")


def step(node: Node, findings: Findings) -> Step:
    """Return one step.

    Raises:
        PipelineError: It is not valid, or the practice agent does not know it.
    """
    fields = Fields(node, "a step")
    kind = next((each for each in _KINDS if fields.has(each)), None)
    if kind is None:
        if isinstance(node, MappingNode) and node.entries:
            key = node.entries[0][0]
            raise refuse(key.place, f"Unexpected value '{key.text}'. A step begins with its kind, such as 'script'.")
        raise refuse(node.place, "A step cannot be empty.")
    for name in ("target", "container"):
        fields.refuse(name, "steps run on the agent itself.")
    task, inputs, title = _KINDS[kind](fields, findings)
    name = fields.text("name")
    if name and not NAME.match(name):
        raise refuse(fields.place("name"), f"'{name}' is not a valid name of a step.")
    retries = fields.number("retryCountOnTaskFailure")
    if retries > MAX_RETRIES:
        findings.note(fields.place("retryCountOnTaskFailure"), f"At most {MAX_RETRIES} retries are made.")
    found = Step(
        task=task,
        place=node.place,
        inputs=inputs,
        env=fields.texts_by_name("env"),
        name=name,
        display_name=fields.text("displayName").strip() or title,
        condition=fields.condition(STEP_CONDITION),
        enabled=fields.flag("enabled", default=True),
        continue_on_error=fields.late_flag("continueOnError"),
        timeout_minutes=fields.late_number("timeoutInMinutes"),
        retries=min(retries, MAX_RETRIES),
    )
    fields.end()
    return found


_Found = tuple[str, dict[str, str], str]


def _task(fields: Fields, findings: Findings) -> _Found:
    reference, place = fields.text("task"), fields.place("task")
    found = _TASK.match(reference)
    if found is None:
        raise refuse(place, f"A task has the form 'Name@1': '{reference}'.")
    task = tasks.find(f"{found[1]}@{found[2]}")
    if task is None:
        known = ", ".join(f"{found[1]}@{major}" for major in tasks.majors(found[1]))
        hint = f" It knows {known}." if known else ""
        raise refuse(place, f"This practice agent does not know the task {reference.strip()}.{hint} Nothing was run.")
    return task.reference, _inputs(task, fields.mapping("inputs"), findings, fields.place("task")), task.name


def _inputs(task: tasks.Task, node: MappingNode | None, findings: Findings, place: Position) -> dict[str, str]:
    """Return the inputs by their names, after a check of the choices."""
    values: dict[str, str] = {}
    places: dict[str, Position] = {}
    for key, each in () if node is None else node.entries:
        found = task.input(key.text)
        if found is None:
            findings.note(key.place, f"The task {task.reference} has no input '{key.text}'; it has no effect.")
            continue
        if found.name in values:
            raise refuse(key.place, f"The input '{found.name}' of the task {task.reference} is already defined.")
        values[found.name] = scalar_text(each, key.text)
        places[found.name] = each.place
    whole = task.values(values)
    for declared in task.inputs:
        name = declared.name
        if declared.is_visible(whole):
            _check_choice(task, declared, whole[name], places.get(name, place))
        if declared.is_connection and declared.required and not whole[name].strip():
            raise refuse(place, f"Step input {name} expects a service connection, and none is specified.")
    return values


def _check_choice(task: tasks.Task, each: tasks.Input, value: str, place: Position) -> None:
    if has_macro(value) or not value.strip():
        return
    text = value.strip()
    for refused, why in (each.refused or {}).items():
        if text.lower() == refused.lower():
            raise refuse(place, f"The practice agent does not know '{text}' for {each.name} of {task.reference}: {why}")
    if each.options and text.lower() not in [option.lower() for option in each.options]:
        options = ", ".join(each.options)
        raise refuse(place, f"'{text}' is not a value of {each.name} of {task.reference}; the values are {options}.")


def _checked(reference: str, inputs: Mapping[str, str]) -> _Found:
    task = tasks.known()[reference.lower()]
    return task.reference, {name: value for name, value in inputs.items() if value or name == "script"}, task.name


def _script(fields: Fields, findings: Findings) -> _Found:
    return _checked(
        "CmdLine@2",
        {
            "script": fields.text("script"),
            "workingDirectory": fields.text("workingDirectory"),
            "failOnStderr": fields.text("failOnStderr"),
        },
    )


def _bash(fields: Fields, findings: Findings) -> _Found:
    return _checked(
        "Bash@3",
        {
            "targetType": "inline",
            "script": fields.text("bash"),
            "workingDirectory": fields.text("workingDirectory"),
            "failOnStderr": fields.text("failOnStderr"),
        },
    )


def _power_shell(kind: str) -> Callable[[Fields, Findings], _Found]:
    def found(fields: Fields, findings: Findings) -> _Found:
        inputs = {"targetType": "inline", "script": fields.text(kind), "pwsh": "true" if kind == "pwsh" else ""}
        for name in (
            *tasks.POWERSHELL_PREFERENCES,
            "failOnStderr",
            "ignoreLASTEXITCODE",
            "showWarnings",
            "workingDirectory",
        ):
            inputs[name] = fields.text(name)
        return _checked("PowerShell@2", inputs)

    return found


def _checkout(fields: Fields, findings: Findings) -> _Found:
    inputs = {"repository": fields.text("checkout").strip()}
    if not inputs["repository"]:
        raise refuse(fields.place("checkout"), "'checkout' needs 'self', 'none' or a repository.")
    for name in ("fetchFilter", "sparseCheckoutDirectories", "sparseCheckoutPatterns", "workspaceRepo"):
        fields.refuse(name, "a checkout has all files.")
    for name in ("lfs", "submodules"):
        if fields.text(name).strip().lower() in _TRUE:
            raise refuse(fields.key_place(name), f"The practice agent does not know '{name}' of a checkout.")
    for name in ("clean", "fetchDepth", "fetchTags", "path", "persistCredentials"):
        inputs[name] = fields.text(name)
    return CHECKOUT, {name: value for name, value in inputs.items() if value}, "Checkout"


def _download(fields: Fields, findings: Findings) -> _Found:
    inputs = {"alias": fields.text("download").strip()}
    if not inputs["alias"]:
        raise refuse(fields.place("download"), "'download' needs 'current', 'none' or a pipeline resource.")
    for name in ("artifact", "patterns", "path"):
        inputs[name] = fields.text(name)
    return DOWNLOAD, {name: value for name, value in inputs.items() if value}, "Download"


def _publish(fields: Fields, findings: Findings) -> _Found:
    inputs = {"path": fields.text("publish"), "artifactName": fields.text("artifact")}
    return _checked("PublishPipelineArtifact@1", inputs)


def _refused(kind: str, why: str) -> Callable[[Fields, Findings], _Found]:
    def found(fields: Fields, findings: Findings) -> _Found:
        raise refuse(fields.key_place(kind), f"The practice agent does not know '{kind}': {why}")

    return found


_KINDS: dict[str, Callable[[Fields, Findings], _Found]] = {
    "task": _task,
    "script": _script,
    "bash": _bash,
    "pwsh": _power_shell("pwsh"),
    "powershell": _power_shell("powershell"),
    "checkout": _checkout,
    "download": _download,
    "publish": _publish,
    "downloadBuild": _refused("downloadBuild", "there are no builds of other services."),
    "getPackage": _refused("getPackage", "there are no package resources."),
    "reviewApp": _refused("reviewApp", "there are no Kubernetes resources."),
}
