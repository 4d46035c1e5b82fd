"""The Git credential with which a Databricks workspace fetches from and pushes to Azure DevOps for its owner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hol_wizard.engine import ownership
from hol_wizard.engine.kinds import kind
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, SignInError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization
from hol_wizard.resources.devops_token import DevOpsAccessToken
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.workspace import workspace_id
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.git import PROVIDER, GitCredential
from hol_wizard.services.secrets import Secret

BY_ENTRA: Final = (
    "Link your account by hand instead: in Databricks your user icon, Settings, Linked accounts, Add Git credential, "
    "provider Azure DevOps Services (Microsoft Entra ID), Link. This works if Databricks and Azure DevOps are in "
    "the same tenant. Then check again."
)


def credentials(here: Databricks) -> list[GitCredential]:
    """Return the account's credentials for Azure DevOps."""
    return [each for each in here.git.credentials() if each.for_azure_devops]


def access_token(context: StepContext, name: str, take: Callable[[Secret], None] | None = None) -> DevOpsAccessToken:
    """Return the token of an organization for the environment's workspace."""
    return DevOpsAccessToken(context, name, f"databricks-{context.environment}", take)


def given_token(context: StepContext, name: str) -> Secret | None:
    """Return the person's own token if the wizard uses it and cannot create another; otherwise None."""
    own = context.services.devops_token(name)
    if own is None:
        return None
    try:
        context.services.devops_tokens(name).list()
    except (AccessDeniedError, SignInError):
        return own
    return None


@kind("git_credential", uses=("databricks_workspace",), deadline=30)
@dataclass(frozen=True)
class DatabricksGitCredential(InWorkspace[GitCredential]):
    """The account's credential for Azure DevOps: the wizard's, otherwise the first one.

    The workspace gets a token that only it uses. The wizard's credential is recognized by its name, or by its ID if the
    workspace stores no names.
    """

    kind = "Git credential"
    name = PROVIDER
    mark = "name"
    usually = 2.0
    personal = True

    @property
    def given_name(self) -> str:
        """Return its name, which is that of its token."""
        return access_token(self.context, "").name

    @property
    def id(self) -> str:
        """Return its ID in the ledger, which is written before the service assigns an ID."""
        return f"{workspace_id(self.context)}/git-credentials/{self.given_name.replace(' ', '-')}"

    @property
    def note(self) -> str:
        """Return which token it gets."""
        name = self.context.names.devops_organization
        own = bool(name) and given_token(self.context, name) is not None
        return f"given your own token of {name}" if own else "given that token"

    # Checking

    def find(self, reads: ReadCache) -> GitCredential | None:
        """Return the wizard's credential, otherwise the first one for Azure DevOps."""
        place, here = workspace_id(self.context).lower(), self.enter(reads)
        listed = reads.share(("git credentials", place), here.git.credentials)
        fitting = [each for each in listed if each.for_azure_devops]
        return next((each for each in fitting if self.is_ours(each)), fitting[0] if fitting else None)

    def is_ours(self, found: GitCredential) -> bool:
        """Whether a credential is the wizard's."""
        return self.marked(found, self.context.ledger.detail(self.id))

    def marked(self, found: GitCredential, noted: str | None) -> bool:
        """Return whether it has the name, or the recorded ID if it has none."""
        return found.name == self.given_name or (not found.name and bool(noted) and found.id == noted)

    def identity(self, found: GitCredential) -> str:
        """Return its ID."""
        return found.id

    def expectations(self, found: GitCredential) -> Sequence[Expectation]:
        """Return the expectations about its user, and the validity of the wizard's token.

        The Git folder shows whether Azure DevOps accepts it: Databricks does not test it before.
        """
        seen = [
            Expectation("Provider", PROVIDER, found.provider, met=True),
            Expectation("User", "known, or linked", found.user or "linked through Microsoft Entra ID", met=True),
        ]
        if self.is_ours(found):
            seen.append(self._token_seen())
        return seen

    def _token_seen(self) -> Expectation:
        """Check the wizard's token; if tokens cannot be listed, that is not a failure."""
        name = organization(self.context).organization
        token, expected = access_token(self.context, name), f"of {name}, holds"
        try:
            holding = token.holding(token.find(ReadCache()))
        except (AccessDeniedError, SignInError) as error:
            return Expectation("Token", expected, f"unknown: {error.message}", met=True)
        if holding is None:
            return Expectation("Token", expected, "revoked or expired", met=False)
        return Expectation("Token", expected, f"ends on {_day(holding.ends)}", met=True)

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Give the workspace a new token that only it uses, and keep only one credential.

        If the wizard can access the organization only with the person's own token, it cannot create another: Databricks
        gets that one.
        """
        del begun
        name = organization(self.context).organization
        own = given_token(self.context, name)
        if own is not None:
            self.context.reporter.say(f"Giving your own token to {self.where}, because no other can be created …")
            given = self._give(own)
            until = (
                "as long as it is valid and has the scope Code: Read & write. A teardown removes it from "
                "Databricks but does not revoke it."
            )
        else:
            given = self._give_new(name)
            until = "until its token expires. The Git folder shows whether Azure DevOps accepts it."
        # If a response is lost, the request is repeated, and each creates one.
        for each in credentials(self.here):
            if each.id != given.id and self.is_ours(each):
                self.here.git.delete_credential(each.id)
        self.context.reporter.say(f"Databricks fetches and pushes with it as {given.user}, {until}")
        return given.id

    def _give_new(self, name: str) -> GitCredential:
        """Create a token, and give it to the workspace; if the workspace does not accept it, it is revoked
        immediately."""
        values: list[Secret] = []
        token = access_token(self.context, name, values.append)
        try:
            ownership.solve(token)
        except AccessDeniedError as error:
            raise AccessDeniedError(error.message, BY_ENTRA, code=error.code, detail=error.detail) from error
        self.context.reporter.say(f"Giving it to {self.where} …")
        try:
            return self._give(values[-1])
        except ConflictError:
            # A first request may have succeeded although its response was lost.
            if ours := [each for each in credentials(self.here) if self.is_ours(each)]:
                return ours[0]
            ownership.undo(token)
            raise
        except (AccessDeniedError, NotFoundError):
            ownership.undo(token)
            raise

    def _give(self, value: Secret) -> GitCredential:
        here = self.here
        return here.git.create_credential(self.context.names.user or here.me().name, value, self.given_name)

    def changeable(self, found: GitCredential, *, ours: bool) -> bool:
        """Return whether it can be replaced."""
        del found
        return ours

    def difference(self, found: GitCredential) -> str:
        """Return that it is replaced."""
        del found
        return "its token is no longer valid or is unknown: it is replaced"

    def change(self, found: GitCredential) -> None:
        """Replace it; it is removed first, so that a kill does not leave one with an unknown token."""
        self.here.git.delete_credential(found.id)
        self.create(lambda address: None)

    def delete(self, found: GitCredential) -> None:
        """Remove it from Databricks."""
        self.here.git.delete_credential(found.id)

    # Texts

    def absence(self) -> Result:
        """Return the result if there is none for Azure DevOps."""
        others = ", ".join(each.provider for each in self.here.git.credentials())
        return Result(
            Status.FAILED,
            "Databricks has no Git credential of yours for Azure DevOps.",
            (Expectation("Provider", PROVIDER, f"only {others}" if others else "none", met=False),),
            "Add one by hand as described, or <solve>.",
        )

    def result(self, found: GitCredential) -> Result:
        """Return the result: whether it exists, and its token is valid."""
        return judge(
            tuple(self.expectations(found)),
            passed=f"Databricks has a Git credential of yours for Azure DevOps: {found.user or 'by Entra ID'}.",
            failed="The token of the Git credential is no longer valid.",
            next_action="To replace it, <solve>: the old one is removed first.",
        )


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone():%d %B %Y}" if moment else "an unknown day"
