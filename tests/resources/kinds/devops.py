"""The project in Azure DevOps, and who is invited."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops_project import DevOpsProject, lab_project
from hol_wizard.resources.devops_user import DevOpsUser, lab_user
from tests.resources.in_organization import OrganizationCase

NAME, GUEST = "practice-hol", "guest@elsewhere.example"


class DevOpsProjectCase(OrganizationCase):
    resource = DevOpsProject
    exempt = MappingProxyType(
        {
            "mark removed": "the practice cloud changes no project; one without the mark is in “replaced”",
            "gone with parent": "an organization goes only by its owner's hand, in the browser",
        }
    )

    def make(self, context: StepContext) -> DevOpsProject:
        return lab_project(context)

    def _found(self) -> dict[str, Any] | None:
        answer = self.hand.ask("GET", f"/projects/{NAME}")
        return answer.json() if answer.status_code == 200 else None

    def state(self) -> object:
        found = self._found()
        return found and {name: found.get(name) for name in ("id", "name", "description", "visibility", "state")}

    def by_hand(self) -> None:
        self.hand.make(NAME)

    def by_hand_wrong(self) -> None:
        self.hand.make(NAME, visibility="public")

    def refuse(self) -> None:
        self.refuse_at("/_apis/projects", message="TF50309: You need the permission “Create new projects”.")

    def remove(self) -> None:
        if (found := self._found()) is not None:
            self.hand.wait(self.hand.ask("DELETE", f"/projects/{found['id']}"))


class DevOpsUserCase(OrganizationCase):
    resource = DevOpsUser
    exempt = MappingProxyType(
        {
            "mark removed": "they carry no mark",
            "gone with parent": "they are in the organization, and stay in it without the project",
        }
    )

    def prepare(self) -> None:
        super().prepare()
        self.project = ownership.solve(lab_project(self.ground.context()))

    def make(self, context: StepContext) -> DevOpsUser:
        return lab_user(context, GUEST)

    def _ask(self, method: str, below: str = "", body: Any = None) -> Any:
        base = f"{self.hand.cloud.endpoints['devops_entitlements']}/practice/_apis/userentitlements{below}"
        answer = self.hand.http.request(method, base, params={"api-version": "7.1"}, json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def _found(self) -> dict[str, Any] | None:
        return next((each for each in self._ask("GET")["items"] if each["user"]["mailAddress"] == GUEST), None)

    def state(self) -> object:
        found = self._found()
        return found and (found["id"], found["accessLevel"], found["projectEntitlements"])

    def by_hand(self) -> None:
        self._invite("express")

    def by_hand_wrong(self) -> None:
        self._invite("stakeholder")

    def _invite(self, level: str) -> None:
        where = {"group": {"groupType": "projectContributor"}, "projectRef": {"id": self.project.id}}
        body = {
            "accessLevel": {"accountLicenseType": level},
            "user": {"principalName": GUEST, "subjectKind": "user"},
            "projectEntitlements": [where],
        }
        assert self._ask("POST", body=body)["isSuccess"]

    def refuse(self) -> None:
        self.refuse_at("userentitlements", service="devops_entitlements", message="You may not add users.")

    def remove(self) -> None:
        if (found := self._found()) is not None:
            self._ask("DELETE", f"/{found['id']}")
