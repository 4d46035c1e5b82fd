"""The address of an Azure resource's contents, which is in the resource's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hol_wizard.errors import NotFoundError, NotReadyError
from hol_wizard.resources.azure_resource import TRY_AGAIN, read
from hol_wizard.resources.context import StepContext
from hol_wizard.services.answers import of_arm, unexpected


def told_in(document: Mapping[str, Any] | None, *path: str) -> str:
    """Return the address at a path below `properties`; an empty string if Azure does not return it yet.

    Raises:
        InconclusiveError: It is not a string.
    """
    found: Any = (document or {}).get("properties")
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, str | None):
        raise unexpected(of_arm(document or {}).source, f"properties.{'.'.join(path)} is not a string")
    return found or ""


def address(context: StepContext, resource_id: str, label: str, step: str, *path: str) -> str:
    """Return the address of an environment's resource.

    Args:
        context: The step's context.
        resource_id: The resource's ID.
        label: Its kind, for messages: `data lake`.
        step: Key of the step that creates it.
        path: Path of the address in its document, below `properties`.

    Raises:
        NotFoundError: There is no such resource.
        NotReadyError: Azure does not return its address yet.
    """
    name, document = resource_id.rpartition("/")[2], read(context, resource_id)
    if document is None:
        raise NotFoundError(f"The {label} {name} does not exist.", f"<first {step}>.")
    found = told_in(document, *path)
    if not found:
        raise NotReadyError(f"The {label} {name} is not ready: Azure does not show its address yet.", TRY_AGAIN)
    return found
