"""Reviewers of a pull request and their votes (Git - Pull Request Reviewers, 7.1)."""

from __future__ import annotations

import json

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.pull_requests import records
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.devops.pull_requests.scope import Scope
from hol_wizard.practice.kernel.service import Request, Response, Router, text
from hol_wizard.practice.kernel.store import Document


class Reviewers:
    """Handles requests about reviewers."""

    def __init__(self, router: Router, scope: Scope, people: People) -> None:
        self._scope = scope
        self._people = people
        for base in ("/{organization}/{project}/_apis/git", "/{organization}/_apis/git"):
            path = f"{base}/repositories/{{repository}}/pullRequests/{{pull}}/reviewers"
            router.add("GET", path, self._list)
            router.add("POST", path, self._add)
            router.add("PATCH", path, self._reset)
            router.add("GET", f"{path}/{{reviewer}}", self._get)
            router.add("PUT", f"{path}/{{reviewer}}", self._vote)
            router.add("DELETE", f"{path}/{{reviewer}}", self._remove)

    async def _list(self, request: Request) -> Response:
        pull, project = await self._scope.pull(request)
        return self._listed(request, pull, project, pull["reviewers"])

    def _listed(self, request: Request, pull: Document, project: Document, reviewers: list[Document]) -> Response:
        value = [self._scope.reviewer(request, pull, project, each, self._people) for each in reviewers]
        return Response(200, {"value": value, "count": len(value)})

    async def _get(self, request: Request) -> Response:
        pull, project = await self._scope.pull(request)
        kept = records.reviewer(pull, request.match["reviewer"].lower())
        if kept is None:
            raise errors.refused(
                404, "The requested reviewer was not found.", "GitIdentityNotFoundException", errors.GIT
            )
        return Response(200, self._scope.reviewer(request, pull, project, kept, self._people))

    async def _add(self, request: Request) -> Response:
        """Add reviewers; adding one again changes nothing (recorded: the response lists them)."""
        pull, project = await self._editable(request)
        given = records.parts(json.loads(request.content))
        organization = self._scope.organization(request)
        added = [self._scope.add_reviewer(organization, project, pull, each, self._people) for each in given]
        self._scope.keep(pull)
        return self._listed(request, pull, project, added)

    async def _vote(self, request: Request) -> Response:
        """Add a reviewer, or record the caller's own vote.

        Raises:
            Refused: The vote is somebody else's (seen by public clients: TF401186, 400), the pull request is a draft
                or not active, or there is no such vote.
        """
        pull, project = await self._editable(request)
        organization, body = self._scope.organization(request), request.json
        identity, vote = request.match["reviewer"].lower(), int(str(body.get("vote") or 0))
        own = identity == records.member_of(request.who, organization)
        if vote not in records.VOTES:
            raise records.invalid(f"{vote} is no vote: 10, 5, 0, -5 and -10 are.")
        if vote and not own:
            message = "TF401186: You cannot record a vote for someone else."
            raise errors.refused(400, message, "GitPullRequestReviewerPermission", errors.GIT)
        if vote and pull["draft"]:
            message = "You cannot vote on a draft pull request."
            raise errors.refused(400, message, "GitPullRequestDraftCannotVoteException", errors.GIT)
        kept = self._scope.add_reviewer(organization, project, pull, {**body, "id": identity}, self._people)
        if own:
            kept["vote"] = vote
        for name, sent in (("required", "isRequired"), ("flagged", "isFlagged"), ("declined", "hasDeclined")):
            if sent in body and (own or name != "declined"):
                kept[name] = bool(body[sent])
        self._scope.keep(pull)
        return Response(200, self._scope.reviewer(request, pull, project, kept, self._people))

    async def _reset(self, request: Request) -> Response:
        """Reset votes.

        Raises:
            Refused: A vote is not 0 (public: azure-devops-dotnet-samples issue 303).
        """
        pull, _ = await self._editable(request)
        for each in records.parts(json.loads(request.content)):
            if each.get("vote"):
                raise records.invalid(
                    "You can only reset votes to zero (NoVote) using this REST call. You cannot vote for another user."
                )
            kept = records.reviewer(pull, text(each, "id").lower())
            if kept is not None:
                kept["vote"] = 0
        self._scope.keep(pull)
        return Response(200)

    async def _remove(self, request: Request) -> Response:
        """Remove a reviewer (recorded: 200 without a body)."""
        pull, _ = await self._editable(request)
        identity = request.match["reviewer"].lower()
        pull["reviewers"] = [each for each in pull["reviewers"] if each["id"] != identity]
        self._scope.keep(pull)
        return Response(200)

    async def _editable(self, request: Request) -> tuple[Document, Document]:
        pull, project = await self._scope.writable(request)
        records.check_editable(pull)
        return pull, project
