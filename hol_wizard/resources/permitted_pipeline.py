"""A pipeline of the lab with the permissions to use what its file names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import NotFoundError
from hol_wizard.resources import in_project, service_connection
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.pipeline import BuildPipeline
from hol_wizard.resources.pipeline_permission import PipelinePermission
from hol_wizard.resources.stage_environment import StageEnvironment
from hol_wizard.resources.variable_group import ProjectGroup
from hol_wizard.services.devops.approvals import ENVIRONMENT
from hol_wizard.services.devops.pipelines import HOSTED
from hol_wizard.services.devops.service_connections import ENDPOINT, QUEUE, VARIABLE_GROUP


@dataclass(frozen=True)
class PermittedPipeline:
    """A pipeline, and what its runs use: the lab's service connection, groups, environments, and the agent queue."""

    pipeline: BuildPipeline
    groups: Sequence[ProjectGroup]
    environments: Sequence[StageEnvironment] = ()

    def _permissions(self, number: int) -> list[PipelinePermission]:
        """Return what the pipeline must be permitted to use, of what exists.

        Args:
            number: ID of the pipeline.
        """
        pipeline, context = self.pipeline, self.pipeline.context
        found: list[tuple[str, str, str]] = []
        connection = service_connection.lab_connection(context)
        if (known := connection.find(context.reads)) is not None:
            found.append((ENDPOINT, known.id, connection.name))
        for group in self.groups:
            if (offered := group.find(context.reads)) is not None:
                found.append((VARIABLE_GROUP, str(offered.id), group.name))
        for environment in self.environments:
            if (there := environment.find(context.reads)) is not None:
                found.append((ENVIRONMENT, str(there.id), environment.name))
        if (queue := pipeline.client.queue(pipeline.place, HOSTED)) is not None:
            found.append((QUEUE, str(queue), HOSTED))
        return [
            PipelinePermission(context, pipeline.organization, kind, identity, called, number, pipeline.name)
            for kind, identity, called in found
        ]

    def expectations(self, number: int) -> list[Expectation]:
        """Return for each resource that exists whether the pipeline with this ID may use it."""
        seen = []
        for each in self._permissions(number):
            permitted = each.find(each.context.reads) is not None
            seen.append(Expectation(f"May use {each.called}", "yes", "yes" if permitted else "not yet", permitted))
        return seen

    def plan(self) -> Sequence[Change]:
        """Return what `solve` would create or change."""
        pipeline = self.pipeline
        changes = list(ownership.plan(pipeline))
        try:
            found = pipeline.find(pipeline.context.reads)
            if found is not None:
                known = self._permissions(found.id)
                return [*changes, *(change for each in known for change in ownership.plan(each))]
        except NotFoundError:
            return changes
        connection = service_connection.lab_connection(pipeline.context)
        used: Sequence[Resource[Any]] = (connection, *self.groups, *self.environments)
        return [
            *changes,
            *(
                Change("create", PipelinePermission.kind, f"for {pipeline.name} to use {each}", pipeline.where)
                for each in (*(one.name for one in used), HOSTED)
            ),
        ]

    def solve(self) -> None:
        """Create the pipeline, and permit it in advance to use what exists.

        Raises:
            AccessDeniedError: The account may not create pipelines, or not give the permissions.
            ConflictError: There is a pipeline of this name that does not fit.
            NotFoundError: The repository does not exist, or is empty.
        """
        found = ownership.solve(self.pipeline)
        for each in self._permissions(found.id):
            ownership.solve(each)


def made(context: StepContext, name: str, file: str) -> list[Resource[Any]]:
    """Return what this step created, the permissions first: a pipeline takes its own along.

    Args:
        context: The step's context.
        name: Name of the lab's pipeline, for messages.
        file: Path of its file.
    """
    given: list[Resource[Any]] = []
    for place, project, permitted in in_project.noted(context, PipelinePermission.kind):
        kind, identity, number = permitted.split("/")
        given.append(PipelinePermission(context, place, kind, identity, identity, int(number), name, project))
    pipelines = in_project.noted(context, BuildPipeline.kind)
    return [*given, *(BuildPipeline(context, place, called, file, project) for place, project, called in pipelines)]
