"""The secret scope over the key vault of dev."""

from __future__ import annotations

from types import MappingProxyType

from hol_wizard.resources.context import StepContext
from hol_wizard.resources.key_vault import address, key_vault
from hol_wizard.resources.secret_scope import KeyVaultScope
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.databricks.client import Databricks
from tests.practice.conftest import DATABRICKS
from tests.resources.case import Case
from tests.steps.attendee import VAULT
from tests.steps.databricks import LAUNCH


class KeyVaultScopeCase(Case):
    resource = KeyVaultScope
    exempt = MappingProxyType(
        {
            "mark removed": "it has no mark",
            "replaced": "one that is created again over the same vault is the same",
        }
    )

    def prepare(self) -> None:
        assert self.ground.attendee.solve(f"{VAULT}@dev", LAUNCH).all_passed()

    def make(self, context: StepContext) -> KeyVaultScope:
        return KeyVaultScope(context)

    @property
    def _here(self) -> Databricks:
        return workspace(self.ground.context())

    def state(self) -> object:
        name = KeyVaultScope.name
        return next((each for each in self._here.list_scopes() if each.name == name), None)

    def by_hand(self) -> None:
        context = self.ground.context()
        self._here.create_scope(KeyVaultScope.name, key_vault(context).id, address(context))

    def by_hand_wrong(self) -> None:
        self._here._secrets("secret scope").create_scope(KeyVaultScope.name)

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="databricks",
            path="secrets/scopes/create",
            times=1,
            status=403,
            code="PERMISSION_DENIED",
            message="You do not have permission to create secret scopes.",
        )

    def remove(self) -> None:
        self._here.delete_scope(KeyVaultScope.name)

    def remove_parent(self) -> None:
        names = self.ground.attendee.names()
        path = f"/resourceGroups/{names.resource_group}/providers/Microsoft.Databricks/workspaces"
        self.ground.hand.poll(
            self.ground.hand.ask("DELETE", f"{path}/{names.databricks_workspace}", version=DATABRICKS)
        )
