"""Identifies workspaces: their numbers, their names among the ports, their Azure resources, and their contents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.kernel.store import Collection, Document
from hol_wizard.practice.kernel.world import World

SERVICE = "databricks"
"""The service's name for ports and faults."""
TYPE = "microsoft.databricks/workspaces"


class Contents:
    """The contents of the workspaces: each document is deleted with the workspace that it names in `workspace`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._collections: list[Collection] = []
        self.when_gone: list[Callable[[str], object]] = []
        """Called with the name of each workspace that is deleted."""

    def collection(self, name: str, owner: object) -> Collection:
        """Return a part's own collection, whose documents each name a workspace."""
        found = self._world.collection(name, owner)
        self._collections.append(found)
        return found

    def forget(self, workspace: str) -> None:
        """Delete the contents of a workspace that no longer exists."""
        for collection in self._collections:
            for key, document in collection.items():
                if document["workspace"] == workspace:
                    collection.delete(key)
        for told in self.when_gone:
            told(workspace)


def number(resource: Document) -> int:
    """Return the workspace's ID as in `properties.workspaceId`: decimal digits."""
    return int(hashlib.sha256(resource["guid"].encode()).hexdigest()[:13], 16)


def thing(resource: Document) -> str:
    """Return the first part of its host name: `adb-<workspace ID>.<a number below 20>`."""
    identity = number(resource)
    return f"adb-{identity}.{identity % 20}"


def resource_of(world: World, name: str) -> Document | None:
    """Return the Azure resource of the workspace with this name among the ports."""
    resources = world.part(Resources)
    for identity in resources.ids_of(TYPE):
        found = resources.find(identity)
        if found is not None and thing(found) == name:
            return found
    return None
