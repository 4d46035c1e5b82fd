"""Ports on the loopback address, and limits for clients without a token.

Every user of the machine can reach 127.0.0.1, and so can every page in the owner's browser. A connection counts as a
stranger's until a request on it has shown a valid token. The number of strangers is limited: a new one replaces the one
that has waited longest, and none may wait for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

LOG = logging.getLogger(__name__)
MOST_STRANGERS = 128
"""Maximum number of connections without a valid token, over all ports."""
STRANGER_SECONDS = 15.0
"""How long such a connection may wait for its handshake, or between two requests."""
_EVERY = 1.0
"""Seconds between two searches for strangers that have waited too long."""
_HANDSHAKE_SECONDS = 120.0
"""Limit of a handshake, for a server that is busy in between; a stranger's ends earlier, as above."""
STRANGER_BYTES = 1 << 16
"""Maximum size of a request body without a valid token."""
OWNER_BYTES = 1 << 29
"""Maximum size of all other bodies: more than any client of the lab sends in one request."""
WANTED_FILES = 4096
"""Number of file descriptors that the server requests: macOS has a default of 256."""
_HERE = frozenset({"127.0.0.1", "localhost"})
_CONNECTION = "hol-wizard.connection"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class TooLargeError(Exception):
    """The body is too large, and was not read completely."""


@dataclass(eq=False)
class _Connection:
    """One accepted connection."""

    last: float
    """When it was opened, or last completed a request, on the loop's clock."""
    drop: Callable[[], object]
    trusted: bool = False
    working: bool = False


class Connections:
    """All connections of the server."""

    def __init__(self) -> None:
        self._strangers: dict[_Connection, None] = {}
        """In the order in which they would be replaced."""
        self._loop = asyncio.get_running_loop()

    def add(self, drop: Callable[[], object]) -> _Connection:
        """Count a new connection, which may replace the stranger that has waited longest."""
        added = _Connection(self._loop.time(), drop)
        self._strangers[added] = None
        while len(self._strangers) > MOST_STRANGERS:
            self.drop_oldest()
        return added

    def drop_oldest(self) -> None:
        """Close the stranger that has waited longest."""
        if oldest := next(iter(self._strangers), None):
            self.remove(oldest)
            oldest.drop()

    def remove(self, connection: _Connection) -> None:
        """Stop counting a connection."""
        self._strangers.pop(connection, None)

    def trust(self, connection: _Connection) -> None:
        """Let a connection that has shown a valid token wait for as long as its client wants."""
        connection.trusted = True
        self.remove(connection)

    @contextlib.contextmanager
    def working(self, connection: _Connection) -> Iterator[None]:
        """Do not count a connection as waiting while one of its requests is handled."""
        connection.working = True
        try:
            yield
        finally:
            connection.working = False
            connection.last = self._loop.time()
            if connection in self._strangers:
                # It was just used, so others are replaced first.
                self._strangers[connection] = self._strangers.pop(connection)

    async def watch(self) -> None:
        """Close strangers that wait for too long, until canceled."""
        while True:
            before = self._loop.time()
            await asyncio.sleep(_EVERY)
            self.close_overdue(self._loop.time() - before)

    def close_overdue(self, passed: float) -> None:
        """Close strangers that wait for too long.

        Time in which this server was too busy to look does not count: what a stranger has sent meanwhile waits here. If
        it counted, a client would see its connection closed without a response.

        Args:
            passed: Seconds since the last look.
        """
        for each in self._strangers:
            each.last += max(passed - _EVERY, 0.0)
        limit = self._loop.time() - STRANGER_SECONDS
        for each in [each for each in self._strangers if not each.working and each.last < limit]:
            self.remove(each)
            each.drop()


class _Server(web.Server):
    """Creates a protocol for each connection, and reports when one is closed."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(handler, **options)
        self.gone: Callable[[Any], None] = lambda protocol: None

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Delete a connection."""
        super().connection_lost(handler, exc)
        self.gone(handler)


@dataclass
class Listener:
    """One open port."""

    handler: Handler
    port: socket.socket
    """Start listening."""
    context: ssl.SSLContext | None
    """None for plain HTTP: only for a page in a browser, which does not trust our CA."""
    connections: Connections
    cancels: bool = False
    """Whether a handler is canceled if its client disconnects."""
    known: Callable[[str], bool] = lambda host: False
    """Whether a host is a real name of this port."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _known: dict[Any, _Connection] = field(default_factory=dict)

    def start(self) -> None:
        """Accept connections from now on."""
        # What strangers send after a refusal is discarded for a moment, so that they can read the refusal.
        self._server = _Server(
            self._handle, handler_cancellation=self.cancels, access_log=None, keepalive_timeout=120, lingering_time=1.0
        )
        self._server.gone = self._gone
        self._run(self._accept())

    def _run(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self.port)
            except OSError as error:
                # Out of file descriptors, or the client has disconnected.
                LOG.debug("a connection was not accepted: %s", error)
                self.connections.drop_oldest()
                await asyncio.sleep(0.05)
                continue
            accepted.setblocking(False)
            self._run(self._welcome(accepted))

    async def _welcome(self, accepted: socket.socket) -> None:
        """Do the TLS handshake, if there is one; after that, the protocol handles the data."""
        task = asyncio.current_task()
        connection = self.connections.add(task.cancel if task is not None else lambda: None)
        try:
            transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                self._server,
                accepted,
                ssl=self.context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self.context else None,
                ssl_shutdown_timeout=2.0 if self.context else None,
            )
        except (OSError, EOFError, asyncio.CancelledError) as error:
            LOG.debug("no handshake: %s", error)
            self.connections.remove(connection)
            accepted.close()
            return
        connection.drop = transport.abort
        self._known[protocol] = connection
        if transport.is_closing():
            self._gone(protocol)

    def _gone(self, protocol: Any) -> None:
        if found := self._known.pop(protocol, None):
            self.connections.remove(found)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request, unless it comes from another site's page or names another host."""
        connection = self._known.get(request.protocol)
        if connection is None:
            # Its first request arrived together with the end of the handshake.
            await asyncio.sleep(0)
            connection = self._known.get(request.protocol) or self.connections.add(lambda: None)
        host = request.headers.get("Host", "")
        if not _is_here(f"//{host}") and not self.known(host.removesuffix(":443")):
            return web.Response(status=421, text="This address is not the practice cloud's.\n")
        if (origin := request.headers.get("Origin")) is not None and not _is_here(origin):
            return web.Response(status=403, text="Pages of other sites have no access to the practice cloud.\n")
        request[_CONNECTION] = (self.connections, connection)
        with self.connections.working(connection):
            return await self.handler(request)

    async def close(self) -> None:
        """Stop listening and close all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.port.close()
        self._server.pre_shutdown()
        await self._server.shutdown(0.5)


def trust(request: web.BaseRequest) -> None:
    """Record that a request has shown a valid token."""
    connections, connection = request[_CONNECTION]
    connections.trust(connection)


async def body(request: web.BaseRequest, *, trusted: bool) -> bytes:
    """Return the body of a request.

    Raises:
        TooLargeError: It is too large.
    """
    most = OWNER_BYTES if trusted else STRANGER_BYTES
    if (request.content_length or 0) > most:
        raise TooLargeError
    if not request.can_read_body:
        return b""
    read = bytearray()
    try:
        async with asyncio.timeout(None if trusted else STRANGER_SECONDS):
            # Not `request.read()`, which refuses more than 1 MiB, whatever the server's settings.
            async for chunk in request.content.iter_any():
                read += chunk
                if len(read) > most:
                    raise TooLargeError
    except TimeoutError as error:
        raise TooLargeError from error
    return bytes(read)


def allow_many_files() -> None:
    """Raise the limit of open files as far as the system allows without privileges."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_here(address: str) -> bool:
    """Return whether an address is this machine's loopback address, at any port."""
    try:
        return urlsplit(address).hostname in _HERE
    except ValueError:
        return False
