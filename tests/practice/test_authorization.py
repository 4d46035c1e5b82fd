from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.arm import roles
from hol_wizard.practice.databricks.runtimes import SIZES
from tests.practice.conftest import STORAGE, STORAGE_BODY, Arm, provider, session, user_token
from tests.practice.test_databricks import ONE_NODE, make_workspace
from tests.practice_cloud import SPEED, PracticeCloud

VERSION = "2022-04-01"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
ROLE, OTHER_ROLE = roles.STORAGE_BLOB_DATA_CONTRIBUTOR, roles.STORAGE_BLOB_DATA_READER


def body(arm: Arm, principal: str, role: str = ROLE, **more: Any) -> dict[str, Any]:
    return {"properties": {"roleDefinitionId": f"{arm.base}{DEFINITIONS}/{role}", "principalId": principal, **more}}


def path(name: str | uuid.UUID, scope: str = "/resourceGroups/lab") -> str:
    return f"{scope}{ASSIGNMENTS}/{name}"


def as_user(cloud: PracticeCloud, name: str) -> Arm:
    return Arm(cloud, user_token(cloud, f"{name}@practice.example"))


def given_to(arm: Arm, principal: str, scope: str = "", **query: str) -> list[str]:
    listed = arm.ask("GET", f"{scope}{ASSIGNMENTS}", version=VERSION, **query)
    assert listed.status_code == 200
    return [
        each["properties"]["roleDefinitionId"].rpartition("/")[2]
        for each in listed.json()["value"]
        if each["properties"]["principalId"] == principal
    ]


def test_a_role_is_given_shown_and_taken_back(arm: Arm) -> None:
    arm.make_group()
    address, reader = path(uuid.uuid4()), seed.READER_USER.id
    made = arm.ask("PUT", address, body(arm, reader, description="for the lab"), version=VERSION)
    assert made.status_code == 201
    properties = made.json()["properties"]
    assert properties["principalType"] == "User"
    assert properties["scope"] == f"{arm.base}/resourceGroups/lab"
    assert properties["createdBy"] == seed.ATTENDEE.id
    assert properties["description"] == "for the lab"
    assert arm.ask("GET", address, version=VERSION).json() == made.json()
    assert arm.ask("PUT", address, body(arm, reader, description="for the lab"), version=VERSION).status_code == 200
    taken = arm.ask("DELETE", address, version=VERSION)
    assert (taken.status_code, taken.json()["id"]) == (200, made.json()["id"])
    assert arm.ask("DELETE", address, version=VERSION).status_code == 204
    assert arm.error("GET", address, version=VERSION) == (404, "RoleAssignmentNotFound")


def test_the_same_role_is_not_given_twice_under_two_names(arm: Arm) -> None:
    arm.make_group()
    first = path(uuid.uuid4())
    assert arm.ask("PUT", first, body(arm, seed.READER_USER.id), version=VERSION).status_code == 201
    again = arm.ask("PUT", path(uuid.uuid4()), body(arm, seed.READER_USER.id), version=VERSION)
    assert again.status_code == 409
    assert again.json()["error"] == {
        "code": "RoleAssignmentExists",
        "message": "The role assignment already exists.",
    }
    other = body(arm, seed.READER_USER.id, OTHER_ROLE)
    assert arm.error("PUT", first, other, version=VERSION) == (409, "RoleAssignmentUpdateNotPermitted")


def test_what_is_not_there_gets_no_role(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    unknown = arm.ask("PUT", path(uuid.uuid4()), body(arm, str(uuid.uuid4())), version=VERSION)
    assert unknown.status_code == 400
    assert unknown.json()["error"]["code"] == "PrincipalNotFound"
    assert "replication delay" in unknown.json()["error"]["message"]
    reader = seed.READER_USER.id
    for address, wanted, expected in (
        (path(uuid.uuid4()), body(arm, reader, str(uuid.uuid4())), (404, "RoleDefinitionDoesNotExist")),
        (path("my-role"), body(arm, reader), (400, "InvalidRoleAssignmentId")),
        (path(uuid.uuid4(), "/resourceGroups/none"), body(arm, reader), (404, "ResourceGroupNotFound")),
        (path(uuid.uuid4(), provider("Storage/storageAccounts", "none")), body(arm, reader), (404, "ResourceNotFound")),
    ):
        assert arm.error("PUT", address, wanted, version=VERSION) == expected


@pytest.mark.parametrize("who", ["reader", "contributor", "eligible"])
def test_only_who_may_give_roles_gives_them(practice_cloud: PracticeCloud, arm: Arm, who: str) -> None:
    arm.make_group()
    other = as_user(practice_cloud, who)
    answer = other.ask("PUT", path(uuid.uuid4()), body(other, seed.READER_USER.id), version=VERSION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")
    assert "'Microsoft.Authorization/roleAssignments/write'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("role", [roles.USER_ACCESS_ADMINISTRATOR, roles.ROLE_BASED_ACCESS_CONTROL_ADMINISTRATOR])
def test_there_are_roles_that_only_give_roles(practice_cloud: PracticeCloud, arm: Arm, role: str) -> None:
    arm.make_group()
    given = arm.ask("PUT", path(uuid.uuid4()), body(arm, seed.STRANGER.id, role), version=VERSION)
    assert given.status_code == 201
    stranger = as_user(practice_cloud, "stranger")
    address = path(uuid.uuid4())
    assert stranger.ask("PUT", address, body(arm, seed.READER_USER.id), version=VERSION).status_code == 201
    assert stranger.ask("DELETE", address, version=VERSION).status_code == 200
    made = stranger.error("PUT", provider("Storage/storageAccounts", "labdata1"), STORAGE_BODY, version=STORAGE)
    assert made == (403, "AuthorizationFailed")


def test_roles_are_listed_by_scope_and_by_who_has_them(arm: Arm) -> None:
    arm.make_group()
    arm.make_group("other")
    reader = seed.READER_USER.id
    arm.ask("PUT", path(uuid.uuid4()), body(arm, reader), version=VERSION)
    arm.ask("PUT", path(uuid.uuid4(), "/resourceGroups/other"), body(arm, reader, OTHER_ROLE), version=VERSION)
    inside = "/resourceGroups/lab"
    assert sorted(given_to(arm, reader)) == sorted([roles.READER, ROLE, OTHER_ROLE])
    assert sorted(given_to(arm, reader, inside)) == sorted([roles.READER, ROLE])
    assert sorted(given_to(arm, reader, inside, **{"$filter": f"principalId eq '{reader}'"})) == sorted(
        [roles.READER, ROLE]
    )
    assert given_to(arm, reader, "", **{"$filter": "atScope()"}) == [roles.READER]
    assert given_to(arm, seed.ATTENDEE.id, inside, **{"$filter": f"assignedTo('{reader}')"}) == []


def test_roles_go_with_what_they_were_given_on(arm: Arm) -> None:
    arm.make_group()
    account = provider("Storage/storageAccounts", "labdata1")
    arm.poll(arm.ask("PUT", account, STORAGE_BODY, version=STORAGE))
    reader = seed.READER_USER.id
    arm.ask("PUT", path(uuid.uuid4(), account), body(arm, reader), version=VERSION)
    arm.ask("PUT", path(uuid.uuid4()), body(arm, reader, OTHER_ROLE), version=VERSION)
    assert len(given_to(arm, reader)) == 3
    arm.ask("DELETE", account, version=STORAGE)
    assert sorted(given_to(arm, reader)) == sorted([roles.READER, OTHER_ROLE])
    arm.poll(arm.ask("DELETE", "/resourceGroups/lab"))
    assert given_to(arm, reader) == [roles.READER]


def test_a_role_counts_for_resources_at_once_and_for_data_after_a_while(
    practice_cloud: PracticeCloud, arm: Arm
) -> None:
    arm.make_group()
    account = provider("Storage/storageAccounts", "labdata1")
    arm.poll(arm.ask("PUT", account, STORAGE_BODY, version=STORAGE))
    practice_cloud.control.settings(speed=120)
    reader = user_token(practice_cloud, "reader@practice.example", "https://storage.azure.com/.default")
    arm.ask("PUT", path(uuid.uuid4(), account), body(arm, seed.READER_USER.id), version=VERSION)
    assert ROLE in given_to(arm, seed.READER_USER.id, account)
    address = f"{practice_cloud.endpoints['storage_dfs']}/labdata1/lake"
    headers = {"Authorization": f"Bearer {reader}", "x-ms-version": "2023-11-03"}
    statuses = []
    for wait in (0, 1.2):
        time.sleep(wait)
        asked = arm.http.put(address, params={"resource": "filesystem"}, headers=headers, timeout=10)
        statuses.append(asked.status_code)
    practice_cloud.control.settings(speed=SPEED)
    assert statuses == [403, 201]


def test_roles_are_found_by_name(arm: Arm) -> None:
    found = arm.ask("GET", DEFINITIONS, version=VERSION, **{"$filter": "roleName eq 'key vault secrets user'"})
    (role,) = found.json()["value"]
    assert role["name"] == roles.KEY_VAULT_SECRETS_USER
    (permission,) = role["properties"]["permissions"]
    assert "Microsoft.KeyVault/vaults/secrets/getSecret/action" in permission["dataActions"]
    assert arm.ask("GET", f"{DEFINITIONS}/{role['name']}", version=VERSION).json()["properties"] == role["properties"]
    unknown = f"{DEFINITIONS}/{uuid.uuid4()}"
    assert arm.error("GET", unknown, version=VERSION) == (404, "RoleDefinitionDoesNotExist")
    assert len(arm.ask("GET", DEFINITIONS, version=VERSION).json()["value"]) == len(roles.ROLES)


def test_permissions_tell_data_actions_apart(arm: Arm) -> None:
    arm.make_group()
    arm.ask("PUT", path(uuid.uuid4()), body(arm, seed.ATTENDEE.id, roles.STORAGE_BLOB_DATA_OWNER), version=VERSION)
    seen = arm.ask("GET", "/resourceGroups/lab/providers/Microsoft.Authorization/permissions", version=VERSION)
    owner, blob_owner = seen.json()["value"]
    assert (owner["actions"], owner["dataActions"]) == (["*"], [])
    assert blob_owner["dataActions"] == ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"]


def test_who_could_activate_a_role_is_told_from_who_may_not(practice_cloud: PracticeCloud) -> None:
    eligible = "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances"
    seen = {}
    for who in ("eligible", "contributor"):
        answer = as_user(practice_cloud, who).ask("GET", eligible, version="2020-10-01", **{"$filter": "asTarget()"})
        seen[who] = [each["properties"]["roleDefinitionId"].rpartition("/")[2] for each in answer.json()["value"]]
    assert seen == {"eligible": [roles.OWNER], "contributor": []}


def test_quotas_are_told_by_family_and_in_all(practice_cloud: PracticeCloud, arm: Arm) -> None:
    address = "/providers/Microsoft.Compute/locations/westeurope/usages"

    def limits() -> dict[str, int]:
        usages = arm.ask("GET", address, version="2024-11-01").json()["value"]
        assert {each["currentValue"] for each in usages} == {0}
        return {each["name"]["value"]: each["limit"] for each in usages}

    assert limits()["cores"] == limits()["standardDDSv5Family"] == 100
    practice_cloud.control.settings(quota={"standardDDSv5Family": 0, "cores": 10})
    assert (limits()["cores"], limits()["standardDDSv5Family"], limits()["standardDSv2Family"]) == (10, 0, 100)
    nowhere = "/providers/Microsoft.Compute/locations/narnia/usages"
    assert arm.error("GET", nowhere, version="2024-11-01") == (400, "LocationNotAvailableForResourceType")


def test_cores_in_use_are_those_of_running_clusters(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    workspace = make_workspace(arm)
    asking = session(practice_cloud)
    scope = f"{practice_cloud.endpoints['audiences']['databricks']}/.default"
    asking.headers["Authorization"] = f"Bearer {user_token(practice_cloud, scope=scope)}"
    asking.headers["X-Databricks-Azure-Workspace-Resource-Id"] = workspace["id"]
    address = f"https://{workspace['properties']['workspaceUrl']}/api/2.1/clusters/create"
    made = asking.post(address, json=ONE_NODE, timeout=10)
    assert made.status_code == 200, made.text
    asked = arm.ask("GET", "/providers/Microsoft.Compute/locations/westeurope/usages", version="2024-11-01")
    used = {each["name"]["value"]: each["currentValue"] for each in asked.json()["value"] if each["currentValue"]}
    assert used == {"cores": 4, SIZES[str(ONE_NODE["node_type_id"])].family: 4}
