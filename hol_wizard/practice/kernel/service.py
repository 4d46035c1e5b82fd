"""Requests, answers and routes: what every service of the practice cloud is made of."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

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
    """Names in lower case."""
    headers: Mapping[str, str]
    """Names compared without regard to case."""
    content: bytes
    base: str
    """The address under which this service was called: `https://127.0.0.1:40123`."""
    match: Mapping[str, str] = field(default_factory=dict)
    """What the route's pattern caught."""
    caller: Principal | None = None
    """Who calls, once the service has looked at the token; None where the service asks nobody."""
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


class Router:
    """Finds the handler of a request. Paths are compared without regard to case, as Azure does."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Answer `method` on paths of this template with the handler.

        Args:
            method: `GET`.
            template: `/subscriptions/{subscription}`; `{name}` catches one part, `{name*}` any number.
            handler: Gets the call with what was caught in `call.match`.
        """
        pattern = ""
        for part in re.split(r"(\{\w+\*?\})", template):
            if part.startswith("{"):
                name = part.strip("{}*")
                pattern += f"(?P<{name}>.+)" if part.endswith("*}") else f"(?P<{name}>[^/]+)"
            else:
                pattern += re.escape(part)
        self._routes.append((method, re.compile(pattern + "/?", re.IGNORECASE), handler))

    def find(self, method: str, path: str) -> tuple[Handler | None, Mapping[str, str], bool]:
        """Return the handler, what its template caught, and whether the path is known at all."""
        known = False
        for allowed, pattern, handler in self._routes:
            found = pattern.fullmatch(path)
            if found:
                if allowed == method:
                    return handler, found.groupdict(), True
                known = True
        return None, {}, known


class Service(ABC):
    """One thing that listens on a TLS port of its own."""

    name: str
    """In faults and in `endpoints.json`: `resource_manager`."""
    port_for_each = False
    """Whether each of its things (a key vault, a Databricks workspace) has a port of its own, as it has a host name of
    its own in Azure, rather than all of them one port together."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.router = Router()

    @abstractmethod
    def error(self, status: int, code: str, message: str, **more: Any) -> Answer:
        """Return an error in the form in which this service writes errors."""

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
        """Return who calls, before anything else is looked at; None where everybody may come in.

        Raises:
            Refused: The caller may not come in.
        """
        del call
        return None
