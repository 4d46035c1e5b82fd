"""Secret scopes of a Databricks workspace."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hol_wizard.errors import NotFoundError
from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import Connection


@dataclass(frozen=True, slots=True)
class SecretScope:
    """A secret scope."""

    name: str
    backend: str
    """`AZURE_KEYVAULT` or `DATABRICKS`."""
    resource_id: str = ""
    """The key vault's Azure resource ID."""
    dns_name: str = ""
    """The key vault's address: `https://NAME.vault.azure.net/`."""


class SecretScopes(Connection):
    """A workspace's secret scopes."""

    def list_scopes(self) -> tuple[SecretScope, ...]:
        """Return the secret scopes.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        return tuple(map(_scope, self._secrets("list of secret scopes").list_scopes()))

    def create_scope(self, name: str, resource_id: str, dns_name: str, *, manage_principal: str = "users") -> None:
        """Create a secret scope that shows a key vault's secrets.

        It requires an Entra token of a user (kb.databricks.com, "fails with a userAADToken error").

        Args:
            name: Unique in the workspace.
            resource_id: The vault's Azure resource ID.
            dns_name: The vault's address: `https://NAME.vault.azure.net/`.
            manage_principal: Who may manage the scope; `users` are all users of the workspace.

        Raises:
            ConflictError: There is a scope of that name.
            AccessDeniedError: The account is neither Owner nor Contributor of the vault.
            ServiceError: The workspace refused.
        """
        workspace = sdk.workspace()
        self._secrets(f"secret scope {name}").create_scope(
            name,
            scope_backend_type=workspace.ScopeBackendType.AZURE_KEYVAULT,
            backend_azure_keyvault=workspace.AzureKeyVaultSecretScopeMetadata(resource_id, dns_name),
            initial_manage_principal=manage_principal,
        )

    def delete_scope(self, name: str) -> None:
        """Delete a secret scope, but not its key vault; does nothing if it no longer exists.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._secrets(f"secret scope {name}").delete_scope(name)

    def scope_permissions(self, name: str) -> Mapping[str, str]:
        """Return the access list of a scope: principals with `READ`, `WRITE` or `MANAGE`.

        Raises:
            NotFoundError: There is no such scope.
            ServiceError: The workspace could not be asked.
        """
        found = self._secrets(f"secret scope {name}").list_acls(name)
        with sdk.reading(f"secret scope {name}"):
            return {sdk.needed(each.principal, "principal"): sdk.value(each.permission) for each in found}

    def list_secret_names(self, scope: str) -> tuple[str, ...]:
        """Return the names of the secrets that a scope shows.

        Raises:
            NotFoundError: There is no such scope.
            AccessDeniedError: The account, or Databricks itself, may not read the vault.
            ServiceError: The workspace could not be asked.
        """
        found = self._secrets(f"secrets of scope {scope}").list_secrets(scope)
        with sdk.reading(f"secrets of scope {scope}"):
            return tuple(sdk.needed(each.key, "key") for each in found)

    def _secrets(self, thing: str) -> Any:
        return self._api(sdk.workspace().SecretsAPI, thing)


@sdk.reads("secret scope")
def _scope(told: Any) -> SecretScope:
    vault = told.keyvault_metadata
    return SecretScope(
        sdk.needed(told.name, "name"),
        sdk.value(told.backend_type),
        str((vault and vault.resource_id) or ""),
        str((vault and vault.dns_name) or ""),
    )
