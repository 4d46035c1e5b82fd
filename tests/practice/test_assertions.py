"""Assertions by which applications sign in: what proves something, and how everything else is refused."""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from azure.identity import CertificateCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from hol_wizard.practice import seed
from hol_wizard.practice.directory import assertions, objects
from hol_wizard.practice.directory.records import ApplicationRecords
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from tests.practice.conftest import GRAPH, MANAGEMENT, post_token, session, user_token
from tests.practice_cloud import PracticeCloud

ISSUER = f"https://127.0.0.1:1/{seed.TENANT}/v2.0"
ENDPOINT = f"https://127.0.0.1:1/{seed.TENANT}/oauth2/v2.0/token"
EXCHANGE = "api://AzureADTokenExchange"


@dataclass
class Signer:
    """A key with its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, *, days: int = 30) -> Signer:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "practice test")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=60))
        return cls(key, builder.not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256()))

    @property
    def der(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    @property
    def pem(self) -> bytes:
        plain = serialization.NoEncryption()
        key = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        return key + self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def credential(self) -> dict[str, str]:
        """As Microsoft Graph takes it."""
        return {"type": "AsymmetricX509Cert", "usage": "Verify", "key": self.der}

    def sign(self, claims: dict[str, Any], algorithm: str = "RS256") -> str:
        thumbprint = self.certificate.fingerprint(hashes.SHA256())
        named = {"x5t#S256": base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")}
        return jwt.encode(claims, self.key, algorithm=algorithm, headers=named)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.make()


@pytest.fixture(scope="module")
def stranger() -> Signer:
    return Signer.make()


@dataclass
class Directory:
    """A directory with one application."""

    world: World
    client: str

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.client, "sub": self.client, "aud": ENDPOINT, "nbf": now, "exp": now + 600, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def keep(self, application: dict[str, Any]) -> None:
        with self.world.store.transaction():
            self.world.part(ApplicationRecords).keep(application)

    def refusal(self, assertion: str) -> str:
        """Return the number of the error with which an assertion is refused; empty if it is accepted."""
        try:
            assertions.verify(self.world, self.client, assertion, ISSUER, (ENDPOINT, ISSUER))
        except assertions.RejectedError as error:
            return error.message.partition(":")[0]
        return ""


@pytest.fixture
def directory(tmp_path: Path, signer: Signer) -> Iterator[Directory]:
    store = Store(tmp_path / "cloud.sqlite")
    world = World(store, Clock())
    kept = assertions.certificate_of(signer.credential)
    assert kept is not None
    with store.transaction():
        application = objects.make_application(world, {"displayName": "app"}, seed.ATTENDEE.id)
        application["certificates"] = [kept]
        application["federated"] = [
            {"id": "1", "name": "own", "issuer": ISSUER, "subject": seed.CI_PRINCIPAL.id, "audiences": [EXCHANGE]},
            {"id": "2", "name": "far", "issuer": "https://far.example", "subject": "s", "audiences": [EXCHANGE]},
        ]
    yield Directory(world, application["appId"])
    store.close()


def test_the_applications_own_certificate_signs_it_in(directory: Directory, signer: Signer) -> None:
    for algorithm in ("RS256", "PS256"):
        for audience in (ENDPOINT, ISSUER):
            assert directory.refusal(signer.sign(directory.claims(aud=audience), algorithm)) == ""


NOW = time.time()


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"sub": "somebody"}, "AADSTS50048"),
        ({"aud": "https://elsewhere.example"}, "AADSTS700023"),
        ({"aud": [ENDPOINT, "https://elsewhere.example"]}, "AADSTS700023"),
        ({"exp": int(NOW) - 3600}, "AADSTS700024"),
        ({"nbf": int(NOW) + 36000, "exp": int(NOW) + 72000}, "AADSTS700024"),
        ({"exp": None}, "AADSTS50027"),
        ({"exp": "soon"}, "AADSTS50027"),
        ({"exp": 1e300}, "AADSTS50027"),
        ({"aud": None}, "AADSTS50027"),
        ({"aud": 7}, "AADSTS50027"),
    ],
)
def test_each_claim_counts(directory: Directory, signer: Signer, changes: dict[str, Any], number: str) -> None:
    claims = {**directory.claims(), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    # PyJWT refuses to sign some of what it is asked here.
    assert directory.refusal(_signed(signer, claims)) == number


def _signed(signer: Signer, claims: dict[str, Any]) -> str:
    good = signer.sign({"exp": 1}).split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    signature = signer.key.sign(f"{good[0]}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{good[0]}.{payload}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_only_a_registered_key_signs(directory: Directory, signer: Signer, stranger: Signer) -> None:
    assert directory.refusal(stranger.sign(directory.claims())) == "AADSTS700027"
    # Another's signature under the name of the registered key.
    named = signer.sign(directory.claims()).split(".")
    forged = stranger.sign(directory.claims()).split(".")
    assert directory.refusal(".".join([*named[:2], forged[2]])) == "AADSTS700027"
    changed = signer.sign({**directory.claims(), "more": 1}).split(".")
    assert directory.refusal(f"{named[0]}.{changed[1]}.{named[2]}") == "AADSTS700027"


def test_no_signature_and_a_shared_key_are_no_proof(directory: Directory, signer: Signer) -> None:
    unsigned = jwt.encode(directory.claims(), "", algorithm="none")
    assert directory.refusal(f"{unsigned}x") == "AADSTS5002730"
    assert directory.refusal(unsigned) == "AADSTS50027"
    shared = jwt.encode(directory.claims(), signer.der, algorithm="HS256")
    assert directory.refusal(shared) == "AADSTS5002730"


@pytest.mark.parametrize("text", ["x", "", "a.b.c", "....", "e30.e30.e30", f"{'[' * 90_000}.e30.x", "é.é.é"])
def test_what_is_no_jwt_is_malformed(directory: Directory, text: str) -> None:
    assert directory.refusal(text) == "AADSTS50027"


def test_an_expired_certificate_is_no_proof(directory: Directory) -> None:
    old = Signer.make(days=-1)
    kept = assertions.certificate_of(old.credential)
    assert kept is not None
    application = objects.application_of(directory.world, directory.client)
    assert application is not None
    application["certificates"] = [kept]
    directory.keep(application)
    assert directory.refusal(old.sign(directory.claims())) == "AADSTS700027"


def test_a_token_of_this_tenant_is_proof_if_the_application_trusts_it(directory: Directory) -> None:
    tokens = directory.world.part(Tokens)

    def issued(principal: seed.Principal = seed.CI_PRINCIPAL, audience: str = EXCHANGE, issuer: str = ISSUER) -> str:
        with directory.world.store.transaction():
            return tokens.issue_access(principal, audience, "client", issuer)

    assert directory.refusal(issued()) == ""
    assert directory.refusal(issued(issuer="https://other.example")) == "AADSTS700211"
    assert directory.refusal(issued(audience="https://management.azure.com")) == "AADSTS700212"
    assert directory.refusal(issued(principal=seed.ATTENDEE)) == "AADSTS700213"
    good = issued()
    assert directory.refusal(good[:-4] + "AAAA") == "AADSTS50013"
    with directory.world.store.transaction():
        tokens.expire("access")
    assert directory.refusal(good) == "AADSTS50013"


def test_an_issuer_that_cannot_be_asked_vouches_for_nothing(directory: Directory, stranger: Signer) -> None:
    far = directory.claims(iss="https://far.example", sub="s", aud=EXCHANGE)
    assert directory.refusal(stranger.sign(far)) == "AADSTS50166"
    assert directory.refusal(stranger.sign({**far, "exp": 1, "nbf": 0})) == "AADSTS700024"
    application = objects.application_of(directory.world, directory.client)
    assert application is not None
    application["federated"] = []
    directory.keep(application)
    assert directory.refusal(stranger.sign(far)) == "AADSTS70025"


# Over HTTP


def graph(cloud: PracticeCloud, token: str) -> Callable[..., requests.Response]:
    asking = session(cloud)
    asking.headers["Authorization"] = f"Bearer {token}"

    def ask(method: str, path: str, body: Any = None) -> requests.Response:
        address = f"{cloud.endpoints['microsoft_graph']}/v1.0{path}"
        return asking.request(method, address, json=body, timeout=10)

    return ask


def make_service_principal(cloud: PracticeCloud, ask: Callable[..., requests.Response], client: str) -> None:
    """Make the service principal of an application, which the directory may not know for a moment."""
    cloud.wrong_on_purpose("POST /v1.0/servicePrincipals")
    deadline = time.monotonic() + 10
    while ask("POST", "/servicePrincipals", {"appId": client}).status_code != 201:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_azure_identity_signs_in_with_a_certificate(
    practice_cloud: PracticeCloud, signer: Signer, stranger: Signer, tmp_path: Path
) -> None:
    ask = graph(practice_cloud, user_token(practice_cloud, scope=GRAPH))
    made = ask("POST", "/applications", {"displayName": "app", "keyCredentials": [signer.credential]}).json()
    (shown,) = made["keyCredentials"]
    assert (shown["key"], shown["usage"]) == (None, "Verify")
    client = made["appId"]
    make_service_principal(practice_cloud, ask, client)
    for each, works in ((signer, True), (stranger, False)):
        file = tmp_path / "key.pem"
        file.write_bytes(each.pem)
        credential = CertificateCredential(
            practice_cloud.endpoints["defaults"]["tenant"],
            client,
            str(file),
            authority=practice_cloud.endpoints["active_directory"],
            disable_instance_discovery=True,
            connection_verify=practice_cloud.ca_file,
        )
        if works:
            assert credential.get_token(MANAGEMENT).token
        else:
            with pytest.raises(Exception, match="AADSTS700027"):
                credential.get_token(MANAGEMENT)
    practice_cloud.wrong_on_purpose("PATCH /v1.0/applications")
    bad = {"keyCredentials": [{**signer.credential, "key": "bm9uc2Vuc2U="}]}
    assert ask("PATCH", f"/applications/{made['id']}", bad).status_code == 400
    assert ask("PATCH", f"/applications/{made['id']}", {"keyCredentials": []}).status_code == 204


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_assertion": "x"}, 50027),
        ({"client_assertion": ""}, 50027),
        ({"client_assertion": "x", "client_secret": "right"}, 50027),
        ({"client_assertion": "x", "client_assertion_type": "another"}, 900144),
        ({"client_secret": ""}, 7000215),
        ({}, 7000218),
        ({"client_id": ""}, 900144),
    ],
)
def test_nobody_is_the_ci_principal_without_its_secret(
    practice_cloud: PracticeCloud, form: dict[str, str], error: int
) -> None:
    principal = practice_cloud.endpoints["service_principal"]
    given = {
        "grant_type": "client_credentials",
        "client_id": principal["client_id"],
        "scope": MANAGEMENT,
        **({"client_assertion_type": assertions.KIND} if "client_assertion" in form else {}),
        **form,
    }
    if given.get("client_secret") == "right":
        given["client_secret"] = principal["client_secret"]
    answer = post_token(practice_cloud, **given)
    assert answer.status_code in {400, 401}
    assert answer.json()["error_codes"] == [error]


def test_federated_credentials_are_kept_by_graph(practice_cloud: PracticeCloud, stranger: Signer) -> None:
    ask = graph(practice_cloud, user_token(practice_cloud, scope=GRAPH))
    made = ask("POST", "/applications", {"displayName": "app"}).json()
    make_service_principal(practice_cloud, ask, made["appId"])
    credential = {"name": "one", "issuer": "https://far.example", "subject": "s", "audiences": [EXCHANGE]}
    path = f"/applications/{made['id']}/federatedIdentityCredentials"
    created = ask("POST", path, credential)
    assert (created.status_code, created.json()["name"]) == (201, "one")
    assert [each["id"] for each in ask("GET", path).json()["value"]] == [created.json()["id"]]
    practice_cloud.wrong_on_purpose(f"POST /v1.0{path}")
    assert ask("POST", path, credential).status_code == 409
    assert ask("POST", path, {**credential, "name": "two"}).status_code == 400
    assert ask("POST", path, {**credential, "name": "three", "issuer": "http://far.example"}).status_code == 400
    now = int(time.time())
    claims = {"iss": "https://far.example", "sub": "other", "aud": EXCHANGE, "exp": now + 600}
    form = {"grant_type": "client_credentials", "client_id": made["appId"], "scope": MANAGEMENT}
    form |= {"client_assertion_type": assertions.KIND, "client_assertion": stranger.sign(claims)}
    deadline = time.monotonic() + 10
    while (codes := post_token(practice_cloud, **form).json()["error_codes"]) == [70025]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert codes == [700213]
    one = f"{path}/{created.json()['id']}"
    assert ask("GET", one).json()["subject"] == "s"
    assert ask("DELETE", one).status_code == 204
    assert ask("GET", one).status_code == 404
