"""Faults: ways in which the cloud can be made to misbehave."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

from hol_wizard.practice.kernel.store import Collection, Document

KINDS = {
    "throttle": "429 with Retry-After (`retry_after` seconds, sent as given)",
    "unavailable": "503, with Retry-After where `retry_after` is given",
    "drop": "the connection breaks before the request is looked at; with `after` only its answer is lost",
    "slow": "the answer comes `seconds` later",
    "expired-token": "401 ExpiredAuthenticationToken",
    "revoked-token": "401 with a claims challenge, as for a session that was revoked",
    "failed-operation": "a long-running operation that is accepted, then fails with `code` and `message`",
    "policy": "403 RequestDisallowedByPolicy with the policy in additionalInfo, for what creates or changes a resource",
    "error": "any error: `status`, `code` and `message`, in the `form` of the service or of something in between",
    "cut": "the request is carried out, and the body of its response ends early",
    "drip": "the request is carried out, and its answer comes byte by byte, `seconds` apart",
    "loop": "the request is carried out, and the page of a list that it answers with leads back to itself",
}
"""What each kind does."""

FORMS = {
    "service": "as the service writes its errors",
    "page": "a page of HTML, as a proxy or a web server sends it, with the message on it",
    "text": "the message as plain text",
    "empty": "no body at all",
    "bytes": "bytes that are no text, called JSON",
}
"""Forms of the body of an `error`. All but the service's own are sent without the service's headers and code."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "throttle": {"retry_after": 1},
    "slow": {"seconds": 1.0},
    "drip": {"seconds": 1.0},
    "failed-operation": {
        "code": "InternalServerError",
        "message": "The operation failed because the practice cloud was told that it should.",
    },
    "error": {"status": 500, "code": "InternalServerError", "message": "The practice cloud was told to fail."},
}
FIELDS: dict[str, tuple[type, ...]] = {
    "service": (str,),
    "method": (str,),
    "path": (str,),
    "times": (int,),
    "retry_after": (int,),
    "seconds": (int, float),
    "after": (bool,),
    "status": (int,),
    "code": (str,),
    "message": (str,),
    "form": (str,),
    "since": (str,),
}


class Faults:
    """The active faults; the oldest one that matches a request is used."""

    def __init__(self, documents: Collection) -> None:
        self._documents = documents

    def add(self, kind: str, **fields: Any) -> Document:
        """Add a fault and return it.

        Args:
            kind: One of `KINDS`.
            fields: `service` (exact name), `method` (exact), `path` (a regular expression searched in path and
                query, case-insensitively): each matches everything if it is not given. `times`: how often;
                unlimited if it is not given. `since`: a method; the fault starts after such a request for this service
                and path. The other fields belong to the kind.

        Raises:
            ValueError: The kind or a field is unknown, or a value is invalid.
        """
        if kind not in KINDS:
            raise ValueError(f"there is no fault {kind!r}; there are: {', '.join(KINDS)}")
        given = {name: value for name, value in fields.items() if value is not None}
        for name, value in given.items():
            if name not in FIELDS:
                raise ValueError(f"a fault has no {name!r}; it has: {', '.join(FIELDS)}")
            if not isinstance(value, FIELDS[name]) or (isinstance(value, bool) and name != "after"):
                raise ValueError(f"{name} = {value!r} is of the wrong type")
        if given.get("form", "service") not in FORMS:
            raise ValueError(f"there is no form {given['form']!r}; there are: {', '.join(FORMS)}")
        try:
            re.compile(given.get("path", ""))
        except re.error as error:
            raise ValueError(f"path = {given['path']!r} is no regular expression: {error}") from error
        fault = {**DEFAULTS.get(kind, {}), **given, "id": uuid.uuid4().hex[:8], "kind": kind, "hits": 0}
        self._documents.put(fault["id"], fault)
        return fault

    def take(self, service: str, method: str, path: str, kinds: Iterable[str]) -> Document | None:
        """Return the first matching fault of these kinds, after counting one use, or None."""
        if not len(self._documents):
            return None
        wanted = tuple(kinds)
        for fault in self._documents:
            if (
                fault["kind"] in wanted
                and self._armed(fault, service, method, path)
                and fault.get("service", service) == service
                and fault.get("method", method).upper() == method
                and re.search(fault.get("path", ""), path, re.IGNORECASE)
            ):
                fault["hits"] += 1
                left = fault.get("times")
                if left is not None and left <= 1:
                    self._documents.delete(fault["id"])
                else:
                    if left is not None:
                        fault["times"] = left - 1
                    self._documents.put(fault["id"], fault)
                return fault
        return None

    def _armed(self, fault: Document, service: str, method: str, path: str) -> bool:
        """Return whether the request that a fault waits for came before this one."""
        since = fault.get("since")
        if since is None or fault.get("armed"):
            return True
        if (
            since.upper() == method
            and fault.get("service", service) == service
            and re.search(fault.get("path", ""), path, re.IGNORECASE)
        ):
            self._documents.put(fault["id"], {**fault, "armed": True})
        return False

    def all(self) -> list[Document]:
        """Return the active faults."""
        return self._documents.values()

    def clear(self) -> None:
        """Remove all faults."""
        self._documents.clear()
