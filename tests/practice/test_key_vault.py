from __future__ import annotations

import re
from typing import Any

import pytest

from hol_wizard.practice import seed
from tests.practice.conftest import VAULTS, Arm, provider, user_token, vault_body
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


ATTENDEE, READER = seed.ATTENDEE.id, seed.READER_USER.id


def policy(identity: str, *secrets: str, **more: Any) -> dict[str, Any]:
    """Return an access policy."""
    return {"tenantId": seed.TENANT, "objectId": identity, "permissions": {"secrets": [*secrets], **more}}


def change(arm: Arm, operation: str, *policies: dict[str, Any]) -> tuple[int, Any]:
    """Change the vault's access policies, and return status and answer."""
    body = {"properties": {"accessPolicies": [*policies]}}
    answer = arm.ask("PUT", f"{VAULT}/accessPolicies/{operation}", body, version=VAULTS)
    return answer.status_code, answer.json()


def policies_of(arm: Arm) -> Any:
    return arm.ask("GET", VAULT, version=VAULTS).json()["properties"]["accessPolicies"]


@pytest.fixture
def by_policies(practice_cloud: PracticeCloud, arm: Arm) -> Arm:
    """ARM with a vault that goes by access policies, and has none."""
    arm.make_group()
    body = vault_body(practice_cloud, enableRbacAuthorization=False, accessPolicies=[])
    assert arm.ask("PUT", VAULT, body, version=VAULTS).status_code == 200
    arm.until(VAULT, VAULTS)
    return arm


def test_access_policies_are_added_replaced_and_removed(by_policies: Arm) -> None:
    status, answer = change(by_policies, "add", policy(ATTENDEE, "Get", "list"), policy(READER, "get", keys=["get"]))
    assert (status, answer["type"]) == (200, "Microsoft.KeyVault/vaults/accessPolicies")
    assert answer["properties"]["accessPolicies"] == policies_of(by_policies)
    change(by_policies, "add", policy(ATTENDEE, "get", "set"))
    assert policies_of(by_policies)[0]["permissions"]["secrets"] == ["Get", "list", "set"]
    change(by_policies, "replace", policy(ATTENDEE, "Get", "purge"))
    change(by_policies, "remove", policy(READER, "get"))
    assert policies_of(by_policies) == [
        policy(ATTENDEE, "Get", "purge"),
        policy(READER, keys=["get"]),
    ]
    change(by_policies, "remove", policy(ATTENDEE, "get"))
    assert policies_of(by_policies)[0] == policy(ATTENDEE, "Get", "purge"), "another spelling is another permission"
    change(by_policies, "remove", policy(ATTENDEE, "Get", "purge"), policy(READER, keys=["get"]))
    assert policies_of(by_policies) == []


@pytest.mark.parametrize(
    "wrong",
    [
        policy("attendee@practice.example", "get"),
        policy(ATTENDEE, " get"),
        policy(ATTENDEE, "write"),
        policy(ATTENDEE, things=["get"]),
        {**policy(ATTENDEE, "get"), "tenantId": seed.fixed_id("another tenant")},
        {"tenantId": seed.TENANT, "objectId": ATTENDEE},
    ],
)
def test_access_policies_that_the_description_does_not_allow_are_refused(
    practice_cloud: PracticeCloud, by_policies: Arm, wrong: dict[str, Any]
) -> None:
    refused = {"code": "BadRequest", "message": "An invalid value was provided for 'accessPolicies'."}
    assert change(by_policies, "add", wrong) == (400, {"error": refused})
    body = vault_body(practice_cloud, enableRbacAuthorization=False, accessPolicies=[wrong])
    assert by_policies.ask("PUT", VAULT, body, version=VAULTS).json() == {"error": refused}
    other = provider("KeyVault/vaults", "other-kv")
    assert by_policies.ask("PUT", other, body, version=VAULTS).json() == {"error": refused}
    assert policies_of(by_policies) == []


def test_an_access_policy_is_for_somebody_in_the_directory(by_policies: Arm) -> None:
    nobody = seed.fixed_id("nobody")
    status, answer = change(by_policies, "add", policy(ATTENDEE, "get"), policy(nobody, "get"))
    message = f"Invalid value found at accessPolicies[1].ObjectId: {nobody}"
    assert (status, answer["error"]["message"]) == (400, message)


@pytest.mark.slow
def test_a_vault_has_at_most_1024_access_policies(by_policies: Arm) -> None:
    def each(first: int, last: int) -> list[dict[str, Any]]:
        numbered = range(first, last)
        return [{**policy(ATTENDEE, "get"), "applicationId": seed.fixed_id(f"application {n}")} for n in numbered]

    assert change(by_policies, "add", *each(0, 1025))[0] == 400
    assert change(by_policies, "add", *each(0, 1024))[0] == 200
    assert change(by_policies, "add", *each(1024, 1025))[0] == 400
    assert change(by_policies, "add", *each(1023, 1024))[0] == 200


def test_a_request_for_policies_names_an_operation_and_policies(by_policies: Arm) -> None:
    assert change(by_policies, "upsert", policy(ATTENDEE, "get"))[0] == 400
    assert by_policies.error("PUT", f"{VAULT}/accessPolicies/add", {"properties": {}}, version=VAULTS) == (
        400,
        "BadRequest",
    )


def test_a_put_names_all_access_policies_and_a_patch_need_not(practice_cloud: PracticeCloud, by_policies: Arm) -> None:
    change(by_policies, "add", policy(ATTENDEE, "get"))
    body = vault_body(practice_cloud, enableRbacAuthorization=False)
    assert by_policies.error("PUT", VAULT, body, version=VAULTS) == (400, "BadRequest")
    patch = {"properties": {"enabledForDeployment": True}}
    assert by_policies.ask("PATCH", VAULT, patch, version=VAULTS).status_code == 200
    assert policies_of(by_policies) == [policy(ATTENDEE, "get")]
    body["properties"]["accessPolicies"] = []
    assert by_policies.ask("PUT", VAULT, body, version=VAULTS).status_code == 200
    assert policies_of(by_policies) == []


def test_a_contributor_writes_policies_but_does_not_change_the_model(
    practice_cloud: PracticeCloud, by_policies: Arm
) -> None:
    contributor = Arm(practice_cloud, user_token(practice_cloud, seed.CONTRIBUTOR_USER.name))
    assert change(contributor, "add", policy(READER, "get"))[0] == 200
    model = {"properties": {"enableRbacAuthorization": True}}
    refused = contributor.ask("PATCH", VAULT, model, version=VAULTS)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "InsufficientPermissions")
    assert "Microsoft.Authorization/roleAssignments/write" in refused.json()["error"]["message"]
    assert by_policies.ask("PATCH", VAULT, model, version=VAULTS).status_code == 200
    reader = Arm(practice_cloud, user_token(practice_cloud, seed.READER_USER.name))
    assert change(reader, "add", policy(READER, "get"))[0] == 403
