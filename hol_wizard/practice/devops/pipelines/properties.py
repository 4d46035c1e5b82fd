"""Properties of builds and definitions, which clients choose (Build - Properties, 7.1; official examples)."""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any

from hol_wizard.practice.kernel.service import JsonObject, Response
from hol_wizard.practice.kernel.store import Document


def shown(properties: Document, names: Container[str]) -> JsonObject:
    """Return the properties with these names as the service shows them."""
    return {
        name: {"$type": "System.String", "$value": str(value)} for name, value in properties.items() if name in names
    }


def listed(properties: Document, names: Container[str] = ()) -> Response:
    """Return the properties with these names as a list; without names, all."""
    value = shown(properties, names or properties)
    return Response(200, {"count": len(value), "value": value})


def patched(properties: Document, content: bytes) -> Document:
    """Return properties after a JSON Patch (official example: Properties - Update Definition Properties).

    Raises:
        ValueError: It is no JSON Patch.
    """
    changes: Any = json.loads(content)
    if not isinstance(changes, list):
        raise ValueError("no JSON Patch")
    if any(not isinstance(each, dict) or not isinstance(each.get("path"), str) for each in changes):
        raise ValueError("no JSON Patch")
    changed = dict(properties)
    for each in changes:
        name = str(each["path"]).removeprefix("/")
        if each.get("op") == "remove":
            changed.pop(name, None)
        else:
            changed[name] = each.get("value")
    return changed
