"""The Databricks workspace of an environment, as the sections after its creation use it."""

from __future__ import annotations

from hol_wizard.engine.ledger import Fact
from hol_wizard.errors import AccessDeniedError, NotFoundError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.azure_resource import read
from hol_wizard.resources.context import StepContext
from hol_wizard.services.databricks import Databricks


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


def open_workspace(context: StepContext, environment: Environment | None = None) -> Databricks | None:
    """Return the client of an environment's workspace; None where there is none yet, or it lets nobody in yet.

    For plans, which are told before anything is there.
    """
    try:
        found = workspace(context, environment)
        name = workspace_id(context, environment).lower()
        context.reads.share(("databricks me", name), found.me)
    except (NotFoundError, AccessDeniedError):
        return None
    return found


def open_for_undo(context: StepContext) -> Databricks | None:
    """Return the client of the environment's workspace; None where all that was in it is gone, or goes, with it.

    That is where there is no workspace any more, and where the wizard's own workspace lets nobody in: it is deleted
    after what was in it.

    Raises:
        AccessDeniedError: Somebody else's workspace does not let the account in.
    """
    try:
        found = workspace(context)
        found.me()
    except NotFoundError:
        return None
    except AccessDeniedError:
        if context.ledger.made(workspace_id(context)):
            return None
        raise
    return found


def write_off(context: StepContext, resource: str, kind: str) -> None:
    """Note that something is gone with its workspace."""
    context.ledger.write(Fact.DELETED, context.target, resource, kind)
    context.channel.say(f"{kind} {resource.rpartition('/')[2]} is gone with its workspace.")
