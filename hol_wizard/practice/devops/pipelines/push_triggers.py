"""Starts the runs that a push triggers, and those that the end of another pipeline's run triggers.

The YAML in the pushed branch, at the pushed commit, decides about a push; the filters of a pipeline resource are those
of the triggered pipeline's default branch (azure/devops/pipelines/process/pipeline-triggers). A completed pull request
is a push to its target branch.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from hol_wizard.practice import seed
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.definitions import YAML, Definitions, body_of, yaml_file
from hol_wizard.practice.devops.pipelines.general_settings import GeneralSettings
from hol_wizard.practice.devops.pipelines.queueing import Queueing, Wanted
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import Place
from hol_wizard.practice.devops.pipelines.sources import Sources
from hol_wizard.practice.devops.pipelines.upstream import NotRunnableError
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.repositories import NO_COMMIT, Changes, Repositories
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.records import request_of
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.pipelines.plan import PipelineTrigger, PushTrigger
from hol_wizard.practice.pipelines.pushes import (
    filter_of_settings,
    prevents_run,
    starts_after,
    takes_changes,
    takes_ref,
)

LOG = logging.getLogger(__name__)
_YAML_TRIGGER: Final = 2
"""`settingsSourceType` of a trigger that is defined in the YAML file."""


class WaitingPushes(Register):
    """Pushes that wait for the end of a run, because the trigger batches changes."""

    collection = "devops_waiting_pushes"

    def key(self, document: Document) -> str:
        """Return the key of a push."""
        return f"{document['organization']}/{document['definition']}/{document['branch']}"


class Triggers:
    """Starts runs after pushes and after runs."""

    def __init__(
        self,
        world: World,
        repositories: Repositories,
        sources: Sources,
        queueing: Queueing,
        states: RunStates,
    ) -> None:
        self._world = world
        self._projects = world.part(Projects)
        self._definitions = world.part(Definitions)
        self._builds = world.part(Builds)
        self._settings = world.part(GeneralSettings)
        self._waiting = world.part(WaitingPushes)
        self._runs = world.part(Runs)
        self._repositories = repositories
        self._sources = sources
        self._queueing = queueing
        self._states = states
        self._tasks: set[asyncio.Task[None]] = set()
        repositories.on_push(self._pushed)
        self._runs.when_ended.append(self._ended)

    # Pushes

    async def _pushed(self, project: Document, who: seed.Principal, changed: Changes) -> None:
        place = Place.of(project)
        for ref, (before, after) in changed.items():
            if after == NO_COMMIT:
                continue
            (newest,) = await self._sources.commits(project, after)
            if prevents_run(newest.message):
                continue
            for definition in self._definitions.of(place):
                await self._consider(place, definition, who, ref, before, after)

    async def _consider(
        self, place: Place, definition: Document, who: seed.Principal, ref: str, before: str, after: str
    ) -> None:
        """Start a run of a pipeline if a push to a branch triggers it."""
        if not _can_start(definition):
            return
        files = await self._sources.files(place.project, after)
        if await asyncio.to_thread(files.read, yaml_file(definition)) is None:
            return
        trigger_info = {"ci.sourceBranch": ref, "ci.sourceSha": after, "ci.triggerRepository": self._repository(place)}
        wanted = Wanted(
            branch=ref, commit=after, by=who.id, reason="individualCI", trigger=trigger_info, changes_from=before
        )
        trigger = await self._trigger(place, definition, wanted)
        if trigger is None or not takes_ref(trigger, ref):
            return
        if not takes_changes(trigger, ref, await self._changed_paths(place, before, after)):
            return
        if trigger.batch and self._is_running(place, definition, ref):
            kept = {"organization": place.organization.name, "definition": definition["id"], "branch": ref}
            self._waiting.keep({**kept, "project": place.id, "by": who.id})
            return
        await self._queueing.queue_triggered(place, definition, wanted)

    def _repository(self, place: Place) -> str:
        return self._repositories.identity(place.project)

    async def _trigger(self, place: Place, definition: Document, wanted: Wanted) -> PushTrigger | None:
        """Return the trigger of a pipeline at a commit; None if pushes start nothing.

        With invalid YAML, the run exists and fails: what its trigger is cannot be known.
        """
        declared = [each for each in body_of(definition)["triggers"] if each["triggerType"] == "continuousIntegration"]
        if not declared:
            return None
        if declared[0]["settingsSourceType"] != _YAML_TRIGGER:
            branches = filter_of_settings(declared[0]["branchFilters"])
            paths = filter_of_settings(declared[0]["pathFilters"])
            return PushTrigger(declared=True, batch=declared[0]["batchChanges"], branches=branches, paths=paths)
        try:
            trigger = (await self._queueing.planned(place, definition, wanted)).trigger
        except NotRunnableError:
            return PushTrigger()
        implied = not trigger.declared and self._settings.of(place)["disableImpliedYAMLCiTrigger"]
        return trigger if trigger.enabled and not implied else None

    async def _changed_paths(self, place: Place, before: str, after: str) -> list[str]:
        """Return what a push has changed; on a new branch, what differs from the default branch."""
        if before == NO_COMMIT:
            default = await self._repositories.default_branch(place.project)
            head = await self._sources.head(place.project, default) if default else ""
            before = await self._sources.fork_point(place.project, head, after) if head and head != after else ""
        return await self._sources.changed_paths(place.project, before, after)

    def _is_running(self, place: Place, definition: Document, ref: str) -> bool:
        return any(
            each["definition"] == definition["id"] and each["branch"] == ref and not self._states.of(each).completed
            for each in self._builds.of(place)
        )

    # The end of a run

    def _ended(self, run: Document) -> None:
        """Start what waits for the end of a run; the work begins after the transaction is committed."""
        request = request_of(run)

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(self._after(request, str(run["result"] or "")))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._world.store.current.on_commit.append(begin)

    async def _after(self, request: RunRequest, result: str) -> None:
        project = self._projects.named(request.project.id)
        if project is None:
            return
        place = Place.of(project)
        try:
            with self._world.store.transaction():
                await self._start_waiting(place, request)
                if result == "succeeded":
                    for each in self._projects.all_of(place.organization):
                        await self._start_triggered(Place.of(each), request)
        except Exception:  # nobody waits for this task, so its errors are only in the log
            LOG.exception("after run %s", request.run)

    async def _start_waiting(self, place: Place, request: RunRequest) -> None:
        """Start the run for pushes that came while a run was in progress."""
        key = f"{place.organization.name}/{request.pipeline.id}/{request.source.branch}"
        waiting = self._waiting.find(key)
        definition = self._definitions.numbered(place, int(request.pipeline.id))
        if waiting is None or definition is None or definition["deleted"]:
            return
        self._waiting.remove(key)
        head = await self._sources.head(place.project, request.source.branch)
        wanted = Wanted(
            branch=request.source.branch,
            commit=head,
            by=waiting["by"],
            reason="batchedCI",
            trigger={"ci.sourceBranch": request.source.branch, "ci.sourceSha": head},
            changes_from=request.source.commit,
        )
        if head:
            await self._queueing.queue_triggered(place, definition, wanted)

    async def _start_triggered(self, place: Place, upstream: RunRequest) -> None:
        """Start the pipelines of a project that a successful run of another pipeline triggers."""
        for definition in self._definitions.of(place):
            if not _can_start(definition):
                continue
            on_default = Wanted(by=seed.ORGANIZER.id, reason="resourceTrigger")
            try:
                plan = await self._queueing.planned(place, definition, on_default)
            except NotRunnableError:
                continue
            for resource in plan.pipelines:
                named = (resource.project or place.id).lower() in {upstream.project.name.lower(), upstream.project.id}
                is_it = resource.source.lower() == upstream.pipeline.name.lower()
                if is_it and named and resource.trigger is not None:
                    if self._meets(resource.trigger, upstream):
                        await self._start(place, definition, upstream, resource.alias)
                    break

    def _meets(self, trigger: PipelineTrigger, upstream: RunRequest) -> bool:
        run = self._runs.run(upstream.key)
        if run is None:
            return False
        stages = [each["name"] for each in run["stages"] if each["result"] == "succeeded"]
        return starts_after(trigger, upstream.source.branch, run["tags"], stages)

    async def _start(self, place: Place, definition: Document, upstream: RunRequest, alias: str) -> None:
        """Start one run; in the same repository it uses the branch and the commit of the run that triggers it."""
        same = upstream.source.id == self._repository(place)
        run = self._runs.run(upstream.key)
        wanted = Wanted(
            branch=upstream.source.branch if same else "",
            commit=upstream.source.commit if same else "",
            by=self._requester(place, upstream),
            reason="resourceTrigger",
            triggering_alias=alias,
            upstream_versions={alias: str(run["number"]) if run is not None else ""},
            trigger={"alias": alias, "pipelineId": upstream.pipeline.id, "version": str(run["number"]) if run else ""},
        )
        await self._queueing.queue_triggered(place, definition, wanted)

    def _requester(self, place: Place, upstream: RunRequest) -> str:
        found = self._builds.numbered(place, upstream.run)
        return str(found["requested_for"]) if found is not None else seed.ORGANIZER.id


def _can_start(definition: Document) -> bool:
    """Return whether a trigger can start runs of a pipeline."""
    body = body_of(definition)
    return bool(body["process"]["type"] == YAML and body["queueStatus"] == "enabled")
