"""A secret in the key vault of dev."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.vault_access_policy import WRITE
from hol_wizard.resources.vault_secret import VaultSecret, known
from tests.practice.conftest import VAULTS, user_token
from tests.practice.test_key_vault_data import AUDIENCE, Vault
from tests.resources.case import Case
from tests.steps.attendee import VAULT

NAME = "/secrets/contract"
DELETED = "/deletedsecrets/contract"


class VaultSecretCase(Case):
    resource = VaultSecret
    exempt = MappingProxyType(
        {"conflict": "a value that differs gets a new version, whoever wrote the old one; tests/steps/test_vault.py"}
    )

    def prepare(self) -> None:
        hand = self.ground.hand
        assert self.ground.attendee.solve(f"{VAULT}@dev").all_passed()
        names = self.ground.attendee.names()
        self._path = f"/resourceGroups/{names.resource_group}/providers/Microsoft.KeyVault/vaults/{names.key_vault}"
        entries = [
            {"tenantId": seed.TENANT, "objectId": each, "permissions": {"secrets": [*WRITE]}}
            for each in (seed.ATTENDEE.id, seed.CI_PRINCIPAL.id)
        ]
        policies = {"properties": {"accessPolicies": entries}}
        assert hand.ask("PUT", f"{self._path}/accessPolicies/add", policies, version=VAULTS).status_code == 200
        address = hand.ask("GET", self._path, version=VAULTS).json()["properties"]["vaultUri"].rstrip("/")
        self.vault = Vault(self.ground.cloud, address, user_token(self.ground.cloud, scope=AUDIENCE))
        self._until("GET", "/secrets", 200)

    def _until(self, method: str, path: str, *statuses: int, body: Any = None) -> Any:
        until = time.monotonic() + 20
        while True:
            answer = self.vault.ask(method, path, body)
            if answer.status_code in statuses:
                return answer
            assert time.monotonic() < until, answer.text
            time.sleep(0.05)

    def make(self, context: StepContext) -> VaultSecret:
        return VaultSecret(context, known("contract", "value"))

    def state(self) -> object:
        answer = self.vault.ask("GET", NAME)
        return None if answer.status_code == 404 else (answer.json()["id"], answer.json().get("tags"))

    def by_hand(self) -> None:
        self._until("PUT", NAME, 200, body={"value": "value"})

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="key_vault",
            method="PUT",
            path=NAME,
            times=1,
            status=400,
            code="BadParameter",
            message="The request was refused.",
        )

    def remove_mark(self) -> None:
        self.by_hand()

    def remove(self) -> None:
        if self.vault.ask("DELETE", NAME).status_code == 200:
            self._until("GET", DELETED, 200)
        if self.vault.ask("GET", DELETED).status_code == 200:
            self._until("DELETE", DELETED, 204)
            self._until("GET", DELETED, 404)

    def remove_parent(self) -> None:
        assert self.ground.hand.ask("DELETE", self._path, version=VAULTS).status_code == 200
