"""Resource Manager on the wire: versions, paths, locks, challenges; what foreign clients and recordings show of it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from tests.practice.conftest import (
    DATABRICKS,
    STORAGE,
    STORAGE_BODY,
    VAULTS,
    Arm,
    databricks_body,
    provider,
    session,
    user_token,
    vault_body,
)
from tests.practice_cloud import PracticeCloud

LOCKS = "2020-05-01"
LAKE = provider("Storage/storageAccounts", "labdata1")


def refusal(arm: Arm, method: str, path: str, body: Any = None, **more: str) -> tuple[int, str, str]:
    """Ask, and return status, code and message."""
    answer = arm.ask(method, path, body, **more)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_a_version_that_resource_manager_never_had_is_refused_with_the_list(
    practice_cloud: PracticeCloud, arm: Arm
) -> None:
    practice_cloud.wrong_on_purpose("resourceGroups")
    for version in ("2099-01-01", "2020-11-01", "latest"):
        status, code, said = refusal(arm, "GET", "/resourceGroups", version=version)
        assert (status, code) == (400, "InvalidApiVersionParameter")
        assert said.startswith(
            f"The api-version '{version}' is invalid. The supported versions are '2026-06-01,2025-04-01"
        )
        assert said.endswith("2014-04'.")


def test_a_version_that_a_type_never_had_is_refused_with_its_list(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("providers/Microsoft.Storage")
    arm.make_group()
    status, code, said = refusal(arm, "PUT", LAKE, STORAGE_BODY, version="2018-07-02")
    assert (status, code) == (400, "NoRegisteredProviderFound")
    assert said.startswith(
        "No registered resource provider found for location 'westeurope' and API version '2018-07-02' for type "
        "'storageAccounts'. The supported api-versions are '"
    )
    assert "2023-05-01, " in said
    assert "The supported locations are 'westeurope, " in said or "westeurope" in said.partition("locations are")[2]
    # Nothing is there to tell a location (recorded: InvalidResourceType).
    status, code, said = refusal(arm, "GET", LAKE, version="2018-07-02")
    assert (status, code) == (404, "InvalidResourceType")
    assert "resource type 'storageAccounts' could not be found in the namespace 'Microsoft.Storage'" in said
    assert "2023-05-01," in said
    arm.poll(arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE))
    assert refusal(arm, "GET", LAKE, version="2018-07-02")[1] == "NoRegisteredProviderFound"
    shown = arm.ask("GET", "/providers/Microsoft.Storage").json()["resourceTypes"]
    versions = next(each["apiVersions"] for each in shown if each["resourceType"] == "storageAccounts")
    assert STORAGE in versions
    assert arm.ask("GET", LAKE, version=versions[-1]).status_code == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/providers/Microsoft.Compute/virtualMachines", "virtualMachines"),
        ("/resourceGroups/lab/providers/Microsoft.Sql/servers/one/databases/two", "servers/databases"),
        ("/providers/Microsoft.NetApp/locations/westus2/regionInfo", "locations/regionInfo"),
        ("/resourceGroups/lab/providers/Microsoft.KeyVault/vaults/one/keys/two", "vaults/keys"),
    ],
)
def test_a_type_that_is_not_served_is_named_by_its_whole_path(
    practice_cloud: PracticeCloud, arm: Arm, path: str, kind: str
) -> None:
    """Recorded: 'locations/regionInfo' in the namespace 'Microsoft.NetApp'."""
    practice_cloud.wrong_on_purpose("providers/")
    status, code, said = refusal(arm, "GET", path, version="2023-07-01")
    assert (status, code) == (404, "InvalidResourceType")
    assert f"The resource type '{kind}' could not be found in the namespace 'Microsoft." in said


def test_two_slashes_are_one(practice_cloud: PracticeCloud, arm: Arm) -> None:
    """Documented: `DELETE https://management.azure.com//Subscriptions/…` (Azure Backup, REST)."""
    arm.make_group()
    address = f"{practice_cloud.resource_manager}//subscriptions/{arm.subscription}//resourceGroups/lab"
    answer = arm.http.get(address, params={"api-version": "2021-04-01"}, timeout=10)
    assert (answer.status_code, answer.json()["name"]) == (200, "lab")


def test_locks_are_made_seen_and_honored(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    arm.poll(arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE))
    lock = "/resourceGroups/lab/providers/Microsoft.Authorization/locks/keep"
    made = arm.ask("PUT", lock, {"properties": {"level": "CanNotDelete"}}, version=LOCKS)
    assert made.status_code == 201
    assert made.json() == {
        "properties": {"level": "CanNotDelete"},
        "id": f"{arm.base}{lock}",
        "type": "Microsoft.Authorization/locks",
        "name": "keep",
    }
    listed = arm.ask("GET", "/providers/Microsoft.Authorization/locks", version=LOCKS).json()["value"]
    assert [each["name"] for each in listed] == ["keep"]
    assert arm.ask("GET", f"{LAKE}/providers/Microsoft.Authorization/locks", version=LOCKS).json()["value"] == []
    for path, version in ((LAKE, STORAGE), ("/resourceGroups/lab", "2021-04-01")):
        status, code, said = refusal(arm, "DELETE", path, version=version)
        assert (status, code) == (409, "ScopeLocked")
        assert said.endswith(
            f" cannot perform delete operation because following scope(s) are locked: '{arm.base}/resourceGroups/lab'. "
            "Please remove the lock and try again."
        )
    assert arm.ask("PATCH", LAKE, {"tags": {"a": "b"}}, version=STORAGE).status_code == 200
    only = {"properties": {"level": "ReadOnly", "notes": "for now"}}
    assert arm.ask("PUT", lock, only, version=LOCKS).status_code == 200
    assert arm.ask("GET", lock, version=LOCKS).json()["properties"] == only["properties"]
    assert refusal(arm, "PATCH", LAKE, {"tags": {}}, version=STORAGE)[1] == "ScopeLocked"
    assert arm.ask("GET", LAKE, version=STORAGE).status_code == 200
    contributor = Arm(practice_cloud, user_token(practice_cloud, "contributor@practice.example"))
    assert refusal(contributor, "DELETE", lock, version=LOCKS)[1] == "AuthorizationFailed"
    assert arm.ask("DELETE", lock, version=LOCKS).status_code == 200
    assert arm.ask("DELETE", lock, version=LOCKS).status_code == 204
    assert arm.ask("DELETE", LAKE, version=STORAGE).status_code == 200


def test_a_lock_on_what_is_in_a_group_keeps_the_group(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("locks/keep")
    arm.make_group()
    arm.poll(arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE))
    lock = f"{LAKE}/providers/Microsoft.Authorization/locks/keep"
    assert refusal(arm, "PUT", lock, {"properties": {"level": "Sometimes"}}, version=LOCKS)[0] == 400
    arm.ask("PUT", lock, {"properties": {"level": "CanNotDelete"}}, version=LOCKS)
    status, code, said = refusal(arm, "DELETE", "/resourceGroups/lab", version="2021-04-01")
    assert (status, code) == (409, "ScopeLocked")
    assert f"'{arm.base}{LAKE}'" in said


def test_a_policy_refuses_what_is_written_and_never_what_is_read(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("policy")
    assert arm.ask("GET", "/resourceGroups").status_code == 200
    assert arm.ask("POST", "/providers/Microsoft.Storage/register").status_code == 200
    assert arm.error("PUT", "/resourcegroups/lab", {"location": "westeurope"}) == (403, "RequestDisallowedByPolicy")


def test_a_revoked_token_is_challenged_for_claims(practice_cloud: PracticeCloud, arm: Arm) -> None:
    """learn.microsoft.com/entra/identity-platform/app-resilience-continuous-access-evaluation."""
    practice_cloud.control.fault("revoked-token", times=1)
    answer = arm.ask("GET", "/resourceGroups")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    challenge = answer.headers["WWW-Authenticate"]
    assert 'error="insufficient_claims"' in challenge
    found = re.search(r'claims="([^"]+)"', challenge)
    assert found is not None
    claims = json.loads(base64.b64decode(found[1]))
    assert claims["access_token"]["nbf"]["essential"] is True
    assert claims["access_token"]["nbf"]["value"].isdigit()


def test_the_list_of_deleted_vaults_ends_with_an_empty_page(practice_cloud: PracticeCloud, arm: Arm) -> None:
    """Recorded: each page has a link, the last full one too."""
    arm.make_group()
    path = provider("KeyVault/vaults", "labvault1")
    arm.ask("PUT", path, vault_body(practice_cloud), version=VAULTS)
    arm.until(path, VAULTS)
    arm.ask("DELETE", path, version=VAULTS)
    first = arm.ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version=VAULTS).json()
    assert [each["name"] for each in first["value"]] == ["labvault1"]
    last = arm.http.get(first["nextLink"], timeout=10).json()
    assert last == {"value": []}


def test_no_managed_hsm_is_deleted_or_there(arm: Arm) -> None:
    for kind in ("deletedManagedHSMs", "managedHSMs"):
        answer = arm.ask("GET", f"/providers/Microsoft.KeyVault/{kind}", version="2023-07-01")
        assert (answer.status_code, answer.json()) == (200, {"value": []})


def test_a_workspace_that_is_there_is_updated_by_an_operation(practice_cloud: PracticeCloud, arm: Arm) -> None:
    """Recorded: a second PUT answers 201, `Updating`, with `Azure-AsyncOperation`."""
    arm.make_group()
    path = provider("Databricks/workspaces", "labspace")
    arm.poll(arm.ask("PUT", path, databricks_body(arm), version=DATABRICKS))
    before = arm.until(path, DATABRICKS)
    changed = {**databricks_body(arm), "tags": {"a": "b"}}
    answer = arm.ask("PUT", path, changed, version=DATABRICKS)
    assert answer.status_code == 201
    assert answer.json()["properties"]["provisioningState"] == "Updating"
    assert arm.poll(answer).json()["status"] == "Succeeded"
    after = arm.until(path, DATABRICKS)
    assert after["tags"] == {"a": "b"}
    assert after["properties"]["workspaceId"] == before["properties"]["workspaceId"]


def test_resources_are_listed_with_what_az_expands(arm: Arm) -> None:
    """`az resource list` asks for `createdTime,changedTime,provisioningState`."""
    arm.make_group()
    arm.poll(arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE))
    query = {"$expand": "createdTime,changedTime,provisioningState"}
    (found,) = arm.ask("GET", "/resources", version="2022-09-01", **query).json()["value"]
    assert found["provisioningState"] == "Succeeded"
    assert found["createdTime"].endswith("Z")
    assert "createdTime" not in arm.ask("GET", "/resources", version="2022-09-01").json()["value"][0]


def test_nobody_is_let_in_without_a_token_whatever_the_version(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose("2099")
    with session(practice_cloud) as nobody:
        address = f"{practice_cloud.resource_manager}/subscriptions?api-version=2099-01-01"
        assert nobody.get(address, timeout=10).status_code == 401
