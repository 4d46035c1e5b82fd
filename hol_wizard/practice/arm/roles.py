"""The built-in roles of Azure that the lab needs; their IDs are the same in every tenant.

IDs, actions and data actions: "Azure built-in roles" in the Azure documentation (privileged, general, storage,
security, AI + machine learning, containers), which is generated from the service.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
USER_ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
ROLE_BASED_ACCESS_CONTROL_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
STORAGE_BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
STORAGE_BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
KEY_VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
KEY_VAULT_CONTRIBUTOR = "f25e0fa2-a7c8-4377-a976-54943a77a395"
KEY_VAULT_READER = "21090545-7ca7-4776-b22c-e363652d74d2"
KEY_VAULT_SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
KEY_VAULT_SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
AZUREML_DATA_SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
ACR_PUSH = "8311e382-0749-4cb8-b61a-304f252e45ec"
ACR_DELETE = "c2f4ef07-c644-48eb-af81-4b1b4947fb11"
ACR_IMPORTER = "577a9874-89fd-4f24-9dbd-b5034d0ad23a"

_BLOB_SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
_BLOBS = f"{_BLOB_SERVICE}/containers/blobs"
_MACHINE_LEARNING = "Microsoft.MachineLearningServices/workspaces"
_VAULT_READS = (
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Support/*",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
)
_ONLY_RBAC = "Only works for key vaults that use the 'Azure role-based access control' permission model."


@dataclass(frozen=True, slots=True)
class Role:
    """A built-in role: the actions on resources, and on the data in them, that it allows."""

    name: str
    description: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        """Return whether the role allows an action on a resource: `Microsoft.KeyVault/vaults/write`."""
        return _matches(action, self.actions) and not _matches(action, self.not_actions)

    def allows_data(self, action: str) -> bool:
        """Return whether the role allows a data action: `Microsoft.KeyVault/vaults/secrets/getSecret/action`."""
        return _matches(action, self.data_actions)


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), each.lower()) for each in patterns)


ROLES: Mapping[str, Role] = {
    OWNER: Role(
        "Owner",
        "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
        ("*",),
    ),
    CONTRIBUTOR: Role(
        "Contributor",
        "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage "
        "assignments in Azure Blueprints, or share image galleries.",
        ("*",),
        (
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
            "Microsoft.Purview/consents/write",
            "Microsoft.Purview/consents/delete",
            "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
            "Microsoft.Subscription/cancel/action",
            "Microsoft.Subscription/enable/action",
        ),
    ),
    READER: Role("Reader", "View all resources, but does not allow you to make any changes.", ("*/read",)),
    USER_ACCESS_ADMINISTRATOR: Role(
        "User Access Administrator",
        "Lets you manage user access to Azure resources.",
        ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
    ),
    ROLE_BASED_ACCESS_CONTROL_ADMINISTRATOR: Role(
        "Role Based Access Control Administrator",
        "Manage access to Azure resources by assigning roles using Azure RBAC. This role does not allow you to manage "
        "access using other ways, such as Azure Policy.",
        (
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ),
    ),
    STORAGE_BLOB_DATA_OWNER: Role(
        "Storage Blob Data Owner",
        "Allows for full access to Azure Storage blob containers and data, including assigning POSIX access control.",
        (f"{_BLOB_SERVICE}/containers/*", f"{_BLOB_SERVICE}/generateUserDelegationKey/action"),
        data_actions=(f"{_BLOBS}/*",),
    ),
    STORAGE_BLOB_DATA_CONTRIBUTOR: Role(
        "Storage Blob Data Contributor",
        "Allows for read, write and delete access to Azure Storage blob containers and data",
        (
            f"{_BLOB_SERVICE}/containers/delete",
            f"{_BLOB_SERVICE}/containers/read",
            f"{_BLOB_SERVICE}/containers/write",
            f"{_BLOB_SERVICE}/generateUserDelegationKey/action",
        ),
        data_actions=tuple(f"{_BLOBS}/{each}" for each in ("delete", "read", "write", "move/action", "add/action")),
    ),
    STORAGE_BLOB_DATA_READER: Role(
        "Storage Blob Data Reader",
        "Allows for read access to Azure Storage blob containers and data",
        (f"{_BLOB_SERVICE}/containers/read", f"{_BLOB_SERVICE}/generateUserDelegationKey/action"),
        data_actions=(f"{_BLOBS}/read",),
    ),
    KEY_VAULT_ADMINISTRATOR: Role(
        "Key Vault Administrator",
        "Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and "
        f"secrets. Cannot manage key vault resources or manage role assignments. {_ONLY_RBAC}",
        _VAULT_READS,
        data_actions=("Microsoft.KeyVault/vaults/*",),
    ),
    KEY_VAULT_CONTRIBUTOR: Role(
        "Key Vault Contributor",
        "Lets you manage key vaults, but not access to them.",
        (
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.KeyVault/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ),
        (
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
            "Microsoft.KeyVault/hsmPools/*",
            "Microsoft.KeyVault/managedHsms/*",
        ),
    ),
    KEY_VAULT_READER: Role(
        "Key Vault Reader",
        "Read metadata of key vaults and its certificates, keys, and secrets. Cannot read sensitive values such as "
        f"secret contents or key material. {_ONLY_RBAC}",
        _VAULT_READS,
        data_actions=("Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"),
    ),
    KEY_VAULT_SECRETS_OFFICER: Role(
        "Key Vault Secrets Officer",
        f"Perform any action on the secrets of a key vault, except manage permissions. {_ONLY_RBAC}",
        _VAULT_READS,
        data_actions=("Microsoft.KeyVault/vaults/secrets/*",),
    ),
    KEY_VAULT_SECRETS_USER: Role(
        "Key Vault Secrets User",
        f"Read secret contents. {_ONLY_RBAC}",
        data_actions=(
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ),
    ),
    AZUREML_DATA_SCIENTIST: Role(
        "AzureML Data Scientist",
        "Can perform all actions within an Azure Machine Learning workspace, except for creating or deleting compute "
        "resources and modifying the workspace itself.",
        tuple(f"{_MACHINE_LEARNING}/*/{each}" for each in ("read", "action", "delete", "write")),
        tuple(
            f"{_MACHINE_LEARNING}/{each}"
            for each in (
                "delete",
                "write",
                "computes/*/write",
                "computes/*/delete",
                "computes/listKeys/action",
                "listKeys/action",
                "hubs/write",
                "hubs/delete",
                "featurestores/write",
                "featurestores/delete",
            )
        ),
    ),
    ACR_PULL: Role("AcrPull", "acr pull", ("Microsoft.ContainerRegistry/registries/pull/read",)),
    ACR_PUSH: Role(
        "AcrPush",
        "acr push",
        ("Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/push/write"),
    ),
    ACR_DELETE: Role("AcrDelete", "acr delete", ("Microsoft.ContainerRegistry/registries/artifacts/delete",)),
    ACR_IMPORTER: Role(
        "Container Registry Data Importer and Data Reader",
        "Provides the ability to import images into a registry through the registry import operation. Provides the "
        "ability to list repositories, view images and tags, get manifests, and pull images. Does not provide "
        "permissions for importing images through configuring registry transfer pipelines such as import and export "
        "pipelines. Does not provide permissions for importing through configuring Artifact Cache or Sync rules.",
        tuple(f"Microsoft.ContainerRegistry/registries/{each}" for each in ("importImage/action", "read", "pull/read")),
    ),
}
"""By ID."""
