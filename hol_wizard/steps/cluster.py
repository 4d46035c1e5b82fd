"""Section cluster: the clusters that run the notebooks."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import LONG_WORK_DEADLINE, Change, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError
from hol_wizard.resources.cluster import KIND, NAME, STOPPED, await_cluster, choose, left_stopped, start, state_of
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_cluster import DatabricksCluster
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import Cluster

# The workspace


@check(deadline=20)
def let_in(context: StepContext) -> Result:
    """Check whether the account is a user of the workspace.

    The request does not name the Azure resource, so it makes nobody an administrator.
    """
    name = context.here.databricks_workspace
    here = workspace(context)
    try:
        user = here.me()
    except AccessDeniedError as error:
        return Result(
            Status.FAILED,
            f"You are not a user of the workspace {name} yet.",
            (Expectation("Workspace", "gives you access", "denies you access", met=False),),
            "Select Launch Workspace in the portal, or <solve>.",
            error.detail,
        )
    return Result(
        Status.PASSED,
        f"You have access to the workspace {name}.",
        (
            Expectation("Workspace", "gives you access", f"as {user.name}", met=True),
            Expectation("Address", "of its own", here.host, met=True),
        ),
    )


def _plan_launch(context: StepContext) -> Sequence[Change]:
    name = context.here.databricks_workspace
    note = "you become an administrator of it, as Owner or Contributor of its Azure resource"
    return (Change("change", "Databricks workspace", name, context.here.resource_group, "free", 5, note),)


@solve(plan=_plan_launch)
def launch(context: StepContext) -> None:
    """Send the same request as the portal's button, so that an Owner or Contributor gets access.

    Raises:
        AccessDeniedError: The account is neither.
    """
    here = workspace(context)
    context.reporter.stop_if_cancelled()
    context.reporter.say(f"Signing in to {here.host} …")
    user = here.join()
    role = "an administrator" if user.administrator else "a user"
    context.reporter.say(f"{user.name} is {role} of the workspace.")


# The cluster


@check(deadline=20)
def exists(context: StepContext) -> Result:
    """Check whether the cluster exists and fits, and return its state."""
    return ownership.check(DatabricksCluster(context))


@solve(plan=lambda context: ownership.plan(DatabricksCluster(context)), deadline=LONG_WORK_DEADLINE)
def create(context: StepContext) -> None:
    """Create the cluster with the person's choices, and save them."""
    context.save("cluster_size", "node_type", "cluster_user")
    ownership.solve(DatabricksCluster(context))


@undo(
    plan=lambda context: ownership.plan_undo(DatabricksCluster(context)),
    marked=lambda context: ownership.marked(DatabricksCluster(context)),
    deadline=LONG_WORK_DEADLINE,
)
def delete(context: StepContext) -> None:
    """Delete the cluster permanently, running or not."""
    ownership.undo(DatabricksCluster(context))


def _existing(context: StepContext) -> tuple[Databricks, Cluster]:
    here = workspace(context)
    cluster = choose(context, here.clusters())
    if cluster is None:
        raise NotFoundError(f"There is no cluster {NAME} yet.", "<first cluster/create-the-cluster>.")
    return here, cluster


@action("Start the cluster", deadline=LONG_WORK_DEADLINE)
def start_cluster(context: StepContext) -> None:
    """Start the cluster and wait until it runs.

    Raises:
        ConflictError: It is the cluster that is left stopped.
        NotFoundError: There is none.
        WizardError: It did not start; the message says why.
    """
    if left_stopped(context):
        raise ConflictError(
            f"The cluster {NAME} of {context.environment} is left stopped: a build trains on a job cluster with its "
            "settings.",
            "If you want to try something on it, start it under Compute in the workspace. It costs money until you "
            "stop it.",
        )
    here, cluster = _existing(context)
    if cluster.state == "RUNNING":
        context.reporter.say(f"{KIND} {NAME} {state_of(cluster)}.")
        return
    start(context, here, cluster)


@action("Stop the cluster", deadline=LONG_WORK_DEADLINE)
def stop_cluster(context: StepContext) -> None:
    """Stop the cluster, so that it costs nothing, and wait until it has stopped; it can be started again.

    Raises:
        NotFoundError: There is none.
        ServiceError: Databricks refused.
    """
    here, cluster = _existing(context)
    if cluster.state not in STOPPED:
        if cluster.state != "TERMINATING":
            context.reporter.stop_if_cancelled()
            context.reporter.say(f"Stopping {KIND} {NAME} …")
            here.stop_cluster(cluster.id)
        cluster = await_cluster(context, here, cluster.id, lambda each: each.state in STOPPED)
    context.reporter.say(f"{KIND} {NAME} {state_of(cluster)}.")
