"""The base of all kinds of resources in a Databricks workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.visibility import Viewer
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_workspace import databricks_workspace
from hol_wizard.resources.visibility import databricks_viewer
from hol_wizard.resources.workspace import workspace, workspace_id
from hol_wizard.services.databricks.client import Databricks

T = TypeVar("T")


@dataclass(frozen=True)
class InWorkspace(Resource[T]):
    """A resource in the environment's Databricks workspace, to which the account may not have access yet."""

    context: StepContext
    can_join = True

    @property
    def where(self) -> str:
        """Return the workspace's name."""
        return self.context.here.databricks_workspace

    @property
    def parent(self) -> Resource[Any]:
        """Return the workspace."""
        return databricks_workspace(self.context)

    @property
    def viewer(self) -> Viewer | None:
        """Return who is signed in to the workspace, which shows other users only a part of its contents."""
        return databricks_viewer(self.context, self.here)

    @property
    def here(self) -> Databricks:
        """Return the client of the workspace.

        Raises:
            NotFoundError: There is no workspace.
            NotReadyError: Azure does not return its address yet.
        """
        return workspace(self.context)

    def enter(self, reads: ReadCache) -> Databricks:
        """Return the client, after checking that the account has access to the workspace.

        Any other request by an owner adds them to the workspace, which a check must not do.

        Raises:
            AccessDeniedError: The account has no access.
            NotFoundError: There is no workspace.
            NotReadyError: Azure does not return its address yet.
        """
        here = self.here
        reads.share(("databricks me", workspace_id(self.context).lower()), here.me)
        return here

    def join(self) -> None:
        """Get access to the workspace, which everybody who may delete it can get."""
        self.here.join()
