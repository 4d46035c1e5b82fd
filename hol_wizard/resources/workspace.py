"""The Databricks workspace of an environment, for the sections after its creation."""

from __future__ import annotations

from hol_wizard.errors import AccessDeniedError, NotFoundError, NotReadyError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.addresses import address
from hol_wizard.resources.azure_resource import in_group
from hol_wizard.resources.context import StepContext
from hol_wizard.services.databricks.client import Databricks


def workspace_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the Azure resource ID of an environment's workspace; None for the context's environment."""
    here = context.names.of(environment) if environment else context.here
    return in_group(context, "Microsoft.Databricks/workspaces", here.databricks_workspace, environment)


def workspace(context: StepContext, environment: Environment | None = None) -> Databricks:
    """Return the client of an environment's workspace; None for the context's environment.

    Raises:
        NotFoundError: There is no workspace.
        NotReadyError: Azure does not return its address yet.
    """
    found = workspace_id(context, environment)
    step = "workspace-resources/add-a-databricks-workspace"
    url = address(context, found, "Databricks workspace", step, "workspaceUrl")
    return context.services.databricks(url, found)


def open_workspace(context: StepContext, environment: Environment | None = None) -> Databricks | None:
    """Return the client of an environment's workspace; None if it does not exist, or if the account has no access yet.

    For plans, which are made before anything exists.
    """
    try:
        found = workspace(context, environment)
        name = workspace_id(context, environment).lower()
        context.reads.share(("databricks me", name), found.me)
    except (NotFoundError, NotReadyError, AccessDeniedError):
        return None
    return found
