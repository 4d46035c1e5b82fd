"""Comments on a pull request (Git - Pull Request Threads and Thread Comments, 7.1)."""

from __future__ import annotations

from typing import Any

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.pull_requests import records
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.devops.pull_requests.scope import Scope
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_STATUSES = ("unknown", "active", "fixed", "wontFix", "closed", "byDesign", "pending")
"""`CommentThreadStatus`; clients may send the index of a value in this tuple."""
_KINDS = ("unknown", "text", "codeChange", "system")
"""`CommentType`, likewise."""


class Threads:
    """Handles requests about threads of comments."""

    def __init__(self, world: World, router: Router, scope: Scope, people: People) -> None:
        self._world = world
        self._scope = scope
        self._people = people
        for base in ("/{organization}/{project}/_apis/git", "/{organization}/_apis/git"):
            path = f"{base}/repositories/{{repository}}/pullRequests/{{pull}}/threads"
            router.add("GET", path, self._list, refuses="$iteration $baseIteration")
            router.add("POST", path, self._create)
            router.add("GET", f"{path}/{{thread}}", self._get, refuses="$iteration $baseIteration")
            router.add("PATCH", f"{path}/{{thread}}", self._update)
            router.add("GET", f"{path}/{{thread}}/comments", self._comments)
            router.add("POST", f"{path}/{{thread}}/comments", self._reply)
            router.add("DELETE", f"{path}/{{thread}}/comments/{{comment}}", self._delete)

    async def _list(self, request: Request) -> Response:
        pull, _ = await self._scope.pull(request)
        value = [self._shown(request, each) for each in pull["threads"]]
        return Response(200, {"value": value, "count": len(value)})

    async def _get(self, request: Request) -> Response:
        pull, _ = await self._scope.pull(request)
        return Response(200, self._shown(request, _thread(pull, request)))

    async def _create(self, request: Request) -> Response:
        pull, _ = await self._scope.writable(request)
        now, body = self._world.clock.now(), request.json
        if not body.get("comments"):
            raise records.invalid("comments")
        thread: Document = {
            "id": 1 + max((each["id"] for each in pull["threads"]), default=0),
            "published": now,
            "updated": now,
            "status": _named(body.get("status"), _STATUSES, "active"),
            "comments": [],
            "context": body.get("threadContext"),
            "deleted": False,
        }
        for each in records.parts(body["comments"]):
            self._add(request, thread, each)
        pull["threads"].append(thread)
        self._scope.keep(pull)
        return Response(200, self._shown(request, thread))

    async def _update(self, request: Request) -> Response:
        pull, _ = await self._scope.writable(request)
        thread = _thread(pull, request)
        thread["status"] = _named(request.json.get("status"), _STATUSES, thread["status"])
        thread["updated"] = self._world.clock.now()
        self._scope.keep(pull)
        return Response(200, self._shown(request, thread))

    async def _comments(self, request: Request) -> Response:
        pull, _ = await self._scope.pull(request)
        value = [self._comment(request, each) for each in _thread(pull, request)["comments"]]
        return Response(200, {"value": value, "count": len(value)})

    async def _reply(self, request: Request) -> Response:
        pull, _ = await self._scope.writable(request)
        thread = _thread(pull, request)
        comment = self._add(request, thread, request.json)
        self._scope.keep(pull)
        return Response(200, self._comment(request, comment))

    async def _delete(self, request: Request) -> Response:
        """Delete one of the caller's own comments; a thread is deleted with its last comment."""
        pull, _ = await self._scope.writable(request)
        thread = _thread(pull, request)
        comment = next((each for each in thread["comments"] if str(each["id"]) == request.match["comment"]), None)
        if comment is None:
            raise _missing("The requested comment was not found.", "GitPullRequestCommentNotFoundException")
        if comment["author"] != records.member_of(request.who, self._scope.organization(request)):
            message = "You can only delete your own comments."
            raise errors.refused(403, message, "GitPullRequestCommentCannotBeUpdatedException", errors.GIT)
        comment |= {"deleted": True, "content": ""}
        thread["deleted"] = all(each["deleted"] for each in thread["comments"])
        self._scope.keep(pull)
        return Response(200)

    def _add(self, request: Request, thread: Document, given: Any) -> Document:
        content = text(given or {}, "content")
        if not content.strip():
            raise records.invalid("content")
        now = self._world.clock.now()
        comment = {
            "id": len(thread["comments"]) + 1,
            "parent": int(str(given.get("parentCommentId") or 0)),
            "author": records.member_of(request.who, self._scope.organization(request)),
            "content": content,
            "published": now,
            "kind": _named(given.get("commentType"), _KINDS, "text"),
            "deleted": False,
        }
        thread["comments"].append(comment)
        thread["updated"] = now
        return comment

    def _shown(self, request: Request, thread: Document) -> JsonObject:
        return {
            "id": thread["id"],
            "publishedDate": timestamp(thread["published"]),
            "lastUpdatedDate": timestamp(thread["updated"]),
            "comments": [self._comment(request, each) for each in thread["comments"]],
            "status": thread["status"],
            "threadContext": thread["context"],
            "properties": {},
            "identities": None,
            "isDeleted": thread["deleted"],
        }

    def _comment(self, request: Request, comment: Document) -> JsonObject:
        organization = self._scope.organization(request)
        when = timestamp(comment["published"])
        shown = {
            "id": comment["id"],
            "parentCommentId": comment["parent"],
            "author": self._people.shown(request, organization, comment["author"]),
            "publishedDate": when,
            "lastUpdatedDate": when,
            "lastContentUpdatedDate": when,
            "commentType": comment["kind"],
            "usersLiked": [],
        }
        return {**shown, "isDeleted": True} if comment["deleted"] else {**shown, "content": comment["content"]}


def _thread(pull: Document, request: Request) -> Document:
    for each in pull["threads"]:
        if str(each["id"]) == request.match["thread"]:
            found: Document = each
            return found
    raise _missing("The requested comment thread was not found.", "GitPullRequestCommentThreadNotFoundException")


def _missing(message: str, kind: str) -> Refused:
    """Return the error for a thread or comment that does not exist (the text is an estimate)."""
    return errors.refused(404, message, kind, errors.GIT)


def _named(given: Any, names: tuple[str, ...], default: str) -> str:
    """Return the name of an enumeration's value, which clients may send as a number."""
    if given is None:
        return default
    name = names[int(given)] if str(given).isdecimal() and int(given) < len(names) else str(given)
    if name not in names:
        raise records.invalid(f"'{given}' is none of {', '.join(names)}.")
    return name
