"""A library on the cluster: it has no mark."""

from __future__ import annotations

import time
from types import MappingProxyType

from hol_wizard.engine import ownership
from hol_wizard.resources import cluster
from hol_wizard.resources.cluster_library import ClusterLibrary
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import Cluster
from tests.resources.case import Case
from tests.steps.databricks import CLUSTER

PACKAGE = "azureml-mlflow==1.62.0.post6"
OTHER = "azureml-mlflow==1.50"


class ClusterLibraryCase(Case):
    resource = ClusterLibrary
    exempt = MappingProxyType(
        {
            "mark removed": "it has no mark",
            "replaced": "one that is installed again on the same cluster is the same",
        }
    )

    def prepare(self) -> None:
        assert self.ground.attendee.solve(CLUSTER).all_passed()

    def make(self, context: StepContext) -> ClusterLibrary:
        return ClusterLibrary(context, PACKAGE)

    @property
    def _here(self) -> Databricks:
        return workspace(self.ground.context())

    @property
    def _cluster(self) -> Cluster:
        found = cluster.choose(self.ground.context(), self._here.clusters())
        assert found is not None
        return found

    def _statuses(self) -> dict[str, str]:
        found = cluster.choose(self.ground.context(), self._here.clusters())
        return {each.package: each.status for each in self._here.libraries(found.id)} if found is not None else {}

    def state(self) -> object:
        status = self._statuses().get(PACKAGE, "UNINSTALL_ON_RESTART")
        return None if status == "UNINSTALL_ON_RESTART" else PACKAGE

    def by_hand(self) -> None:
        self._install(PACKAGE)

    def by_hand_wrong(self) -> None:
        self._install(OTHER)

    def _install(self, package: str) -> None:
        self._here.install_library(self._cluster.id, package)
        until = time.monotonic() + 10
        while self._statuses()[package] != "INSTALLED":
            assert time.monotonic() < until
            time.sleep(0.02)

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="databricks",
            path="libraries/install",
            times=1,
            status=403,
            code="PERMISSION_DENIED",
            message="You do not have permission to manage the cluster.",
        )

    def remove(self) -> None:
        for package in self._statuses():
            self._here.uninstall_library(self._cluster.id, package)
        if OTHER in self._statuses():
            # What is in the way goes with a restart.
            context = self.ground.context()
            self._here.stop_cluster(self._cluster.id)
            stopped = cluster.await_cluster(
                context, self._here, self._cluster.id, lambda each: each.state in cluster.STOPPED
            )
            cluster.start(context, self._here, stopped)

    def remove_parent(self) -> None:
        self._here.delete_cluster(self._cluster.id)
        assert ownership.plan_undo(self.make(self.ground.context())) == ()
