"""Experiments and runs of the workspaces' MLflow tracking."""

from __future__ import annotations

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class Tracking:
    """The tracked experiments and runs, by workspace."""

    def __init__(self, world: World) -> None:
        self.experiments = world.collection("mlflow_experiments", self)
        self.runs = world.collection("mlflow_runs", self)

    def forget(self, workspace: Document) -> None:
        """Delete the experiments and runs of a workspace that no longer exists."""
        for collection in (self.experiments, self.runs):
            for key, document in collection.items():
                if document["workspace"] == workspace["id"].lower():
                    collection.delete(key)
