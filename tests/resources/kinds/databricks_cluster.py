"""The cluster: known by its name and its tag, for the service makes a second one of the same name."""

from __future__ import annotations

from dataclasses import replace

from hol_wizard.lab.model import Environment
from hol_wizard.resources.cluster import IDLE_MINUTES, NAME, STOPPED, await_cluster
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_cluster import DatabricksCluster
from hol_wizard.services.databricks.clusters import Cluster, ClusterSpec
from tests.resources.in_workspace import InWorkspaceCase


class DatabricksClusterCase(InWorkspaceCase):
    resource = DatabricksCluster
    namesakes = True

    def make(self, context: StepContext) -> DatabricksCluster:
        return DatabricksCluster(replace(context, environment=self.environment))

    def _clusters(self) -> list[Cluster]:
        return [each for each in self.here.clusters() if each.name == NAME] if self.has_parent else []

    def state(self) -> object:
        return [(each.id, each.autotermination_minutes, each.node_type, each.tags) for each in self._clusters()] or None

    def by_hand(self) -> None:
        self._make()

    def by_hand_wrong(self) -> None:
        self._make(workers=(2, 8))

    def _make(self, **changes: object) -> None:
        here, context = self.here, self.ground.context(self.environment)
        runtime = next(each.key for each in here.runtimes() if each.fits)
        spec = ClusterSpec(NAME, runtime, "Standard_DS3_v2", here.me().name, IDLE_MINUTES, None)
        made = here.create_cluster(replace(spec, **changes))  # type: ignore[arg-type] # any of its fields
        self._let_be(context, made)

    def _let_be(self, context: StepContext, made: str) -> None:
        await_cluster(context, self.here, made, lambda each: each.state == "RUNNING")

    def refuse(self) -> None:
        self.refuse_at("clusters/create")

    def remove_mark(self) -> None:
        here = self.here
        (found,) = self._clusters()
        spec = ClusterSpec(NAME, found.runtime, found.node_type, found.user, IDLE_MINUTES, None)
        here.edit_cluster(found.id, spec)
        await_cluster(
            self.ground.context(self.environment), here, found.id, lambda each: each.state in {"RUNNING", *STOPPED}
        )

    def remove(self) -> None:
        for each in self._clusters():
            self.here.delete_cluster(each.id)


class StoppedClusterCase(DatabricksClusterCase):
    """The cluster of pipeline, which is created and left stopped."""

    environment = Environment.PIPELINE

    def state(self) -> object:
        return [(each.id, each.state == "RUNNING", each.tags) for each in self._clusters()] or None

    def _let_be(self, context: StepContext, made: str) -> None:
        self.here.stop_cluster(made)
        await_cluster(context, self.here, made, lambda each: each.state in STOPPED)
