"""The functions that every place has.

Source: https://learn.microsoft.com/azure/devops/pipelines/process/expressions ("Functions"). `substring` exists in the
service without documentation, and is therefore unknown here. `counter` and the status functions belong to certain
places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from hol_wizard.practice.pipelines.expressions.errors import ExpressionError
from hol_wizard.practice.pipelines.expressions.nodes import MANY, Arguments, Function
from hol_wizard.practice.pipelines.expressions.values import (
    Value,
    compare,
    equal,
    fold,
    is_truthy,
    items_of,
    kind,
    plain,
    text_of,
    to_text,
)

MAX_RESULT = 10_000_000
"""Characters of a result; the service limits the memory of an expanded template to 10 MB."""
_ELEMENT_SIZE = 50
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\d+)(?::((?:[^{}]|\{\{|\}\})*))?\}|[{}]")
_DATE_PARTS = re.compile(r"('[^']*'|([A-Za-z])\2*|.)", re.DOTALL)
_DATE_FORMATS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def _has(arguments: Arguments) -> bool:
    return any(equal(arguments[0], arguments[at]) for at in range(1, len(arguments)))


def _contains_value(arguments: Arguments) -> bool:
    return any(equal(each, arguments[1]) for each in items_of(arguments[0]))


def _coalesce(arguments: Arguments) -> Value:
    return next((each for each in arguments if each is not None and each != ""), None)


def _join(arguments: Arguments) -> str:
    separator, collection = to_text(arguments[0]) or "", arguments[1]
    if isinstance(collection, Sequence) and not isinstance(collection, str):
        texts = [to_text(each) or "" for each in collection]
        _check_size(sum(map(len, texts)) + len(separator) * len(texts))
        return separator.join(texts)
    return to_text(collection) or ""


def _split(arguments: Arguments) -> list[str]:
    text, separators = text_of(arguments[0]), text_of(arguments[1])
    _check_size(sum(text.count(each) for each in set(separators)) * _ELEMENT_SIZE)
    return re.split(f"[{re.escape(separators)}]", text) if separators else [text]


def _replace(arguments: Arguments) -> str:
    text, old, new = (text_of(each) for each in arguments)
    if not old:
        return text
    _check_size(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _length(arguments: Arguments) -> Decimal:
    value = arguments[0]
    return Decimal(len(value if isinstance(value, Mapping | Sequence) else text_of(value)))


def _format(arguments: Arguments) -> str:
    parts: list[str] = []
    size = 0
    for part in _formatted(text_of(arguments[0]), arguments):
        size += len(part)
        _check_size(size)
        parts.append(part)
    return "".join(parts)


def _formatted(template: str, arguments: Arguments) -> Iterator[str]:
    end = 0
    for found in _PLACEHOLDER.finditer(template):
        yield template[end : found.start()]
        end = found.end()
        if found[0] in ("{{", "}}"):
            yield found[0][0]
        elif found[1] is None:
            raise ExpressionError(f"The following format string is invalid: {template}")
        else:
            at = int(found[1]) + 1
            if at >= len(arguments):
                raise ExpressionError(
                    f"The following format string references more arguments than were supplied: {template}"
                )
            yield _argument(arguments[at], found[2])
    yield template[end:]


def _argument(value: Value, specifier: str | None) -> str:
    if specifier is None:
        return text_of(value)
    if not isinstance(value, datetime):
        raise ExpressionError(f"The format specifiers '{specifier}' are not valid for objects of type '{kind(value)}'")
    parts = []
    for part, _ in _DATE_PARTS.findall(specifier):
        if part in _DATE_FORMATS:
            parts.append(value.strftime(_DATE_FORMATS[part]))
        elif set(part) == {"f"} and len(part) <= 6:
            parts.append(f"{value.microsecond:06}"[: len(part)])
        elif part[0].isalpha():
            raise ExpressionError(f"The practice pipelines do not know the date format '{part}' of '{specifier}'")
        else:
            parts.append(part.strip("'"))
    return "".join(parts)


def _to_json(arguments: Arguments) -> str:
    text = json.dumps(plain(arguments[0]), indent=2, ensure_ascii=False)
    _check_size(len(text))
    return text


def _check_size(size: int) -> None:
    if size > MAX_RESULT:
        raise ExpressionError("Maximum object size exceeded")


def _folded(arguments: Arguments) -> tuple[str, str]:
    return fold(text_of(arguments[0])), fold(text_of(arguments[1]))


def _contains(arguments: Arguments) -> bool:
    whole, part = _folded(arguments)
    return part in whole


def _starts_with(arguments: Arguments) -> bool:
    whole, part = _folded(arguments)
    return whole.startswith(part)


def _ends_with(arguments: Arguments) -> bool:
    whole, part = _folded(arguments)
    return whole.endswith(part)


def _if(arguments: Arguments) -> Value:
    condition, yes, no = arguments
    return yes if is_truthy(condition) else no


FUNCTIONS: Mapping[str, Function] = {
    "and": Function(2, MANY, lambda given: all(is_truthy(each) for each in given), shown_as_call=True),
    "or": Function(2, MANY, lambda given: any(is_truthy(each) for each in given), shown_as_call=True),
    "xor": Function(2, 2, lambda given: is_truthy(given[0]) != is_truthy(given[1]), shown_as_call=True),
    "not": Function(1, 1, lambda given: not is_truthy(given[0]), shown_as_call=True),
    "eq": Function(2, 2, lambda given: equal(given[0], given[1]), shown_as_call=True),
    "ne": Function(2, 2, lambda given: not equal(given[0], given[1]), shown_as_call=True),
    "gt": Function(2, 2, lambda given: compare(given[0], given[1]) > 0, shown_as_call=True),
    "ge": Function(2, 2, lambda given: compare(given[0], given[1]) >= 0, shown_as_call=True),
    "lt": Function(2, 2, lambda given: compare(given[0], given[1]) < 0, shown_as_call=True),
    "le": Function(2, 2, lambda given: compare(given[0], given[1]) <= 0, shown_as_call=True),
    "in": Function(2, MANY, _has, shown_as_call=True),
    "notin": Function(2, MANY, lambda given: not _has(given), shown_as_call=True),
    "contains": Function(2, 2, _contains, shown_as_call=True),
    "containsvalue": Function(2, 2, _contains_value, shown_as_call=True),
    "startswith": Function(2, 2, _starts_with, shown_as_call=True),
    "endswith": Function(2, 2, _ends_with, shown_as_call=True),
    "coalesce": Function(2, MANY, _coalesce),
    "format": Function(1, MANY, _format),
    "join": Function(2, 2, _join),
    "split": Function(2, 2, _split),
    "replace": Function(3, 3, _replace),
    "lower": Function(1, 1, lambda given: text_of(given[0]).lower()),
    "upper": Function(1, 1, lambda given: text_of(given[0]).upper()),
    "trim": Function(1, 1, lambda given: text_of(given[0]).strip()),
    "length": Function(1, 1, _length),
    "converttojson": Function(1, 1, _to_json),
    "iif": Function(3, 3, _if),
}
"""By their names in lowercase."""
