"""Azure resources of several types: a group, a storage account, a vault that is soft-deleted, a slow workspace."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hol_wizard.resources.azure_resource import TAG, AzureResource
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_workspace import DatabricksWorkspace, databricks_workspace
from hol_wizard.resources.key_vault import KeyVault, key_vault
from hol_wizard.resources.resource_group import ResourceGroup, resource_group
from hol_wizard.resources.storage_account import data_lake
from tests.practice.conftest import DATABRICKS, GROUPS, STORAGE, VAULTS
from tests.resources.case import Case
from tests.steps.attendee import GROUP


class AzureCase(Case):
    """What the types have in common: Resource Manager, by hand."""

    version: str

    def prepare(self) -> None:
        assert self.ground.attendee.solve(f"{GROUP}@dev").all_passed()

    @abstractmethod
    def make(self, context: StepContext) -> AzureResource:
        """Return the resource."""

    @property
    def resource_now(self) -> AzureResource:
        return self.make(self.ground.context())

    @property
    def _path(self) -> str:
        return self.resource_now.id.removeprefix(self.ground.hand.base)

    def ask(self, method: str, body: Mapping[str, Any] | None = None) -> Any:
        return self.ground.hand.ask(method, self._path, body, version=self.version)

    def state(self) -> object:
        answer = self.ask("GET")
        if answer.status_code == 404:
            return None
        document = answer.json()
        # What changes by itself is nobody's doing.
        return {key: document.get(key) for key in ("id", "location", "tags", "sku")}

    def by_hand(self) -> None:
        self._put(self.resource_now.body)

    def by_hand_wrong(self) -> None:
        self._put({**self.resource_now.body, "location": "northeurope"})

    def _put(self, body: Mapping[str, Any]) -> None:
        answer = self.ask("PUT", body)
        assert answer.status_code in {200, 201, 202}, answer.text
        self._settle()

    def _settle(self) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            answer = self.ask("GET")
            state = str(answer.json().get("properties", {}).get("provisioningState", "Succeeded"))
            if answer.status_code == 200 and state == "Succeeded":
                return
            time.sleep(0.02)
        raise TimeoutError(self._path)

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="resource_manager",
            method="PUT",
            path=self.resource_now.name,
            times=1,
            status=403,
            code="AuthorizationFailed",
            message="The client does not have authorization to perform action 'write'.",
        )

    def remove_mark(self) -> None:
        answer = self.ask("PATCH", {"tags": {"owner": "somebody"}})
        assert answer.status_code in {200, 202}, answer.text
        self._settle()
        assert TAG not in self.ask("GET").json()["tags"]

    def remove(self) -> None:
        self.ask("DELETE")
        until = time.monotonic() + 20
        while self.state() is not None:
            assert time.monotonic() < until
            time.sleep(0.02)

    def remove_parent(self) -> None:
        group = f"/resourcegroups/{self.ground.attendee.names().resource_group}"
        self.ground.hand.poll(self.ground.hand.ask("DELETE", group))


class StorageAccountCase(AzureCase):
    resource = AzureResource
    version = STORAGE

    def make(self, context: StepContext) -> AzureResource:
        return data_lake(context)


class ResourceGroupCase(AzureCase):
    resource = ResourceGroup
    version = GROUPS
    exempt = MappingProxyType({"gone with parent": "a group is in a subscription, which nobody deletes"})

    def prepare(self) -> None:
        pass

    def make(self, context: StepContext) -> AzureResource:
        return resource_group(context)


class KeyVaultCase(AzureCase):
    resource = KeyVault
    version = VAULTS

    def make(self, context: StepContext) -> AzureResource:
        return key_vault(context)

    def remove(self) -> None:
        super().remove()
        self._purge()

    def _purge(self) -> None:
        name = self.resource_now.name
        place = f"/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/{name}"
        for region in ("westeurope", "northeurope"):
            deleted = place.replace("westeurope", region)
            if self.ground.hand.ask("GET", deleted, version=VAULTS).status_code == 200:
                self.ground.hand.poll(self.ground.hand.ask("POST", f"{deleted}/purge", version=VAULTS))


class DatabricksWorkspaceCase(AzureCase):
    resource = DatabricksWorkspace
    version = DATABRICKS

    def make(self, context: StepContext) -> AzureResource:
        return databricks_workspace(context)
