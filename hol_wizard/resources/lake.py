"""The data lake of an environment, for the sections after its creation."""

from __future__ import annotations

from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources.addresses import address, told_in
from hol_wizard.resources.azure_resource import in_group, read
from hol_wizard.resources.context import StepContext

FILE_SYSTEM = FIXED["file_system"]
DATA_FILE = FIXED["data_file"]
_ENDPOINT = ("primaryEndpoints", "dfs")


def lake_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the resource ID of an environment's storage account; None for the context's environment."""
    here = context.names.of(environment) if environment else context.here
    return in_group(context, "Microsoft.Storage/storageAccounts", here.storage_account, environment)


def is_there(context: StepContext, environment: Environment | None = None) -> bool:
    """Whether there is a lake to read; for a plan before its creation, there is none."""
    return bool(told_in(read(context, lake_id(context, environment)), *_ENDPOINT))


def endpoint(context: StepContext, environment: Environment | None = None) -> str:
    """Return the address of the lake's files (`properties.primaryEndpoints.dfs`).

    Raises:
        NotFoundError: There is no lake.
        NotReadyError: Azure does not return its address yet.
    """
    step = "workspace-resources/add-a-data-lake"
    return address(context, lake_id(context, environment), "data lake", step, *_ENDPOINT)


def container_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the resource ID of the lake's container, which is its file system."""
    return f"{lake_id(context, environment)}/blobServices/default/containers/{FILE_SYSTEM}"


def data_file_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the data file's ID in the ledger."""
    return f"{container_id(context, environment)}/files/{DATA_FILE}"
