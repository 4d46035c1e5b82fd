"""Resolves pipeline resources: which run of another pipeline a run uses (azure/devops/pipelines/process/resources).

A resource is resolved once, when its run is queued: the newest completed run of the pipeline with this exact name that
the resource's branch, version and tags allow, unless a version is chosen for the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.definition_body import full_branch
from hol_wizard.practice.devops.pipelines.definitions import Definitions, body_of
from hol_wizard.practice.devops.pipelines.run_states import BuildState, RunStates
from hol_wizard.practice.devops.pipelines.scope import Place
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.request import Named, Person, UpstreamRun
from hol_wizard.practice.pipelines.plan import PipelineResource, Plan


class NotRunnableError(Exception):
    """A pipeline cannot run at a commit; the messages are those of the service."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = tuple(messages)


class Upstream:
    """Finds the runs of pipeline resources."""

    def __init__(self, world: World, states: RunStates) -> None:
        self._world = world
        self._builds = world.part(Builds)
        self._definitions = world.part(Definitions)
        self._projects = world.part(Projects)
        self._states = states

    def resolve(self, place: Place, plan: Plan, versions: Mapping[str, str]) -> dict[str, UpstreamRun]:
        """Return the run of each pipeline resource, by alias.

        Args:
            place: The project.
            plan: The plan with the resources.
            versions: Numbers of the runs that were chosen, by alias.

        Raises:
            NotRunnableError: There is no such pipeline, or no such run.
        """
        chosen = {alias.lower(): version for alias, version in versions.items()}
        return {each.alias: self._resolved(place, each, chosen.get(each.alias.lower(), "")) for each in plan.pipelines}

    def _resolved(self, place: Place, resource: PipelineResource, version: str) -> UpstreamRun:
        there = self._place(place, resource)
        definition = self._definitions.named(there, resource.source)
        if definition is None:
            _fail(resource, f"Pipeline resource {resource.alias} input source {resource.source} could not be found.")
        wanted, branch = version or resource.version, full_branch(resource.branch)
        for build in reversed(self._builds.of(there)):
            state = self._states.of(build)
            if (
                build["definition"] == definition["id"]
                and state.completed
                and (state.number == wanted if wanted else state.passed)
                and (wanted or branch in {"", build["branch"]})
                and (wanted or {each.lower() for each in resource.tags} <= {each.lower() for each in state.tags})
            ):
                return self._run(there, definition, build, state)
        _fail(resource, f"Unable to resolve latest version for pipeline {resource.alias}.")

    def _place(self, place: Place, resource: PipelineResource) -> Place:
        if not resource.project or resource.project.lower() in {place.id, place.project["name"].lower()}:
            return place
        found = self._projects.called(place.organization, resource.project)
        if found is None:
            _fail(resource, f"The project {resource.project} could not be found.")
        return Place.of(found)

    def _run(self, place: Place, definition: Document, build: Document, state: BuildState) -> UpstreamRun:
        who = self._world.principal(build["requested_for"])
        identity = member_id(place.organization.name, build["requested_for"])
        person = Person(identity, who.display_name if who else identity, who.client if who else "")
        return UpstreamRun(
            Named(place.id, place.project["name"]),
            Named(str(definition["id"]), body_of(definition)["name"]),
            Named(str(build["id"]), state.number),
            build["branch"],
            build["commit"],
            place.project["name"],
            person,
        )


def _fail(resource: PipelineResource, message: str) -> NoReturn:
    raise NotRunnableError([f"{resource.place}: {message}"])
