from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import certifi
import pytest

from hol_wizard.errors import UnreachableError
from hol_wizard.services import transport, waits
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.endpoints import Endpoints
from tests.unit.services.places import CLOUD
from tests.unit.services.tls_server import Reply, Server, Tokens

QUICK = 4.0
"""Within this many seconds it must be known that nobody can be reached."""


def failure_at(endpoints: Endpoints) -> tuple[UnreachableError, float]:
    began = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        ArmClient(endpoints, Tokens()).list("/subscriptions")
    return caught.value, time.monotonic() - began


def at(address: str) -> Endpoints:
    return replace(CLOUD, resource_manager=address)


@contextmanager
def full_queue() -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_refused_connection_is_known_quickly() -> None:
    error, took = failure_at(CLOUD)
    assert took < QUICK
    assert error.message == "127.0.0.1:9 refuses the connection."
    assert "Connection refused" in error.detail or "refused" in error.detail


def test_a_silent_address_is_known_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transport.CONNECT_SECONDS < QUICK
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.3)
    with full_queue() as port:
        error, took = failure_at(at(f"https://127.0.0.1:{port}"))
    assert took < QUICK
    assert "did not answer in time" in error.message


def test_an_unknown_name_is_told_as_such() -> None:
    error, took = failure_at(at("https://no-such-host.invalid"))
    assert took < QUICK
    assert error.message == "The name no-such-host.invalid cannot be resolved."


def test_an_untrusted_certificate_is_told_with_its_remedy(server: Server) -> None:
    error, took = failure_at(replace(server.endpoints, ca_bundle=Path(certifi.where())))
    assert took < QUICK
    assert "is not trusted (unable to get local issuer certificate)" in error.message
    assert "REQUESTS_CA_BUNDLE" in error.hint


def test_a_proxy_that_is_not_there_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    error, took = failure_at(at("https://management.invalid"))
    assert took < QUICK
    assert error.message.startswith("The proxy blocks management.invalid")


def test_this_machine_is_asked_without_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    server.will_answer(Reply(body={"value": []}))
    assert ArmClient(server.endpoints, Tokens()).list("/subscriptions") == []


def test_the_clouds_own_certificates_win_over_the_environments(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    server.will_answer(Reply(body={}))
    with transport.make_session(server.endpoints) as session:
        assert session.get(server.base).status_code == 200


def test_a_bundle_in_the_environment_is_used_for_a_public_cloud(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.endpoints.ca_bundle))
    server.will_answer(Reply(body={"value": []}))
    assert ArmClient(replace(server.endpoints, ca_bundle=None), Tokens()).list("/subscriptions") == []


def test_a_netrc_file_does_not_replace_the_token(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.will_answer(Reply(body={"value": []}))
    ArmClient(server.endpoints, Tokens()).list("/subscriptions")
    assert server.asked[0].headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": "0"}, None),
        ({"Retry-After": "soon"}, None),
        ({"x-ms-retry-after-ms": "50"}, 0.05),
        ({"retry-after-ms": "50", "Retry-After": "9"}, 0.05),
        ({"retry-after-ms": "inf", "Retry-After": "9"}, 9.0),
        ({"x-ms-retry-after-ms": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e300"}, None),
        ({"Retry-After": "Fri, 01 Jan 9999 00:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert waits.retry_after(headers) == seconds


def test_a_date_to_wait_for_is_understood() -> None:
    asked = waits.retry_after({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)})
    assert asked is not None
    assert 57 < asked <= 60


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("azure.com", False)],
)
def test_this_machine_is_recognized(host: str, here: bool) -> None:
    assert transport.is_loopback(host) is here


def test_an_answer_that_drips_times_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.5)
    server.will_answer(Reply(body={"value": [1] * 40}, drip=0.05))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="did not answer in time"):
        ArmClient(server.endpoints, Tokens()).list("/subscriptions")
    assert time.monotonic() - began < 2
    assert len(server.asked) == 1


def test_what_is_large_and_comes_fast_enough_may_take_its_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(transport, "SLOWEST", 10)
    server.will_answer(Reply(body={"value": [{}] * 5}, drip=0.02))
    assert len(ArmClient(server.endpoints, Tokens()).list("/subscriptions")) == 5


@pytest.mark.parametrize(("seconds", "words"), [("3600", "an hour"), ("5400", "2 hours"), ("90", "2 minutes")])
def test_how_long_a_service_asks_to_wait_is_told_and_not_slept_through(
    seconds: str, words: str, server: Server
) -> None:
    server.will_answer(
        Reply(429, {"error": {"code": "TooManyRequests", "message": "Slow down."}}, {"Retry-After": seconds})
    )
    began = time.monotonic()
    with pytest.raises(UnreachableError) as raised:
        ArmClient(server.endpoints, Tokens()).list("/subscriptions")
    assert raised.value.hint == f"Azure Resource Manager asks to wait for {words}: try again after that."
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "a minute"), (61, "2 minutes"), (3540, "59 minutes"), (3600, "an hour"), (3660, "2 hours"), (1e6, "12 days")],
)
def test_a_time_to_wait_is_rounded_up(seconds: float, words: str) -> None:
    assert waits.in_words(seconds) == words
