"""The number of a run: the `name` of the YAML with its tokens replaced.

https://learn.microsoft.com/azure/devops/pipelines/process/run-number: dates in UTC; `$(Rev:r)` counts the runs of the
pipeline whose number is otherwise the same, with as many digits as it has letters; at most 255 characters; without
`name`, `$(Date:yyyyMMdd).$(Rev:r)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

DEFAULT = "$(Date:yyyyMMdd).$(Rev:r)"
MOST = 255
_REV = re.compile(r"\$\(Rev:(\.?)(r+)\)", re.IGNORECASE)
_TOKEN = re.compile(r"\$\(([^)$]*)\)")
_DATE = re.compile(r"yyyy|yy|MM|M|dd|d|HH|H|hh|h|mm|m|ss|s|f+|tt")


def number(
    pattern: str,
    moment: float,
    variables: Callable[[str], str | None],
    taken: Iterable[str],
) -> str:
    """Return the number of a run.

    Args:
        pattern: `name` of the YAML; empty for the default.
        moment: When it was queued, in seconds since the epoch.
        variables: Returns the value of a variable, or None.
        taken: Numbers of the pipeline's earlier runs.
    """
    when = datetime.fromtimestamp(moment, UTC)

    def token(match: re.Match[str]) -> str:
        inner = match[1]
        if _REV.fullmatch(match[0]):
            return match[0]
        found = _of_time(inner, when)
        if found is None:
            found = variables(inner)
        return match[0] if found is None else found

    text = _TOKEN.sub(token, pattern or DEFAULT)
    return _with_revision(text, list(taken))[:MOST]


def _of_time(name: str, when: datetime) -> str | None:
    head, colon, form = name.partition(":")
    if head.lower() in {"date", "year"} and colon:
        return date(form, when)
    simple = {
        "date": f"{when:%Y%m%d}",
        "month": str(when.month),
        "dayofmonth": str(when.day),
        "dayofyear": str(when.timetuple().tm_yday),
        "hours": str(when.hour),
        "minutes": str(when.minute),
        "seconds": str(when.second),
    }
    return None if colon else simple.get(head.lower())


def date(form: str, when: datetime) -> str:
    """Return a date in a format of .NET: `yyyyMMdd`."""
    values = {
        "yyyy": f"{when.year:04}",
        "yy": f"{when.year % 100:02}",
        "MM": f"{when.month:02}",
        "M": str(when.month),
        "dd": f"{when.day:02}",
        "d": str(when.day),
        "HH": f"{when.hour:02}",
        "H": str(when.hour),
        "hh": f"{when.hour % 12 or 12:02}",
        "h": str(when.hour % 12 or 12),
        "mm": f"{when.minute:02}",
        "m": str(when.minute),
        "ss": f"{when.second:02}",
        "s": str(when.second),
        "tt": "AM" if when.hour < 12 else "PM",
    }
    return _DATE.sub(lambda match: values.get(match[0]) or f"{when.microsecond:06}0"[: len(match[0])], form)


def _with_revision(text: str, taken: list[str]) -> str:
    """Replace `$(Rev:r)` by one more than the greatest one so far."""
    match = _REV.search(text)
    if match is None:
        return text
    before, after = text[: match.start()] + match[1], text[match.end() :]
    pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after), re.IGNORECASE)
    used = [int(found[1]) for each in taken if (found := pattern.fullmatch(each)) is not None]
    revision = f"{max(used, default=0) + 1:0{len(match[2])}}"
    return f"{before}{revision}{after}"
