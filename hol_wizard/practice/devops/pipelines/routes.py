"""Azure Pipelines' rows of the route table, by which official clients find each address (azure-devops 7.1.0b4)."""

from __future__ import annotations

from typing import Final

Route = tuple[str, str, str, str, str, int]
"""ID, area, resource, template, `releasedVersion`, and `resourceVersion` of a route."""
_RELEASED: Final = "7.1"
_BUILD: Final = "{project}/_apis/build"
_DEFINITION: Final = f"{_BUILD}/definitions/{{definitionId}}"
_BUILDS: Final = (
    ("dbeaf647-6167-421a-bda9-c9327b25e2e6", "Definitions", _DEFINITION, 7),
    ("7c116775-52e5-453e-8c5d-914d9762d8c4", "Revisions", f"{_DEFINITION}/revisions", 3),
    ("d9826ad7-2a68-46a9-a6e9-677698777895", "Properties", f"{_DEFINITION}/properties", 1),
    ("a906531b-d2da-4f55-bda7-f3e676cc50d9", "Folders", f"{_BUILD}/folders/{{*path}}", 2),
    ("c4aefd19-30ff-405b-80ad-aca021e7242a", "GeneralSettings", f"{_BUILD}/generalsettings", 1),
)
_TASKS: Final = (
    ("900fa995-c559-4923-aae7-f8424fe4fbea", "queues", "{project}/_apis/distributedtask/queues/{queueId}", 1),
    ("a8c47e17-4d56-4a56-92bb-de7ea7dc65be", "pools", "_apis/distributedtask/pools/{poolId}", 1),
    ("e298ef32-5878-4cab-993c-043836571f42", "agents", "_apis/distributedtask/pools/{poolId}/agents/{agentId}", 1),
)
PIPELINES: Final[tuple[Route, ...]] = (
    *((identity, "build", name, path, _RELEASED, version) for identity, name, path, version in _BUILDS),
    *((identity, "distributedtask", name, path, _RELEASED, version) for identity, name, path, version in _TASKS),
)
"""The paths are those of the descriptions; names of resources are estimates."""
