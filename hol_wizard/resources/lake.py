"""The data lake of an environment, as the sections after its creation use it."""

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
    """Return the resource id of an environment's storage account; None: of the context's own environment."""
    here = context.names.of(environment) if environment else context.here
    return in_group(context, "Microsoft.Storage/storageAccounts", here.storage_account, environment)


def is_there(context: StepContext, environment: Environment | None = None) -> bool:
    """Whether there is a lake that can be asked; a plan that is told beforehand sees none."""
    return bool(told_in(read(context, lake_id(context, environment)), *_ENDPOINT))


def endpoint(context: StepContext, environment: Environment | None = None) -> str:
    """Return where the lake's files are asked for (`properties.primaryEndpoints.dfs`).

    Raises:
        NotFoundError: There is no lake.
        NotReadyError: Azure does not tell its address yet.
    """
    step = "workspace-resources/add-a-data-lake"
    return address(context, lake_id(context, environment), "data lake", step, *_ENDPOINT)


def container_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the resource id of the lake's container, which is its file system."""
    return f"{lake_id(context, environment)}/blobServices/default/containers/{FILE_SYSTEM}"


def data_file_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the ledger's id of the data file in the lake."""
    return f"{container_id(context, environment)}/files/{DATA_FILE}"
