"""What the cases of everything in a Databricks workspace have in common."""

from __future__ import annotations

from typing import ClassVar

from hol_wizard.lab.model import Environment
from hol_wizard.resources.workspace import workspace, workspace_id
from hol_wizard.services.databricks.client import Databricks
from tests.practice.conftest import DATABRICKS
from tests.resources.case import Case
from tests.steps.databricks import LAUNCH


class InWorkspaceCase(Case):
    """Something in the workspace of an environment."""

    environment: ClassVar[Environment] = Environment.DEV

    def prepare(self) -> None:
        assert self.ground.attendee.solve(LAUNCH.replace("@dev", f"@{self.environment}")).all_passed()

    @property
    def here(self) -> Databricks:
        """The workspace, as the same account uses it by hand."""
        return workspace(self.ground.context(self.environment))

    @property
    def _workspace_path(self) -> str:
        return workspace_id(self.ground.context(self.environment)).removeprefix(self.ground.hand.base)

    @property
    def has_parent(self) -> bool:
        return self.ground.hand.ask("GET", self._workspace_path, version=DATABRICKS).status_code == 200

    def remove_parent(self) -> None:
        self.ground.hand.poll(self.ground.hand.ask("DELETE", self._workspace_path, version=DATABRICKS))

    def refuse_at(self, path: str, method: str = "POST") -> None:
        """Have the next request to a path of the workspace refused."""
        self.ground.cloud.control.fault(
            "error",
            service="databricks",
            path=path,
            method=method,
            times=1,
            status=403,
            code="PERMISSION_DENIED",
            message="You do not have permission to do this.",
        )
