"""The workspaces: who comes in, clusters, libraries, tokens, secrets, commands."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk.core import Config

from hol_wizard.practice import seed
from hol_wizard.practice.arm.roles import CONTRIBUTOR, KEY_VAULT_SECRETS_USER
from hol_wizard.practice.databricks.runtimes import VERSIONS
from hol_wizard.practice.kernel import confinement
from hol_wizard.practice.process.launch import DATABASE_FILE
from tests.practice.conftest import (
    DATABRICKS,
    MANAGEMENT,
    VAULTS,
    Arm,
    databricks_body,
    post_token,
    provider,
    session,
    user_token,
    vault_body,
)
from tests.practice.data_planes import give
from tests.practice_cloud import PracticeCloud
from tests.processes import runs

SCOPE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"
RESOURCE_HEADER = "X-Databricks-Azure-Workspace-Resource-Id"
ML = "16.4.x-cpu-ml-scala2.13"
ONE_NODE = {
    "cluster_name": "cpu",
    "spark_version": ML,
    "node_type_id": "Standard_D4ds_v5",
    "kind": "CLASSIC_PREVIEW",
    "is_single_node": True,
    "data_security_mode": "DATA_SECURITY_MODE_DEDICATED",
    "single_user_name": "attendee@practice.example",
    "autotermination_minutes": 120,
    "custom_tags": {"hol-wizard": "abc"},
}
SCALED = {
    "cluster_name": "cpu",
    "spark_version": ML,
    "node_type_id": "Standard_D3_v2",
    "autoscale": {"min_workers": 2, "max_workers": 8},
    "autotermination_minutes": 120,
}


@dataclass
class Workspace:
    """Asks one workspace, as somebody."""

    cloud: PracticeCloud
    resource: dict[str, Any]
    token: str
    named: bool = True
    """Whether the header names the workspace."""
    http: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.http = session(self.cloud)
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        if self.named:
            self.http.headers[RESOURCE_HEADER] = self.resource["id"]

    @property
    def address(self) -> str:
        return f"https://{self.resource['properties']['workspaceUrl']}"

    def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> requests.Response:
        return self.http.request(method, f"{self.address}/api/{path}", params=query, json=body, timeout=20)

    def do(self, method: str, path: str, body: Any = None, /, **query: Any) -> dict[str, Any]:
        answer = self.ask(method, path, body, **query)
        assert answer.ok, answer.text
        return answer.json() if answer.content else {}

    def error(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, Any]:
        answer = self.ask(method, path, body, **query)
        return answer.status_code, answer.json()["error_code"]

    def cluster(self, body: dict[str, Any], state: str = "RUNNING") -> str:
        """Create a cluster and wait for a state."""
        made = str(self.do("POST", "2.1/clusters/create", body)["cluster_id"])
        self.until(made, state)
        return made

    def until(self, cluster: str, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = self.do("GET", "2.1/clusters/get", cluster_id=cluster)
            if found["state"] == state:
                return found
            time.sleep(0.03)
        raise TimeoutError(f"{cluster} is not {state}")


def make_workspace(arm: Arm, name: str = "practice-db") -> dict[str, Any]:
    """Make a workspace and return its resource when it is ready."""
    path = provider("Databricks/workspaces", name)
    assert arm.ask("PUT", path, databricks_body(arm, f"{name}-managed"), version=DATABRICKS).status_code == 201
    return arm.until(path, DATABRICKS)


def application_token(cloud: PracticeCloud, scope: str) -> str:
    """Return a token of the service principal that is there from the beginning."""
    known = cloud.endpoints["service_principal"]
    form = {"client_id": known["client_id"], "client_secret": known["client_secret"]}
    return str(
        post_token(cloud, known["tenant"], grant_type="client_credentials", scope=scope, **form).json()["access_token"]
    )


@pytest.fixture
def resource(arm: Arm) -> dict[str, Any]:
    """A workspace."""
    arm.make_group()
    return make_workspace(arm)


@pytest.fixture
def workspace(practice_cloud: PracticeCloud, resource: dict[str, Any]) -> Workspace:
    """The workspace, as the attendee who owns it."""
    return Workspace(practice_cloud, resource, user_token(practice_cloud, scope=SCOPE))


@pytest.fixture
def quick(practice_cloud: PracticeCloud) -> None:
    """Clusters that are up in a tenth of a second."""
    practice_cloud.control.settings(speed=6000)


def test_a_workspace_has_an_address_of_its_own_until_it_is_deleted(arm: Arm, workspace: Workspace) -> None:
    url = workspace.resource["properties"]["workspaceUrl"]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", url)
    about = workspace.http.get(f"{workspace.address}/.well-known/databricks-config", timeout=10).json()
    assert about["workspace_id"] == workspace.resource["properties"]["workspaceId"]
    workspace.do("GET", "2.0/preview/scim/v2/Me")
    arm.poll(arm.ask("DELETE", provider("Databricks/workspaces", "practice-db"), version=DATABRICKS))
    with pytest.raises(requests.ConnectionError):
        ask_until_it_is_gone(workspace)


def test_the_vendors_client_learns_the_tenant_without_a_sign_in(
    practice_cloud: PracticeCloud, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", practice_cloud.ca_file)
    config = Config(host=workspace.address, token="none", auth_type="pat")  # noqa: S106 there is none
    config.load_azure_tenant_id()  # type: ignore[no-untyped-call]  # it has no types
    assert config.azure_tenant_id == practice_cloud.endpoints["defaults"]["tenant"]


def ask_until_it_is_gone(workspace: Workspace) -> None:
    """Ask for ten seconds: a connection that is still open may be answered once more."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        workspace.ask("GET", "2.0/preview/scim/v2/Me")


def test_what_was_in_a_workspace_goes_with_it(arm: Arm, workspace: Workspace) -> None:
    workspace.do("POST", "2.1/clusters/create", ONE_NODE)
    workspace.do("POST", "2.0/token/create", {"comment": "x"})
    arm.poll(arm.ask("DELETE", provider("Databricks/workspaces", "practice-db"), version=DATABRICKS))
    database = sqlite3.connect(f"file:{workspace.cloud.state / DATABASE_FILE}?mode=ro", uri=True)
    left = database.execute("SELECT collection FROM documents WHERE collection LIKE 'databricks%'").fetchall()
    database.close()
    assert left == []


def test_an_owner_comes_in_by_naming_the_workspace_and_stays_in(
    practice_cloud: PracticeCloud, resource: dict[str, Any]
) -> None:
    token = user_token(practice_cloud, scope=SCOPE)
    unnamed = Workspace(practice_cloud, resource, token, named=False)
    refused = unnamed.ask("GET", "2.0/preview/scim/v2/Me")
    number = resource["properties"]["workspaceId"]
    assert (refused.status_code, refused.json()["message"]) == (403, f"Unauthorized access to Org: {number}")
    me = Workspace(practice_cloud, resource, token).do("GET", "2.0/preview/scim/v2/Me")
    assert me["userName"] == "attendee@practice.example"
    assert "admins" in [group["display"] for group in me["groups"]]
    assert unnamed.do("GET", "2.0/preview/scim/v2/Me")["id"] == me["id"]


def test_a_reader_is_not_let_in(practice_cloud: PracticeCloud, resource: dict[str, Any]) -> None:
    token = user_token(practice_cloud, "reader@practice.example", SCOPE)
    assert Workspace(practice_cloud, resource, token).error("GET", "2.0/preview/scim/v2/Me") == (403, 403)


def test_a_service_principal_shows_a_token_for_resource_manager_too(
    practice_cloud: PracticeCloud, resource: dict[str, Any]
) -> None:
    asking = Workspace(practice_cloud, resource, application_token(practice_cloud, SCOPE))
    assert asking.error("GET", "2.0/preview/scim/v2/Me") == (403, 403)
    management = application_token(practice_cloud, MANAGEMENT)
    asking.http.headers["X-Databricks-Azure-SP-Management-Token"] = management
    assert asking.do("GET", "2.0/preview/scim/v2/Me")["userName"] == seed.CI_PRINCIPAL.app_id


def test_a_token_for_something_else_or_none_is_refused(practice_cloud: PracticeCloud, resource: dict[str, Any]) -> None:
    for_arm = Workspace(practice_cloud, resource, user_token(practice_cloud))
    answer = for_arm.ask("GET", "2.0/preview/scim/v2/Me")
    assert answer.status_code == 400
    assert "Expected aud claim to be: 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d" in answer.json()["message"]
    for_arm.http.headers.pop("Authorization")
    assert for_arm.error("GET", "2.0/preview/scim/v2/Me") == (401, 401)
    assert Workspace(practice_cloud, resource, "dapi0").error("GET", "2.0/preview/scim/v2/Me") == (403, 403)


def test_an_expired_token_is_refused(workspace: Workspace) -> None:
    workspace.do("GET", "2.0/preview/scim/v2/Me")
    workspace.cloud.control.expire_tokens()
    answer = workspace.ask("GET", "2.0/preview/scim/v2/Me")
    assert (answer.status_code, answer.headers["X-Databricks-Reason-Phrase"]) == (
        403,
        "Token is expiring within 30 seconds. (token expired)",
    )


def test_a_personal_access_token_works_until_it_is_revoked(workspace: Workspace) -> None:
    made = workspace.do("POST", "2.0/token/create", {"comment": "lab", "lifetime_seconds": 86400})
    assert re.fullmatch(r"dapi[0-9a-f]{32}-2", made["token_value"])
    info = made["token_info"]
    assert info["expiry_time"] - info["creation_time"] == 86400_000
    by_token = Workspace(workspace.cloud, workspace.resource, made["token_value"], named=False)
    assert by_token.do("GET", "2.0/preview/scim/v2/Me")["userName"] == "attendee@practice.example"
    basic = base64.b64encode(f"token:{made['token_value']}".encode()).decode()
    by_token.http.headers["Authorization"] = f"Basic {basic}"
    assert by_token.do("GET", "2.0/token/list")["token_infos"] == [info]
    assert workspace.do("GET", "2.0/token-management/tokens")["token_infos"][0]["created_by_username"] == (
        "attendee@practice.example"
    )
    workspace.do("POST", "2.0/token/delete", {"token_id": info["token_id"]})
    assert by_token.error("GET", "2.0/token/list") == (403, 403)
    assert workspace.error("POST", "2.0/token/delete", {"token_id": info["token_id"]}) == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
    )


def test_scim_is_answered_in_its_own_form(practice_cloud: PracticeCloud, workspace: Workspace) -> None:
    practice_cloud.wrong_on_purpose("scim/v2")
    me = workspace.ask("GET", "2.0/preview/scim/v2/Me")
    assert me.headers["Content-Type"] == "application/scim+json"
    assert "urn:ietf:params:scim:schemas:core:2.0:User" in me.json()["schemas"]
    practice_cloud.control.fault("error", service="databricks", path="/Me", status=404, code="notFound", message="gone")
    refused = workspace.ask("GET", "2.0/preview/scim/v2/Me")
    assert refused.status_code == 404
    assert refused.headers["Content-Type"] == "application/scim+json"
    assert refused.json() == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "scimType": "notFound",
        "detail": "gone",
        "status": "404",
    }
    practice_cloud.control.clear_faults()
    # The front door has one form for all: what it refuses, and what nobody serves.
    assert workspace.error("GET", "2.0/preview/scim/v2/Nothing") == (404, "ENDPOINT_NOT_FOUND")
    assert Workspace(practice_cloud, workspace.resource, "dapi0").error("GET", "2.0/preview/scim/v2/Me") == (403, 403)


def test_no_token_is_kept_in_clear(workspace: Workspace) -> None:
    value = workspace.do("POST", "2.0/token/create", {})["token_value"]
    for file in workspace.cloud.state.rglob("*"):
        if file.is_file():
            assert value.encode() not in file.read_bytes(), file


def test_the_settings_of_the_workspace_limit_tokens(workspace: Workspace) -> None:
    value = workspace.do("POST", "2.0/token/create", {})["token_value"]
    names = {"keys": "enableTokensConfig,maxTokenLifetimeDays"}
    assert workspace.do("GET", "2.0/workspace-conf", **names) == {
        "enableTokensConfig": "true",
        "maxTokenLifetimeDays": None,
    }
    workspace.do("PATCH", "2.0/workspace-conf", {"maxTokenLifetimeDays": "30"})
    assert workspace.error("POST", "2.0/token/create", {"lifetime_seconds": 31 * 86400}) == (
        400,
        "INVALID_PARAMETER_VALUE",
    )
    info = workspace.do("POST", "2.0/token/create", {})["token_info"]
    assert info["expiry_time"] - info["creation_time"] == 30 * 86400_000
    workspace.do("PATCH", "2.0/workspace-conf", {"enableTokensConfig": "false"})
    assert workspace.error("POST", "2.0/token/create", {}) == (403, "PERMISSION_DENIED")
    assert Workspace(workspace.cloud, workspace.resource, value).error("GET", "2.0/token/list") == (403, 403)


@pytest.mark.slow
def test_a_cluster_comes_up_and_goes(workspace: Workspace) -> None:
    # Slow enough that the states which it passes through are seen on a busy machine, too.
    workspace.cloud.control.settings(speed=150)
    made = workspace.do("POST", "2.1/clusters/create", ONE_NODE)["cluster_id"]
    assert re.fullmatch(r"\d{4}-\d{6}-[a-z0-9]{8}", made)
    first = workspace.do("GET", "2.1/clusters/get", cluster_id=made)
    assert first["state"] == "PENDING"
    assert first["state_message"].startswith("Finding instances")
    found = workspace.until(made, "RUNNING")
    assert (found["cluster_cores"], found["num_workers"], found["is_single_node"]) == (4.0, 0, True)
    assert found["spark_conf"]["spark.databricks.cluster.profile"] == "singleNode"
    assert found["custom_tags"] == {"hol-wizard": "abc", "ResourceClass": "SingleNode"}
    assert found["driver"]["private_ip"]
    workspace.do("POST", "2.1/clusters/delete", {"cluster_id": made})
    assert workspace.do("GET", "2.1/clusters/get", cluster_id=made)["state"] == "TERMINATING"
    gone = workspace.until(made, "TERMINATED")
    assert gone["termination_reason"] == {
        "code": "USER_REQUEST",
        "type": "SUCCESS",
        "parameters": {"username": "attendee@practice.example"},
    }
    workspace.do("POST", "2.1/clusters/start", {"cluster_id": made})
    workspace.until(made, "RUNNING")
    assert workspace.error("POST", "2.1/clusters/start", {"cluster_id": made}) == (400, "INVALID_STATE")
    events = workspace.do("POST", "2.1/clusters/events", {"cluster_id": made, "order": "ASC"})["events"]
    assert [event["type"] for event in events] == [
        "CREATING",
        "DRIVER_HEALTHY",
        "RUNNING",
        "TERMINATING",
        "STARTING",
        "DRIVER_HEALTHY",
        "RUNNING",
    ]
    workspace.do("POST", "2.1/clusters/permanent-delete", {"cluster_id": made})
    answer = workspace.ask("GET", "2.1/clusters/get", cluster_id=made)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error_code": "INVALID_PARAMETER_VALUE", "message": f"Cluster {made} does not exist"},
    )


@pytest.mark.slow
def test_an_edit_restarts_a_cluster_that_runs(workspace: Workspace, quick: None) -> None:
    made = workspace.cluster(SCALED)
    # Slow enough that the state which it passes through is seen on a busy machine, too.
    workspace.cloud.control.settings(speed=150)
    assert workspace.do("GET", "2.0/clusters/get", cluster_id=made)["cluster_cores"] == 12.0
    workspace.do("POST", "2.1/clusters/edit", {**SCALED, "cluster_id": made, "cluster_name": "other"})
    assert workspace.do("GET", "2.1/clusters/get", cluster_id=made)["state"] == "RESTARTING"
    assert workspace.error("POST", "2.1/clusters/edit", {**SCALED, "cluster_id": made}) == (400, "INVALID_STATE")
    assert workspace.until(made, "RUNNING")["cluster_name"] == "other"
    change = {"cluster_id": made, "update_mask": "autotermination_minutes", "cluster": {"autotermination_minutes": 60}}
    workspace.do("POST", "2.1/clusters/update", change)
    found = workspace.until(made, "RUNNING")
    assert (found["autotermination_minutes"], found["autoscale"]["max_workers"]) == (60, 8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"node_type_id": "Standard_Nonsense"},
        {"node_type_id": None},
        {"spark_version": "1.0.x-scala2.10"},
        {"autotermination_minutes": 5},
        {"autotermination_minutes": 10001},
        {"autoscale": {"min_workers": 8, "max_workers": 2}},
        {"num_workers": 2},
        {"data_security_mode": "HIGH_CONCURRENCY"},
        {"is_single_node": True},
    ],
)
def test_a_wrong_cluster_is_refused(workspace: Workspace, wrong: dict[str, Any]) -> None:
    assert workspace.error("POST", "2.1/clusters/create", {**SCALED, **wrong}) == (400, "INVALID_PARAMETER_VALUE")
    assert workspace.do("GET", "2.1/clusters/list") == {}


def test_names_of_clusters_are_not_unique_and_lists_come_in_pages(workspace: Workspace) -> None:
    made = [workspace.do("POST", "2.1/clusters/create", ONE_NODE)["cluster_id"] for _ in range(3)]
    first = workspace.do("GET", "2.1/clusters/list", page_size=2)
    second = workspace.do("GET", "2.1/clusters/list", page_size=2, page_token=first["next_page_token"])
    listed = [each["cluster_id"] for each in first["clusters"] + second["clusters"]]
    assert sorted(listed) == sorted(made)
    assert {each["cluster_name"] for each in first["clusters"]} == {"cpu"}
    assert len(workspace.do("GET", "2.0/clusters/list")["clusters"]) == 3
    states = {"filter_by.cluster_states": ["PENDING", "RUNNING"]}
    assert len(workspace.do("GET", "2.1/clusters/list", **states)["clusters"]) == 3
    assert workspace.do("GET", "2.1/clusters/list", **{"filter_by.cluster_states": "TERMINATED"}) == {}
    workspace.do("POST", "2.1/clusters/pin", {"cluster_id": made[1]})
    pinned = workspace.do("GET", "2.1/clusters/list", **{"filter_by.is_pinned": "true"})["clusters"]
    assert [each["cluster_id"] for each in pinned] == [made[1]]


def test_an_idle_cluster_stops_by_itself(workspace: Workspace) -> None:
    workspace.cloud.control.settings(speed=30000)
    made = workspace.cluster({**ONE_NODE, "autotermination_minutes": 10})
    found = workspace.until(made, "TERMINATED")
    assert found["termination_reason"]["code"] == "INACTIVITY"
    assert found["termination_reason"]["parameters"] == {"inactivity_duration_min": "10"}


def test_azure_gives_no_more_cores_than_the_quota_has(workspace: Workspace, quick: None) -> None:
    body = {**SCALED, "autoscale": {"min_workers": 30, "max_workers": 40}}
    found = workspace.until(workspace.cluster(body, "TERMINATED"), "TERMINATED")
    reason = found["termination_reason"]
    assert (reason["code"], reason["type"]) == ("AZURE_QUOTA_EXCEEDED_EXCEPTION", "CLIENT_ERROR")
    assert reason["parameters"]["azure_error_code"] == "QuotaExceeded"
    message = reason["parameters"]["azure_error_message"]
    assert "exceeding approved standardDv2Family Cores quota" in message
    assert "Additional Required: 124" in message


def test_the_quota_of_a_region_counts_all_clusters(workspace: Workspace, quick: None) -> None:
    workspace.cloud.control.settings(quota={"cores": 10})
    workspace.cluster(ONE_NODE)
    workspace.cluster({**ONE_NODE, "node_type_id": "Standard_DS3_v2"})
    found = workspace.until(workspace.cluster(ONE_NODE, "TERMINATED"), "TERMINATED")
    message = found["termination_reason"]["parameters"]["azure_error_message"]
    assert "exceeding approved Total Regional Cores quota" in message
    assert "Current Limit: 10, Current Usage: 8, Additional Required: 4, (Minimum) New Limit Required: 12" in message


def test_a_fault_keeps_a_cluster_from_starting(workspace: Workspace, quick: None) -> None:
    workspace.cloud.control.fault(
        "failed-operation",
        service="databricks",
        path="clusters/create",
        times=1,
        code="CLOUD_PROVIDER_RESOURCE_STOCKOUT",
        message="The VM size is not available in this region.",
    )
    found = workspace.until(workspace.cluster(ONE_NODE, "TERMINATED"), "TERMINATED")
    assert found["termination_reason"]["code"] == "CLOUD_PROVIDER_RESOURCE_STOCKOUT"
    assert found["termination_reason"]["type"] == "CLOUD_FAILURE"
    workspace.cluster(ONE_NODE)


def test_runtimes_and_sizes_are_listed(workspace: Workspace) -> None:
    versions = workspace.do("GET", "2.1/clusters/spark-versions")["versions"]
    names = {each["key"]: each["name"] for each in versions}
    assert names["16.4.x-cpu-ml-scala2.12"] == "16.4 LTS ML (includes Apache Spark 3.5.2, Scala 2.12)"
    assert names == VERSIONS
    sizes = {each["node_type_id"]: each for each in workspace.do("GET", "2.1/clusters/list-node-types")["node_types"]}
    assert sizes["Standard_D3_v2"]["num_cores"] == 4.0
    assert sizes["Standard_D4ds_v5"]["is_io_cache_enabled"]
    before = sizes["Standard_D4ds_v5"]["node_info"]["available_core_quota"]
    workspace.do("POST", "2.1/clusters/create", ONE_NODE)
    sizes = {each["node_type_id"]: each for each in workspace.do("GET", "2.1/clusters/list-node-types")["node_types"]}
    assert sizes["Standard_D8ds_v5"]["node_info"]["available_core_quota"] == before - 4
    assert workspace.do("GET", "2.1/clusters/list-zones")["zones"]


def statuses(workspace: Workspace, cluster: str) -> dict[str, str]:
    """Return the status of each PyPI library."""
    found = workspace.do("GET", "2.0/libraries/cluster-status", cluster_id=cluster).get("library_statuses", [])
    return {each["library"]["pypi"]["package"]: each["status"] for each in found}


def wait_for_library(workspace: Workspace, cluster: str, package: str, status: str) -> None:
    deadline = time.monotonic() + 10
    while statuses(workspace, cluster).get(package) != status:
        assert time.monotonic() < deadline, statuses(workspace, cluster)
        time.sleep(0.02)


def libraries(cluster: str, *packages: str) -> dict[str, Any]:
    return {"cluster_id": cluster, "libraries": [{"pypi": {"package": each}} for each in packages]}


@pytest.mark.slow
def test_only_a_cluster_that_runs_installs_libraries(workspace: Workspace) -> None:
    workspace.cloud.control.settings(speed=150)
    made = workspace.do("POST", "2.1/clusters/create", ONE_NODE)["cluster_id"]
    workspace.do("POST", "2.0/libraries/install", libraries(made, "azureml-mlflow==1.62.0.post6", "does-not-exist"))
    assert set(statuses(workspace, made).values()) == {"PENDING"}
    workspace.until(made, "RUNNING")
    wait_for_library(workspace, made, "azureml-mlflow==1.62.0.post6", "INSTALLING")
    wait_for_library(workspace, made, "azureml-mlflow==1.62.0.post6", "INSTALLED")
    every = workspace.do("GET", "2.0/libraries/all-cluster-statuses")["statuses"]
    failed = next(each for each in every[0]["library_statuses"] if each["status"] == "FAILED")
    assert "No matching distribution found for does-not-exist" in failed["messages"][0]
    workspace.do("POST", "2.0/libraries/uninstall", libraries(made, "does-not-exist"))
    assert statuses(workspace, made)["does-not-exist"] == "UNINSTALL_ON_RESTART"
    workspace.do("POST", "2.1/clusters/restart", {"cluster_id": made})
    assert statuses(workspace, made) == {"azureml-mlflow==1.62.0.post6": "PENDING"}
    workspace.until(made, "RUNNING")
    wait_for_library(workspace, made, "azureml-mlflow==1.62.0.post6", "INSTALLED")


def test_a_wrong_library_is_refused(workspace: Workspace) -> None:
    refused = (400, "INVALID_PARAMETER_VALUE")
    assert workspace.error("POST", "2.0/libraries/install", libraries("0000-000000-nothere1", "x")) == refused
    made = workspace.do("POST", "2.1/clusters/create", ONE_NODE)["cluster_id"]
    body = {"cluster_id": made, "libraries": [{"pypi": {"package": "x"}, "jar": "y"}]}
    assert workspace.error("POST", "2.0/libraries/install", body) == refused


def test_bodies_that_are_no_json_and_unknown_paths_are_refused(workspace: Workspace) -> None:
    workspace.cloud.wrong_on_purpose("nonsense")
    answer = workspace.http.post(f"{workspace.address}/api/2.1/clusters/create", data="{", timeout=10)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")
    assert json.loads(answer.text)["message"]


def test_secrets_of_a_scope_are_kept_and_read(workspace: Workspace) -> None:
    workspace.do("POST", "2.0/secrets/scopes/create", {"scope": "own", "initial_manage_principal": "users"})
    assert workspace.error("POST", "2.0/secrets/scopes/create", {"scope": "own"}) == (400, "RESOURCE_ALREADY_EXISTS")
    assert workspace.do("GET", "2.0/secrets/scopes/list")["scopes"] == [{"name": "own", "backend_type": "DATABRICKS"}]
    assert workspace.do("GET", "2.0/secrets/acls/list", scope="own")["items"] == [
        {"principal": "users", "permission": "MANAGE"}
    ]
    workspace.do("POST", "2.0/secrets/put", {"scope": "own", "key": "word", "string_value": "open sesame"})
    assert [each["key"] for each in workspace.do("GET", "2.0/secrets/list", scope="own")["secrets"]] == ["word"]
    found = workspace.do("GET", "2.0/secrets/get", scope="own", key="word")
    assert base64.b64decode(found["value"]) == b"open sesame"
    workspace.do("POST", "2.0/secrets/delete", {"scope": "own", "key": "word"})
    missing = (404, "RESOURCE_DOES_NOT_EXIST")
    assert workspace.error("GET", "2.0/secrets/get", scope="own", key="word") == missing
    workspace.do("POST", "2.0/secrets/scopes/delete", {"scope": "own"})
    assert workspace.error("GET", "2.0/secrets/list", scope="own") == missing
    assert workspace.error("POST", "2.0/secrets/scopes/delete", {"scope": "own"}) == missing


def test_permissions_on_a_scope_are_given_and_taken(workspace: Workspace) -> None:
    workspace.do("POST", "2.0/secrets/scopes/create", {"scope": "own"})
    body = {"scope": "own", "principal": "users", "permission": "READ"}
    workspace.do("POST", "2.0/secrets/acls/put", body)
    assert workspace.do("GET", "2.0/secrets/acls/get", scope="own", principal="users")["permission"] == "READ"
    workspace.do("POST", "2.0/secrets/acls/delete", {"scope": "own", "principal": "users"})
    assert workspace.error("GET", "2.0/secrets/acls/get", scope="own", principal="users") == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
    )
    wrong = {**body, "principal": "nobody@practice.example"}
    assert workspace.error("POST", "2.0/secrets/acls/put", wrong) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("name", ["", "a b", "x" * 129])
def test_a_scope_is_named_by_the_rule(workspace: Workspace, name: str) -> None:
    body = {"scope": name}
    assert workspace.error("POST", "2.0/secrets/scopes/create", body) == (400, "INVALID_PARAMETER_VALUE")


def test_no_secret_is_kept_outside_the_vault_tables_or_logged(workspace: Workspace) -> None:
    value = "canary-6fb1e2d0"
    workspace.do("POST", "2.0/secrets/scopes/create", {"scope": "own"})
    workspace.do("POST", "2.0/secrets/put", {"scope": "own", "key": "word", "string_value": value})
    workspace.do("GET", "2.0/secrets/get", scope="own", key="word")
    encoded = base64.b64encode(value.encode())
    assert value not in workspace.cloud.log.read_text(encoding="utf-8")
    assert encoded.decode() not in workspace.cloud.log.read_text(encoding="utf-8")
    database = sqlite3.connect(f"file:{workspace.cloud.state / DATABASE_FILE}?mode=ro", uri=True)
    rows = database.execute("SELECT body FROM documents WHERE collection NOT LIKE 'vault!_%' ESCAPE '!'").fetchall()
    database.close()
    assert not [body for (body,) in rows if value in body or encoded.decode() in body]


def make_vault(arm: Arm, name: str = "scope-kv", **properties: Any) -> dict[str, Any]:
    """Make a key vault and return its resource when it is ready."""
    path = provider("KeyVault/vaults", name)
    body = vault_body(arm.cloud, **properties)
    assert arm.ask("PUT", path, body, version=VAULTS).status_code == 200
    return arm.until(path, VAULTS)


def backed(vault: dict[str, Any], scope: str = "data-lake", **other: str) -> dict[str, Any]:
    """Return the body that makes a scope backed by a vault."""
    metadata = {"resource_id": vault["id"], "dns_name": vault["properties"]["vaultUri"], **other}
    return {
        "scope": scope,
        "scope_backend_type": "AZURE_KEYVAULT",
        "backend_azure_keyvault": metadata,
        "initial_manage_principal": "users",
    }


def test_a_scope_backed_by_a_vault_is_bound_and_only_read(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, accessPolicies=[], enableRbacAuthorization=False)
    workspace.do("POST", "2.0/secrets/scopes/create", backed(vault))
    assert workspace.do("GET", "2.0/secrets/scopes/list")["scopes"] == [
        {
            "name": "data-lake",
            "backend_type": "AZURE_KEYVAULT",
            "keyvault_metadata": {"resource_id": vault["id"], "dns_name": vault["properties"]["vaultUri"]},
        }
    ]
    body = {"scope": "data-lake", "key": "word", "string_value": "x"}
    assert workspace.error("POST", "2.0/secrets/put", body) == (400, "BAD_REQUEST")


def test_a_scope_backed_by_a_vault_needs_a_token_of_entra_id(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, accessPolicies=[], enableRbacAuthorization=False)
    made = workspace.do("POST", "2.0/token/create", {})["token_value"]
    answer = Workspace(workspace.cloud, workspace.resource, made).ask(
        "POST", "2.0/secrets/scopes/create", backed(vault)
    )
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error_code": "INVALID_PARAMETER_VALUE",
            "message": "Scope with Azure KeyVault must have userAADToken defined!",
        },
    )


def test_a_vault_that_is_named_wrongly_is_refused(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, accessPolicies=[], enableRbacAuthorization=False)
    refused = (400, "INVALID_PARAMETER_VALUE")
    wrong = backed(vault, dns_name="https://other.vault.azure.net/")
    assert workspace.error("POST", "2.0/secrets/scopes/create", wrong) == refused
    wrong = backed(vault, resource_id=f"{vault['id']}-other")
    assert workspace.error("POST", "2.0/secrets/scopes/create", wrong) == refused
    wrong = {**backed(vault), "backend_azure_keyvault": {}}
    assert workspace.error("POST", "2.0/secrets/scopes/create", wrong) == refused


def put_secret(arm: Arm, vault: dict[str, Any], name: str, value: str) -> None:
    """Set a secret with rights over the vault's resource alone."""
    path = provider("KeyVault/vaults", vault["name"]) + f"/secrets/{name}"
    assert arm.ask("PUT", path, {"properties": {"value": value}}, version=VAULTS).status_code == 201


def test_databricks_reads_a_vault_by_the_policy_that_it_gives_itself(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, accessPolicies=[], enableRbacAuthorization=False)
    put_secret(arm, vault, "sp-password", "open sesame")
    workspace.do("POST", "2.0/secrets/scopes/create", backed(vault))
    databricks = seed.fixed_id("AzureDatabricks")
    path = provider("KeyVault/vaults", "scope-kv")
    (policy,) = arm.ask("GET", path, version=VAULTS).json()["properties"]["accessPolicies"]
    assert (policy["objectId"], policy["permissions"]) == (databricks, {"secrets": ["get", "list"]})
    until_it_reads(workspace)
    listed = workspace.do("GET", "2.0/secrets/list", scope="data-lake")["secrets"]
    assert [each["key"] for each in listed] == ["sp-password"]
    found = workspace.do("GET", "2.0/secrets/get", scope="data-lake", key="sp-password")
    assert base64.b64decode(found["value"]) == b"open sesame"
    assert arm.ask("DELETE", provider("KeyVault/vaults", "scope-kv"), version=VAULTS).status_code == 200
    assert workspace.error("GET", "2.0/secrets/list", scope="data-lake") == (400, "INVALID_STATE")


def until_it_reads(workspace: Workspace) -> None:
    """Wait until Databricks may read the vault behind the scope."""
    deadline = time.monotonic() + 10
    while workspace.ask("GET", "2.0/secrets/list", scope="data-lake").status_code == 403:
        assert time.monotonic() < deadline
        time.sleep(0.03)


def test_a_scope_over_a_vault_that_goes_by_roles_is_refused(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, enableRbacAuthorization=True)
    refused = workspace.ask("POST", "2.0/secrets/scopes/create", backed(vault))
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "error_code": "CUSTOMER_UNAUTHORIZED",
            "message": "Unable to grant read/list permission to Databricks service principal to KeyVault "
            f"'{vault['properties']['vaultUri']}'.",
        },
    )
    assert workspace.do("GET", "2.0/secrets/scopes/list") == {}


def test_databricks_loses_a_vault_whose_policy_is_removed(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, accessPolicies=[], enableRbacAuthorization=False)
    workspace.do("POST", "2.0/secrets/scopes/create", backed(vault))
    until_it_reads(workspace)
    patch: Any = {"properties": {"accessPolicies": []}}
    assert arm.ask("PATCH", provider("KeyVault/vaults", "scope-kv"), patch, version=VAULTS).status_code == 200
    deadline = time.monotonic() + 10
    while (refused := workspace.ask("GET", "2.0/secrets/list", scope="data-lake")).status_code != 403:
        assert time.monotonic() < deadline
    assert refused.json()["error_code"] == "PERMISSION_DENIED"
    assert "does not have secrets list permission" in refused.json()["message"]


def test_databricks_needs_a_role_on_a_vault_that_goes_by_roles_later(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, accessPolicies=[], enableRbacAuthorization=False)
    put_secret(arm, vault, "sp-password", "open sesame")
    workspace.do("POST", "2.0/secrets/scopes/create", backed(vault))
    patch = {"properties": {"enableRbacAuthorization": True}}
    assert arm.ask("PATCH", provider("KeyVault/vaults", "scope-kv"), patch, version=VAULTS).status_code == 200
    refused = workspace.ask("GET", "2.0/secrets/list", scope="data-lake")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "ForbiddenByRbac" in refused.json()["message"]
    assert "DeniedWithNoValidRBAC" in refused.json()["message"]
    give(arm, provider("KeyVault/vaults", "scope-kv"), KEY_VAULT_SECRETS_USER, seed.fixed_id("AzureDatabricks"))
    assert workspace.error("GET", "2.0/secrets/list", scope="data-lake") == (403, "PERMISSION_DENIED")
    until_it_reads(workspace)
    found = workspace.do("GET", "2.0/secrets/get", scope="data-lake", key="sp-password")
    assert base64.b64decode(found["value"]) == b"open sesame"


def test_whoever_may_not_change_the_vault_cannot_back_a_scope_with_it(arm: Arm, workspace: Workspace) -> None:
    vault = make_vault(arm, enableRbacAuthorization=True)
    give(arm, provider("Databricks/workspaces", "practice-db"), CONTRIBUTOR, seed.READER_USER.id)
    token = user_token(workspace.cloud, "reader@practice.example", SCOPE)
    by_reader = Workspace(workspace.cloud, workspace.resource, token)
    assert by_reader.error("POST", "2.0/secrets/scopes/create", backed(vault)) == (401, "UNAUTHENTICATED")


def execute(workspace: Workspace, cluster: str, command: str) -> dict[str, Any]:
    """Run a command in a context of its own, and return its status when it is over."""
    body = {"clusterId": cluster, "language": "python"}
    context = workspace.do("POST", "1.2/contexts/create", body)["id"]
    made = workspace.do("POST", "1.2/commands/execute", {**body, "contextId": context, "command": command})["id"]
    where = {"clusterId": cluster, "contextId": context}
    deadline = time.monotonic() + 20
    found: dict[str, Any] = {"status": "Queued"}
    while found["status"] in {"Queued", "Running"}:
        assert time.monotonic() < deadline
        time.sleep(0.03)
        found = workspace.do("GET", "1.2/commands/status", commandId=made, **where)
    workspace.do("POST", "1.2/contexts/destroy", where)
    return found


@pytest.mark.slow
def test_a_command_is_really_run_and_secrets_are_blacked_out(workspace: Workspace, quick: None) -> None:
    made = workspace.cluster(ONE_NODE)
    workspace.do("POST", "2.0/secrets/scopes/create", {"scope": "own"})
    workspace.do("POST", "2.0/secrets/put", {"scope": "own", "key": "word", "string_value": "open sesame"})
    command = (
        "import os, sys\n"
        "value = dbutils.secrets.get('own', 'word')\n"
        "print(value, len(value), dbutils.secrets.list('own'), dbutils.secrets.listScopes())\n"
        "print('open sesame' in ' '.join([*os.environ.values(), *sys.argv]), sorted(os.environ))\n"
        "6 * 7\n"
    )
    found = execute(workspace, made, command)
    assert found["status"] == "Finished"
    lines = found["results"]["data"].splitlines()
    assert lines[0] == "[REDACTED] 11 [SecretMetadata(key='word')] [SecretScope(name='own')]"
    assert lines[1].startswith("False ")
    assert "PATH" not in lines[1]
    assert lines[2] == "42"
    failed = execute(workspace, made, "dbutils.secrets.get('own', 'nothing')")
    assert failed["results"]["resultType"] == "error"
    assert failed["results"]["summary"] == (
        "IllegalArgumentException: Secret does not exist with scope: own and key: nothing"
    )
    assert "open sesame" not in json.dumps(execute(workspace, made, "1/0 if dbutils.secrets.get('own','word') else 0"))


def test_a_command_needs_a_cluster_that_runs(workspace: Workspace) -> None:
    made = workspace.do("POST", "2.1/clusters/create", ONE_NODE)["cluster_id"]
    answer = workspace.ask("POST", "1.2/contexts/create", {"clusterId": made, "language": "python"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("ClusterNotReadyException")


def test_a_command_can_be_cancelled(workspace: Workspace, quick: None) -> None:
    made = workspace.cluster(ONE_NODE)
    body = {"clusterId": made, "language": "python"}
    context = workspace.do("POST", "1.2/contexts/create", body)["id"]
    where = {"clusterId": made, "contextId": context}
    assert workspace.do("GET", "1.2/contexts/status", **where)["status"] == "Running"
    command = {**body, **where, "command": "import time; time.sleep(50)"}
    run = workspace.do("POST", "1.2/commands/execute", command)["id"]
    workspace.do("POST", "1.2/commands/cancel", {**where, "commandId": run})
    deadline = time.monotonic() + 10
    while workspace.do("GET", "1.2/commands/status", commandId=run, **where)["status"] != "Cancelled":
        assert time.monotonic() < deadline
        time.sleep(0.03)


@pytest.mark.slow
@pytest.mark.skipif(confinement.landlock() < 1, reason="this kernel has no Landlock")
def test_a_command_cannot_read_the_owners_key_and_reads_the_lake(
    workspace: Workspace, quick: None, practice_cloud: PracticeCloud, arm: Arm, tmp_path: Path
) -> None:
    key = tmp_path / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("the owner's key", encoding="utf-8")
    made = workspace.cluster(ONE_NODE)
    for path in (key, practice_cloud.endpoints_file, practice_cloud.log, Path("/etc/shadow")):
        found = execute(workspace, made, f"print(open({str(path)!r}).read())")
        assert found["results"]["resultType"] == "error", found
        assert "Permission denied" in found["results"]["summary"]
    # Any service will do to show that addresses, certificates and proxies are as on a cluster.
    address = f"{practice_cloud.resource_manager}/subscriptions?api-version=2022-12-01"
    code = (
        "import requests, json\n"
        f"answer = requests.get({address!r}, headers={{'Authorization': 'Bearer {arm.token}'}}, timeout=10)\n"
        "print(answer.status_code, len(answer.json()['value']))"
    )
    assert execute(workspace, made, code)["results"]["data"] == "200 2"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups")
def test_what_a_command_has_started_ends_with_it(
    workspace: Workspace, quick: None, practice_cloud: PracticeCloud
) -> None:
    made = workspace.cluster(ONE_NODE)
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']).pid)"
    pid = int(execute(workspace, made, code)["results"]["data"])
    deadline = time.monotonic() + 10
    while runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
