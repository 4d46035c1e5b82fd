"""Pages of lists as in Azure DevOps: the token of the next page is in a header."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.practice.devops import errors
from hol_wizard.practice.kernel.service import JsonObject, Request, Response

HEADER = "x-ms-continuationtoken"
"""Recorded: Projects - List with `$top=1&$skip=0` returns `1`, the position where the next page begins."""
PARAMETERS = "$top $skip continuationToken"


def page(
    request: Request, found: Sequence[JsonObject], *, top: int | None = None, paged: int | None = None
) -> Response:
    """Return the part of a list that a request asks for.

    Args:
        request: With `$top`, `$skip` and `continuationToken`.
        found: The whole list.
        top: The default length; None: all.
        paged: The default length for a request with a continuation token.

    Raises:
        Refused: A value is not a number.
    """
    token = _number(request, "continuationtoken", None)
    start = token if token is not None else _number(request, "$skip", 0) or 0
    most = _number(request, "$top", paged if token is not None and paged is not None else top)
    shown = found[start:] if most is None else found[start : start + most]
    more = most is not None and start + most < len(found) and most > 0
    headers = {HEADER: str(start + len(shown))} if more else {}
    return Response(200, {"count": len(shown), "value": list(shown)}, headers)


def words(request: Request, name: str) -> list[str]:
    """Return the parts of a query parameter that are separated by commas, without spaces; empty if it is not given."""
    return [each.strip() for each in request.query.get(name.lower(), "").split(",") if each.strip()]


def _number(request: Request, name: str, default: int | None) -> int | None:
    given = request.query.get(name, "")
    if not given:
        return default
    if not given.isdecimal():
        raise errors.refused(400, f"The value '{given}' of '{name}' is not valid.", "ArgumentException", "System")
    return int(given)
