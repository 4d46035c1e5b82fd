"""Requests about build definitions (Build - Definitions, Properties, Latest - Get, 7.1; recorded with az)."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

from hol_wizard.practice.devops import paging
from hol_wizard.practice.devops.pipelines import definition_body, properties, queues, scope
from hol_wizard.practice.devops.pipelines.definitions import YAML, Definitions, body_of, newest, not_found, yaml_file
from hol_wizard.practice.devops.pipelines.general_settings import GeneralSettings
from hol_wizard.practice.devops.pipelines.queues import HOSTED, Queues
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, address, invalid, page_address
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, text, whole_number
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_ORDERS: Final = (
    "none",
    "lastModifiedAscending",
    "lastModifiedDescending",
    "definitionNameAscending",
    "definitionNameDescending",
)
_LIST: Final = (
    "name repositoryId repositoryType queryOrder $top continuationToken definitionIds path builtAfter notBuiltAfter "
    "includeAllProperties includeLatestBuilds processType yamlFilename"
)


class DefinitionRequests:
    """Handles requests about definitions."""

    def __init__(self, world: World, router: Router, requests: Scope, repositories: Repositories) -> None:
        self._definitions = world.part(Definitions)
        self._queues = world.part(Queues)
        self._settings = world.part(GeneralSettings)
        self._scope = requests
        self._repositories = repositories
        self.latest: Callable[[Request, Place, Document, bool], JsonObject | None] = lambda *_: None
        """Returns a definition's latest build as the service shows it; the Boolean: only completed ones."""
        self.built: Callable[[Document], float] = lambda _: 0.0
        """Returns when a definition was last built; 0 if never."""
        path = f"{PROJECT}/build/definitions"
        # Metrics and properties are not kept.
        idle = "minMetricsTime"
        router.add("GET", path, self._list, honors=_LIST, refuses="taskIdFilter", ignores=idle)
        router.add("POST", path, self._create, refuses="definitionToCloneId definitionToCloneRevision")
        one = f"{path}/{{definition}}"
        shows = "revision includeLatestBuilds"
        router.add("GET", one, self._get, honors=shows, refuses="propertyFilters", ignores=idle)
        # Runs are never paused here.
        sources = "secretsSourceDefinitionId secretsSourceDefinitionRevision"
        router.add("PUT", one, self._change, refuses=sources, ignores="cancelPausedBuilds")
        router.add("PATCH", one, self._restore, honors="deleted")
        router.add("DELETE", one, self._delete)
        router.add("GET", f"{one}/revisions", self._revisions)
        router.add("GET", f"{one}/properties", self._properties, honors="filter")
        router.add("PATCH", f"{one}/properties", self._set_properties)

    # Reading

    def _find(self, request: Request, place: Place) -> Document:
        number = scope.number_of(request, "definition")
        found = self._definitions.numbered(place, number)
        if found is None or found["deleted"]:
            raise not_found(request.match["definition"])
        return found

    def _list(self, request: Request) -> Response:
        place, query = self._scope.read(request), request.query
        ids, order = scope.numbers(request, "definitionIds"), scope.choice(request, "queryOrder", _ORDERS)
        kind, file = query.get("processtype", ""), query.get("yamlfilename", "").strip("/").lower()
        folder = definition_body.folder(query["path"]).lower() if "path" in query else ""
        after, before = scope.moment(request, "builtAfter"), scope.moment(request, "notBuiltAfter")
        repository, pattern = query.get("repositoryid", "").lower(), query.get("name", "").lower()
        found = [
            each
            for each in self._definitions.of(place)
            if (ids is None or each["id"] in ids)
            and (not pattern or fnmatchcase(each["name"].lower(), pattern.replace("[", "[[]")))
            and folder in {"", each["path"].lower()}
            and kind in {"", "0", str(body_of(each)["process"]["type"])}
            and file in {"", yaml_file(each).lower()}
            and repository in {"", self._repositories.identity(place.project)}
            and query.get("repositorytype", "").lower() in {"", "tfsgit"}
            and (after is None or self.built(each) > after)
            and (before is None or self.built(each) <= before)
        ]
        if order.startswith("definitionName"):
            found.sort(key=lambda each: str(each["name"]).lower(), reverse=order.endswith("Descending"))
        elif order.startswith("lastModified"):
            found.sort(key=lambda each: float(newest(each)["at"]), reverse=order.endswith("Descending"))
        whole, latest = scope.flag(request, "includeAllProperties"), scope.flag(request, "includeLatestBuilds")
        show = self.shown if whole else self.reference
        return paging.page(
            request, [show(request, place, each) | self._latest(request, place, each, latest) for each in found]
        )

    def _latest(self, request: Request, place: Place, definition: Document, wanted: bool) -> JsonObject:
        if not wanted:
            return {}
        builds = {"latestBuild": False, "latestCompletedBuild": True}
        shown = {name: self.latest(request, place, definition, completed) for name, completed in builds.items()}
        return {name: build for name, build in shown.items() if build is not None}

    def _get(self, request: Request) -> Response:
        place = self._scope.read(request)
        definition = self._find(request, place)
        wanted = request.query.get("revision", "")
        revisions = {str(each["revision"]): each for each in definition["revisions"]}
        if wanted and wanted not in revisions:
            raise not_found(definition["id"])
        revision = revisions[wanted] if wanted else newest(definition)
        shown = self.shown(request, place, definition, revision)
        return Response(
            200, shown | self._latest(request, place, definition, scope.flag(request, "includeLatestBuilds"))
        )

    def _revisions(self, request: Request) -> Response:
        place = self._scope.read(request)
        definition = self._find(request, place)
        value = [
            {
                "revision": each["revision"],
                "name": each["body"]["name"],
                "changedBy": self._scope.identity(request, place, each["by"]),
                "changedDate": timestamp(each["at"]),
                "changeType": each["type"],
                "definitionUrl": f"{address(request, place)}/build/Definitions/{definition['id']}"
                f"?revision={each['revision']}",
                **({"comment": each["comment"]} if each["comment"] else {}),
            }
            for each in definition["revisions"]
        ]
        return Response(200, {"count": len(value), "value": value})

    # Changes

    async def _create(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Edit build pipeline")
        definition = await self.create(request, place, request.json)
        shown = self.shown(request, place, definition)
        sent = str((request.json.get("repository") or {}).get("defaultBranch") or "")
        if sent:
            # Recorded: the first answer has the branch as it was sent, the next one its full name.
            shown["repository"]["defaultBranch"] = sent
        return Response(200, shown)

    async def create(self, request: Request, place: Place, body: JsonObject) -> Document:
        """Create a definition from its members, and return it.

        Raises:
            Refused: The service does not accept them.
        """
        return self._definitions.create(place, request.who.id, await self._checked(request, place, body, {}))

    async def _checked(self, request: Request, place: Place, body: JsonObject, before: JsonObject) -> dict[str, Any]:
        checked = definition_body.checked(body, before, self._repositories.identity(place.project))
        is_new_classic = checked["process"]["type"] != YAML and not before
        if is_new_classic and self._settings.of(place)["disableClassicBuildPipelineCreation"]:
            # The text is public (AzureDevOpsDemoGenerator issue 984), status and type are estimates.
            raise invalid("The classic pipelines are disabled for this project / organization.")
        if not checked["queue"]:
            # A YAML pipeline names its pool in its file (recorded: a run of a definition with another queue).
            hosted = self._queues.named(place.project, HOSTED)
            checked["queue"] = hosted.id if hosted is not None else 0
        if self._queues.numbered(place.project, checked["queue"]) is None:
            raise invalid(f"The queue with ID {checked['queue']} could not be found.", "QueueNotFoundException")
        repository = checked["repository"]
        branch = definition_body.full_branch(repository["defaultBranch"])
        repository["defaultBranch"] = branch or await self._repositories.default_branch(place.project)
        return checked

    async def _change(self, request: Request) -> Response:
        """Replace a definition (recorded). The body's ID and revision must be those of the newest revision (public:
        vsts-rest-api-specs issue 356)."""
        place = self._scope.contribute(request, "Edit build pipeline")
        definition, body = self._find(request, place), request.json
        if whole_number(body, "id") != definition["id"]:
            message = f"The request specifies pipeline ID {definition['id']} but the supplied pipeline has ID "
            raise invalid(f"{message}{whole_number(body, 'id')}.", "InvalidDefinitionException")
        if whole_number(body, "revision") != newest(definition)["revision"]:
            raise not_found(definition["id"])
        checked = await self._checked(request, place, body, body_of(definition))
        comment = text(body, "comment")
        changed = self._definitions.change(place, definition, request.who.id, checked, comment)
        return Response(200, self.shown(request, place, changed))

    def _delete(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Delete build pipeline")
        definition = self._find(request, place)
        self._definitions.delete(definition)
        return Response(204)

    def _restore(self, request: Request) -> Response:
        """Restore a deleted definition (Definitions - Restore Definition: `deleted=false`)."""
        place = self._scope.contribute(request, "Edit build pipeline")
        definition = self._definitions.numbered(place, scope.number_of(request, "definition"))
        if definition is None or request.query.get("deleted", "").lower() != "false":
            raise not_found(request.match["definition"])
        return Response(200, self.shown(request, place, self._definitions.restore(definition)))

    # Properties

    def _properties(self, request: Request) -> Response:
        place = self._scope.read(request)
        return properties.listed(self._find(request, place)["properties"], paging.words(request, "filter"))

    def _set_properties(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Edit build pipeline")
        definition = self._find(request, place)
        changed = properties.patched(definition["properties"], request.content)
        self._definitions.keep({**definition, "properties": changed})
        return properties.listed(changed)

    # What is shown

    def reference(self, request: Request, place: Place, definition: Document) -> JsonObject:
        """Return a definition as lists show it (recorded: Definitions - List)."""
        return self._reference(request, place, definition, newest(definition))

    def _reference(self, request: Request, place: Place, definition: Document, revision: Document) -> JsonObject:
        body, base = revision["body"], address(request, place)
        number, pages = definition["id"], page_address(request, place)
        url = f"{base}/build/Definitions/{number}?revision={revision['revision']}"
        shown: JsonObject = {
            "_links": {
                "self": {"href": url},
                "web": {"href": f"{pages}/_build/definition?definitionId={number}"},
                "editor": {"href": f"{pages}/_build/designer?id={number}&_a=edit-build-definition"},
                "badge": {"href": f"{base}/build/status/{number}"},
            },
            "quality": "definition",
            "authoredBy": self._scope.identity(request, place, definition["revisions"][0]["by"]),
            "drafts": [],
            "id": number,
            "name": body["name"],
            "url": url,
            "uri": f"vstfs:///Build/Definition/{number}",
            "path": body["path"],
            "type": "build",
            "queueStatus": body["queueStatus"],
            "revision": revision["revision"],
            "createdDate": timestamp(revision["at"]),
            "project": self._scope.reference(request, place),
        }
        queue = self._queues.numbered(place.project, body["queue"])
        if queue is not None:
            link = f"{request.base}/{place.organization.name}/_apis/build/Queues/{queue.id}"
            shown["queue"] = {"_links": {"self": {"href": link}}, "url": link, **queues.in_build(queue)}
        return shown

    def shown(
        self, request: Request, place: Place, definition: Document, revision: Document | None = None
    ) -> JsonObject:
        """Return a definition as the service shows it (recorded: Definitions - Get)."""
        revision = revision or newest(definition)
        body = revision["body"]
        simple = {name: body[name] for name in body if name not in _ELSEWHERE}
        triggers = {"triggers": body["triggers"]} if body["triggers"] else {}
        variables = {"variables": definition_body.shown_variables(body["variables"])} if body["variables"] else {}
        return {
            **triggers,
            **variables,
            "properties": {},
            **simple,
            "process": body["process"],
            "repository": {**self._repositories.in_build(request, place.project), **body["repository"]},
            **({"comment": revision["comment"]} if revision["comment"] else {}),
            **self._reference(request, place, definition, revision),
        }


_ELSEWHERE: Final = frozenset(
    {"name", "path", "queue", "queueStatus", "process", "repository", "triggers", "variables", "variableGroups"}
)
