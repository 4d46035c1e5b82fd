"""The HTTP gateway of every service: reads a request, passes it on, sends the response, writes the log."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from hol_wizard.practice.kernel.service import Request, Response, Service
from hol_wizard.practice.kernel.web import Web
from hol_wizard.practice.process import listening
from hol_wizard.practice.process.exchange_log import ExchangeLog
from hol_wizard.practice.process.names import Names


class Gateway:
    """The gateway of one port of one service."""

    def __init__(
        self, service: Service, base: str, names: Names, exchanges: ExchangeLog | None = None, thing: str = ""
    ) -> None:
        """Create the gateway of a port.

        Args:
            service: The service that handles requests.
            base: The port's address.
            names: Its real names.
            exchanges: The log of exchanges.
            thing: The only resource of the port (`Request.thing`).
        """
        self._service = service
        self._web = Web(service)
        self._base = base
        self._names = names
        self._thing = thing
        self._exchanges = exchanges

    def _keeps(self, request: Request) -> bool:
        """Return whether the body of a response stays unchanged: values of secrets, and the page for a device code.

        A browser requests that page without the proxy, and would get Microsoft's page.
        """
        return self._service.name == "key_vault" or request.path.lower().endswith("/oauth2/v2.0/devicecode")

    def _translated(self, content: bytes) -> bytes:
        """Return the request with this machine's addresses in members that refer to resources by address.

        Anywhere else, such as in a secret or a program, the practice cloud does not interpret real names.
        """
        try:
            return json.dumps(_with(json.loads(content), self._names.here)).encode()
        except (ValueError, RecursionError):
            # The service validates its form and depth.
            return content

    async def __call__(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Handle one request."""
        place = self._names.find(incoming.headers.get("Host", "").removesuffix(":443"))
        prefix = place.prefix if place is not None else ""
        request = Request(
            incoming.method,
            prefix + incoming.path,
            {name.lower(): value for name, value in incoming.query.items()},
            incoming.headers,
            b"",
            f"https://{place.host}" if place is not None else self._base,
            thing=self._thing,
            pairs=tuple(incoming.query.items()),
            target=prefix + incoming.path_qs,
        )
        trusted = self._web.trusts(request)
        if trusted:
            listening.trust(incoming)
        too_large = False
        try:
            content = await listening.body(incoming, trusted=trusted)
        except listening.TooLargeError:
            content, too_large = b"", True
        if place is not None and incoming.content_type.endswith("json"):
            content = self._translated(content)
        request = dataclasses.replace(request, content=content)
        if wait := self._web.delay(request):
            await asyncio.sleep(wait)
        handled = await self._web.handle(request, too_large=too_large)
        response, dropped = handled.response, handled.dropped
        body, content_type = _written(response)
        headers = dict(response.headers)
        if place is not None:
            headers = {name: self._names.real(value) for name, value in headers.items()}
            if not isinstance(response.body, bytes) and not self._keeps(request):
                # Bytes belong to a file, or to git.
                body = self._names.real(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if content_type:
            headers.setdefault("Content-Type", content_type)
        if self._exchanges is not None:
            self._exchanges.write(
                self._service.name,
                self._thing,
                request.method,
                self._base + request.target,
                incoming.headers,
                content,
                None if dropped else response.status,
                {} if dropped else headers,
                b"" if dropped or request.method == "HEAD" else body,
            )
        if dropped and incoming.transport is not None:
            incoming.transport.abort()
        if handled.cut and body and request.method != "HEAD":
            return await _half(incoming, response.status, headers, body)
        if handled.drip and body and request.method != "HEAD":
            return await _drop_by_drop(incoming, response.status, headers, body, handled.drip)
        outgoing = web.Response(status=response.status, body=body or None, headers=headers)
        if too_large:
            outgoing.force_close()
        return outgoing


async def _half(incoming: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    """Send a response whose body ends early."""
    outgoing = web.StreamResponse(status=status, headers=headers)
    outgoing.content_length = len(body)
    await outgoing.prepare(incoming)
    await outgoing.write(body[: len(body) // 2])
    if incoming.transport is not None:
        incoming.transport.close()
    return outgoing


async def _drop_by_drop(
    incoming: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes, seconds: float
) -> web.StreamResponse:
    """Send a body byte by byte, until the client disconnects."""
    outgoing = web.StreamResponse(status=status, headers=headers)
    outgoing.content_length = len(body)
    await outgoing.prepare(incoming)
    for byte in body:
        if incoming.transport is None or incoming.transport.is_closing():
            break
        await outgoing.write(bytes([byte]))
        await asyncio.sleep(seconds)
    return outgoing


_ADDRESSES = frozenset({"dns_name", "url"})
"""Members that refer to something by address: the vault of a secret scope, the repository of a Git folder."""


def _with(asked: Any, translate: Callable[[str], str]) -> Any:
    if isinstance(asked, list):
        return [_with(each, translate) for each in asked]
    if not isinstance(asked, dict):
        return asked
    return {
        name: translate(value) if isinstance(value, str) and name in _ADDRESSES else _with(value, translate)
        for name, value in asked.items()
    }


def _written(response: Response) -> tuple[bytes, str]:
    if isinstance(response.body, bytes):
        return response.body, response.content_type or "application/octet-stream"
    if isinstance(response.body, str):
        return response.body.encode(), response.content_type or "text/html; charset=utf-8"
    if response.body is None:
        return b"", response.content_type
    return json.dumps(response.body).encode(), response.content_type or "application/json; charset=utf-8"
