"""Statuses that builds and tools post on a pull request (Git - Pull Request Statuses, 7.1)."""

from __future__ import annotations

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.pull_requests import records
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.devops.pull_requests.scope import Scope
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_STATES = ("notSet", "pending", "succeeded", "failed", "error", "notApplicable", "partiallySucceeded")
"""`GitStatusState`; clients may send the index of a value in this tuple."""


class Statuses:
    """Handles requests about statuses."""

    def __init__(self, world: World, router: Router, scope: Scope, people: People) -> None:
        self._world = world
        self._scope = scope
        self._people = people
        for base in ("/{organization}/{project}/_apis/git", "/{organization}/_apis/git"):
            path = f"{base}/repositories/{{repository}}/pullRequests/{{pull}}/statuses"
            router.add("GET", path, self._list)
            router.add("POST", path, self._create)
            router.add("GET", f"{path}/{{status}}", self._get)
            router.add("DELETE", f"{path}/{{status}}", self._delete)

    async def _list(self, request: Request) -> Response:
        pull, _ = await self._scope.pull(request)
        value = [self._shown(request, each) for each in pull["statuses"]]
        return Response(200, {"value": value, "count": len(value)})

    async def _get(self, request: Request) -> Response:
        pull, _ = await self._scope.pull(request)
        return Response(200, self._shown(request, _status(pull, request)))

    async def _create(self, request: Request) -> Response:
        pull, _ = await self._scope.writable(request)
        body, now = request.json, self._world.clock.now()
        state, context = str(body.get("state") or "notSet"), records.part(body.get("context"))
        state = _STATES[int(state)] if state.isdecimal() and int(state) < len(_STATES) else state
        if state not in _STATES or not text(context, "name").strip():
            raise records.invalid("state" if state not in _STATES else "context.name")
        status = {
            "id": 1 + max((each["id"] for each in pull["statuses"]), default=0),
            "state": state,
            "description": text(body, "description"),
            "context": {"name": context["name"], "genre": text(context, "genre")},
            "url": text(body, "targetUrl") or None,
            "created": now,
            "by": records.member_of(request.who, self._scope.organization(request)),
        }
        pull["statuses"].append(status)
        self._scope.keep(pull)
        return Response(200, self._shown(request, status))

    async def _delete(self, request: Request) -> Response:
        pull, _ = await self._scope.writable(request)
        gone = _status(pull, request)
        pull["statuses"] = [each for each in pull["statuses"] if each is not gone]
        self._scope.keep(pull)
        return Response(204)

    def _shown(self, request: Request, status: Document) -> JsonObject:
        shown: JsonObject = {
            "id": status["id"],
            "state": status["state"],
            "description": status["description"],
            "context": status["context"],
            "creationDate": timestamp(status["created"]),
            "updatedDate": timestamp(status["created"]),
            "createdBy": self._people.shown(request, self._scope.organization(request), status["by"]),
        }
        return {**shown, "targetUrl": status["url"]} if status["url"] else shown


def _status(pull: Document, request: Request) -> Document:
    for each in pull["statuses"]:
        if str(each["id"]) == request.match["status"]:
            found: Document = each
            return found
    message = f"The status {request.match['status']} was not found."
    raise errors.refused(404, message, "GitPullRequestStatusNotFoundException", errors.GIT)
