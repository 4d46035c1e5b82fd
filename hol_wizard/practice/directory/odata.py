"""The OData query options that Microsoft Graph's clients use: `$filter`, `$select`, `$top`, `$skiptoken`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypedDict
from urllib.parse import quote, urlencode

from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Service

Test = Callable[[JsonObject], bool]

_TEXT = r"'((?:[^']|'')*)'"
_EQUAL = re.compile(rf"([\w/]+)\s+eq\s+(?:{_TEXT}|(true|false|null))", re.IGNORECASE)
_STARTS = re.compile(rf"startswith\(\s*([\w/]+)\s*,\s*{_TEXT}\s*\)", re.IGNORECASE)
_ANY = re.compile(rf"([\w/]+)/any\(\s*(\w+)\s*:\s*\2\s+eq\s+{_TEXT}\s*\)", re.IGNORECASE)
_IN = re.compile(rf"([\w/]+)\s+in\s*\(\s*({_TEXT}(?:\s*,\s*'(?:[^']|'')*')*)\s*\)", re.IGNORECASE)
_JOINT = re.compile(r"\s+(and|or)\s+", re.IGNORECASE)
_CONSTANTS = {"true": True, "false": False, "null": None}
_MOST = 999


def _plain(text: str) -> str:
    """Return a quoted text in the form for comparisons: case-insensitive, with doubled quotes reduced to one."""
    return text.replace("''", "'").lower()


def _equal(found: re.Match[str]) -> tuple[str, Test]:
    name = found[1]
    if found[3] is not None:
        constant = _CONSTANTS[found[3].lower()]
        return name, lambda thing: thing.get(name) is constant
    wanted = _plain(found[2])
    return name, lambda thing: str(thing.get(name)).lower() == wanted


def _starts(found: re.Match[str]) -> tuple[str, Test]:
    name, wanted = found[1], _plain(found[2])
    return name, lambda thing: str(thing.get(name) or "").lower().startswith(wanted)


def _any(found: re.Match[str]) -> tuple[str, Test]:
    name, wanted = found[1], _plain(found[3])
    return name, lambda thing: any(str(each).lower() == wanted for each in thing.get(name) or [])


def _one_of(found: re.Match[str]) -> tuple[str, Test]:
    name, wanted = found[1], {_plain(each) for each in re.findall(_TEXT, found[2])}
    return name, lambda thing: str(thing.get(name)).lower() in wanted


_FORMS = ((_EQUAL, _equal), (_IN, _one_of), (_STARTS, _starts), (_ANY, _any))


@dataclass(frozen=True, slots=True)
class Filter:
    """A valid `$filter`."""

    names: tuple[str, ...]
    """The properties that it uses."""
    fits: Test


class _Reader:
    """Parses a `$filter`: clauses, `and` before `or`, parentheses (OData 4.01, 5.1.1.14, operator precedence)."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._position = 0
        self.names: list[str] = []

    def whole(self) -> Test | None:
        """Return the test for the whole text; None if it is invalid."""
        found = self._either()
        return found if self._position == len(self._text) else None

    def _joint(self, word: str) -> bool:
        found = _JOINT.match(self._text, self._position)
        if found is None or found[1].lower() != word:
            return False
        self._position = found.end()
        return True

    def _either(self) -> Test | None:
        tests = [self._all()]
        while self._joint("or"):
            tests.append(self._all())
        known = [each for each in tests if each is not None]
        return (lambda thing: any(test(thing) for test in known)) if len(known) == len(tests) else None

    def _all(self) -> Test | None:
        tests = [self._clause()]
        while self._joint("and"):
            tests.append(self._clause())
        known = [each for each in tests if each is not None]
        return (lambda thing: all(test(thing) for test in known)) if len(known) == len(tests) else None

    def _clause(self) -> Test | None:
        if self._text.startswith("(", self._position):
            self._position += 1
            found = self._either()
            closes = self._text.startswith(")", self._position)
            self._position += closes
            return found if closes else None
        for form, clause in _FORMS:
            match = form.match(self._text, self._position)
            if match is not None:
                name, test = clause(match)
                self.names.append(name)
                self._position = match.end()
                return test
        return None


def read(text: str) -> Filter | None:
    """Parse a `$filter`; None if it is invalid. An empty one matches everything."""
    if not text.strip():
        return Filter((), lambda thing: True)
    reader = _Reader(text)
    found = reader.whole()
    return None if found is None else Filter(tuple(reader.names), found)


class Wishes(TypedDict):
    """How an operation treats the query options (`Router.add`)."""

    honors: str
    refuses: str


ONE: Final[Wishes] = {"honors": "$select", "refuses": "$expand"}
"""For an operation that returns one object."""
MANY: Final[Wishes] = {
    "honors": "$filter $select $top $skiptoken $count",
    "refuses": "$search $orderby $expand $skip",
}
"""For an operation that returns a collection."""
NONE: Final[Wishes] = {"honors": "", "refuses": f"{MANY['honors']} {MANY['refuses']}"}
"""For a collection whose operation supports no options here."""


class Query:
    """Builds the responses of one collection: `applications`."""

    def __init__(self, service: Service, collection: str, resource: str, filterable: Iterable[str]) -> None:
        self._service = service
        self._collection = collection
        self._resource = resource
        self._filterable = frozenset(filterable)

    def one(self, request: Request, thing: JsonObject, *, status: int = 200) -> Response:
        """Return the response with one object, or with the properties that `$select` names."""
        body = {"@odata.context": self._context(request, "/$entity"), **self._selected(request, thing)}
        return Response(status, body)

    def many(self, request: Request, things: Iterable[JsonObject]) -> Response:
        """Return the response with the objects that match `$filter`, in pages of `$top`."""
        text = request.query.get("$filter", "")
        wanted = read(text)
        if wanted is None:
            return self._service.error(400, "BadRequest", f"Invalid filter clause: Syntax error in '{text}'.")
        for name in wanted.names:
            if name not in self._filterable:
                return self._service.error(
                    400,
                    "Request_UnsupportedQuery",
                    f"Unsupported or invalid query filter clause specified for property '{name}' of resource "
                    f"'{self._resource}'.",
                )
        top, start = request.query.get("$top", "100"), request.query.get("$skiptoken", "0")
        if not top.isdigit() or not 0 < int(top) <= _MOST or not start.isdigit():
            return self._service.error(
                400,
                "Request_UnsupportedQuery",
                f"Invalid page size specified: '{top}'. Must be between 1 and {_MOST} inclusive.",
            )
        found = [each for each in things if wanted.fits(each)]
        first, end = int(start), int(start) + int(top)
        body: JsonObject = {"@odata.context": self._context(request)}
        if end < len(found):
            query = urlencode({**request.query, "$skiptoken": str(end)})
            body["@odata.nextLink"] = f"{request.base}{quote(request.path)}?{query}"
        if (
            request.query.get("$count", "").lower() == "true"
            and request.headers.get("ConsistencyLevel", "") == "eventual"
        ):
            # Without the header the option is ignored ("Advanced query capabilities on Microsoft Entra ID objects").
            body["@odata.count"] = len(found)
        body["value"] = [self._selected(request, each) for each in found[first:end]]
        return Response(200, body)

    def _context(self, request: Request, kind: str = "") -> str:
        selected = request.query.get("$select", "")
        return (
            f"https://graph.microsoft.com/v1.0/$metadata#{self._collection}{f'({selected})' if selected else ''}{kind}"
        )

    @staticmethod
    def _selected(request: Request, thing: JsonObject) -> JsonObject:
        names = [each.strip() for each in request.query.get("$select", "").split(",") if each.strip()]
        return {name: thing[name] for name in names if name in thing} if names else thing
