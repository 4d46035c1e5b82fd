"""Frozen dataclasses as JSON documents, and back, by their fields' types."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from enum import StrEnum
from typing import Any, TypeVar, Union, cast

T = TypeVar("T")


def as_document(value: Any) -> Any:
    """Return a dataclass, and everything in it, as what JSON has; fields with their default are left out."""
    if dataclasses.is_dataclass(value):
        return {
            each.name: as_document(getattr(value, each.name))
            for each in dataclasses.fields(value)
            if getattr(value, each.name) != _default(each)
        }
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, tuple | list):
        return [as_document(each) for each in value]
    if isinstance(value, dict):
        return {key: as_document(each) for key, each in value.items()}
    return value


def from_document(kind: type[T], document: Any) -> T:
    """Return the value of this type.

    Raises:
        TypeError: The document was not made by `as_document` from this type.
    """
    return cast("T", _value(kind, document))


def _default(each: dataclasses.Field[Any]) -> Any:
    if each.default_factory is not dataclasses.MISSING:
        return each.default_factory()
    return each.default


@functools.cache
def _types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(kind: Any, document: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _choice(typing.get_args(kind), document)
    if origin is tuple:
        return tuple(_value(typing.get_args(kind)[0], each) for each in document)
    if origin is dict:
        return {key: _value(typing.get_args(kind)[1], each) for key, each in document.items()}
    if dataclasses.is_dataclass(kind):
        hints = _types(cast("type", kind))
        return cast("type", kind)(**{key: _value(hints[key], each) for key, each in document.items()})
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(document)
    return document


def _choice(kinds: tuple[Any, ...], document: Any) -> Any:
    """Return a value of one of several types; only dataclasses and mappings are objects in JSON."""
    if not isinstance(document, dict):
        return document
    fitting = [each for each in kinds if dataclasses.is_dataclass(each) or typing.get_origin(each) is dict]
    return _value(fitting[0], document) if fitting else document
