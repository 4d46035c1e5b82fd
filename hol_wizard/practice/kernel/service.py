"""Requests, responses and routes, the basis of every service of the practice cloud."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote

from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.seed import Principal

JsonObject = dict[str, Any]


@dataclass(slots=True)
class Response:
    """The response to the client."""

    status: int
    body: JsonObject | list[Any] | str | bytes | None = None
    """Sent as JSON if it is an object or a list."""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    """If empty: JSON for a JSON body, `text/plain` for no body, as in ARM."""


def attachment(name: str) -> dict[str, str]:
    """Return the header that makes a response a download with this name (RFC 6266), which may contain any
    characters."""
    shown = name if re.fullmatch(r"[\w.-]+", name, re.ASCII) else f"\"{quote(name)}\"; filename*=UTF-8''{quote(name)}"
    return {"Content-Disposition": f"attachment; filename={shown}"}


class Refused(Exception):
    """The request gets this response, and nothing is changed."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True)
class Request:
    """One complete request.

    Not slotted, because `json` and `form` are computed when they are first needed.
    """

    method: str
    path: str
    """Decoded, without the query."""
    query: Mapping[str, str]
    """Names in lowercase; in a handler, only those that its route honors (`Router.add`)."""
    headers: Mapping[str, str]
    """Names are case-insensitive."""
    content: bytes
    base: str
    """The address to which the request was sent: `https://127.0.0.1:40123`."""
    match: Mapping[str, str] = field(default_factory=dict)
    """The values captured by the route's pattern."""
    caller: Principal | None = None
    """The caller, after the service has checked the token; None if the service requires none."""
    thing: str = ""
    """For a service with a port for each resource (`port_for_each`): the resource."""
    pairs: tuple[tuple[str, str], ...] = ()
    """All query parameters; `query` contains only the last value of repeated ones."""
    target: str = ""
    """The original path and query, for matching faults."""

    def repeated(self, name: str) -> list[str]:
        """Return all values of a query parameter."""
        return [value for each, value in self.pairs if each.lower() == name]

    @property
    def who(self) -> Principal:
        """The caller.

        Raises:
            LookupError: The service that handles this request does not check tokens.
        """
        if self.caller is None:
            raise LookupError("nobody has been authenticated")
        return self.caller

    @cached_property
    def json(self) -> JsonObject:
        """The body as a JSON object; empty if there is no body.

        Raises:
            ValueError: The body is not a JSON object.
        """
        if not self.content.strip():
            return {}
        body = json.loads(self.content)
        if not isinstance(body, dict):
            raise ValueError("the body is not a JSON object")
        return body

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The body as an HTML form."""
        return dict(parse_qsl(self.content.decode("utf-8", "replace"), keep_blank_values=True))


def member(body: Mapping[str, Any], name: str) -> JsonObject:
    """Return an object in a JSON object; an empty one if there is none.

    Raises:
        ValueError: It is something else.
    """
    found = body.get(name)
    if not isinstance(found, dict | None):
        raise ValueError(f"{name} is not an object")
    return found or {}


def members(body: Mapping[str, Any], name: str) -> list[JsonObject]:
    """Return a list of objects in a JSON object; an empty one if there is none.

    Raises:
        ValueError: It is something else.
    """
    found = body.get(name)
    if not isinstance(found, list | None) or any(not isinstance(each, dict) for each in found or ()):
        raise ValueError(f"{name} is not a list of objects")
    return found or []


def text(body: Mapping[str, Any], name: str) -> str:
    """Return a text in a JSON object; an empty one if there is none.

    Raises:
        ValueError: It is something else.
    """
    found = body.get(name)
    if not isinstance(found, str | None):
        raise ValueError(f"{name} is not a text")
    return found or ""


def boolean(body: Mapping[str, Any], name: str) -> bool:
    """Return a Boolean in a JSON object; false if there is none.

    Raises:
        ValueError: It is something else.
    """
    found = body.get(name)
    if not isinstance(found, bool | None):
        raise ValueError(f"{name} is not true or false")
    return bool(found)


def texts(body: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of texts in a JSON object; an empty one if there is none.

    Raises:
        ValueError: It is something else.
    """
    found = body.get(name)
    if not isinstance(found, list | None) or any(not isinstance(each, str) for each in found or ()):
        raise ValueError(f"{name} is not a list of texts")
    return found or []


def whole_number(body: Mapping[str, Any], name: str) -> int:
    """Return a whole number in a JSON object, which may be sent as a text; 0 if there is none.

    Raises:
        ValueError: It is something else.
    """
    found = body.get(name)
    if isinstance(found, bool) or not isinstance(found, int | str | None):
        raise ValueError(f"{name} is not a number")
    return int(found or 0)


Handler = Callable[[Request], Response | Awaitable[Response]]

_UNSET = frozenset({"", "false", "none", "0"})
"""Values with which a client declines what a parameter offers (the Node client sends all of them)."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: its path, its handler, and how each query parameter is treated.

    A parameter that changes the response is honored or refused, never ignored: the handler sees only honored ones, and
    `tests/practice/test_query_parameters.py` compares the three sets with the official descriptions. A parameter in
    none of them is ignored, as the services ignore unknown ones.
    """

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    honored: frozenset[str] = frozenset()
    """Query parameters that the handler reads, in lowercase."""
    unserved: frozenset[str] = frozenset()
    """Parameters of the service that the practice cloud does not support: a request with one is refused."""
    idle: frozenset[str] = frozenset()
    """Parameters that cannot change a response here, because what they select does not exist."""

    unserved_headers: frozenset[str] = frozenset()
    """Headers that the service honors and the practice cloud does not: a request with one is refused."""

    def unserved_in(self, request: Request) -> list[str]:
        """Return the names of a request's unsupported query parameters and headers."""
        given = [(name, value, self.unserved) for name, value in request.pairs]
        given += [(name, value, self.unserved_headers) for name, value in request.headers.items()]
        return [
            name for name, value, refused in given if name.lower() in refused and value.strip().lower() not in _UNSET
        ]


class Router:
    """Finds the operation of a request. Paths are case-insensitive, as in Azure."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def add(
        self,
        method: str,
        template: str,
        handler: Handler,
        *,
        honors: str = "",
        refuses: str = "",
        ignores: str = "",
        refuses_headers: str = "",
    ) -> None:
        """Route `method` on paths of this template to the handler.

        Args:
            method: `GET`.
            template: `/subscriptions/{subscription}`; `{name}` captures one part, `{name*}` any number.
            handler: Gets the request, with the captured values in `request.match`.
            honors: Query parameters that it reads (`Route.honored`), spelled as in the description.
            refuses: Unsupported parameters (`Route.unserved`).
            ignores: Parameters without an effect here (`Route.idle`).
            refuses_headers: Unsupported headers (`Route.unserved_headers`).
        """
        pattern = ""
        for part in re.split(r"(\{\w+\*?\})", template):
            if part.startswith("{"):
                name = part.strip("{}*")
                pattern += f"(?P<{name}>.+)" if part.endswith("*}") else f"(?P<{name}>[^/]+)"
            else:
                pattern += re.escape(part)
        sets = (frozenset(names.lower().split()) for names in (honors, refuses, ignores, refuses_headers))
        self.routes.append(Route(method, re.compile(pattern + "/?", re.IGNORECASE), handler, *sets))

    def find(self, method: str, path: str) -> tuple[Route | None, Mapping[str, str], bool]:
        """Return the operation, the captured values, and whether the path is known at all."""
        known = False
        for route in self.routes:
            found = route.pattern.fullmatch(path)
            if found:
                if route.method == method:
                    return route, found.groupdict(), True
                known = True
        return None, {}, known


class Service(ABC):
    """One service, with its own TLS port."""

    name: str
    """Its name in faults and in `endpoints.json`: `resource_manager`."""
    port_for_each = False
    """Whether each of its resources (a key vault, a Databricks workspace) has its own port, as it has its own host name
    in Azure, instead of one port for all."""
    merges_slashes = False
    """Whether `//` in a path is equivalent to `/`; in the path of a blob it is not."""
    has_policies = False
    """Whether Azure Policy applies to writes."""
    everywhere: frozenset[str] = frozenset({"api-version"})
    """Query parameters that every operation of the service reads."""
    known_headers: frozenset[str] = frozenset()
    """Described headers that its operations read, or that cannot change a response, in lowercase."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.router = Router()

    @abstractmethod
    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in this service's format."""

    def unserved(self, request: Request, names: list[str]) -> Response:
        """Return the refusal of parameters and headers that the real service honors and the practice cloud does not."""
        asked = {name for name, _ in request.pairs}
        code, what = (
            ("UnservedQueryParameter", "query parameter") if asked & set(names) else ("UnservedHeader", "header")
        )
        shown = ", ".join(f"'{name}'" for name in names)
        return self.error(
            400, code, f"The practice cloud does not serve the {what} {shown} of this operation. Omit it."
        )

    @abstractmethod
    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return the response to an unknown path or method."""

    def written(self, request: Request, response: Response) -> Response:
        """Return a response in the format of the requested part of the service; most services have only one format."""
        del request
        return response

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of every response of this service."""
        del request
        return {}

    def authenticate(self, request: Request) -> Principal | None:
        """Return the caller, before anything else is checked; None if no authentication is required.

        Raises:
            Refused: The caller has no access.
        """
        del request
        return None
