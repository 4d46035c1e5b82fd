"""The contents of the subscriptions: resource groups, resources, deleted vaults, registered providers."""

from __future__ import annotations

from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document


class ResourceGroups(Register):
    """The resource groups of all subscriptions, by ID."""

    collection = "groups"


class Resources(Register):
    """The resources of all subscriptions, by ID."""

    collection = "resources"

    def ids_of(self, kind: str) -> list[str]:
        """Return the IDs of the resources of a type, in lowercase, without reading any of them.

        Args:
            kind: `Microsoft.Storage/storageAccounts`.
        """
        place = f"/providers/{kind.lower()}"
        return [each for each in self._documents.all_keys() if each.rpartition("/")[0].endswith(place)]


class Deployments(Register):
    """The deployments of templates to resource groups, by ID."""

    collection = "deployments"

    def forget(self, group: str) -> None:
        """Delete those of a resource group that no longer exists.

        Args:
            group: Its ID.
        """
        for each in self.all():
            if each["group"] == group.lower():
                self.remove(each["id"])


class DeletedMachineLearningWorkspaces(Register):
    """The Azure Machine Learning workspaces that were deleted but not purged, by ID."""

    collection = "deleted_machine_learning_workspaces"


class DeletedVaults(Register):
    """The key vaults that were deleted and can be recovered, by their globally unique names."""

    collection = "deleted_vaults"

    def key(self, document: Document) -> str:
        """Return the vault's name."""
        return str(document["vault"]["name"])
