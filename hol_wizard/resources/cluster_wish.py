"""A person's choices for the cluster, and how a cluster compares with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hol_wizard.engine.results import Expectation
from hol_wizard.errors import ConflictError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.cluster import IDLE_MINUTES, minutes_of, worker
from hol_wizard.resources.context import StepContext
from hol_wizard.services.databricks.clusters import SINGLE_USER_MODES, Cluster
from hol_wizard.services.databricks.machines import Runtime

WORKERS: Final = (2, 8)
"""Minimum and maximum number of workers as in the lab of 2019, as an option."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A person's choices for the cluster."""

    workers: tuple[int, int] | None
    """None for a single node."""
    node_type: str
    """Empty for any that fits."""
    user: str = ""
    """Who works on it; empty for the signed-in account."""

    @property
    def size(self) -> str:
        """The size in words."""
        return "a single node" if self.workers is None else f"{self.workers[0]} to {self.workers[1]} workers"

    @property
    def machines(self) -> int:
        """Number of machines at the start."""
        return 1 if self.workers is None else 1 + self.workers[0]


def wish(context: StepContext) -> Wish:
    """Return the effective choices: given for this run, otherwise saved, otherwise the default."""

    workers = WORKERS if context.answer("cluster_size") == "autoscaling" else None
    return Wish(workers, context.answer("node_type"), worker(context))


def _size_of(cluster: Cluster) -> str:
    if cluster.single_node:
        return "a single node"
    fewest, most = cluster.workers
    return f"{fewest} to {most} workers" if fewest != most else f"{fewest} workers"


def _mode_of(cluster: Cluster) -> str:
    if cluster.access_mode in SINGLE_USER_MODES:
        return f"dedicated to {cluster.user or 'nobody'}"
    return cluster.access_mode.removeprefix("DATA_SECURITY_MODE_").replace("_", " ").capitalize() or "not set"


def fitting(context: StepContext, cluster: Cluster, runtimes: Iterable[Runtime], me: str) -> tuple[Expectation, ...]:
    """Return the cluster's settings, expected and actual.

    In dev, a cluster that is dedicated to somebody else is useless; in pipeline, nobody runs anything on it.
    """
    wanted = wish(context)
    user = wanted.user or me
    runtime = next((each for each in runtimes if each.key == cluster.runtime), None)
    mode = cluster.access_mode in SINGLE_USER_MODES
    right = not cluster.user or cluster.user.lower() == user.lower() or context.environment is not Environment.DEV
    seen = [
        Expectation(
            "Databricks runtime",
            "an LTS version for machine learning",
            runtime.name if runtime else f"{cluster.runtime or 'none'}, which is no longer offered",
            met=runtime is not None and runtime.fits,
        ),
        Expectation(
            "Terminate after",
            f"{IDLE_MINUTES} idle minutes",
            minutes_of(cluster),
            met=cluster.autotermination_minutes == IDLE_MINUTES,
        ),
        Expectation("Size", wanted.size, _size_of(cluster), met=_size_of(cluster) == wanted.size),
        Expectation("Access mode", f"dedicated to {user}", _mode_of(cluster), met=mode and right),
    ]
    if wanted.node_type:
        met = cluster.node_type.lower() == wanted.node_type.lower()
        seen.append(Expectation("Machine type", wanted.node_type, cluster.node_type, met=met))
    return tuple(seen)


def newest(runtimes: Iterable[Runtime]) -> Runtime:
    """Return the newest runtime that the lab's code can use.

    Raises:
        ConflictError: The workspace offers none.
    """
    usable = [each for each in runtimes if each.fits]
    if not usable:
        raise ConflictError(
            "The workspace offers no LTS runtime for machine learning.",
            "Check under Compute, Create compute, which runtimes are available, and tell the proctor.",
        )
    return max(usable, key=lambda each: (each.version, each.key))
