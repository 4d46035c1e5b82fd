"""The part of OData's query options that Microsoft Graph's clients use: `$filter`, `$select`, `$top`, `$skiptoken`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypedDict
from urllib.parse import quote, urlencode

from hol_wizard.practice.kernel.service import Answer, Call, JsonObject, Service

Test = Callable[[JsonObject], bool]

_TEXT = r"'((?:[^']|'')*)'"
_EQUAL = re.compile(rf"([\w/]+)\s+eq\s+(?:{_TEXT}|(true|false|null))", re.IGNORECASE)
_STARTS = re.compile(rf"startswith\(\s*([\w/]+)\s*,\s*{_TEXT}\s*\)", re.IGNORECASE)
_ANY = re.compile(rf"([\w/]+)/any\(\s*(\w+)\s*:\s*\2\s+eq\s+{_TEXT}\s*\)", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_CONSTANTS = {"true": True, "false": False, "null": None}
_MOST = 999


def _plain(text: str) -> str:
    """Return a quoted text as the directory compares it: without regard to case, doubled quotes made one."""
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


_FORMS = ((_EQUAL, _equal), (_STARTS, _starts), (_ANY, _any))


def tests(text: str) -> list[tuple[str, Test]] | None:
    """Return the clauses of a `$filter`, each the property it is about and its test; None where it makes no sense."""
    found: list[tuple[str, Test]] = []
    position, text = 0, text.strip()
    while position < len(text):
        if found:
            joint = _AND.match(text, position)
            if joint is None:
                return None
            position = joint.end()
        for form, clause in _FORMS:
            match = form.match(text, position)
            if match is not None:
                found.append(clause(match))
                position = match.end()
                break
        else:
            return None
    return found


class Wishes(TypedDict):
    """What becomes of the query options of an operation (`Router.add`)."""

    honors: str
    refuses: str


ONE: Final[Wishes] = {"honors": "$select", "refuses": "$expand"}
"""For an operation that answers with one thing."""
MANY: Final[Wishes] = {
    "honors": "$filter $select $top $skiptoken $count",
    "refuses": "$search $orderby $expand $skip",
}
"""For an operation that answers with a collection."""
NONE: Final[Wishes] = {"honors": "", "refuses": f"{MANY['honors']} {MANY['refuses']}"}
"""For a collection whose operation takes no options here."""


class Query:
    """Answers the requests of one collection: `applications`."""

    def __init__(self, service: Service, collection: str, resource: str, filterable: Iterable[str]) -> None:
        self._service = service
        self._collection = collection
        self._resource = resource
        self._filterable = frozenset(filterable)

    def one(self, call: Call, thing: JsonObject, *, status: int = 200) -> Answer:
        """Return the answer that holds one thing, or what `$select` asks for of it."""
        body = {"@odata.context": self._context(call, "/$entity"), **self._selected(call, thing)}
        return Answer(status, body)

    def many(self, call: Call, things: Iterable[JsonObject]) -> Answer:
        """Return the answer that holds those of the things that `$filter` asks for, a page of `$top` at a time."""
        text = call.query.get("$filter", "")
        clauses = tests(text)
        if clauses is None:
            return self._service.error(400, "BadRequest", f"Invalid filter clause: Syntax error in '{text}'.")
        for name, _ in clauses:
            if name not in self._filterable:
                return self._service.error(
                    400,
                    "Request_UnsupportedQuery",
                    f"Unsupported or invalid query filter clause specified for property '{name}' of resource "
                    f"'{self._resource}'.",
                )
        top, start = call.query.get("$top", "100"), call.query.get("$skiptoken", "0")
        if not top.isdigit() or not 0 < int(top) <= _MOST or not start.isdigit():
            return self._service.error(
                400,
                "Request_UnsupportedQuery",
                f"Invalid page size specified: '{top}'. Must be between 1 and {_MOST} inclusive.",
            )
        found = [each for each in things if all(test(each) for _, test in clauses)]
        first, end = int(start), int(start) + int(top)
        body: JsonObject = {"@odata.context": self._context(call)}
        if end < len(found):
            query = urlencode({**call.query, "$skiptoken": str(end)})
            body["@odata.nextLink"] = f"{call.base}{quote(call.path)}?{query}"
        if call.query.get("$count", "").lower() == "true" and call.headers.get("ConsistencyLevel", "") == "eventual":
            # Without the header the option is ignored ("Advanced query capabilities on Microsoft Entra ID objects").
            body["@odata.count"] = len(found)
        body["value"] = [self._selected(call, each) for each in found[first:end]]
        return Answer(200, body)

    def _context(self, call: Call, kind: str = "") -> str:
        selected = call.query.get("$select", "")
        return (
            f"https://graph.microsoft.com/v1.0/$metadata#{self._collection}{f'({selected})' if selected else ''}{kind}"
        )

    @staticmethod
    def _selected(call: Call, thing: JsonObject) -> JsonObject:
        names = [each.strip() for each in call.query.get("$select", "").split(",") if each.strip()]
        return {name: thing[name] for name in names if name in thing} if names else thing
