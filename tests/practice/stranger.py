"""What another user of the machine tries against a practice cloud: run as a program of its own, with another uid.

It knows what everybody can find out: the ports (/proc/net/tcp) and the ids of the practice tenant, which are the same
on every machine. It prints one line of JSON: what it got.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
MANAGEMENT = "https://management.core.windows.net//.default"


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, str]:
    """Return status, body and the header Location."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace"), answer.headers.get("Location", "")
    finally:
        connection.close()


def form(port: int, path: str, **values: str) -> tuple[int, Any]:
    kind = "application/x-www-form-urlencoded"
    status, text, _ = ask(port, "POST", path, urlencode(values).encode(), Content_Type=kind)
    return status, json.loads(text)


def tunnel(port: int, host: str) -> list[str]:
    """Return the status lines of the proxy without its secret, and with wrong ones."""
    found = []
    for header in (
        "",
        "Proxy-Authorization: Basic cHJhY3RpY2U6\r\n",
        "Proxy-Authorization: Basic cHJhY3RpY2U6eA==\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(f"CONNECT {host} HTTP/1.1\r\n{header}\r\n".encode())
            found.append(connection.recv(1000).decode("latin-1").partition("\r\n")[0])
    return found


def listening(wanted: set[int]) -> list[int]:
    """Return those ports that this user sees somebody listen on."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    found = {int(line.split()[1].split(":")[1], 16) for line in lines if line.split()[3] == "0A"}
    return sorted(found & wanted)


def main() -> None:
    known = json.loads(sys.argv[1])
    got: dict[str, Any] = {"uid": os.getuid(), "ports": len(listening(set(known["ports"].values()))), "tokens": []}
    entra, control = known["ports"]["active_directory"], known["ports"]["control"]
    sign_in = "/organizations/oauth2/v2.0"

    begun = form(entra, f"{sign_in}/devicecode", client_id=AZURE_CLI, scope=MANAGEMENT)[1]
    device = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": AZURE_CLI}
    attempts: list[dict[str, str]] = []
    for _ in range(3):
        attempts.append({**device, "device_code": begun["device_code"]})
        attempts.append({**device, "device_code": begun["user_code"]})
    client = {"grant_type": "client_credentials", "client_id": known["client"], "scope": MANAGEMENT}
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    attempts += [
        {**client, "client_assertion": "x", "client_assertion_type": kind},
        {**client, "client_assertion": known["assertion"], "client_assertion_type": kind},
        {**client, "client_secret": ""},
        client,
        {"grant_type": "password", "client_id": AZURE_CLI, "username": known["user"], "password": "x"},
        {"grant_type": "refresh_token", "client_id": AZURE_CLI, "refresh_token": "x", "scope": MANAGEMENT},
        {"grant_type": "authorization_code", "client_id": AZURE_CLI, "code": "x", "redirect_uri": "http://localhost:1"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "x", "client_id": AZURE_CLI},
    ]
    for each in attempts:
        status, answer = form(entra, f"{sign_in}/token", **each)
        if status < 400 or "access_token" in answer:
            got["tokens"].append(each["grant_type"])
        time.sleep(0.4 if "device_code" in each else 0)
    query = {"client_id": AZURE_CLI, "redirect_uri": "http://localhost:1", "state": "s", "scope": MANAGEMENT}
    _, _, location = ask(entra, "GET", f"{sign_in}/authorize?{urlencode(query)}")
    got["code"] = location
    got["control"] = [
        ask(control, method, path, b"{}", Authorization=authorization)[0]
        for method, path in (("GET", "/status"), ("POST", "/approve"), ("POST", "/stop"), ("GET", "/lease"))
        for authorization in ("", "Bearer x", "Basic eDp4")
    ]
    got["services"] = {
        name: ask(port, "GET", path, Authorization=authorization)[0]
        for name, port in known["ports"].items()
        if name not in {"active_directory", "control", "prices"}
        for path in ("/subscriptions?api-version=2022-12-01", "/practice/_apis/projects?api-version=7.1")
        for authorization in ("Bearer x",)
    }
    got["clusters"] = [
        ask(port, "POST", path, b"{}", Authorization=authorization)[0]
        for port in known["workspaces"]
        for path in ("/api/1.2/contexts/create", "/api/1.2/commands/execute", "/api/2.0/secrets/get")
        for authorization in ("", "Bearer x", "Basic dG9rZW46eA==")
    ]
    got["proxy"] = [tunnel(known["proxy"], host) for host in ("management.azure.com:443", "127.0.0.1:22")]
    got["files"] = []
    for name in known["files"]:
        try:
            _ = list(Path(name).iterdir()) if Path(name).is_dir() else Path(name).read_bytes()
            got["files"].append(name)
        except OSError:
            continue
    print(json.dumps(got))  # noqa: T201 it is a program


if __name__ == "__main__":
    main()
