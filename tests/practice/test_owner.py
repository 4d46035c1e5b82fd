"""The practice cloud is its owner's: what others on the machine get, and how much of it they can take up."""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Refused, Request
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.process import launch, listening, server
from hol_wizard.practice.process.exchange_log import ExchangeLog
from tests.practice.conftest import Arm, databricks_body, provider, session, user_token
from tests.practice_cloud import PracticeCloud

STRANGER = Path(__file__).with_name("stranger.py")
NOBODY = 65534
MIB = 1 << 20


def port(address: str) -> int:
    found = urlsplit(address).port
    assert found is not None
    return found


@pytest.fixture
def own() -> Iterator[PracticeCloud]:
    """A practice cloud of this test's own, in a folder that everybody may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="hol-wizard-owner-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        log = folder / "exchanges.jsonl"
        endpoints = launch.start(folder / "practice", speed=600, keep=True, log_exchanges=log)
        yield PracticeCloud(folder / "practice", endpoints, launch.ControlClient(endpoints), log)
        launch.stop(folder / "practice")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can be another user")
def test_another_user_of_the_machine_gets_no_token_no_command_and_no_file(own: PracticeCloud) -> None:
    own.register_providers()
    arm = Arm(own, user_token(own))
    arm.make_group()
    workspace = provider("Databricks/workspaces", "adb")
    arm.poll(arm.ask("PUT", workspace, databricks_body(arm), version="2026-01-01"))
    names = ("resource_manager", "active_directory", "microsoft_graph", "devops", "control", "prices")
    address = arm.ask("GET", workspace, version="2026-01-01").json()["properties"]["workspaceUrl"]
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    payload = {"iss": seed.CI_PRINCIPAL.app_id, "sub": seed.CI_PRINCIPAL.app_id, "exp": time.time() + 600}
    claims = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    known: dict[str, Any] = {
        "ports": {name: port(str(own.endpoints[name])) for name in names},
        "workspaces": [port(f"https://{address.removeprefix('https://')}")],
        "proxy": urlsplit(str(own.endpoints["proxy"])).port,
        "client": seed.CI_PRINCIPAL.app_id,
        "user": seed.ATTENDEE.name,
        "assertion": f"{header}.{claims}.",
        "files": [str(own.log), *(str(each) for each in own.state.rglob("*"))],
    }
    assert len(known["files"]) > 8
    done = subprocess.run(
        [shutil.which("python3", path="/usr/bin:/bin") or sys.executable, "-", json.dumps(known)],
        input=STRANGER.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert got["uid"] == NOBODY
    assert got["ports"] == len(names), "it finds the ports, as everybody can"
    assert got["tokens"] == []
    assert got["code"] == ""
    assert set(got["control"]) == {401}
    assert set(got["services"].values()) <= {203, 302, 401}
    assert set(got["clusters"]) <= {401, 403}
    assert {line for lines in got["proxy"] for line in lines} == {"HTTP/1.1 407 Proxy Authentication Required"}
    assert got["files"] == []
    assert own.control.status()["leases"] == 0


def test_every_route_wants_a_token_but_those_of_the_sign_in(tmp_path: Path) -> None:
    world = World(Store(tmp_path / "cloud.sqlite"), Clock())
    world.addresses |= dict.fromkeys(("active_directory", "devops_profile"), "https://127.0.0.1:1")
    let_in = set()
    asked = 0
    services = [make(world) for make in server.SERVICES]
    world.start()
    for service in services:
        for route in service.router.routes:
            method, pattern = route.method, route.pattern
            path = pattern.pattern.removesuffix("/?").replace("\\", "")
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
                asked += 1
                request = Request(
                    method, path, {"api-version": "7.1"}, headers, b"", "https://127.0.0.1:1", thing="thing"
                )
                try:
                    with world.store.transaction():
                        service.authenticate(request)
                except Refused as refused:
                    assert refused.response.status in {203, 302, 401, 403, 404, 503}  # noqa: PT017 the other half is below
                else:
                    let_in.add((service.name, "" if service.name in {"active_directory", "prices"} else path))
    assert asked > 500
    assert let_in == {
        ("active_directory", ""),
        ("prices", ""),
        ("resource_manager", "/metadata/endpoints"),  # where the services are: Azure tells everybody
        ("databricks", "/.well-known/databricks-config"),
        ("databricks", "/aad/auth"),  # leads to the sign-in
    }


def open_connection(cloud: PracticeCloud, name: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=cloud.ca_file)
    raw = socket.create_connection(("127.0.0.1", port(str(cloud.endpoints[name]))), timeout=10)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def say(cloud: PracticeCloud, name: str, text: str) -> bytes:
    """Send a request as it is and return the line with the status of the answer."""
    with open_connection(cloud, name) as connection:
        connection.sendall(text.encode())
        return connection.recv(4000).partition(b"\r\n")[0]


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("resource_manager", "/subscriptions?api-version=2022-12-01", b"401"),
        ("active_directory", "/organizations/oauth2/v2.0/token", b"413"),
        ("control", "/settings", b"401"),
        ("devops", "/practice/lab/_git/lab/git-receive-pack", b"401"),
    ],
)
def test_a_large_body_without_a_token_is_refused_before_it_is_read(
    practice_cloud: PracticeCloud, name: str, path: str, status: bytes, chunked: bool
) -> None:
    practice_cloud.wrong_on_purpose("POST ")
    process = psutil.Process(int(practice_cloud.endpoints["pid"]))
    before = process.memory_info().rss
    most, sent = before, 0
    with open_connection(practice_cloud, name) as connection:
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {200 * MIB}"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n\r\n".encode())
        block = b"x" * MIB
        try:
            for _ in range(200):
                connection.sendall(b"100000\r\n" + block + b"\r\n" if chunked else block)
                sent += 1
                if sent % 20 == 0:
                    most = max(most, process.memory_info().rss)
        except OSError:
            # It has closed the connection, as it may.
            assert sent < 200
        assert status in connection.recv(4000).partition(b"\r\n")[0]
    assert most - before < 32 * MIB, f"{(most - before) / MIB:.0f} MiB more"


def test_lines_and_headers_are_bounded(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose("GET ")
    for text in (
        f"GET /{'a' * 9_000} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {'a' * 9_000}\r\n\r\n",
    ):
        assert b" 400 " in say(practice_cloud, "resource_manager", text)


@pytest.mark.parametrize("name", ["resource_manager", "control", "active_directory"])
def test_pages_of_other_sites_and_other_names_for_the_address_are_refused(
    practice_cloud: PracticeCloud, name: str
) -> None:
    token = practice_cloud.endpoints["control_token"]
    common = f"Authorization: Bearer {token}\r\n\r\n"
    for host in ("rebound.example", "rebound.example:443", "127.0.0.1.example", ""):
        assert b" 421 " in say(practice_cloud, name, f"GET /status HTTP/1.1\r\nHost: {host}\r\n{common}")
    for origin in ("https://site.example", "null", "https://127.0.0.1.site.example"):
        text = f"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {origin}\r\n{common}"
        assert b" 403 " in say(practice_cloud, name, text)
    accepted = say(practice_cloud, "control", f"GET /status HTTP/1.1\r\nHost: localhost:1\r\n{common}")
    assert b" 200 " in accepted


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="prlimit")
@pytest.mark.parametrize("handshake", [False, True])
def test_idle_connections_keep_nobody_out(own: PracticeCloud, handshake: bool) -> None:
    import resource

    process = psutil.Process(int(own.endpoints["pid"]))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    arm = Arm(own, user_token(own))
    held = []
    with launch.Lease(own.endpoints) as lease:
        try:
            for _ in range(1100):
                address = ("127.0.0.1", port(own.resource_manager))
                held.append(
                    open_connection(own, "resource_manager")
                    if handshake
                    else socket.create_connection(address, timeout=10)
                )
            began = time.monotonic()
            assert own.control.status()["leases"] == 1
            assert arm.ask("GET", "").status_code == 200
            assert time.monotonic() - began < 5
            assert process.num_fds() < listening.MOST_STRANGERS + 100
        finally:
            for each in held:
                each.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert lease.alive
        assert arm.ask("GET", "").status_code == 200


def ended(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


async def test_time_in_which_the_server_was_busy_does_not_count_for_those_who_wait() -> None:
    connections, dropped = listening.Connections(), []
    waiting = connections.add(lambda: dropped.append("waiting"))
    waiting.last -= 100
    connections.close_overdue(101.0)
    assert dropped == []
    waiting.last -= 100
    connections.close_overdue(1.0)
    assert dropped == ["waiting"]


@pytest.mark.slow
def test_who_waits_without_a_token_is_disconnected(own: PracticeCloud) -> None:
    silent = socket.create_connection(("127.0.0.1", port(own.resource_manager)))
    greeted = open_connection(own, "resource_manager")
    slow = open_connection(own, "active_directory")
    slow.sendall(b"POST /organizations/oauth2/v2.0/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nx")
    header = open_connection(own, "control")
    header.sendall(b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    with launch.Lease(own.endpoints) as lease:
        deadline = time.monotonic() + listening.STRANGER_SECONDS + 10
        waiting = {"silent": silent, "greeted": greeted, "slow": slow, "header": header}
        while waiting and time.monotonic() < deadline:
            slow.settimeout(0.01)
            waiting = {
                name: each for name, each in waiting.items() if not (ended(each) or (name == "slow" and _said(each)))
            }
            time.sleep(0.2)
        assert waiting == {}
        assert lease.alive
    for each in (silent, greeted, slow, header):
        each.close()


def _said(connection: socket.socket) -> bool:
    """Return whether an answer came."""
    try:
        return bool(connection.recv(4000))
    except OSError:
        return False


def test_the_logs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = server._log(tmp_path)
    try:
        for _ in range(40):
            logging.getLogger("hol_wizard.practice.test").warning("x" * 100_000)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 2 * launch.LOG_LIMIT + 200_000
    monkeypatch.setattr("hol_wizard.practice.process.exchange_log.MOST_BYTES", 100_000)
    log = ExchangeLog(tmp_path / "logs" / "exchanges.jsonl")
    for _ in range(200):
        log.write(
            "entra",
            "",
            "GET",
            "https://127.0.0.1:1/x",
            {},
            b"y" * 2_000_000,
            200,
            {"Content-Type": "text/plain"},
            b"z" * 5_000,
        )
    log.close()
    files = list((tmp_path / "logs").iterdir())
    assert len(files) == 2
    assert sum(each.stat().st_size for each in files) < 220_000
    for each in files:
        assert json.loads(each.read_text(encoding="utf-8").splitlines()[0])["request_body"] == "(2000000 bytes)"


@pytest.mark.slow
def test_refusals_fill_no_log(own: PracticeCloud) -> None:
    ask: Callable[..., Any] = session(own).post
    address = f"{own.endpoints['active_directory']}/organizations/oauth2/v2.0/token"
    log = own.state / launch.LOG_FILE
    before = log.stat().st_size
    for _ in range(100):
        ask(address, data=b"\xff{x", timeout=10)
        with open_connection(own, "active_directory") as connection:
            connection.sendall(b"\x00 nonsense\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port(own.resource_manager))) as raw:
            raw.sendall(b"not TLS at all\r\n\r\n")
    assert log.stat().st_size - before < 10_000, log.read_text(encoding="utf-8")[-2000:]
