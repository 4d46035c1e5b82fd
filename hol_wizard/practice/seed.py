"""The initial contents: a tenant, people, subscriptions, role assignments, names in use."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from hol_wizard.practice.arm.roles import CONTRIBUTOR, OWNER, READER

_SPACE = uuid.UUID("6a1f2a52-7d3e-5a0c-9b1e-0c0ffee0c10d")


def fixed_id(name: str) -> str:
    """Return the GUID for a name, which is the same at every start, so that saved IDs and caches remain valid."""
    return str(uuid.uuid5(_SPACE, name))


TENANT = fixed_id("tenant")
TENANT_NAME = "Practice"
TENANT_DOMAIN = "practice.example"
LOCATION = "westeurope"
PREFIX = "practice"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription of the tenant."""

    id: str
    name: str


SUBSCRIPTION = Subscription(fixed_id("subscription"), "Practice subscription")
READ_ONLY_SUBSCRIPTION = Subscription(fixed_id("read-only subscription"), "Practice subscription (look only)")
SUBSCRIPTIONS: Mapping[str, Subscription] = {each.id: each for each in (SUBSCRIPTION, READ_ONLY_SUBSCRIPTION)}


@dataclass(frozen=True, slots=True)
class Principal:
    """A principal that can sign in: a person, or a service principal."""

    id: str
    """The object ID."""
    name: str
    """A person's user principal name; a service principal's display name."""
    display_name: str
    app_id: str = ""
    """A service principal's application (client) ID; empty for a person."""

    @property
    def client(self) -> str:
        """The caller's name in ARM's errors: a person's name, a service principal's client ID."""
        return self.app_id or self.name


ATTENDEE = Principal(fixed_id("attendee"), "attendee@practice.example", "Alex Attendee")
READER_USER = Principal(fixed_id("reader"), "reader@practice.example", "Robin Reader")
STRANGER = Principal(fixed_id("stranger"), "stranger@practice.example", "Sam Stranger")
ELIGIBLE = Principal(fixed_id("eligible"), "eligible@practice.example", "Elis Eligible")
CONTRIBUTOR_USER = Principal(fixed_id("contributor"), "contributor@practice.example", "Cleo Contributor")
ORGANIZER = Principal(fixed_id("organizer"), "organizer@practice.example", "Olga Organizer")
CI_PRINCIPAL = Principal(fixed_id("ci object"), "hol-practice-ci", "hol-practice-ci", fixed_id("ci application"))
_PRINCIPALS = (ATTENDEE, READER_USER, STRANGER, ELIGIBLE, CONTRIBUTOR_USER, ORGANIZER, CI_PRINCIPAL)
PRINCIPALS: Mapping[str, Principal] = {each.id: each for each in _PRINCIPALS}
USERS: Mapping[str, Principal] = {each.name: each for each in PRINCIPALS.values() if not each.app_id}
"""People by user principal name."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role that a principal has on a scope and on everything below it."""

    principal: str
    role: str
    scope: str


ASSIGNMENTS = (
    Assignment(ATTENDEE.id, OWNER, f"/subscriptions/{SUBSCRIPTION.id}"),
    Assignment(ATTENDEE.id, READER, f"/subscriptions/{READ_ONLY_SUBSCRIPTION.id}"),
    Assignment(READER_USER.id, READER, f"/subscriptions/{SUBSCRIPTION.id}"),
    Assignment(ELIGIBLE.id, CONTRIBUTOR, f"/subscriptions/{SUBSCRIPTION.id}"),
    Assignment(CONTRIBUTOR_USER.id, CONTRIBUTOR, f"/subscriptions/{SUBSCRIPTION.id}"),
    Assignment(ORGANIZER.id, OWNER, f"/subscriptions/{SUBSCRIPTION.id}"),
    Assignment(CI_PRINCIPAL.id, CONTRIBUTOR, f"/subscriptions/{SUBSCRIPTION.id}"),
)
"""The stranger has none, so that they see no subscription."""

ELIGIBILITIES = (Assignment(ELIGIBLE.id, OWNER, f"/subscriptions/{SUBSCRIPTION.id}"),)
"""Roles that somebody may activate for some hours (Privileged Identity Management), but does not have now."""

DIRECTORY_ROLES: Mapping[str, str] = {ORGANIZER.id: "Application Administrator"}
"""Directory roles by object ID; all others are ordinary members."""
ROLE_TEMPLATES: Mapping[str, str] = {"Application Administrator": "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"}
"""IDs of directory roles, the same in every tenant (Microsoft Entra built-in roles)."""
GRAPH_PERMISSIONS: Mapping[str, str] = {CI_PRINCIPAL.id: "Application.ReadWrite.OwnedBy"}
"""Permissions in Microsoft Graph that an administrator has granted to service principals; others have none."""

TAKEN_NAMES: Mapping[str, frozenset[str]] = {
    "Microsoft.Storage/storageAccounts": frozenset({"storage", "datalake", "practicetaken", "holpractice"}),
    "Microsoft.KeyVault/vaults": frozenset({"keyvault", "vault", "practice-taken", "practice-kv"}),
    "Microsoft.ContainerRegistry/registries": frozenset({"registry", "practicetaken", "practiceacr"}),
}
"""Globally unique names that somebody in another tenant already uses."""

LOCATIONS: Mapping[str, tuple[str, str]] = {
    "australiaeast": ("Australia East", "Asia Pacific"),
    "brazilsouth": ("Brazil South", "South America"),
    "canadacentral": ("Canada Central", "Canada"),
    "centralindia": ("Central India", "Asia Pacific"),
    "centralus": ("Central US", "US"),
    "eastasia": ("East Asia", "Asia Pacific"),
    "eastus": ("East US", "US"),
    "eastus2": ("East US 2", "US"),
    "francecentral": ("France Central", "Europe"),
    "germanywestcentral": ("Germany West Central", "Europe"),
    "italynorth": ("Italy North", "Europe"),
    "japaneast": ("Japan East", "Asia Pacific"),
    "koreacentral": ("Korea Central", "Asia Pacific"),
    "northcentralus": ("North Central US", "US"),
    "northeurope": ("North Europe", "Europe"),
    "norwayeast": ("Norway East", "Europe"),
    "polandcentral": ("Poland Central", "Europe"),
    "southafricanorth": ("South Africa North", "Africa"),
    "southcentralus": ("South Central US", "US"),
    "southeastasia": ("Southeast Asia", "Asia Pacific"),
    "spaincentral": ("Spain Central", "Europe"),
    "swedencentral": ("Sweden Central", "Europe"),
    "switzerlandnorth": ("Switzerland North", "Europe"),
    "uaenorth": ("UAE North", "Middle East"),
    "uksouth": ("UK South", "Europe"),
    "ukwest": ("UK West", "Europe"),
    "westeurope": ("West Europe", "Europe"),
    "westus": ("West US", "US"),
    "westus2": ("West US 2", "US"),
    "westus3": ("West US 3", "US"),
}
"""Regions by name: display name and geography group (Subscriptions - List Locations)."""

AUDIENCES: Mapping[str, str] = {
    "management": "https://management.core.windows.net/",
    "graph": "https://graph.microsoft.com",
    "key_vault": "https://vault.azure.net",
    "storage": "https://storage.azure.com",
    "databricks": "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d",
    "devops": "499b84ac-1321-427f-aa17-267ca6975798",
    "container_registry": "https://containerregistry.azure.net",
}
"""Audiences of tokens: those of Azure public, so that no client needs a special case."""

STORAGE_SUFFIX = "practice.invalid"
KEY_VAULT_SUFFIX = ".vault.practice.invalid"
DATABRICKS_SUFFIX = "azuredatabricks.practice.invalid"
REGISTRY_SUFFIX = "azurecr.practice.invalid"
"""Host names of the data planes.

`.invalid` never resolves (RFC 6761), so that nothing leaves this machine by accident.
"""
