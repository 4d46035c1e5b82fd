"""The Databricks workspace of an environment, as the sections after its creation use it."""

from __future__ import annotations

from hol_wizard.errors import NotFoundError
from hol_wizard.lab.model import Environment
from hol_wizard.services.databricks import Databricks
from hol_wizard.steps.context import StepContext
from hol_wizard.steps.resource import read


def workspace_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the Azure resource id of an environment's workspace; None: of the context's own environment."""
    here = context.names.of(environment) if environment else context.here
    return (
        f"/subscriptions/{context.names.subscription}/resourceGroups/{here.resource_group}"
        f"/providers/Microsoft.Databricks/workspaces/{here.databricks_workspace}"
    )


def workspace(context: StepContext, environment: Environment | None = None) -> Databricks:
    """Return the client of an environment's workspace; None: of the context's own environment.

    Raises:
        NotFoundError: The workspace is not there, or not ready.
    """
    found = workspace_id(context, environment)
    document = read(context, found)
    url = str((document or {}).get("properties", {}).get("workspaceUrl") or "")
    if not url:
        name = found.rpartition("/")[2]
        raise NotFoundError(
            f"The Databricks workspace {name} is not ready.",
            "Do the step “Add a Databricks workspace” first (workspace-resources/add-a-databricks-workspace).",
        )
    return context.services.databricks(url, found)
