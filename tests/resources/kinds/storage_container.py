"""A container in a data lake."""

from __future__ import annotations

import time
from types import MappingProxyType

from hol_wizard.resources.context import StepContext
from hol_wizard.resources.storage_container import StorageContainer
from tests.practice.conftest import STORAGE
from tests.resources.case import Case
from tests.steps.attendee import LAKE


class ContainerCase(Case):
    resource = StorageContainer
    exempt = MappingProxyType(
        {"conflict": "the practice cloud has no containers with public access; tests/unit/test_engine_ownership.py"}
    )

    def prepare(self) -> None:
        assert self.ground.attendee.solve(f"{LAKE}@dev").all_passed()

    def make(self, context: StepContext) -> StorageContainer:
        return StorageContainer(context, "logs")

    @property
    def _lake(self) -> str:
        names = self.ground.attendee.names()
        group, account = names.resource_group, names.storage_account
        return f"/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}"

    @property
    def _path(self) -> str:
        return f"{self._lake}/blobServices/default/containers/logs"

    def _put(self, **properties: object) -> None:
        until = time.monotonic() + 10
        while True:
            answer = self.ground.hand.ask("PUT", self._path, {"properties": properties}, version=STORAGE)
            if "ContainerBeingDeleted" not in answer.text or time.monotonic() > until:
                break
            time.sleep(0.05)
        assert answer.status_code in {200, 201}, answer.text

    def state(self) -> object:
        answer = self.ground.hand.ask("GET", self._path, version=STORAGE)
        return None if answer.status_code == 404 else answer.json()

    def by_hand(self) -> None:
        self._put()

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="resource_manager",
            method="PUT",
            path="/containers/",
            times=1,
            status=403,
            code="AuthorizationFailed",
            message="The client does not have authorization to perform action 'write'.",
        )

    def remove_mark(self) -> None:
        answer = self.ground.hand.ask(
            "PATCH", self._path, {"properties": {"metadata": {"owner": "somebody"}}}, version=STORAGE
        )
        assert answer.status_code == 200, answer.text

    def remove(self) -> None:
        self.ground.hand.ask("DELETE", self._path, version=STORAGE)

    def remove_parent(self) -> None:
        assert self.ground.hand.ask("DELETE", self._lake, version=STORAGE).status_code == 200
