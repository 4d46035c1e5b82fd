from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from hol_wizard.errors import InconclusiveError, WizardError
from hol_wizard.services.answers import Document
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.data_lake import DataLake
from hol_wizard.services.graph import Graph
from hol_wizard.services.key_vault import KeyVault
from hol_wizard.services.rest import RestClient
from tests.unit.services.tls_server import Reply, Server, Tokens

WHOLE = Reply(body={"id": "x", "properties": {"a": 1}})
CUT = Reply(body={"id": "x", "properties": {"a": 1}}, cut=5)
CUT_CHUNK = Reply(
    content=b'40\r\n{"id": "x"',
    headers={"Transfer-Encoding": "chunked", "Content-Length": "", "Connection": "close"},
    cut=1,
)
CUT_JSON = Reply(content=b'{"id": "x", "prop', headers={"Content-Type": "application/json; charset=utf-8"})
LATIN_1 = Reply(content='{"id": "é"}'.encode("latin-1"), headers={"Content-Type": "application/json"})
UNKNOWN_CHARSET = Reply(content=b"\xff\xfe{", headers={"Content-Type": "application/json; charset=x-unknown"})
GZIPPED = Reply(content=b"no gzip", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
DEEP = Reply(content=b"[" * 100_000, headers={"Content-Type": "application/json"})
BROKEN = [CUT, CUT_CHUNK, CUT_JSON, LATIN_1, UNKNOWN_CHARSET, GZIPPED, DEEP]
NAMES = ["cut", "cut-chunk", "cut-json", "latin-1", "charset", "gzip", "deep"]


@pytest.mark.parametrize("broken", BROKEN, ids=NAMES)
def test_an_answer_that_breaks_off_is_asked_for_again(arm: ArmClient, server: Server, broken: Reply) -> None:
    server.will_answer(broken, WHOLE)
    assert arm.get("/subscriptions/s1")["id"] == "x"
    assert len(server.asked) == 2


@pytest.mark.parametrize("broken", BROKEN, ids=NAMES)
def test_an_answer_that_stays_broken_is_an_error_that_names_service_and_operation(
    arm: ArmClient, server: Server, broken: Reply
) -> None:
    server.will_answer(broken)
    with pytest.raises(InconclusiveError) as raised:
        arm.get("/subscriptions/s1")
    assert raised.value.message == "Azure Resource Manager answered in an unexpected form (GET s1)."
    assert raised.value.hint
    assert len(server.asked) == 4


def test_a_request_that_is_not_safe_to_repeat_is_sent_once_when_its_answer_breaks_off(
    arm: ArmClient, server: Server
) -> None:
    server.will_answer(CUT_JSON)
    with pytest.raises(InconclusiveError):
        arm.post("/subscriptions/s1/providers/Microsoft.Storage/checkNameAvailability", {"name": "x"})
    assert len(server.asked) == 1


def test_a_page_in_the_place_of_a_document_is_nobodys_answer(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(200, "<html><body>Please sign in to the network</body></html>"))
    with pytest.raises(InconclusiveError, match="answers in its place") as raised:
        arm.get("/subscriptions/s1")
    assert "<" not in f"{raised.value.message}{raised.value.hint}{raised.value.detail}"


def test_a_page_during_an_operation_does_not_end_it(arm: ArmClient, server: Server) -> None:
    server.will_answer(
        Reply(202, {}, {"Location": f"{server.base}/operations/1"}),
        Reply(200, "<html><body>Please sign in to the network</body></html>"),
    )
    operation = arm.put("/subscriptions/s1/resourceGroups/g", {})
    with pytest.raises(InconclusiveError):
        operation.poll()
    assert not operation.done


# Every member of a good answer, missing, null or of another type


def _graph(server: Server, tokens: Tokens) -> Graph:
    from dataclasses import replace

    endpoints = replace(server.endpoints, microsoft_graph=server.base)
    return Graph(RestClient("graph", endpoints, tokens, audience="graph"))


def _rest(server: Server, tokens: Tokens, service: Any) -> RestClient:
    return RestClient(service, server.endpoints, tokens, audience=service)


APPLICATION = {
    "id": "1",
    "appId": "2",
    "displayName": "a",
    "tags": ["t"],
    "passwordCredentials": [{"keyId": "3", "displayName": "p", "endDateTime": "2030-01-01T00:00:00Z"}],
}
SECRET = {"id": "https://v/secrets/a", "value": "x", "attributes": {"enabled": True}, "tags": {"t": "1"}}
CALLS: dict[str, tuple[Callable[[Server, Tokens], object], Any]] = {
    "arm get": (
        lambda server, tokens: ArmClient(server.endpoints, tokens).get("/subscriptions/s")["properties"]["a"],
        {"properties": {"a": 1}},
    ),
    "arm list": (
        lambda server, tokens: [
            each.get("properties", {}).get("a")
            for each in ArmClient(server.endpoints, tokens).list("/subscriptions/s/resources")
        ],
        {"value": [{"id": "x", "properties": {"a": 1}}], "nextLink": ""},
    ),
    "arm put": (
        lambda server, tokens: ArmClient(server.endpoints, tokens).put("/subscriptions/s/resourceGroups/g", {}).done,
        {"id": "x", "properties": {"provisioningState": "Succeeded"}},
    ),
    "graph application": (lambda server, tokens: _graph(server, tokens).application("1"), APPLICATION),
    "graph applications": (lambda server, tokens: _graph(server, tokens).applications("a"), {"value": [APPLICATION]}),
    "graph principal": (
        lambda server, tokens: _graph(server, tokens).service_principal_of("2"),
        {"id": "1", "displayName": "a"},
    ),
    "graph me": (lambda server, tokens: _graph(server, tokens).signed_in(), {"id": "1", "userPrincipalName": "a"}),
    "graph password": (
        lambda server, tokens: _graph(server, tokens).add_password("1", "n", 3),
        {"keyId": "1", "secretText": "x", "endDateTime": "2030-01-01T00:00:00Z"},
    ),
    "graph policy": (
        lambda server, tokens: _graph(server, tokens).allowed_to_create_applications(),
        {"defaultUserRolePermissions": {"allowedToCreateApps": True}},
    ),
    "graph roles": (lambda server, tokens: _graph(server, tokens).directory_roles(), {"value": [{"displayName": "a"}]}),
    "vault items": (
        lambda server, tokens: KeyVault(_rest(server, tokens, "key_vault")).items(server.base),
        {"value": [SECRET]},
    ),
    "vault get": (lambda server, tokens: KeyVault(_rest(server, tokens, "key_vault")).get(server.base, "a"), SECRET),
    "vault deleted": (
        lambda server, tokens: KeyVault(_rest(server, tokens, "key_vault")).deleted(server.base, "a"),
        SECRET,
    ),
    "lake paths": (
        lambda server, tokens: DataLake(_rest(server, tokens, "storage")).paths(server.base, "f"),
        {"paths": [{"name": "a", "contentLength": "3", "isDirectory": "true"}]},
    ),
    "lake access": (
        lambda server, tokens: DataLake(_rest(server, tokens, "storage")).modify_access_control_recursive(
            server.base, "f", ["user:1:rwx"]
        ),
        {"directoriesSuccessful": 1, "filesSuccessful": 1, "failureCount": 0, "failedEntries": []},
    ),
}
MISSING = object()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every member, at every depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in members:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(value: Any, path: tuple[str | int, ...], put: object) -> Any:
    """Return the value with something else at a place."""
    whole = copy.deepcopy(value)
    at = whole
    for key in path[:-1]:
        at = at[key]
    if put is MISSING:
        del at[path[-1]]
    else:
        at[path[-1]] = put
    return whole


@pytest.mark.parametrize("name", CALLS)
def test_no_form_of_an_answer_makes_the_wizard_stumble(name: str, server: Server, tokens: Tokens) -> None:
    call, good = CALLS[name]
    server.will_answer(Reply(body=good))
    call(server, tokens)
    tried = 0
    bodies = [[], [good], "text", 7, None]
    bodies += [changed(good, path, put) for path in places(good) for put in (MISSING, None, [], ["x"], {}, "x", 7)]
    for body in bodies:
        server.will_answer(Reply(content=json.dumps(body).encode()))
        with suppress(WizardError):
            call(server, tokens)
        tried += 1
    assert tried > 10


def test_a_document_tells_what_is_wrong_with_it() -> None:
    document = Document({"a": None, "b": [1], "c": {"d": None}}, "Microsoft Graph (GET my-app)")
    assert document.get("a", {}) == {}
    assert document["c"].get("d", "x") == "x"
    for wrong in (
        lambda: document["a"],
        lambda: document["z"],
        lambda: document["b"]["x"],
        lambda: document["b"].get("x"),
        lambda: document.get("b", {}),
        lambda: document.get("c", ()),
        lambda: document.objects("b"),
        lambda: document["c"]["d"],
    ):
        with pytest.raises(InconclusiveError, match=r"Microsoft Graph answered in an unexpected form \(GET my-app\)"):
            wrong()
