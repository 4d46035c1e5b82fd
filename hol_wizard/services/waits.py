"""How long a service asks to wait, and how long that is in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

LONGEST = 366 * 86_400.0
"""Seconds; a wait of more than a year is a mistake of the service and is ignored."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait, or None if it does not.

    `x-ms-retry-after-ms` is azure-core's format for less than a second; `Retry-After: 0` is ignored.
    """
    named = {name.lower(): value for name, value in headers.items()}
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(named.get(name, ""))
        if milliseconds is not None and milliseconds <= LONGEST * 1000:
            return max(0.0, milliseconds / 1000)
    value = named.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is None:
        from email.utils import parsedate_to_datetime

        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return seconds if 0 < seconds <= LONGEST else None


def _number(text: str) -> float | None:
    """Return a finite number, or None: `float` also accepts `nan` and `inf`."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def in_words(seconds: float) -> str:
    """Return a wait in words, rounded up: `a minute`, `25 minutes`, `an hour`, `2 hours`, `3 days`."""
    minutes = max(1, math.ceil(seconds / 60))
    for one, many, size in (("a minute", "minutes", 1), ("an hour", "hours", 60), ("a day", "days", 24 * 60)):
        count = math.ceil(minutes / size)
        if count == 1:
            return one
        if count < {"minutes": 60, "hours": 48}.get(many, math.inf):
            return f"{count} {many}"
    raise AssertionError("days have no end")
