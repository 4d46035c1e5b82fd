"""Which workspace is meant: its number, its name among the ports, the resource behind it, and what was kept in it."""

from __future__ import annotations

import hashlib
import shutil

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

SERVICE = "databricks"
"""The service's name, as ports and faults know it."""
TYPE = "microsoft.databricks/workspaces"
COLLECTIONS = (
    "databricks_users",
    "databricks_tokens",
    "databricks_settings",
    "databricks_clusters",
    "databricks_events",
    "databricks_libraries",
    "databricks_scopes",
    "vault_databricks_secrets",
    "databricks_git_credentials",
    "vault_databricks_git_tokens",
    "databricks_git_folders",
    "databricks_objects",
)
"""Where the things in workspaces are kept; each document says in `workspace` where it belongs."""


def number(resource: Document) -> int:
    """Return the workspace's id, as `properties.workspaceId` says it: decimal digits."""
    return int(hashlib.sha256(resource["guid"].encode()).hexdigest()[:13], 16)


def thing(resource: Document) -> str:
    """Return the first part of its host name: `adb-<workspace id>.<a number below 20>`."""
    identity = number(resource)
    return f"adb-{identity}.{identity % 20}"


def resource_of(world: World, name: str) -> Document | None:
    """Return the Azure resource of the workspace with this name among the ports."""
    for each in world.resources:
        if each["type"].lower() == TYPE and thing(each) == name:
            return each
    return None


def forget(world: World, name: str) -> None:
    """Forget all that was in a workspace that is gone."""
    for collection in map(world.store.collection, COLLECTIONS):
        for key, document in collection.items():
            if document["workspace"] == name:
                collection.delete(key)
    shutil.rmtree(world.folder("git-folders") / name, ignore_errors=True)
