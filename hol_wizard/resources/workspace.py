"""The Databricks workspace of an environment, as the sections after its creation use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change
from hol_wizard.errors import AccessDeniedError, NotFoundError, NotReadyError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.addresses import address
from hol_wizard.resources.azure_resource import in_group, read
from hol_wizard.resources.context import StepContext
from hol_wizard.services.databricks.client import Databricks


def workspace_id(context: StepContext, environment: Environment | None = None) -> str:
    """Return the Azure resource id of an environment's workspace; None: of the context's own environment."""
    here = context.names.of(environment) if environment else context.here
    return in_group(context, "Microsoft.Databricks/workspaces", here.databricks_workspace, environment)


def workspace(context: StepContext, environment: Environment | None = None) -> Databricks:
    """Return the client of an environment's workspace; None: of the context's own environment.

    Raises:
        NotFoundError: There is no workspace.
        NotReadyError: Azure does not tell its address yet.
    """
    found = workspace_id(context, environment)
    step = "“Add a Databricks workspace” (workspace-resources/add-a-databricks-workspace)"
    url = address(context, found, "Databricks workspace", step, "workspaceUrl")
    return context.services.databricks(url, found)


def open_workspace(context: StepContext, environment: Environment | None = None) -> Databricks | None:
    """Return the client of an environment's workspace; None where there is none yet, or it lets nobody in yet.

    For plans, which are told before anything is there.
    """
    try:
        found = workspace(context, environment)
        name = workspace_id(context, environment).lower()
        context.reads.share(("databricks me", name), found.me)
    except (NotFoundError, NotReadyError, AccessDeniedError):
        return None
    return found


def open_for_undo(context: StepContext, *, join: bool = False) -> Databricks | None:
    """Return the client of the environment's workspace; None where all that was in it is gone with the workspace.

    Only Azure Resource Manager says that there is no workspace. One that lets nobody in, or does not answer as a
    workspace, still has what was made in it.

    Args:
        context: The step's.
        join: Whether the wizard's own workspace is asked to let the account in.

    Raises:
        AccessDeniedError: The workspace does not let the account in.
        NotReadyError: The workspace exists, but Azure does not tell its address.
    """
    if read(context, workspace_id(context)) is None:
        return None
    found = workspace(context)
    try:
        found.me()
    except AccessDeniedError:
        # Who may delete a workspace is let in by it; in a plan nothing is changed.
        if not join or not context.ledger.made(workspace_id(context)):
            raise
        found.join()
    return found


def plan_inside(
    context: StepContext, kind: str, name: str, resource: str, plan: Callable[[Databricks], Sequence[Change]]
) -> Sequence[Change]:
    """Return what an undo would do in the environment's workspace: nothing where that is gone.

    Args:
        context: The step's.
        kind: What was made there, in people's words.
        name: As people know it.
        resource: Its id in the ledger.
        plan: Tells what would be done, given the client.

    Raises:
        AccessDeniedError: Somebody else's workspace does not let the account in.
        InconclusiveError: Whether it is there cannot be told.
    """
    try:
        here = open_for_undo(context)
    except AccessDeniedError:
        if not context.ledger.made(workspace_id(context)):
            raise
        note = "cannot tell whether it exists: the workspace does not let you in yet, and is asked to"
        return [Change("unclear", kind, name, context.here.databricks_workspace, note=note, resource=resource)]
    return plan(here) if here is not None else ()


def write_off(context: StepContext, resource: str, kind: str) -> None:
    """Note that something is gone with its workspace."""
    context.ledger.write(Fact.DELETED, context.target, resource, kind)
    context.channel.say(f"{kind} {resource.rpartition('/')[2]} is gone with its workspace.")
