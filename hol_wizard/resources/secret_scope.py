"""The secret scope of a Databricks workspace, which is backed by the environment's key vault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import AccessDeniedError, ServiceError, WizardError
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import key_vault, vault_access_policy
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.role_assignment import signed_in
from hol_wizard.resources.workspace import workspace_id
from hol_wizard.services.databricks.secret_scopes import SecretScope
from hol_wizard.services.endpoints import DATABRICKS_AUDIENCE


@kind("secret_scope", uses=("databricks_workspace", "key_vault"), deadline=30)
@dataclass(frozen=True)
class KeyVaultScope(InWorkspace[SecretScope]):
    """The scope over the environment's key vault, for all users of the workspace."""

    context: StepContext
    kind = "Secret scope"
    name = FIXED["secret_scope"]
    unmarked = "a scope has no tags: the wizard owns it if its creation over this key vault was accepted"
    usually = 3.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"{workspace_id(self.context)}/secretScopes/{self.name}"

    @property
    def viewer(self) -> None:
        """Return None: the list hides it from nobody, because all users of the workspace may manage it."""
        return None

    @property
    def _vault(self) -> str:
        return key_vault.vault_id(self.context)

    # Checking

    def find(self, reads: ReadCache) -> SecretScope | None:
        """Return the scope."""
        scopes = reads.share(("scopes", workspace_id(self.context)), self.enter(reads).list_scopes)
        return next((scope for scope in scopes if scope.name == self.name), None)

    def _is_over_the_vault(self, found: SecretScope) -> bool:
        return found.resource_id.lower() == self._vault.lower()

    def marked(self, found: SecretScope, noted: str | None) -> bool:
        """Return whether its creation was accepted, and it is still backed by this vault."""
        return noted is not None and self._is_over_the_vault(found)

    def expectations(self, found: SecretScope) -> Sequence[Expectation]:
        """Return the expectations about its vault; a vault that does not exist yet has no address."""
        shown = found.resource_id.rpartition("/")[2] or "none"
        seen = [
            Expectation("Backend", "AZURE_KEYVAULT", found.backend or "not said", found.backend == "AZURE_KEYVAULT"),
            Expectation("Key vault", self.context.here.key_vault, shown, self._is_over_the_vault(found)),
        ]
        if key_vault.is_there(self.context):
            uri = key_vault.address(self.context)
            same = found.dns_name.rstrip("/").lower() == uri.rstrip("/").lower()
            seen.append(Expectation("DNS name", uri, found.dns_name or "none", same))
            seen.extend(self._policy_of_databricks())
        return seen

    def _policy_of_databricks(self) -> Sequence[Expectation]:
        """Return the expectation that Databricks may read the vault; empty if the directory does not know its
        identity."""
        try:
            policy = vault_access_policy.of_databricks(self.context)
        except AccessDeniedError:
            return ()
        return () if policy is None else policy.expectations(policy.find(self.context.reads) or ())

    def changeable(self, found: SecretScope, *, ours: bool) -> bool:
        """Return whether it only lacks the access policy that Databricks adds to the vault when a scope is created."""
        del ours
        missing = [each for each in self._policy_of_databricks() if not each.met]
        unmet = [each for each in self.expectations(found) if not each.met]
        return bool(missing) and unmet == missing

    def change(self, found: SecretScope) -> None:
        """Give Databricks its access policy again."""
        del found
        policy = vault_access_policy.of_databricks(self.context)
        if policy is not None:
            policy.change(())

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return an error if the vault uses roles, because Databricks would refuse it."""
        return key_vault.goes_by_roles(self.context)

    def _not_a_person(self) -> str:
        """Return who is signed in if that is not a person, otherwise an empty string.

        The request needs an Entra token, which the wizard always sends; a personal access token is refused ("must have
        userAADToken defined", kb.databricks.com). Documents from before 2023 say that a service principal's token is
        also refused, later ones show that it works (the same article; terraform-provider-databricks, pull request
        2248). Therefore, the plan says so, and it is tried.
        """
        me = signed_in(self.context)
        return "" if me.kind == "User" else me.name

    def _as_a_person(self) -> str:
        return (
            f"Sign in as a person who is Owner or Contributor of {self.context.here.key_vault} "
            "(<step set-up/sign-in>), without the variables AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID, "
            "and do this step again; or have such a person create the scope by hand as described."
        )

    def creation(self, note: str = "") -> Change:
        """Return the plan's line: it is created, and a service principal may be refused."""
        change = super().creation(note)
        words = f"over {self.context.here.key_vault}, for all users"
        who = self._not_a_person() if key_vault.is_there(self.context) else ""
        refused = f"; some workspaces do not allow this for a service principal ({who})" if who else ""
        return replace(change, note="; ".join(filter(None, (f"{words}{refused}", change.note))))

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it."""
        del begun
        who, uri = self._not_a_person(), key_vault.address(self.context)
        if who:
            self.context.reporter.say(
                f"You are signed in as the service principal {who}. In some workspaces, only a person can create "
                "such a scope."
            )
        try:
            self.here.create_scope(self.name, self._vault, uri, manage_principal="users")
        except ServiceError as error:
            if not who or "useraadtoken" not in f"{error.message} {error.detail}".lower():
                raise
            raise AccessDeniedError(
                f"In this workspace, only a person can create a secret scope over a key vault, not {who}.",
                self._as_a_person(),
                code=error.code,
                detail=error.detail,
            ) from error
        return self._vault

    # Removing

    def delete(self, found: SecretScope) -> None:
        """Delete it."""
        self.here.delete_scope(found.name)

    def contents(self, found: SecretScope) -> str:
        """Return that only the scope is deleted."""
        del found
        return "the vault keeps its secrets, and the access policy that Databricks gave itself"

    # Texts

    def absence(self) -> Result:
        """Return the result if it does not exist, and whether a person is needed."""
        who = self._not_a_person()
        if not who:
            return super().absence()
        return Result(
            Status.FAILED,
            f"{self.label} does not exist. In some workspaces, only a person can create one over a key vault.",
            (
                Expectation(self.kind, f"{self.name} exists", "not found", met=False),
                Expectation("Signed in", "a person", f"the service principal {who}", met=True),
            ),
            f"To try, <solve>. If the workspace refuses: {self._as_a_person()}",
        )

    def remedy(self, found: SecretScope) -> str:
        """Return how to replace one that shows something else, or how to give Databricks access again."""
        if self.changeable(found, ours=False):
            return (
                f"To give AzureDatabricks its access policy again, <solve>, or: az keyvault set-policy --name "
                f"{self.context.here.key_vault} --spn {DATABRICKS_AUDIENCE} --secret-permissions get list"
            )
        return (
            "If nobody needs it, delete it, then create it again; the vault keeps its secrets: "
            f"databricks secrets delete-scope {self.name} --profile {self.context.environment}"
        )
