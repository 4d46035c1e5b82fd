"""What everything in a Databricks workspace has in common, as a kind of resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.visibility import Viewer
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_workspace import databricks_workspace
from hol_wizard.resources.visibility import databricks_viewer
from hol_wizard.resources.workspace import workspace, workspace_id
from hol_wizard.services.databricks.client import Databricks

T = TypeVar("T")


@dataclass(frozen=True)
class InWorkspace(Resource[T]):
    """Something in the environment's Databricks workspace, which may let nobody in yet."""

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
        """Return who is signed in to the workspace: it shows to others only some of what is in it."""
        return databricks_viewer(self.context, self.here)

    @property
    def here(self) -> Databricks:
        """Return the client of the workspace.

        Raises:
            NotFoundError: There is no workspace.
            NotReadyError: Azure does not tell its address yet.
        """
        return workspace(self.context)

    def enter(self, reads: SharedReads) -> Databricks:
        """Return the client, once the workspace is known to let the account in.

        Any other request of an owner's has the workspace let them in: a look must not do that.

        Raises:
            AccessDeniedError: It does not.
            NotFoundError: There is no workspace.
            NotReadyError: Azure does not tell its address yet.
        """
        here = self.here
        reads.share(("databricks me", workspace_id(self.context).lower()), here.me)
        return here

    def join(self) -> None:
        """Have the workspace let the account in: who may delete it is let in."""
        self.here.join()
