from __future__ import annotations

import json
import sqlite3
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.arm import roles
from tests.practice.conftest import (
    DATABRICKS,
    GRAPH,
    MANAGEMENT,
    Arm,
    databricks_body,
    post_token,
    provider,
    session,
    user_token,
)
from tests.practice_cloud import SPEED, PracticeCloud

DATABRICKS_APPLICATION = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"


@dataclass
class Graph:
    """Asks Microsoft Graph."""

    cloud: PracticeCloud
    token: str
    http: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.http = session(self.cloud)
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        """Ask below `/v1.0`."""
        address = f"{self.cloud.endpoints['microsoft_graph']}/v1.0{path}"
        return self.http.request(method, address, params=query, json=body, timeout=10)

    def error(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str]:
        """Ask, and return status and code of the refusal."""
        answer = self.ask(method, path, body, **query)
        return answer.status_code, str(answer.json()["error"]["code"])

    def application(self, name: str = "hol-practice-dev", **fields: Any) -> dict[str, Any]:
        """Register an application."""
        made = self.ask("POST", "/applications", {"displayName": name, "signInAudience": "AzureADMyOrg", **fields})
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    def service_principal(self, app_id: str) -> dict[str, Any]:
        """Make the service principal of an application, as soon as the directory knows that."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            made = self.ask("POST", "/servicePrincipals", {"appId": app_id})
            if made.status_code == 201:
                found: dict[str, Any] = made.json()
                return found
            assert "does not reference a valid application object" in made.json()["error"]["message"]
            time.sleep(0.01)
        raise TimeoutError(app_id)

    def secret(self, application: dict[str, Any], **wanted: Any) -> dict[str, Any]:
        """Give an application a client secret."""
        body = {"passwordCredential": {"displayName": "hol-wizard", **wanted}}
        made = self.ask("POST", f"/applications/{application['id']}/addPassword", body)
        assert made.status_code == 200, made.text
        found: dict[str, Any] = made.json()
        return found


@pytest.fixture
def graph(practice_cloud: PracticeCloud) -> Graph:
    """Graph as the attendee."""
    return Graph(practice_cloud, user_token(practice_cloud, scope=GRAPH))


def as_user(cloud: PracticeCloud, name: str) -> Graph:
    return Graph(cloud, user_token(cloud, f"{name}@practice.example", GRAPH))


def client_token(cloud: PracticeCloud, client: str, secret: str, scope: str = MANAGEMENT) -> requests.Response:
    return post_token(
        cloud,
        seed.TENANT,
        grant_type="client_credentials",
        client_id=client,
        client_secret=secret,
        scope=scope,
    )


def signed_in(cloud: PracticeCloud, client: str, secret: str, scope: str = MANAGEMENT) -> str:
    """Return a token of the application, once its secret has spread."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        answer = client_token(cloud, client, secret, scope)
        if answer.status_code == 200:
            return str(answer.json()["access_token"])
        assert answer.json()["error_codes"] == [7000215]
        time.sleep(0.01)
    raise TimeoutError(client)


def test_an_application_is_registered_found_changed_and_deleted(graph: Graph) -> None:
    made = graph.application(tags=["hol-wizard", "lab-1"], notes="made by a test")
    path = f"/applications/{made['id']}"
    assert graph.ask("GET", path).json() == made
    assert graph.ask("GET", f"/applications(appId='{made['appId']}')").json()["id"] == made["id"]
    assert graph.ask("PATCH", path, {"tags": ["other"]}).status_code == 204
    assert graph.ask("GET", path).json()["tags"] == ["other"]
    assert graph.ask("DELETE", path).status_code == 204
    assert graph.error("GET", path) == (404, "Request_ResourceNotFound")
    gone = graph.ask("GET", "/directory/deletedItems/microsoft.graph.application").json()["value"]
    assert [each["appId"] for each in gone] == [made["appId"]]
    assert graph.ask("GET", f"/directory/deletedItems/{made['id']}").json()["deletedDateTime"]
    assert graph.ask("DELETE", f"/directory/deletedItems/{made['id']}").status_code == 204
    assert graph.ask("GET", "/directory/deletedItems/microsoft.graph.application").json()["value"] == []
    assert graph.error("DELETE", f"/directory/deletedItems/{made['id']}") == (404, "Request_ResourceNotFound")


def test_applications_are_found_by_what_is_asked_for(practice_cloud: PracticeCloud, graph: Graph) -> None:
    first = graph.application("hol-a'b-dev", tags=["lab-1"])
    second = graph.application("hol-practice-pipeline", tags=["lab-1", "more"])

    def names(text: str, **query: str) -> list[str]:
        found = graph.ask("GET", "/applications", **{"$filter": text}, **query)
        return [each["displayName"] for each in found.json()["value"]]

    assert names("displayName eq 'HOL-A''B-dev'") == ["hol-a'b-dev"]
    assert names(f"appId eq '{second['appId']}'") == ["hol-practice-pipeline"]
    assert names("tags/any(t:t eq 'more')") == ["hol-practice-pipeline"]
    assert names("tags/any(t:t eq 'lab-1') and startswith(displayName,'hol-a')") == ["hol-a'b-dev"]
    assert names("displayName eq 'none'") == []
    selected = graph.ask("GET", "/applications", **{"$filter": f"id eq '{first['id']}'", "$select": "id,appId"}).json()
    assert selected["value"] == [{"id": first["id"], "appId": first["appId"]}]
    page = graph.ask("GET", "/applications", **{"$top": "1"}).json()
    following = graph.http.get(page["@odata.nextLink"], timeout=10).json()
    assert [each["id"] for each in (*page["value"], *following["value"])] == [first["id"], second["id"]]
    assert "@odata.nextLink" not in following
    practice_cloud.wrong_on_purpose("GET /v1.0/applications")
    for text, code in (("nonsense", "BadRequest"), ("notes eq 'x'", "Request_UnsupportedQuery")):
        assert graph.error("GET", "/applications", **{"$filter": text}) == (400, code)


def test_a_wrong_application_is_refused(practice_cloud: PracticeCloud, graph: Graph) -> None:
    practice_cloud.wrong_on_purpose("POST /v1.0/applications")
    for body in ({}, {"displayName": ""}, {"displayName": "a", "nonsense": 1}):
        assert graph.error("POST", "/applications", body) == (400, "Request_BadRequest")
    made = {"displayName": "a", "passwordCredentials": [{"displayName": "mine"}]}
    assert graph.error("POST", "/applications", made) == (400, "Request_BadRequest")


def test_a_client_secret_is_shown_once_and_its_value_never_kept(practice_cloud: PracticeCloud, graph: Graph) -> None:
    application, since = graph.application(), practice_cloud.log_size()
    end = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = graph.secret(application, endDateTime=end)
    assert made["endDateTime"] == end
    assert made["hint"] == made["secretText"][:3]
    path = f"/applications/{application['id']}"
    (kept,) = graph.ask("GET", path).json()["passwordCredentials"]
    assert kept == {**{name: value for name, value in made.items() if name[0] != "@"}, "secretText": None}
    database = sqlite3.connect(practice_cloud.state / "cloud.sqlite")
    bodies = [body for (body,) in database.execute("SELECT body FROM documents")]
    database.close()
    assert any(made["keyId"] in body for body in bodies)
    assert not any(made["secretText"] in body for body in bodies)
    assert made["secretText"] not in json.dumps(practice_cloud.exchanges(since))
    assert graph.ask("POST", f"{path}/removePassword", {"keyId": made["keyId"]}).status_code == 204
    assert graph.ask("GET", path).json()["passwordCredentials"] == []
    assert graph.error("POST", f"{path}/removePassword", {"keyId": made["keyId"]}) == (400, "Request_BadRequest")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"passwordCredential": {"endDateTime": yesterday}}
    assert graph.error("POST", f"{path}/addPassword", body) == (400, "Request_BadRequest")


def test_a_service_principal_waits_for_its_application_and_is_there_once(
    practice_cloud: PracticeCloud, graph: Graph
) -> None:
    practice_cloud.control.settings(speed=10)
    application = graph.application()
    young = graph.ask("POST", "/servicePrincipals", {"appId": application["appId"]})
    practice_cloud.control.settings(speed=SPEED)
    assert young.status_code == 400
    assert young.json()["error"]["details"][0]["code"] == "NoBackingApplicationObject"
    made = graph.service_principal(application["appId"])
    assert made["appId"] == application["appId"]
    assert made["id"] not in {application["id"], application["appId"]}
    again = graph.error("POST", "/servicePrincipals", {"appId": application["appId"]})
    assert again == (409, "Request_MultipleObjectsWithSameKeyValue")
    assert graph.ask("GET", f"/servicePrincipals(appId='{application['appId']}')").json() == made
    for text in (
        f"appId eq '{application['appId']}'",
        f"displayName eq '{application['displayName']}'",
        f"servicePrincipalNames/any(c:c eq '{application['appId']}')",
    ):
        found = graph.ask("GET", "/servicePrincipals", **{"$filter": text}).json()["value"]
        assert [each["id"] for each in found] == [made["id"]]
    body = {"ids": [made["id"], seed.ATTENDEE.id, str(uuid.uuid4())], "types": ["user", "servicePrincipal"]}
    named = graph.ask("POST", "/directoryObjects/getByIds", body).json()["value"]
    assert [each["id"] for each in named] == [made["id"], seed.ATTENDEE.id]


def test_an_application_takes_its_service_principal_with_it(practice_cloud: PracticeCloud, graph: Graph) -> None:
    application = graph.application()
    principal = graph.service_principal(application["appId"])
    secret = graph.secret(application)["secretText"]
    token = signed_in(practice_cloud, application["appId"], secret)
    assert graph.ask("DELETE", f"/applications/{application['id']}").status_code == 204
    assert graph.error("GET", f"/servicePrincipals/{principal['id']}") == (404, "Request_ResourceNotFound")
    gone = graph.ask("GET", "/directory/deletedItems/microsoft.graph.servicePrincipal").json()["value"]
    assert [each["id"] for each in gone] == [principal["id"]]
    answer = client_token(practice_cloud, application["appId"], secret)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [700016])
    assert Arm(practice_cloud, token).ask("GET", "").status_code == 401


def test_what_others_have_registered_cannot_be_changed(practice_cloud: PracticeCloud, graph: Graph) -> None:
    application = graph.application()
    principal = graph.service_principal(application["appId"])
    path, other = f"/applications/{application['id']}", as_user(practice_cloud, "reader")
    assert other.ask("GET", path).status_code == 200
    denied = (403, "Authorization_RequestDenied")
    assert other.error("PATCH", path, {"notes": "mine now"}) == denied
    assert other.error("POST", f"{path}/addPassword", {"passwordCredential": {"displayName": "mine"}}) == denied
    assert other.error("DELETE", path) == denied
    assert other.error("DELETE", f"/servicePrincipals/{principal['id']}") == denied
    assert [each["id"] for each in other.ask("GET", f"{path}/owners").json()["value"]] == [seed.ATTENDEE.id]
    assert as_user(practice_cloud, "organizer").ask("DELETE", path).status_code == 204
    assert other.error("DELETE", f"/directory/deletedItems/{application['id']}") == denied


def test_a_tenant_may_let_only_some_register_applications(practice_cloud: PracticeCloud, graph: Graph) -> None:
    def allowed() -> Any:
        return graph.ask("GET", "/policies/authorizationPolicy").json()["defaultUserRolePermissions"][
            "allowedToCreateApps"
        ]

    assert allowed() is True
    practice_cloud.control.settings(register_applications=False)
    assert allowed() is False
    answer = graph.ask("POST", "/applications", {"displayName": "hol-practice-dev"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "Authorization_RequestDenied"
    assert answer.json()["error"]["message"] == "Insufficient privileges to complete the operation."
    assert graph.ask("GET", "/me/transitiveMemberOf").json()["value"] == []
    organizer = as_user(practice_cloud, "organizer")
    (role,) = organizer.ask("GET", "/me/transitiveMemberOf/microsoft.graph.directoryRole").json()["value"]
    assert role["displayName"] == "Application Administrator"
    only = "/me/transitiveMemberOf/microsoft.graph.directoryRole?$select=displayName"
    assert organizer.ask("GET", only).json()["value"] == [{"displayName": "Application Administrator"}]
    assert organizer.application()["displayName"] == "hol-practice-dev"


def test_a_program_needs_a_permission_of_graph(practice_cloud: PracticeCloud, graph: Graph) -> None:
    ci = practice_cloud.endpoints["service_principal"]
    token = client_token(practice_cloud, ci["client_id"], ci["client_secret"], GRAPH).json()["access_token"]
    pipeline = Graph(practice_cloud, token)
    own = pipeline.application("hol-ci")
    assert pipeline.service_principal(own["appId"])["displayName"] == "hol-ci"
    assert pipeline.error("GET", "/me") == (400, "BadRequest")
    application = graph.application()
    graph.service_principal(application["appId"])
    secret = graph.secret(application)["secretText"]
    powerless = Graph(practice_cloud, signed_in(practice_cloud, application["appId"], secret, GRAPH))
    for path in ("/applications", "/servicePrincipals", f"/applications(appId='{application['appId']}')"):
        assert powerless.error("GET", path) == (403, "Authorization_RequestDenied")
    assert powerless.error("POST", "/applications", {"displayName": "a"}) == (403, "Authorization_RequestDenied")


def test_an_application_signs_in_with_its_secret_and_has_the_roles_of_its_service_principal(
    practice_cloud: PracticeCloud, graph: Graph, arm: Arm
) -> None:
    application = graph.application()
    missing = client_token(practice_cloud, application["appId"], "any")
    assert (missing.status_code, missing.json()["error_codes"]) == (401, [7000229])
    principal = graph.service_principal(application["appId"])
    practice_cloud.control.settings(speed=60)
    secret = graph.secret(application)["secretText"]
    young = client_token(practice_cloud, application["appId"], secret)
    practice_cloud.control.settings(speed=SPEED)
    assert (young.status_code, young.json()["error_codes"]) == (401, [7000215])
    token = signed_in(practice_cloud, application["appId"], secret)
    assert client_token(practice_cloud, application["appId"], "wrong").json()["error_codes"] == [7000215]
    arm.make_group()
    own = Arm(practice_cloud, token)
    assert own.error("GET", "/resourcegroups/lab") == (403, "AuthorizationFailed")
    name = f"/resourceGroups/lab/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    role = f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{roles.READER}"
    given = {"roleDefinitionId": role, "principalId": principal["id"], "principalType": "ServicePrincipal"}
    made = arm.ask("PUT", name, {"properties": given}, version="2022-04-01")
    assert (made.status_code, made.json()["properties"]["principalType"]) == (201, "ServicePrincipal")
    assert own.ask("GET", "/resourcegroups/lab").status_code == 200


def test_an_application_signs_in_with_a_secret_of_its_service_principal(
    practice_cloud: PracticeCloud, graph: Graph
) -> None:
    application = graph.application()
    path = f"/servicePrincipals/{graph.service_principal(application['appId'])['id']}"
    made = graph.ask("POST", f"{path}/addPassword", {"passwordCredential": {"displayName": "own"}}).json()
    assert signed_in(practice_cloud, application["appId"], made["secretText"])
    assert [each["displayName"] for each in graph.ask("GET", path).json()["passwordCredentials"]] == ["own"]
    assert graph.ask("GET", f"/applications/{application['id']}").json()["passwordCredentials"] == []
    assert graph.ask("POST", f"{path}/removePassword", {"keyId": made["keyId"]}).status_code == 204
    refused = client_token(practice_cloud, application["appId"], made["secretText"])
    assert (refused.status_code, refused.json()["error_codes"]) == (401, [7000215])


def test_a_secret_expires(practice_cloud: PracticeCloud, graph: Graph) -> None:
    application = graph.application()
    graph.service_principal(application["appId"])
    end = datetime.now(UTC) + timedelta(seconds=1)
    secret = graph.secret(application, endDateTime=end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))["secretText"]
    time.sleep(1.1)
    answer = client_token(practice_cloud, application["appId"], secret)
    assert (answer.status_code, answer.json()["error_codes"]) == (401, [7000222])


def test_a_young_service_principal_gets_a_role_only_by_its_kind(
    practice_cloud: PracticeCloud, graph: Graph, arm: Arm
) -> None:
    arm.make_group()
    application = graph.application()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        practice_cloud.control.settings(speed=10)
        made = graph.ask("POST", "/servicePrincipals", {"appId": application["appId"]})
        if made.status_code == 201:
            break
        time.sleep(0.01)
    role = f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{roles.READER}"
    given = {"roleDefinitionId": role, "principalId": made.json()["id"]}
    address = f"/resourceGroups/lab/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    young = arm.error("PUT", address, {"properties": given}, version="2022-04-01")
    typed = {"properties": {**given, "principalType": "ServicePrincipal"}}
    told = arm.ask("PUT", address, typed, version="2022-04-01")
    practice_cloud.control.settings(speed=SPEED)
    assert young == (400, "PrincipalNotFound")
    assert told.status_code == 201


def test_databricks_has_a_service_principal_from_the_first_workspace_on(graph: Graph, arm: Arm) -> None:
    path = f"/servicePrincipals(appId='{DATABRICKS_APPLICATION}')"
    assert graph.error("GET", path) == (404, "Request_ResourceNotFound")
    arm.make_group()
    workspace = provider("Databricks/workspaces", "lab-dbx")
    arm.poll(arm.ask("PUT", workspace, databricks_body(arm), version=DATABRICKS))
    found = graph.ask("GET", path).json()
    assert found["displayName"] == "AzureDatabricks"
    arm.poll(arm.ask("DELETE", workspace, version=DATABRICKS))
    assert graph.ask("GET", path, **{"$select": "id"}).json()["id"] == found["id"]


def test_people_are_found_by_name(graph: Graph) -> None:
    assert graph.ask("GET", "/me", **{"$select": "id"}).json()["id"] == seed.ATTENDEE.id
    named = graph.ask("GET", "/users", **{"$filter": "userPrincipalName eq 'reader@practice.example'"}).json()["value"]
    assert [each["id"] for each in named] == [seed.READER_USER.id]
    assert graph.ask("GET", "/users/reader@practice.example").json()["id"] == seed.READER_USER.id
    assert graph.error("GET", "/users/nobody@practice.example") == (404, "Request_ResourceNotFound")


def test_clauses_are_joined_by_and_before_or(graph: Graph) -> None:
    """OData 4.01: `and` binds closer than `or`; the portal asks for people by `startswith(…) or startswith(…)`."""

    def found(text: str) -> list[str]:
        answer = graph.ask("GET", "/users", **{"$filter": text})
        assert answer.status_code == 200, answer.text
        return sorted(each["userPrincipalName"].partition("@")[0] for each in answer.json()["value"])

    reader, attendee = "startswith(userPrincipalName, 'reader')", "startswith(userPrincipalName, 'attendee')"
    nobody = "displayName eq 'nobody'"
    assert found(f"{reader} or {attendee}") == ["attendee", "reader"]
    assert found(f"{nobody} and {reader} or {attendee}") == ["attendee"]
    assert found(f"{attendee} or {nobody} and {reader}") == ["attendee"]
    assert found(f"({attendee} or {reader}) and {nobody}") == []
    assert found(f"({attendee} or ({reader}))") == ["attendee", "reader"]
    names = "userPrincipalName in ('reader@practice.example', 'attendee@practice.example')"
    assert found(names) == ["attendee", "reader"]
    for wrong in (f"{reader} or", f"({reader}", f"{reader}) or {attendee}", f"or {reader}", f"{reader} xor {attendee}"):
        assert graph.error("GET", "/users", **{"$filter": wrong}) == (400, "BadRequest")
