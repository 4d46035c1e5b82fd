"""Security groups of projects, who is in them, and users who are added as the Azure CLI's extension does."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from tests.practice.conftest import session, user_token
from tests.practice.test_devops import SCOPE, DevOps
from tests.practice_cloud import PracticeCloud

GUEST = "guest@elsewhere.example"


@pytest.fixture
def devops(practice_cloud: PracticeCloud) -> DevOps:
    return DevOps(practice_cloud, user_token(practice_cloud, scope=SCOPE))


def ask(devops: DevOps, service: str, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
    address = f"{devops.cloud.endpoints[service]}/practice/_apis{path}"
    # JSON Patch has a type of its own (RFC 6902).
    headers = {"Content-Type": "application/json-patch+json"} if method == "PATCH" else {}
    query = {"api-version": "7.1-preview.1", **query}
    return devops.http.request(method, address, params=query, json=body, headers=headers, timeout=10)


def add_users(devops: DevOps, *mails: str, level: str = "express", op: str = "add") -> requests.Response:
    changes = [
        {
            "op": op,
            "path": "",
            "value": {
                "accessLevel": {"accountLicenseType": level},
                "extensions": [],
                "projectEntitlements": [],
                "user": {"subjectKind": "user", "principalName": mail},
            },
        }
        for mail in mails
    ]
    return ask(devops, "devops_entitlements", "PATCH", "/userentitlements", changes, doNotSendInviteForNewUsers="false")


def contributors(devops: DevOps, project: dict[str, Any]) -> str:
    scope = ask(devops, "devops_sps", "GET", f"/graph/descriptors/{project['id']}").json()["value"]
    groups = ask(devops, "devops_sps", "GET", "/graph/groups", scopeDescriptor=scope).json()["value"]
    assert {each["principalName"].partition("]")[0] for each in groups} == {f"[{project['name']}"}
    return str(next(each["descriptor"] for each in groups if each["displayName"] == "Contributors"))


def test_users_are_added_as_the_azure_cli_adds_them(devops: DevOps) -> None:
    added = add_users(devops, GUEST, seed.CONTRIBUTOR_USER.name).json()
    assert added["haveResultsSucceeded"] is True
    assert added["completed"] is True
    assert [each["result"]["user"]["mailAddress"] for each in added["results"]] == [GUEST, seed.CONTRIBUTOR_USER.name]
    listed = ask(devops, "devops_entitlements", "GET", "/userentitlements", **{"api-version": "7.1-preview.4"}).json()
    assert GUEST in {each["user"]["mailAddress"] for each in listed["members"]}


def test_one_who_cannot_be_added_does_not_hinder_the_others(devops: DevOps) -> None:
    added = add_users(devops, "no address", GUEST).json()
    assert added["haveResultsSucceeded"] is False
    assert [each["isSuccess"] for each in added["results"]] == [False, True]
    assert added["results"][0]["errors"][0]["value"]


def test_another_operation_than_to_add_users_is_refused(devops: DevOps) -> None:
    devops.cloud.wrong_on_purpose("PATCH /practice/_apis/userentitlements.*")
    for value in ({}, {"value": "x"}):
        changes = [{"op": "add", "path": "", **value}]
        assert ask(devops, "devops_entitlements", "PATCH", "/userentitlements", changes).status_code == 400
    assert add_users(devops, GUEST, op="remove").status_code == 400


def test_who_is_put_into_a_group_has_the_entitlement(devops: DevOps) -> None:
    project = devops.make()
    group, user = contributors(devops, project), add_users(devops, GUEST).json()["results"][0]["result"]
    found = ask(devops, "devops_sps", "GET", "/identities", searchFilter="General", filterValue=GUEST).json()["value"]
    assert [each["id"] for each in found] == [user["id"]]
    descriptor = ask(devops, "devops_sps", "GET", f"/graph/descriptors/{user['id']}").json()["value"]
    assert descriptor == user["user"]["descriptor"] == found[0]["subjectDescriptor"]
    place = f"/graph/memberships/{descriptor}/{group}"
    devops.cloud.wrong_on_purpose("(HEAD|GET|DELETE) /practice/_apis/graph/.*")
    assert ask(devops, "devops_sps", "HEAD", place).status_code == 404
    assert ask(devops, "devops_sps", "PUT", place).json()["containerDescriptor"] == group
    assert ask(devops, "devops_sps", "HEAD", place).status_code == 200
    members = ask(devops, "devops_sps", "GET", f"/graph/memberships/{group}", direction="down").json()["value"]
    assert [each["memberDescriptor"] for each in members] == [descriptor]
    asked = {"lookupKeys": [{"descriptor": descriptor}, {"descriptor": group}, {"descriptor": "vssgp.nobody"}]}
    subjects = ask(devops, "devops_sps", "POST", "/graph/subjectlookup", asked).json()["value"]
    assert {key: each["subjectKind"] for key, each in subjects.items()} == {descriptor: "user", group: "group"}
    query = {"api-version": "7.1-preview.4", "select": "projects"}
    listed = ask(devops, "devops_entitlements", "GET", "/userentitlements", **query).json()["members"]
    mine = next(each for each in listed if each["id"] == user["id"])
    assert [each["group"]["groupType"] for each in mine["projectEntitlements"]] == ["projectContributor"]
    assert ask(devops, "devops_sps", "DELETE", place).status_code == 200
    assert ask(devops, "devops_sps", "GET", place).status_code == 404


def test_who_does_not_administer_the_organization_changes_no_group(devops: DevOps) -> None:
    project = devops.make()
    group = contributors(devops, project)
    user = add_users(devops, GUEST).json()["results"][0]["result"]
    other = DevOps(devops.cloud, user_token(devops.cloud, seed.CONTRIBUTOR_USER.name, SCOPE))
    devops.cloud.wrong_on_purpose("(PUT|GET) /practice/_apis/graph/.*")
    answer = ask(other, "devops_sps", "PUT", f"/graph/memberships/{user['user']['descriptor']}/{group}")
    assert answer.status_code in {401, 403, 404}
    place = f"/graph/memberships/{user['user']['descriptor']}/{group}"
    assert ask(devops, "devops_sps", "GET", place).status_code == 404


@pytest.mark.parametrize("path", ["/graph/descriptors/00000000-0000-0000-0000-000000000001", "/graph/groups/vssgp.x"])
def test_what_is_not_there_is_not_found(devops: DevOps, path: str) -> None:
    devops.cloud.wrong_on_purpose("GET /practice/_apis/graph/.*")
    assert ask(devops, "devops_sps", "GET", path).status_code == 404


def test_nobody_without_a_token_sees_groups(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose("GET /practice/_apis/graph/groups")
    with session(practice_cloud) as asking:
        address = f"{practice_cloud.endpoints['devops_sps']}/practice/_apis/graph/groups"
        answer = asking.get(address, params={"api-version": "7.1-preview.1"}, timeout=10, allow_redirects=False)
    assert answer.status_code in {203, 302, 401}
