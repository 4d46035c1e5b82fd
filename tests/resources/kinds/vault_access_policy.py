"""An access policy of the key vault of dev, for somebody else than the wizard."""

from __future__ import annotations

from types import MappingProxyType

from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.vault_access_policy import VaultAccessPolicy
from tests.practice.conftest import VAULTS, provider
from tests.resources.case import Case
from tests.steps.attendee import VAULT


class VaultAccessPolicyCase(Case):
    resource = VaultAccessPolicy
    exempt = MappingProxyType(
        {
            "conflict": "permissions that are missing are added, whoever gave the others; tests/steps/test_secrets.py",
            "mark removed": "it has no mark",
            "replaced": "one that is added again is the same",
        }
    )

    def prepare(self) -> None:
        assert self.ground.attendee.solve(f"{VAULT}@dev").all_passed()
        names = self.ground.attendee.names()
        self._path = provider("KeyVault/vaults", names.key_vault, names.resource_group)

    def make(self, context: StepContext) -> VaultAccessPolicy:
        return VaultAccessPolicy(context, seed.READER_USER.id, "the reader", ("get", "list"))

    def state(self) -> object:
        found = self.ground.hand.ask("GET", self._path, version=VAULTS).json()
        policies = found.get("properties", {}).get("accessPolicies", [])
        return next((each["permissions"] for each in policies if each["objectId"] == seed.READER_USER.id), None)

    def by_hand(self) -> None:
        self._send("add", "Get", "List")

    def _send(self, operation: str, *permissions: str) -> None:
        entry = {
            "tenantId": seed.TENANT,
            "objectId": seed.READER_USER.id,
            "permissions": {"secrets": [*permissions]},
        }
        body = {"properties": {"accessPolicies": [entry]}}
        answer = self.ground.hand.ask("PUT", f"{self._path}/accessPolicies/{operation}", body, version=VAULTS)
        assert answer.status_code in {200, 404}, answer.text

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="resource_manager",
            method="PUT",
            path="/accessPolicies/",
            times=1,
            status=403,
            code="AuthorizationFailed",
            message="The client does not have authorization to perform action 'write'.",
        )

    def remove(self) -> None:
        self._send("remove", "Get", "List", "get", "list")

    def remove_parent(self) -> None:
        assert self.ground.hand.ask("DELETE", self._path, version=VAULTS).status_code == 200
