"""A plain HTTP client for the practice cloud, signed in as whoever a test wants to be."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.practice_cloud import PracticeCloud

MANAGEMENT = "https://management.core.windows.net//.default"
GRAPH = "https://graph.microsoft.com/.default"
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
TARGET = "http://localhost:1234"
VERIFIER = "a-key-that-only-this-client-has-to-prove-itself"
GROUPS = "2025-04-01"
STORAGE = "2023-05-01"
VAULTS = "2026-02-01"
DATABRICKS = "2026-01-01"
MACHINE_LEARNING = "2025-12-01"
LOGS = "2020-08-01"
INSIGHTS = "2020-02-02"
REGISTRIES = "2023-07-01"
RUNNING = {"Running", "InProgress", "Accepted", "Creating", "NotStarted"}


def session(cloud: PracticeCloud) -> requests.Session:
    """Return a session that trusts the practice cloud, whatever the environment says."""
    made = requests.Session()
    made.trust_env = False
    made.verify = cloud.ca_file
    made.mount("https://", cloud.connections)
    return made


def post_token(cloud: PracticeCloud, tenant: str = "organizations", **form: str) -> requests.Response:
    """Ask the token endpoint."""
    address = f"{cloud.endpoints['active_directory']}/{tenant}/oauth2/v2.0/token"
    with session(cloud) as asking:
        return asking.post(address, data=form, timeout=10)


def sign_in_address(cloud: PracticeCloud, scope: str = MANAGEMENT, **more: str) -> str:
    """Return an address of the authorization endpoint, as a client opens it in a browser."""
    query = {
        "client_id": AZURE_CLI,
        "redirect_uri": TARGET,
        "state": "s",
        "scope": scope,
        "response_type": "code",
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
        **more,
    }
    return f"{cloud.endpoints['active_directory']}/organizations/oauth2/v2.0/authorize?{urlencode(query)}"


def user_token(cloud: PracticeCloud, user: str = "attendee@practice.example", scope: str = MANAGEMENT) -> str:
    """Return an access token of a person, by the authorization-code flow."""
    cloud.control.settings(user=user)
    address = sign_in_address(cloud, scope)
    cloud.control.approve(address=address)
    with session(cloud) as asking:
        answer = asking.get(address, allow_redirects=False, timeout=10)
    code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "client_id": AZURE_CLI, "code": code, "redirect_uri": TARGET}
    return str(post_token(cloud, **form, code_verifier=VERIFIER, scope=scope).json()["access_token"])


@dataclass
class Arm:
    """Asks ARM, in one subscription."""

    cloud: PracticeCloud
    token: str
    subscription: str = ""
    http: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.http = session(self.cloud)
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        self.subscription = self.subscription or self.cloud.subscription

    @property
    def base(self) -> str:
        return f"/subscriptions/{self.subscription}"

    def ask(
        self, method: str, path: str, body: Any = None, *, version: str = GROUPS, **query: str
    ) -> requests.Response:
        """Ask below the subscription."""
        return self.http.request(
            method,
            f"{self.cloud.resource_manager}{self.base}{path}",
            params={**query, "api-version": version} if version else query,
            json=body,
            timeout=10,
        )

    def error(
        self, method: str, path: str, body: Any = None, *, version: str = GROUPS, **query: str
    ) -> tuple[int, str]:
        """Ask, and return status and code of the refusal."""
        answer = self.ask(method, path, body, version=version, **query)
        return answer.status_code, str(answer.json()["error"]["code"])

    def make_group(self, name: str = "lab", location: str = "westeurope") -> None:
        """Make a resource group."""
        assert self.ask("PUT", f"/resourcegroups/{name}", {"location": location}).status_code == 201

    def poll(self, accepted: requests.Response) -> requests.Response:
        """Poll an accepted operation until it is over, and return the last answer."""
        address = accepted.headers.get("Azure-AsyncOperation") or accepted.headers["Location"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            answer = self.http.get(address, timeout=10)
            state = answer.json().get("status") if answer.content else None
            if answer.status_code != 202 and state not in RUNNING:
                return answer
            time.sleep(0.02)
        raise TimeoutError(address)

    def until(self, path: str, version: str, state: str = "Succeeded") -> dict[str, Any]:
        """GET until the resource is in this state, and return it."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.ask("GET", path, version=version).json()
            if found.get("properties", {}).get("provisioningState") == state:
                return found
            time.sleep(0.02)
        raise TimeoutError(path)


@pytest.fixture
def arm(practice_cloud: PracticeCloud) -> Arm:
    """ARM as the attendee, with all providers registered."""
    practice_cloud.register_providers()
    return Arm(practice_cloud, user_token(practice_cloud))


STORAGE_BODY = {
    "location": "westeurope",
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
    "properties": {"accessTier": "Cool", "isHnsEnabled": True, "minimumTlsVersion": "TLS1_2"},
}


def vault_body(cloud: PracticeCloud, **properties: Any) -> dict[str, Any]:
    """Return the body of a vault."""
    tenant = cloud.endpoints["defaults"]["tenant"]
    common = {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "softDeleteRetentionInDays": 7}
    return {"location": "westeurope", "properties": {**common, **properties}}


def databricks_body(arm: Arm, managed: str = "databricks-rg", **properties: Any) -> dict[str, Any]:
    """Return the body of a Databricks workspace."""
    common = {
        "computeMode": "Hybrid",
        "managedResourceGroupId": f"{arm.base}/resourceGroups/{managed}",
        "parameters": {"enableNoPublicIp": {"value": True}},
    }
    return {"location": "westeurope", "sku": {"name": "premium"}, "properties": {**common, **properties}}


def provider(kind: str, name: str, group: str = "lab") -> str:
    """Return the path of a resource below the subscription."""
    return f"/resourceGroups/{group}/providers/Microsoft.{kind}/{name}"
