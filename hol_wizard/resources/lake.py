"""The data lake of an environment, as the sections after its creation use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hol_wizard.errors import NotFoundError, NotReadyError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources.azure_resource import TRY_AGAIN, read
from hol_wizard.resources.context import StepContext

FILE_SYSTEM = FIXED["file_system"]
DATA_FILE = FIXED["data_file"]


def lake_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the resource id of an environment's storage account; None: of the context's own environment."""
    here = context.names.of(environment) if environment else context.here
    return (
        f"/subscriptions/{context.names.subscription}/resourceGroups/{here.resource_group}"
        f"/providers/Microsoft.Storage/storageAccounts/{here.storage_account}"
    )


def is_there(context: StepContext, environment: Environment | None = None) -> bool:
    """Whether there is a lake that can be asked; a plan that is told beforehand sees none."""
    return bool(_endpoint_of(read(context, lake_id(context, environment))))


def endpoint(context: StepContext, environment: Environment | None = None) -> str:
    """Return where the lake's files are asked for (`properties.primaryEndpoints.dfs`).

    Raises:
        NotFoundError: There is no lake.
        NotReadyError: Azure does not tell its address yet.
    """
    found = lake_id(context, environment)
    name, document = found.rpartition("/")[2], read(context, found)
    if document is None:
        raise NotFoundError(
            f"The data lake {name} does not exist.",
            "Do the step “Add a data lake” first (workspace-resources/add-a-data-lake).",
        )
    address = _endpoint_of(document)
    if not address:
        raise NotReadyError(f"The data lake {name} is not ready: Azure does not tell its address.", TRY_AGAIN)
    return address


def container_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the resource id of the lake's container, which is its file system."""
    return f"{lake_id(context, environment)}/blobServices/default/containers/{FILE_SYSTEM}"


def data_file_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the ledger's id of the data file in the lake."""
    return f"{container_id(context, environment)}/files/{DATA_FILE}"


def _endpoint_of(document: Mapping[str, Any] | None) -> str:
    endpoints = (document or {}).get("properties", {}).get("primaryEndpoints") or {}
    return str(endpoints.get("dfs") or "")
