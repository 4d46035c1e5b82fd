"""An access policy of the environment's key vault for secrets.

A policy is an entry in the vault's document. `accessPolicies/add` and `accessPolicies/remove` change only one entry
(Vaults_UpdateAccessPolicy), so two wizards do not overwrite each other's. The right to do so,
`Microsoft.KeyVault/vaults/accessPolicies/write`, is part of Owner, Contributor and Key Vault Contributor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import NotFoundError, WizardError
from hol_wizard.resources import key_vault
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.role_assignment import signed_in
from hol_wizard.services.answers import Document, of_arm
from hol_wizard.services.endpoints import DATABRICKS_AUDIENCE

READ = ("get", "list")
"""Permissions for reading secrets: for Databricks, and for the service connection of a pipeline."""
WRITE = (*READ, "set", "delete", "recover", "purge")
"""Permissions for what the lab does with secrets, including its teardown. `all` would not include `purge`."""
SPREADS = 30.0
"""Usual number of seconds until a new policy is effective; Azure's own sample scripts wait ten."""
_ALL = "all"


@dataclass(frozen=True)
class VaultAccessPolicy(Resource[tuple[str, ...]]):
    """The permissions on secrets that an access policy gives to a principal."""

    context: StepContext
    principal: str
    """Object ID; empty if it is not known yet."""
    who: str
    """The principal in words: `you`, `AzureDatabricks`."""
    permissions: tuple[str, ...] = READ
    kind = "Access policy"
    unmarked = "an access policy carries no mark: it is the wizard's if the wizard saw its creation accepted"
    patience: ClassVar[float] = 120.0

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its principal."""
        return f"for {self.who}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"{key_vault.vault_id(self.context)}/accessPolicies/{self.principal}"

    @property
    def where(self) -> str:
        """Return the vault's name."""
        return self.context.here.key_vault

    @property
    def note(self) -> str:
        """Return what it allows."""
        return f"secrets: {', '.join(self.permissions)}"

    def creation(self, note: str = "") -> Change:
        """Return the plan's line for its creation, without an ID as long as the principal is unknown."""
        line = super().creation(note)
        return line if self.principal else replace(line, resource="")

    # Checking

    def find(self, reads: ReadCache) -> tuple[str, ...] | None:
        """Return the permissions on secrets in their original spelling; None if none of the wanted ones exists."""
        if not self.principal:
            raise NotFoundError(
                f"{self.who} cannot be given an access policy yet.", "First do the steps that it needs."
            )
        found = self._entry(reads)
        named = {each.lower() for each in found}
        return found if named & {*self.permissions, _ALL} else None

    def _entry(self, reads: ReadCache) -> tuple[str, ...]:
        for each in self._vault(reads).inner("properties").some("accessPolicies"):
            if str(each.get("objectId", "")).lower() == self.principal.lower() and not each.get("applicationId"):
                return tuple(map(str, each.inner("permissions").get("secrets", ())))
        return ()

    def _vault(self, reads: ReadCache) -> Document:
        path, arm = key_vault.vault_id(self.context), self.context.services.arm
        document = reads.share(("arm", path.lower()), lambda: arm.find(path))
        if document is None:
            raise NotFoundError(
                f"The key vault {self.where} does not exist.", "<first workspace-resources/add-a-key-vault>."
            )
        return of_arm(document)

    def marked(self, found: tuple[str, ...], noted: str | None) -> bool:
        """Return whether the vault accepted this wizard's policy."""
        del found
        return noted is not None

    def identity(self, found: tuple[str, ...]) -> str:
        """Return its principal, which may no longer be known in an undo."""
        del found
        return self.who

    def expectations(self, found: tuple[str, ...]) -> Sequence[Expectation]:
        """Return the expected permissions."""
        named = {each.lower() for each in found}
        met = all(each in named or (_ALL in named and each != "purge") for each in self.permissions)
        actual = ", ".join(found) or "none"
        return (Expectation(f"Secret permissions for {self.who}", ", ".join(self.permissions), actual, met),)

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return an error if the vault uses roles, because a policy would have no effect."""
        return key_vault.goes_by_roles(self.context)

    def create(self, begun: Callable[[str], None]) -> str:
        """Add it; other permissions of the same account are kept."""
        del begun
        self._send("add", self.permissions)
        return self.who

    def changeable(self, found: tuple[str, ...], *, ours: bool) -> bool:
        """Return True: missing permissions are added, regardless of who gave the others."""
        del found, ours
        return True

    def change(self, found: tuple[str, ...]) -> None:
        """Add what is missing."""
        del found
        self._send("add", self.permissions)

    def remedy(self, found: tuple[str, ...]) -> str:
        """Return how to add the missing permissions."""
        del found
        return f"Give the permissions {', '.join(self.permissions)} on secrets by hand as described, or <solve>."

    # Removing

    def stays(self, found: tuple[str, ...]) -> str:
        """Return why it is kept if somebody has added all permissions since."""
        changed = _ALL in {each.lower() for each in found}
        return "somebody has changed it: it gives all permissions now" if changed else ""

    def delete(self, found: tuple[str, ...]) -> None:
        """Remove the permissions that this wizard gave; the service requires their original spelling."""
        self._send("remove", [each for each in found if each.lower() in self.permissions])

    def _send(self, operation: str, permissions: Sequence[str]) -> None:
        entry = {
            "tenantId": self.context.names.tenant,
            "objectId": self.principal,
            "permissions": {"secrets": list(permissions)},
        }
        path = f"{key_vault.vault_id(self.context)}/accessPolicies/{operation}"
        self.context.services.arm.put(path, {"properties": {"accessPolicies": [entry]}})


def for_yourself(context: StepContext) -> VaultAccessPolicy:
    """Return the policy of the signed-in account, which is looked up only if there is a vault."""
    if not key_vault.is_there(context):
        return VaultAccessPolicy(context, "", "you", WRITE)
    return VaultAccessPolicy(context, signed_in(context).id, "you", WRITE)


def of_databricks(context: StepContext) -> VaultAccessPolicy | None:
    """Return the policy that Databricks adds for itself with a scope; None if the directory does not know
    Databricks."""
    found = context.reads.share(
        "AzureDatabricks", lambda: context.services.graph.service_principal_of(DATABRICKS_AUDIENCE)
    )
    return None if found is None else VaultAccessPolicy(context, found.id, "AzureDatabricks", READ)


def given(context: StepContext, permissions: tuple[str, ...]) -> list[VaultAccessPolicy]:
    """Return what this step created, according to the ledger; the directory may no longer know the principal."""
    place, found = f"{key_vault.vault_id(context)}/accessPolicies/".lower(), []
    for resource in context.ledger.made_by(context.target, VaultAccessPolicy.kind):
        if resource.lower().startswith(place):
            who = context.ledger.detail(resource) or "somebody"
            found.append(VaultAccessPolicy(context, resource[len(place) :], who, permissions))
    return found
