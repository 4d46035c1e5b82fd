from __future__ import annotations

import base64
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from hol_wizard import __version__
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
)
from hol_wizard.services.arm import ArmClient, Operation, api_version
from tests.unit.services.tls_server import Reply, Server, Tokens

GROUP = "/subscriptions/s1/resourceGroups/g1"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a1"
READY = {"id": ACCOUNT, "properties": {"provisioningState": "Succeeded"}}
MAKING = {"id": ACCOUNT, "properties": {"provisioningState": "Creating"}}


def refusal(code: str, message: str = "No.", **more: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, **more}}


def drive(operation: Operation) -> Operation:
    for _ in range(20):
        if operation.done:
            return operation
        operation.poll()
    raise AssertionError("the operation never ends")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/subscriptions", "2022-12-01"),
        ("/subscriptions/s1/locations", "2022-12-01"),
        ("/tenants", "2022-12-01"),
        (GROUP, "2025-04-01"),
        (f"{GROUP}/resources", "2025-04-01"),
        ("/subscriptions/s1/providers/Microsoft.Storage", "2025-04-01"),
        ("/subscriptions/s1/providers/Microsoft.Storage/register", "2025-04-01"),
        (ACCOUNT, "2023-05-01"),
        ("/subscriptions/s1/providers/Microsoft.KeyVault/deletedVaults", "2026-02-01"),
        (f"{ACCOUNT}/providers/Microsoft.Authorization/roleAssignments/r", "2022-04-01"),
        ("/subscriptions/s1/providers/Microsoft.Authorization/permissions", "2022-04-01"),
        (f"{GROUP}/providers/Microsoft.Databricks/workspaces/w", "2026-01-01"),
    ],
)
def test_the_api_version_follows_from_the_path(path: str, version: str) -> None:
    assert api_version(path) == version


def test_a_provider_without_a_version_is_a_mistake_of_ours() -> None:
    with pytest.raises(LookupError, match="no api-version"):
        api_version(f"{GROUP}/providers/Microsoft.Nothing/things/x")


def test_a_request_says_who_asks_and_can_be_found_again(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(body=READY))
    assert arm.get(ACCOUNT) == READY
    asked = server.asked[0]
    assert asked.path == f"{ACCOUNT}?api-version=2023-05-01"
    assert asked.headers["Authorization"] == "Bearer token-1"
    assert asked.headers["User-Agent"].startswith(f"hol-wizard/{__version__} ")
    assert asked.headers["x-ms-client-request-id"]
    assert asked.headers["x-ms-correlation-request-id"]


def test_a_list_is_read_page_after_page(arm: ArmClient, server: Server) -> None:
    server.will_answer(
        Reply(body={"value": [{"n": 1}], "nextLink": f"{server.base}/subscriptions?page=2"}),
        Reply(body={"value": [{"n": 2}]}),
    )
    assert arm.list("/subscriptions") == [{"n": 1}, {"n": 2}]
    assert server.asked[1].path == "/subscriptions?page=2"


def test_a_token_is_sent_to_no_other_host(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(body={"value": [], "nextLink": "https://evil.example/subscriptions"}))
    with pytest.raises(ServiceError, match=r"evil\.example is not part of"):
        arm.list("/subscriptions")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/ops/1",
        "http://127.0.0.1/ops/1",
        "https://127.0.0.1@evil.example/ops/1",
        "https://127.0.0.1.evil.example/ops/1",
        "https://user@127.0.0.1/ops/1",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_operation_is_resumed_at_resource_manager_only(arm: ArmClient, url: str) -> None:
    with pytest.raises(ServiceError, match="nothing is sent there"):
        arm.operation(url)


def test_an_operation_is_resumed_although_the_port_has_changed(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(body={"status": "Succeeded"}))
    operation = arm.operation("https://127.0.0.1:1/ops/1?api-version=x")
    operation.poll()
    assert operation.done
    assert server.asked[0].path == "/ops/1?api-version=x"


def test_a_refused_token_is_renewed_once_and_silently(arm: ArmClient, server: Server, tokens: Tokens) -> None:
    server.will_answer(Reply(401, refusal("ExpiredAuthenticationToken")), Reply(body=READY))
    assert arm.get(ACCOUNT) == READY
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer token-1", "Bearer token-2"]
    assert [asked["rejected"] for asked in tokens.asked] == [False, True]


def test_a_token_refused_twice_is_a_matter_of_signing_in(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(401, refusal("InvalidAuthenticationToken", "The access token is invalid.")))
    with pytest.raises(SignInError, match="no longer accepts the sign-in") as caught:
        arm.get(ACCOUNT)
    assert len(server.asked) == 2
    assert "az login" in caught.value.hint
    assert caught.value.code == "InvalidAuthenticationToken"


def test_the_claims_of_a_challenge_go_into_the_renewal(arm: ArmClient, server: Server, tokens: Tokens) -> None:
    claims = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
    challenge = f'Bearer error="insufficient_claims", claims="{base64.b64encode(claims.encode()).decode().rstrip("=")}"'
    server.will_answer(
        Reply(401, refusal("InvalidAuthenticationToken"), {"WWW-Authenticate": challenge}), Reply(body=READY)
    )
    arm.get(ACCOUNT)
    assert json.loads(tokens.asked[1]["claims"]) == json.loads(claims)


def test_many_threads_share_one_renewal(arm: ArmClient, server: Server, tokens: Tokens) -> None:
    server.accepts = "token-2"
    server.will_answer(Reply(body=READY))
    start = threading.Barrier(8)

    def ask(_: int) -> object:
        start.wait()
        return arm.get(ACCOUNT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert tokens.given == 2


def test_the_subscriptions_own_directory_gives_the_token(arm: ArmClient, server: Server, tokens: Tokens) -> None:
    tokens.tenants["s1"] = "tenant-of-s1"
    server.will_answer(Reply(body=READY))
    arm.get(ACCOUNT)
    assert tokens.asked[0]["tenant"] == "tenant-of-s1"


def test_no_token_is_logged(arm: ArmClient, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.will_answer(Reply(401, refusal("ExpiredAuthenticationToken")), Reply(404, refusal("ResourceNotFound")))
    with pytest.raises(NotFoundError):
        arm.get(ACCOUNT)
    assert server.asked
    assert "token-1" not in caplog.text
    assert "token-2" not in caplog.text


def test_what_is_missing_is_none_to_find_and_an_error_to_get(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(404, refusal("ResourceNotFound", "Not found.")))
    assert arm.find(ACCOUNT) is None
    assert arm.delete(ACCOUNT) is None
    with pytest.raises(NotFoundError):
        arm.get(ACCOUNT)


def test_a_wrong_question_is_not_taken_for_a_missing_thing(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(404, refusal("SubscriptionNotFound")))
    with pytest.raises(AccessDeniedError, match="cannot see such a subscription"):
        arm.find(ACCOUNT)
    with pytest.raises(AccessDeniedError, match="cannot see such a subscription"):
        arm.delete(ACCOUNT)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "words"),
    [
        (
            403,
            "AuthorizationFailed",
            "The client 'me' does not have authorization to perform action "
            "'Microsoft.Storage/storageAccounts/write' over scope '/subscriptions/s1' or the scope is invalid.",
            AccessDeniedError,
            "may not Microsoft.Storage/storageAccounts/write on /subscriptions/s1",
        ),
        (409, "StorageAccountAlreadyTaken", "Taken.", ConflictError, "The name a1 is already in use"),
        (409, "ScopeLocked", "Locked.", ConflictError, "lock"),
        (
            403,
            "InsufficientPermissions",
            "Caller is not allowed to change permission model. For more information follow this link.",
            AccessDeniedError,
            "may not change how the key vault a1 decides on access",
        ),
        (
            400,
            "BadRequest",
            "Invalid value found at accessPolicies[1].ObjectId: e40a0daa-0e3e-4f5d-a1fd-333e578181e1",
            ConflictError,
            "does not accept the access policies: Invalid value",
        ),
        (
            409,
            "MissingSubscriptionRegistration",
            "The subscription is not registered to use namespace 'Microsoft.Storage'.",
            ConflictError,
            "not registered to use Microsoft.Storage",
        ),
        (418, "Strange", "Something else.", ServiceError, "a1: Something else."),
    ],
)
def test_a_refusal_is_told_in_plain_words_and_kept_in_its_own(
    arm: ArmClient, server: Server, status: int, code: str, message: str, kind: type[ServiceError], words: str
) -> None:
    server.will_answer(Reply(status, refusal(code, message), {"x-ms-request-id": "r-1"}))
    with pytest.raises(kind) as caught:
        arm.put(ACCOUNT, {})
    assert words in caught.value.message
    assert message in caught.value.detail
    assert "r-1" in caught.value.detail
    assert caught.value.code == code


def test_a_policy_is_named(arm: ArmClient, server: Server) -> None:
    info = {"type": "PolicyViolation", "info": {"policyDefinitionDisplayName": "Allowed locations"}}
    server.will_answer(
        Reply(403, refusal("RequestDisallowedByPolicy", "Resource 'a1' was disallowed.", additionalInfo=[info]))
    )
    with pytest.raises(AccessDeniedError, match="policy “Allowed locations” forbids a1"):
        arm.put(ACCOUNT, {})


def test_a_busy_service_is_asked_again_as_it_wishes(arm: ArmClient, server: Server) -> None:
    busy = Reply(429, refusal("TooManyRequests"), {"x-ms-retry-after-ms": "20"})
    server.will_answer(busy, Reply(503, "busy", {"Retry-After": "0"}), Reply(body=READY))
    assert arm.get(ACCOUNT) == READY
    assert len(server.asked) == 3


def test_a_wish_for_too_much_patience_becomes_an_error(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(429, refusal("TooManyRequests", "Slow down."), {"Retry-After": "3600"}))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="too busy"):
        arm.get(ACCOUNT)
    assert time.monotonic() - began < 2
    assert len(server.asked) == 1


def test_another_operation_in_the_way_is_waited_for_a_little(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(409, refusal("AnotherOperationInProgress")), Reply(200, READY))
    assert arm.put(ACCOUNT, {}).done


def test_a_dropped_connection_is_tried_once_more(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(drop=True), Reply(body=READY))
    assert arm.get(ACCOUNT) == READY


def test_a_missing_file_of_certificates_is_named(
    server: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    client = ArmClient(replace(server.endpoints, ca_bundle=None), tokens)
    with pytest.raises(UnreachableError, match=r"/nowhere/bundle\.pem") as caught:
        client.find(ACCOUNT)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


def test_a_captive_portal_is_not_taken_for_azure(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(200, "<html>Welcome to the hotel</html>"))
    with pytest.raises(UnreachableError, match="answers instead"):
        arm.find(ACCOUNT)
    server.will_answer(Reply(302, None, {"Location": "https://hotel.example/"}))
    with pytest.raises(UnreachableError, match="answers instead"):
        arm.find(ACCOUNT)


def test_a_creation_that_is_done_at_once_needs_no_poll(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(201, READY))
    operation = arm.put(ACCOUNT, {"location": "westeurope"})
    assert operation.done
    assert operation.resource == READY
    assert server.asked[0].body == {"location": "westeurope"}


def test_an_async_operation_is_followed_by_its_status(arm: ArmClient, server: Server) -> None:
    address = {"Azure-AsyncOperation": f"{server.base}/ops/1?api-version=x", "Retry-After": "7"}
    server.will_answer(
        Reply(201, MAKING, address), Reply(body={"status": "InProgress"}), Reply(body={"status": "Succeeded"})
    )
    operation = arm.put(ACCOUNT, {})
    assert (operation.done, operation.retry_after) == (False, 7.0)
    assert operation.url == f"{server.base}/ops/1?api-version=x"
    operation.poll()
    assert (operation.done, operation.retry_after) == (False, 0.01)
    assert drive(operation).done


def test_a_location_is_followed_until_it_answers_with_the_resource(arm: ArmClient, server: Server) -> None:
    first, second = f"{server.base}/ops/1", f"{server.base}/ops/2"
    server.will_answer(
        Reply(202, None, {"Location": first}), Reply(202, None, {"Location": second}), Reply(202), Reply(200, READY)
    )
    operation = drive(arm.put(ACCOUNT, {}))
    assert operation.resource == READY
    assert [asked.path for asked in server.asked[1:]] == ["/ops/1", "/ops/2", "/ops/2"]


def test_a_creation_without_any_address_is_followed_at_the_resource(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(200, MAKING), Reply(200, MAKING), Reply(200, READY))
    operation = arm.put(ACCOUNT, {})
    assert operation.url.endswith(f"{ACCOUNT}?api-version=2023-05-01")
    assert drive(operation).resource == READY


def test_a_deletion_without_any_address_is_followed_until_the_resource_is_gone(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(202), Reply(200, READY), Reply(404, refusal("ResourceNotFound")))
    operation = arm.delete(ACCOUNT)
    assert operation is not None
    assert not operation.done
    assert drive(operation).done


@pytest.mark.parametrize(
    "last",
    [
        {"status": "Failed", "error": {"code": "QuotaExceeded", "message": "No cores left."}},
        {
            "id": ACCOUNT,
            "properties": {
                "provisioningState": "Failed",
                "error": {"code": "QuotaExceeded", "message": "No cores left."},
            },
        },
        {
            "status": "Failed",
            "error": {
                "code": "DeploymentFailed",
                "message": "At least one operation failed.",
                "details": [{"code": "QuotaExceeded", "message": "No cores left."}],
            },
        },
    ],
)
def test_a_failed_operation_tells_why(arm: ArmClient, server: Server, last: object) -> None:
    server.will_answer(Reply(202, None, {"Location": f"{server.base}/ops/1"}), Reply(200, last))
    with pytest.raises(ConflictError, match=r"quota.*No cores left") as caught:
        drive(arm.put(ACCOUNT, {}))
    assert caught.value.code == "QuotaExceeded"


def test_a_canceled_operation_without_a_reason_is_told_as_such(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(202, None, {"Location": f"{server.base}/ops/1"}), Reply(200, {"status": "Canceled"}))
    with pytest.raises(ServiceError, match="ended as canceled"):
        drive(arm.put(ACCOUNT, {}))


def test_a_forgotten_operation_is_not_found(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(404, refusal("OperationNotFound")))
    with pytest.raises(NotFoundError):
        arm.operation(f"{server.base}/ops/1").poll()


def test_a_very_long_wish_between_polls_is_capped(arm: ArmClient) -> None:
    assert arm.wait_of({"retry-after": "600"}) == 30.0
    assert arm.wait_of({"retry-after": "0"}) == 0.01
    assert arm.wait_of({}) == 0.01


def test_the_clocks_are_compared_without_signing_in(arm: ArmClient, server: Server, tokens: Tokens) -> None:
    server.will_answer(Reply(401, refusal("AuthenticationFailed")))
    assert abs(arm.clock_skew()) < 2
    assert not tokens.asked


def test_connections_are_shared_among_requests(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(body=READY))
    for _ in range(5):
        arm.get(ACCOUNT)
    assert server.connections == 1
