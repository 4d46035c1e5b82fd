"""A run of a small pipeline, which the practice agent really runs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.pipeline_run import PipelineRun
from tests.practice.test_devops import as_user
from tests.practice.test_devops_git import git
from tests.resources.case import Ground
from tests.resources.in_organization import ORGANIZATION, ProjectCase
from tests.waiting import until

FILE = "trigger: none\npool:\n  vmImage: ubuntu-24.04\nsteps:\n- script: echo built\n"


def push(ground: Ground, files: Mapping[str, str]) -> str:
    """Push files to the lab's empty repository, and return the commit."""
    cloud, name = ground.cloud, ground.context().names.repository
    token = as_user(cloud, seed.ATTENDEE.name).token
    with tempfile.TemporaryDirectory() as folder:
        for each, text in files.items():
            (Path(folder) / each).write_text(text)
        remote = f"{cloud.endpoints['devops']}/{ORGANIZATION}/{name}/_git/{name}"
        for words in (
            ("init", "--quiet", "--initial-branch=main"),
            ("add", "--all"),
            ("commit", "--quiet", "--message", "A small pipeline"),
            ("push", "--quiet", remote, "HEAD:refs/heads/main"),
        ):
            done = git(Path(folder), *words, cloud=cloud, token=token)
            assert done.returncode == 0, done.stderr
        return git(Path(folder), "rev-parse", "HEAD", cloud=cloud).stdout.strip()


class PipelineRunCase(ProjectCase):
    resource = PipelineRun
    exempt = MappingProxyType(
        {
            "conflict": "a run that failed is followed by another one",
            "mark removed": "it has no mark",
        }
    )

    def prepare(self) -> None:
        super().prepare()
        self.commit = push(self.ground, {"small.yml": FILE})
        repository = self.ask("GET", "/git/repositories").json()["value"][0]
        body = {
            "name": "small",
            "type": "build",
            "process": {"type": 2, "yamlFilename": "small.yml"},
            "repository": {"id": repository["id"], "type": "TfsGit", "defaultBranch": "refs/heads/main"},
            "triggers": [],
        }
        self.pipeline = int(self.ask("POST", "/build/definitions", body).json()["id"])
        project = self.ground.context().names.devops_project
        self.digest = self.ground.cloud.control.plan_pipeline(ORGANIZATION, project, self.pipeline)["digest"]

    def make(self, context: StepContext) -> PipelineRun:
        agreed = replace(context, agreed=frozenset({self.digest}))
        return PipelineRun(agreed, ORGANIZATION, self.pipeline, "main", self.commit, digest=self.digest)

    def found(self) -> list[dict[str, Any]]:
        answer = self.ask("GET", "/build/builds", definitions=str(self.pipeline))
        return list(answer.json()["value"]) if answer.status_code == 200 else []

    def state(self) -> object:
        return [(each["id"], each.get("result")) for each in self.found()] or None

    def by_hand(self) -> None:
        self.ground.cloud.control.consent_to_pipeline(self.digest)
        made = self.ask("POST", "/build/builds", {"definition": {"id": self.pipeline}}).json()
        self._ended(made["id"])

    def _ended(self, number: int) -> None:
        until(lambda: self.ask("GET", f"/build/builds/{number}").json()["status"] == "completed")

    def refuse(self) -> None:
        self.refuse_at("/build/builds", message="You do not have permission to queue builds.")

    def remove(self) -> None:
        for each in self.found():
            self._ended(each["id"])
            assert self.ask("DELETE", f"/build/builds/{each['id']}").status_code == 204
