"""The proxy: HTTP CONNECT on the loopback address, for the shells that `practice env` has prepared.

A host of the services that the practice cloud serves ends here or is refused; it is never accessed on the internet.
Every other host is accessed for the client, through the person's own proxy if there is one. Without the secret, the
proxy does nothing, so other users of the machine cannot use it in either direction.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import ipaddress
import logging
import re
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from hol_wizard.practice.process.domains import is_kept
from hol_wizard.practice.process.listening import Connections
from hol_wizard.practice.process.names import Names

LOG = logging.getLogger(__name__)
USER = "practice"
"""User name with which a client shows the secret."""
MOST_HEAD = 16 * 1024
"""Maximum size of a request line with its headers."""
CONNECT_SECONDS = 20.0
"""How long a host may take to respond."""
HALF_SECONDS = 600.0
"""How long one side of a tunnel may continue after the other has ended."""
_CHUNK = 1 << 16
_HOST = re.compile(r"(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}))|\[(?P<address>[0-9A-Fa-f:.]{2,45})\]")


class RefusedError(Exception):
    """The tunnel is refused; the message is for the person, and quotes nothing from the client."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class WayOut:
    """The person's own proxy, and the hosts for which it is not used."""

    proxy: str = ""
    """Its address, with name and password if it needs them; empty to access hosts directly."""
    without: str = ""
    """In the format of NO_PROXY: suffixes of host names, addresses and ranges, separated by commas."""

    @classmethod
    def of_this_machine(cls) -> WayOut:
        """Return the settings of the environment, otherwise those of the system (macOS, Windows)."""
        proxies = urllib.request.getproxies()
        return cls(proxies.get("https") or proxies.get("all") or "", proxies.get("no") or "")

    def is_direct(self, host: str) -> bool:
        """Return whether a host is accessed without the proxy."""
        if not self.proxy or host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
            return True
        return any(_is_excepted(host, each.strip()) for each in self.without.split(","))


def _is_excepted(host: str, rule: str) -> bool:
    """Return whether one part of NO_PROXY matches a host: `*`, a suffix of a name, an address, a range."""
    if _is_address(host):
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(host) in ipaddress.ip_network(rule.strip("[]"), strict=False)
        return rule == "*"
    name = rule.lower().removeprefix("*").lstrip(".")
    return rule == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))


@dataclass(frozen=True, slots=True)
class _Request:
    host: str
    port: int


class Proxy:
    """One listening port and its tunnels."""

    def __init__(
        self, listener: socket.socket, secret: str, names: Names, connections: Connections, way_out: WayOut
    ) -> None:
        self._listener = listener
        self._secret = secret.encode()
        self._names = names
        self._connections = connections
        self.way_out = way_out
        self._server: asyncio.Server | None = None
        self._port = int(listener.getsockname()[1])
        self._tunnels: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(self._welcome, sock=self._listener, limit=MOST_HEAD)

    async def close(self) -> None:
        """Stop listening, and end the tunnels."""
        if self._server is not None:
            self._server.close()
        tunnels = list(self._tunnels)
        for each in tunnels:
            each.cancel()
        await asyncio.gather(*tunnels, return_exceptions=True)
        self._listener.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tunnels.add(task)
        connection = self._connections.add(task.cancel)
        try:
            request = await self._request(reader)
            self._connections.trust(connection)
            there = await self._reach(request)
        except RefusedError as refusal:
            await _refuse(writer, refusal)
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError) as error:
            LOG.debug("no tunnel: %s", type(error).__name__)
            writer.transport.abort()
        else:
            await _join(reader, writer, *there)
        finally:
            self._connections.remove(connection)
            self._tunnels.discard(task)

    async def _request(self, reader: asyncio.StreamReader) -> _Request:
        """Return the target that a client with the secret requests.

        Raises:
            RefusedError: It does not know the secret, or requests something other than a tunnel.
        """
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise RefusedError(431, "Request Header Fields Too Large") from error
        line, _, rest = head.decode("latin-1").partition("\r\n")
        words = line.split(" ")
        if len(words) != 3 or not re.fullmatch(r"HTTP/1\.[01]", words[2]):
            raise RefusedError(400, "Bad Request")
        # Check the secret first, so that nobody without it learns what is served.
        if not hmac.compare_digest(_shown(rest), self._secret):
            raise RefusedError(407, "Proxy Authentication Required")
        if words[0] != "CONNECT":
            raise RefusedError(405, "Only CONNECT is served: this proxy is for https addresses")
        host, colon, port = words[1].rpartition(":")
        found = _HOST.fullmatch(host)
        if found is None or not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise RefusedError(400, "Bad Request")
        return _Request((found["name"] or found["address"]).lower().rstrip("."), int(port))

    async def _reach(self, request: _Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection to the host, or to its port here.

        Raises:
            RefusedError: It does not exist, or must not be accessed.
        """
        host, port = request.host, request.port
        place = self._names.find(host)
        if place is not None and port == 443:
            return await _open("127.0.0.1", place.port)
        if place is not None or is_kept(host):
            LOG.info("refused: %s:%d is not served", host, port)
            raise RefusedError(502, "The practice cloud has no such host; it is not asked for on the internet")
        try:
            return await self._outside(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            # UnicodeError: a label of the name is empty, or longer than DNS allows.
            LOG.info("%s:%d cannot be reached: %s", host, port, type(error).__name__)
            raise RefusedError(504 if isinstance(error, TimeoutError) else 502, "The host cannot be reached") from error

    async def _outside(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        way = self.way_out
        if way.is_direct(host):
            return await _open(host, port)
        try:
            asked = urlsplit(way.proxy if "://" in way.proxy else f"http://{way.proxy}")
            proxy, at = asked.hostname or "", asked.port or (443 if asked.scheme == "https" else 80)
        except ValueError as error:
            raise RefusedError(502, "HTTPS_PROXY, your own proxy, has no address that can be read") from error
        if not proxy or asked.scheme not in {"http", "https"}:
            raise RefusedError(502, "HTTPS_PROXY, your own proxy, is none that the practice cloud can use")
        if at == self._port and proxy in {"127.0.0.1", "localhost", "::1"}:
            # Its own address: it was started in a shell that uses it.
            return await _open(host, port)
        reader, writer = await _open(proxy, at, tls=asked.scheme == "https")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await _ask_proxy(reader, writer, host, port, asked.username, asked.password)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer


def _shown(headers: str) -> bytes:
    """Return the secret in the header `Proxy-Authorization: Basic`; empty if there is none."""
    for line in headers.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "proxy-authorization":
            scheme, _, given = value.strip().partition(" ")
            if scheme.lower() != "basic":
                return b""
            try:
                user, _, secret = base64.b64decode(given.strip(), validate=True).partition(b":")
            except ValueError:
                return b""
            return secret if user == USER.encode() else b""
    return b""


async def _open(host: str, port: int, *, tls: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # Many hosts have an IPv6 address without a route from here: both kinds are tried, a quarter of a second apart.
    more: dict[str, Any] = {"happy_eyeballs_delay": 0.25} if not _is_address(host) else {}
    context = ssl.create_default_context() if tls else None
    async with asyncio.timeout(CONNECT_SECONDS):
        return await asyncio.open_connection(host, port, ssl=context, limit=MOST_HEAD, **more)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _ask_proxy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    port: int,
    user: str | None,
    password: str | None,
) -> None:
    """Create the tunnel through the person's own proxy.

    Raises:
        RefusedError: The proxy refused it.
    """
    name = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}"]
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}".encode("utf-8", "surrogateescape")
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    await writer.drain()
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.LimitOverrunError, EOFError) as error:
        raise RefusedError(502, "Your own proxy gave no answer that can be read") from error
    found = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    status = int(found[1]) if found else 0
    if not 200 <= status < 300:
        raise RefusedError(502, f"Your own proxy refused, with status {status or 'none'}")


async def _refuse(writer: asyncio.StreamWriter, refusal: RefusedError) -> None:
    body = f"{refusal.reason}.\n".encode()
    lines = [
        f"HTTP/1.1 {refusal.status} {refusal.reason}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if refusal.status == 407:
        lines.append('Proxy-Authenticate: Basic realm="hol-wizard practice cloud"')
    # The client may have disconnected, or may not read.
    with contextlib.suppress(OSError, TimeoutError):
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        async with asyncio.timeout(2):
            await writer.drain()
        writer.close()
        return
    writer.transport.abort()


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    there_reader: asyncio.StreamReader,
    there_writer: asyncio.StreamWriter,
) -> None:
    """Copy bytes in both directions until both sides have ended; after one side has ended, it can still receive
    data."""
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    both = [asyncio.ensure_future(each) for each in (_carry(reader, there_writer), _carry(there_reader, writer))]
    try:
        done, left = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
        async with asyncio.timeout(HALF_SECONDS):
            await asyncio.gather(*left)
    except (OSError, TimeoutError, asyncio.CancelledError) as error:
        LOG.debug("a tunnel broke: %s", type(error).__name__)
        for each in both:
            each.cancel()
        writer.transport.abort()
        there_writer.transport.abort()
        await asyncio.gather(*both, return_exceptions=True)
    else:
        writer.close()
        there_writer.close()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
    else:
        # TLS has no half-close.
        sink.close()


def way_out_of(told: Mapping[str, object]) -> WayOut:
    """Return the proxy settings of a shell.

    Raises:
        ValueError: They are not strings.
    """
    if not set(told) <= {"proxy", "without"} or not all(isinstance(each, str) for each in told.values()):
        raise ValueError("a way out is: proxy, without")
    return WayOut(str(told.get("proxy", "")), str(told.get("without", "")))
