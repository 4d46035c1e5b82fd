"""Azure's regions, known offline: an unknown name is refused immediately, and there is a list to choose from.

From "List of Azure regions" (learn.microsoft.com/azure/reliability/regions-list), the same for Azure Government and
Azure China, and the answers of Subscriptions - List Locations. Only Azure knows which of them a subscription may use
and which of them offer a service; it reports that for a subscription.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

_PUBLIC: Final[Mapping[str, str]] = {
    "australiacentral": "Australia Central",
    "australiacentral2": "Australia Central 2",
    "australiaeast": "Australia East",
    "australiasoutheast": "Australia Southeast",
    "austriaeast": "Austria East",
    "belgiumcentral": "Belgium Central",
    "brazilsouth": "Brazil South",
    "brazilsoutheast": "Brazil Southeast",
    "canadacentral": "Canada Central",
    "canadaeast": "Canada East",
    "centralindia": "Central India",
    "centralus": "Central US",
    "chilecentral": "Chile Central",
    "denmarkeast": "Denmark East",
    "eastasia": "East Asia",
    "eastus": "East US",
    "eastus2": "East US 2",
    "francecentral": "France Central",
    "francesouth": "France South",
    "germanynorth": "Germany North",
    "germanywestcentral": "Germany West Central",
    "indonesiacentral": "Indonesia Central",
    "israelcentral": "Israel Central",
    "italynorth": "Italy North",
    "japaneast": "Japan East",
    "japanwest": "Japan West",
    "jioindiacentral": "Jio India Central",
    "jioindiawest": "Jio India West",
    "koreacentral": "Korea Central",
    "koreasouth": "Korea South",
    "malaysiawest": "Malaysia West",
    "mexicocentral": "Mexico Central",
    "newzealandnorth": "New Zealand North",
    "northcentralus": "North Central US",
    "northeurope": "North Europe",
    "norwayeast": "Norway East",
    "norwaywest": "Norway West",
    "polandcentral": "Poland Central",
    "qatarcentral": "Qatar Central",
    "southafricanorth": "South Africa North",
    "southafricawest": "South Africa West",
    "southcentralus": "South Central US",
    "southeastasia": "Southeast Asia",
    "southindia": "South India",
    "spaincentral": "Spain Central",
    "swedencentral": "Sweden Central",
    "swedensouth": "Sweden South",
    "switzerlandnorth": "Switzerland North",
    "switzerlandwest": "Switzerland West",
    "taiwannorth": "Taiwan North",
    "taiwannorthwest": "Taiwan Northwest",
    "uaecentral": "UAE Central",
    "uaenorth": "UAE North",
    "uksouth": "UK South",
    "ukwest": "UK West",
    "westcentralus": "West Central US",
    "westeurope": "West Europe",
    "westindia": "West India",
    "westus": "West US",
    "westus2": "West US 2",
    "westus3": "West US 3",
}
REGIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "azure": _PUBLIC,
    "practice": _PUBLIC,
    "usgov": {
        "usdodcentral": "US DoD Central",
        "usdodeast": "US DoD East",
        "usgovarizona": "US Gov Arizona",
        "usgovtexas": "US Gov Texas",
        "usgovvirginia": "US Gov Virginia",
    },
    "china": {
        "chinaeast": "China East",
        "chinaeast2": "China East 2",
        "chinaeast3": "China East 3",
        "chinanorth": "China North",
        "chinanorth2": "China North 2",
        "chinanorth3": "China North 3",
    },
}
"""Display name of each physical region, by cloud and by its name in Azure's APIs."""


def problem_with_region(name: str) -> str:
    """Return the message that no cloud has such a region, with the nearest name; empty if one has it.

    Args:
        name: The name in Azure's APIs: `westeurope`.
    """
    known = {region for regions in REGIONS.values() for region in regions}
    if name in known:
        return ""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.7)
    meant = f"Did you mean {near[0]}?" if near else "For example: westeurope"
    return f"It is not the name of an Azure region. {meant}"
