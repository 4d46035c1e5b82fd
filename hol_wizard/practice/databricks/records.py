"""Records that several parts of a workspace use: its users and its clusters."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class Members:
    """The users of each workspace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.part(address.Contents).collection("databricks_users", self)

    def has(self, workspace: str, principal: str) -> bool:
        """Return whether the principal with an object ID is in a workspace."""
        return f"{workspace}/{principal}" in self._documents

    def add(self, workspace: str, principal: str) -> None:
        """Add somebody."""
        document = {"workspace": workspace, "principal": principal, "since": self._world.clock.now()}
        self._documents.put(f"{workspace}/{principal}", document)

    def of(self, workspace: str) -> list[seed.Principal]:
        """Return who is in a workspace and still in the directory."""
        found = (self._world.principal(each["principal"]) for each in self._documents if each["workspace"] == workspace)
        return [each for each in found if each is not None]


class ClusterRecords(Register):
    """The clusters of all workspaces, in any state."""

    def __init__(self, world: World) -> None:
        self._documents = world.part(address.Contents).collection("databricks_clusters", self)

    def key(self, document: Document) -> str:
        """Return the workspace and the cluster's ID in it."""
        return f"{document['workspace']}/{document['cluster_id']}"
