from __future__ import annotations

import json
from pathlib import Path

import pytest

from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, SignInError, UnreachableError
from hol_wizard.services import key_vault
from hol_wizard.services.error_rules import of_answer
from hol_wizard.services.key_vault import API_VERSION, Item, KeyVault
from hol_wizard.services.rest import RestClient
from hol_wizard.services.secrets import Secret
from tests import contracts
from tests.unit.services.tls_server import Reply, Server, Tokens

AUDIENCE = "https://vault.azure.net"
VERSION = f"?api-version={API_VERSION}"
NOT_THERE = Reply(404, {"error": {"code": "SecretNotFound", "message": "A secret with (name/id) a was not found."}})
RECORDINGS = contracts.CONTRACTS / "recordings" / "public"
CANARY = "canary-value-1"


@pytest.fixture
def vaults(server: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> KeyVault:
    monkeypatch.setattr("hol_wizard.services.rest.BUSY_WAITS", (0.01,))
    return KeyVault(RestClient("key_vault", server.endpoints, tokens, audience=AUDIENCE))


def bundle(server: Server, name: str, collection: str = "secrets", **more: object) -> dict[str, object]:
    return {"id": f"{server.base}/{collection}/{name}", "attributes": {"enabled": True}, **more}


def refusal(code: str, message: str = "No.", status: int = 403, outer: str = "Forbidden") -> Reply:
    return Reply(status, {"error": {"code": outer, "message": message, "innererror": {"code": code}}})


def test_all_pages_of_names_are_read(vaults: KeyVault, server: Server, tokens: Tokens) -> None:
    server.will_answer(
        Reply(body={"value": [bundle(server, "a", tags={"t": "1"})], "nextLink": f"{server.base}/secrets?page=2"}),
        Reply(body={"value": [bundle(server, "b", attributes={"enabled": False})], "nextLink": None}),
    )
    assert vaults.items(f"{server.base}/") == (Item("a", tags={"t": "1"}), Item("b", enabled=False))
    assert [asked.path for asked in server.asked] == [f"/secrets{VERSION}", "/secrets?page=2"]
    assert {asked["audience"] for asked in tokens.asked} == {AUDIENCE}
    server.will_answer(Reply(body={"value": []}))
    assert vaults.names(server.base) == ()


def test_a_value_comes_back_as_a_secret(vaults: KeyVault, server: Server) -> None:
    server.will_answer(Reply(body={"value": CANARY, **bundle(server, "a")}))
    found = vaults.get(server.base, "a")
    assert found == Secret(CANARY)
    assert CANARY not in repr(found)
    assert server.asked[0].path == f"/secrets/a/{VERSION}"


def test_what_is_not_there_is_none_and_a_missing_vault_is_an_error(vaults: KeyVault, server: Server) -> None:
    server.will_answer(NOT_THERE)
    assert vaults.get(server.base, "a") is None
    assert vaults.deleted(server.base, "a") is None
    assert vaults.delete(server.base, "a") is False
    assert vaults.recover(server.base, "a") is False
    assert vaults.purge(server.base, "a") is False
    server.will_answer(Reply(404, {"error": {"code": "VaultNotFound", "message": "No such vault."}}))
    with pytest.raises(NotFoundError, match="no such key vault"):
        vaults.get(server.base, "a")


def test_a_write_carries_the_value_and_the_tags(vaults: KeyVault, server: Server) -> None:
    server.will_answer(Reply(body=bundle(server, "a")))
    vaults.set(server.base, "a", Secret(CANARY), tags={"hol-wizard": "lab-1"})
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("PUT", f"/secrets/a{VERSION}")
    assert asked.body == {"value": CANARY, "attributes": {"enabled": True}, "tags": {"hol-wizard": "lab-1"}}


def test_deletion_recovery_and_purge(vaults: KeyVault, server: Server) -> None:
    server.will_answer(
        Reply(body=bundle(server, "a")),
        Reply(body=bundle(server, "a", "deletedsecrets", tags={"t": "1"})),
        Reply(body=bundle(server, "a")),
        Reply(204),
    )
    assert vaults.delete(server.base, "a") is True
    assert vaults.deleted(server.base, "a") == Item("a", tags={"t": "1"})
    assert vaults.recover(server.base, "a") is True
    assert vaults.purge(server.base, "a") is True
    assert [(asked.method, asked.path) for asked in server.asked] == [
        ("DELETE", f"/secrets/a{VERSION}"),
        ("GET", f"/deletedsecrets/a{VERSION}"),
        ("POST", f"/deletedsecrets/a/recover{VERSION}"),
        ("DELETE", f"/deletedsecrets/a{VERSION}"),
    ]


def test_recovering_what_is_not_deleted_is_fine(vaults: KeyVault, server: Server) -> None:
    server.will_answer(refusal("RequestNotAllowedOnNonDeletedObject", "Secret exists already: a", 400))
    assert vaults.recover(server.base, "a") is True


@pytest.mark.parametrize("code", sorted(key_vault.BUSY | key_vault.DISABLED | {key_vault.DELETED}))
def test_what_stands_in_the_way_can_be_told_by_its_code(vaults: KeyVault, server: Server, code: str) -> None:
    server.will_answer(refusal(code, status=409))
    with pytest.raises(ConflictError) as caught:
        vaults.set(server.base, "a", Secret(CANARY))
    assert caught.value.code == code
    assert caught.value.hint
    assert CANARY not in str(caught.value) + caught.value.detail


RBAC = (
    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
    "definitions were changed recently, please observe propagation time.\r\nCaller: appid=1;oid=2\r\n"
    "Action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'\r\n"
    "Resource: '/subscriptions/s/resourcegroups/g/providers/microsoft.keyvault/vaults/v/secrets/a'\r\n"
    "Assignment: (not found)\r\n"
)
FIREWALL = (
    "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\n"
    "Caller: appid=1;oid=2\r\nVault: my-vault;location=westeurope"
)
POLICY = (
    "The user, group or application 'appid=1;oid=2' does not have secrets get permission on key vault "
    "'my-vault;location=westeurope'. For help resolving this issue, please see https://go.microsoft.com/fwlink/"
)


@pytest.mark.parametrize(
    ("code", "words", "message", "hint"),
    [
        ("ForbiddenByRbac", RBAC, "secrets/setSecret/action", "update --name v --enable-rbac-authorization false"),
        ("ForbiddenByRbac", "Denied.", "needs a vault with access policies", "--enable-rbac-authorization false"),
        ("ForbiddenByFirewall", FIREWALL, "203.0.113.7", "network-rule add --name my-vault --ip-address 203.0.113.7"),
        ("ForbiddenByFirewall", "Other words.", "Other words.", "Networking"),
        ("ForbiddenByConnection", "Public network access is disabled.", "private endpoint", "public access"),
        ("AccessDenied", POLICY, "vault my-vault gives your account the permission get", "set-policy --name my-vault"),
        ("AccessDenied", "Other words.", "Other words.", "get, list, set, delete, recover and purge"),
        ("ForbiddenByPolicy", "purge is not enabled", "protected against purging", "that period"),
    ],
)
def test_a_refusal_says_which_kind_it_is_and_what_to_do(code: str, words: str, message: str, hint: str) -> None:
    body = {"error": {"code": "Forbidden", "message": words, "innererror": {"code": code}}}
    error = of_answer("key_vault", 403, body, "secret a in my-vault.vault.azure.net")
    assert isinstance(error, AccessDeniedError)
    assert error.code == code
    assert message in error.message
    assert hint in error.hint
    assert words.strip() in error.detail


@pytest.mark.parametrize(
    ("code", "words", "kind", "message"),
    [
        ("Unauthorized", "[BearerReadAccessTokenFailed] AKV10032: Invalid issuer.", SignInError, "different directory"),
        ("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.", SignInError, "no longer accepts"),
        ("Throttled", "Too many requests.", UnreachableError, "too busy"),
        ("SecretNotFound", "A secret was not found.", NotFoundError, "There is no secret a in v"),
    ],
)
def test_other_refusals_are_of_their_kind(code: str, words: str, kind: type[Exception], message: str) -> None:
    error = of_answer("key_vault", 400, {"error": {"code": code, "message": words}}, "secret a in v")
    assert isinstance(error, kind)
    assert message in str(error)


@pytest.mark.skipif(not RECORDINGS.exists(), reason=contracts.REASON)
def test_recorded_refusals_are_understood() -> None:
    told = set()
    for path in sorted(Path(RECORDINGS).glob("keyvault-data.secrets.*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record["status"] >= 400:
                error = of_answer("key_vault", record["status"], record["response_body"], "secret a in v")
                assert error.message != f"secret a in v: {record['response_body']['error']['message']}"
                told.add(error.code)
    assert told == {"ObjectIsDeletedButRecoverable", "RequestNotAllowedOnNonDeletedObject", "Unauthorized"}
