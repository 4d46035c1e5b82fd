"""The HTTP gateway of every service: reads a request, passes it on, sends the response, writes the log."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from hol_wizard.practice.kernel.service import Answer, Call, Service
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
            thing: The only resource of the port (`Call.thing`).
        """
        self._service = service
        self._web = Web(service)
        self._base = base
        self._names = names
        self._thing = thing
        self._exchanges = exchanges

    def _keeps(self, call: Call) -> bool:
        """Return whether the body of a response stays unchanged: values of secrets, and the page for a device code.

        A browser requests that page without the proxy, and would get Microsoft's page.
        """
        return self._service.name == "key_vault" or call.path.lower().endswith("/oauth2/v2.0/devicecode")

    def _translated(self, content: bytes) -> bytes:
        """Return the request with this machine's addresses in members that refer to resources by address.

        Anywhere else, such as in a secret or a program, the practice cloud does not interpret real names.
        """
        try:
            return json.dumps(_with(json.loads(content), self._names.here)).encode()
        except (ValueError, RecursionError):
            # The service validates its form and depth.
            return content

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request."""
        place = self._names.find(request.headers.get("Host", "").removesuffix(":443"))
        prefix = place.prefix if place is not None else ""
        call = Call(
            request.method,
            prefix + request.path,
            {name.lower(): value for name, value in request.query.items()},
            request.headers,
            b"",
            f"https://{place.host}" if place is not None else self._base,
            thing=self._thing,
            pairs=tuple(request.query.items()),
            target=prefix + request.path_qs,
        )
        trusted = self._web.trusts(call)
        if trusted:
            listening.trust(request)
        too_large = False
        try:
            content = await listening.body(request, trusted=trusted)
        except listening.TooLargeError:
            content, too_large = b"", True
        if place is not None and request.content_type.endswith("json"):
            content = self._translated(content)
        call = dataclasses.replace(call, content=content)
        if wait := self._web.delay(call):
            await asyncio.sleep(wait)
        handled = await self._web.handle(call, too_large=too_large)
        answer, dropped = handled.answer, handled.dropped
        body, content_type = _written(answer)
        headers = dict(answer.headers)
        if place is not None:
            headers = {name: self._names.real(value) for name, value in headers.items()}
            if not isinstance(answer.body, bytes) and not self._keeps(call):
                # Bytes belong to a file, or to git.
                body = self._names.real(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if content_type:
            headers.setdefault("Content-Type", content_type)
        if self._exchanges is not None:
            self._exchanges.write(
                self._service.name,
                self._thing,
                call.method,
                self._base + call.target,
                request.headers,
                content,
                None if dropped else answer.status,
                {} if dropped else headers,
                b"" if dropped or call.method == "HEAD" else body,
            )
        if dropped and request.transport is not None:
            request.transport.abort()
        if handled.cut and body and call.method != "HEAD":
            return await _half(request, answer.status, headers, body)
        if handled.drip and body and call.method != "HEAD":
            return await _drop_by_drop(request, answer.status, headers, body, handled.drip)
        response = web.Response(status=answer.status, body=body or None, headers=headers)
        if too_large:
            response.force_close()
        return response


async def _half(request: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    """Send a response whose body ends early."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _drop_by_drop(
    request: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes, seconds: float
) -> web.StreamResponse:
    """Send a body byte by byte, until the client disconnects."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    for byte in body:
        if request.transport is None or request.transport.is_closing():
            break
        await response.write(bytes([byte]))
        await asyncio.sleep(seconds)
    return response


_ADDRESSES = frozenset({"dns_name", "url", "issuer"})
"""Members that refer to something by address: the vault of a secret scope, the repository of a Git folder, an
issuer."""


def _with(asked: Any, translate: Callable[[str], str]) -> Any:
    if isinstance(asked, list):
        return [_with(each, translate) for each in asked]
    if not isinstance(asked, dict):
        return asked
    return {
        name: translate(value) if isinstance(value, str) and name in _ADDRESSES else _with(value, translate)
        for name, value in asked.items()
    }


def _written(answer: Answer) -> tuple[bytes, str]:
    if isinstance(answer.body, bytes):
        return answer.body, answer.content_type or "application/octet-stream"
    if isinstance(answer.body, str):
        return answer.body.encode(), answer.content_type or "text/html; charset=utf-8"
    if answer.body is None:
        return b"", answer.content_type
    return json.dumps(answer.body).encode(), answer.content_type or "application/json; charset=utf-8"
