"""The proxy of prepared shells: who gets through, what ends at the practice cloud, and what leaves this machine."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.process import launch, listening
from hol_wizard.practice.process.domains import DOWNLOADS, is_kept
from hol_wizard.practice.process.proxy import WayOut
from tests.practice.conftest import MANAGEMENT, VAULTS, Arm, user_token
from tests.practice_cloud import PracticeCloud


def secret_of(cloud: PracticeCloud) -> str:
    return str(urlsplit(cloud.endpoints["proxy"]).password)


def signed(secret: str, user: str = "practice") -> str:
    return f"Proxy-Authorization: Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}\r\n"


def opened(cloud: PracticeCloud) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(cloud.endpoints["proxy"]).port or 0), timeout=10)


def head_of(connection: socket.socket) -> str:
    """Return an answer's line and headers, and leave what comes behind them."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    return head.decode("latin-1")


def asked(cloud: PracticeCloud, request: str) -> str:
    """Send the beginning of a request, and return the answer's first line."""
    with opened(cloud) as connection:
        connection.sendall(request.encode("latin-1"))
        return head_of(connection).partition("\r\n")[0]


def connect(cloud: PracticeCloud, host: str, port: int | str = 443) -> str:
    return asked(cloud, f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n{signed(secret_of(cloud))}\r\n")


@pytest.fixture
def through(practice_cloud: PracticeCloud) -> Iterator[requests.Session]:
    """A client that asks through the proxy, and trusts the practice cloud alone."""
    with requests.Session() as made:
        made.trust_env = False
        made.verify = practice_cloud.ca_file
        made.proxies = {"https": practice_cloud.endpoints["proxy"]}
        yield made


class Outside(socketserver.ThreadingTCPServer):
    """A person's own proxy, which notes what it is asked and sends everything back that comes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heads: list[str] = []
        self.status = 200


class Echo(socketserver.StreamRequestHandler):
    server: Outside

    def handle(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1").strip())
        self.server.heads.append("\n".join(lines))
        self.wfile.write(b"HTTP/1.1 %d Done\r\n\r\n" % self.server.status)
        while data := self.rfile.read1(65536):
            self.wfile.write(data)
        # Its client has ended its half, and still reads.
        self.wfile.write(b"end")


@pytest.fixture
def outside(practice_cloud: PracticeCloud) -> Iterator[Outside]:
    """The way out of the practice cloud's proxy: a proxy that requires a name and a password."""
    with Outside() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://bob:pass%40word@127.0.0.1:{server.server_address[1]}"
        practice_cloud.control.way_out(address, "direct.example")
        yield server
        practice_cloud.control.ask("POST", "/way-out", {})
        server.shutdown()


# Who gets through


@pytest.mark.parametrize(
    "header",
    [
        "",
        signed("wrong"),
        signed(""),
        "Proxy-Authorization: Basic ???\r\n",
        "Proxy-Authorization: Bearer abc\r\n",
        "Proxy-Authorization: Basic\r\n",
        "Authorization: Basic cHJhY3RpY2U6eA==\r\n",
    ],
)
def test_nobody_gets_through_without_the_secret(practice_cloud: PracticeCloud, outside: Outside, header: str) -> None:
    for host in ("management.azure.com", "example.org", "nothing.vault.azure.net"):
        line = asked(practice_cloud, f"CONNECT {host}:443 HTTP/1.1\r\n{header}\r\n")
        assert line == "HTTP/1.1 407 Proxy Authentication Required"
    assert outside.heads == []


def test_another_user_name_with_the_secret_is_refused(practice_cloud: PracticeCloud) -> None:
    header = signed(secret_of(practice_cloud), "somebody")
    assert " 407 " in asked(practice_cloud, f"CONNECT management.azure.com:443 HTTP/1.1\r\n{header}\r\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET http://example.org/ HTTP/1.1", 405),
        ("CONNECT example.org HTTP/1.1", 400),
        ("CONNECT :443 HTTP/1.1", 400),
        ("CONNECT example.org:0 HTTP/1.1", 400),
        ("CONNECT example.org:65536 HTTP/1.1", 400),
        ("CONNECT example.org:-1 HTTP/1.1", 400),
        ("CONNECT example.org:443", 400),
        ("CONNECT example.org:443 HTTP/2.0", 400),
        ("CONNECT exam\x00ple.org:443 HTTP/1.1", 400),
        ("CONNECT user@example.org:443 HTTP/1.1", 400),
        ("CONNECT example.org/x:443 HTTP/1.1", 400),
        ("CONNECT ex%61mple.org:443 HTTP/1.1", 400),
        ("CONNECT exämple.org:443 HTTP/1.1", 400),
        ("CONNECT [::1:443 HTTP/1.1", 400),
        ("CONNECT ::1:443 HTTP/1.1", 400),
        ("CONNECT ../../etc:443 HTTP/1.1", 400),
        ("CONNECT  example.org:443 HTTP/1.1", 400),
        ("\x16\x03\x01\x02", 400),
        ("", 400),
    ],
)
def test_odd_requests_are_refused(practice_cloud: PracticeCloud, request_line: str, status: int) -> None:
    line = asked(practice_cloud, f"{request_line}\r\n{signed(secret_of(practice_cloud))}\r\n")
    assert line.startswith(f"HTTP/1.1 {status} ")


def test_a_request_without_an_end_is_not_kept(practice_cloud: PracticeCloud) -> None:
    assert " 431 " in asked(practice_cloud, "CONNECT example.org:443 HTTP/1.1\r\nX: " + "x" * 20_000)


def test_nothing_of_the_secret_is_in_a_log_or_in_a_status(practice_cloud: PracticeCloud) -> None:
    assert " 502 " in connect(practice_cloud, "nothing.vault.azure.net")
    secret = secret_of(practice_cloud)
    said = json.dumps(practice_cloud.control.status())
    for name in (launch.LOG_FILE, launch.OUTPUT_FILE, "exchanges.jsonl"):
        said += (practice_cloud.state / name).read_text(encoding="utf-8")
    command = Path(f"/proc/{practice_cloud.endpoints['pid']}/cmdline")
    if command.exists():
        said += command.read_text(encoding="utf-8")
    for piece in (secret, base64.b64encode(f"practice:{secret}".encode()).decode()):
        assert piece not in said
    if os.name != "nt":
        for file in (launch.ENDPOINTS_FILE, launch.SHELL_BUNDLE_FILE, launch.DATABASE_FILE):
            assert (practice_cloud.state / file).stat().st_mode & 0o077 == 0


# What ends here


@pytest.mark.parametrize("host", ["management.azure.com", "MANAGEMENT.Azure.com", "northeurope.api.azureml.ms"])
def test_a_service_answers_under_its_real_name(
    practice_cloud: PracticeCloud, through: requests.Session, host: str
) -> None:
    practice_cloud.wrong_on_purpose("GET .*")
    answer = through.get(f"https://{host}/subscriptions?api-version=2022-12-01", timeout=10)
    assert answer.status_code in {401, 404}
    assert "error" in answer.json()


def test_a_vault_is_at_its_own_name_and_says_so(arm: Arm, through: requests.Session) -> None:
    arm.make_group()
    body = {
        "location": "westeurope",
        "properties": {
            "tenantId": arm.cloud.endpoints["defaults"]["tenant"],
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": False,
            "accessPolicies": [
                {
                    "tenantId": arm.cloud.endpoints["defaults"]["tenant"],
                    "objectId": _own_id(arm.token),
                    "permissions": {"secrets": ["get", "set", "list"]},
                }
            ],
        },
    }
    place = "/resourceGroups/lab/providers/Microsoft.KeyVault/vaults/Lab-Vault-1"
    assert arm.ask("PUT", place, body, version=VAULTS).status_code == 200
    arm.until(place, VAULTS)
    here = arm.ask("GET", place, version=VAULTS).json()["properties"]["vaultUri"]
    through.headers["Authorization"] = f"Bearer {arm.token}"
    there = through.get(
        f"https://management.azure.com{arm.base}{place}", params={"api-version": VAULTS}, timeout=10
    ).json()
    assert there["properties"]["vaultUri"].lower() == "https://lab-vault-1.vault.azure.net/"
    assert here.startswith("https://127.0.0.1:")
    through.headers["Authorization"] = f"Bearer {user_token(arm.cloud, scope='https://vault.azure.net/.default')}"
    address = "https://lab-vault-1.vault.azure.net/secrets/one"
    value = "https://login.microsoftonline.com/x"
    made = through.put(address, json={"value": value}, params={"api-version": "7.4"}, timeout=10).json()
    assert made["value"] == value
    assert made["id"].startswith(f"{address}/")
    read = through.get(made["id"], params={"api-version": "7.4"}, timeout=10).json()
    assert read["value"] == value


def _own_id(token: str) -> str:
    middle = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))["oid"])


def test_operations_are_followed_under_the_real_name(arm: Arm, through: requests.Session) -> None:
    arm.make_group()
    through.headers["Authorization"] = f"Bearer {arm.token}"
    address = f"https://management.azure.com{arm.base}/resourcegroups/lab"
    accepted = through.delete(address, params={"api-version": "2025-04-01"}, timeout=10)
    assert accepted.status_code == 202
    assert accepted.headers["Location"].startswith("https://management.azure.com/")
    assert through.get(accepted.headers["Location"], timeout=10).status_code in {200, 202}


def test_a_device_code_never_leads_to_the_real_page(practice_cloud: PracticeCloud, through: requests.Session) -> None:
    form = {"client_id": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "scope": MANAGEMENT}
    address = "https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode"
    answer = through.post(address, data=form, timeout=10).json()
    assert answer["verification_uri"].startswith(practice_cloud.endpoints["active_directory"])
    assert "microsoftonline" not in answer["message"]


def test_the_certificate_of_a_real_name_is_shown_only_for_it(practice_cloud: PracticeCloud) -> None:
    context = ssl.create_default_context(cafile=practice_cloud.ca_file)
    with opened(practice_cloud) as connection:
        header = signed(secret_of(practice_cloud))
        connection.sendall(f"CONNECT management.azure.com:443 HTTP/1.1\r\n{header}\r\n".encode())
        assert " 200 " in head_of(connection)
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            context.wrap_socket(connection, server_hostname="nothing.vault.azure.net")


def test_a_real_name_means_nothing_at_another_services_port(practice_cloud: PracticeCloud) -> None:
    with requests.Session() as direct:
        direct.trust_env = False
        direct.verify = practice_cloud.ca_file
        answer = direct.get(practice_cloud.resource_manager, headers={"Host": "login.microsoftonline.com"}, timeout=10)
    assert answer.status_code == 421


# What never leaves, and what does


@pytest.mark.parametrize(
    "host",
    [
        *("nothing.vault.azure.net", "nothing.vault.azure.net.", "NOTHING.vault.azure.net"),
        *("nothing.blob.core.windows.net", "a.queue.core.windows.net", "westeurope.management.azure.com"),
        *("adb-1.2.azuredatabricks.net", "somebody.visualstudio.com", "pkgs.dev.azure.com", "x.azurecr.io"),
        *("login.microsoftonline.us", "management.usgovcloudapi.net", "x.vault.azure.cn", "nowhere.api.azureml.ms"),
        *("login.live.com", "graph.windows.net", "portal.azure.com"),
    ],
)
def test_a_host_of_the_services_that_is_not_served_never_leaves(
    practice_cloud: PracticeCloud, outside: Outside, host: str
) -> None:
    assert connect(practice_cloud, host).startswith("HTTP/1.1 502 The practice cloud has no such host")
    assert outside.heads == []


def test_a_served_host_is_served_at_its_port_alone(practice_cloud: PracticeCloud, outside: Outside) -> None:
    assert " 502 " in connect(practice_cloud, "management.azure.com", 8443)
    assert outside.heads == []


def test_all_others_go_through_the_persons_own_proxy(practice_cloud: PracticeCloud, outside: Outside) -> None:
    with opened(practice_cloud) as connection:
        connection.sendall(
            f"CONNECT example.org:8443 HTTP/1.1\r\n{signed(secret_of(practice_cloud))}X-Own: 1\r\n\r\n".encode()
        )
        assert " 200 " in head_of(connection)
        connection.sendall(b"x" * 300_000)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65536):
            received += data
    assert received == b"x" * 300_000 + b"end"
    wanted = base64.b64encode(b"bob:pass@word").decode()
    assert outside.heads == [
        f"CONNECT example.org:8443 HTTP/1.1\nHost: example.org:8443\nProxy-Authorization: Basic {wanted}"
    ]


def test_an_ipv6_address_is_asked_for_as_one(practice_cloud: PracticeCloud, outside: Outside) -> None:
    assert " 200 " in connect(practice_cloud, "[2001:db8::1]")
    assert outside.heads[0].startswith("CONNECT [2001:db8::1]:443 HTTP/1.1\nHost: [2001:db8::1]:443")


def test_what_the_persons_own_proxy_refuses_is_told(practice_cloud: PracticeCloud, outside: Outside) -> None:
    outside.status = 407
    assert connect(practice_cloud, "example.org") == "HTTP/1.1 502 Your own proxy refused, with status 407"


def test_without_a_proxy_of_ones_own_a_host_is_asked_directly(practice_cloud: PracticeCloud) -> None:
    with Outside() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with opened(practice_cloud) as connection:
            port = server.server_address[1]
            connection.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n{signed(secret_of(practice_cloud))}\r\n".encode())
            assert " 200 " in head_of(connection)
            connection.sendall(b"hello\r\n\r\n")
            assert "Done" in head_of(connection)
        server.shutdown()


@pytest.mark.parametrize("host", ["x" * 64 + ".org", "a..example.org"])
def test_a_name_that_no_host_can_have_is_told(practice_cloud: PracticeCloud, host: str) -> None:
    practice_cloud.control.ask("POST", "/way-out", {})
    assert connect(practice_cloud, host) == "HTTP/1.1 502 The host cannot be reached"


@pytest.mark.parametrize("depth", [400, 100_000])
def test_a_deep_body_is_refused_under_a_real_name(
    practice_cloud: PracticeCloud, through: requests.Session, depth: int
) -> None:
    practice_cloud.wrong_on_purpose("resourceGroups/deep")
    address = f"https://management.azure.com/subscriptions/{seed.SUBSCRIPTION.id}/resourceGroups/deep"
    headers = {"Authorization": f"Bearer {user_token(practice_cloud)}", "Content-Type": "application/json"}
    sent = "[" * depth + "]" * depth
    answer = through.put(f"{address}?api-version=2021-04-01", data=sent, headers=headers, timeout=10)
    assert answer.status_code == 400


def test_a_host_that_nobody_answers_for_is_told(practice_cloud: PracticeCloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert connect(practice_cloud, "127.0.0.1", port) == "HTTP/1.1 502 The host cannot be reached"


@pytest.mark.parametrize(
    ("without", "host", "direct"),
    [
        ("", "example.org", False),
        ("example.org", "example.org", True),
        (".example.org", "sub.example.org", True),
        ("example.org", "badexample.org", False),
        ("*", "example.org", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8,nonsense/x", "11.1.2.3", False),
        ("", "127.0.0.1", True),
        ("", "::1", True),
    ],
)
def test_no_proxy_counts_for_hosts_outside(without: str, host: str, *, direct: bool) -> None:
    assert WayOut("http://proxy.example:3128", without).is_direct(host) is direct


def test_the_downloads_of_the_azure_cli_are_no_service_of_the_labs() -> None:
    assert not any(is_kept(host) for host in DOWNLOADS)
    assert is_kept("azcliprod.blob.core.windows.net.evil.blob.core.windows.net")
    assert not is_kept("azure.com.example.org")
    assert not is_kept("notazure.com")


# How much of it strangers can take up


@pytest.mark.slow
def test_connections_without_the_secret_keep_nobody_out(practice_cloud: PracticeCloud) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(listening.MOST_STRANGERS * 3):
            held.enter_context(opened(practice_cloud))
        began = time.monotonic()
        assert " 502 " in connect(practice_cloud, "nothing.vault.azure.net")
        assert time.monotonic() - began < 5


def test_many_tunnels_work_side_by_side(practice_cloud: PracticeCloud) -> None:
    context = ssl.create_default_context(cafile=practice_cloud.ca_file)
    head = f"CONNECT management.azure.com:443 HTTP/1.1\r\n{signed(secret_of(practice_cloud))}\r\n".encode()
    with contextlib.ExitStack() as held:
        tunnels = []
        for _ in range(60):
            connection = held.enter_context(opened(practice_cloud))
            connection.sendall(head)
            assert " 200 " in head_of(connection)
            tunnels.append(held.enter_context(context.wrap_socket(connection, server_hostname="management.azure.com")))
        for tunnel in tunnels:
            tunnel.sendall(b"GET /x HTTP/1.1\r\nHost: management.azure.com\r\n\r\n")
        assert all("HTTP/1.1" in head_of(tunnel) for tunnel in tunnels)
    practice_cloud.wrong_on_purpose("GET /x")


# Restarts


@pytest.mark.slow
def test_a_prepared_shell_goes_on_after_a_restart_a_reset_and_a_snapshot(tmp_path: Path) -> None:
    state = tmp_path / "practice"
    first = launch.start(state, keep=True)
    control = launch.ControlClient(first)
    control.take_snapshot("one")
    control.reset()
    control.restore_snapshot("one")
    launch.stop(state)
    second = launch.start(state, keep=True)
    try:
        assert second["proxy"] == first["proxy"]
    finally:
        launch.stop(state)
    # Another program has the port now, and may be sent the secret: there is a new one.
    with socket.create_server(("127.0.0.1", urlsplit(first["proxy"]).port or 0)):
        third = launch.start(state, keep=True)
        launch.stop(state)
    assert urlsplit(third["proxy"]).port != urlsplit(first["proxy"]).port
    assert urlsplit(third["proxy"]).password != urlsplit(first["proxy"]).password
