"""Clusters of a Databricks workspace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hol_wizard.errors import NotFoundError, ServiceError, WizardError
from hol_wizard.services import error_rules
from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import Connection

if TYPE_CHECKING:
    from databricks.sdk.service import compute

DEDICATED = "DATA_SECURITY_MODE_DEDICATED"
SINGLE_USER_MODES = frozenset({DEDICATED, "SINGLE_USER", "LEGACY_SINGLE_USER", "LEGACY_SINGLE_USER_STANDARD"})
"""Access modes for one person: the current name, and those of older clusters."""


@dataclass(frozen=True, slots=True)
class Termination:
    """Why a cluster stopped, or did not start."""

    code: str
    type: str
    """`SUCCESS` (as intended), `CLIENT_ERROR`, `CLOUD_FAILURE` or `SERVICE_FAULT`."""
    words: str

    @property
    def trouble(self) -> WizardError | None:
        """What it means and what to do about it; None if it was stopped by a person or after idling, as intended."""
        if self.type == "SUCCESS" or self.code in {"USER_REQUEST", "INACTIVITY", "JOB_FINISHED"}:
            return None
        rule = error_rules.rule_for("databricks", self.code, self.words)
        if rule is not None:
            return error_rules.explain(rule, self.code, self.words, thing="The cluster")
        return ServiceError(
            f"The cluster stopped: {self.words or self.code}",
            "Start it again. If it happens again, give the details to the proctor.",
            code=self.code,
            detail=f"{self.code} ({self.type}): {self.words}",
        )


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """The intended settings of a cluster."""

    name: str
    runtime: str
    """Key of a `Runtime`."""
    node_type: str
    user: str
    """The user that it is dedicated to."""
    autotermination_minutes: int
    workers: tuple[int, int] | None
    """Minimum and maximum number of workers; None for a single node."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, as returned by the workspace."""

    id: str
    name: str
    state: str
    """`PENDING`, `RUNNING`, `RESTARTING`, `RESIZING`, `TERMINATING`, `TERMINATED`, `ERROR` or `UNKNOWN`."""
    runtime: str
    node_type: str
    autotermination_minutes: int
    """0 if it never stops automatically."""
    access_mode: str
    user: str
    """The user that it is dedicated to; empty if there is none."""
    single_node: bool
    workers: tuple[int, int]
    """Minimum and maximum number of workers."""
    machines: int
    """Number of workers, now or when it runs."""
    creator: str = ""
    """Who created it; empty if unknown."""
    for_run: bool = False
    """Whether it belongs to a run of a job, and ends with it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    created: datetime | None = None
    running_since: datetime | None = None
    """When it was last started."""
    stopped: datetime | None = None
    termination: Termination | None = None


class Clusters(Connection):
    """A workspace's clusters."""

    def clusters(self) -> tuple[Cluster, ...]:
        """Return the clusters, including those that were terminated within the last 30 days.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        return tuple(map(_cluster, self._clusters("list of clusters").list(page_size=100)))

    def cluster(self, cluster_id: str) -> Cluster | None:
        """Return a cluster, or None.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        try:
            return _cluster(self._clusters(f"cluster {cluster_id}").get(cluster_id))
        except NotFoundError:
            return None

    def create_cluster(self, spec: ClusterSpec) -> str:
        """Create a cluster, which starts; return its ID. Names need not be unique, so check first.

        Raises:
            ServiceError: The workspace refused.
        """
        made = self._clusters(f"cluster {spec.name}").create(spec.runtime, **_settings(spec))
        # The SDK's waiting is not used, because the caller shows the progress.
        with sdk.reading(f"cluster {spec.name}"):
            return sdk.needed(made.bind()["cluster_id"], "cluster_id")

    def edit_cluster(self, cluster_id: str, spec: ClusterSpec) -> None:
        """Change a cluster to all settings of the specification; a running one is restarted.

        Raises:
            ConflictError: It is neither running nor terminated.
            ServiceError: The workspace refused.
        """
        self._clusters(f"cluster {spec.name}").edit(cluster_id, spec.runtime, **_settings(spec))

    def set_autotermination(self, cluster_id: str, minutes: int) -> None:
        """Set after how many idle minutes a cluster stops, and change nothing else; a running one may be restarted.

        Raises:
            ConflictError: It is neither running nor terminated.
            ServiceError: The workspace refused.
        """
        changed = sdk.compute().UpdateClusterResource(autotermination_minutes=minutes)
        api = self._clusters(f"cluster {cluster_id}")
        api.update(cluster_id, "autotermination_minutes", cluster=changed)

    def start_cluster(self, cluster_id: str) -> None:
        """Start a terminated cluster, without waiting.

        Raises:
            ConflictError: It is not terminated.
            ServiceError: The workspace refused.
        """
        self._clusters(f"cluster {cluster_id}").start(cluster_id)

    def stop_cluster(self, cluster_id: str) -> None:
        """Terminate a cluster, without waiting; it can be started again.

        Raises:
            ServiceError: The workspace refused.
        """
        self._clusters(f"cluster {cluster_id}").delete(cluster_id)

    def delete_cluster(self, cluster_id: str) -> None:
        """Remove a cluster permanently; does nothing if it no longer exists.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._clusters(f"cluster {cluster_id}").permanent_delete(cluster_id)

    def _clusters(self, thing: str) -> compute.ClustersAPI:
        api: compute.ClustersAPI = self._api(sdk.compute().ClustersAPI, thing)
        return api


def _settings(spec: ClusterSpec) -> dict[str, Any]:
    """Return a specification as arguments of the SDK's `create` and `edit`."""
    compute = sdk.compute()
    size: dict[str, Any] = {"is_single_node": True}
    if spec.workers is not None:
        size = {"autoscale": compute.AutoScale(min_workers=spec.workers[0], max_workers=spec.workers[1])}
    return {
        "cluster_name": spec.name,
        "node_type_id": spec.node_type,
        "kind": compute.Kind.CLASSIC_PREVIEW,
        "data_security_mode": compute.DataSecurityMode(DEDICATED),
        "single_user_name": spec.user,
        "autotermination_minutes": spec.autotermination_minutes,
        "custom_tags": dict(spec.tags),
        **size,
    }


@sdk.reads("cluster")
def _cluster(told: Any) -> Cluster:
    scale, count = told.autoscale, int(told.num_workers or 0)
    fewest, most = (int(scale.min_workers or 0), int(scale.max_workers or 0)) if scale else (count, count)
    conf = told.spark_conf or {}
    single = bool(told.is_single_node) or conf.get("spark.databricks.cluster.profile") == "singleNode"
    started, restarted = sdk.moment(told.start_time), sdk.moment(told.last_restarted_time)
    stopped = sdk.moment(told.terminated_time)
    state = sdk.value(told.state)
    reason = told.termination_reason
    present = len(told.executors or ()) + (1 if told.driver else 0)
    return Cluster(
        id=sdk.needed(told.cluster_id, "cluster_id"),
        name=str(told.cluster_name or ""),
        state=state,
        runtime=str(told.spark_version or ""),
        node_type=str(told.node_type_id or ""),
        autotermination_minutes=int(told.autotermination_minutes or 0),
        access_mode=sdk.value(told.data_security_mode) if told.data_security_mode else "",
        user=str(told.single_user_name or ""),
        single_node=single,
        workers=(fewest, most),
        machines=present or 1 + max(fewest, count),
        creator=str(told.creator_user_name or ""),
        for_run=told.cluster_source is not None and sdk.value(told.cluster_source) == "JOB",
        tags=dict(told.custom_tags or {}),
        message=str(told.state_message or ""),
        created=started,
        running_since=max(filter(None, (started, restarted)), default=None),
        stopped=stopped if state == "TERMINATED" else None,
        termination=_termination(reason, str(told.state_message or "")) if reason else None,
    )


def _termination(reason: Any, message: str) -> Termination:
    parameters = reason.parameters or {}
    said = [
        str(parameters[name])
        for name in ("azure_error_message", "databricks_error_message", "instance_pool_error_message")
        if parameters.get(name)
    ]
    code = sdk.value(reason.code)
    if code == "UNKNOWN" and (told := re.match(r"([A-Z][A-Z0-9_]+)\(", message)):
        code = told[1]
    return Termination(code, sdk.value(reason.type), said[0] if said else message)
