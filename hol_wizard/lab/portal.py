"""The portal's pages for the lab's resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import BOUND, Names

PUBLIC: Final = "https://portal.azure.com"


class Page(NamedTuple):
    """A kind of page."""

    title: str
    placeholder: str
    """The name that it needs (`hol_wizard.lab.names.BOUND`); empty if it belongs to no environment."""
    path: str
    """Path below the subscription's resource ID, or the resource group's unless `placeholder` is the group itself."""

    @property
    def environments(self) -> tuple[Environment, ...]:
        """The environments in which the lab creates such a resource; empty if the page belongs to no environment."""
        return BOUND[self.placeholder] if self.placeholder else ()


PAGES: Final[Mapping[str, Page]] = {
    "subscription": Page("Subscription", "", "/overview"),
    "resource_providers": Page("Resource providers", "", "/resourceproviders"),
    "resource_group": Page("Resource group", "resource_group", "/overview"),
    "storage_account": Page("Storage account", "storage_account", "Microsoft.Storage/storageAccounts"),
    "key_vault": Page("Key vault", "key_vault", "Microsoft.KeyVault/vaults"),
    "databricks_workspace": Page("Azure Databricks", "databricks_workspace", "Microsoft.Databricks/workspaces"),
    "ml_workspace": Page("Machine Learning", "ml_workspace", "Microsoft.MachineLearningServices/workspaces"),
    "build_identity": Page("Managed identity", "build_identity", "Microsoft.ManagedIdentity/userAssignedIdentities"),
    "container_registry": Page("Container registry", "container_registry", "Microsoft.ContainerRegistry/registries"),
}
"""The pages that a step's `portal` can name."""


def resource_id(page: str, names: Names, environment: Environment | None = None) -> str:
    """Return the Azure resource ID of what a page shows; empty until the required choices are made.

    Args:
        page: A key of `PAGES`.
        names: The reader's own.
        environment: The step's environment; required for a page that belongs to an environment.

    Raises:
        KeyError: There is no such page.
    """
    kind = PAGES[page]
    if not names.subscription:
        return ""
    subscription = f"/subscriptions/{names.subscription}"
    if not kind.placeholder:
        return subscription
    if not names.prefix or environment not in kind.environments:
        return ""
    here = names.of(environment)
    group = f"{subscription}/resourceGroups/{here.resource_group}"
    if kind.placeholder == "resource_group":
        return group
    return f"{group}/providers/{kind.path}/{getattr(here, kind.placeholder)}"


def url(page: str, names: Names, environment: Environment | None = None, *, base: str = PUBLIC, token: str = "") -> str:
    """Return the address of a page; empty until the required choices are made.

    The form `#@tenant/resource/…` opens the resource in that tenant, regardless of which tenant the browser used last.

    Args:
        page: A key of `PAGES`.
        names: The reader's own, the subscription's tenant among them.
        environment: The step's.
        base: The cloud's portal.
        token: What a local cloud's portal wants in the fragment; empty for a portal with a sign-in.

    Raises:
        KeyError: There is no such page.
    """
    thing = resource_id(page, names, environment)
    if not thing:
        return ""
    if token:
        return f"{base.rstrip('/')}/#token={token}&resource={quote(thing)}"
    inside = PAGES[page].path if PAGES[page].path.startswith("/") else "/overview"
    directory = f"@{names.tenant}/" if names.tenant else ""
    return f"{base.rstrip('/')}/#{directory}resource{thing}{inside}"
