"""The api-versions of Resource Manager and the resource providers.

Sources: for Resource Manager, the list in its own error (InvalidApiVersionParameter, quoted 2026-09-19); for the
providers the folders of Azure/bicep-types-az, `generated/`, and the recorded Providers_Get of Microsoft.Compute and
Microsoft.OperationalInsights; for policies and registries also what azure-cli 2.91 sends. Previews that were withdrawn
before these sources were written are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TEXTS: Final[Mapping[str, str]] = {
    "microsoft.resources": (
        "2026-06-01 2025-04-01 2025-03-01 2024-10-01-preview 2024-11-01 2024-08-01 2024-07-01 2024-06-01-preview "
        "2024-03-01 2023-07-01 2023-07-01-preview 2023-03-01-preview 2022-12-01 2022-11-01-preview 2022-09-01 "
        "2022-06-01 2022-05-01 2022-03-01-preview 2022-01-01 2021-04-01 2021-01-01 2020-10-01 2020-09-01 "
        "2020-08-01 2020-07-01 2020-06-01 2020-05-01 2020-01-01 2019-11-01 2019-10-01 2019-09-01 2019-08-01 "
        "2019-07-01 2019-06-01 2019-05-10 2019-05-01 2019-03-01 2018-11-01 2018-09-01 2018-08-01 2018-07-01 "
        "2018-06-01 2018-05-01 2018-02-01 2018-01-01 2017-12-01 2017-08-01 2017-06-01 2017-05-10 2017-05-01 "
        "2017-03-01 2016-09-01 2016-07-01 2016-06-01 2016-02-01 2015-11-01 2015-01-01 2014-04-01-preview "
        "2014-04-01 2014-01-01 2013-03-01 2014-02-26 2014-04"
    ),
    "microsoft.storage": (
        "2026-09-01 2026-06-01 2026-04-01 2025-08-01 2025-06-01 2025-01-01 2024-01-01 2023-05-01 2023-04-01 2023-01-01 "
        "2022-09-01 2022-05-01 2021-09-01 2021-08-01 2021-06-01 2021-04-01 2021-02-01 2021-01-01 2020-08-01-preview "
        "2019-06-01 2019-04-01 2018-11-01 2018-07-01 2018-03-01-preview 2018-02-01 2017-10-01 2017-06-01 2016-12-01 "
        "2016-05-01 2016-01-01 2015-06-15 2015-05-01-preview"
    ),
    "microsoft.keyvault": (
        "2026-06-01-preview 2026-05-15 2026-03-01-preview 2026-02-01 2025-05-01 2024-12-01-preview 2024-11-01 "
        "2024-04-01-preview 2023-07-01 2023-02-01 2022-11-01 2022-07-01 2022-02-01-preview 2021-11-01-preview "
        "2021-10-01 2021-06-01-preview 2021-04-01-preview 2020-04-01-preview 2019-09-01 2018-02-14 "
        "2018-02-14-preview 2016-10-01 2015-06-01"
    ),
    "microsoft.databricks": (
        "2026-01-01 2025-10-01-preview 2025-08-01-preview 2025-03-01-preview 2024-09-01-preview 2024-05-01 "
        "2024-02-01-preview 2023-09-15-preview 2023-05-01 2023-02-01 2022-10-01-preview 2022-04-01-preview "
        "2021-04-01-preview 2018-04-01"
    ),
    "microsoft.machinelearningservices": (
        "2026-05-01 2026-03-15-preview 2026-03-01 2026-01-15-preview 2025-12-01 2025-10-01-preview 2025-09-01 "
        "2025-07-01-preview 2025-06-01 2025-04-01 2025-04-01-preview 2025-01-01-preview 2024-10-01 2024-10-01-preview "
        "2024-07-01-preview 2024-04-01 2024-04-01-preview 2024-01-01-preview 2023-10-01 2023-08-01-preview "
        "2023-06-01-preview 2023-04-01 2023-04-01-preview 2023-02-01-preview 2022-12-01-preview 2022-10-01 "
        "2022-10-01-preview 2022-06-01-preview 2022-05-01 2022-02-01-preview 2022-01-01-preview 2021-07-01 2021-04-01 "
        "2021-03-01-preview 2021-01-01 2020-09-01-preview 2020-08-01 2020-06-01 2020-05-15-preview 2020-05-01-preview "
        "2020-04-01 2020-04-01-preview 2020-03-01 2020-02-18-preview 2020-01-01 2019-11-01 2019-06-01 2019-05-01 "
        "2018-11-19 2018-03-01-preview"
    ),
    "microsoft.containerregistry": (
        "2026-09-01-preview 2026-03-01-preview 2026-01-01-preview 2025-11-01 2025-06-01-preview 2025-05-01-preview "
        "2025-04-01 2025-03-01-preview 2024-11-01-preview 2023-11-01-preview "
        "2023-08-01-preview "
        "2023-07-01 2023-06-01-preview 2023-01-01-preview 2022-12-01 2022-02-01-preview 2021-12-01-preview 2021-09-01 "
        "2021-08-01-preview 2021-06-01-preview 2020-11-01-preview 2019-12-01-preview 2019-06-01-preview 2019-05-01 "
        "2019-05-01-preview 2019-04-01 2018-09-01 2018-02-01-preview 2017-10-01 2017-06-01-preview 2017-03-01 "
        "2016-06-27-preview"
    ),
    "microsoft.operationalinsights": (
        "2026-03-01 2025-07-01 2025-02-01 2023-09-01 2022-10-01 2021-12-01-preview 2021-06-01 "
        "2021-03-01-privatepreview 2020-10-01 2020-08-01 2020-03-01-preview 2019-09-01 2019-09-01-preview "
        "2019-08-01-preview 2015-11-01-preview 2015-03-20"
    ),
    "microsoft.managedidentity": (
        "2025-05-31-preview 2025-01-31-preview 2024-11-30 2023-07-31-preview 2023-01-31 2022-01-31-preview "
        "2021-09-30-preview 2018-11-30 2015-08-31-preview"
    ),
    "microsoft.insights/components": "2020-02-02 2020-02-02-preview 2018-05-01-preview 2015-05-01 2014-04-01",
    "microsoft.compute": (
        "2025-04-01 2024-11-01 2024-07-01 2024-03-01 2023-09-01 2023-07-01 2023-03-01 2022-11-01 2022-08-01 2022-03-01 "
        "2021-11-01 2021-07-01 2021-04-01 2021-03-01 2020-12-01 2020-06-01 2019-12-01 2019-07-01 2019-04-01 2019-03-01 "
        "2018-10-01 2018-06-01 2018-04-01 2017-12-01 2017-09-01 2017-03-30 2016-03-30 2015-06-15"
    ),
    "microsoft.authorization": (
        "2022-05-01-preview 2022-04-01 2020-10-01 2020-10-01-preview 2020-08-01-preview 2020-04-01-preview "
        "2020-03-01-preview 2018-09-01-preview 2018-07-01 2018-01-01-preview 2017-10-01-preview 2015-07-01"
    ),
    "microsoft.authorization/locks": "2020-05-01 2017-04-01 2016-09-01 2015-01-01",
    "microsoft.authorization/policyassignments": (
        "2025-11-01 2025-03-01 2025-01-01 2024-05-01 2024-04-01 2023-04-01 2022-06-01 2021-06-01 2020-09-01 2020-03-01 "
        "2019-09-01 2019-06-01 2019-01-01 2018-05-01 2018-03-01 2016-12-01 2016-04-01 2015-11-01"
    ),
}
_TABLE: Final = {name: tuple(text.split()) for name, text in _TEXTS.items()}
RESOURCE_MANAGER: Final = _TABLE["microsoft.resources"]
"""Those of Resource Manager itself, in the order in which it lists them."""


def of_type(namespace: str, kind: str) -> tuple[str, ...]:
    """Return the versions of a resource type, newest first; none if the provider is unknown.

    Args:
        namespace: `Microsoft.Storage`.
        kind: `storageAccounts`, `storageAccounts/blobServices`.
    """
    lowered = namespace.lower()
    return _TABLE.get(f"{lowered}/{kind.lower()}") or _TABLE.get(lowered, ())
