"""What a run of a pipeline would do on this machine, for the person who is asked to agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from hol_wizard.practice import seed
from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.pipelines.definitions import YAML, Definitions, variables
from hol_wizard.practice.devops.pipelines.queueing import Queueing, Wanted, template_parameters
from hol_wizard.practice.devops.pipelines.scope import Place
from hol_wizard.practice.devops.pipelines.upstream import NotRunnableError
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.service import JsonObject, texts
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest, Source
from hol_wizard.practice.pipelines.plan import Job, Plan, Step

_LINES: Final = 3
"""First lines of a script that are shown."""
_SCRIPTS: Final = ("script", "inlineScript", "scriptPath", "filePath")
"""Inputs with a script, or with the name of its file."""
_ROOT: Final = re.compile(r"(?<![\w./-])(sudo|apt|apt-get|yum|dnf|choco|brew|winget|docker)(?![\w./-])")
"""Programs that change the whole machine; with access to the container engine, one can do that on Linux."""


class RunPlans:
    """Answers what a run would do; called by the control port."""

    def __init__(self, world: World, queueing: Queueing) -> None:
        self._world = world
        self._projects = world.part(Projects)
        self._definitions = world.part(Definitions)
        self._queueing = queueing

    async def __call__(self, body: JsonObject) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the digests of a run, and what to show of it.

        Args:
            body: `organization`, `project` (name or ID); `pipeline` (ID), or `name` and `file` of one that is yet to be
                created; and as the API has them `branch`, `commit`, `variables`, `templateParameters` and
                `stagesToSkip`; `by`, the object ID of who will queue it.

        Raises:
            ValueError: There is no such pipeline, or it cannot run.
        """
        place = self._place(str(body.get("organization") or ""), str(body.get("project") or ""))
        definition = self._definition(place, body)
        wanted = Wanted(
            branch=str(body.get("branch") or ""),
            commit=str(body.get("commit") or ""),
            by=str(body.get("by") or seed.ATTENDEE.id),
            variables=_variables(body),
            template_parameters=template_parameters(body),
            skipped_stages=texts(body, "stagesToSkip"),
        )
        try:
            request = await self._queueing.pinned(place, definition, wanted)
        except NotRunnableError as error:
            raise ValueError(" ".join(error.messages)) from error
        plain = {name: "***" if each.secret else each.value for name, each in variables(definition).items()}
        return request.programs, {**shown(request), "settings": plain}

    def _definition(self, place: Place, body: JsonObject) -> Document:
        number, name, file = (str(body.get(each) or "") for each in ("pipeline", "name", "file"))
        if not number and name and file:
            process = {"type": YAML, "yamlFilename": file}
            members = {"name": name, "process": process, "repository": {"defaultBranch": ""}, "variables": {}}
            return {"id": 0, "revisions": [{"revision": 0, "body": members | {"queue": 0}}]}
        found = self._definitions.numbered(place, int(number)) if number.isdecimal() else None
        if found is None or found["deleted"]:
            raise ValueError(f"there is no pipeline {number}")
        return found

    def _place(self, organization: str, project: str) -> Place:
        known = ORGANIZATIONS.get(organization)
        found = self._projects.called(known, project) if known is not None else None
        if found is None:
            raise ValueError(f"there is no project {organization}/{project}")
        return Place.of(found)


def _variables(body: JsonObject) -> dict[str, str]:
    found = body.get("variables") or {}
    if not isinstance(found, dict) or any(isinstance(each, dict | list) for each in found.values()):
        raise ValueError("variables is an object of texts")
    return {key: str(each) for key, each in found.items()}


def shown(request: RunRequest) -> dict[str, Any]:
    """Return what a person reads before they agree to a run."""
    repositories: dict[str, Source] = {"self": request.source, **request.repositories}
    plan = request.plan
    return {
        "pipeline": request.pipeline.name,
        "repositories": [
            {"alias": alias, "name": each.name, "branch": each.branch, "commit": each.commit}
            for alias, each in repositories.items()
        ],
        "parameters": plan.parameters,
        "variables": request.variables,
        "yaml": plan.final_yaml,
        "steps": [
            {
                "stage": stage,
                "job": job.name,
                "task": step.task,
                "name": step.display_name,
                "script": _first_lines(step),
                "programs": sorted({found[1] for each in _texts_of(step) for found in _ROOT.finditer(each)}),
            }
            for stage, job, step in _steps(plan)
        ],
    }


def _steps(plan: Plan) -> Iterator[tuple[str, Job, Step]]:
    for stage in plan.stages:
        for job in stage.jobs:
            for step in (*job.steps, *(step for hook in job.hooks for step in hook.steps)):
                if step.enabled:
                    yield stage.name, job, step


def _texts_of(step: Step) -> list[str]:
    wanted = {each.lower() for each in _SCRIPTS}
    return [text for name, text in step.inputs.items() if name.lower() in wanted and text.strip()]


def _first_lines(step: Step) -> list[str]:
    lines = [line for text in _texts_of(step) for line in text.strip().splitlines()]
    return [*lines[:_LINES], *(["…"] if len(lines) > _LINES else [])]
