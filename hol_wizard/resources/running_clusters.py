"""Clusters that are running and therefore cost money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hol_wizard.lab.model import Environment
from hol_wizard.resources.cluster import STOPPED, clusters, ours
from hol_wizard.resources.context import StepContext


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A cluster that has machines and therefore costs money."""

    environment: str
    name: str
    id: str
    ours: bool
    state: str
    since: datetime | None
    node_type: str
    machines: int
    idle_minutes: int
    """Idle minutes after which it stops automatically; 0 for never."""
    for_run: bool = False
    """Whether it ends with the run that it belongs to."""

    @property
    def stops(self) -> datetime | None:
        """When it stops automatically if nobody has used it since it started; None for never, or if unknown.

        The API does not say when a cluster was last used, so this is the earliest time.
        """
        if self.since is None or not self.idle_minutes:
            return None
        return self.since + timedelta(minutes=self.idle_minutes)


def running_clusters(context: StepContext, environment: Environment | None = None) -> list[RunningCluster]:
    """Return the clusters of an environment's workspace that have machines now, regardless of who created them.

    Raises:
        NotFoundError: There is no workspace.
        ServiceError: The workspace could not be asked.
    """
    return [
        RunningCluster(
            environment=str(environment or context.environment or ""),
            name=each.name,
            id=each.id,
            ours=ours(context, each),
            state=each.state,
            since=each.running_since,
            node_type=each.node_type,
            machines=each.machines,
            idle_minutes=each.autotermination_minutes,
            for_run=each.for_run,
        )
        for each in clusters(context, environment)
        if each.state not in STOPPED
    ]
