"""Replaces secrets in everything that is stored: log lines, issues, names of records.

What is registered for each secret: the azure-pipelines-agent, Worker.cs (values without their quotes, with escaped line
ends and percent signs) and HostContext.cs (`JsonStringEscape`, `UriDataEscape`, `BackslashEscape`, and passwords in
addresses). There is no minimum length, as by default on the service (`AZP_IGNORE_SECRETS_SHORTER_THAN` is 0): a secret
with the value `pipeline` hides that word everywhere. Three things are stricter here: single lines of a secret with
several lines are hidden, too, and so are secrets in the names of records, and in the middle of a text in base64, as in
`base64(user:password)`, at each of the three places where it can begin (as actions/runner does it).
"""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

MASK = "***"
_SHORTEST_LINE = 4
"""Lines of a secret that are shorter than this are not hidden on their own."""
_LEAST_BYTES = 6
"""A secret with fewer bytes is not hidden in the middle of base64."""
_URL_PASSWORD = re.compile(r"//[^\s:/?#@]+:([^\s/?#@]+)@")


class Masker:
    """The secrets of one job."""

    def __init__(self) -> None:
        self._values: list[str] = []

    def add(self, secret: str) -> None:
        """Register a secret with all its forms; an empty one is ignored."""
        known = set(self._values)
        known |= {form for form in _forms(secret) if form}
        self._values = sorted(known, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """Return the text with `***` for each secret; secrets that overlap or touch become one `***`."""
        found = [(match.start(1), match.end(1)) for match in _URL_PASSWORD.finditer(text)] if "//" in text else []
        for value in self._values:
            at = text.find(value)
            while at >= 0:
                found.append((at, at + len(value)))
                at = text.find(value, at + 1)
        if not found:
            return text
        parts: list[str] = []
        end = 0
        started = False
        for first, last in sorted(found):
            if not started or first > end:
                parts += [text[end:first], MASK]
                started = True
            end = max(end, last)
        return "".join([*parts, text[end:]])

    def hides(self, text: str) -> bool:
        """Return whether the text contains a secret."""
        return self.mask(text) != text


def _forms(secret: str) -> set[str]:
    """Return the secret in the forms in which programs print it."""
    if not secret:
        return set()
    plain = {secret, secret.strip(), secret.strip('"'), secret.strip("'")}
    lines = secret.splitlines()
    if len(lines) > 1:
        plain |= {line for each in lines for line in (each, each.strip()) if len(line.strip()) >= _SHORTEST_LINE}
    forms = set(plain)
    for each in plain:
        forms |= {
            each.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A"),
            each.replace(";", "%3B").replace("\r", "%0D").replace("\n", "%0A").replace("]", "%5D"),
            json.dumps(each)[1:-1],
            json.dumps(each, ensure_ascii=False)[1:-1],
            quote(each, safe="-_.!~*'()"),
            quote(each, safe=""),
            each.replace("\\", "\\\\"),
            each.replace("\\\\", "\\"),
            base64.b64encode(each.encode("utf-8", "replace")).decode("ascii"),
            *_in_base64(each.encode("utf-8", "replace")),
        }
    return forms


def _in_base64(secret: bytes) -> set[str]:
    """Return the parts of a secret's base64 that are the same whatever text surrounds the secret."""
    found = set()
    for begin in range(3):
        whole = secret[begin : len(secret) - (len(secret) - begin) % 3]
        if len(whole) >= _LEAST_BYTES:
            found |= {encode(whole).decode("ascii") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return found
