from __future__ import annotations

import re

import pytest

from tests.practice.conftest import VAULTS, Arm, provider, vault_body
from tests.practice_cloud import PracticeCloud

VAULT = provider("KeyVault/vaults", "lab-kv")
DELETED = "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/lab-kv"


@pytest.fixture
def vault(practice_cloud: PracticeCloud, arm: Arm) -> Arm:
    """ARM with a vault that is ready."""
    arm.make_group()
    made = arm.ask("PUT", VAULT, {**vault_body(practice_cloud), "tags": {"lab": "1"}}, version=VAULTS)
    assert (made.status_code, made.json()["properties"]["provisioningState"]) == (200, "RegisteringDns")
    arm.until(VAULT, VAULTS)
    return arm


def test_a_new_vault_uses_roles_unless_told_otherwise(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    body = vault_body(practice_cloud)
    made = arm.ask("PUT", VAULT, body, version=VAULTS).json()["properties"]
    assert (made["enableRbacAuthorization"], made["softDeleteRetentionInDays"]) == (True, 7)
    assert re.fullmatch(r"https://127\.0\.0\.1:\d+/", made["vaultUri"])
    older = provider("KeyVault/vaults", "older-kv")
    assert arm.error("PUT", older, body, version="2023-07-01") == (400, "BadRequest")
    body["properties"]["accessPolicies"] = []
    made = arm.ask("PUT", older, body, version="2023-07-01").json()["properties"]
    assert made["enableRbacAuthorization"] is False


@pytest.mark.parametrize("name", ["a", "1vault", "lab--kv", "lab-", "x" * 25])
def test_a_name_that_breaks_the_rule_is_refused(practice_cloud: PracticeCloud, arm: Arm, name: str) -> None:
    arm.make_group()
    path = provider("KeyVault/vaults", name)
    assert arm.error("PUT", path, vault_body(practice_cloud), version=VAULTS) == (400, "VaultNameNotValid")


def test_a_deleted_vault_keeps_its_name(practice_cloud: PracticeCloud, vault: Arm) -> None:
    assert vault.ask("DELETE", VAULT, version=VAULTS).status_code == 200
    assert vault.error("GET", VAULT, version=VAULTS) == (404, "ResourceNotFound")
    found = vault.ask("GET", DELETED, version=VAULTS).json()
    assert found["properties"]["vaultId"] == vault.base + VAULT
    assert found["properties"]["tags"] == {"lab": "1"}
    assert vault.error("PUT", VAULT, vault_body(practice_cloud), version=VAULTS) == (409, "VaultAlreadyExists")
    body = {"name": "lab-kv", "type": "Microsoft.KeyVault/vaults"}
    said = vault.ask("POST", "/providers/Microsoft.KeyVault/checkNameAvailability", body, version=VAULTS).json()
    assert (said["nameAvailable"], said["reason"]) == (False, "AlreadyExists")


def test_a_deleted_vault_can_be_purged_and_its_name_used_again(practice_cloud: PracticeCloud, vault: Arm) -> None:
    vault.ask("DELETE", VAULT, version=VAULTS)
    purged = vault.ask("POST", DELETED + "/purge", version=VAULTS)
    assert purged.status_code == 202
    assert vault.poll(purged).json()["status"] == "Succeeded"
    assert vault.error("GET", DELETED, version=VAULTS) == (404, "DeletedVaultNotFound")
    assert vault.error("POST", DELETED + "/purge", version=VAULTS) == (404, "DeletedVaultNotFound")
    assert vault.ask("PUT", VAULT, vault_body(practice_cloud), version=VAULTS).status_code == 200


def test_a_deleted_vault_can_be_recovered_with_all_that_it_had(practice_cloud: PracticeCloud, vault: Arm) -> None:
    vault.ask("DELETE", VAULT, version=VAULTS)
    recovered = vault.ask("PUT", VAULT, vault_body(practice_cloud, createMode="recover"), version=VAULTS)
    assert (recovered.status_code, recovered.json()["tags"]) == (200, {"lab": "1"})
    vault.until(VAULT, VAULTS)
    assert vault.ask("GET", DELETED, version=VAULTS).status_code == 404
    absent = provider("KeyVault/vaults", "never-was")
    body = vault_body(practice_cloud, createMode="recover")
    assert vault.error("PUT", absent, body, version=VAULTS) == (404, "SoftDeletedVaultDoesNotExist")


def test_purge_protection_protects(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    arm.ask("PUT", VAULT, vault_body(practice_cloud, enablePurgeProtection=True), version=VAULTS)
    arm.until(VAULT, VAULTS)
    arm.ask("DELETE", VAULT, version=VAULTS)
    assert arm.ask("GET", DELETED, version=VAULTS).json()["properties"]["purgeProtectionEnabled"] is True
    assert arm.error("POST", DELETED + "/purge", version=VAULTS) == (403, "MethodNotAllowed")


def test_somebody_elses_vault_is_just_taken(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    taken = provider("KeyVault/vaults", "practice-taken")
    assert arm.error("PUT", taken, vault_body(practice_cloud), version=VAULTS) == (409, "VaultAlreadyExists")
    listed = arm.ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version=VAULTS).json()
    assert listed == {"value": []}
