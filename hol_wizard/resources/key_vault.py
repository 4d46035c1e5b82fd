"""Key vaults; a deleted one stays soft-deleted until it is purged.

The lab's vaults use access policies: Azure Databricks secret scopes support no other vault ("Workspace secret scopes").
By default, a new vault uses roles (Key Vault, "access-control-default").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import owns
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import ConflictError, WizardError
from hol_wizard.resources import addresses
from hol_wizard.resources.azure_resource import TAG, AzureResource, in_group, read, tags
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.wanted import Wanted, location


@dataclass(frozen=True)
class KeyVault(AzureResource):
    """A key vault; a soft-deleted one with the same ID is recovered."""

    def _deleted(self) -> Mapping[str, Any]:
        """Return the properties of the soft-deleted vault with this ID; empty if there is none."""
        names = self.context.names
        place = f"/subscriptions/{names.subscription}/providers/Microsoft.KeyVault/locations/{names.location}"
        document = self.context.services.arm.find(f"{place}/deletedVaults/{self.name}") or {}
        properties: Mapping[str, Any] = document.get("properties") or {}
        return properties if str(properties.get("vaultId", "")).lower() == self.id.lower() else {}

    def _deleted_is_ours(self, deleted: Mapping[str, Any]) -> bool:
        return self.context.is_lab_id((deleted.get("tags") or {}).get(TAG))

    def obstacle(self) -> WizardError | None:
        """Return an error if its name is in use, except by its own soft-deleted vault."""
        return None if self._deleted() else super().obstacle()

    @property
    def other_name(self) -> str:
        """Return what to do if its name is in use."""
        yours = "If it was yours and is soft-deleted, purge it in the portal under Manage deleted vaults. "
        other = super().other_name
        return f"{yours}Otherwise, {other[0].lower()}{other[1:]}"

    def creation(self, note: str = "") -> Change:
        """Return the plan's line: it is created, or recovered."""
        change = super().creation(note)
        return replace(change, verb="adopt", note="soft-deleted: recover it") if self._deleted() else change

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, or recover it with all its contents; this does not add our tag to somebody else's vault."""
        deleted = self._deleted()
        if not deleted:
            return super().create(begun)
        self.context.reporter.say(f"{self.label} is soft-deleted: recovering it with everything in it …")
        # Like `az keyvault recover`: it restores everything in the vault, including its access policies.
        wanted = self.body["properties"]
        properties = {"tenantId": wanted["tenantId"], "sku": wanted["sku"], "createMode": "recover"}
        kept = deleted.get("tags") or {}
        self._put({**self.body, "properties": properties}, kept, begun, tagged=self._deleted_is_ours(deleted))
        return ""

    def change(self, found: Mapping[str, Any]) -> None:
        """Send the whole vault again, with its existing access policies."""
        policies = list(found.get("properties", {}).get("accessPolicies", ()))
        self._put({**self.body, "properties": {**self.body["properties"], "accessPolicies": policies}}, tags(found))

    def remedy(self, found: Mapping[str, Any]) -> str:
        """Return how to switch a vault that uses roles."""
        unmet = [each for each in self.expectations(found) if not each.met]
        if [each.what for each in unmet] != [_MODEL] or self.body["properties"]["enableRbacAuthorization"]:
            return super().remedy(found)
        way = "To have the wizard switch it, <solve>. " if self.changeable(found, ours=owns(self, found)) else ""
        return f"{way}{_switch(self.name)}. It takes the role Owner or User Access Administrator."

    def finish(self, found: Mapping[str, Any]) -> bool:
        """Correct a vault of ours that was recovered and does not match the lab's current settings."""
        fits = all(each.met for each in self.expectations(found)) or not self.marked(found, None)
        if not fits:
            self.change(found)
        return not fits

    def absence(self) -> Result:
        """Return the result if it does not exist, or is soft-deleted."""
        deleted = self._deleted()
        if not deleted:
            return super().absence()
        day = str(deleted.get("scheduledPurgeDate", ""))[:10] or "an unknown day"
        actual = f"soft-deleted, purged automatically on {day}"
        return Result(
            Status.FAILED,
            f"{self.label} is soft-deleted.",
            (Expectation(self.kind, f"{self.name} exists", actual, met=False),),
            "Purge it in the portal under Manage deleted vaults, or to recover it, <solve>.",
        )

    def trace(self) -> str:
        """Return a text if it is soft-deleted and ours."""
        return "soft-deleted: its name stays in use until then" if self._deleted_is_ours(self._deleted()) else ""

    def purge(self) -> bool:
        """Purge it and wait for the operation to end."""
        names = self.context.names
        place = f"/subscriptions/{names.subscription}/providers/Microsoft.KeyVault/locations/{names.location}"
        operation = self.context.services.arm.begin_post(f"{place}/deletedVaults/{self.name}/purge")
        self._drive(operation, f"{self.label} is being purged")
        return True


_MODEL = "Azure role-based access control"


def _switch(name: str) -> str:
    return (
        "Secret scopes of Databricks need a vault with access policies. To switch it, and to give yourself access: "
        f"az keyvault update --name {name} --enable-rbac-authorization false, then "
        "<step secrets/let-yourself-write-secrets>; roles on its secrets do not count from then on"
    )


def vault(context: StepContext, name: str, *, roles: bool) -> KeyVault:
    """Return a key vault of an environment.

    Args:
        context: The step's context.
        name: The vault's name.
        roles: Whether it uses Azure roles for its secrets instead of access policies.
    """
    return KeyVault(
        context,
        kind="Key vault",
        path=in_group(context, "Microsoft.KeyVault/vaults", name),
        body={
            "location": context.names.location,
            "properties": {
                "tenantId": context.names.tenant,
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": roles,
                "enableSoftDelete": True,
                "softDeleteRetentionInDays": 7,
                "accessPolicies": [],
            },
        },
        wanted=(
            location(context),
            Wanted(
                _MODEL,
                ("properties", "enableRbacAuthorization"),
                expected=roles,
                changeable=True,
                missing_means=False,
            ),
        ),
        usually=20,
        cost="a few cents for each 10,000 operations",
        availability="Microsoft.KeyVault/vaults",
    )


@kind("key_vault", uses=("key_vault",))
def key_vault(context: StepContext) -> KeyVault:
    """Return the environment's key vault, which uses access policies."""
    return vault(context, context.here.key_vault, roles=False)


def goes_by_roles(context: StepContext) -> WizardError | None:
    """Return an error, with what to do, if the environment's vault uses roles; otherwise None."""
    document = read(context, vault_id(context)) or {}
    if not (document.get("properties") or {}).get("enableRbacAuthorization"):
        return None
    name = context.here.key_vault
    return ConflictError(f"The key vault {name} uses Azure role-based access control.", f"{_switch(name)}.")


def vault_id(context: StepContext) -> str:
    """Return the resource ID of the environment's key vault."""
    return key_vault(context).id


def is_there(context: StepContext) -> bool:
    """Whether there is a vault to read; for a plan before its creation, there is none."""
    return bool(addresses.told_in(read(context, vault_id(context)), "vaultUri"))


def address(context: StepContext) -> str:
    """Return the address of the environment's vault (`properties.vaultUri`).

    Raises:
        NotFoundError: There is no vault.
        NotReadyError: Azure does not return its address yet.
    """
    return addresses.address(
        context,
        key_vault(context).id,
        "key vault",
        "workspace-resources/add-a-key-vault",
        "vaultUri",
    )
