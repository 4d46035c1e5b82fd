"""The build pipeline, in the lab's seeded repository."""

from __future__ import annotations

from typing import Any

from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import required_repository
from hol_wizard.resources.pipeline import BuildPipeline, lab_pipeline
from tests.resources.in_organization import ProjectCase


class BuildPipelineCase(ProjectCase):
    resource = BuildPipeline

    def prepare(self) -> None:
        super().prepare()
        seeded = self.ground.attendee.solve("devops-project/seed-the-repository")
        assert seeded.all_passed()

    def make(self, context: StepContext) -> BuildPipeline:
        return lab_pipeline(context)

    def found(self) -> dict[str, Any]:
        name = self.ground.context().names.pipeline
        answer = self.ask("GET", "/build/definitions", name=name, includeAllProperties="true")
        found = answer.json()["value"] if answer.status_code == 200 else []
        return dict(found[0]) if found else {}

    def state(self) -> object:
        found = self.found()
        return (found["id"], found.get("description"), found["process"]["yamlFilename"]) if found else None

    def body(self, file: str = "azure-pipelines.yml", description: str = "") -> dict[str, Any]:
        context = self.ground.context()
        repository = required_repository(context)
        return {
            "name": context.names.pipeline,
            "type": "build",
            "description": description,
            "process": {"type": 2, "yamlFilename": file},
            "repository": {"id": repository.id, "type": "TfsGit", "defaultBranch": "refs/heads/main"},
            "triggers": [{"settingsSourceType": 2, "triggerType": "continuousIntegration"}],
        }

    def send(self, method: str, path: str, body: Any = None) -> None:
        answer = self.ask(method, path, body)
        assert answer.status_code in {200, 204}, answer.text

    def by_hand(self) -> None:
        self.send("POST", "/build/definitions", self.body())

    def by_hand_wrong(self) -> None:
        self.send("POST", "/build/definitions", self.body("another.yml"))

    def refuse(self) -> None:
        self.refuse_at("/build/definitions", message="You do not have permission to create a pipeline.")

    def remove_mark(self) -> None:
        found = self.found()
        body = {**self.body(description="somebody's"), "id": found["id"], "revision": found["revision"]}
        self.send("PUT", f"/build/definitions/{found['id']}", body)

    def remove(self) -> None:
        if found := self.found():
            self.send("DELETE", f"/build/definitions/{found['id']}")
