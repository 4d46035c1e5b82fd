"""A small TLS server that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trustme

from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.identity import Token
from hol_wizard.services.secrets import Secret
from tests.unit.services.places import CLOUD


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    content: bytes | None = None
    """The body byte by byte, in the place of `body`."""
    cut: int = 0
    """How many bytes at the end of the body are never sent."""
    drip: float = 0.0
    """Seconds after each byte of the body."""


@dataclass
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Server:
    """Answers each request with the next of its replies, the last one again and again."""

    def __init__(self, endpoints: Endpoints, base: str) -> None:
        self.endpoints = endpoints
        self.base = base
        self.begin()

    def begin(self) -> None:
        """Forget what was before, for the next test."""
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.connections = 0
        self.accepts = ""
        """The only token that is not refused; empty: all are taken."""

    def will_answer(self, *replies: Reply) -> None:
        self.replies = list(replies)


@contextmanager
def listening(handler: type[http.server.BaseHTTPRequestHandler], bundle: Path) -> Iterator[str]:
    """Let a handler answer over TLS; yields the address.

    Args:
        handler: Answers the requests; what goes wrong with a connection is not reported.
        bundle: Where the certificates to trust are written.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True
        # With less room, some of those that connect at once are dropped, and try again a second later.
        request_queue_size = 32

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    listener = Quiet(("127.0.0.1", 0), handler)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Run one; its CA lies in the folder."""
    bundle = folder / "ca.pem"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise the body of a response waits 40 ms for the other side to have taken its headers.
        disable_nagle_algorithm = True

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            server.asked.append(
                Asked(self.command, self.path, dict(self.headers.items()), json.loads(body) if body else None)
            )
            if server.accepts and self.headers.get("Authorization") != f"Bearer {server.accepts}":
                self._send(Reply(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "Too old."}}))
                return
            reply = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
            if reply.drop:
                self.close_connection = True
                self.connection.close()
                return
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            content = reply.content if reply.content is not None else b""
            if reply.body is not None:
                content = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            kind = "text/html" if isinstance(reply.body, str) else "application/json"
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.drip:
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(reply.drip)
                return
            self.wfile.write(content[: len(content) - reply.cut])
            if reply.cut:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _answer

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 http.server's own name
            pass

    with listening(Handler, bundle) as base:
        server = Server(replace(CLOUD, resource_manager=base, active_directory=base, ca_bundle=bundle), base)
        yield server


class Tokens:
    """Gives tokens `token-1`, `token-2`, … and remembers how they were asked for."""

    def __init__(self) -> None:
        self.given = 0
        self.asked: list[Mapping[str, Any]] = []
        self.tenants: dict[str, str] = {}
        self._current: Token | None = None
        self._lock = threading.Lock()

    def token(self, audience: str, *, tenant: str = "", claims: str = "", rejected: Token | None = None) -> Token:
        self.asked.append({"audience": audience, "tenant": tenant, "claims": claims, "rejected": rejected is not None})
        with self._lock:
            if self._current is None or rejected is self._current:
                self.given += 1
                self._current = Token(Secret(f"token-{self.given}"), time.time() + 3600)
            return self._current

    def tenant_of(self, subscription: str) -> str:
        return self.tenants.get(subscription, "")
