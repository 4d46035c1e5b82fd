"""Service connections, variable groups and pipeline permissions of the practice cloud's Azure DevOps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.organizations import PRACTICE
from hol_wizard.practice.devops.pipeline_jobs import BuildService, PipelineJobs
from hol_wizard.practice.devops.pipeline_permissions import PipelinePermissions
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.service_connections import (
    AUDIENCE,
    ServiceConnections,
    ServiceConnectionsService,
)
from hol_wizard.practice.devops.variable_groups import UnreadableError, VariableGroups
from hol_wizard.practice.directory import assertions, objects
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Refused, Request, Response, Router
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault.service import Secrets
from tests.practice.test_devops import DevOps, as_user, join
from tests.practice_cloud import PracticeCloud
from tests.service_connections import azure_connection

NAMES = ("acr-name", "model-name")


@dataclass
class Project:
    """Asks about service connections and variable groups of a project."""

    devops: DevOps
    id: str

    def ask(self, method: str, path: str, body: Any = None, *, inside: bool = False, **q: str) -> requests.Response:
        base = f"{self.devops.cloud.endpoints['devops']}/practice{'/lab' if inside else ''}/_apis"
        query = {"api-version": "7.1", **q}
        return self.devops.http.request(method, base + path, params=query, json=body, timeout=10)

    def connection(self, name: str = "azure", **more: Any) -> dict[str, Any]:
        """Return the body of a connection as azure-dev sends it."""
        references = [{"name": name, "projectReference": {"id": self.id, "name": "lab"}}]
        parameters = {"tenantid": seed.TENANT, "serviceprincipalid": seed.fixed_id("client")}
        return azure_connection(name, parameters, serviceEndpointProjectReferences=references, **more)

    def group(self, connection: str, name: str = "lab", **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "type": "AzureKeyVault",
            "providerData": {"serviceEndpointId": connection, "vault": "lab-kv"},
            "variables": {each: {"isSecret": True, "enabled": True, "contentType": ""} for each in NAMES},
            "variableGroupProjectReferences": [{"name": name, "projectReference": {"id": self.id, "name": "lab"}}],
            **more,
        }

    def make(self, name: str = "azure") -> dict[str, Any]:
        made = self.ask("POST", "/serviceendpoint/endpoints", self.connection(name))
        assert made.status_code == 200, made.text
        return dict(made.json())


@pytest.fixture
def project(practice_cloud: PracticeCloud) -> Project:
    devops = as_user(practice_cloud)
    return Project(devops, devops.make("lab")["id"])


def test_a_connection_tells_issuer_and_subject_and_is_ready_soon(project: Project) -> None:
    made = project.make()
    assert made["createdBy"]["id"] == member_id(PRACTICE.name, seed.ATTENDEE.id)
    parameters = made["authorization"]["parameters"]
    assert parameters["workloadIdentityFederationIssuer"] == f"https://login.microsoftonline.com/{seed.TENANT}/v2.0"
    assert parameters["workloadIdentityFederationSubject"].endswith(f"/sc/{PRACTICE.id}/{made['id']}")
    one = f"/serviceendpoint/endpoints/{made['id']}"
    deadline = time.monotonic() + 10
    while not project.ask("GET", one, inside=True).json()["isReady"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    listed = project.ask("GET", "/serviceendpoint/endpoints", inside=True, endpointNames="azure,other").json()
    assert [each["id"] for each in listed["value"]] == [made["id"]]
    for query in ({"endpointNames": "other"}, {"type": "github"}, {"authSchemes": "ServicePrincipal"}):
        assert project.ask("GET", "/serviceendpoint/endpoints", inside=True, **query).json()["count"] == 0
    renamed = project.connection("renamed")
    changed = project.ask("PUT", one, renamed).json()
    assert (changed["name"], changed["authorization"]["parameters"]["workloadIdentityFederationSubject"]) == (
        "renamed",
        parameters["workloadIdentityFederationSubject"],
    )
    assert project.ask("DELETE", one, projectIds=project.id, deep="true").status_code == 204
    assert project.ask("GET", one, inside=True).text == "null"


def test_connections_that_are_wrong_are_refused(practice_cloud: PracticeCloud, project: Project) -> None:
    practice_cloud.wrong_on_purpose("/_apis/serviceendpoint")
    project.make()

    def refusal(body: dict[str, Any]) -> tuple[int, str]:
        answer = project.ask("POST", "/serviceendpoint/endpoints", body)
        return answer.status_code, answer.json()["typeKey"]

    assert refusal(project.connection()) == (409, "DuplicateServiceConnectionException")
    whole = project.connection("other")
    without = [{**whole, "serviceEndpointProjectReferences": []}, {**whole, "name": ""}, {**whole, "type": "github"}]
    without += [{**whole, "data": {**whole["data"], "creationMode": "Automatic"}}]
    without += [{**whole, "data": {**whole["data"], "subscriptionId": ""}}]
    for body in without:
        assert refusal(body) == (400, "InvalidServiceEndpointRequestException")
    nobody = f"/serviceendpoint/endpoints/{seed.fixed_id('none')}"
    assert project.ask("DELETE", nobody, projectIds=project.id).status_code == 404


def test_who_is_no_creator_makes_no_connection_and_no_group(practice_cloud: PracticeCloud, project: Project) -> None:
    practice_cloud.wrong_on_purpose("/_apis/serviceendpoint", "/_apis/distributedtask", "pipelinepermissions")
    made = project.make()
    join(project.devops, seed.CONTRIBUTOR_USER, project.id, "projectReader")
    reader = Project(as_user(practice_cloud, seed.CONTRIBUTOR_USER.name), project.id)
    refused = reader.ask("POST", "/serviceendpoint/endpoints", project.connection("mine"))
    assert (refused.status_code, refused.json()["message"]) == (
        403,
        "You do not have permission to create a service connection. You need to be a Creator for service connections "
        "in this project.",
    )
    assert reader.ask("DELETE", f"/serviceendpoint/endpoints/{made['id']}", projectIds=project.id).status_code == 403
    assert reader.ask("POST", "/distributedtask/variablegroups", project.group(made["id"])).status_code == 403
    allowed = {"allPipelines": {"authorized": True}}
    path = f"/pipelines/pipelinepermissions/endpoint/{made['id']}"
    assert reader.ask("PATCH", path, allowed, inside=True, **PREVIEW).status_code == 403


def test_nothing_is_shared_with_a_project_of_which_one_is_only_a_reader(
    practice_cloud: PracticeCloud, project: Project
) -> None:
    practice_cloud.wrong_on_purpose("(PUT|POST) .*/_apis/serviceendpoint", "PUT .*/variablegroups")
    other = project.devops.make("other")["id"]
    join(project.devops, seed.CONTRIBUTOR_USER, project.id)
    users = f"{practice_cloud.endpoints['devops_entitlements']}/practice/_apis/userentitlements"
    user = member_id(PRACTICE.name, seed.CONTRIBUTOR_USER.id)
    entry = {"group": {"groupType": "projectReader"}, "projectRef": {"id": other}}
    change = [{"op": "add", "path": f"/projectEntitlements/{other}", "value": entry}]
    query = {"api-version": "7.1"}
    headers = {"Content-Type": "application/json-patch+json"}
    added = project.devops.http.patch(f"{users}/{user}", params=query, json=change, headers=headers, timeout=10)
    assert added.status_code == 200, added.text
    mine = Project(as_user(practice_cloud, seed.CONTRIBUTOR_USER.name), project.id)
    both = [{"name": "shared", "projectReference": {"id": each}} for each in (project.id, other)]
    connection = mine.make("mine")
    body = {**mine.connection("mine"), "serviceEndpointProjectReferences": both}
    assert mine.ask("PUT", f"/serviceendpoint/endpoints/{connection['id']}", body).status_code == 403
    group = mine.ask("POST", "/distributedtask/variablegroups", plain := mine.group("", type="Vsts", providerData=None))
    assert group.status_code == 200, group.text
    shared = {**plain, "variableGroupProjectReferences": both}
    refused = mine.ask("PUT", f"/distributedtask/variablegroups/{group.json()['id']}", shared)
    assert (refused.status_code, refused.json()["typeKey"]) == (403, "AccessDeniedException")
    alone = mine.ask("PUT", f"/distributedtask/variablegroups/{group.json()['id']}", plain)
    assert alone.status_code == 200, alone.text


PREVIEW = {"api-version": "7.1-preview.1"}


def test_a_group_of_a_vault_keeps_names_and_no_values(practice_cloud: PracticeCloud, project: Project) -> None:
    connection = project.make()["id"]
    made = project.ask("POST", "/distributedtask/variablegroups", project.group(connection)).json()
    assert made["variables"]["acr-name"] == {
        "isSecret": True,
        "value": None,
        "enabled": True,
        "contentType": "",
        "expires": None,
    }
    one = f"/distributedtask/variablegroups/{made['id']}"
    found = project.ask("GET", "/distributedtask/variablegroups", inside=True, groupName="LAB").json()
    assert [each["id"] for each in found["value"]] == [made["id"]]
    assert project.ask("GET", one, inside=True).json()["providerData"] == made["providerData"]
    fewer = {"model-name": {"isSecret": True}}
    changed = project.ask("PUT", one, project.group(connection, variables=fewer)).json()
    assert list(changed["variables"]) == ["model-name"]
    assert project.ask("DELETE", one, projectIds=project.id).status_code == 204
    assert project.ask("GET", one, inside=True).text == "null"
    again = project.ask("POST", "/distributedtask/variablegroups", project.group(connection)).json()
    assert again["id"] > made["id"]


def test_groups_that_are_wrong_are_refused(practice_cloud: PracticeCloud, project: Project) -> None:
    practice_cloud.wrong_on_purpose("/_apis/distributedtask")
    connection = project.make()["id"]
    project.ask("POST", "/distributedtask/variablegroups", project.group(connection))

    def refusal(body: dict[str, Any]) -> tuple[int, str]:
        answer = project.ask("POST", "/distributedtask/variablegroups", body)
        return answer.status_code, answer.json()["typeKey"]

    assert refusal(project.group(connection)) == (409, "VariableGroupExistsException")
    assert refusal(project.group(seed.fixed_id("none"), "x")) == (400, "ServiceEndpointNotFoundException")
    wrongs: tuple[dict[str, Any], ...] = ({"name": ""}, {"variables": {}}, {"variableGroupProjectReferences": []})
    for wrong in (*wrongs, {"type": "Odd"}):
        assert refusal({**project.group(connection, "x"), **wrong}) == (400, "ArgumentException")


def test_permissions_are_given_to_one_or_to_all_pipelines(practice_cloud: PracticeCloud, project: Project) -> None:
    practice_cloud.wrong_on_purpose("pipelinepermissions/(endpoint|odd)")
    connection = project.make()["id"]
    base = "/pipelines/pipelinepermissions"

    def ask(method: str, path: str, body: Any = None) -> requests.Response:
        return project.ask(method, base + path, body, inside=True, **PREVIEW)

    one = f"/endpoint/{connection}"
    assert ask("GET", one).json() == {
        "resource": {"type": "endpoint", "id": connection, "name": "azure"},
        "pipelines": [],
    }
    ask("PATCH", one, {"pipelines": [{"id": 7, "authorized": True}, {"id": 8, "authorized": True}]})
    left = ask("PATCH", one, {"pipelines": [{"id": 8, "authorized": False}]}).json()
    assert [each["id"] for each in left["pipelines"]] == [7]
    assert left["pipelines"][0]["authorizedBy"]["id"] == member_id(PRACTICE.name, seed.ATTENDEE.id)
    group = project.ask("POST", "/distributedtask/variablegroups", project.group(connection)).json()["id"]
    several = [
        {"resource": {"type": "endpoint", "id": connection}, "allPipelines": {"authorized": True}},
        {"resource": {"type": "variablegroup", "id": str(group)}, "pipelines": [{"id": 7, "authorized": True}]},
    ]
    shown = ask("PATCH", "", several).json()["value"]
    assert [("allPipelines" in each, len(each["pipelines"])) for each in shown] == [(True, 1), (False, 1)]
    assert ask("GET", f"/endpoint/{seed.fixed_id('none')}").status_code == 404
    assert ask("GET", "/odd/1").status_code == 400


def test_a_jobs_token_is_for_the_job_alone(practice_cloud: PracticeCloud, project: Project) -> None:
    practice_cloud.wrong_on_purpose("/oidctoken")
    connection = project.make()["id"]
    place = f"/distributedtask/hubs/build/plans/{seed.fixed_id('plan')}/jobs/{seed.fixed_id('job')}/oidctoken"
    answer = project.ask("POST", place, {}, inside=True, serviceConnectionId=connection, **PREVIEW)
    assert (answer.status_code, answer.json()["typeKey"]) == (404, "TaskOrchestrationJobNotFoundException")


# Without HTTP: what a run asks for


@dataclass
class Cloud:
    """A world with a project, a vault, an identity that may read it, a connection and a group."""

    world: World
    project: str
    connection: dict[str, Any]
    group: dict[str, Any]
    vault: dict[str, Any]
    identity: dict[str, Any]

    def values(self) -> dict[str, tuple[str, bool]]:
        with self.world.store.transaction():
            return self.world.part(VariableGroups).values(self.project, self.group)

    def refusal(self) -> str:
        with pytest.raises(UnreadableError) as caught:
            self.values()
        return str(caught.value)

    def secret(self, name: str, **attributes: Any) -> None:
        with self.world.store.transaction():
            body = {"value": f"value of {name}", "attributes": attributes}
            self.world.part(Secrets).put("lab-kv", name, body)

    def keep(self, resource: dict[str, Any]) -> None:
        with self.world.store.transaction():
            self.world.part(Resources).keep(resource)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    store = Store(tmp_path / "cloud.sqlite")
    world = World(store, Clock(1e9))
    project = seed.fixed_id("project")
    with store.transaction():
        client, resource = seed.fixed_id("client"), "/subscriptions/s/resourceGroups/g/providers/x/id"
        principal = objects.make_managed_identity(world, client, "id", resource)
        connection: dict[str, Any] = {
            "id": seed.fixed_id("connection"),
            "organization": "practice",
            "projects": {project: {"name": "azure", "description": ""}},
            "parameters": {"tenantid": seed.TENANT, "serviceprincipalid": client},
            "data": {"subscriptionId": seed.SUBSCRIPTION.id, "subscriptionName": "s"},
            "creator": seed.ATTENDEE.id,
            "ready": 0.0,
            "uses": [],
        }
        connections = world.part(ServiceConnections)
        connections.keep(connection)
        trusted = {
            "name": "devops",
            "issuer": assertions.DEVOPS_ISSUER,
            "subject": connections.subject(connection),
            "audiences": [AUDIENCE],
            "works": 0.0,
        }
        identity = {"id": resource, "name": "id", "type": "x", "properties": {"federated": [trusted]}}
        world.part(Resources).keep(identity)
        policy = {"objectId": principal["id"], "tenantId": seed.TENANT, "permissions": {"secrets": ["get", "list"]}}
        vault = {
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/lab-kv",
            "name": "lab-kv",
            "type": "Microsoft.KeyVault/vaults",
            "location": "westeurope",
            "state": "Succeeded",
            "properties": {
                "publicNetworkAccess": "Enabled",
                "enableRbacAuthorization": False,
                "accessPolicies": [policy],
            },
        }
        world.part(Resources).keep(vault)
        group: dict[str, Any] = {
            "id": "1",
            "name": "lab",
            "type": "AzureKeyVault",
            "variables": {each: {"isSecret": True} for each in NAMES},
            "provider": {"serviceEndpointId": connection["id"], "vault": "lab-kv"},
            "projects": {project: "lab"},
            "deleted": False,
        }
        world.part(VariableGroups).keep(group)
    made = Cloud(world, project, connection, group, vault, identity)
    for name in (*NAMES, "sp-password"):
        made.secret(name)
    yield made
    store.close()


def test_a_job_gets_the_chosen_secrets_and_no_others(cloud: Cloud) -> None:
    assert cloud.values() == {name: (f"value of {name}", True) for name in NAMES}
    groups = cloud.world.part(VariableGroups)
    assert groups.vault(cloud.group) == "lab-kv"
    with cloud.world.store.transaction():
        everything = groups.secrets(cloud.connection, "lab-kv", [])
    assert set(everything) == {*NAMES, "sp-password"}


def test_a_group_with_its_own_values_reads_no_vault(cloud: Cloud) -> None:
    variables = {"a": {"value": "1"}, "b": {"value": "2", "isSecret": True}}
    group = {**cloud.group, "type": "Vsts", "variables": variables}
    assert cloud.world.part(VariableGroups).values(cloud.project, group) == {"a": ("1", False), "b": ("2", True)}


def test_a_vault_that_is_closed_to_the_connection_says_so_itself(cloud: Cloud) -> None:
    cloud.vault["properties"]["accessPolicies"] = []
    cloud.keep(cloud.vault)
    said = cloud.refusal()
    assert said.startswith("acr-name: \"The user, group or application 'appid=")
    assert "does not have secrets get permission on key vault 'lab-kv;location=westeurope'" in said
    assert "needs to have Get, List secret management permissions" in said
    cloud.vault["properties"]["publicNetworkAccess"] = "Disabled"
    cloud.keep(cloud.vault)
    assert "Public network access is disabled" in cloud.refusal()


def test_a_secret_that_cannot_be_used_fails_the_job(cloud: Cloud) -> None:
    cloud.secret("acr-name", enabled=False)
    assert "not allowed on a disabled secret" in cloud.refusal()
    cloud.secret("acr-name", exp=int(time.time()) - 10)
    assert cloud.refusal() == 'acr-name: "The secret has expired."'
    cloud.group["variables"] = {"missing": {"isSecret": True}}
    assert "A secret with (name/id) missing was not found" in cloud.refusal()


def test_a_connection_that_entra_rejects_reads_nothing(cloud: Cloud) -> None:
    cloud.identity["properties"]["federated"] = []
    cloud.keep(cloud.identity)
    assert "AADSTS70025" in cloud.refusal()
    with cloud.world.store.transaction():
        cloud.world.part(ServiceConnections).remove(cloud.connection["id"])
    assert cloud.refusal() == "The service connection of the variable group lab does not exist anymore."


def test_a_run_asks_whether_a_pipeline_may_use_a_resource(cloud: Cloud) -> None:
    permissions = cloud.world.part(PipelinePermissions)
    place = cloud.project, "variablegroup", "1"
    with cloud.world.store.transaction():
        assert not permissions.authorized(*place, 7)
        permissions.authorize(*place, seed.ATTENDEE, 7)
        assert (permissions.authorized(*place, 7), permissions.authorized(*place, 8)) == (True, False)
        permissions.forget_pipeline(cloud.project, 7)
        assert not permissions.authorized(*place, 7)
        permissions.authorize(*place, seed.ATTENDEE, None)
        assert permissions.authorized(*place, 8)
        permissions.forget(*place)
        assert not permissions.authorized(*place, 8)
    assert permissions.name_of(cloud.project, "endpoint", cloud.connection["id"]) == "azure"
    assert permissions.name_of("other", "endpoint", cloud.connection["id"]) is None


def test_a_running_job_gets_the_assertion_of_a_connection_that_it_may_use(cloud: Cloud) -> None:
    world, router = cloud.world, Router()
    ServiceConnectionsService(world, router, world.part(Projects))
    plan, number = seed.fixed_id("plan"), seed.fixed_id("job")
    project = {"id": cloud.project, "name": "lab", "organization": "practice"}
    path = f"/practice/{cloud.project}/_apis/distributedtask/hubs/build/plans/{plan}/jobs/{number}/oidctoken"
    route, match, _ = router.find("POST", path)
    assert route is not None
    query = {"serviceconnectionid": cloud.connection["id"]}

    def ask(connections: list[str], who: seed.Principal | None = None) -> Response:
        jobs = world.part(PipelineJobs)
        with world.store.transaction():
            who = who or jobs.holder(jobs.begin(number, plan, project, connections))
            answer = route.handler(Request("POST", path, query, {}, b"{}", "", match=match, caller=who))
        assert isinstance(answer, Response)
        return answer

    given = ask([cloud.connection["id"]])
    assert isinstance(given.body, dict)
    client = cloud.connection["parameters"]["serviceprincipalid"]
    assertions.verify(world, client, given.body["oidcToken"], "", ())
    of_another = BuildService("1", "Build\\2", "other", "", "practice", "2")
    for connections, who in (
        ([cloud.connection["id"]], seed.ATTENDEE),
        ([cloud.connection["id"]], of_another),
        ([], None),
    ):
        with pytest.raises(Refused) as refused:
            ask(connections, who)
        assert refused.value.response.status == 403
