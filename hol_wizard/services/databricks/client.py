"""One Databricks workspace, with everything that the lab needs from it."""

from __future__ import annotations

from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.clusters import Clusters
from hol_wizard.services.databricks.commands import Commands
from hol_wizard.services.databricks.git import DatabricksGit
from hol_wizard.services.databricks.job_runs import JobRuns
from hol_wizard.services.databricks.libraries import Libraries
from hol_wizard.services.databricks.machines import Machines
from hol_wizard.services.databricks.people import People
from hol_wizard.services.databricks.secret_scopes import SecretScopes
from hol_wizard.services.databricks.tokens import Tokens


class Databricks(People, Clusters, Machines, Libraries, Tokens, SecretScopes, Commands, JobRuns):
    """One Databricks workspace; thread-safe."""

    @property
    def git(self) -> DatabricksGit:
        """Git credentials, Git folders, and the notebooks in them."""
        return DatabricksGit(self._api, sdk.workspace())
