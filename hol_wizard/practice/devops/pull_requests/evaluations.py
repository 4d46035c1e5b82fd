"""Requests for the policy evaluations of a pull request (Policy - Evaluations, 7.1-preview)."""

from __future__ import annotations

import dataclasses
import re

from hol_wizard.practice import seed
from hol_wizard.practice.devops.branch_policies import BranchPolicies
from hol_wizard.practice.devops.paging import page
from hol_wizard.practice.devops.pull_requests import records
from hol_wizard.practice.devops.pull_requests.evaluation import Evaluation
from hol_wizard.practice.devops.pull_requests.progress import Progress
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

    def _shown(self, request: Request, evaluation: Evaluation, pull: Document, artifact: str) -> JsonObject:
        identity = seed.fixed_id(f"evaluation {evaluation.policy['id']} {pull['organization']} {pull['number']}")
        shown: JsonObject = {
            "configuration": self._policies.shown(request, evaluation.policy),
            "artifactId": artifact,
            "evaluationId": identity,
            "startedDate": timestamp(pull["created"]),
            "status": evaluation.status,
        }
        if evaluation.status == "approved":
            shown["completedDate"] = timestamp(pull["created"])
        return shown
