"""Runs that use a service connection and a group of a key vault: permissions, secrets, sign-in to Azure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from tests.practice.conftest import Arm, provider, session, user_token, vault_body
from tests.practice.pipeline_ground import SECONDS, Ground
from tests.practice.test_assertions import EXCHANGE
from tests.practice.test_service_connections import Project as Connections
from tests.practice_cloud import PracticeCloud

CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
IDENTITIES = "2023-01-31"
VAULTS = "2023-07-01"
NAMES = {"acr-name": "labacr", "model-name": "a-model"}
YAML = """\
trigger: none
variables:
- group: lab
steps:
- bash: echo "the model is $(model-name) of [$MINE]"
  displayName: Say
  env:
    MINE: $(acr-name)
- task: AzureCLI@2
  displayName: Sign in
  inputs:
    azureSubscription: azure
    scriptType: bash
    scriptLocation: inlineScript
    inlineScript: |
      set -e
      az account get-access-token --resource https://management.azure.com/ --query tokenType --output tsv
"""


@dataclass
class Protected:
    """A pipeline, and what it must be allowed to use."""

    ground: Ground
    arm: Arm
    connection: str
    group: str

    def allow(self, kind: str, identity: str, pipeline: int = 1) -> None:
        """Let a pipeline use a resource."""
        body = {"pipelines": [{"id": pipeline, "authorized": True}]}
        path = f"/pipelines/pipelinepermissions/{kind}/{identity}"
        answer = self.ground.project.ask("PATCH", path, body, version="7.1-preview.1")
        assert answer.status_code == 200, answer.text

    def log(self, build: int, name: str) -> str:
        """Return the log of a step."""
        log = self.ground.record(build, name)["log"]["id"]
        return self.ground.project.ask("GET", f"/build/builds/{build}/logs/{log}").text


@pytest.fixture
def protected(practice_cloud: PracticeCloud, arm: Arm, tmp_path: Path) -> Protected:
    ground = Ground(practice_cloud, tmp_path)
    ground.begin()
    arm.make_group()
    deadline = time.monotonic() + SECONDS
    connections = Connections(ground.devops, ground.devops.ask("GET", "/projects/lab").json()["id"])
    connection, principal = connect(arm, connections)
    policy = {"objectId": principal, "tenantId": seed.TENANT, "permissions": {"secrets": ["get", "list"]}}
    own = {**policy, "objectId": seed.ATTENDEE.id, "permissions": {"secrets": ["get", "list", "set"]}}
    vault = provider("KeyVault/vaults", "lab-kv")
    properties = {"enableRbacAuthorization": False, "accessPolicies": [policy, own]}
    arm.ask("PUT", vault, vault_body(practice_cloud, **properties), version=VAULTS)
    uri = arm.until(vault, VAULTS)["properties"]["vaultUri"]
    token = user_token(practice_cloud, scope="https://vault.azure.net/.default")
    for name, value in NAMES.items():
        while set_secret(practice_cloud, f"{uri}secrets/{name}", value, token).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    group = connections.ask("POST", "/distributedtask/variablegroups", connections.group(connection))
    assert group.status_code == 200, group.text
    ground.push(YAML, "Added a pipeline")
    ground.project.create()
    return Protected(ground, arm, connection, str(group.json()["id"]))


def connect(arm: Arm, connections: Connections) -> tuple[str, str]:
    """Make the connection `azure` of a managed identity with the role Contributor, and wait until it is ready.

    Returns:
        The IDs of the connection and of the identity's principal.
    """
    identity = provider("ManagedIdentity/userAssignedIdentities", "build-id")
    made = arm.ask("PUT", identity, {"location": "westeurope"}, version=IDENTITIES).json()["properties"]
    body = connections.connection()
    body["authorization"]["parameters"]["serviceprincipalid"] = made["clientId"]
    connection = connections.ask("POST", "/serviceendpoint/endpoints", body).json()
    parameters = connection["authorization"]["parameters"]
    federated = {
        "issuer": parameters["workloadIdentityFederationIssuer"],
        "subject": parameters["workloadIdentityFederationSubject"],
        "audiences": [EXCHANGE],
    }
    path = f"{identity}/federatedIdentityCredentials/devops"
    assert arm.ask("PUT", path, {"properties": federated}, version=IDENTITIES).status_code == 201
    make_contributor(arm, made["principalId"])
    deadline = time.monotonic() + SECONDS
    while not connections.ask("GET", f"/serviceendpoint/endpoints/{connection['id']}", inside=True).json()["isReady"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return str(connection["id"]), str(made["principalId"])


def make_contributor(arm: Arm, principal: str) -> None:
    """Give an identity the role Contributor, as soon as its principal is known."""
    properties = {
        "roleDefinitionId": f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{CONTRIBUTOR}",
        "principalId": principal,
        "principalType": "ServicePrincipal",
    }
    path = f"/resourceGroups/lab/providers/Microsoft.Authorization/roleAssignments/{seed.fixed_id(principal)}"
    deadline = time.monotonic() + SECONDS
    while arm.ask("PUT", path, {"properties": properties}, version="2022-04-01").status_code != 201:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def set_secret(cloud: PracticeCloud, address: str, value: str, token: str) -> requests.Response:
    with session(cloud) as asking:
        return asking.put(
            address,
            params={"api-version": "7.4"},
            json={"value": value},
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )


def checkpoint(ground: Ground, build: int) -> dict[str, Any]:
    """Wait until a run waits for permission, and return the record."""
    deadline = time.monotonic() + SECONDS
    while True:
        for each in ground.timeline(build):
            if each["type"] == "Checkpoint.Authorization" and each["state"] == "inProgress":
                return each
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_run_waits_for_permissions_and_then_reads_the_vault_as_the_connection(protected: Protected) -> None:
    ground = protected.ground
    number = ground.queue()["id"]
    waiting = checkpoint(ground, number)
    assert "needs permission to access 2 resources" in waiting["currentOperation"]
    assert ground.project.get(f"/build/builds/{number}")["status"] in {"notStarted", "inProgress"}
    protected.allow("variablegroup", protected.group)
    assert checkpoint(ground, number)["currentOperation"].startswith(
        "This pipeline needs permission to access a resource"
    )
    protected.allow("endpoint", protected.connection)
    build = ground.wait(number)
    assert build["result"] == "succeeded", protected.log(number, "Sign in")
    said = protected.log(number, "Say")
    assert "the model is *** of [***]" in said
    assert not any(value in said for value in NAMES.values())
    assert "Bearer" in protected.log(number, "Sign in")
    history = f"/serviceendpoint/{protected.connection}/executionhistory"
    uses = ground.project.get(history)["value"]
    assert {each["data"]["owner"]["id"] for each in uses} == {number}


def test_a_secret_that_is_gone_fails_the_job_with_the_vaults_words(protected: Protected) -> None:
    ground = protected.ground
    protected.allow("variablegroup", protected.group)
    protected.allow("endpoint", protected.connection)
    vault = provider("KeyVault/vaults", "lab-kv")
    closed = {"enableRbacAuthorization": False, "accessPolicies": []}
    assert protected.arm.ask("PUT", vault, vault_body(ground.cloud, **closed), version=VAULTS).status_code == 200
    build = ground.run()
    assert build["result"] == "failed"
    failed = next(each for each in ground.timeline(build["id"]) if each["name"].startswith("Download secrets"))
    assert failed["result"] == "failed"
    assert "does not have secrets get permission" in failed["issues"][0]["message"]


def test_a_connection_that_is_not_there_is_named_before_the_run(protected: Protected) -> None:
    ground = protected.ground
    ground.cloud.wrong_on_purpose("POST .*/build/builds")
    ground.push(YAML.replace("azureSubscription: azure", "azureSubscription: other"))
    answer = ground.project.ask("POST", "/build/builds", {"definition": {"id": 1}})
    assert answer.status_code == 400
    (problem,) = answer.json()["customProperties"]["ValidationResults"]
    assert "service connection other which could not be found" in problem["message"]
    assert "connectedServiceNameARM" in problem["message"]
