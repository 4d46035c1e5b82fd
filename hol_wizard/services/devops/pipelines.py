"""Build pipelines of a project, whose steps are a YAML file in a repository (Build - Definitions, 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hol_wizard.services.answers import Document, moment
from hol_wizard.services.devops.connection import Connection, named
from hol_wizard.services.devops.repositories import HEADS, Repository
from hol_wizard.services.rest import json_object

HOSTED: Final = "Azure Pipelines"
"""The pool of Microsoft's agents."""
_DESIGNER: Final = 1
"""Type of a process of the classic editor (recorded with the definition of somebody else's)."""
_YAML, _IN_FILE = 2, 2
"""Type of a process, and the source of a trigger's settings: both are in the YAML file (recorded with az)."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A build pipeline."""

    id: int
    name: str
    description: str
    file: str
    """Path of its YAML file, without a slash at the start; empty for a classic pipeline."""
    repository: str
    """ID of its repository."""
    branch: str
    """Its default branch, without `refs/heads/`."""
    state: str
    """`enabled`, `paused` or `disabled`."""
    own_triggers: bool
    """Whether triggers in its settings replace those of the file."""
    page: str
    """Address of its page; empty if the service names none."""
    changed: datetime | None = None
    """When its settings were saved last."""


@dataclass(frozen=True, slots=True)
class DesignerStep:
    """One step of a classic pipeline."""

    task: str
    """ID of the task, in lowercase."""
    version: str
    """`2.*`."""
    title: str
    inputs: Mapping[str, str]
    variables: Mapping[str, str]
    condition: str
    enabled: bool
    continues: bool
    """Whether the job continues after its failure."""


@dataclass(frozen=True, slots=True)
class ClassicPipeline:
    """A pipeline of the classic editor (`DesignerProcess`: its phases are jobs)."""

    name: str
    steps: tuple[DesignerStep, ...]
    """Those of all phases, in their order."""
    images: tuple[str, ...]
    groups: tuple[str, ...]
    """Names of its variable groups."""
    limit: int
    """Minutes after which a job is ended; 0: the default."""


class Pipelines(Connection):
    """The build pipelines of an organization's projects."""

    def pipeline(self, project: str, name: str) -> Pipeline | None:
        """Return a project's pipeline with this name in the top folder; None if there is none.

        Args:
            project: Name or ID.
            name: The pipeline's name.
        """
        query = {"name": name, "path": "\\", "includeAllProperties": "true"}
        found = self._get("/build/definitions", f"the pipeline {name}", below=project, **query)
        known = named(found, name)
        return _pipeline(known) if known is not None else None

    def classic_pipelines(self, project: str, repository: str) -> list[ClassicPipeline]:
        """Return the pipelines of the classic editor that use a repository.

        Args:
            project: Name or ID.
            repository: ID of the repository, in the project.
        """
        query = {"repositoryId": repository, "repositoryType": "TfsGit", "includeAllProperties": "true"}
        found = self._get("/build/definitions", "the pipelines", below=project, **query).objects("value")
        return [_classic(each) for each in found if each.inner("process").number("type") == _DESIGNER]

    def create_pipeline(self, project: str, name: str, repository: Repository, file: str, description: str) -> Pipeline:
        """Create a pipeline from a file of a repository; it runs for the first time when something starts it.

        Args:
            project: Name or ID.
            name: Its name.
            repository: The repository; its default branch becomes that of the pipeline.
            file: Path of the YAML file.
            description: Its description.

        Raises:
            AccessDeniedError: The caller may not create pipelines.
            ConflictError: The name is in use.
        """
        queue = self.queue(project, HOSTED)
        body = _body(name, repository, file, description) | ({"queue": {"id": queue}} if queue is not None else {})
        reply = self._send("POST", "/build/definitions", f"the pipeline {name}", body, below=project)
        return _pipeline(json_object(reply, self.url))

    def change_pipeline(self, project: str, found: Pipeline, repository: Repository, file: str) -> None:
        """Give a pipeline the file and the settings of a new one; everything else stays."""
        path, thing = f"/build/definitions/{found.id}", f"the pipeline {found.name}"
        now = dict(self._get(path, thing, below=project))
        wanted = _body(found.name, repository, file, found.description)
        self._send("PUT", path, thing, {**now, **wanted}, below=project)

    def preview(self, project: str, pipeline: int, branch: str, text: str = "") -> str:
        """Return the YAML of a run that is not started, with its templates filled in (Pipelines - Preview, 7.1).

        The service previews only pipelines that exist: the address contains the pipeline's ID.

        Args:
            project: Name or ID.
            pipeline: The pipeline's ID.
            branch: The branch whose file and templates are used.
            text: Contents to use instead of those of the file (`yamlOverride`), so that nothing has to be pushed.

        Raises:
            ConflictError: The file is not valid, or names something that does not exist; with file, line and column.
            AccessDeniedError: The caller may not queue runs.
        """
        body: dict[str, Any] = {"previewRun": True}
        body["resources"] = {"repositories": {"self": {"refName": f"{HEADS}{branch}"}}}
        if text:
            body["yamlOverride"] = text
        path = f"/pipelines/{pipeline}/preview"
        return json_object(self._send("POST", path, "the preview", body, below=project), self.url).text("finalYaml")

    def delete_pipeline(self, project: str, found: Pipeline) -> None:
        """Delete a pipeline with its runs."""
        self._send("DELETE", f"/build/definitions/{found.id}", f"the pipeline {found.name}", below=project)

    def queue(self, project: str, name: str) -> int | None:
        """Return the ID of a project's agent queue; None if there is none of this name."""
        found = self._get("/distributedtask/queues", f"the agent queue {name}", below=project, queueNames=name)
        known = named(found, name)
        return known.required_number("id") if known is not None else None


def _body(name: str, repository: Repository, file: str, description: str) -> dict[str, Any]:
    """Return the body of a pipeline as `az pipelines create` sends it (recorded)."""
    return {
        "name": name,
        "path": "\\",
        "type": "build",
        "description": description,
        "queueStatus": "enabled",
        "process": {"type": _YAML, "yamlFilename": file},
        "repository": {
            "id": repository.id,
            "name": repository.name,
            "type": "TfsGit",
            "defaultBranch": f"{HEADS}{repository.default_branch}",
        },
        "triggers": [{"settingsSourceType": _IN_FILE, "triggerType": "continuousIntegration"}],
    }


def _classic(document: Document) -> ClassicPipeline:
    process = document.inner("process")
    phases = process.some("phases")
    steps = [step for phase in phases for step in phase.some("steps")]
    images = [each.inner("target").inner("agentSpecification").text("identifier") for each in (process, *phases)]
    return ClassicPipeline(
        name=document.text("name"),
        steps=tuple(map(_step, steps)),
        images=tuple(dict.fromkeys(filter(None, images))),
        groups=tuple(each.text("name") for each in document.some("variableGroups")),
        limit=document.number("jobTimeoutInMinutes"),
    )


def _step(document: Document) -> DesignerStep:
    task = document.inner("task")
    return DesignerStep(
        task=task.text("id").lower(),
        version=task.text("versionSpec"),
        title=document.text("displayName"),
        inputs={name: str(value) for name, value in document.inner("inputs").items()},
        variables={name: str(value) for name, value in document.inner("environment").items()},
        condition=document.text("condition"),
        enabled=bool(document.get("enabled", True)),
        continues=bool(document.get("continueOnError")),
    )


def _pipeline(document: Document) -> Pipeline:
    process, repository = document.inner("process"), document.inner("repository")
    return Pipeline(
        id=document.required_number("id"),
        name=document.text("name"),
        description=document.text("description"),
        file=process.text("yamlFilename").lstrip("/"),
        repository=repository.text("id"),
        branch=repository.text("defaultBranch").removeprefix(HEADS),
        state=document.text("queueStatus") or "enabled",
        own_triggers=any(
            each.get("triggerType") == "continuousIntegration" and each.number("settingsSourceType") != _IN_FILE
            for each in document.some("triggers")
        ),
        page=document.inner("_links").inner("web").text("href"),
        changed=moment(document.text("createdDate")),
    )
