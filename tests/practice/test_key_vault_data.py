from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.process import launch
from tests.practice.conftest import VAULTS, Arm, provider, session, user_token, vault_body
from tests.practice.data_planes import SECRETS_OFFICER, give, oid
from tests.practice_cloud import PracticeCloud

AUDIENCE = "https://vault.azure.net/.default"
VAULT = provider("KeyVault/vaults", "data-kv")
DELETED_VAULT = "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/data-kv"
PERMISSIONS = ["get", "set", "list", "delete", "recover", "purge"]


@dataclass
class Vault:
    """Asks a vault."""

    cloud: PracticeCloud
    address: str
    token: str
    http: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.http = session(self.cloud)
        if self.token:
            self.http.headers["Authorization"] = f"Bearer {self.token}"

    def ask(self, method: str, path: str, body: Any = None, *, version: str = "7.4", **query: str) -> requests.Response:
        """Ask for a path below the vault."""
        query = {**query, "api-version": version} if version else query
        return self.http.request(method, self.address + path, params=query, json=body, timeout=10)

    def refusal(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str, str]:
        """Ask, and return status, code and inner code of the refusal."""
        answer = self.ask(method, path, body, **query)
        error = answer.json()["error"]
        return answer.status_code, error["code"], error.get("innererror", {}).get("code", "")

    def until(self, method: str, path: str, status: int = 200) -> requests.Response:
        """Ask again until the answer has this status."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            answer = self.ask(method, path)
            if answer.status_code == status:
                return answer
            time.sleep(0.01)
        raise TimeoutError(path)


def make_vault(cloud: PracticeCloud, arm: Arm, **properties: Any) -> str:
    """Make a vault, wait for it, and return its address."""
    arm.make_group()
    arm.ask("PUT", VAULT, vault_body(cloud, **properties), version=VAULTS)
    return str(arm.until(VAULT, VAULTS)["properties"]["vaultUri"])


@pytest.fixture
def vault(practice_cloud: PracticeCloud, arm: Arm) -> Vault:
    """A vault with access policies, in which the attendee may do everything."""
    token = user_token(practice_cloud, scope=AUDIENCE)
    policy = {
        "tenantId": practice_cloud.endpoints["defaults"]["tenant"],
        "objectId": oid(token),
        "permissions": {"secrets": PERMISSIONS},
    }
    address = make_vault(practice_cloud, arm, enableRbacAuthorization=False, accessPolicies=[policy])
    return Vault(practice_cloud, address, token)


def test_who_comes_without_a_token_is_told_where_to_get_one(practice_cloud: PracticeCloud, vault: Vault) -> None:
    answer = Vault(practice_cloud, vault.address, "").ask("GET", "secrets")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")
    tenant = practice_cloud.endpoints["defaults"]["tenant"]
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer authorization="{practice_cloud.endpoints["active_directory"]}/{tenant}", '
        'resource="https://vault.azure.net"'
    )
    other = Vault(practice_cloud, vault.address, user_token(practice_cloud)).ask("GET", "secrets")
    assert (other.status_code, "AKV10022" in other.json()["error"]["message"]) == (401, True)
    practice_cloud.control.expire_tokens()
    assert vault.ask("GET", "secrets").status_code == 401


def test_each_put_makes_a_version(vault: Vault) -> None:
    first = vault.ask("PUT", "secrets/sp-app-id", {"value": "one"}).json()
    body = {"value": "two", "contentType": "text", "tags": {"lab": "1"}}
    second = vault.ask("PUT", "secrets/sp-app-id", body).json()
    assert first["id"].startswith(f"{vault.address}secrets/sp-app-id/")
    assert second["value"] == "two"
    assert second["tags"] == {"lab": "1"}
    assert second["attributes"]["enabled"] is True
    assert second["attributes"]["recoveryLevel"] == "CustomizedRecoverable+Purgeable"
    assert vault.ask("GET", "secrets/sp-app-id/").json() == second
    assert vault.ask("GET", "secrets/SP-APP-ID/" + first["id"].rpartition("/")[2]).json()["value"] == "one"
    versions = vault.ask("GET", "secrets/sp-app-id/versions").json()["value"]
    assert [each["id"] for each in versions] == [first["id"], second["id"]]
    assert all("value" not in each for each in versions)


def test_secrets_are_listed_in_pages_without_values(vault: Vault) -> None:
    for number in range(5):
        vault.ask("PUT", f"secrets/name-{number}", {"value": "hidden"})
    page = vault.ask("GET", "secrets", maxresults="2").json()
    names = []
    while True:
        names += [each["id"].rpartition("/")[2] for each in page["value"]]
        assert all("value" not in each for each in page["value"])
        if not page["nextLink"]:
            break
        page = vault.http.get(page["nextLink"], timeout=10).json()
    assert names == [f"name-{number}" for number in range(5)]


def test_a_version_can_be_changed_but_for_its_value(practice_cloud: PracticeCloud, vault: Vault) -> None:
    made = vault.ask("PUT", "secrets/name", {"value": "v"}).json()
    path = made["id"].removeprefix(vault.address)
    changed = vault.ask("PATCH", path, {"attributes": {"enabled": False}, "tags": {"a": "b"}}).json()
    assert (changed["attributes"]["enabled"], changed["tags"], "value" in changed) == (False, {"a": "b"}, False)
    assert vault.refusal("GET", "secrets/name") == (403, "Forbidden", "SecretDisabled")
    practice_cloud.wrong_on_purpose("GET .*secrets/name")


def test_a_deleted_secret_keeps_its_name_until_it_is_purged(vault: Vault) -> None:
    vault.ask("PUT", "secrets/name", {"value": "v"})
    deleted = vault.ask("DELETE", "secrets/name")
    assert deleted.status_code == 200
    assert deleted.json()["recoveryId"] == f"{vault.address}deletedsecrets/name"
    assert deleted.json()["scheduledPurgeDate"] - deleted.json()["deletedDate"] == 7 * 24 * 3600
    vault.until("GET", "deletedsecrets/name")
    assert vault.refusal("GET", "secrets/name")[:2] == (404, "SecretNotFound")
    assert vault.refusal("PUT", "secrets/name", {"value": "w"}) == (409, "Conflict", "ObjectIsDeletedButRecoverable")
    assert [each["recoveryId"] for each in vault.ask("GET", "deletedsecrets").json()["value"]] == [
        f"{vault.address}deletedsecrets/name"
    ]
    assert vault.ask("GET", "secrets").json() == {"value": [], "nextLink": None}
    assert vault.ask("DELETE", "deletedsecrets/name").status_code == 204
    assert vault.refusal("DELETE", "deletedsecrets/name")[:2] == (404, "SecretNotFound")
    assert vault.ask("PUT", "secrets/name", {"value": "w"}).status_code == 200


def test_a_deletion_takes_its_time(practice_cloud: PracticeCloud, vault: Vault) -> None:
    practice_cloud.control.settings(speed=1.0)
    vault.ask("PUT", "secrets/name", {"value": "v"})
    vault.ask("DELETE", "secrets/name")
    assert vault.refusal("DELETE", "deletedsecrets/name") == (409, "Conflict", "ObjectIsBeingDeleted")
    assert vault.refusal("PUT", "secrets/name", {"value": "w"}) == (409, "Conflict", "ObjectIsBeingDeleted")
    assert vault.refusal("GET", "deletedsecrets/name")[0] == 404


def test_a_deleted_secret_can_be_recovered(vault: Vault) -> None:
    vault.ask("PUT", "secrets/name", {"value": "v"})
    assert vault.refusal("POST", "deletedsecrets/name/recover") == (
        400,
        "MethodNotAllowed",
        "RequestNotAllowedOnNonDeletedObject",
    )
    vault.ask("DELETE", "secrets/name")
    vault.until("GET", "deletedsecrets/name")
    assert vault.ask("POST", "deletedsecrets/name/recover").status_code == 200
    assert vault.until("GET", "secrets/name").json()["value"] == "v"


def test_what_is_not_there_or_cannot_be_is_refused(practice_cloud: PracticeCloud, vault: Vault) -> None:
    practice_cloud.wrong_on_purpose("secrets/under_score", "secrets/name", "GET /secrets$", "GET /keys")
    assert vault.refusal("GET", "secrets/none") == (404, "SecretNotFound", "")
    assert vault.refusal("PUT", "secrets/under_score", {"value": "v"}) == (400, "BadParameter", "")
    assert vault.refusal("PUT", "secrets/name", {}) == (400, "BadParameter", "")
    assert vault.refusal("PUT", "secrets/name", {"value": "v" * 26000}) == (400, "BadParameter", "")
    assert vault.refusal("GET", "secrets", version="") == (400, "BadParameter", "")
    assert vault.refusal("GET", "secrets", version="1.0") == (400, "BadParameter", "")
    assert vault.refusal("GET", "keys")[0] == 404
    for version in ("7.4", "7.5", "7.6", "2016-10-01", "2025-07-01", "2026-04-01"):
        assert vault.ask("GET", "secrets", version=version).status_code == 200


def test_who_has_no_access_policy_is_refused(practice_cloud: PracticeCloud, vault: Vault) -> None:
    other = Vault(practice_cloud, vault.address, user_token(practice_cloud, "reader@practice.example", AUDIENCE))
    assert other.refusal("GET", "secrets") == (403, "Forbidden", "AccessDenied")
    message = other.ask("GET", "secrets/name").json()["error"]["message"]
    assert "does not have secrets get permission on key vault 'data-kv;location=westeurope'" in message


REQUESTS: list[tuple[str, str, Any, str]] = [
    ("GET", "secrets/name", None, "get"),
    ("GET", "secrets/name/versions", None, "list"),
    ("GET", "secrets", None, "list"),
    ("PUT", "secrets/name", {"value": "v"}, "set"),
    ("PATCH", "secrets/name", {"tags": {}}, "set"),
    ("DELETE", "secrets/name", None, "delete"),
    ("GET", "deletedsecrets", None, "list"),
    ("GET", "deletedsecrets/name", None, "get"),
    ("POST", "deletedsecrets/name/recover", None, "recover"),
    ("DELETE", "deletedsecrets/name", None, "purge"),
]


@pytest.mark.parametrize(("method", "path", "body", "permission"), REQUESTS)
def test_each_request_needs_its_own_permission(
    practice_cloud: PracticeCloud, arm: Arm, vault: Vault, method: str, path: str, body: Any, permission: str
) -> None:
    """A stranger's policy gives all but the one permission; the vault's owner has no more than a stranger."""
    stranger = user_token(practice_cloud, seed.STRANGER.name, AUDIENCE)
    others = [each for each in PERMISSIONS if each != permission]
    policies_are(arm, {seed.STRANGER.id: others})
    asking = Vault(practice_cloud, vault.address, stranger)
    wait_until_refused(vault)
    answer = asking.ask(method, path, body)
    assert (answer.status_code, answer.json()["error"]["innererror"]["code"]) == (403, "AccessDenied")
    assert f"does not have secrets {permission} permission on key vault 'data-kv;" in answer.json()["error"]["message"]
    assert vault.refusal(method, path, body) == (403, "Forbidden", "AccessDenied")
    policies_are(arm, {seed.STRANGER.id: [permission]})
    deadline = time.monotonic() + 10
    while asking.ask(method, path, body).status_code == 403:
        assert time.monotonic() < deadline


def test_all_permissions_are_all_but_purge(practice_cloud: PracticeCloud, arm: Arm, vault: Vault) -> None:
    policies_are(arm, {seed.STRANGER.id: ["all"]})
    asking = Vault(practice_cloud, vault.address, user_token(practice_cloud, seed.STRANGER.name, AUDIENCE))
    asking.until("GET", "secrets")
    assert asking.ask("PUT", "secrets/name", {"value": "v"}).status_code == 200
    assert asking.refusal("DELETE", "deletedsecrets/name") == (403, "Forbidden", "AccessDenied")


def test_a_policy_with_an_application_is_not_for_the_person_alone(
    practice_cloud: PracticeCloud, arm: Arm, vault: Vault
) -> None:
    policies_are(arm, {seed.STRANGER.id: PERMISSIONS}, applicationId=seed.fixed_id("some application"))
    wait_until_refused(vault)
    asking = Vault(practice_cloud, vault.address, user_token(practice_cloud, seed.STRANGER.name, AUDIENCE))
    assert asking.refusal("GET", "secrets") == (403, "Forbidden", "AccessDenied")


def test_new_policies_work_a_little_later(practice_cloud: PracticeCloud, arm: Arm, vault: Vault) -> None:
    asking = Vault(practice_cloud, vault.address, user_token(practice_cloud, seed.STRANGER.name, AUDIENCE))
    practice_cloud.control.settings(speed=1.0)
    policies_are(arm, {seed.STRANGER.id: ["list"]})
    assert asking.refusal("GET", "secrets") == (403, "Forbidden", "AccessDenied")
    assert vault.ask("GET", "secrets").status_code == 200


def test_roles_open_no_vault_that_goes_by_policies(practice_cloud: PracticeCloud, arm: Arm, vault: Vault) -> None:
    token = user_token(practice_cloud, seed.STRANGER.name, AUDIENCE)
    practice_cloud.control.settings(speed=1e9)
    give(arm, VAULT, SECRETS_OFFICER, oid(token))
    assert Vault(practice_cloud, vault.address, token).refusal("GET", "secrets") == (403, "Forbidden", "AccessDenied")


def policies_are(arm: Arm, given: dict[str, list[str]], **more: str) -> None:
    """Give the vault other access policies."""
    entries = [
        {"tenantId": seed.TENANT, "objectId": identity, "permissions": {"secrets": secrets}, **more}
        for identity, secrets in given.items()
    ]
    body = {"properties": {"accessPolicies": entries}}
    assert arm.ask("PATCH", VAULT, body, version=VAULTS).status_code == 200


def wait_until_refused(vault: Vault) -> None:
    """Wait until the policies that the vault had no longer count."""
    vault.until("GET", "secrets", 403)


def test_without_a_role_even_an_owner_reads_nothing(practice_cloud: PracticeCloud, arm: Arm) -> None:
    address = make_vault(practice_cloud, arm)
    owner = Vault(practice_cloud, address, user_token(practice_cloud, scope=AUDIENCE))
    assert owner.refusal("GET", "secrets") == (403, "Forbidden", "ForbiddenByRbac")
    message = owner.ask("PUT", "secrets/name", {"value": "v"}).json()["error"]["message"]
    assert message.startswith("Caller is not authorized to perform action on resource.\r\nIf role assignments")
    assert "Action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'" in message
    assert f"Resource: '{(arm.base + VAULT).lower()}/secrets/name'" in message


def test_a_role_opens_the_vault(practice_cloud: PracticeCloud, arm: Arm) -> None:
    address = make_vault(practice_cloud, arm)
    token = user_token(practice_cloud, scope=AUDIENCE)
    owner = Vault(practice_cloud, address, token)
    give(arm, VAULT, SECRETS_OFFICER, oid(token))
    owner.until("GET", "secrets")
    assert owner.ask("PUT", "secrets/name", {"value": "v"}).status_code == 200
    assert owner.ask("GET", "secrets/name").json()["value"] == "v"


def test_a_vault_that_is_not_ready_does_not_answer(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.settings(speed=1.0)
    arm.make_group()
    made = arm.ask("PUT", VAULT, vault_body(practice_cloud), version=VAULTS).json()
    asking = Vault(practice_cloud, made["properties"]["vaultUri"], user_token(practice_cloud, scope=AUDIENCE))
    assert asking.ask("GET", "secrets").status_code == 503


def ask_for_a_while(vault: Vault) -> None:
    """Ask until nobody answers: a deleted vault's port is closed right after the answer, not before it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        vault.ask("GET", "secrets")


def test_a_deleted_vault_keeps_its_secrets_and_a_purged_one_loses_them(
    practice_cloud: PracticeCloud, arm: Arm, vault: Vault
) -> None:
    vault.ask("PUT", "secrets/name", {"value": "v"})
    properties = arm.ask("GET", VAULT, version=VAULTS).json()["properties"]
    body = vault_body(practice_cloud, enableRbacAuthorization=False, accessPolicies=properties["accessPolicies"])
    arm.ask("DELETE", VAULT, version=VAULTS)
    with pytest.raises(requests.ConnectionError):
        ask_for_a_while(vault)
    body["properties"]["createMode"] = "recover"
    arm.ask("PUT", VAULT, body, version=VAULTS)
    address = arm.until(VAULT, VAULTS)["properties"]["vaultUri"]
    assert address == vault.address
    assert vault.ask("GET", "secrets/name").json()["value"] == "v"
    arm.ask("DELETE", VAULT, version=VAULTS)
    arm.poll(arm.ask("POST", DELETED_VAULT + "/purge", version=VAULTS))
    del body["properties"]["createMode"]
    arm.ask("PUT", VAULT, body, version=VAULTS)
    again = Vault(practice_cloud, arm.until(VAULT, VAULTS)["properties"]["vaultUri"], vault.token)
    assert again.ask("GET", "secrets").json()["value"] == []


def test_resource_manager_sets_and_lists_secrets_without_showing_them(vault: Vault, arm: Arm) -> None:
    body = {"properties": {"value": "by-deployment", "contentType": "text"}, "tags": {"lab": "1"}}
    made = arm.ask("PUT", f"{VAULT}/secrets/name", body, version="2023-07-01")
    assert made.status_code == 201
    assert "by-deployment" not in made.text
    assert arm.ask("PUT", f"{VAULT}/secrets/name", body, version="2023-07-01").status_code == 200
    listed = arm.ask("GET", f"{VAULT}/secrets", version=VAULTS).json()["value"]
    assert [each["name"] for each in listed] == ["name"]
    one = arm.ask("GET", f"{VAULT}/secrets/name", version=VAULTS).json()
    assert one["properties"]["secretUri"] == f"{vault.address}secrets/name"
    assert "value" not in one["properties"]
    assert vault.ask("GET", "secrets/name").json()["value"] == "by-deployment"
    assert arm.error("GET", f"{VAULT}/secrets/none", version=VAULTS) == (404, "SecretNotFound")


def test_no_value_and_no_token_is_in_the_log_or_outside_the_vault_tables(
    practice_cloud: PracticeCloud, vault: Vault, arm: Arm
) -> None:
    canary = "canary-8f2d1c"
    vault.ask("PUT", "secrets/name", {"value": canary})
    vault.ask("GET", "secrets/name")
    arm.ask("PUT", f"{VAULT}/secrets/other", {"properties": {"value": canary}}, version="2023-07-01")
    log = practice_cloud.log.read_text(encoding="utf-8")
    assert canary not in log
    assert vault.token not in log
    database = sqlite3.connect(practice_cloud.state / launch.DATABASE_FILE)
    rows = database.execute("SELECT DISTINCT collection FROM documents WHERE body LIKE ?", (f"%{canary}%",)).fetchall()
    database.close()
    assert rows == [("vault_secrets",)]
