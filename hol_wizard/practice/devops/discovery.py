"""What clients ask first: which resources there are, under which paths and versions, and at which address each area is.

The official Python client (azure-devops 7.1.0b4, `client.py` and `connection.py`) finds every address by these two.
The ids are those that it asks for, and the recorded ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.areas import AREAS
from hol_wizard.practice.kernel.service import Answer, Call, JsonObject

_PREVIEW: Final = "0.0"
_RELEASED: Final = "7.1"
_CORE, _GIT, _LOCATION, _POLICY, _BUILD = "core", "git", "Location", "policy", "build"

UNLISTED: Final = ("distributedtask/resourcelimits", "tokens/pats")
"""Ends of paths that are served and that no official client finds by an id."""

Route = tuple[str, str, str, str, str, int]
"""Id, area, resource, template, `releasedVersion`, and `resourceVersion` of a route."""
_EVERYWHERE: tuple[Route, ...] = (
    ("00d9565f-ed9c-4a06-9a50-00e7896ccab4", _LOCATION, "ConnectionData", "_apis/{resource}", _PREVIEW, 1),
    ("e81700f7-3be2-46de-8624-2eb35882fcaa", _LOCATION, "ResourceAreas", "_apis/{resource}/{areaId}", _PREVIEW, 1),
)
_REPOSITORY: Final = "{project}/_apis/{area}/repositories/{repositoryId}"
ROUTES: Final[Mapping[str, tuple[Route, ...]]] = {
    "devops": (
        *_EVERYWHERE,
        ("603fe2ac-9723-48b9-88ad-09305aa6c6e1", _CORE, "projects", "_apis/{resource}/{*projectId}", _RELEASED, 4),
        (
            "4976a71a-4487-49aa-8aab-a1eda469037a",
            _CORE,
            "properties",
            "_apis/projects/{projectId}/{resource}",
            _PREVIEW,
            1,
        ),
        (
            "d30a3dd1-f8ba-442a-b86a-bd0c0c383e59",
            _CORE,
            "teams",
            "_apis/projects/{projectId}/{resource}/{*teamId}",
            _RELEASED,
            3,
        ),
        ("93878975-88c5-4e6a-8abb-7ddd77a8a7d8", _CORE, "processes", "_apis/process/{resource}/{processId}", "7.1", 1),
        (
            "9a1b74b4-2ca8-4a9f-8470-c2f2e6fdc949",
            "operations",
            "operations",
            "_apis/{resource}/{operationId}",
            _RELEASED,
            1,
        ),
        (
            "225f7195-f9c7-4d14-ab28-a83f7ff77e1f",
            _GIT,
            "repositories",
            "{project}/_apis/{area}/{resource}/{repositoryId}",
            _RELEASED,
            1,
        ),
        ("2d874a60-a811-4f62-9c9f-963a6ea0a55b", _GIT, "refs", f"{_REPOSITORY}/{{resource}}", _RELEASED, 1),
        (
            "d5b216de-d8d5-4d32-ae76-51df755b16d3",
            _GIT,
            "branches",
            f"{_REPOSITORY}/stats/{{resource}}",
            _RELEASED,
            1,
        ),
        (
            "dad91cbe-d183-45f8-9c6e-9c1164472121",
            _POLICY,
            "configurations",
            "{project}/_apis/{area}/{resource}/{configurationId}",
            _RELEASED,
            1,
        ),
        ("3813d06c-9e36-4ea1-aac3-61a485d60e3d", _BUILD, "ResourceUsage", "_apis/{area}/{resource}", _PREVIEW, 2),
        (
            "c4aefd19-30ff-405b-80ad-aca021e7242a",
            _BUILD,
            "generalSettings",
            "{project}/_apis/{area}/{resource}",
            _RELEASED,
            1,
        ),
        (
            "dd3b8bd6-c7fc-4cbd-929a-933d9c011c9d",
            "Security",
            "Permissions",
            "_apis/{resource}/{securityNamespaceId}/{permissions}",
            _RELEASED,
            2,
        ),
        (
            "eae1d376-a8b1-4475-9041-1dfdbe8f0143",
            "distributedtask",
            "resourceusage",
            "_apis/{area}/{resource}",
            _PREVIEW,
            2,
        ),
        ("fb93c0db-47ed-4a31-8c20-47552878fb44", _GIT, "items", f"{_REPOSITORY}/{{resource}}/{{*path}}", _RELEASED, 1),
    ),
    "devops_entitlements": (
        *_EVERYWHERE,
        (
            "387f832c-dbf2-4643-88e9-c1aa94dbb737",
            "MemberEntitlementManagement",
            "UserEntitlements",
            "_apis/{resource}",
            _PREVIEW,
            3,
        ),
        (
            "8480c6eb-ce60-47e9-88df-eca3c801638b",
            "MemberEntitlementManagement",
            "UserEntitlements",
            "_apis/{resource}/{userId}",
            _PREVIEW,
            3,
        ),
    ),
    "devops_sps": _EVERYWHERE,
    "devops_profile": (
        *_EVERYWHERE,
        ("f83735dc-483f-4238-a291-d45f6080a9af", "profile", "profiles", "_apis/{area}/{resource}/{id}", _RELEASED, 3),
        ("229a6a53-b428-4ffb-a835-e8f36b5b4b1e", "Account", "Accounts", "_apis/{resource}", _RELEASED, 1),
    ),
}


def routes(call: Call, service: str) -> Answer:
    """Return the route table of a service (OPTIONS /_apis), or that of one area (OPTIONS /_apis/git).

    The Python client asks for the whole, azure-devops-node-api for one area (`VsoClient.js`, `beginGetAreaLocations`).

    Raises:
        Refused: There is no such area here: the Node client takes 404 for an area without routes.
    """
    wanted = call.match.get("area", "").lower()
    value = [
        {
            "id": identity,
            "area": area,
            "resourceName": resource,
            "routeTemplate": template,
            "resourceVersion": version,
            "minVersion": "1.0",
            "maxVersion": "7.2",
            "releasedVersion": released,
        }
        for identity, area, resource, template, released, version in ROUTES[service]
        if wanted in {"", area.lower()}
    ]
    if not value:
        raise errors.refused(404, f"The controller for path '{call.path}' was not found.", "HttpException")
    return Answer(200, {"value": value, "count": len(value)})


def areas(call: Call, addresses: Mapping[str, str]) -> Answer:
    """Return at which address each area of an organization is (recorded: resource-areas)."""
    below = f"{call.match['organization']}/"
    value: list[JsonObject] = [
        {"id": identity, "name": name, "locationUrl": f"{addresses[service]}/{below}"}
        for identity, (name, service) in AREAS.items()
    ]
    wanted = call.match.get("area", "").lower()
    if not wanted:
        return Answer(200, {"count": len(value), "value": value})
    # For an area that it does not have, the service answers `null` (azure-devops, `_get_url_for_client_instance`).
    return next((Answer(200, each) for each in value if each["id"] == wanted), Answer(200, "null"))
