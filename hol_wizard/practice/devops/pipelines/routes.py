"""Azure Pipelines' rows of the route table, by which official clients find each address (azure-devops 7.1.0b4)."""

from __future__ import annotations

from typing import Final

Route = tuple[str, str, str, str, str, int]
"""ID, area, resource, template, `releasedVersion`, and `resourceVersion` of a route."""
_RELEASED: Final = "7.1"
_BUILD: Final = "{project}/_apis/build"
_DEFINITION: Final = f"{_BUILD}/definitions/{{definitionId}}"
_ONE: Final = f"{_BUILD}/builds/{{buildId}}"
_RECORD: Final = f"{_ONE}/{{timelineId}}/{{recordId}}"
_RUN: Final = "{project}/_apis/pipelines/{pipelineId}/runs/{runId}"
_BUILDS: Final = (
    ("dbeaf647-6167-421a-bda9-c9327b25e2e6", "Definitions", _DEFINITION, 7),
    ("ea623316-1967-45eb-89ab-e9e6110cf2d6", "Resources", f"{_DEFINITION}/resources", 1),
    ("398c85bc-81aa-4822-947c-a194a05f0fef", "AuthorizedResources", f"{_BUILD}/authorizedresources", 1),
    ("07acfdce-4757-4439-b422-ddd13a2fcc10", "Status", f"{_BUILD}/status/{{*definition}}", 1),
    ("7c116775-52e5-453e-8c5d-914d9762d8c4", "Revisions", f"{_DEFINITION}/revisions", 3),
    ("d9826ad7-2a68-46a9-a6e9-677698777895", "Properties", f"{_DEFINITION}/properties", 1),
    ("a906531b-d2da-4f55-bda7-f3e676cc50d9", "Folders", f"{_BUILD}/folders/{{*path}}", 2),
    ("c4aefd19-30ff-405b-80ad-aca021e7242a", "GeneralSettings", f"{_BUILD}/generalsettings", 1),
    ("0cd358e1-9217-4d94-8269-1c1ee6f93dcf", "Builds", _ONE, 7),
    ("54481611-01f4-47f3-998f-160da0f0c229", "Latest", f"{_BUILD}/latest/{{definition}}", 1),
    ("6e6114b2-8161-44c8-8f6c-c5505782427f", "Tags", f"{_ONE}/tags/{{*tag}}", 3),
    ("d84ac5c6-edc7-43d5-adc9-1b34be5dea09", "Tags", f"{_BUILD}/tags/{{*tag}}", 3),
    ("0a6312e9-0627-49b7-8083-7d74a64849c9", "Properties", f"{_ONE}/properties", 1),
    ("5a21f5d2-5642-47e4-a0bd-1356e6731bee", "WorkItems", f"{_ONE}/workitems", 2),
    ("54572c7b-bbd3-45d4-80dc-28be08941620", "Changes", f"{_ONE}/changes", 2),
    ("f10f0ea5-18a1-43ec-a8fb-2042c7be9b43", "Changes", f"{_BUILD}/changes", 2),
    ("8baac422-4c6e-4de5-8532-db96d92acffa", "Timeline", f"{_ONE}/timeline/{{timelineId}}", 2),
    ("b8aac6c9-744b-46e1-88fc-3550969f9313", "Stages", f"{_ONE}/stages/{{stageRefName}}", 1),
    ("35a80daf-7f30-45fc-86e8-6b813d9c90df", "Logs", f"{_ONE}/logs/{{logId}}", 2),
    ("1db06c96-014e-44e1-ac91-90b2d4b3e984", "Artifacts", f"{_ONE}/artifacts", 5),
    ("f2192269-89fa-4f94-baf6-8fb128c55159", "Attachments", f"{_ONE}/attachments/{{type}}", 2),
    ("af5122d3-3438-485e-a25a-2dbbfde84ee6", "Attachments", f"{_RECORD}/attachments/{{type}}/{{name}}", 2),
    ("272051e4-9af1-45b5-ae22-8d960a5539d4", "Leases", f"{_BUILD}/retention/leases/{{leaseId}}", 2),
    ("3da19a6a-f088-45c4-83ce-2ad3a87be6c4", "Leases", f"{_ONE}/leases", 1),
)
_TASKS: Final = (
    ("900fa995-c559-4923-aae7-f8424fe4fbea", "queues", "{project}/_apis/distributedtask/queues/{queueId}", 1),
    ("a8c47e17-4d56-4a56-92bb-de7ea7dc65be", "pools", "_apis/distributedtask/pools/{poolId}", 1),
    ("e298ef32-5878-4cab-993c-043836571f42", "agents", "_apis/distributedtask/pools/{poolId}/agents/{agentId}", 1),
    ("1f9990b9-1dba-441f-9c2e-6485888c42b6", "yamlschema", "_apis/distributedtask/yamlschema", 1),
    (
        "8572b1fc-2482-47fa-8f74-7e3ed53ee54b",
        "environments",
        "{project}/_apis/distributedtask/environments/{environmentId}",
        1,
    ),
    (
        "51bb5d21-4305-4ea6-9dbb-b7488af73334",
        "environmentdeploymentrecords",
        "{project}/_apis/distributedtask/environments/{environmentId}/environmentdeploymentrecords",
        1,
    ),
)
_RUNS: Final = (
    ("28e1305e-2afe-47bf-abaf-cbb0e6a91988", "pipelines", "{project}/_apis/pipelines/{pipelineId}", 1),
    ("53df2d18-29ea-46a9-bee0-933540f80abf", "preview", "{project}/_apis/pipelines/{pipelineId}/preview", 1),
    ("7859261e-d2e9-4a68-b820-a5d84cc5bb3d", "runs", _RUN, 1),
    ("85023071-bd5e-4438-89b0-2a5bf362a19d", "artifacts", f"{_RUN}/artifacts", 1),
)
_CHECKS: Final = (
    (
        "86c8381e-5aee-4cde-8ae4-25c0c7f5eaea",
        "configurations",
        "{project}/_apis/pipelines/checks/configurations/{id}",
        1,
    ),
    (
        "5f3d0e64-f943-4584-8811-77eb495e831e",
        "queryconfigurations",
        "{project}/_apis/pipelines/checks/queryconfigurations",
        1,
    ),
)
_GIT: Final = (
    (
        "428dd4fb-fda5-4722-af02-9313b80305da",
        "statuses",
        "{project}/_apis/git/repositories/{repositoryId}/commits/{commitId}/statuses",
        1,
    ),
)
_POLICIES: Final = (
    (
        "46aecb7a-5d2c-4647-897b-0209505a9fe4",
        "evaluations",
        "{project}/_apis/policy/evaluations/{evaluationId}",
        1,
    ),
)
_RESULT_ATTACHMENT: Final = "results/{testCaseResultId}/attachments/{attachmentId}"
_TESTS: Final = (
    ("cadb3810-d47d-4a3c-a234-fe5f3be50138", "runs", "{project}/_apis/test/runs/{runId}", 3),
    ("0a42c424-d764-4a16-a2d5-5c85f87d0ae8", "statistics", "{project}/_apis/test/runs/{runId}/statistics", 3),
    ("4637d869-3a76-4468-8057-0bb02aa385cf", "results", "{project}/_apis/test/runs/{runId}/results/{testResultId}", 6),
    (
        "4f004af4-a507-489c-9b13-cb62060beb11",
        "attachments",
        "{project}/_apis/test/runs/{runId}/attachments/{attachmentId}",
        1,
    ),
    (
        "2bffebe9-2f0f-4639-9af8-56129e9fed2d",
        "attachments",
        f"{{project}}/_apis/test/runs/{{runId}}/{_RESULT_ATTACHMENT}",
        1,
    ),
    ("77560e8a-4e8c-4d59-894e-a5f264c24444", "codecoverage", "{project}/_apis/test/codecoverage", 1),
)
PIPELINES: Final[tuple[Route, ...]] = tuple(
    (identity, area, name, path, _RELEASED, version)
    for area, rows in (
        ("build", _BUILDS),
        ("distributedtask", _TASKS),
        ("pipelines", _RUNS),
        ("PipelinesChecks", _CHECKS),
        ("git", _GIT),
        ("policy", _POLICIES),
        ("test", _TESTS),
    )
    for identity, name, path, version in rows
)
"""The paths are those of the descriptions; names of resources are estimates."""
_RESULTS: Final = "{project}/_apis/testresults"
_RESULTS_ROWS: Final = (
    ("364538f9-8062-4ce0-b024-75a0fb463f0d", "runs", f"{_RESULTS}/runs/{{runId}}", 1),
    ("82b986e8-ca9e-4a89-b39e-f65c69bc104a", "statistics", f"{_RESULTS}/runs/{{runId}}/statistics", 2),
    ("02afa165-e79a-4d70-8f0c-2af0f35b4e07", "results", f"{_RESULTS}/runs/{{runId}}/results/{{testResultId}}", 2),
    (
        "b5731898-8206-477a-a51d-3fdf116fc6bf",
        "attachments",
        f"{_RESULTS}/runs/{{runId}}/attachments/{{attachmentId}}",
        1,
    ),
    ("2a632e97-e014-4275-978f-8e5c4906d4b3", "attachments", f"{_RESULTS}/runs/{{runId}}/{_RESULT_ATTACHMENT}", 1),
    ("e009fa95-95a5-4ad4-9681-590043ce2423", "resultsummarybybuild", f"{_RESULTS}/resultsummarybybuild", 1),
    ("f48cc885-dbc4-4efc-ab19-ae8c19d1e02a", "resultsbybuild", f"{_RESULTS}/resultsbybuild", 1),
    ("9b3e1ece-c6ab-4fbb-8167-8a32a0c92216", "codecoverage", f"{_RESULTS}/codecoverage", 1),
)
TEST_RESULTS: Final[tuple[Route, ...]] = tuple(
    (identity, "testresults", name, path, "0.0", version) for identity, name, path, version in _RESULTS_ROWS
)
"""On vstmr.dev.azure.com (azure-devops-node-api 17.0.1, `TestResultsApi.js`): all of them are previews."""
