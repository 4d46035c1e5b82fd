"""A personal access token of Azure DevOps, and the Git credential of Databricks that is made with it."""

from __future__ import annotations

from types import MappingProxyType

from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops_token import DevOpsAccessToken
from hol_wizard.resources.git_credential import DatabricksGitCredential, access_token
from hol_wizard.services.devops.tokens import CODE_READ_AND_WRITE, DevOpsTokens
from tests.resources.case import Case
from tests.resources.in_workspace import InWorkspaceCase

ORGANIZATION = "practice"


class _WithTokens(Case):
    """Somebody in an organization that gives tokens."""

    def prepare(self) -> None:
        self.ground.sign_in(seed.ATTENDEE, ORGANIZATION)
        super().prepare()

    @property
    def tokens(self) -> DevOpsTokens:
        return self.ground.context().services.devops_tokens(ORGANIZATION)

    def revoke_all(self) -> None:
        for each in self.tokens.list():
            self.tokens.revoke(each.id)


class DevOpsAccessTokenCase(_WithTokens):
    resource = DevOpsAccessToken
    beside = True
    exempt = MappingProxyType(
        {
            "conflict": "another token is not in the way",
            "overtaken": "another token is not in the way",
            "mark removed": "one that is called differently is not found; it ends by itself",
            "gone with parent": "an organization is nothing that the lab deletes",
        }
    )

    def make(self, context: StepContext) -> DevOpsAccessToken:
        return access_token(context, ORGANIZATION)

    def state(self) -> object:
        return sorted(each.id for each in self.tokens.list()) or None

    def by_hand(self) -> None:
        self.tokens.create("by hand", CODE_READ_AND_WRITE, 7)

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="devops_sps",
            path="tokens/pats",
            method="POST",
            times=1,
            status=403,
            code="UnauthorizedRequestException",
            message="You may not make personal access tokens.",
        )

    def remove(self) -> None:
        self.revoke_all()


class GitCredentialCase(_WithTokens, InWorkspaceCase):
    resource = DatabricksGitCredential
    exempt = MappingProxyType({"conflict": "any credential for Azure DevOps fits"})

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions = frozenset({DevOpsAccessToken.kind})

    def make(self, context: StepContext) -> DatabricksGitCredential:
        return DatabricksGitCredential(context)

    def state(self) -> object:
        return self.here.git.credentials() or None

    def by_hand(self) -> None:
        _, value = self.tokens.create("by hand", CODE_READ_AND_WRITE, 7)
        self.here.git.create_credential(seed.ATTENDEE.name, value, "mine")

    def refuse(self) -> None:
        self.refuse_at("git-credentials")

    def remove_mark(self) -> None:
        (found,) = self.here.git.credentials()
        body = {"git_provider": found.provider, "name": "mine"}
        address = f"{self.here.host}/api/2.0/git-credentials/{found.id}"
        self.here._rest.send("PATCH", address, thing="credential", body=body)

    def remove(self) -> None:
        for each in self.here.git.credentials():
            self.here.git.delete_credential(each.id)
        self.revoke_all()
