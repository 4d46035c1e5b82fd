"""The release in the lab's project: groups of its stages, environments, an approval, and runs that the practice agent
really runs."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.release_run import ReleaseRun
from hol_wizard.resources.stage_environment import StageApproval, StageEnvironment
from hol_wizard.resources.stage_group import StageGroup
from hol_wizard.services.devops.approvals import APPROVAL
from tests.resources.in_organization import ORGANIZATION, ProjectCase
from tests.resources.kinds.pipeline_run import push
from tests.steps.attendee import REGISTRY
from tests.steps.test_build_pipeline import registry_of
from tests.waiting import until

GROUP, ENVIRONMENT = "hol-release-qa", "hol-production"
VALUES = {"image-name": "hol-inference", "dest-env": "qa"}
PREVIEW = MappingProxyType({"api-version": "7.1-preview.1"})


class ReleaseCase(ProjectCase):
    """Something of the release in the lab's project."""

    def send(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        answer = self.ask(method, path, body, **query)
        assert answer.status_code in {200, 204}, answer.text
        return dict(answer.json()) if answer.content else {}

    def listed(self, path: str, **query: str) -> list[dict[str, Any]]:
        answer = self.ask("GET", path, **query)
        return list(answer.json()["value"]) if answer.status_code == 200 else []


class StageGroupCase(ReleaseCase):
    resource = StageGroup

    def make(self, context: StepContext) -> StageGroup:
        return StageGroup(context, ORGANIZATION, GROUP, tuple(VALUES.items()))

    def found(self) -> dict[str, Any]:
        return next(iter(self.listed("/distributedtask/variablegroups", groupName=GROUP)), {})

    def state(self) -> object:
        found = self.found()
        return (found["id"], found["description"], found["variables"]) if found else None

    def _body(self, description: str = "", **values: str) -> dict[str, Any]:
        context = self.ground.context()
        project = self.hand.ask("GET", f"/projects/{context.names.devops_project}").json()
        reference = {"id": project["id"], "name": project["name"]}
        return {
            "name": GROUP,
            "type": "Vsts",
            "description": description,
            "variables": {name: {"value": value} for name, value in {**VALUES, **values}.items()},
            "variableGroupProjectReferences": [
                {"name": GROUP, "description": description, "projectReference": reference}
            ],
        }

    def by_hand(self, **values: str) -> None:
        made = self.hand.ask("POST", "/distributedtask/variablegroups", self._body(**values))
        assert made.status_code == 200, made.text

    def by_hand_wrong(self) -> None:
        self.by_hand(**{"dest-env": "production"})

    def refuse(self) -> None:
        self.refuse_at("variablegroups", message="You do not have permission to create a variable group.")

    def remove_mark(self) -> None:
        path = f"/distributedtask/variablegroups/{self.found()['id']}"
        changed = self.hand.ask("PUT", path, self._body("somebody's"))
        assert changed.status_code == 200, changed.text

    def remove(self) -> None:
        if found := self.found():
            context = self.ground.context()
            project = self.hand.ask("GET", f"/projects/{context.names.devops_project}").json()["id"]
            self.hand.ask("DELETE", f"/distributedtask/variablegroups/{found['id']}", projectIds=project)


class StageEnvironmentCase(ReleaseCase):
    resource = StageEnvironment
    exempt = MappingProxyType({"conflict": "an environment has no settings: each one fits"})

    def make(self, context: StepContext) -> StageEnvironment:
        return StageEnvironment(context, ORGANIZATION, ENVIRONMENT)

    def found(self) -> dict[str, Any]:
        return next(iter(self.listed("/distributedtask/environments", name=ENVIRONMENT)), {})

    def state(self) -> object:
        found = self.found()
        return (found["id"], found["description"]) if found else None

    def by_hand(self) -> None:
        self.send("POST", "/distributedtask/environments", {"name": ENVIRONMENT, "description": ""})

    def refuse(self) -> None:
        self.refuse_at("distributedtask/environments", message="You do not have permission to create environments.")

    def remove_mark(self) -> None:
        path = f"/distributedtask/environments/{self.found()['id']}"
        self.send("PATCH", path, {"name": ENVIRONMENT, "description": "somebody's"})

    def remove(self) -> None:
        if found := self.found():
            self.send("DELETE", f"/distributedtask/environments/{found['id']}")


class StageApprovalCase(ReleaseCase):
    resource = StageApproval
    namesakes = True

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions |= {StageEnvironment.kind}
        context = self.ground.context()
        self.environment = ownership.solve(StageEnvironment(context, ORGANIZATION, ENVIRONMENT))
        client = context.services.devops(ORGANIZATION)
        me = client.person()
        self.me = (me.id.lower(), me.name)

    def make(self, context: StepContext) -> StageApproval:
        return StageApproval(context, ORGANIZATION, ENVIRONMENT, (self.me,))

    def known(self) -> list[dict[str, Any]]:
        query = {"resourceType": "environment", "resourceId": str(self.environment.id), "$expand": "settings"}
        return self.listed("/pipelines/checks/configurations", **query, **PREVIEW)

    def state(self) -> object:
        return [(each["id"], each["settings"]["instructions"], each["timeout"]) for each in self.known()] or None

    def _body(self, minutes: int, instructions: str) -> dict[str, Any]:
        settings = {
            "approvers": [{"id": self.me[0]}],
            "executionOrder": "anyOrder",
            "minRequiredApprovers": 1,
            "instructions": instructions,
            "blockedApprovers": [],
            "requesterCannotBeApprover": False,
        }
        return {
            "type": {"id": APPROVAL, "name": "Approval"},
            "settings": settings,
            "resource": {"type": "environment", "id": str(self.environment.id), "name": ENVIRONMENT},
            "timeout": minutes,
        }

    def by_hand(self, minutes: int = 1440) -> None:
        self.send("POST", "/pipelines/checks/configurations", self._body(minutes, "Look at it."), **PREVIEW)

    def by_hand_wrong(self) -> None:
        # The default of the portal, 30 days.
        self.by_hand(43_200)

    def refuse(self) -> None:
        self.refuse_at("checks/configurations", message="You do not administer the environment.")

    def remove_mark(self) -> None:
        for each in self.known():
            path = f"/pipelines/checks/configurations/{each['id']}"
            self.send("PATCH", path, self._body(each["timeout"], "somebody's"), **PREVIEW)

    def remove(self) -> None:
        for each in self.known():
            self.send("DELETE", f"/pipelines/checks/configurations/{each['id']}", **PREVIEW)

    def remove_parent(self) -> None:
        self.send("DELETE", f"/distributedtask/environments/{self.environment.id}")


BUILD = """trigger: none
steps:
- script: mkdir out && cp artifacts.json out/
- publish: out
  artifact: PipelineArtifacts
"""
RELEASE = """trigger: none
resources:
  pipelines:
  - pipeline: build
    source: small-build
stages:
- stage: QA
  jobs:
  - job: promote
    steps:
    - script: echo released
- stage: Production
  jobs:
  - job: promote
    steps:
    - script: echo released
"""


class ReleaseRunCase(ReleaseCase):
    resource = ReleaseRun
    exempt = MappingProxyType(
        {
            "conflict": "a run that failed is followed by another one",
            "mark removed": "it has no mark",
        }
    )

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions |= {"Resource group", "Container registry", "Resource provider"}
        assert self.ground.attendee.solve(f"{REGISTRY}@prod").all_passed()
        registry = registry_of(self.ground.attendee, self.ground.cloud)
        digest = registry.push("hol-inference", "tested")
        location = json.dumps({"image_location": f"{registry.server}/hol-inference@{digest}"})
        files = {"build.yml": BUILD, "release.yml": RELEASE, "artifacts.json": location}
        self.commit = push(self.ground, files)
        self.builder, self.pipeline = (self._define(f"small-{name}", f"{name}.yml") for name in ("build", "release"))
        self.digests = [self._agreed(each) for each in (self.builder, self.pipeline)]
        made = self.send("POST", "/build/builds", {"definition": {"id": self.builder}})
        self._ended(made["id"])
        self.source, self.number = int(made["id"]), str(made["buildNumber"])
        registry.push("hol-inference", f"qa-{self.source}")

    def _define(self, name: str, file: str) -> int:
        repository = self.listed("/git/repositories")[0]
        body = {
            "name": name,
            "type": "build",
            "process": {"type": 2, "yamlFilename": file},
            "repository": {"id": repository["id"], "type": "TfsGit", "defaultBranch": "refs/heads/main"},
            "triggers": [],
        }
        return int(self.send("POST", "/build/definitions", body)["id"])

    def _agreed(self, pipeline: int) -> str:
        control, project = self.ground.cloud.control, self.ground.context().names.devops_project
        digest = str(control.plan_pipeline(ORGANIZATION, project, pipeline)["digest"])
        control.consent_to_pipeline(digest)
        return digest

    def _ended(self, number: int) -> None:
        until(lambda: self.send("GET", f"/build/builds/{number}")["status"] == "completed")

    def make(self, context: StepContext) -> ReleaseRun:
        return ReleaseRun(
            replace(context, agreed=frozenset(self.digests)),
            ORGANIZATION,
            self.pipeline,
            "main",
            self.commit,
            digest=self.digests[1],
            source=self.source,
            builder=self.builder,
            number=self.number,
        )

    def state(self) -> object:
        # A solve waits for its stage, and the run's other one goes on by itself: that is no change by a later solve.
        for each in self.listed("/build/builds", definitions=str(self.pipeline)):
            self._ended(each["id"])
        found = self.listed("/build/builds", definitions=str(self.pipeline))
        return [(each["id"], each.get("result")) for each in found] or None

    def by_hand(self) -> None:
        self._ended(self.send("POST", f"/pipelines/{self.pipeline}/runs", {})["id"])

    def refuse(self) -> None:
        self.refuse_at(f"/pipelines/{self.pipeline}/runs", message="You do not have permission to queue builds.")

    def remove(self) -> None:
        for each in self.listed("/build/builds", definitions=str(self.pipeline)):
            self._ended(each["id"])
            self.send("DELETE", f"/build/builds/{each['id']}")
