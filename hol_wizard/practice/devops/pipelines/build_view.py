"""Builds as the service shows them (recorded: Builds - Queue, Get, List, Update)."""

from __future__ import annotations

import re
from typing import Final

from hol_wizard.practice.devops.pipelines import queues
from hol_wizard.practice.devops.pipelines.definitions import Definitions, newest
from hol_wizard.practice.devops.pipelines.queues import Queues
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import Place, Scope, address, page_address
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_REVISION: Final = re.compile(r"\.(\d+)$")


class BuildView:
    """Shows builds."""

    def __init__(self, world: World, scope: Scope, repositories: Repositories, states: RunStates) -> None:
        self._scope = scope
        self._repositories = repositories
        self._states = states
        self._definitions = world.part(Definitions)
        self._queues = world.part(Queues)

    def url(self, request: Request, place: Place, build: Document) -> str:
        """Return the address of a build in the API."""
        return f"{address(request, place)}/build/Builds/{build['id']}"

    def definition(self, request: Request, place: Place, build: Document) -> JsonObject:
        """Return a reference to the definition of a build."""
        number = build["definition"]
        found = self._definitions.numbered(place, number)
        revision = newest(found) if found is not None else None
        for each in found["revisions"] if found is not None else ():
            revision = each if each["revision"] == build["revision"] else revision
        body = revision["body"] if revision is not None else {}
        url = f"{address(request, place)}/build/Definitions/{number}?revision={build['revision']}"
        return {
            "drafts": [],
            "id": number,
            "name": body.get("name", ""),
            "url": url,
            "uri": f"vstfs:///Build/Definition/{number}",
            "path": body.get("path", "\\"),
            "type": "build",
            "queueStatus": body.get("queueStatus", "enabled"),
            "revision": build["revision"],
            "project": self._scope.reference(request, place),
        }

    def shown(self, request: Request, place: Place, build: Document) -> JsonObject:
        """Return a build."""
        base, pages, number = address(request, place), page_address(request, place), build["id"]
        state = self._states.of(build)
        url = f"{base}/build/Builds/{number}"
        plan = {"planId": state.plan}
        queue = self._queues.numbered(place.project, build["queue"])
        revision = _REVISION.search(state.number)
        shown: JsonObject = {
            "_links": {
                "self": {"href": url},
                "web": {"href": f"{pages}/_build/results?buildId={number}"},
                "sourceVersionDisplayUri": {"href": f"{base}/build/builds/{number}/sources"},
                "timeline": {"href": f"{base}/build/builds/{number}/Timeline"},
                "badge": {"href": f"{base}/build/status/{build['definition']}"},
            },
            "properties": {},
            "tags": list(state.tags),
            "validationResults": [{"result": "error", "message": each} for each in state.issues],
            "plans": [plan],
            "triggerInfo": build["trigger"],
            "id": number,
            "buildNumber": state.number,
            "status": state.status,
            "queueTime": timestamp(build["queued"]),
            "url": url,
            "definition": self.definition(request, place, build),
            "project": self._scope.reference(request, place),
            "uri": f"vstfs:///Build/Build/{number}",
            "sourceBranch": build["branch"],
            "sourceVersion": build["commit"],
            "priority": build["priority"],
            "reason": build["reason"],
            "requestedFor": self._scope.identity(request, place, build["requested_for"]),
            "requestedBy": self._scope.identity(request, place, build["by"]),
            "lastChangedDate": timestamp(max(build["changed"] or build["queued"], state.changed)),
            "lastChangedBy": self._scope.identity(request, place, build["changed_by"]),
            "orchestrationPlan": plan,
            "logs": {"id": 0, "type": "Container", "url": f"{base}/build/builds/{number}/logs"},
            "repository": {
                **self._repositories.in_build(request, place.project),
                "clean": None,
                "checkoutSubmodules": False,
            },
            "keepForever": build["keep"],
            "retainedByRelease": False,
            "triggeredByBuild": None,
            "appendCommitMessageToRunName": state.append_commit_message,
        }
        if revision is not None:
            shown["buildNumberRevision"] = int(revision[1])
        if queue is not None:
            shown["queue"] = queues.in_build(queue)
        if build["parameters"] is not None:
            shown["parameters"] = build["parameters"]
        if build["template_parameters"]:
            shown["templateParameters"] = {name: str(each) for name, each in build["template_parameters"].items()}
        for name, moment in (("startTime", state.started), ("finishTime", state.finished)):
            if moment is not None:
                shown[name] = timestamp(moment)
        if state.result:
            shown["result"] = state.result
        if build["deleted"] is not None:
            shown |= {"deleted": True, "deletedDate": timestamp(build["deleted"])}
        return shown
