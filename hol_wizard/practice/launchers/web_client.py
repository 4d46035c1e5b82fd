"""HTTP requests of the launchers, with the certificates and addresses that a step has in its environment."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

_SECONDS = 60.0


class UnreachableError(Exception):
    """Nothing responds at an address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; empty if it is not JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return {}


def ask(
    method: str,
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    body: Any = None,
    content: bytes | None = None,
) -> Answer:
    """Send a request and return the response, whatever its status.

    Raises:
        UnreachableError: There is none.
    """
    sent = dict(headers or {})
    if form is not None:
        content = urllib.parse.urlencode(form).encode()
    elif body is not None:
        content = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    if content is None and method in {"POST", "PUT", "PATCH"}:
        content = b""
    if content is not None:
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded" if form else "application/octet-stream")
    if not address.startswith("https://"):
        raise UnreachableError(f"{address} is not an HTTPS address.")
    request = urllib.request.Request(address, data=content, headers=sent, method=method)  # noqa: S310 - HTTPS only
    try:
        with _opener(os.environ.get("SSL_CERT_FILE") or None).open(request, timeout=_SECONDS) as response:
            return Answer(response.status, response.headers, response.read())
    except OSError as error:
        raise UnreachableError(f"{urllib.parse.urlsplit(address).netloc} does not respond: {error}") from error


@cache
def _opener(certificates: str | None) -> urllib.request.OpenerDirector:
    """Return what sends requests, without a proxy: the addresses are on this machine.

    It is kept, because reading a bundle of certificates takes longer than a request.

    Args:
        certificates: A file with those to trust; None: the system's.
    """
    context = ssl.create_default_context(cafile=certificates)
    https = urllib.request.HTTPSHandler(context=context)
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), https, _Failed())


class _Failed(urllib.request.HTTPErrorProcessor):
    """Returns every response, instead of raising an error for some statuses."""

    def http_response(self, request: Any, response: Any) -> Any:
        """Return the response."""
        del request
        return response

    https_response = http_response
