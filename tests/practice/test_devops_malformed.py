"""Malformed requests about pipelines: refused as such, never a defect of the practice cloud."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hol_wizard.practice.devops.pipelines.checks import APPROVAL
from tests.practice.pipeline_ground import Ground
from tests.practice.test_devops_builds import HELLO
from tests.practice.test_devops_pipelines import Project
from tests.practice_cloud import PracticeCloud

ATOMS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, 10**30, "", "x", "retry"),
    *([], {}, [None], [1], ["a"], {"id": 1}, {"id": "x"}, [{"id": 1}], [[]], {"a": {"b": 1}}),
)
ROUNDS = 14
PREVIEW = "7.1-preview.1"


def good(project: Project, commit: str) -> Iterator[tuple[str, str, Any]]:
    """Yield well-formed changes: method, path, body."""
    (repository,) = project.get("/git/repositories")["value"]
    yaml = {"type": "yaml", "path": "a.yml", "repository": {"id": repository["id"], "type": "azureReposGit"}}
    own = {"self": {"refName": "refs/heads/main", "version": ""}}
    resources = {"repositories": own, "pipelines": {"x": {"version": "1"}}}
    secret = {"a": {"value": "1", "isSecret": True}}
    lease = {"definitionId": 1, "runId": 1, "ownerId": "x", "daysValid": 3, "protectPipeline": False}
    status = {"state": "failed", "context": {"name": "a", "genre": "b"}, "description": "x", "targetUrl": "y"}
    statuses = f"/git/repositories/{repository['id']}/commits/{commit}/statuses"
    build = {"definition": {"id": 1}, "sourceBranch": "main", "priority": "low", "queue": {"id": 29}}
    yield "POST", "/build/definitions", project.definition("n", variables=secret, queue={"id": 29}, tags=["t"])
    yield "PUT", "/build/definitions/1", project.get("/build/definitions/1")
    yield "PATCH", "/build/definitions/1/properties", [{"op": "add", "path": "/a", "value": "b"}]
    yield "PUT", "/build/folders?path=new", {"description": "new"}
    yield "POST", "/build/builds", {**build, "parameters": '{"system.debug":"true"}', "templateParameters": {}}
    yield "PATCH", "/build/builds/1", {"status": "cancelling", "keepForever": False, "quality": "x"}
    yield "PATCH", "/build/builds/1/tags", {"tagsToAdd": ["a"], "tagsToRemove": ["b"]}
    yield "PATCH", "/build/builds/1/stages/__default", {"state": "retry", "forceRetryAllJobs": True}
    yield "POST", "/build/retention/leases", [lease]
    yield "POST", "/pipelines", {"name": "p", "folder": "x", "configuration": yaml}
    yield "POST", "/pipelines/1/runs", {"resources": resources, "templateParameters": {"a": "b"}, "stagesToSkip": ["x"]}
    yield "POST", "/pipelines/1/preview", {"previewRun": True, "yamlOverride": HELLO}
    yield "PATCH", "/build/generalsettings", {"enforceSettableVar": True}
    yield "POST", "/distributedtask/environments", {"name": "QA", "description": "d"}
    yield "POST", statuses, status
    environment = project.ask("POST", "/distributedtask/environments", {"name": "DEV", "description": ""}).json()
    me = project.devops.ask("GET", "/connectionData", version=PREVIEW).json()["authenticatedUser"]["id"]
    settings = {"approvers": [{"id": me}], "minRequiredApprovers": 1, "executionOrder": "anyOrder"}
    resource = {"type": "environment", "id": str(environment["id"]), "name": "DEV"}
    check = {"type": {"id": APPROVAL}, "settings": settings, "resource": resource, "timeout": 10}
    yield "POST", "/pipelines/checks/configurations", check
    yield "PATCH", "/pipelines/approvals", [{"approvalId": me, "status": "approved", "comment": "x"}]


def mutated(body: Any, choices: random.Random) -> Any:
    """Return a body with one or two of its parts replaced."""
    changed = copy.deepcopy(body)
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        found = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, each in found:
            places.append((part, key))
            walk(each)

    walk(changed)
    for _ in range(choices.choice((1, 1, 2))):
        part, key = choices.choice(places)
        part[key] = choices.choice(ATOMS)
    return changed


def test_a_malformed_change_is_refused_and_never_a_defect(practice_cloud: PracticeCloud, tmp_path: Path) -> None:
    ground = Ground(practice_cloud, tmp_path)
    ground.begin()
    commit = ground.push(HELLO, "Added a pipeline")
    ground.project.create()
    ground.run()
    choices, defects, refused = random.Random(20261128), [], 0  # noqa: S311 - not a secret
    for method, path, body in list(good(ground.project, commit)):
        for _ in range(ROUNDS):
            sent = mutated(body, choices)
            version = PREVIEW if "/checks/" in path else "7.1"
            answer = ground.project.ask(method, path, sent, version=version)
            refused += answer.status_code >= 400
            if answer.status_code >= 500:
                defects.append(f"{method} {path} {sent}: {answer.text}")
    assert not defects, "\n".join(defects)
    assert refused > ROUNDS
    practice_cloud.wrong_on_purpose(".*")
