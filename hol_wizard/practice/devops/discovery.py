"""What clients request first: the resources with their paths and versions, and the address of each area.

The official Python client (azure-devops 7.1.0b4, `client.py` and `connection.py`) finds every address by these two.
The IDs are those that it uses, and the recorded ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.areas import AREAS
from hol_wizard.practice.devops.pipelines.routes import PIPELINES, TEST_RESULTS, Route
from hol_wizard.practice.kernel.service import JsonObject, Request, Response

_PREVIEW: Final = "0.0"
_RELEASED: Final = "7.1"
_CORE, _GIT, _LOCATION, _POLICY, _BUILD = "core", "git", "Location", "policy", "build"
_GRAPH: Final = "Graph"
_ENDPOINTS, _TASKS = "serviceendpoint", "distributedtask"
_IN_ORGANIZATION: Final = "_apis/{area}/{resource}/{id}"
_IN_PROJECT: Final = "{project}/_apis/{area}/{resource}/{id}"

UNLISTED: Final = (
    "distributedtask/resourcelimits",
    "tokens/pats",
    "artifact/x/content",
    "pipelines/approvals",
    "pipelines/approvals/x",
)
"""Ends of served paths that no official client looks up by ID."""

_EVERYWHERE: tuple[Route, ...] = (
    ("00d9565f-ed9c-4a06-9a50-00e7896ccab4", _LOCATION, "ConnectionData", "_apis/{resource}", _PREVIEW, 1),
    ("e81700f7-3be2-46de-8624-2eb35882fcaa", _LOCATION, "ResourceAreas", "_apis/{resource}/{areaId}", _PREVIEW, 1),
)
_REPOSITORY: Final = "{project}/_apis/{area}/repositories/{repositoryId}"
_PULL_REQUESTS: Final = (
    ("9946fd70-0d40-406e-b686-b4744cbbcc37", "pullRequests", "/{pullRequestId}", 1),
    ("52823034-34a8-4576-922c-8d8b77e9e4c4", "pullRequestCommits", "/{pullRequestId}/commits", 1),
    ("d43911ee-6958-46b0-a42b-8445b8a0d004", "pullRequestIterations", "/{pullRequestId}/iterations/{iterationId}", 2),
    ("4b6702c7-aa35-4b89-9c96-b9abf6d3e540", "pullRequestReviewers", "/{pullRequestId}/reviewers/{reviewerId}", 1),
    ("b5f6bb4f-8d1e-4d79-8d11-4c9172c99c35", "pullRequestStatuses", "/{pullRequestId}/statuses/{statusId}", 1),
    ("ab6e2e5d-a0b7-4153-b64a-a4efe0d49449", "pullRequestThreads", "/{pullRequestId}/threads/{threadId}", 1),
    (
        "965a3ec7-5ed8-455a-bdcb-835a5ea7fe7b",
        "pullRequestThreadComments",
        "/{pullRequestId}/threads/{threadId}/comments/{commentId}",
        1,
    ),
)
"""Resources below a repository; the paths are those of the descriptions; the names of the resources are estimates."""
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
        *(
            (identity, _GIT, resource, f"{_REPOSITORY}/pullRequests{rest}", _RELEASED, version)
            for identity, resource, rest, version in _PULL_REQUESTS
        ),
        (
            "01a46dea-7d46-4d40-bc84-319e7c260d99",
            _GIT,
            "pullRequests",
            "{project}/_apis/{area}/{resource}/{pullRequestId}",
            _RELEASED,
            1,
        ),
        (
            "a5d28130-9cd2-40fa-9f08-902e7daa9efb",
            _GIT,
            "pullRequests",
            "{project}/_apis/{area}/{resource}",
            _RELEASED,
            1,
        ),
        (
            "c23ddff5-229c-4d04-a80b-0fdce9f360c8",
            _POLICY,
            "evaluations",
            "{project}/_apis/{area}/{resource}",
            _PREVIEW,
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
        *PIPELINES,
        ("14e48fdc-2c8b-41ce-a0c3-e26f6cc55bd0", _ENDPOINTS, "endpoints", _IN_ORGANIZATION, _RELEASED, 4),
        ("e85f1c62-adfc-4b74-b618-11a150fb195e", _ENDPOINTS, "endpoints", _IN_PROJECT, _RELEASED, 4),
        ("5a7938a4-655e-486c-b562-b78c54a7e87b", _ENDPOINTS, "types", "_apis/{area}/{resource}", _RELEASED, 1),
        (
            "10a16738-9299-4cd1-9a81-fd23ad6200d0",
            _ENDPOINTS,
            "executionhistory",
            "{project}/_apis/{area}/{endpointId}/{resource}",
            _RELEASED,
            1,
        ),
        ("ef5b7057-ffc3-4c77-bbad-c10b4a4abcc7", _TASKS, "variablegroups", _IN_ORGANIZATION, _RELEASED, 2),
        ("f5b09dd5-9d54-45a1-8b5a-1c8287d634cc", _TASKS, "variablegroups", _IN_PROJECT, _RELEASED, 2),
        (
            "69a319f4-28c1-4bfd-93e6-ea0ff5c6f1a2",
            _TASKS,
            "oidctoken",
            "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/jobs/{jobId}/{resource}",
            _PREVIEW,
            1,
        ),
        (
            "b5b9a4a4-e6cd-4096-853c-ab7d8b0c4eb2",
            "pipelinePermissions",
            "pipelinePermissions",
            "{project}/_apis/pipelines/{resource}/{resourceType}/{resourceId}",
            _PREVIEW,
            1,
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
    "devops_sps": (
        *_EVERYWHERE,
        *(
            (identity, _GRAPH, resource, f"_apis/{{area}}/{{resource}}{rest}", _PREVIEW, 1)
            for identity, resource, rest in (
                ("048aee0a-7072-4cde-ab73-7af77b1e0b4e", "Descriptors", "/{storageKey}"),
                ("ebbe6af8-0b91-4c13-8cf1-777c14858188", "Groups", "/{groupDescriptor}"),
                ("e34b6394-6b30-4435-94a9-409a5eef3e31", "Memberships", "/{subjectDescriptor}"),
                (
                    "3fd2e6ca-fb30-443a-b579-95b19ed0934c",
                    "Memberships",
                    "/{subjectDescriptor}/{containerDescriptor}",
                ),
                ("4dd4d168-11f2-48c4-83e8-756fa0de027c", "SubjectLookup", ""),
            )
        ),
        ("28010c54-d0c0-4c89-a5b0-1c9e188b9fb7", "IMS", "Identities", "_apis/{resource}/{identityId}", _RELEASED, 1),
    ),
    "devops_test_results": (*_EVERYWHERE, *TEST_RESULTS),
    # Official clients are told whole addresses on this host, and look up none by its ID.
    "devops_artifacts": _EVERYWHERE,
    "devops_profile": (
        *_EVERYWHERE,
        ("f83735dc-483f-4238-a291-d45f6080a9af", "profile", "profiles", "_apis/{area}/{resource}/{id}", _RELEASED, 3),
        ("229a6a53-b428-4ffb-a835-e8f36b5b4b1e", "Account", "Accounts", "_apis/{resource}", _RELEASED, 1),
    ),
}


def routes(request: Request, service: str) -> Response:
    """Return the route table of a service (OPTIONS /_apis), or that of one area (OPTIONS /_apis/git).

    The Python client requests the whole table, azure-devops-node-api one area (`VsoClient.js`,
    `beginGetAreaLocations`).

    Raises:
        Refused: There is no such area here: the Node client takes a 404 as an area without routes.
    """
    wanted = request.match.get("area", "").lower()
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
        raise errors.refused(404, f"The controller for path '{request.path}' was not found.", "HttpException")
    return Response(200, {"value": value, "count": len(value)})


def areas(request: Request, addresses: Mapping[str, str]) -> Response:
    """Return the address of each area of an organization (recorded: resource-areas)."""
    below = f"{request.match['organization']}/"
    value: list[JsonObject] = [
        {"id": identity, "name": name, "locationUrl": f"{addresses[service]}/{below}"}
        for identity, (name, service) in AREAS.items()
    ]
    wanted = request.match.get("area", "").lower()
    if not wanted:
        return Response(200, {"count": len(value), "value": value})
    # For an area that does not exist, the service returns `null` (azure-devops, `_get_url_for_client_instance`).
    return next((Response(200, each) for each in value if each["id"] == wanted), Response(200, "null"))
