"""Removes secrets from texts: those that this process knows, and anything that looks like one.

Libraries, services and programs quote their input: urllib3 quotes a proxy variable, curl its password, Entra ID a
request. All of their texts pass through here before anybody reads them. The time of each pattern grows at most linearly
with the text's length (`tests/unit/test_patterns.py`), because they process hostile text before anything else does.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

HIDDEN = "***"

_MOST = 400
"""Number of values kept, more than one run has; in a session of several days, the oldest tokens have expired."""
_SHORT = 8
"""A value with fewer characters is hidden only as a separate word, not inside another word."""

_NAMES = (
    r"(?:[\w-]*(?:password|passwd|secret|assertion|access[_-]?key|account[_-]?key|shared[_-]?key|api[_-]?key)"
    r"|(?:access|refresh|id|control|bearer|sas|personal[_-]access)[_-]?tokens?|tokens?|device[_-]code|sig|signature|pat)"
)


@dataclass(frozen=True, slots=True)
class Form:
    """What a secret looks like."""

    pattern: re.Pattern[str]
    words: str
    """What it is, in words, or its replacement."""
    parts: tuple[str, ...] = ()
    """Texts in lowercase of which each match has at least one. Looking for them is a hundred times as fast as the
    pattern, which would otherwise hold up the screen while a build prints thousands of lines."""

    def replaced(self, text: str, folded: str, replacement: str) -> str:
        """Return a text without its matches.

        Args:
            text: The text.
            folded: It, or what it was before other replacements, case-folded.
            replacement: Template for `sub`.
        """
        if self.parts and not any(part in folded for part in self.parts):
            return text
        return self.pattern.sub(replacement, text)


FORMS: tuple[Form, ...] = (
    Form(re.compile(r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]+(?:\.[\w-]*)?"), "a token (JWT)", ("eyj",)),
    Form(re.compile(r"\bdapi[0-9a-f]{32}(?:-\d+)?\b"), "a Databricks access token", ("dapi",)),
    Form(
        re.compile(r"(?<![\w~.-])[\w~.-]{3}[78]Q~[\w~.-]{31,34}(?![\w~.-])"),
        "a client secret of Microsoft Entra ID",
        ("q~",),
    ),
    Form(
        re.compile(r"\b(?:[a-z2-7]{52}|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4})\b"), "a personal access token of Azure DevOps"
    ),
)
"""Values that are secrets regardless of the text around them, in words; Azure DevOps has an old and a new form."""
_NAMED = ("passw", "secret", "assertion", "key", "token", "code", "sig", "pat")
_PLACES: tuple[Form, ...] = (
    # "Authorization: Bearer …", also as a Python or JSON mapping.
    Form(
        re.compile(r"(?i)(authorization[\"']?\s*+[:=]\s*+[\"']?(?:bearer|basic|sharedkey)?\s*+)[^\s\"',}]+"),
        rf"\1{HIDDEN}",
        ("authorization",),
    ),
    Form(re.compile(r"(?i)\b(bearer|basic)\s++[A-Za-z0-9+/=._~-]{12,}"), rf"\1 {HIDDEN}", ("bearer", "basic")),
    # JSON, Python mapping, form, query string, connection string: NAME "=" or ":" VALUE. A truncated text has no second
    # quotation mark.
    Form(re.compile(rf"(?i)([\"']{_NAMES}[\"']\s*+:\s*+)([\"'])(?:\\.|(?!\2)[^\\\n])*+"), rf"\1\2{HIDDEN}", _NAMED),
    Form(re.compile(rf"(?i)(?<![\w-])({_NAMES}\s*+[=:]\s*+)(?![\"'\s]|\*\*\*)[^\s&;,\"')}}]+"), rf"\1{HIDDEN}", _NAMED),
)
"""Values that are secrets because of the name in front of them, with the replacement."""
_PLACEHOLDERS = frozenset({"name:password", HIDDEN})
"""Placeholder for a sign-in in hints."""
_ADDRESS = re.compile(r"://[^\s\"'<>]+")


class _Known:
    """The secrets of this process, in the forms in which a text can quote them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[str, tuple[str, ...]] = {}
        self._users: frozenset[str] = frozenset()
        self._loose: re.Pattern[str] | None = None
        self._whole: tuple[str, ...] = ()
        self._foreign: re.Pattern[str] | None = None

    def add(self, values: Iterable[str], users: Iterable[str] = ()) -> None:
        """Add secrets; `users` are names that are hidden only in texts of other programs."""
        fresh = [value for value in values if value.strip() and value not in self._given]
        names = self._users | {name for name in users if name.strip()}
        if not fresh and names == self._users:
            return
        with self._lock:
            self._given |= {value: _quoted(value) for value in fresh}
            for oldest in list(self._given)[:-_MOST]:
                del self._given[oldest]
            forms = {form for each in self._given.values() for form in each}
            self._whole = tuple(sorted((form for form in forms if len(form) >= _SHORT), key=len, reverse=True))
            self._loose = _alone(form for form in forms if len(form) < _SHORT)
            self._users = names
            self._foreign = _alone(form for name in names for form in _quoted(name))

    def forget(self) -> None:
        """Forget all values."""
        with self._lock:
            self._given, self._users = {}, frozenset()
            self._loose = self._foreign = None
            self._whole = ()

    def quotes(self, text: str) -> bool:
        """Return whether a text has one of them in it; short ones are ordinary words and do not count."""
        return any(form in text for form in self._whole)

    def hide(self, text: str, *, foreign: bool) -> str:
        """Return the text without the secrets."""
        for form in self._whole:
            if form in text:
                text = text.replace(form, HIDDEN)
        for pattern in (self._loose, self._foreign if foreign else None):
            if pattern is not None:
                text = pattern.sub(HIDDEN, text)
        return text


def _quoted(value: str) -> tuple[str, ...]:
    """Return a value as texts quote it: as it is, percent-encoded, decoded, and escaped as JSON and Python do."""
    plain = {value, unquote(value), value.lower(), unquote(value).lower()}
    forms = plain | {quote(each, safe="") for each in plain} | {quote(each) for each in plain}
    forms |= {json.dumps(each)[1:-1] for each in plain} | {repr(each)[1:-1] for each in plain}
    return tuple(sorted(form for form in forms if form.strip()))


def _alone(forms: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern for values that stand alone; one or two characters only in quotation marks."""
    longest_first = sorted(set(forms), key=len, reverse=True)
    parts = [
        rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])"
        if len(form) > 2
        else rf"(?<=['\"]){re.escape(form)}(?=['\"])"
        for form in longest_first
    ]
    return re.compile("|".join(parts)) if parts else None


_known = _Known()
remember: Callable[..., None] = _known.add
"""Hide these values, and these user names, in everything that this process outputs from now on."""
forget_all = _known.forget
"""Forget all values; for tests."""


def redact(text: str) -> str:
    """Return one of our texts without secrets: known values, and values with a recognizable form."""
    if not text:
        return text
    text = _known.hide(text, foreign=False)
    if "://" in text:
        text = _ADDRESS.sub(lambda found: _without_sign_in(found[0]), text)
    folded = text.casefold()
    for form in FORMS:
        text = form.replaced(text, folded, HIDDEN)
    return text


def is_known(text: str) -> bool:
    """Return whether a text contains a secret of this process."""
    return _known.quotes(text)


def has_sign_in(text: str) -> bool:
    """Return whether a text contains an address with a password."""
    return _ADDRESS.sub(lambda address: _without_sign_in(address[0]), text) != text


def scrub(text: str) -> str:
    """Return a text of another program without secrets, including values that follow a name such as `password`."""
    text = redact(_known.hide(text, foreign=True))
    folded = text.casefold()
    for form in _PLACES:
        text = form.replaced(text, folded, form.words)
    return text


def _without_sign_in(run: str) -> str:
    """Return a run of characters that begins with `://`, without the names and passwords in front of the hosts."""
    return "".join(f"://{_without_password(each)}" for each in run.split("://")[1:])


def _without_password(address: str) -> str:
    """Return what follows `://` without the sign-in, in which `/`, `?` and `#` may not be encoded.

    A name alone is kept: `contoso@dev.azure.com` is how Azure DevOps writes the address of a repository.
    """
    authority = re.split(r"[/?#]", address, maxsplit=1)[0]
    sign_in, at, host = authority.rpartition("@")
    if at:
        is_one = ":" in sign_in and sign_in not in _PLACEHOLDERS
        return f"{HIDDEN}@{host}{address[len(authority) :]}" if is_one else address
    port = authority.rpartition("]")[2].partition(":")[2]
    _, at, host = address.rpartition("@")
    return f"{HIDDEN}@{host}" if at and port and not port.isdecimal() else address
