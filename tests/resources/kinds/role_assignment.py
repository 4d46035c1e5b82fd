"""A role on the data lake, for somebody else than the wizard."""

from __future__ import annotations

import uuid
from types import MappingProxyType
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.resources import lake
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.role_assignment import STORAGE_BLOB_DATA_CONTRIBUTOR, Grant, RoleAssignment, assignment
from tests.practice.conftest import STORAGE
from tests.practice.test_authorization import VERSION, body
from tests.resources.case import Case
from tests.steps.attendee import LAKE
from tests.steps.test_initial_data import give_owner, lake_of


class RoleAssignmentCase(Case):
    resource = RoleAssignment
    exempt = MappingProxyType({"conflict": "an assignment of the role is one that fits"})

    def prepare(self) -> None:
        give_owner(self.ground.hand)
        assert self.ground.attendee.solve(f"{LAKE}@dev").all_passed()
        self._scope = lake_of(self.ground.attendee)

    def make(self, context: StepContext) -> RoleAssignment:
        grant = Grant(STORAGE_BLOB_DATA_CONTRIBUTOR, lake.lake_id(context), seed.READER_USER.id, "the reader", "User")
        return assignment(context, grant)

    def _all(self) -> list[dict[str, Any]]:
        path = f"{self._scope}/providers/Microsoft.Authorization/roleAssignments"
        found = self.ground.hand.ask("GET", path, version=VERSION).json().get("value", [])
        return [each for each in found if each["properties"]["principalId"] == seed.READER_USER.id and self._here(each)]

    def _here(self, found: dict[str, Any]) -> bool:
        return str(found["properties"]["scope"]).lower().endswith(self._scope.lower())

    def _put(self, name: str, **more: str) -> None:
        path = f"{self._scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        asked = body(self.ground.hand, seed.READER_USER.id, STORAGE_BLOB_DATA_CONTRIBUTOR.id, **more)
        assert self.ground.hand.ask("PUT", path, asked, version=VERSION).status_code in {200, 201}

    def state(self) -> object:
        return [(each["name"], each["properties"].get("description")) for each in self._all()] or None

    def by_hand(self) -> None:
        self._put(str(uuid.uuid4()))

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="resource_manager",
            method="PUT",
            path="/roleAssignments/",
            times=1,
            status=403,
            code="AuthorizationFailed",
            message="The client does not have authorization to perform action 'write'.",
        )

    def remove_mark(self) -> None:
        (found,) = self._all()
        self._put(found["name"], description="somebody's")

    def remove(self) -> None:
        for each in self._all():
            self.ground.hand.ask("DELETE", each["id"].removeprefix(self.ground.hand.base), version=VERSION)

    def remove_parent(self) -> None:
        assert self.ground.hand.ask("DELETE", self._scope, version=STORAGE).status_code == 200
