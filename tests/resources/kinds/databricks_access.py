"""A personal access token of Databricks, and the CLI's profile."""

from __future__ import annotations

from types import MappingProxyType
from unittest.mock import patch

from hol_wizard.errors import UsageError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_cli_profile import AZURE_CLI, DatabricksCliProfile
from hol_wizard.resources.databricks_token import DatabricksToken, kept_token
from hol_wizard.services.databricks.profiles import CliProfile, DatabricksProfiles
from tests.resources.in_workspace import InWorkspaceCase


class DatabricksTokenCase(InWorkspaceCase):
    resource = DatabricksToken
    beside = True
    exempt = MappingProxyType(
        {
            "conflict": "another token is not in the way",
            "overtaken": "another token is not in the way",
            "mark removed": "the comment of a token cannot be changed",
        }
    )

    def make(self, context: StepContext) -> DatabricksToken:
        return DatabricksToken(context)

    def state(self) -> object:
        listed = sorted(each.id for each in self.here.tokens())
        kept = kept_token(self.ground.context())
        return (listed, kept) if listed or kept else None

    def by_hand(self) -> None:
        self.here.create_token("somebody's", 3600)

    def refuse(self) -> None:
        self.refuse_at("token/create")

    def remove(self) -> None:
        for each in self.here.tokens():
            self.here.delete_token(each.id)
        self.make(self.ground.context()).purge()


class DatabricksCliProfileCase(InWorkspaceCase):
    resource = DatabricksCliProfile

    def make(self, context: StepContext) -> DatabricksCliProfile:
        return DatabricksCliProfile(context)

    @property
    def _file(self) -> DatabricksProfiles:
        return self.ground.context().services.databricks_profiles

    def state(self) -> object:
        return self._file.path.read_bytes() if self._file.find("dev") is not None else None

    def by_hand(self) -> None:
        context = self.ground.context()
        host = context.services.endpoints.known_as(self.here.host)
        self._file.write("dev", CliProfile(host, AZURE_CLI, context.names.tenant))

    def by_hand_wrong(self) -> None:
        self._file.write("dev", CliProfile("https://adb-9.9.azuredatabricks.net", AZURE_CLI))

    def refuse(self) -> None:
        def full(*_: object) -> None:
            refusal.stop()
            raise UsageError("The file cannot be written: no space left on device.", "Make room.")

        refusal = patch.object(DatabricksProfiles, "write", full)
        refusal.start()

    def remove_mark(self) -> None:
        found = self._file.find("dev")
        assert found is not None
        self._file.write("dev", CliProfile(found.host, found.auth_type, found.tenant))

    def remove(self) -> None:
        self._file.remove("dev")

    def remove_parent(self) -> None:
        self._file.path.unlink()
