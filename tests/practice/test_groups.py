from __future__ import annotations

import time

import pytest

from tests.practice.conftest import STORAGE, STORAGE_BODY, VAULTS, Arm, provider, user_token, vault_body
from tests.practice_cloud import PracticeCloud


def test_a_group_is_made_shown_changed_and_deleted(arm: Arm) -> None:
    made = arm.ask("PUT", "/resourcegroups/Lab-Dev", {"location": "West Europe", "tags": {"lab": "1"}})
    assert made.status_code == 201
    assert made.json()["location"] == "westeurope"
    assert made.json()["properties"] == {"provisioningState": "Succeeded"}
    assert arm.ask("HEAD", "/resourcegroups/lab-dev").status_code == 204
    again = arm.ask("PUT", "/resourcegroups/LAB-DEV", {"location": "westeurope", "tags": {}})
    assert (again.status_code, again.json()["name"]) == (200, "Lab-Dev")
    deleted = arm.ask("DELETE", "/resourcegroups/lab-dev")
    assert deleted.status_code == 202
    assert arm.ask("GET", "/resourcegroups/lab-dev").json()["properties"]["provisioningState"] == "Deleting"
    assert arm.error("PUT", "/resourcegroups/lab-dev", {"location": "westeurope"}) == (409, "ResourceGroupBeingDeleted")
    assert arm.poll(deleted).status_code == 200
    assert arm.error("GET", "/resourcegroups/lab-dev") == (404, "ResourceGroupNotFound")
    assert arm.ask("HEAD", "/resourcegroups/lab-dev").status_code == 404
    assert arm.error("DELETE", "/resourcegroups/lab-dev") == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("a b", {"location": "westeurope"}, (400, "InvalidResourceGroup")),
        ("ends.", {"location": "westeurope"}, (400, "InvalidResourceGroup")),
        ("lab", {"location": "narnia"}, (400, "LocationNotAvailableForResourceGroup")),
        ("lab", {}, (400, "LocationRequired")),
        ("lab", {"location": "westeurope", "tags": {"a": 1}}, (400, "InvalidRequestContent")),
    ],
)
def test_a_wrong_group_is_refused(arm: Arm, name: str, body: dict[str, object], expected: tuple[int, str]) -> None:
    assert arm.error("PUT", f"/resourcegroups/{name}", body) == expected


def test_a_group_cannot_move(arm: Arm) -> None:
    arm.make_group("lab", "westeurope")
    answer = arm.ask("PUT", "/resourcegroups/lab", {"location": "eastus"})
    assert answer.status_code == 409
    assert answer.json()["error"] == {
        "code": "InvalidResourceGroupLocation",
        "message": "Invalid resource group location 'eastus'. The Resource group already exists in location "
        "'westeurope'.",
    }


def test_every_request_needs_an_api_version(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose(r"GET /subscriptions/[^?]*$", "api-version=yesterday")
    assert arm.error("GET", "/resourcegroups", version="") == (400, "MissingApiVersionParameter")
    assert arm.error("GET", "/resourcegroups", version="yesterday") == (400, "InvalidApiVersionParameter")


def test_what_is_not_served_is_said(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("nonsense", "PUT /subscriptions/[^/]+/resourcegroups\\?")
    assert arm.error("GET", "/nonsense") == (404, "NotFound")
    assert arm.error("GET", "/providers/Microsoft.Storage/nonsense") == (404, "InvalidResourceType")
    assert arm.error("PUT", "/resourcegroups", {}) == (405, "HttpMethodNotAllowed")


def test_an_unknown_subscription_is_said(practice_cloud: PracticeCloud) -> None:
    token = user_token(practice_cloud)
    unknown = Arm(practice_cloud, token, "00000000-0000-0000-0000-000000000000")
    assert unknown.error("GET", "/resourcegroups") == (404, "SubscriptionNotFound")
    assert Arm(practice_cloud, token, "abc").error("GET", "/resourcegroups") == (400, "InvalidSubscriptionId")


def test_a_provider_has_to_be_registered_first_and_that_takes_time(practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(speed=120)
    arm = Arm(practice_cloud, user_token(practice_cloud))
    arm.make_group()
    answer = arm.ask("PUT", provider("Storage/storageAccounts", "lake"), STORAGE_BODY, version=STORAGE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MissingSubscriptionRegistration")
    assert answer.json()["error"]["details"][0]["target"] == "Microsoft.Storage"
    assert arm.ask("GET", "/providers/Microsoft.Storage").json()["registrationState"] == "NotRegistered"
    registered = arm.ask("POST", "/providers/Microsoft.Storage/register").json()
    assert registered["registrationState"] == "Registering"
    time.sleep(0.6)
    assert arm.ask("GET", "/providers/microsoft.storage").json()["registrationState"] == "Registered"
    assert arm.error("GET", "/providers/Microsoft.Nonsense") == (404, "InvalidResourceNamespace")


def test_a_list_comes_in_pages(arm: Arm) -> None:
    for number in range(5):
        arm.make_group(f"lab-{number}")
    answer = arm.ask("GET", "/resourcegroups", **{"$top": "2"}).json()
    names = [each["name"] for each in answer["value"]]
    while "nextLink" in answer:
        answer = arm.http.get(answer["nextLink"], timeout=10).json()
        names += [each["name"] for each in answer["value"]]
    assert names == [f"lab-{number}" for number in range(5)]


def test_resources_are_listed_and_filtered(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    body = {**STORAGE_BODY, "tags": {"lab": "abc"}}
    arm.poll(arm.ask("PUT", provider("Storage/storageAccounts", "labdata1"), body, version=STORAGE))
    arm.ask("PUT", provider("KeyVault/vaults", "lab-kv"), vault_body(practice_cloud), version=VAULTS)

    def names(scope: str, **query: str) -> list[str]:
        return [each["name"] for each in arm.ask("GET", scope, **query).json()["value"]]

    inside = "/resourceGroups/lab/resources"
    assert names(inside) == ["labdata1", "lab-kv"]
    assert names("/resources", **{"$filter": "resourceType eq 'Microsoft.KeyVault/vaults'"}) == ["lab-kv"]
    assert names(inside, **{"$filter": "tagName eq 'lab' and tagValue eq 'abc'"}) == ["labdata1"]
    practice_cloud.wrong_on_purpose("nonsense")
    assert arm.error("GET", inside, **{"$filter": "nonsense"}) == (400, "InvalidFilterInQueryString")
    assert arm.error("GET", "/resourceGroups/none/resources") == (404, "ResourceGroupNotFound")


def test_deleting_a_group_deletes_what_is_in_it_and_keeps_vaults_recoverable(
    practice_cloud: PracticeCloud, arm: Arm
) -> None:
    arm.make_group()
    arm.poll(arm.ask("PUT", provider("Storage/storageAccounts", "labdata1"), STORAGE_BODY, version=STORAGE))
    arm.ask("PUT", provider("KeyVault/vaults", "lab-kv"), vault_body(practice_cloud), version=VAULTS)
    arm.poll(arm.ask("DELETE", "/resourceGroups/lab"))
    assert arm.ask("GET", "/resources").json() == {"value": []}
    deleted = arm.ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version=VAULTS).json()["value"]
    assert [each["name"] for each in deleted] == ["lab-kv"]


def test_answers_carry_the_ids_that_support_asks_for(arm: Arm) -> None:
    headers = {"x-ms-client-request-id": "mine", "x-ms-return-client-request-id": "true"}
    arm.http.headers.update(headers)
    answer = arm.ask("GET", "/resourcegroups")
    assert answer.headers["x-ms-client-request-id"] == "mine"
    assert {"x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id"} <= set(answer.headers)
