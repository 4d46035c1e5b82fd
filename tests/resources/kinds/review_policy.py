"""The branch policy that requires a review: recognized by its creation, and several can apply to one branch."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import requests

from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, required_repository
from hol_wizard.resources.review_policy import BranchReviewPolicy
from hol_wizard.services.devops.policies import REVIEWERS
from hol_wizard.services.devops.repositories import Repository
from tests.resources.in_organization import ORGANIZATION, OrganizationCase, remove_project


class BranchReviewPolicyCase(OrganizationCase):
    resource = BranchReviewPolicy
    namesakes = True
    exempt = MappingProxyType({"mark removed": "the number of a policy cannot be changed"})

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions = frozenset({PROJECT})
        assert self.ground.attendee.solve("devops-project/seed-the-repository").all_passed()
        self.repository: Repository = required_repository(self.ground.context())

    def make(self, context: StepContext) -> BranchReviewPolicy:
        return BranchReviewPolicy(context, ORGANIZATION, self.repository.id, self.repository.default_branch)

    def ask(self, method: str, rest: str = "", body: Any = None) -> requests.Response:
        """Ask about policies past the wizard."""
        project = self.ground.context().names.devops_project
        address = f"{self.ground.cloud.endpoints['devops']}/{ORGANIZATION}/{project}/_apis/policy/configurations{rest}"
        return self.hand.http.request(method, address, params={"api-version": "7.1"}, json=body, timeout=10)

    def state(self) -> object:
        answer = self.ask("GET")
        found = answer.json()["value"] if answer.status_code == 200 else []
        return [(each["id"], each["settings"]) for each in found] or None

    def by_hand(self, **settings: Any) -> None:
        main = f"refs/heads/{self.repository.default_branch}"
        scope = [{"repositoryId": self.repository.id, "refName": main, "matchKind": "exact"}]
        wanted = {"minimumApproverCount": 2, "creatorVoteCounts": False, "scope": scope, **settings}
        body = {"type": {"id": REVIEWERS}, "isEnabled": True, "isBlocking": True, "settings": wanted}
        made = self.ask("POST", "", body)
        assert made.status_code == 200, made.text

    def by_hand_wrong(self) -> None:
        self.by_hand(creatorVoteCounts=True)

    def refuse(self) -> None:
        self.refuse_at("policy/configurations", message="TF401027: You need the Git permission EditPolicies.")

    def remove(self) -> None:
        answer = self.ask("GET")
        for each in answer.json()["value"] if answer.status_code == 200 else []:
            assert self.ask("DELETE", f"/{each['id']}").status_code == 204

    def remove_parent(self) -> None:
        remove_project(self.ground)
