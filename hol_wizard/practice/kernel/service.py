"""Requests, answers and routes: what every service of the practice cloud is made of."""

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
class Answer:
    """What goes back to the client."""

    status: int
    body: JsonObject | list[Any] | str | bytes | None = None
    """Written as JSON where it is an object or a list."""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    """Empty: JSON for a JSON body, `text/plain` for none, as ARM does it."""


def attachment(name: str) -> dict[str, str]:
    """Return the header by which an answer is a download with this name (RFC 6266), whatever characters it has."""
    shown = name if re.fullmatch(r"[\w.-]+", name, re.ASCII) else f"\"{quote(name)}\"; filename*=UTF-8''{quote(name)}"
    return {"Content-Disposition": f"attachment; filename={shown}"}


class Refused(Exception):
    """The request gets this answer, and nothing has been changed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True)
class Call:
    """One request, read whole.

    Not slotted: `json` and `form` are worked out once, when asked for.
    """

    method: str
    path: str
    """Decoded, without the query."""
    query: Mapping[str, str]
    """Names in lowercase; in a handler only those that its route honors (`Router.add`)."""
    headers: Mapping[str, str]
    """Names compared without regard to case."""
    content: bytes
    base: str
    """The address under which this service was called: `https://127.0.0.1:40123`."""
    match: Mapping[str, str] = field(default_factory=dict)
    """What the route's pattern caught."""
    caller: Principal | None = None
    """Who calls, once the service has looked at the token; None if the service asks nobody."""
    thing: str = ""
    """For a service that gives each of its things a port of its own (`port_for_each`): which one was called."""
    pairs: tuple[tuple[str, str], ...] = ()
    """The query as it came, name by name; `query` has only the last of those that are repeated."""
    target: str = ""
    """Path and query as they came: what faults are matched with."""

    def repeated(self, name: str) -> list[str]:
        """Return every value that the query has under a name."""
        return [value for each, value in self.pairs if each.lower() == name]

    @property
    def who(self) -> Principal:
        """Who calls.

        Raises:
            LookupError: The service that handles this call does not look at tokens.
        """
        if self.caller is None:
            raise LookupError("nobody has been authenticated")
        return self.caller

    @cached_property
    def json(self) -> JsonObject:
        """The body as a JSON object; an empty one where there is no body.

        Raises:
            ValueError: The body is no JSON object.
        """
        if not self.content.strip():
            return {}
        body = json.loads(self.content)
        if not isinstance(body, dict):
            raise ValueError("the body is no JSON object")
        return body

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The body as an HTML form."""
        return dict(parse_qsl(self.content.decode("utf-8", "replace"), keep_blank_values=True))


Handler = Callable[[Call], Answer | Awaitable[Answer]]

_UNSET = frozenset({"", "false", "none", "0"})
"""Values by which a client says that it does not want what a parameter offers (the Node client sends all of them)."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: where it is, who answers, and what becomes of each query parameter.

    A parameter that changes the answer is honored or refused, never dropped: the handler sees only those that are
    honored, and `tests/practice/test_query_parameters.py` compares the three sets with the official descriptions. A
    parameter in none of them is ignored, as the services ignore what they do not know.
    """

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    honored: frozenset[str] = frozenset()
    """Query parameters that the handler reads, in lowercase."""
    unserved: frozenset[str] = frozenset()
    """Those that the service has and the practice cloud does not: a request that uses one is refused."""
    idle: frozenset[str] = frozenset()
    """Those that cannot change an answer here: nothing that they choose from exists."""

    unserved_headers: frozenset[str] = frozenset()
    """Headers that the service honors and the practice cloud does not: a request that has one is refused."""

    def unserved_in(self, call: Call) -> list[str]:
        """Return the names of the query parameters and headers of a call that are not served."""
        given = [(name, value, self.unserved) for name, value in call.pairs]
        given += [(name, value, self.unserved_headers) for name, value in call.headers.items()]
        return [
            name for name, value, refused in given if name.lower() in refused and value.strip().lower() not in _UNSET
        ]


class Router:
    """Finds the operation of a request. Paths are compared without regard to case, as Azure does."""

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
        """Answer `method` on paths of this template with the handler.

        Args:
            method: `GET`.
            template: `/subscriptions/{subscription}`; `{name}` catches one part, `{name*}` any number.
            handler: Gets the call with what was caught in `call.match`.
            honors: Query parameters that it reads (`Route.honored`), as the description writes them.
            refuses: Those that are not served (`Route.unserved`).
            ignores: Those without an effect here (`Route.idle`).
            refuses_headers: Headers that are not served (`Route.unserved_headers`).
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
        """Return the operation, what its template caught, and whether the path is known at all."""
        known = False
        for route in self.routes:
            found = route.pattern.fullmatch(path)
            if found:
                if route.method == method:
                    return route, found.groupdict(), True
                known = True
        return None, {}, known


class Service(ABC):
    """One thing that listens on a TLS port of its own."""

    name: str
    """In faults and in `endpoints.json`: `resource_manager`."""
    port_for_each = False
    """Whether each of its things (a key vault, a Databricks workspace) has a port of its own, as it has a host name of
    its own in Azure, rather than all of them one port together."""
    merges_slashes = False
    """Whether `//` in a path is the same as `/`; in the path of a blob it is not."""
    has_policies = False
    """Whether Azure Policy judges what is written here."""
    everywhere: frozenset[str] = frozenset({"api-version"})
    """Query parameters that every operation of the service reads."""
    known_headers: frozenset[str] = frozenset()
    """Described headers that its operations read, or that cannot change an answer, in lowercase."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.router = Router()

    @abstractmethod
    def error(self, status: int, code: str, message: str, **more: Any) -> Answer:
        """Return an error in the form in which this service writes errors."""

    def unserved(self, call: Call, names: list[str]) -> Answer:
        """Return the refusal of parameters and headers that the real service honors and the practice cloud does not."""
        asked = {name for name, _ in call.pairs}
        code, what = (
            ("UnservedQueryParameter", "query parameter") if asked & set(names) else ("UnservedHeader", "header")
        )
        shown = ", ".join(f"'{name}'" for name in names)
        return self.error(
            400, code, f"The practice cloud does not serve the {what} {shown} of this operation. Omit it."
        )

    @abstractmethod
    def not_found(self, call: Call, path_is_known: bool) -> Answer:
        """Return the answer to a path or a method that is not served."""

    def written(self, call: Call, answer: Answer) -> Answer:
        """Return an answer in the form that the part of the service has which was asked; most have one form."""
        del call
        return answer

    def headers(self, call: Call) -> dict[str, str]:
        """Return the headers that stand on every answer of this service."""
        del call
        return {}

    def authenticate(self, call: Call) -> Principal | None:
        """Return who calls, before anything else is looked at; None if everybody may come in.

        Raises:
            Refused: The caller may not come in.
        """
        del call
        return None
