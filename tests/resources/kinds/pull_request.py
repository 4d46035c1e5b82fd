"""The pull request of the reader's branch: marked in its description, abandoned and never deleted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import requests

from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, organization, required_repository
from hol_wizard.resources.pull_request import LabPullRequest
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.remote import File
from tests.resources.in_organization import ORGANIZATION, OrganizationCase, remove_project
from tests.resources.kinds.branch import BRANCH, PERSON


class PullRequestCase(OrganizationCase):
    resource = LabPullRequest

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions = frozenset({PROJECT})
        assert self.ground.attendee.solve("devops-project/seed-the-repository").all_passed()
        context = self.ground.context()
        self.repository: Repository = required_repository(context)
        remote = context.services.git_remote(self.repository.remote_url, organization(context).authorization)
        main = self.repository.default_branch
        with tempfile.TemporaryDirectory() as folder:
            remote.clone_to(Path(folder), lambda said: None)
            remote.run(Path(folder), ("push", "--quiet", "origin", f"{main}:refs/heads/{BRANCH}"), far=True)
            files = {"mine.txt": File(b"Mine")}
            remote.push(files, BRANCH, "Mine", PERSON, onto=True, settle=lambda path, content: None)

    def make(self, context: StepContext) -> LabPullRequest:
        main = self.repository.default_branch
        return LabPullRequest(context, ORGANIZATION, self.repository.id, BRANCH, main, "Mine", "Why")

    def ask(self, method: str, rest: str = "", body: Any = None) -> requests.Response:
        """Ask about pull requests past the wizard."""
        return self.hand.ask(method, f"/git/repositories/{self.repository.id}/pullrequests{rest}", body)

    def _active(self) -> dict[str, Any] | None:
        answer = self.ask("GET")
        return next(iter(answer.json()["value"]), None) if answer.status_code == 200 else None

    def state(self) -> object:
        found = self._active()
        return None if found is None else (found["pullRequestId"], found["description"], found["isDraft"])

    def by_hand(self, **more: Any) -> None:
        branches = {
            "sourceRefName": f"refs/heads/{BRANCH}",
            "targetRefName": f"refs/heads/{self.repository.default_branch}",
        }
        made = self.ask("POST", "", {**branches, "title": "Theirs", "description": "By hand", **more})
        assert made.status_code == 201, made.text

    def by_hand_wrong(self) -> None:
        self.by_hand(isDraft=True)

    def refuse(self) -> None:
        self.refuse_at("pullrequests", message="TF401027: You need the Git permission to perform this action.")

    def remove_mark(self) -> None:
        found = self._active()
        assert found is not None
        self.ask("PATCH", f"/{found['pullRequestId']}", {"description": "Rewritten"})

    def remove(self) -> None:
        if (found := self._active()) is not None:
            self.ask("PATCH", f"/{found['pullRequestId']}", {"status": "abandoned"})

    def remove_parent(self) -> None:
        remove_project(self.ground)
