"""Requests for the policy evaluations of a pull request (Policy - Evaluations, 7.1-preview)."""

from __future__ import annotations

import dataclasses
import re

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.branch_policies import BUILD, BranchPolicies
from hol_wizard.practice.devops.paging import page
from hol_wizard.practice.devops.pull_requests import records
from hol_wizard.practice.devops.pull_requests.evaluation import Evaluation
from hol_wizard.practice.devops.pull_requests.progress import Progress, evaluation_id
from hol_wizard.practice.devops.pull_requests.scope import Scope
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document

_ARTIFACT = re.compile(r"vstfs:///CodeReview/CodeReviewId/([0-9a-f-]{36})/([0-9]+)", re.IGNORECASE)
"""The template of the documentation; the pull request's own `artifactId` is different (dotnet-samples issue 267)."""


class Evaluations:
    """Returns the policy evaluations of a pull request."""

    def __init__(self, router: Router, scope: Scope, progress: Progress, policies: BranchPolicies) -> None:
        self._scope = scope
        self._progress = progress
        self._policies = policies
        path = "/{organization}/{project}/_apis/policy/evaluations"
        router.add("GET", path, self._list, honors="artifactId $top $skip", ignores="includeNotApplicable")
        router.add("GET", f"{path}/{{evaluation}}", self._get)
        router.add("PATCH", f"{path}/{{evaluation}}", self._requeue)

    async def _list(self, request: Request) -> Response:
        named = _ARTIFACT.fullmatch(request.query.get("artifactid", ""))
        if named is None:
            raise records.invalid("artifactId")
        found = {**request.match, "pull": named[2]}
        pull, project = await self._scope.pull(dataclasses.replace(request, match=found))
        if named[1].lower() != project["id"]:
            raise records.not_found()
        shown = [self._shown(request, each, pull, named[0]) for each in self._progress.evaluations(pull)]
        return page(request, shown)

    async def _find(self, request: Request) -> tuple[Evaluation, Document, Document]:
        project = await self._scope.only_repository(request)
        wanted = request.match["evaluation"].lower()
        for pull in self._scope.pulls(project):
            found = self._progress.evaluated(pull, wanted)
            if found is not None:
                return found, pull, project
        message = f"TF402461: Policy evaluation {wanted} does not exist."
        raise errors.refused(404, message, "PolicyEvaluationNotFoundException")

    async def _get(self, request: Request) -> Response:
        evaluation, pull, project = await self._find(request)
        return Response(200, self._shown(request, evaluation, pull, _artifact(pull, project)))

    async def _requeue(self, request: Request) -> Response:
        """Evaluate a policy again: for a build validation, queue a build (Evaluations - Requeue Policy Evaluation)."""
        evaluation, pull, project = await self._find(request)
        self._scope.check_contributor(request, project)
        if evaluation.policy["body"]["type"] == BUILD:
            await self._progress.builds.queue(project, pull, evaluation.policy)
        again = self._progress.evaluated(pull, request.match["evaluation"].lower())
        return Response(200, self._shown(request, again or evaluation, pull, _artifact(pull, project)))

    def _shown(self, request: Request, evaluation: Evaluation, pull: Document, artifact: str) -> JsonObject:
        shown: JsonObject = {
            "configuration": self._policies.shown(request, evaluation.policy),
            "artifactId": artifact,
            "evaluationId": evaluation_id(evaluation, pull),
            "startedDate": timestamp(pull["created"]),
            "status": evaluation.status,
        }
        if evaluation.status == "approved":
            shown["completedDate"] = timestamp(pull["created"])
        if evaluation.context is not None:
            shown["context"] = evaluation.context
        return shown


def _artifact(pull: Document, project: Document) -> str:
    return f"vstfs:///CodeReview/CodeReviewId/{project['id']}/{pull['number']}"
