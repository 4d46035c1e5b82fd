"""How long a service asks to wait, and how long that is in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, or None where it does not.

    `x-ms-retry-after-ms` is azure-core's form for less than a second; `Retry-After: 0` is no wish.
    """
    named = {name.lower(): value for name, value in headers.items()}
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        with suppress(KeyError, ValueError):
            return max(0.0, float(named[name]) / 1000)
    value = named.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return seconds if 0 < seconds < math.inf else None


def in_words(seconds: float) -> str:
    """Return a time to wait in words, rounded up: `a minute`, `25 minutes`, `an hour`, `2 hours`, `3 days`."""
    minutes = max(1, math.ceil(seconds / 60))
    for one, many, size in (("a minute", "minutes", 1), ("an hour", "hours", 60), ("a day", "days", 24 * 60)):
        count = math.ceil(minutes / size)
        if count == 1:
            return one
        if count < {"minutes": 60, "hours": 48}.get(many, math.inf):
            return f"{count} {many}"
    raise AssertionError("days have no end")
