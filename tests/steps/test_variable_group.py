"""Section variable-group through the real wizard: identity, service connection, trust, roles and variable group."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from hol_wizard import headless
from hol_wizard.engine.results import Result, Status
from hol_wizard.headless import WorkOptions
from hol_wizard.practice import seed
from hol_wizard.practice.directory.assertions import DEVOPS_ISSUER
from hol_wizard.steps.secret_values import DATA_LAKE
from hol_wizard.steps.variable_group import OFFERED
from tests.practice.conftest import GRAPH, VAULTS, Arm, provider, user_token
from tests.practice.test_assertions import graph
from tests.practice.test_devops import DevOps, as_user
from tests.practice.test_key_vault_data import Vault
from tests.practice_cloud import PracticeCloud
from tests.service_connections import azure_connection
from tests.snapshots import Snapshots
from tests.steps.attendee import DEFAULTS, Attendee
from tests.steps.test_nothing_is_absent_by_a_foreign_answer import look
from tests.steps.test_secrets_on_the_cloud import not_passed, person, vault, vault_path

__all__ = ["person"]

IDENTITY = "variable-group/create-the-identity@pipeline"
CONNECTION = "variable-group/create-the-service-connection@pipeline"
TRUST = "variable-group/trust-the-service-connection@pipeline"
ROLES = "variable-group/give-the-connection-its-roles@pipeline"
SECRETS = "variable-group/confirm-the-pipeline-secrets@pipeline"
LINK = "variable-group/link-the-key-vault@pipeline"
ALL = (IDENTITY, CONNECTION, TRUST, ROLES, LINK)
NAME, GROUP = "hol-azure", "hol-pipeline-kv"
MANAGED = "2023-01-31"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture
def member(person: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody who has a project, and the secrets of the pipeline."""
    person.defaults = {**DEFAULTS, "devops_organization": "practice"}

    def make() -> None:
        practice_cloud.control.settings(user=seed.ATTENDEE.name)
        assert not_passed(person.solve("secrets", "devops-project/create-the-project")) == {}
        seen = person.solve("workspace-resources/add-a-container-registry")
        assert not_passed(seen) == {}

    snapshots.prepare("before-the-variable-group", practice_cloud, person.root, make)
    return person


@pytest.fixture
def linked(member: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody for whom the whole section is done."""

    def make() -> None:
        assert not_passed(member.solve("variable-group")) == {}

    snapshots.prepare("the-variable-group", practice_cloud, member.root, make)
    return member


class Project:
    """The lab's project, as somebody asks past the wizard."""

    def __init__(self, cloud: PracticeCloud, who: seed.Principal = seed.ATTENDEE) -> None:
        self.devops: DevOps = as_user(cloud, who.name)
        self.base = f"{cloud.endpoints['devops']}/practice/practice-hol/_apis"

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        query = {"api-version": "7.1", **query}
        return self.devops.http.request(method, self.base + path, params=query, json=body, timeout=10)

    def connection(self) -> dict[str, Any]:
        found = self.ask("GET", "/serviceendpoint/endpoints", endpointNames=NAME, includeFailed="true").json()
        return dict(found["value"][0]) if found["value"] else {}

    def group(self) -> dict[str, Any]:
        found = self.ask("GET", "/distributedtask/variablegroups", groupName=GROUP).json()
        return dict(found["value"][0]) if found["value"] else {}

    def connect_by_hand(self, client: str) -> None:
        project = self.devops.ask("GET", "/projects/practice-hol").json()
        reference = {"name": NAME, "projectReference": {"id": project["id"], "name": project["name"]}}
        parameters = {"tenantid": seed.TENANT, "serviceprincipalid": client}
        body = azure_connection(NAME, parameters, serviceEndpointProjectReferences=[reference])
        made = self.devops.ask("POST", "/serviceendpoint/endpoints", body)
        assert made.status_code == 200, made.text


def identity_path(attendee: Attendee) -> str:
    names = attendee.names("pipeline")
    return provider("ManagedIdentity/userAssignedIdentities", "hol-practice-build", names.resource_group)


def actual(attendee: Attendee, key: str, what: str) -> str:
    return next(each.actual for each in attendee.look(key).expectations if each.what == what)


def test_from_nothing_to_green_and_back(member: Attendee, practice_cloud: PracticeCloud) -> None:
    planned = member.plan("variable-group")
    assert {key: {change.verb for change in changes} for key, changes in planned.items() if key in ALL} == {
        key: {"create"} for key in ALL
    }
    assert not_passed(member.solve("variable-group")) == {}
    project = Project(practice_cloud)
    connection, group = project.connection(), project.group()
    arm = Arm(practice_cloud, user_token(practice_cloud))
    identity = arm.ask("GET", identity_path(member), version=MANAGED).json()
    parameters = connection["authorization"]["parameters"]
    assert parameters["serviceprincipalid"] == identity["properties"]["clientId"]
    credentials = arm.ask("GET", f"{identity_path(member)}/federatedIdentityCredentials", version=MANAGED).json()
    assert [each["properties"] for each in credentials["value"]] == [
        {
            "issuer": DEVOPS_ISSUER,
            "subject": parameters["workloadIdentityFederationSubject"],
            "audiences": ["api://AzureADTokenExchange"],
        }
    ]
    assert set(group["variables"]) == set(OFFERED)
    assert len(OFFERED) == 10
    assert not set(OFFERED) & set(DATA_LAKE)
    assert group["providerData"] == {"serviceEndpointId": connection["id"], "vault": member.names("pipeline").key_vault}
    # No pipeline may use them yet.
    place = f"/pipelines/pipelinepermissions/endpoint/{connection['id']}"
    assert project.ask("GET", place, **{"api-version": "7.1-preview.1"}).json()["pipelines"] == []
    assert [change for changes in member.plan("variable-group").values() for change in changes] == []

    torn = member.teardown(*ALL)
    assert torn.all_passed(), torn.statuses
    assert project.connection() == project.group() == {}
    assert arm.ask("GET", identity_path(member), version=MANAGED).status_code == 404
    policies = arm.ask("GET", vault_path(member, "pipeline"), version=VAULTS).json()["properties"]["accessPolicies"]
    assert identity["properties"]["principalId"] not in {each["objectId"] for each in policies}


def test_an_app_registration_does_as_well(member: Attendee, practice_cloud: PracticeCloud) -> None:
    inputs = {"build_identity": "app-registration"}
    assert not_passed(member.solve(*ALL, inputs=inputs)) == {}
    ask = graph(practice_cloud, user_token(practice_cloud, scope=GRAPH))
    (application,) = ask("GET", "/applications?$filter=displayName eq 'hol-practice-build'").json()["value"]
    connection = Project(practice_cloud).connection()
    assert connection["authorization"]["parameters"]["serviceprincipalid"] == application["appId"]
    (trust,) = ask("GET", f"/applications/{application['id']}/federatedIdentityCredentials").json()["value"]
    assert trust["subject"] == connection["authorization"]["parameters"]["workloadIdentityFederationSubject"]
    assert all(each.passed for each in member.check(*ALL).results.values())
    torn = member.teardown(*ALL)
    assert torn.all_passed(), torn.statuses
    assert ask("GET", "/applications?$filter=displayName eq 'hol-practice-build'").json()["value"] == []


def test_the_choice_of_an_identity_can_change(linked: Attendee, practice_cloud: PracticeCloud) -> None:
    before = Project(practice_cloud).connection()
    inputs = {"build_identity": "app-registration"}
    assert not_passed(linked.solve(IDENTITY, inputs=inputs)) == {}
    seen = linked.look(CONNECTION)
    assert [each.what for each in seen.expectations if not each.met] == ["Client ID of hol-practice-build"]
    assert not_passed(linked.solve(*ALL)) == {}
    connection = Project(practice_cloud).connection()
    ask = graph(practice_cloud, user_token(practice_cloud, scope=GRAPH))
    (application,) = ask("GET", "/applications?$filter=displayName eq 'hol-practice-build'").json()["value"]
    assert connection["id"] == before["id"]
    assert connection["authorization"]["parameters"]["serviceprincipalid"] == application["appId"]
    assert linked.teardown(*ALL).all_passed()
    arm = Arm(practice_cloud, user_token(practice_cloud))
    assert arm.ask("GET", identity_path(linked), version=MANAGED).status_code == 404
    assert ask("GET", "/applications?$filter=displayName eq 'hol-practice-build'").json()["value"] == []


def test_a_lost_ledger_is_written_again_by_the_marks(linked: Attendee, practice_cloud: PracticeCloud) -> None:
    kinds = {"Managed identity", "Service connection", "Variable group", "Role assignment"}
    before = {(each.kind, each.resource.lower()) for each in linked.wizard().ledger.standing() if each.kind in kinds}
    for path in linked.home.ledger_file("practice", "default").parent.glob("ledger.jsonl*"):
        path.unlink()
    assert headless.rebuild_ledger(linked.wizard(), WorkOptions(yes=True)) == 0
    after = {(each.kind, each.resource.lower()) for each in linked.wizard().ledger.standing() if each.kind in kinds}
    assert after == before
    # Without a mark, the credential and the access policy are nobody's; the credential goes with the identity.
    assert linked.teardown(*ALL).all_passed()
    assert Project(practice_cloud).connection() == {}
    arm = Arm(practice_cloud, user_token(practice_cloud))
    assert arm.ask("GET", identity_path(linked), version=MANAGED).status_code == 404


def test_a_connection_of_somebody_elses_is_adopted_and_left(member: Attendee, practice_cloud: PracticeCloud) -> None:
    arm = Arm(practice_cloud, user_token(practice_cloud))
    path = identity_path(member).replace("hol-practice-build", "theirs")
    body = {"location": "westeurope"}
    client = arm.ask("PUT", path, body, version=MANAGED).json()["properties"]["clientId"]
    ask = graph(practice_cloud, user_token(practice_cloud, scope=GRAPH))
    until = time.monotonic() + 10
    while ask("GET", f"/servicePrincipals(appId='{client}')").status_code == 404:
        assert time.monotonic() < until
        time.sleep(0.05)
    project = Project(practice_cloud)
    project.connect_by_hand(client)
    assert not_passed(member.solve(*ALL)) == {}
    assert actual(member, IDENTITY, "Identity of the service connection") == "theirs"
    assert {each["kind"] for each in member.ledger() if each["fact"] == "created"} >= {"Federated credential"}
    assert member.teardown(*ALL).all_passed()
    assert project.connection()["authorization"]["parameters"]["serviceprincipalid"] == client
    assert arm.ask("GET", path, version=MANAGED).status_code == 200
    credentials = arm.ask("GET", f"{path}/federatedIdentityCredentials", version=MANAGED).json()["value"]
    assert credentials == []


def test_a_credential_with_a_guessed_subject_is_told_and_put_right(
    linked: Attendee, practice_cloud: PracticeCloud
) -> None:
    arm = Arm(practice_cloud, user_token(practice_cloud))
    one = f"{identity_path(linked)}/federatedIdentityCredentials/{NAME}"
    guessed = {"issuer": DEVOPS_ISSUER, "subject": "sc://practice/lab/x", "audiences": ["api://AzureADTokenExchange"]}
    arm.ask("PUT", one, {"properties": guessed}, version=MANAGED)
    seen = linked.look(TRUST)
    assert seen.status is Status.FAILED
    assert [each.what for each in seen.expectations if not each.met] == ["Subject"]
    assert linked.solve(TRUST).statuses[TRUST] is Status.PASSED


def test_names_are_exactly_the_ten(linked: Attendee, practice_cloud: PracticeCloud) -> None:
    project = Project(practice_cloud)
    group = project.group()
    variables = {name: {"isSecret": True} for name in (*OFFERED[1:], "sp-password")}
    changed = {**group, "variables": variables}
    assert project.ask("PUT", f"/distributedtask/variablegroups/{group['id']}", changed).status_code == 200
    assert linked.look(LINK).status is Status.FAILED
    assert actual(linked, LINK, "Secrets") == f"missing: {OFFERED[0]}; too many: sp-password"
    assert linked.solve(LINK).statuses[LINK] is Status.PASSED
    assert set(project.group()["variables"]) == set(OFFERED)


def test_a_job_that_could_not_read_is_told_before_it_runs(linked: Attendee, practice_cloud: PracticeCloud) -> None:
    secrets: Vault = vault(practice_cloud, linked, "pipeline")
    secrets.ask("PATCH", "/secrets/model-name", {"attributes": {"exp": int(time.time()) - 60}})
    assert unreadable(linked.look(LINK)) == {"model-name": "expired"}
    secrets.ask("PATCH", "/secrets/acr-name", {"attributes": {"enabled": False}})
    assert secrets.ask("DELETE", "/secrets/image-name").status_code == 200
    # The section on secrets reports these two, and is the root cause.
    assert linked.look(LINK).status is Status.BLOCKED
    assert unreadable(look(linked, LINK)) == {
        "model-name": "expired",
        "acr-name": "disabled",
        "image-name": "missing in the vault",
    }


def unreadable(result: Result) -> dict[str, str]:
    assert result.status is Status.FAILED, result
    return {each.what: each.actual for each in result.expectations if not each.met}


def test_a_vault_that_is_closed_to_the_connection_is_told(linked: Attendee, practice_cloud: PracticeCloud) -> None:
    arm = Arm(practice_cloud, user_token(practice_cloud))
    client = arm.ask("GET", identity_path(linked), version=MANAGED).json()["properties"]["principalId"]
    entry = {"tenantId": seed.TENANT, "objectId": client, "permissions": {"secrets": ["get", "list"]}}
    path = f"{vault_path(linked, 'pipeline')}/accessPolicies/remove"
    assert arm.ask("PUT", path, {"properties": {"accessPolicies": [entry]}}, version=VAULTS).status_code == 200
    assert linked.look(ROLES).status is Status.FAILED
    assert "Secret permissions for hol-practice-build" in unreadable(look(linked, LINK))
    assert linked.solve(ROLES).statuses[ROLES] is Status.PASSED


def test_who_may_not_create_connections_is_told_who_may(member: Attendee, practice_cloud: PracticeCloud) -> None:
    assert member.solve(IDENTITY).all_passed()
    practice_cloud.control.fault(
        "error",
        service="devops",
        method="POST",
        path="/serviceendpoint/endpoints",
        status=403,
        code="AccessCheckException",
        message="You do not have permission to create a service connection. You need to be a Creator for service "
        "connections in this project.",
    )
    refused = member.solve(CONNECTION).results[CONNECTION]
    practice_cloud.control.clear_faults()
    assert refused.status is Status.FAILED
    assert "You may not create service connections" in refused.summary
    assert "Creator" in refused.next_action
