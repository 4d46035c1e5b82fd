"""Managed identities of the practice cloud, their federated credentials, and how they sign in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.directory import assertions, objects
from hol_wizard.practice.directory.records import ApplicationRecords, ServicePrincipalRecords
from hol_wizard.practice.entra.service import Entra
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Request, Response
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from tests.practice.conftest import GRAPH, MANAGEMENT, Arm, provider, user_token
from tests.practice.test_assertions import EXCHANGE, graph
from tests.practice_cloud import PracticeCloud

VERSION = "2023-01-31"
IDENTITY = provider("ManagedIdentity/userAssignedIdentities", "build-id")
SUBJECT = "/eid1/c/pub/t/x/a/y/sc/1/2"


def credential(subject: str = SUBJECT, issuer: str = assertions.DEVOPS_ISSUER) -> dict[str, Any]:
    return {"properties": {"issuer": issuer, "subject": subject, "audiences": [EXCHANGE]}}


def test_an_identity_is_there_at_once_and_its_principal_a_little_later(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    made = arm.ask("PUT", IDENTITY, {"location": "westeurope", "tags": {"a": "b"}}, version=VERSION)
    assert made.status_code == 201
    shown = made.json()
    assert arm.ask("GET", IDENTITY, version=VERSION).json() == shown
    again = arm.ask("PUT", IDENTITY, {"location": "westeurope", "tags": {}}, version=VERSION)
    assert (again.status_code, again.json()["properties"]) == (200, shown["properties"])
    ask = graph(practice_cloud, user_token(practice_cloud, scope=GRAPH))
    path, deadline = f"/servicePrincipals/{shown['properties']['principalId']}", time.monotonic() + 10
    while (found := ask("GET", path)).status_code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert found.json()["servicePrincipalType"] == "ManagedIdentity"
    assert found.json()["alternativeNames"] == ["isExplicit=True", shown["id"]]
    assert found.json()["appId"] == shown["properties"]["clientId"]
    assert arm.ask("DELETE", IDENTITY, version=VERSION).status_code == 200
    assert arm.ask("DELETE", IDENTITY, version=VERSION).status_code == 204
    assert ask("GET", path).status_code == 404


def test_an_identity_needs_a_name_that_fits(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("userAssignedIdentities/")
    arm.make_group()
    for name in ("ab", "_abc", "a.bc", "a" * 129):
        path = provider("ManagedIdentity/userAssignedIdentities", name)
        assert arm.error("PUT", path, {"location": "westeurope"}, version=VERSION) == (400, "InvalidResourceName")


def test_credentials_of_an_identity_are_made_changed_and_removed(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("federatedIdentityCredentials")
    arm.make_group()
    many = f"{IDENTITY}/federatedIdentityCredentials"
    assert arm.ask("PUT", f"{many}/one", credential(), version=VERSION).status_code == 404
    arm.ask("PUT", IDENTITY, {"location": "westeurope"}, version=VERSION)
    assert arm.ask("GET", f"{many}/one", version=VERSION).status_code == 404
    made = arm.ask("PUT", f"{many}/one", credential(), version=VERSION)
    assert (made.status_code, made.json()["properties"]) == (201, credential()["properties"])
    assert arm.ask("PUT", f"{many}/one", credential(), version=VERSION).status_code == 200
    assert arm.error("PUT", f"{many}/two", credential(), version=VERSION) == (409, "Conflict")
    wrongs: tuple[dict[str, Any], ...] = ({"issuer": "http://far.example"}, {"subject": ""}, {"audiences": []})
    for wrong in (*wrongs, {"audiences": ["a", "b"]}):
        body = {"properties": {**credential("other")["properties"], **wrong}}
        assert arm.ask("PUT", f"{many}/two", body, version=VERSION).status_code == 400
    for number in range(19):
        assert arm.ask("PUT", f"{many}/n{number}", credential(str(number)), version=VERSION).status_code == 201
    assert arm.ask("PUT", f"{many}/last", credential("last"), version=VERSION).status_code == 400
    listed = arm.ask("GET", many, version=VERSION).json()["value"]
    assert [each["name"] for each in listed] == ["one", *(f"n{number}" for number in range(19))]
    assert arm.ask("DELETE", f"{many}/one", version=VERSION).status_code == 200
    assert arm.ask("DELETE", f"{many}/one", version=VERSION).status_code == 204


@dataclass
class SignIns:
    """A tenant with a managed identity and an application, both trusting Azure DevOps."""

    world: World
    identity: dict[str, Any]
    application: dict[str, Any]

    def token(self, subject: str = SUBJECT, audience: str = EXCHANGE, issuer: str = assertions.DEVOPS_ISSUER) -> str:
        claims = {"iss": issuer, "sub": subject, "aud": audience}
        with self.world.store.transaction():
            return self.world.part(Tokens).issue_assertion(claims, 600)

    def refusal(self, client: str, token: str = "") -> str:
        """Return the number of the error of a sign-in; empty if it is accepted."""
        try:
            assertions.verify(self.world, client, token or self.token(), "https://127.0.0.1:1", ())
        except assertions.RejectedError as error:
            return error.message.partition(":")[0]
        return ""

    def change(self, change: Callable[[], None]) -> None:
        with self.world.store.transaction():
            change()
            self.world.part(Resources).keep(self.identity)
            self.world.part(ApplicationRecords).keep(self.application)


@pytest.fixture
def sign_ins(tmp_path: Path) -> Iterator[SignIns]:
    store = Store(tmp_path / "cloud.sqlite")
    world = World(store, Clock(1e9))
    with store.transaction():
        client = seed.fixed_id("identity")
        principal = objects.make_managed_identity(world, client, "id", "/subscriptions/s/x/id")
        kept = {
            "name": "one",
            "issuer": assertions.DEVOPS_ISSUER,
            "subject": SUBJECT,
            "audiences": [EXCHANGE],
            "works": 0.0,
        }
        properties = {"client": client, "principal": principal["id"], "federated": [kept]}
        resource = {"id": "/subscriptions/s/x/id", "properties": properties}
        application = objects.make_application(world, {"displayName": "app"}, seed.ATTENDEE.id)
        objects.make_service_principal(world, application["appId"], "app", seed.ATTENDEE.id)
        application["federated"] = [{"id": "1", **kept}]
    made = SignIns(world, resource, application)
    made.change(lambda: None)
    yield made
    store.close()


def test_azure_devops_signs_in_as_whoever_trusts_it(sign_ins: SignIns) -> None:
    for client in (sign_ins.identity["properties"]["client"], sign_ins.application["appId"]):
        assert sign_ins.refusal(client) == ""
        assert sign_ins.refusal(client, sign_ins.token(subject="/other")) == "AADSTS700213"
        assert sign_ins.refusal(client, sign_ins.token(issuer="https://vstoken.dev.azure.com/1")) == "AADSTS700211"
        assert sign_ins.refusal(client, sign_ins.token(audience="api://other")) == "AADSTS700212"


def test_an_assertion_buys_an_access_token_of_the_identity(sign_ins: SignIns) -> None:
    """As `az login --federated-token` asks for it."""
    world, path = sign_ins.world, f"/{seed.TENANT}/oauth2/v2.0/token"
    world.addresses["active_directory"] = base = "https://127.0.0.1:1"
    route, match, _ = Entra(world).router.find("POST", path)
    assert route is not None
    client = sign_ins.identity["properties"]["client"]
    form = {"grant_type": "client_credentials", "client_id": client, "scope": MANAGEMENT}
    form |= {"client_assertion_type": assertions.KIND, "client_assertion": sign_ins.token()}
    with world.store.transaction():
        response = route.handler(Request("POST", path, {}, {}, urlencode(form).encode(), base, match=match))
        assert isinstance(response, Response)
        assert isinstance(response.body, dict)
        token = world.part(Tokens).find(response.body["access_token"], "access")
    assert token is not None
    assert token["principal"] == sign_ins.identity["properties"]["principal"]


def test_an_assertion_that_azure_devops_did_not_issue_proves_nothing(sign_ins: SignIns) -> None:
    client = sign_ins.identity["properties"]["client"]
    head, claims, _ = sign_ins.token().split(".")
    assert sign_ins.refusal(client, f"{head}.{claims}.forged") == "AADSTS50013"


def test_an_assertion_is_good_for_ten_minutes(sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    token, client = sign_ins.token(), sign_ins.identity["properties"]["client"]
    now = time.time()
    monkeypatch.setattr(sign_ins.world.clock, "now", lambda: now + 590)
    assert sign_ins.refusal(client, token) == ""
    monkeypatch.setattr(sign_ins.world.clock, "now", lambda: now + 605)
    assert sign_ins.refusal(client, token) == "AADSTS700024"


def test_a_credential_that_is_missing_or_new_is_not_known(sign_ins: SignIns) -> None:
    kept = sign_ins.identity["properties"]["federated"]
    client = sign_ins.identity["properties"]["client"]
    sign_ins.change(lambda: kept[0].update(works=time.time() + 60))
    assert sign_ins.refusal(client) == "AADSTS70025"
    sign_ins.change(kept.clear)
    assert sign_ins.refusal(client) == "AADSTS70025"


def test_a_tenants_policy_can_forbid_it(sign_ins: SignIns) -> None:
    identity, application = sign_ins.identity["properties"]["client"], sign_ins.application["appId"]
    for policy, refusals in (("disabled", ("", "AADSTS700223")), ("constrained", ("AADSTS700238", "AADSTS700238"))):
        sign_ins.change(lambda policy=policy: sign_ins.world.set(federation=policy))  # type: ignore[misc]  # the default binds the loop's value
        assert (sign_ins.refusal(identity), sign_ins.refusal(application)) == refusals


def test_an_application_of_several_tenants_is_not_accepted(sign_ins: SignIns) -> None:
    fields = sign_ins.application["fields"]
    sign_ins.change(lambda: fields.update(signInAudience="AzureADMultipleOrgs"))
    assert sign_ins.refusal(sign_ins.application["appId"]) == "AADSTS70052"


def test_an_identity_whose_resource_is_gone_has_no_principal(sign_ins: SignIns) -> None:
    client = sign_ins.identity["properties"]["client"]
    assert objects.service_principal_of(sign_ins.world, client) is not None
    with sign_ins.world.store.transaction():
        sign_ins.world.part(ServicePrincipalRecords).remove(sign_ins.identity["properties"]["principal"])
        sign_ins.world.part(Resources).remove(sign_ins.identity["id"])
    assert sign_ins.refusal(client) == "AADSTS70025"
