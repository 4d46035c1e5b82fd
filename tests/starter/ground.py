"""The practice cloud as the starter's programs find it: the lab's workspaces, and the identities that run them.

Nobody has a role here but the attendee, who owns the subscription: each test gives what it is about.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hol_wizard.practice.arm import roles
from hol_wizard.services.sample_dataset import generate
from tests.practice.conftest import DATABRICKS, GRAPH, Arm, databricks_body, post_token, provider, user_token
from tests.practice.conftest import STORAGE as STORAGE_VERSION
from tests.practice.data_planes import oid
from tests.practice.machine_learning import ACCOUNT, WORKSPACE, make_workspace
from tests.practice.test_databricks import SCOPE, Workspace
from tests.practice.test_storage_data import Storage, make_account
from tests.practice_cloud import SPEED, PracticeCloud
from tests.snapshots import Snapshots

LAKE = provider("Storage/storageAccounts", "labdata")
HEADER = (
    b"age, workclass, fnlwgt, education, education-num, marital-status, occupation, relationship, race, sex, "
    b"capital-gain, capital-loss, hours-per-week, native-country, income\n"
)
DATABRICKS_WORKSPACE = provider("Databricks/workspaces", "lab-db")
GROUP = "/resourceGroups/lab"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")
STORAGE = "https://storage.azure.com"


@dataclass(frozen=True)
class Principal:
    """A service principal of the lab, with its client secret."""

    object_id: str
    app_id: str
    secret: str


@dataclass(frozen=True)
class Ground:
    """The cloud with the lab's workspaces, and who runs the starter's programs."""

    cloud: PracticeCloud
    arm: Arm
    """ARM as the attendee."""
    lake: Principal
    """Whom the notebook signs in as: the service principal of the secrets."""
    connection: Principal
    """Whom the build's Azure CLI tasks are signed in as: the service connection's."""

    @property
    def attendee(self) -> str:
        """Object id of the attendee."""
        return oid(self.arm.token)

    @property
    def variables(self) -> dict[str, str]:
        """What tells the starter where the services are."""
        blob = f"{self.cloud.endpoints['storage_blob']}/{{account}}"
        return {"ARM_URL": self.cloud.resource_manager, "STORAGE_BLOB_URL": blob}

    @property
    def token_endpoint(self) -> str:
        """The secret sp-token-endpoint."""
        return f"{self.cloud.endpoints['active_directory']}/{self.cloud.endpoints['defaults']['tenant']}/oauth2/token"

    def workspace(self, module: ModuleType, name: str = "lab-ml") -> Any:
        """Return the ML workspace in the words of `model_registry`."""
        return module.Workspace(self.cloud.subscription, "lab", name)

    def registry(self, module: ModuleType, who: Principal, name: str = "lab-ml") -> Any:
        """Return the registry for one of the principals."""
        sign_in = module.ServicePrincipal(who.app_id, who.secret, self.token_endpoint)
        return module.Registry(self.workspace(module, name), sign_in, module.Services.of(self.variables))

    def registry_of_attendee(self, module: ModuleType) -> Any:
        """Return the registry for the attendee."""
        tokens = {module.ARM: self.arm.token, STORAGE: user_token(self.cloud, scope=f"{STORAGE}/.default")}
        return module.Registry(self.workspace(module), module.GivenTokens(tokens), module.Services.of(self.variables))

    @property
    def as_attendee(self) -> dict[str, str]:
        """The environment variables of a program that runs as the attendee, on the attendee's machine."""
        tokens = {
            "ARM_ACCESS_TOKEN": self.arm.token,
            "STORAGE_ACCESS_TOKEN": user_token(self.cloud, scope=f"{STORAGE}/.default"),
        }
        return {**self.variables, **tokens, "REQUESTS_CA_BUNDLE": self.cloud.ca_file}

    def give(self, who: Principal | str, role: str, path: str) -> None:
        """Give a role that the data services know at once.

        Args:
            who: A principal, or a person's object id.
            role: Its GUID (`hol_wizard.practice.arm.roles`).
            path: Of the resource, below the subscription.
        """
        principal = who if isinstance(who, str) else who.object_id
        definitions = f"{self.arm.base}/providers/Microsoft.Authorization/roleDefinitions"
        kind = "User" if isinstance(who, str) else "ServicePrincipal"
        properties = {
            "roleDefinitionId": f"{definitions}/{role}",
            "principalId": principal,
            "principalType": kind,
        }
        address = f"{path}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        self.cloud.control.settings(speed=1e6)
        answer = self.arm.ask("PUT", address, {"properties": properties}, version="2022-04-01")
        assert answer.status_code == 201, answer.text
        self.cloud.control.settings(speed=SPEED)

    def databricks(self, who: Principal | None = None) -> Workspace:
        """Return the Databricks workspace, as one of the principals or as the attendee."""
        token = user_token(self.cloud, scope=SCOPE) if who is None else self.token(who, SCOPE)
        return Workspace(self.cloud, self.arm.ask("GET", DATABRICKS_WORKSPACE, version=DATABRICKS).json(), token)

    def token(self, who: Principal, scope: str) -> str:
        """Return an access token of a principal."""
        form = {"grant_type": "client_credentials", "client_id": who.app_id, "client_secret": who.secret}
        tenant = self.cloud.endpoints["defaults"]["tenant"]
        return str(post_token(self.cloud, tenant, **form, scope=scope).json()["access_token"])


def _principal(cloud: PracticeCloud, name: str) -> Principal:
    """Register an application with a service principal and a client secret, as soon as each is known."""
    http = Arm(cloud, user_token(cloud, scope=GRAPH)).http
    base = f"{cloud.endpoints['microsoft_graph']}/v1.0"

    def post(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while True:
            answer = http.post(f"{base}{path}", json=body, timeout=10)
            if answer.status_code in {200, 201}:
                return dict(answer.json())
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.02)

    application = post("/applications", {"displayName": name, "signInAudience": "AzureADMyOrg"})
    principal = post("/servicePrincipals", {"appId": application["appId"]})
    added = post(f"/applications/{application['id']}/addPassword", {"passwordCredential": {"displayName": "lab"}})
    return Principal(principal["id"], application["appId"], added["secretText"])


@pytest.fixture
def ground(
    practice_cloud: PracticeCloud,
    snapshots: Snapshots,
    kept_principals: dict[str, Principal],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Ground:
    """The lab's workspaces, made once a session."""

    def make() -> None:
        practice_cloud.wrong_on_purpose("POST /v1.0/servicePrincipals")
        practice_cloud.register_providers()
        arm = Arm(practice_cloud, user_token(practice_cloud))
        arm.make_group()
        databricks = arm.ask("PUT", DATABRICKS_WORKSPACE, databricks_body(arm), version=DATABRICKS)
        make_workspace(arm)
        for name in ("lake", "connection"):
            kept_principals[name] = _principal(practice_cloud, f"lab-{name}")
        arm.poll(databricks)

    snapshots.prepare("starter", practice_cloud, tmp_path_factory.mktemp("root"), make)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", practice_cloud.ca_file)
    return Ground(
        practice_cloud,
        Arm(practice_cloud, user_token(practice_cloud)),
        kept_principals["lake"],
        kept_principals["connection"],
    )


CLUSTER = {
    "cluster_name": "cpu",
    "spark_version": "16.4.x-scala2.13",
    "node_type_id": "Standard_D4ds_v5",
    "kind": "CLASSIC_PREVIEW",
    "is_single_node": True,
    "data_security_mode": "DATA_SECURITY_MODE_DEDICATED",
    "single_user_name": "attendee@practice.example",
    "autotermination_minutes": 120,
    "custom_tags": {"hol-wizard": "abc"},
}
LIBRARIES = [{"pypi": {"package": "azureml-mlflow"}}]
PEOPLE = 3000
MODEL = "worst_regression"


@dataclass(frozen=True)
class Environment:
    """One of the lab's environments, ready for its training."""

    ground: Ground
    cluster: str
    """Id of the attendee's cluster, which has the library."""


@pytest.fixture
def environment(
    allowed: Ground, snapshots: Snapshots, kept: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """The lake with its data, the secrets, and the attendee's cluster, which runs."""

    def make() -> None:
        account = make_account(allowed.arm, LAKE)["properties"]["primaryEndpoints"]["dfs"]
        containers = f"{LAKE}/blobServices/default/containers"
        assert allowed.arm.ask("PUT", f"{containers}/datalake", {}, version=STORAGE_VERSION).status_code == 201
        allowed.give(allowed.attendee, roles.STORAGE_BLOB_DATA_OWNER, LAKE)
        allowed.give(allowed.lake, roles.STORAGE_BLOB_DATA_CONTRIBUTOR, LAKE)
        token = user_token(allowed.cloud, scope=f"{STORAGE}/.default")
        Storage(allowed.cloud, account, token).upload("datalake/AdultCensusIncome.csv", generate(HEADER, PEOPLE))
        workspace = allowed.databricks()
        workspace.do("POST", "2.0/secrets/scopes/create", {"scope": "data-lake", "initial_manage_principal": "users"})
        values = {
            "sp-tenant-id": allowed.cloud.endpoints["defaults"]["tenant"],
            "sp-app-id": allowed.lake.app_id,
            "sp-password": allowed.lake.secret,
            "sp-token-endpoint": allowed.token_endpoint,
            "datalake-fqdn": "abfss://datalake@labdata.dfs.practice.invalid",
            "subscription-id": allowed.cloud.subscription,
            "resource-group": "lab",
            "ml-workspace-name": "lab-ml",
            "alg-state": "dev",
            "created-by": "dev",
        }
        for name, value in values.items():
            body = {"scope": "data-lake", "key": name, "string_value": value}
            workspace.do("POST", "2.0/secrets/put", body)
        kept["cluster"] = workspace.cluster(CLUSTER)
        workspace.do("POST", "2.0/libraries/install", {"cluster_id": kept["cluster"], "libraries": LIBRARIES})

    snapshots.prepare("starter-environment", allowed.cloud, tmp_path_factory.mktemp("root"), make)
    return Environment(
        Ground(allowed.cloud, Arm(allowed.cloud, user_token(allowed.cloud)), allowed.lake, allowed.connection),
        kept["cluster"],
    )


@pytest.fixture(scope="session")
def kept() -> dict[str, str]:
    """What is known of the snapshot of an environment."""
    return {}


@pytest.fixture(scope="session")
def kept_principals() -> dict[str, Principal]:
    """The principals that the snapshot holds, by name."""
    return {}


@dataclass(frozen=True)
class Registered:
    """The model that jane's training has registered, as the lake's principal."""

    environment: dict[str, str]
    """Of a program that runs as jane, who may read the workspace's storage."""
    settings: dict[str, str]
    """Of the build."""
    assets: Path
    """Where the files are that were registered."""


@pytest.fixture
def registered(allowed: Ground, starter: Callable[[str], ModuleType], assets: Path) -> Registered:
    """Register the trained model."""
    registry = allowed.registry(starter("model_registry"), allowed.lake)
    registry.register(MODEL, assets, {"state": "dev", "created_by": "jane"})
    allowed.give(allowed.attendee, roles.STORAGE_BLOB_DATA_READER, ACCOUNT)
    settings = {
        "SUBSCRIPTION_ID": allowed.cloud.subscription,
        "RESOURCE_GROUP": "lab",
        "WORKSPACE_NAME": "lab-ml",
        "STATE": "dev",
        "AUTHOR": "jane",
        "MODEL_NAME": MODEL,
        "IMAGE_NAME": "hol-inference",
    }
    return Registered(allowed.as_attendee, settings, assets)


@pytest.fixture
def allowed(ground: Ground) -> Ground:
    """The ground on which the lake's principal has the roles that the notebook needs on the ML workspace."""
    ground.give(ground.lake, roles.READER, WORKSPACE)
    ground.give(ground.lake, roles.AZUREML_DATA_SCIENTIST, WORKSPACE)
    ground.give(ground.lake, roles.STORAGE_BLOB_DATA_CONTRIBUTOR, ACCOUNT)
    return ground
