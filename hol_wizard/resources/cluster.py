"""The cluster of an environment: finding it, starting it and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from hol_wizard.engine.ownership import look_again
from hol_wizard.errors import ConflictError, NotFoundError, ServiceError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources.azure_resource import TAG
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.workspace import workspace, workspace_id
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import SINGLE_USER_MODES, Cluster

KIND: Final = "Databricks cluster"
NAME: Final = FIXED["cluster"]
IDLE_MINUTES: Final = 120
"""The lab's setting: "terminate after 120 minutes"."""
STARTS: Final = 300.0
STOPS: Final = 60.0
PATIENCE: Final = 1500.0
"""Seconds to wait for a cluster to start; Databricks itself gives up after about 20 minutes."""

STOPPED: Final = frozenset({"TERMINATED", "ERROR"})
CHANGING: Final = frozenset({"PENDING", "RESTARTING", "RESIZING", "TERMINATING"})


def left_stopped(context: StepContext) -> bool:
    """Return whether the environment's cluster is created and left stopped.

    In pipeline, nobody works on it. A dedicated cluster runs nothing for another identity ("Dedicated compute
    overview"), so a build trains on its own job cluster, with the settings and libraries of this one.
    """
    return context.environment is Environment.PIPELINE


def clusters(context: StepContext, environment: Environment | None = None) -> tuple[Cluster, ...]:
    """Return all clusters of an environment's workspace; checks of one run share the read."""
    here = workspace(context, environment)
    return context.reads.share(("clusters", workspace_id(context, environment).lower()), here.clusters)


def find(context: StepContext, environment: Environment | None = None) -> Cluster | None:
    """Return the environment's cluster, or None: the wizard's own by its tag, otherwise the only one of this name.

    Raises:
        ConflictError: There are several of this name, and none is the wizard's.
        NotFoundError: There is no workspace.
        ServiceError: The workspace could not be asked.
    """
    return choose(context, clusters(context, environment))


@dataclass(frozen=True, slots=True)
class Named:
    """The clusters with the lab's name."""

    cluster: Cluster
    """The relevant one: the oldest of ours, otherwise the only one."""
    doubles: tuple[Cluster, ...] = ()
    """Duplicates of ours, which a lost response may have caused."""
    others: tuple[Cluster, ...] = ()
    """Further ones if none is ours, so that the relevant one is unknown."""


def worker(context: StepContext) -> str:
    """Return who works on the cluster; empty for the signed-in account, and if nobody works on it."""
    chosen = context.answer("cluster_user")
    return "" if left_stopped(context) else chosen


def account(context: StepContext) -> str:
    """Return the account's name in the workspace; checks of one run share the read."""
    place = workspace_id(context).lower()
    return context.reads.share(("databricks me", place), workspace(context).me).name


def namesakes(context: StepContext, found: Iterable[Cluster]) -> list[Cluster]:
    """Return the clusters that have the name, without those that other scientists have for themselves.

    Names need not be unique in a workspace, and a dedicated cluster is useless for everybody but its user. In pipeline,
    nobody works on the cluster.
    """
    those = [each for each in found if each.name == NAME]
    if context.environment is not Environment.DEV:
        return those

    def is_foreign(cluster: Cluster) -> bool:
        dedicated = cluster.user and cluster.access_mode in SINGLE_USER_MODES and not ours(context, cluster)
        return bool(dedicated) and cluster.user.lower() != (worker(context) or account(context)).lower()

    return [each for each in those if not is_foreign(each)]


def named(context: StepContext, found: Iterable[Cluster]) -> Named | None:
    """Return those of the clusters that have the name and are not somebody else's."""
    those = namesakes(context, found)
    mine = oldest_first(each for each in those if ours(context, each))
    if mine:
        return Named(mine[0], doubles=tuple(mine[1:]))
    return Named(those[0], others=tuple(those[1:])) if those else None


def choose(context: StepContext, found: Iterable[Cluster]) -> Cluster | None:
    """Return the relevant cluster, or None (`find`).

    Raises:
        ConflictError: There are several of this name, and none is the wizard's.
    """
    those = named(context, found)
    if those is not None and those.others:
        raise several((those.cluster, *those.others))
    return those.cluster if those is not None else None


def several(found: Sequence[Cluster]) -> ConflictError:
    """Return the error for several clusters of this name, none of which is the wizard's."""
    return ConflictError(
        f"There are {len(found)} clusters with the name {NAME}, and none has this lab's tag: "
        f"{', '.join(each.id for each in found)}.",
        "Delete or rename all but one of them under Compute in the workspace.",
    )


def ours(context: StepContext, cluster: Cluster) -> bool:
    """Whether the cluster has this lab's tag."""
    return cluster.tags.get(TAG) == context.profile.choices.lab_id != ""


def oldest_first(found: Iterable[Cluster]) -> list[Cluster]:
    """Return the clusters by creation time; those without one are last."""
    return sorted(found, key=lambda each: (each.created or datetime.max.replace(tzinfo=UTC), each.id))


def ledger_id(context: StepContext) -> str:
    """Return the cluster's ID in the ledger, which is written before the service assigns an ID."""
    return f"{workspace_id(context)}/clusters/{NAME}"


def minutes_of(cluster: Cluster) -> str:
    """Return in words after how long the cluster stops automatically."""
    minutes = cluster.autotermination_minutes
    return f"{minutes} idle minutes" if minutes else "never"


def idling_of(cluster: Cluster) -> str:
    """Return in words what the cluster costs while nobody uses it."""
    return idling(cluster.machines, cluster.node_type)


def idling(machines: int, node_type: str) -> str:
    """Return in words what a cluster costs while nobody uses it."""
    those = f"{machines} machine{'s' if machines > 1 else ''} {node_type}"
    return f"while it runs, each hour costs {those} with disks, and their Databricks units, whether used or not"


def _clock(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%H:%M on %d %B") if moment else "an unknown time"


def state_of(cluster: Cluster) -> str:
    """Return the state in words, with when it began and when it ends."""
    if cluster.state == "RUNNING":
        text = f"has run since {_clock(cluster.running_since)}"
        if not cluster.autotermination_minutes:
            return f"{text}, and never stops automatically"
        return f"{text}; stops automatically {cluster.autotermination_minutes} minutes after its last use"
    if cluster.state == "TERMINATED":
        return f"has been stopped since {_clock(cluster.stopped)}; it costs nothing"
    return cluster.state.lower()


def creator_of(context: StepContext, cluster: Cluster) -> str:
    """Return in words who created the cluster, as far as the workspace and the lab's tag show."""
    if ours(context, cluster):
        return "created by this lab's wizard"
    return f"created by {cluster.creator}" if cluster.creator else "created by somebody else"


def trouble_of(cluster: Cluster) -> WizardError | None:
    """Return why a cluster did not start; None if it did."""
    if cluster.state not in STOPPED:
        return None
    if cluster.termination is not None:
        return cluster.termination.trouble
    if cluster.state == "ERROR":
        return ServiceError(cluster.message or "Databricks does not say why.", "Delete it, then <solve>.")
    return None


def await_cluster(context: StepContext, here: Databricks, cluster_id: str, until: Callable[[Cluster], bool]) -> Cluster:
    """Return the cluster when it is in the wanted state.

    Raises:
        NotFoundError: It was removed in the meantime.
        ServiceError: It takes too long.
    """
    deadline, absences = time.monotonic() + PATIENCE, 0
    while True:
        cluster = look_again(context, f"{KIND} {NAME}", partial(here.cluster, cluster_id))
        if cluster is None:
            absences += 1
            if absences > 3:
                raise NotFoundError(
                    f"The cluster {NAME} is gone.", "Check under Compute in the workspace, then try again."
                )
        elif until(cluster):
            return cluster
        state = cluster.state.lower() if cluster else "not listed yet"
        going = cluster is not None and cluster.state == "TERMINATING"
        words = (cluster.message if cluster else "") or state
        context.reporter.progress(f"{KIND} {NAME}: {words}", STOPS if going else STARTS)
        if time.monotonic() > deadline:
            raise ServiceError(
                f"{KIND} {NAME} is still {state}.", "Check again in a few minutes; it continues automatically."
            )
        context.reporter.wait(context.services.arm.poll_interval)


def await_start(context: StepContext, here: Databricks, cluster_id: str) -> Cluster:
    """Return the cluster when it is running.

    Raises:
        WizardError: It did not start; the message says why.
    """
    cluster = await_cluster(context, here, cluster_id, lambda each: each.state in {"RUNNING", *STOPPED})
    if cluster.state == "RUNNING":
        return cluster
    trouble = trouble_of(cluster)
    if trouble is not None:
        raise trouble
    raise ConflictError(f"{KIND} {NAME} was stopped while it was starting.", "Start it again.")


def start(context: StepContext, here: Databricks, cluster: Cluster) -> Cluster:
    """Start the cluster if it is not running, and wait until it is."""
    reporter = context.reporter
    if cluster.state == "TERMINATING":
        cluster = await_cluster(context, here, cluster.id, lambda each: each.state in STOPPED)
    if cluster.state in STOPPED:
        reporter.stop_if_cancelled()
        reporter.say(
            f"Starting {KIND} {NAME}: {idling_of(cluster)}; it stops automatically after {minutes_of(cluster)} …"
        )
        here.start_cluster(cluster.id)
    cluster = await_start(context, here, cluster.id)
    reporter.say(f"{KIND} {NAME} {state_of(cluster)}.")
    return cluster
