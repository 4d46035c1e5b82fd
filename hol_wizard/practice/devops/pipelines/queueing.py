"""Queues runs: finds the commit, compiles its YAML, checks what the service checks, and hands the run over.

A person's run is refused if its YAML is invalid (public: `BuildRequestValidationFailedException` with
`ValidationResults`, azure-devops-cli-extension issue 1032; `PipelineValidationException` of the pipelines API). A run
that a trigger starts exists in any case, and fails with the same messages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.pipelines import consent
from hol_wizard.practice.devops.pipelines.builds import Builds, Queued
from hol_wizard.practice.devops.pipelines.definition_body import full_branch
from hol_wizard.practice.devops.pipelines.definitions import YAML, body_of, newest, variables, yaml_file
from hol_wizard.practice.devops.pipelines.general_settings import GeneralSettings
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import BUILD, Place, invalid, unserved
from hol_wizard.practice.devops.pipelines.sources import CommittedFiles, Sources
from hol_wizard.practice.devops.pipelines.upstream import NotRunnableError, Upstream
from hol_wizard.practice.devops.repositories import Repositories, remote_url
from hol_wizard.practice.kernel.service import JsonObject, Refused, member
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.compile import compile_pipeline
from hol_wizard.practice.pipelines.compile.context import Context
from hol_wizard.practice.pipelines.orchestrate.request import (
    Named,
    Person,
    PullRequest,
    RunRequest,
    Source,
)
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.pipelines.plan import PipelineError, Plan

_ALWAYS_SETTABLE: Final = frozenset({"system.debug"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that somebody or something asks for."""

    branch: str = ""
    """Empty for the pipeline's default branch; otherwise a full name, or the name of a branch."""
    commit: str = ""
    """Empty for the newest commit of the branch."""
    by: str = ""
    """Object ID of who queues it."""
    requested_for: str = ""
    """Empty for the same."""
    reason: str = "manual"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: str | None = None
    """The variables as the text that was sent."""
    template_parameters: Mapping[str, Any] = field(default_factory=dict)
    queue: int = 0
    priority: str = "normal"
    skipped_stages: Sequence[str] = ()
    upstream_versions: Mapping[str, str] = field(default_factory=dict)
    """Numbers of the runs to use for pipeline resources, by alias."""
    pull_request: PullRequest | None = None
    trigger: Mapping[str, str] = field(default_factory=dict)
    changes_from: str = ""
    triggering_alias: str = ""
    tags: Sequence[str] = ()
    yaml: str | None = None
    """Instead of the text of the committed file (`yamlOverride` of a preview)."""


class Queueing:
    """Queues runs of definitions."""

    def __init__(self, world: World, repositories: Repositories, sources: Sources, states: RunStates) -> None:
        self._world = world
        self._builds = world.part(Builds)
        self._settings = world.part(GeneralSettings)
        self._repositories = repositories
        self._sources = sources
        self._runs = world.part(Runs)
        self._upstream = Upstream(world, states)

    async def queue(self, place: Place, definition: Document, wanted: Wanted) -> Document:
        """Queue a run that somebody asks for, and return its build.

        Args:
            place: The project.
            definition: The pipeline.
            wanted: The run.

        Raises:
            NotRunnableError: The YAML is invalid, or names something that does not exist.
            Refused: The pipeline is disabled, or a variable must not be set.
        """
        self._check_enabled(definition)
        self._check_settable(place, definition, wanted)
        return self._begin(place, definition, wanted, await self.request(place, definition, wanted))

    async def queue_triggered(self, place: Place, definition: Document, wanted: Wanted) -> Document:
        """Queue a run that a trigger starts, and return its build; what is wrong with it becomes its issues."""
        source = await self._source(place, definition, wanted)
        plan = Plan(f"/{yaml_file(definition)}", ())
        try:
            plan, files = await self._compiled(place, definition, wanted, source)
            request = await self._pinned(place, definition, wanted, source, plan, files)
            request = self._resolved(place, wanted, request)
        except NotRunnableError as error:
            request = replace(self._request(place, definition, wanted, source, plan), problems=error.messages)
        return self._begin(place, definition, wanted, request)

    async def _compiled(
        self, place: Place, definition: Document, wanted: Wanted, source: Source
    ) -> tuple[Plan, CommittedFiles]:
        """Return the plan of a pipeline at a commit, with the files that it was made from.

        Raises:
            NotRunnableError: Its YAML is missing or invalid.
        """
        if body_of(definition)["process"]["type"] != YAML:
            raise NotRunnableError(["The practice agent runs YAML pipelines only, not those of the classic editor."])
        path = yaml_file(definition)
        files = await self._sources.files(place.project, source.commit)
        text = await asyncio.to_thread(files.read, path) if wanted.yaml is None else wanted.yaml
        if text is None:
            # The text is public (azure-devops-cli-extension issue 1032).
            where = f"in repository {source.url} branch {source.branch} version {source.commit}."
            message = f"An error occurred while loading the YAML build pipeline. File /{path} not found {where}"
            raise NotRunnableError([message])
        context = Context(self._template_variables(place, definition, wanted, source), wanted.template_parameters)
        try:
            plan = await asyncio.to_thread(compile_pipeline, Overridden(files, path, text), path, context)
        except PipelineError as error:
            raise NotRunnableError([str(each) for each in error.problems]) from error
        return plan, files

    async def planned(self, place: Place, definition: Document, wanted: Wanted) -> Plan:
        """Return the plan of a run that may be queued later.

        Raises:
            NotRunnableError: There is no such commit, or its YAML is invalid.
        """
        source = await self._source(place, definition, wanted)
        return (await self._compiled(place, definition, wanted, source))[0]

    async def request(self, place: Place, definition: Document, wanted: Wanted) -> RunRequest:
        """Return a run that has no number yet, with everything that it uses.

        Raises:
            NotRunnableError: The YAML is invalid, or names something that does not exist.
        """
        return self._resolved(place, wanted, await self.pinned(place, definition, wanted))

    async def pinned(self, place: Place, definition: Document, wanted: Wanted) -> RunRequest:
        """Return a run that has no number yet, with everything that it would run.

        Whether the connections, groups and runs that it uses exist is not checked: they may be created later.

        Raises:
            NotRunnableError: The YAML is invalid, or names a repository that does not exist.
        """
        source = await self._source(place, definition, wanted)
        return await self._pinned(
            place, definition, wanted, source, *await self._compiled(place, definition, wanted, source)
        )

    async def preview(self, place: Place, definition: Document, wanted: Wanted) -> str:
        """Return the expanded YAML of a run that is not queued.

        Raises:
            NotRunnableError: The YAML is invalid, or names something that does not exist.
        """
        return (await self.request(place, definition, wanted)).plan.final_yaml

    # The parts of a run

    async def _pinned(
        self,
        place: Place,
        definition: Document,
        wanted: Wanted,
        source: Source,
        plan: Plan,
        files: CommittedFiles,
    ) -> RunRequest:
        """Return a run with the commits of the repositories that its plan names, and the digests of what it runs.

        Raises:
            NotRunnableError: A repository does not exist.
        """
        repositories, trees = await self._other_repositories(plan, files)
        trees["self"] = await self._sources.tree(files.folder, source.commit)
        request = self._request(place, definition, wanted, source, plan)
        request = replace(request, repositories=repositories)
        return replace(request, programs=consent.programs(request, trees, variables(definition)))

    def _resolved(self, place: Place, wanted: Wanted, request: RunRequest) -> RunRequest:
        """Return a run with the runs that its plan names.

        Raises:
            NotRunnableError: Something does not exist.
        """
        pipelines = self._upstream.resolve(place, request.plan, wanted.upstream_versions)
        resolved = replace(request, pipelines=pipelines)
        self._check_resources(resolved)
        return resolved

    async def _source(self, place: Place, definition: Document, wanted: Wanted) -> Source:
        branch = full_branch(wanted.branch) or body_of(definition)["repository"]["defaultBranch"]
        branch = branch or await self._repositories.default_branch(place.project)
        commit = wanted.commit.lower() or (await self._sources.head(place.project, branch) if branch else "")
        name = place.project["name"]
        if not commit or not await self._sources.has(place.project, commit):
            what = f"version {wanted.commit}" if wanted.commit else f"branch {branch or 'main'}"
            raise NotRunnableError([f"Could not find {what} in the repository {name}."])
        found = await self._sources.commits(place.project, commit)
        url = remote_url(self._world.addresses["devops"], place.project)
        title, author = (found[0].title, found[0].author) if found else ("", "")
        return Source(self._repositories.identity(place.project), name, url, branch, commit, title, author)

    async def _other_repositories(self, plan: Plan, files: CommittedFiles) -> tuple[dict[str, Source], dict[str, str]]:
        """Return the other repositories by alias, at the commits of which the plan was made, and their trees."""
        found: dict[str, Source] = {}
        trees: dict[str, str] = {}
        for each in plan.repositories:
            try:
                pin = await asyncio.to_thread(files.pin, each.name, each.ref)
            except LookupError as error:
                message = str(error)
                raise NotRunnableError([f"{each.place}: {message[:1].upper()}{message[1:]}."]) from error
            url = remote_url(self._world.addresses["devops"], pin.project)
            identity = self._repositories.identity(pin.project)
            found[each.alias] = Source(identity, pin.project["name"], url, pin.branch, pin.commit)
            trees[each.alias] = await self._sources.tree(pin.folder, pin.commit)
        return found, trees

    def _template_variables(self, place: Place, definition: Document, wanted: Wanted, source: Source) -> dict[str, str]:
        """Return the predefined variables that templates can use (azure/devops/pipelines/build/variables, column
        "Available in templates"), and the parameters of the request as variables."""
        organization = place.organization
        return {
            "Build.DefinitionName": body_of(definition)["name"],
            "Build.Reason": _reason(wanted.reason),
            "Build.Repository.ID": source.id,
            "Build.Repository.Name": source.name,
            "Build.Repository.Provider": "TfsGit",
            "Build.Repository.Uri": source.url,
            "Build.SourceBranch": source.branch,
            "Build.SourceBranchName": source.branch.rpartition("/")[2],
            "Build.SourceVersion": source.commit,
            "Build.RequestedForId": member_id(organization.name, wanted.requested_for or wanted.by),
            "System.CollectionId": organization.id,
            "System.CollectionUri": f"{self._world.addresses['devops']}/{organization.name}/",
            "System.DefinitionId": str(definition["id"]),
            "System.TeamProject": place.project["name"],
            "System.TeamProjectId": place.id,
            **wanted.variables,
        }

    def _request(self, place: Place, definition: Document, wanted: Wanted, source: Source, plan: Plan) -> RunRequest:
        organization = place.organization
        return RunRequest(
            run=0,
            project=Named(place.id, place.project["name"]),
            pipeline=Named(str(definition["id"]), body_of(definition)["name"]),
            revision=newest(definition)["revision"],
            collection=Named(organization.id, organization.name),
            collection_url=f"{self._world.addresses['devops']}/{organization.name}/",
            plan=plan,
            source=source,
            requested_by=self._person(organization.name, wanted.by),
            requested_for=self._person(organization.name, wanted.requested_for or wanted.by),
            reason=wanted.reason,
            triggering_alias=wanted.triggering_alias,
            variables=dict(wanted.variables),
            tags=tuple(wanted.tags),
            skipped_stages=tuple(wanted.skipped_stages),
            pull_request=wanted.pull_request,
        )

    def _begin(self, place: Place, definition: Document, wanted: Wanted, request: RunRequest) -> Document:
        request = replace(request, run=self._builds.next_number(place.organization.name))
        queued = Queued(
            definition=definition["id"],
            revision=request.revision,
            branch=request.source.branch,
            commit=request.source.commit,
            by=wanted.by,
            requested_for=wanted.requested_for or wanted.by,
            reason=wanted.reason,
            queue=wanted.queue or body_of(definition)["queue"],
            parameters=wanted.parameters,
            template_parameters=dict(wanted.template_parameters),
            priority=wanted.priority,
            pull=wanted.pull_request.id if wanted.pull_request is not None else 0,
            trigger=dict(wanted.trigger),
            changes_from=wanted.changes_from,
        )
        build = self._builds.add(place, request.run, queued)
        self._runs.queue(request)
        return build

    def _person(self, organization: str, identity: str) -> Person:
        who = self._world.principal(identity)
        name = who.display_name if who is not None else identity
        return Person(member_id(organization, identity), name, who.client if who is not None else "")

    # What the service checks first

    def _check_enabled(self, definition: Document) -> None:
        state = body_of(definition)["queueStatus"]
        if state == "paused":
            raise unserved("runs of a paused pipeline")
        if state != "enabled":
            # The type is in the exceptions of actions/runner's fork; text and status are estimates.
            message = f"The pipeline {body_of(definition)['name']} is disabled and cannot be queued."
            raise errors.refused(409, message, "DefinitionDisabledException", BUILD)

    def _check_settable(self, place: Place, definition: Document, wanted: Wanted) -> None:
        """Make sure that only settable variables are set, if the project limits them (public text; azure/devops/
        pipelines/security/inputs, "Limit variables that can be set at queue time")."""
        known = {name.lower(): each for name, each in variables(definition).items()}
        closed = [
            name
            for name in wanted.variables
            if name.lower() not in _ALWAYS_SETTABLE and not (name.lower() in known and known[name.lower()].settable)
        ]
        if closed and self._settings.of(place)["enforceSettableVar"]:
            raise invalid(
                f"You can't set the following variables ({', '.join(closed)}). If you want to be able to set these "
                "variables, then edit the pipeline and select Settable at queue time on the variables tab of the "
                "pipeline editor.",
                "InvalidOperationException",
            )

    def _check_resources(self, request: RunRequest) -> None:
        """Make sure that everything that the stages use exists; whether it may be used is seen when a stage starts.

        Raises:
            NotRunnableError: Something does not exist.
        """
        if messages := self._runs.problems(request):
            raise NotRunnableError([f"The pipeline is not valid. {each}" for each in messages])


class Overridden:
    """The files of a commit, with another text for one of them."""

    def __init__(self, files: Any, path: str, text: str) -> None:
        self._files = files
        self._path = path.lstrip("/")
        self._text = text

    def read(self, path: str, repository: str = "", ref: str = "") -> str | None:
        """Return a file's text, or None if there is none (`compile.context.Files`)."""
        if not repository and path.lstrip("/") == self._path:
            return self._text
        found: str | None = self._files.read(path, repository, ref)
        return found


def _reason(reason: str) -> str:
    """Return a reason as in `Build.Reason`: `IndividualCI`."""
    return reason[:1].upper() + reason[1:]


def build_refusal(error: NotRunnableError) -> Refused:
    """Return the refusal of a run as the build API writes it."""
    message = "Could not queue the build because there were validation errors or warnings."
    refusal = errors.refused(400, message, "BuildRequestValidationFailedException", BUILD)
    body = refusal.response.body
    results = [{"result": "error", "message": each} for each in error.messages]
    if isinstance(body, dict):
        refusal.response.body = {**body, "customProperties": {"ValidationResults": results}}
    return refusal


def pipeline_refusal(error: NotRunnableError) -> Refused:
    """Return the refusal of a run or a preview as the pipelines API writes it (seen by a public client)."""
    return errors.refused(
        400, "\n".join(error.messages), "PipelineValidationException", "Microsoft.Azure.Pipelines.WebApi"
    )


def sent_variables(parameters: Any) -> dict[str, str]:
    """Return the variables in the `parameters` of a build, a JSON object as text.

    Raises:
        Refused: They are something else.
    """
    if not parameters:
        return {}
    try:
        found = json.loads(str(parameters))
    except ValueError as error:
        raise invalid("The parameters of a build are a JSON object as text.") from error
    if not isinstance(found, dict):
        raise invalid("The parameters of a build are a JSON object as text.")
    return {name: str(value) for name, value in found.items()}


def template_parameters(body: JsonObject) -> dict[str, str]:
    """Return the `templateParameters` of a run: texts by their names, as the description has them.

    Raises:
        ValueError: A value is an object or a list.
    """
    found = {}
    for name, value in member(body, "templateParameters").items():
        if isinstance(value, dict | list):
            raise ValueError(f"the parameter {name} is not a text")
        if value is not None:
            found[name] = str(value)
    return found
