"""The required properties of an Azure resource, compared with its document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hol_wizard.engine.results import Expectation
from hol_wizard.resources.context import StepContext

Document = Mapping[str, Any]
"""A resource document of Azure Resource Manager."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A property that the resource must have."""

    what: str
    """In the portal's words: `Access tier`."""
    path: tuple[str, ...]
    """Its path in the resource's document."""
    expected: str | bool
    changeable: bool = False
    """Whether Azure can still change it on an existing resource."""
    missing_means: str | bool | None = None
    """The meaning if Azure omits the property."""

    def seen_in(self, document: Document) -> Expectation:
        """Return the expectation with the document's value."""
        value: Any = document
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            value = self.missing_means
        met = _same(value, self.expected)
        return Expectation(self.what, _shown(self.expected), _shown(value), met)


def _same(value: Any, expected: str | bool) -> bool:
    if isinstance(value, str) and isinstance(expected, str):
        return value.lower().replace(" ", "") == expected.lower().replace(" ", "")
    return bool(value == expected)


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def location(context: StepContext) -> Wanted:
    """Return the requirement that it is in the chosen region."""
    return Wanted("Region", ("location",), context.names.location)
