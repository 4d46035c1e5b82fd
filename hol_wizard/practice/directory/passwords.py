"""Client secrets of applications and of service principals: addPassword, removePassword (graph; recorded for both)."""

from __future__ import annotations

from collections.abc import Callable

from hol_wizard.practice.directory import objects
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document

_YEARS_2 = 2 * 365 * 24 * 3600


class Passwords:
    """Creates and deletes the client secrets of one kind of object."""

    def __init__(self, graph: Service, kind: str, changeable: Callable[[Request], Document], records: Register) -> None:
        """Add the routes.

        Args:
            graph: The service.
            kind: `applications`.
            changeable: Returns the object of a request if the caller may change it.
            records: The stored objects.
        """
        self._graph = graph
        self._changeable = changeable
        self._records = records
        for one in (f"/v1.0/{kind}/{{id}}", f"/v1.0/{kind}(appId='{{app}}')"):
            graph.router.add("POST", one + "/addPassword", self._add)
            graph.router.add("POST", one + "/removePassword", self._remove)

    def _refused(self, code: str, message: str) -> Refused:
        return Refused(self._graph.error(400, code, message))

    def _add(self, request: Request) -> Response:
        thing = self._changeable(request)
        wanted = request.json.get("passwordCredential") or {}
        if not isinstance(wanted, dict):
            raise self._refused("BadRequest", "Unable to read JSON request payload.")
        now = self._graph.world.clock.now()
        start, end = wanted.get("startDateTime"), wanted.get("endDateTime")
        begins = now if start is None else objects.moment(start)
        ends = now + _YEARS_2 if end is None else objects.moment(end)
        if begins is None or ends is None:
            wrong = start if begins is None else end
            raise self._refused("BadRequest", f"Cannot convert the literal '{wrong}' to a date.")
        if ends <= max(begins, now):
            raise self._refused("Request_BadRequest", f"Key credential end date is invalid: '{short_timestamp(ends)}'.")
        name = wanted.get("displayName")
        kept, value = objects.make_secret(self._graph.world, None if name is None else str(name), begins, ends)
        self._records.keep({**thing, "secrets": [*thing["secrets"], kept]})
        context = "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.passwordCredential"
        return Response(200, {"@odata.context": context, **objects.shown_secret(kept), "secretText": value})

    def _remove(self, request: Request) -> Response:
        thing, key = self._changeable(request), str(request.json.get("keyId", "")).lower()
        left = [each for each in thing["secrets"] if each["keyId"] != key]
        if len(left) == len(thing["secrets"]):
            raise self._refused("Request_BadRequest", f"No password credential found with keyId '{key}'.")
        self._records.keep({**thing, "secrets": left})
        return Response(204)
