"""The newer API of pipelines: pipelines, runs, previews (Pipelines, 7.1). No answer of it is recorded.

Its objects are the same as those of the build API: a pipeline is a definition, and a run is a build.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from hol_wizard.practice.devops import errors, paging
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.artifact_requests import Downloads, missing
from hol_wizard.practice.devops.pipelines.artifacts import Artifacts
from hol_wizard.practice.devops.pipelines.builds import Builds, run_key
from hol_wizard.practice.devops.pipelines.definition_body import folder
from hol_wizard.practice.devops.pipelines.definition_requests import DefinitionRequests
from hol_wizard.practice.devops.pipelines.definitions import YAML, Definitions, newest
from hol_wizard.practice.devops.pipelines.queueing import Queueing, Wanted, pipeline_refusal, template_parameters
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, address, invalid, page_address, unserved
from hol_wizard.practice.devops.pipelines.upstream import NotRunnableError
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import (
    JsonObject,
    Refused,
    Request,
    Response,
    Router,
    boolean,
    member,
    text,
    texts,
)
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_SPACE: Final = "Microsoft.Azure.Pipelines.WebApi"
_RESULTS: Final = {
    "succeeded": "succeeded",
    "partiallySucceeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}
"""This API has no result for a run that succeeded with issues: an estimate."""
_STATES: Final = {
    "notStarted": "inProgress",
    "inProgress": "inProgress",
    "cancelling": "canceling",
    "completed": "completed",
}
_MEMBERS: Final = frozenset(
    {"previewRun", "resources", "stagesToSkip", "templateParameters", "variables", "yamlOverride"}
)
_NO_NUMBER: Final = -1
_SELF: Final = "self"


class PipelineRequests:
    """Handles requests about pipelines and runs."""

    def __init__(
        self,
        world: World,
        router: Router,
        requests: Scope,
        definitions: DefinitionRequests,
        queueing: Queueing,
        states: RunStates,
        repositories: Repositories,
    ) -> None:
        self._definitions = world.part(Definitions)
        self._builds = world.part(Builds)
        self._artifacts = world.part(Artifacts)
        self._downloads = world.part(Downloads)
        self._scope = requests
        self._creating = definitions
        self._queueing = queueing
        self._states = states
        self._repositories = repositories
        path = f"{PROJECT}/pipelines"
        router.add("GET", path, self._list, honors="orderBy $top continuationToken")
        router.add("POST", path, self._create)
        one = f"{path}/{{pipeline}}"
        version = "pipelineVersion"
        router.add("GET", one, self._get, honors=version)
        router.add("POST", f"{one}/preview", self._preview, refuses=version)
        router.add("GET", f"{one}/runs", self._runs)
        router.add("POST", f"{one}/runs", self._run, refuses=version)
        router.add("GET", f"{one}/runs/{{run}}", self._get_run)
        router.add("GET", f"{one}/runs/{{run}}/artifacts", self._artifact, honors="artifactName $expand")

    # Pipelines

    def _find(self, request: Request, place: Place) -> Document:
        found = self._definitions.numbered(place, scope.number_of(request, "pipeline"))
        if found is None or found["deleted"]:
            message = f"Pipeline {request.match['pipeline']} not found."
            raise errors.refused(404, message, "PipelineNotFoundException", _SPACE)
        return found

    def _list(self, request: Request) -> Response:
        """List the pipelines by name, or as `orderBy` says: `name asc`, `id desc`."""
        place = self._scope.read(request)
        name, _, direction = request.query.get("orderby", "name asc").strip().lower().partition(" ")
        if name not in {"name", "id"} or direction not in {"", "asc", "desc"}:
            raise invalid("orderBy is name or id, with asc or desc.")
        found = self._definitions.of(place)
        found.sort(key=lambda each: str(each[name]).lower() if name == "name" else int(each["id"]))
        if direction == "desc":
            found.reverse()
        return paging.page(request, [self._shown(request, place, each) for each in found])

    def _get(self, request: Request) -> Response:
        place = self._scope.read(request)
        definition, wanted = self._find(request, place), request.query.get("pipelineversion", "")
        revisions = {str(each["revision"]): each for each in definition["revisions"]}
        if wanted and wanted not in revisions:
            message = f"Pipeline {definition['id']} has no version {wanted}."
            raise errors.refused(404, message, "PipelineNotFoundException", _SPACE)
        revision = revisions[wanted] if wanted else newest(definition)
        shown = self._shown(request, place, definition, revision)
        if revision["body"]["process"]["type"] == YAML:
            repository = {"id": self._repositories.identity(place.project), "type": "azureReposGit"}
            path = f"/{str(revision['body']['process']['yamlFilename']).lstrip('/')}"
            shown["configuration"] = {"type": "yaml", "path": path, "repository": repository}
        else:
            shown["configuration"] = {"type": "designerJson"}
        return Response(200, shown)

    async def _create(self, request: Request) -> Response:
        """Create a pipeline from a YAML file; its triggers are those of the file."""
        place, body = self._scope.contribute(request, "Edit build pipeline"), request.json
        for name in set(body) - {"name", "folder", "configuration"}:
            raise unserved(f"the member '{name}' of a pipeline")
        configuration = member(body, "configuration")
        for name in set(configuration) - {"type", "path", "repository"}:
            raise unserved(f"the member 'configuration.{name}' of a pipeline")
        if text(configuration, "type").lower() != "yaml":
            raise unserved(f"the configuration type '{configuration.get('type') or ''}'")
        repository = member(configuration, "repository")
        kind = text(repository, "type")
        definition = await self._creating.create(
            request,
            place,
            {
                "name": body.get("name"),
                "path": folder(text(body, "folder")),
                "process": {"type": YAML, "yamlFilename": configuration.get("path")},
                "repository": {
                    "id": repository.get("id"),
                    "type": "TfsGit" if kind.lower() in {"azurereposgit", "azurereposgithyphenated"} else kind or "?",
                },
                "triggers": [{"triggerType": "continuousIntegration", "settingsSourceType": 2}],
            },
        )
        return Response(200, self._shown(request, place, definition))

    def _reference(self, request: Request, place: Place, definition: Document, revision: Document) -> JsonObject:
        number = definition["id"]
        return {
            "url": f"{address(request, place)}/pipelines/{number}?revision={revision['revision']}",
            "id": number,
            "revision": revision["revision"],
            "name": revision["body"]["name"],
            "folder": revision["body"]["path"],
        }

    def _shown(
        self, request: Request, place: Place, definition: Document, revision: Document | None = None
    ) -> JsonObject:
        reference = self._reference(request, place, definition, revision or newest(definition))
        web = f"{page_address(request, place)}/_build/definition?definitionId={definition['id']}"
        return {"_links": {"self": {"href": reference["url"]}, "web": {"href": web}}, **reference}

    # Runs

    def _wanted(self, request: Request, *, preview: bool) -> Wanted:
        body = request.json
        for name, value in body.items():
            if name not in _MEMBERS and value is not None:
                raise unserved(f"the member '{name}' of a run")
        boolean(body, "previewRun")
        override = text(body, "yamlOverride")
        if override and not preview:
            raise invalid("The yamlOverride is supported in previews only.")
        resources = member(body, "resources")
        for name in ("builds", "containers", "packages"):
            if resources.get(name):
                raise unserved(f"the resources '{name}' of a run")
        repositories = member(resources, "repositories")
        for alias in repositories:
            if alias.lower() != _SELF:
                raise unserved(f"another version of the repository '{alias}'")
        own = member(repositories, _SELF)
        variables = member(body, "variables")
        for name, each in variables.items():
            if not isinstance(each, dict):
                raise ValueError(f"the variable {name} is not an object")
            if each.get("isSecret"):
                raise unserved("secret variables of a run")
        skipped = texts(body, "stagesToSkip")
        pipelines = member(resources, "pipelines")
        return Wanted(
            branch=text(own, "refName"),
            commit=text(own, "version"),
            by=request.who.id,
            variables={name: text(each, "value") for name, each in variables.items()},
            template_parameters=template_parameters(body),
            skipped_stages=skipped,
            upstream_versions={
                alias: version for alias in pipelines if (version := text(member(pipelines, alias), "version"))
            },
            yaml=override or None,
        )

    async def _preview(self, request: Request) -> Response:
        """Expand the YAML without running it; `yamlOverride` replaces the committed text."""
        place = self._scope.contribute(request, "Queue builds")
        return Response(200, await self._expanded(request, place, self._find(request, place)))

    async def _expanded(self, request: Request, place: Place, definition: Document) -> JsonObject:
        try:
            final = await self._queueing.preview(place, definition, self._wanted(request, preview=True))
        except NotRunnableError as error:
            raise pipeline_refusal(error) from error
        return {"finalYaml": final, "id": _NO_NUMBER}

    async def _run(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Queue builds")
        definition = self._find(request, place)
        if boolean(request.json, "previewRun"):
            return Response(200, await self._expanded(request, place, definition))
        try:
            wanted = self._wanted(request, preview=False)
            build = await self._queueing.queue(place, definition, wanted)
        except NotRunnableError as error:
            raise pipeline_refusal(error) from error
        return Response(200, self._shown_run(request, place, definition, build))

    def _runs(self, request: Request) -> Response:
        """List the runs of a pipeline, newest first ("Gets top 10000 runs for a particular pipeline")."""
        place = self._scope.read(request)
        definition = self._find(request, place)
        found = [each for each in reversed(self._builds.of(place)) if each["definition"] == definition["id"]]
        shown = [self._shown_run(request, place, definition, each, brief=True) for each in found]
        return Response(200, {"count": len(shown), "value": shown})

    def _of_run(self, request: Request) -> tuple[Place, Document, Document]:
        place = self._scope.read(request)
        definition = self._find(request, place)
        build = self._builds.numbered(place, scope.number_of(request, "run"))
        if build is None or build["deleted"] is not None or build["definition"] != definition["id"]:
            raise _no_run(request.match["run"])
        return place, definition, build

    def _get_run(self, request: Request) -> Response:
        place, definition, build = self._of_run(request)
        return Response(200, self._shown_run(request, place, definition, build))

    def _shown_run(
        self, request: Request, place: Place, definition: Document, build: Document, *, brief: bool = False
    ) -> JsonObject:
        state, number = self._states.of(build), definition["id"]
        pipeline = self._reference(request, place, definition, newest(definition))
        url = f"{address(request, place)}/pipelines/{number}/runs/{build['id']}"
        web = f"{page_address(request, place)}/_build/results?buildId={build['id']}"
        shown: JsonObject = {
            "_links": {
                "self": {"href": url},
                "web": {"href": web},
                "pipeline.web": {"href": f"{page_address(request, place)}/_build/definition?definitionId={number}"},
                "pipeline": {"href": pipeline["url"]},
            },
            "templateParameters": {name: str(each) for name, each in build["template_parameters"].items()},
            "pipeline": pipeline,
            "state": _STATES[state.status],
            "createdDate": timestamp(build["queued"]),
            "url": url,
            "id": build["id"],
            "name": state.number,
        }
        if state.completed:
            shown |= {"result": _RESULTS[state.result], "finishedDate": timestamp(state.finished or build["queued"])}
        if not brief:
            repository = {"id": self._repositories.identity(place.project), "type": "azureReposGit"}
            own = {"repository": repository, "refName": build["branch"], "version": build["commit"]}
            upstream = {
                alias: {"pipeline": self._upstream(request, place, project, pipeline), "version": version}
                for alias, (project, pipeline, version) in state.upstream.items()
            }
            resources = {"repositories": {_SELF: own}, **({"pipelines": upstream} if upstream else {})}
            shown |= {"resources": resources, "finalYaml": state.final_yaml}
            if state.variables:
                shown["variables"] = {name: {"value": value} for name, value in state.variables.items()}
        return shown

    def _upstream(self, request: Request, place: Place, project: str, number: int) -> JsonObject:
        """Return a reference to a pipeline whose run was used; of one that is gone, only its ID is known."""
        found = self._scope.projects.named(project)
        there = place if found is None else Place.of(found)
        definition = self._definitions.numbered(there, number)
        if definition is None:
            return {"id": number}
        return self._reference(request, there, definition, newest(definition))

    def _artifact(self, request: Request) -> Response:
        place, definition, build = self._of_run(request)
        name = request.query.get("artifactname", "")
        artifact = self._artifacts.named(run_key(build), name) if name else None
        if artifact is None:
            raise missing(name, build["id"])
        run = f"{address(request, place)}/pipelines/{definition['id']}/runs/{build['id']}"
        shown: dict[str, Any] = {"name": artifact["name"], "url": f"{run}/artifacts?artifactName={quote(name)}"}
        if request.query.get("$expand", "").lower() == "signedcontent":
            shown["signedContent"] = self._downloads.signed(place, artifact)
        return Response(200, shown)


def _no_run(number: str) -> Refused:
    return errors.refused(404, f"Run {number} not found.", "RunNotFoundException", _SPACE)
