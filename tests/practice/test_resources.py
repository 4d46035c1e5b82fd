from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline import policies
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from azure.mgmt.core.polling.arm_polling import ARMPolling

from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from tests.practice.conftest import (
    DATABRICKS,
    INSIGHTS,
    LOGS,
    MACHINE_LEARNING,
    MANAGEMENT,
    REGISTRIES,
    STORAGE,
    STORAGE_BODY,
    VAULTS,
    Arm,
    databricks_body,
    provider,
    vault_body,
)
from tests.practice_cloud import PracticeCloud

LAKE = provider("Storage/storageAccounts", "labdata1")
WORKSPACE = provider("Databricks/workspaces", "lab-dbx")
REGISTRY = provider("ContainerRegistry/registries", "labacr1")


def make_lake(arm: Arm, name: str = "labdata1", **properties: Any) -> str:
    body = {**STORAGE_BODY, "properties": {**STORAGE_BODY["properties"], **properties}}  # type: ignore[dict-item]
    path = provider("Storage/storageAccounts", name)
    accepted = arm.ask("PUT", path, body, version=STORAGE)
    assert accepted.status_code == 202
    return str(arm.poll(accepted).json()["id"])


def make_dependants(practice_cloud: PracticeCloud, arm: Arm) -> dict[str, str]:
    storage = make_lake(arm, "labml1", isHnsEnabled=False)
    vault = provider("KeyVault/vaults", "lab-ml-kv")
    arm.ask("PUT", vault, vault_body(practice_cloud), version=VAULTS)
    logs = provider("OperationalInsights/workspaces", "lab-logs")
    made = arm.ask("PUT", logs, {"location": "westeurope", "properties": {"sku": {"name": "PerGB2018"}}}, version=LOGS)
    assert (made.status_code, made.json()["properties"]["provisioningState"]) == (201, "Creating")
    arm.until(logs, LOGS)
    insights = {"location": "westeurope", "kind": "web", "properties": {"Application_Type": "web"}}
    insights["properties"]["WorkspaceResourceId"] = arm.base + logs  # type: ignore[index]
    component = arm.ask("PUT", provider("Insights/components", "lab-ai"), insights, version=INSIGHTS)
    assert component.status_code == 200
    arm.until(vault, VAULTS)
    return {
        "storageAccount": storage,
        "keyVault": arm.base + vault,
        "applicationInsights": arm.base + provider("Insights/components", "lab-ai"),
    }


def test_a_storage_account_is_creating_and_then_there(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.settings(speed=100)
    arm.make_group()
    accepted = arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE)
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert "/asyncoperations/" in accepted.headers["Location"]
    assert arm.ask("GET", LAKE, version=STORAGE).json()["properties"]["provisioningState"] == "Creating"
    assert arm.error("PUT", LAKE, STORAGE_BODY, version=STORAGE) == (409, "StorageAccountOperationInProgress")
    made = arm.poll(accepted).json()
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert (made["properties"]["accessTier"], made["properties"]["isHnsEnabled"]) == ("Cool", True)
    assert made["properties"]["primaryEndpoints"]["dfs"].endswith("/labdata1/")
    assert arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE).status_code == 200


@pytest.mark.parametrize(
    ("name", "code"),
    [("practicetaken", "StorageAccountAlreadyTaken"), ("Upper", "AccountNameInvalid"), ("ab", "AccountNameInvalid")],
)
def test_a_storage_name_is_checked_by_both_ways(arm: Arm, name: str, code: str) -> None:
    arm.make_group()
    _, refused = arm.error("PUT", provider("Storage/storageAccounts", name), STORAGE_BODY, version=STORAGE)
    assert refused == code
    body = {"name": name, "type": "Microsoft.Storage/storageAccounts"}
    said = arm.ask("POST", "/providers/Microsoft.Storage/checkNameAvailability", body, version=STORAGE).json()
    assert said["nameAvailable"] is False
    assert said["reason"] == ("AlreadyExists" if "Taken" in code else "AccountNameInvalid")


def test_a_name_that_nobody_has_is_available(arm: Arm) -> None:
    for kind, name, version in (
        ("Storage/storageAccounts", "labfree1", STORAGE),
        ("KeyVault/vaults", "lab-free", VAULTS),
        ("ContainerRegistry/registries", "labfree1", REGISTRIES),
    ):
        namespace = "Microsoft." + kind.partition("/")[0]
        body = {"name": name, "type": f"Microsoft.{kind}"}
        said = arm.ask("POST", f"/providers/{namespace}/checkNameAvailability", body, version=version)
        assert said.json() == {"nameAvailable": True}


def test_what_cannot_be_changed_is_refused(arm: Arm) -> None:
    arm.make_group()
    make_lake(arm, isHnsEnabled=False)
    assert arm.error("PUT", LAKE, STORAGE_BODY, version=STORAGE) == (409, "AccountPropertyCannotBeUpdated")
    moved = {**STORAGE_BODY, "location": "eastus"}
    assert arm.error("PUT", LAKE, moved, version=STORAGE) == (409, "InvalidResourceLocation")


def test_what_is_not_there_is_said_in_the_words_of_arm(arm: Arm) -> None:
    assert arm.error("GET", LAKE, version=STORAGE) == (404, "ResourceGroupNotFound")
    arm.make_group()
    answer = arm.ask("GET", LAKE, version=STORAGE)
    assert answer.json()["error"]["message"].startswith(
        "The Resource 'Microsoft.Storage/storageAccounts/labdata1' under resource group 'lab' was not found."
    )
    assert arm.ask("DELETE", LAKE, version=STORAGE).status_code == 204


def test_a_body_that_is_no_json_is_refused(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("PUT .*resourcegroups/bad")
    address = f"{practice_cloud.resource_manager}{arm.base}/resourcegroups/bad?api-version=2025-04-01"
    answer = arm.http.put(address, data="{", headers={"Content-Type": "application/json"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_a_databricks_workspace_brings_its_managed_group_and_takes_it_away(
    practice_cloud: PracticeCloud, arm: Arm
) -> None:
    practice_cloud.control.settings(speed=400)
    arm.make_group()
    accepted = arm.ask("PUT", WORKSPACE, databricks_body(arm), version=DATABRICKS)
    assert accepted.status_code == 201
    assert accepted.json()["properties"]["provisioningState"] == "Accepted"
    assert "workspaceUrl" not in accepted.json()["properties"]
    assert arm.poll(accepted).json() == {"status": "Succeeded"}
    found = arm.ask("GET", WORKSPACE, version=DATABRICKS).json()["properties"]
    assert found["workspaceUrl"].startswith("127.0.0.1:")
    managed = arm.ask("GET", "/resourceGroups/databricks-rg").json()
    assert managed["managedBy"] == arm.base + WORKSPACE
    assert arm.error("DELETE", "/resourceGroups/databricks-rg") == (403, "DenyAssignmentAuthorizationFailed")
    deleted = arm.ask("DELETE", WORKSPACE, version=DATABRICKS)
    assert deleted.status_code == 202
    again = arm.ask("DELETE", WORKSPACE, version=DATABRICKS)
    assert again.headers["Location"] == deleted.headers["Location"]
    assert arm.poll(deleted).json() == {"status": "Succeeded"}
    assert arm.ask("GET", "/resourceGroups/databricks-rg").status_code == 404
    assert arm.ask("GET", WORKSPACE, version=DATABRICKS).status_code == 404


def test_a_managed_group_that_exists_fails_the_workspace_later(arm: Arm) -> None:
    arm.make_group()
    arm.make_group("databricks-rg")
    accepted = arm.ask("PUT", WORKSPACE, databricks_body(arm), version=DATABRICKS)
    failed = arm.poll(accepted).json()
    assert failed["status"] == "Failed"
    assert failed["error"]["code"] == "ApplianceProvisioningFailed"
    assert arm.ask("GET", WORKSPACE, version=DATABRICKS).json()["properties"]["provisioningState"] == "Failed"
    retried = arm.ask("PUT", WORKSPACE, databricks_body(arm, "another-rg"), version=DATABRICKS)
    assert arm.poll(retried).json() == {"status": "Succeeded"}


def test_the_databricks_rules_of_2026(arm: Arm) -> None:
    arm.make_group()
    without = databricks_body(arm)
    del without["properties"]["computeMode"]
    assert arm.error("PUT", WORKSPACE, without, version=DATABRICKS) == (400, "BadRequest")
    standard = {**databricks_body(arm), "sku": {"name": "standard"}}
    assert arm.error("PUT", WORKSPACE, standard, version=DATABRICKS) == (400, "BadRequest")
    arm.poll(arm.ask("PUT", WORKSPACE, databricks_body(arm), version=DATABRICKS))
    other = databricks_body(arm, "another-rg")
    assert arm.error("PUT", WORKSPACE, other, version=DATABRICKS) == (400, "ApplianceManagedResourceGroupMismatch")


def test_a_machine_learning_workspace_needs_what_it_depends_on(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    path = provider("MachineLearningServices/workspaces", "lab-ml")
    body: dict[str, Any] = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "sku": {"name": "Basic"}}
    body["properties"] = {"storageAccount": arm.base + LAKE, "keyVault": "", "applicationInsights": ""}
    assert arm.error("PUT", path, body, version=MACHINE_LEARNING) == (400, "BadRequest")
    body["properties"] = make_dependants(practice_cloud, arm)
    missing = {**body, "properties": {**body["properties"], "storageAccount": arm.base + LAKE}}
    assert arm.error("PUT", path, missing, version=MACHINE_LEARNING) == (404, "ResourceNotFound")
    lake = make_lake(arm)
    hierarchical = {**body, "properties": {**body["properties"], "storageAccount": lake}}
    assert arm.error("PUT", path, hierarchical, version=MACHINE_LEARNING) == (400, "BadRequest")
    accepted = arm.ask("PUT", path, body, version=MACHINE_LEARNING)
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert arm.http.get(accepted.headers["Location"], timeout=10).status_code in {200, 202}
    assert arm.poll(accepted).json()["status"] == "Succeeded"
    assert arm.http.get(accepted.headers["Location"], timeout=10).json()["name"] == "lab-ml"
    found = arm.ask("GET", path, version=MACHINE_LEARNING).json()
    assert found["properties"]["provisioningState"] == "Succeeded"
    assert found["identity"]["principalId"]
    assert arm.poll(arm.ask("DELETE", path, version=MACHINE_LEARNING)).json()["status"] == "Succeeded"
    assert arm.ask("GET", path, version=MACHINE_LEARNING).status_code == 404


@pytest.mark.parametrize("by", ["its own deletion", "its resource group's"])
def test_the_name_of_a_machine_learning_workspace_stays_in_use_until_it_is_purged(
    by: str, practice_cloud: PracticeCloud, arm: Arm
) -> None:
    def make() -> tuple[str, dict[str, Any]]:
        arm.make_group()
        body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "sku": {"name": "Basic"}}
        return provider("MachineLearningServices/workspaces", "lab-ml"), {
            **body,
            "properties": make_dependants(practice_cloud, arm),
        }

    path, body = make()
    arm.poll(arm.ask("PUT", path, body, version=MACHINE_LEARNING))
    if by == "its own deletion":
        arm.poll(arm.ask("DELETE", path, version=MACHINE_LEARNING))
    else:
        vault = "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/lab-ml-kv/purge"
        arm.poll(arm.ask("DELETE", f"/resourceGroups/{path.split('/')[2]}", version="2021-04-01"))
        arm.poll(arm.ask("POST", vault, version=VAULTS))
        path, body = make()
    refused = arm.ask("PUT", path, body, version=MACHINE_LEARNING)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("Soft-deleted workspace exists.")
    assert arm.ask("GET", path, version=MACHINE_LEARNING).status_code == 404
    assert arm.ask("DELETE", path, version=MACHINE_LEARNING).status_code == 204
    assert arm.ask("PUT", path, body, version=MACHINE_LEARNING).status_code == 400
    purge = {"forceToPurge": "true"}
    assert arm.ask("DELETE", path, version=MACHINE_LEARNING, **purge).status_code == 204
    arm.poll(arm.ask("PUT", path, body, version=MACHINE_LEARNING))
    arm.poll(arm.ask("DELETE", path, version=MACHINE_LEARNING, **purge))
    assert arm.ask("PUT", path, body, version=MACHINE_LEARNING).status_code == 202


def test_a_container_registry_is_made_and_deleted(arm: Arm) -> None:
    arm.make_group()
    body = {"location": "westeurope", "sku": {"name": "Basic"}}
    accepted = arm.ask("PUT", REGISTRY, body, version=REGISTRIES)
    assert (accepted.status_code, accepted.json()["properties"]["provisioningState"]) == (201, "Creating")
    assert arm.poll(accepted).json()["status"] == "Succeeded"
    assert arm.ask("GET", REGISTRY, version=REGISTRIES).json()["properties"]["loginServer"].startswith("127.0.0.1:")
    taken = provider("ContainerRegistry/registries", "practicetaken")
    assert arm.error("PUT", taken, body, version=REGISTRIES) == (409, "AlreadyInUse")
    assert arm.poll(arm.ask("DELETE", REGISTRY, version=REGISTRIES)).status_code == 200
    assert arm.ask("GET", REGISTRY, version=REGISTRIES).status_code == 404


class Credential:
    """The attendee's token, as azure-core wants it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3000)


@pytest.mark.parametrize(
    ("path", "version", "body"),
    [
        (LAKE, STORAGE, STORAGE_BODY),
        (WORKSPACE, DATABRICKS, None),
        (REGISTRY, REGISTRIES, {"location": "westeurope", "sku": {"name": "Basic"}}),
        (provider("KeyVault/vaults", "lab-kv"), VAULTS, "vault"),
        (
            provider("OperationalInsights/workspaces", "lab-logs"),
            LOGS,
            {"location": "westeurope", "properties": {"sku": {"name": "PerGB2018"}}},
        ),
    ],
)
def test_azure_core_follows_every_style_of_operation_without_being_told(
    practice_cloud: PracticeCloud, arm: Arm, path: str, version: str, body: Any
) -> None:
    arm.make_group()
    body = databricks_body(arm) if body is None else vault_body(practice_cloud) if body == "vault" else body
    stack: list[Any] = [
        policies.RequestIdPolicy(),
        ARMChallengeAuthenticationPolicy(Credential(arm.token), MANAGEMENT),
    ]
    client: ARMPipelineClient[Any, Any] = ARMPipelineClient(
        base_url=practice_cloud.resource_manager, policies=stack, connection_verify=practice_cloud.ca_file
    )
    address = f"{practice_cloud.resource_manager}{arm.base}{path}?api-version={version}"
    first = client._pipeline.run(HttpRequest("PUT", address, json=body))
    first.http_response.read()
    before = time.monotonic()
    poller: LROPoller[Any] = LROPoller(
        client, first, lambda answer: answer.http_response.json(), ARMPolling(timeout=0.05)
    )
    made = poller.result()
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert time.monotonic() - before < 5


def test_whether_a_name_is_taken_is_asked_without_reading_every_resource(tmp_path: Path) -> None:
    world = World(Store(tmp_path / "cloud.sqlite"), Clock())
    resources = world.part(Resources)
    kind = "Microsoft.Storage/storageAccounts"
    ids = [f"/subscriptions/S/resourceGroups/g/providers/{kind}{rest}" for rest in ("/One", "/two", "/two/below/one")]
    with world.store.transaction():
        for each in (*ids, "/subscriptions/S/resourceGroups/g/providers/Other/storageAccounts/three"):
            resources.keep({"id": each})
    with world.store.transaction() as transaction:
        assert resources.ids_of(kind) == [each.lower() for each in ids[:2]]
        assert not transaction.view("resources").own
    world.store.close()
