"""The values of the expression language, and how each kind is converted to the others.

Source: https://learn.microsoft.com/azure/devops/pipelines/process/expressions ("Type casting"), and the engine's
`EvaluationResult`, whose code actions/runner continues.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from hol_wizard.practice.pipelines.expressions.errors import ExpressionError

Value = Any
"""None, bool, Decimal, Version, str, datetime, a sequence or a mapping."""

INT_MAX = 2**31 - 1
_NUMBER = re.compile(r"[+-]?(\d[\d,]*(\.\d*)?|\.\d+)\Z", re.ASCII)


class ExactMapping(Mapping[str, Value]):
    """A mapping whose names have to be written exactly as they are, such as an object in YAML."""

    __slots__ = ()


class StrictMapping(dict[str, Value]):
    """A mapping that must have each name that is looked up, such as the declared parameters of a template."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of two to four numbers. A missing one is less than 0, as in .NET."""

    parts: tuple[int, ...]

    def __str__(self) -> str:
        """Return the numbers with dots."""
        return ".".join(map(str, self.parts))

    @property
    def order(self) -> tuple[int, ...]:
        """Return all four numbers, for comparisons."""
        return self.parts + (-1,) * (4 - len(self.parts))


def version_of(text: str) -> Version | None:
    """Return the version in a text, or None if it is not one."""
    parts = text.strip().split(".")
    if not 2 <= len(parts) <= 4 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        return None
    numbers = tuple(map(int, parts))
    return Version(numbers) if max(numbers) <= INT_MAX else None


def number_of(text: str) -> Decimal | None:
    """Return the number in a text, or None if it is not one; thousands separators are allowed, exponents are not."""
    text = text.strip()
    if not _NUMBER.match(text) or len(text) > 60:
        return None
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:  # pragma: no cover - the pattern allows only what Decimal does
        return None


def normal(value: Value) -> Value:
    """Return a value of JSON or YAML as one of the language's."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return Decimal(str(value))
    return value


def plain(value: Value) -> Any:
    """Return a value as JSON."""
    value = normal(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, Sequence):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value % 1 == 0 else float(value)
    return to_text(value)


def items_of(value: Value) -> list[Value]:
    """Return the elements of an array, or the values of an object; other values have none."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return []


def kind(value: Value) -> str:
    """Return the name of a value's kind, for messages."""
    match value:
        case None:
            return "Null"
        case bool():
            return "Boolean"
        case Decimal():
            return "Number"
        case Version():
            return "Version"
        case str():
            return "String"
        case datetime():
            return "DateTime"
        case Mapping():
            return "Object"
        case Sequence():
            return "Array"
    raise TypeError(type(value).__name__)


def is_truthy(value: Value) -> bool:
    """Return a value as a boolean: null, 0 and the empty text are false; the text `false` is true."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, Decimal):
        return value != 0
    return value != "" if isinstance(value, str) else True


def to_text(value: Value) -> str | None:
    """Return a value as text, or None if an array or an object."""
    match value:
        case None:
            return ""
        case bool():
            return "True" if value else "False"
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S+00:00")
        case str():
            return value
        case Version():
            return str(value)
    return None


def to_number(value: Value) -> Decimal | None:
    """Return a value as a number, or None if it is not one."""
    match value:
        case None | "":
            return Decimal(0)
        case bool():
            return Decimal(int(value))
        case Decimal():
            return value
        case str():
            return number_of(value)
    return None


def to_version(value: Value) -> Version | None:
    """Return a value as a version, or None; a number is one if it has decimals other than 0."""
    match value:
        case Version():
            return value
        case str():
            return version_of(value)
        case Decimal() if value > 0 and value % 1 != 0:
            return version_of(format(value, "f"))
    return None


def text_of(value: Value) -> str:
    """Return a value as text.

    Raises:
        ExpressionError: It is an array or an object.
    """
    return str(_or_error(to_text(value), value, "String"))


def equal(left: Value, right: Value) -> bool:
    """Compare after converting the right value to the left one's kind; false if it cannot be converted."""
    match left:
        case None:
            return right is None or right == ""
        case bool():
            return left == is_truthy(right)
        case Decimal():
            return left == to_number(right)
        case Version():
            other = to_version(right)
            return other is not None and left.order == other.order
        case str():
            text = to_text(right)
            return text is not None and fold(left) == fold(text)
        case datetime():
            return bool(left == right)
    return left is right


def compare(left: Value, right: Value) -> int:
    """Return less than 0, 0 or more than 0, after converting the right value to the left one's kind.

    Raises:
        ExpressionError: It cannot be converted.
    """
    ours: Any
    theirs: Any
    match left:
        case bool():
            ours, theirs = left, is_truthy(right)
        case str():
            ours, theirs = fold(left), fold(text_of(right))
        case Version():
            ours, theirs = left.order, _or_error(to_version(right), right, "Version").order
        case datetime() if isinstance(right, datetime):
            ours, theirs = left, right
        case _:
            ours = _or_error(to_number(left), left, "Number")
            theirs = _or_error(to_number(right), right, "Number")
    return int(ours > theirs) - int(ours < theirs)


def fold(text: str) -> str:
    """Return a text for a comparison that ignores case, character by character as .NET's OrdinalIgnoreCase does."""
    return "".join(upper if len(upper := each.upper()) == 1 else each for each in text)


def _or_error(converted: Any, value: Value, wanted: str) -> Any:
    if converted is None:
        shown = f"'{value}'" if isinstance(value, str | Decimal | bool) else kind(value)
        raise ExpressionError(f"Unable to convert from {kind(value)} to {wanted}. Value: {shown}")
    return converted
