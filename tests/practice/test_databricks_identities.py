"""Who enters a workspace, and who may run something on a dedicated cluster, asked with the vendor's own SDK.

Each situation is a principal as the lab has them: the service connection's (Contributor on the workspace, never a user
of it), the lake's (no right on the workspace at all), and persons.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.arm.roles import CONTRIBUTOR, OWNER, READER
from hol_wizard.practice.databricks.service import Databricks
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Refused, Request
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from tests.practice.conftest import Arm, post_token, user_token
from tests.practice.test_databricks import ML, ONE_NODE, RESOURCE_HEADER, SCOPE, Workspace, make_workspace
from tests.practice.test_graph import Graph
from tests.practice_cloud import PracticeCloud

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config

# The SDK takes a second to load: not while tests are collected, and in one process.
pytestmark = pytest.mark.xdist_group("databricks-sdk")

SIGN_IN = "2.0/preview/scim/v2/Me"


@dataclass
class Application:
    """A service principal with a secret."""

    cloud: PracticeCloud
    client_id: str
    object_id: str
    secret: str

    def token(self, scope: str) -> str:
        """Return a token of this application."""
        form = {"client_id": self.client_id, "client_secret": self.secret, "scope": scope}
        return str(post_token(self.cloud, seed.TENANT, grant_type="client_credentials", **form).json()["access_token"])

    def client(self, resource: dict[str, Any], *, named: bool = True) -> WorkspaceClient:
        """Return the SDK as this application, signed in by the SDK itself (`azure-client-secret`)."""
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.core import Config
        from databricks.sdk.environments import (
            ARM_DATABRICKS_RESOURCE_ID,
            AzureEnvironment,
            Cloud,
            DatabricksEnvironment,
        )

        endpoints = self.cloud.endpoints
        environment = AzureEnvironment(
            name="PRACTICE",
            service_management_endpoint=endpoints["audiences"]["management"],
            resource_manager_endpoint=f"{endpoints['resource_manager']}/",
            active_directory_endpoint=f"{endpoints['active_directory']}/",
        )
        return WorkspaceClient(
            config=Config(
                host=f"https://{resource['properties']['workspaceUrl']}",
                azure_workspace_resource_id=resource["id"] if named else None,
                azure_client_id=self.client_id,
                azure_client_secret=self.secret,
                azure_tenant_id=seed.TENANT,
                auth_type="azure-client-secret",
                databricks_environment=DatabricksEnvironment(
                    Cloud.AZURE, ".practice", ARM_DATABRICKS_RESOURCE_ID, environment
                ),
            )
        )


@pytest.fixture
def trusted(practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the SDK trust the practice cloud."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", practice_cloud.ca_file)


@pytest.fixture
def resource(arm: Arm, trusted: None) -> dict[str, Any]:
    """A workspace that the attendee owns."""
    arm.make_group()
    return make_workspace(arm)


def assign(arm: Arm, resource: dict[str, Any], role: str, application: Application) -> None:
    """Give an application a role on the workspace."""
    path = resource["id"].partition(arm.base)[2]
    body = {
        "properties": {
            "roleDefinitionId": f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{role}",
            "principalId": application.object_id,
            "principalType": "ServicePrincipal",
        }
    }
    address = f"{path}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    assert arm.ask("PUT", address, body, version="2022-04-01").status_code == 201


@pytest.fixture
def application(practice_cloud: PracticeCloud) -> Application:
    """A service principal without any role."""
    practice_cloud.control.settings(speed=6000)
    graph = Graph(practice_cloud, user_token(practice_cloud, scope="https://graph.microsoft.com/.default"))
    made = graph.application("lake")
    principal = graph.service_principal(made["appId"])
    secret = graph.secret(made)["secretText"]
    return Application(practice_cloud, made["appId"], principal["id"], secret)


def number(resource: dict[str, Any]) -> str:
    return str(resource["properties"]["workspaceId"])


@pytest.mark.parametrize("role", [None, READER])
def test_a_principal_that_may_not_write_the_resource_is_refused_with_both_headers(
    application: Application, arm: Arm, resource: dict[str, Any], role: str | None
) -> None:
    from databricks.sdk.errors import PermissionDenied

    if role is not None:
        assign(arm, resource, role, application)
    with pytest.raises(PermissionDenied, match=f"Unauthorized access to Org: {number(resource)}"):
        application.client(resource).current_user.me()
    # Nor is it let in later, without them.
    with pytest.raises(PermissionDenied, match="Unauthorized access to Org"):
        application.client(resource, named=False).current_user.me()


@pytest.mark.parametrize("role", [CONTRIBUTOR, OWNER])
def test_a_principal_that_may_is_an_administrator_from_its_first_request_with_both_headers_on(
    application: Application, arm: Arm, resource: dict[str, Any], role: str
) -> None:
    from databricks.sdk.errors import PermissionDenied

    assign(arm, resource, role, application)
    # The management token alone does not say which workspace is meant.
    with pytest.raises(PermissionDenied, match="Unauthorized access to Org"):
        application.client(resource, named=False).current_user.me()
    me = application.client(resource).current_user.me()
    assert me.user_name == application.client_id
    assert "admins" in [group.display for group in me.groups or []]
    assert application.client(resource, named=False).current_user.me().id == me.id


def test_the_resource_header_alone_lets_no_service_principal_in(
    application: Application, practice_cloud: PracticeCloud, arm: Arm, resource: dict[str, Any]
) -> None:
    assign(arm, resource, CONTRIBUTOR, application)
    token = application.token(SCOPE)
    asking = Workspace(practice_cloud, resource, token)
    assert asking.http.headers[RESOURCE_HEADER] == resource["id"]
    refused = asking.ask("GET", SIGN_IN)
    assert (refused.status_code, refused.json()["message"]) == (403, f"Unauthorized access to Org: {number(resource)}")


@pytest.mark.parametrize(
    ("whose", "status", "words"),
    [
        ("another's", 403, "Unauthorized access to Org: "),
        ("for Databricks", 400, "Expected aud claim to be: https://management.core.windows.net/"),
        ("made up", 403, "Invalid access token."),
    ],
)
def test_the_management_token_must_be_the_principals_own_and_for_resource_manager(
    application: Application,
    practice_cloud: PracticeCloud,
    arm: Arm,
    resource: dict[str, Any],
    whose: str,
    status: int,
    words: str,
) -> None:
    assign(arm, resource, CONTRIBUTOR, application)
    asking = Workspace(practice_cloud, resource, application.token(SCOPE))
    shown = {"for Databricks": application.token(SCOPE), "another's": user_token(practice_cloud), "made up": "no-token"}
    asking.http.headers["X-Databricks-Azure-SP-Management-Token"] = shown[whose]
    response = asking.ask("GET", SIGN_IN)
    assert response.status_code == status
    assert words in response.json()["message"]
    del asking.http.headers["X-Databricks-Azure-SP-Management-Token"]
    assert asking.ask("GET", SIGN_IN).status_code == 403


@pytest.mark.parametrize(
    ("user", "enters"),
    [(seed.ATTENDEE, True), (seed.CONTRIBUTOR_USER, True), (seed.READER_USER, False), (seed.STRANGER, False)],
)
def test_a_person_enters_by_the_right_on_the_resource_alone(
    practice_cloud: PracticeCloud, resource: dict[str, Any], user: seed.Principal, enters: bool
) -> None:
    from databricks.sdk.errors import PermissionDenied

    client = person(practice_cloud, resource, user)
    if enters:
        assert client.current_user.me().user_name == user.name
    else:
        with pytest.raises(PermissionDenied, match="Unauthorized access to Org"):
            client.current_user.me()


def person(cloud: PracticeCloud, resource: dict[str, Any], user: seed.Principal) -> WorkspaceClient:
    """Return the SDK as a person, who names the workspace."""
    from databricks.sdk import WorkspaceClient, azure
    from databricks.sdk.credentials_provider import credentials_strategy

    token = user_token(cloud, user.name, SCOPE)

    def signed_in(config: Config) -> Callable[[], dict[str, str]]:
        """Do what the SDK does with a person's sign-in of the Azure CLI (`azure-cli`)."""

        def headers() -> dict[str, str]:
            found = {"Authorization": f"Bearer {token}"}
            azure.add_workspace_id_header(config, found)
            return found

        return headers

    return WorkspaceClient(
        host=f"https://{resource['properties']['workspaceUrl']}",
        azure_workspace_resource_id=resource["id"],
        credentials_strategy=credentials_strategy("practice", [])(signed_in),
    )


# Dedicated clusters


def refused(client: WorkspaceClient, cluster_id: str) -> str:
    """Return why somebody may not run a command on a cluster."""
    from databricks.sdk.errors import PermissionDenied
    from databricks.sdk.service.compute import Language

    with pytest.raises(PermissionDenied) as told:
        client.command_execution.create(cluster_id=cluster_id, language=Language.PYTHON).result()
    return str(told.value)


def test_on_a_dedicated_cluster_only_its_user_runs_commands(
    application: Application, practice_cloud: PracticeCloud, arm: Arm, resource: dict[str, Any]
) -> None:
    from databricks.sdk.errors import PermissionDenied
    from databricks.sdk.service.compute import Language

    assign(arm, resource, CONTRIBUTOR, application)
    attendee = Workspace(practice_cloud, resource, user_token(practice_cloud, scope=SCOPE))
    cluster = attendee.cluster(ONE_NODE)
    build, organizer = application.client(resource), person(practice_cloud, resource, seed.ORGANIZER)
    for client, name in ((build, application.client_id), (organizer, seed.ORGANIZER.name)):
        # Both are administrators of the workspace, which is not enough.
        assert client.current_user.me().user_name == name
        assert refused(client, cluster).startswith(
            f"PERMISSION_DENIED: Single-user check failed: user '{name}' attempted to run a command on single-user "
            f"cluster {cluster}, but the single user of this cluster is '{seed.ATTENDEE.name}'"
        )
    # A context of the user's own is no way in for somebody else.
    body = {"clusterId": cluster, "language": "python"}
    context = attendee.do("POST", "1.2/contexts/create", body)["id"]
    with pytest.raises(PermissionDenied, match="Single-user check failed"):
        build.command_execution.execute(cluster_id=cluster, context_id=context, command="1", language=Language.PYTHON)


@pytest.mark.slow
def test_a_cluster_that_names_nobody_is_dedicated_to_whoever_creates_it(
    application: Application, practice_cloud: PracticeCloud, arm: Arm, resource: dict[str, Any]
) -> None:
    from databricks.sdk.service.compute import CommandStatus, DataSecurityMode, Kind, Language

    assign(arm, resource, CONTRIBUTOR, application)
    build = application.client(resource)
    made = build.clusters.create(
        spark_version=ML,
        cluster_name="own",
        node_type_id="Standard_D4ds_v5",
        kind=Kind.CLASSIC_PREVIEW,
        is_single_node=True,
        data_security_mode=DataSecurityMode.DATA_SECURITY_MODE_DEDICATED,
        autotermination_minutes=120,
    ).result()
    assert (made.single_user_name, made.cluster_id is not None) == (application.client_id, True)
    context = build.command_execution.create(cluster_id=made.cluster_id, language=Language.PYTHON).result()
    done = build.command_execution.execute(
        cluster_id=made.cluster_id, context_id=context.id, command="print(1)", language=Language.PYTHON
    ).result()
    assert done.status is CommandStatus.FINISHED
    attendee = Workspace(practice_cloud, resource, user_token(practice_cloud, scope=SCOPE))
    response = attendee.ask("POST", "1.2/contexts/create", {"clusterId": made.cluster_id, "language": "python"})
    assert response.status_code == 403
    assert f"the single user of this cluster is '{application.client_id}'" in response.json()["error"]


@pytest.mark.slow
def test_a_cluster_without_isolation_is_for_everybody(
    practice_cloud: PracticeCloud, resource: dict[str, Any], arm: Arm
) -> None:
    from databricks.sdk.service.compute import Language

    practice_cloud.control.settings(speed=6000)
    attendee = Workspace(practice_cloud, resource, user_token(practice_cloud, scope=SCOPE))
    cluster = attendee.cluster({**ONE_NODE, "data_security_mode": "NONE", "single_user_name": None})
    organizer = person(practice_cloud, resource, seed.ORGANIZER)
    context = organizer.command_execution.create(cluster_id=cluster, language=Language.PYTHON).result()
    assert context.id


# Clusters that runs have for themselves


def test_a_runs_own_cluster_is_dedicated_to_whoever_runs_it_and_ends_with_the_run(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "cloud.sqlite")) as store, store.transaction():
        world = World(store, Clock(1))
        clusters, who = Databricks(world).clusters, seed.CI_PRINCIPAL

        request = Request("POST", "/api/2.2/jobs/runs/submit", {}, {}, b"{}", "https://x", caller=who, thing="adb-1.1")
        wanted = {name: value for name, value in ONE_NODE.items() if name not in {"cluster_name", "single_user_name"}}
        with pytest.raises(Refused) as refused:
            clusters.create_for_run(request, wanted, who, "job-1-run-2")
        assert "autotermination_minutes" in str(refused.value.response.body)
        del wanted["autotermination_minutes"]
        made = clusters.create_for_run(request, wanted, who, "job-1-run-2")
        found = clusters.find("adb-1.1", made["cluster_id"])
        assert (found["state"], clusters.is_for_run(found)) == ("PENDING", True)
        assert (found["spec"]["cluster_name"], found["spec"]["single_user_name"]) == ("job-1-run-2", who.app_id)
        clusters.admit(found, who)
        with pytest.raises(Refused):
            clusters.admit(found, seed.ATTENDEE)
        clusters.end_for_run(found)
        ended = clusters.find("adb-1.1", made["cluster_id"])
        assert (ended["state"], ended["reason"]["code"]) == ("TERMINATING", "JOB_FINISHED")


def test_nobody_starts_edits_or_runs_something_else_on_a_runs_own_cluster(
    application: Application, practice_cloud: PracticeCloud, arm: Arm, resource: dict[str, Any]
) -> None:
    """The run is canceled while its cluster is still starting."""
    assign(arm, resource, CONTRIBUTOR, application)
    build = application.client(resource)
    assert build.current_user.me().user_name == application.client_id
    practice_cloud.control.settings(speed=1.0)
    asking = Workspace(practice_cloud, resource, application.token(SCOPE))
    own = {name: value for name, value in ONE_NODE.items() if name in {"spark_version", "node_type_id", "kind"}}
    own |= {"is_single_node": True, "data_security_mode": "DATA_SECURITY_MODE_DEDICATED"}
    task: dict[str, Any] = {"task_key": "train", "notebook_task": {"notebook_path": "/Shared/train"}}
    submit = "2.2/jobs/runs/submit"
    practice_cloud.wrong_on_purpose("runs/submit")
    refused = asking.ask("POST", submit, {"tasks": [task]})
    assert "One of job_cluster_key, new_cluster, or existing_cluster_id" in refused.json()["message"]
    run = asking.do("POST", submit, {"tasks": [{**task, "new_cluster": own}]})["run_id"]
    (cluster,) = asking.do("GET", "2.1/clusters/list", **{"filter_by.cluster_sources": "JOB"})["clusters"]
    assert asking.do("GET", "2.1/clusters/list", **{"filter_by.cluster_sources": "API"}) == {}
    assert (cluster["state"], cluster["single_user_name"]) == ("PENDING", application.client_id)
    assert cluster["cluster_name"].endswith("-train")
    name = cluster["cluster_id"]
    for change, body in (("start", {}), ("restart", {}), ("edit", ONE_NODE)):
        assert asking.error("POST", f"2.1/clusters/{change}", {**body, "cluster_id": name}) == (400, "INVALID_STATE")
    other = asking.ask("POST", submit, {"tasks": [{**task, "existing_cluster_id": name}]})
    assert other.json()["message"] == "existing_cluster_id only supports all-purpose cluster IDs"
    practice_cloud.control.settings(speed=6000)
    asking.do("POST", "2.2/jobs/runs/cancel", {"run_id": run})
    assert asking.until(name, "TERMINATED")["termination_reason"]["code"] == "JOB_FINISHED"


# What a new workspace has


def test_a_workspace_begins_with_groups_policies_a_catalog_and_without_legacy_features(
    practice_cloud: PracticeCloud, resource: dict[str, Any]
) -> None:
    client = person(practice_cloud, resource, seed.ATTENDEE)
    groups = {each.display_name: each for each in client.groups.list()}
    entitlements = {name: {each.value for each in group.entitlements or []} for name, group in groups.items()}
    assert entitlements["users"] == {"workspace-access", "databricks-sql-access"}
    assert entitlements["admins"] >= {"allow-cluster-create", "workspace-access"}
    (users,) = client.groups.list(filter='displayName eq "users"')
    assert [member.display for member in client.groups.get(str(users.id)).members or []] == ["Alex Attendee"]
    assert {each.value for each in client.current_user.me().entitlements or []} == entitlements["admins"]
    policies = {each.name: each for each in client.cluster_policies.list()}
    assert set(policies) == {"Personal Compute", "Power User Compute", "Shared Compute", "Job Compute"}
    personal = policies["Personal Compute"]
    assert client.cluster_policies.get(str(personal.policy_id)).policy_family_id == "personal-vm"
    assigned = client.metastores.current()
    assert assigned.default_catalog_name == "practice_db"
    assert {each.name for each in client.catalogs.list()} == {"practice_db", "samples", "system"}
    legacy = client.settings.disable_legacy_dbfs.get()
    assert legacy.disable_legacy_dbfs.value is True
    attendee = Workspace(practice_cloud, resource, user_token(practice_cloud, scope=SCOPE))
    refused = attendee.error("POST", "2.1/clusters/create", {**ONE_NODE, "policy_id": personal.policy_id})
    assert refused == (400, "INVALID_PARAMETER_VALUE")
