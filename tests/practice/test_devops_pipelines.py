"""Azure Pipelines of the practice cloud: queues, settings, folders, definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.devops.pipelines.general_settings import _NEW_PROJECT
from tests.practice.test_devops import DevOps, as_user, join
from tests.practice_cloud import PracticeCloud


@dataclass
class Project:
    """Asks Azure DevOps below a project."""

    devops: DevOps
    name: str = "lab"
    organization: str = "practice"

    def ask(
        self, method: str, path: str, body: Any = None, /, *, version: str = "7.1", **query: str
    ) -> requests.Response:
        where = f"{self.organization}/{self.name}"
        return self.devops.ask(method, path, body, organization=where, version=version, **query)

    def get(self, path: str, /, **query: str) -> Any:
        answer = self.ask("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, method: str, path: str, body: Any = None, /, **query: str) -> tuple[int, str]:
        answer = self.ask(method, path, body, **query)
        return answer.status_code, answer.json()["typeKey"]

    def definition(self, name: str = "build", file: str = "azure-pipelines.yml", **more: Any) -> dict[str, Any]:
        """Return the body that az sends (recorded: Definitions - Create)."""
        (repository,) = self.get("/git/repositories")["value"]
        return {
            "name": name,
            "process": {"type": 2, "yamlFilename": file},
            "repository": {"defaultBranch": "main", "id": repository["id"], "name": self.name, "type": "tfsgit"},
            "triggers": [{"settingsSourceType": 2, "triggerType": 2}],
            **more,
        }

    def create(self, name: str = "build", **more: Any) -> dict[str, Any]:
        """Create a definition."""
        answer = self.ask("POST", "/build/definitions", self.definition(name, **more))
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
def project(practice_cloud: PracticeCloud) -> Project:
    devops = as_user(practice_cloud)
    devops.make("lab")
    return Project(devops)


def test_a_project_has_queues_with_ids_of_their_own(project: Project) -> None:
    queues = project.get("/distributedtask/queues")["value"]
    assert [each["name"] for each in queues][-1] == "Azure Pipelines"
    hosted = queues[-1]
    assert (hosted["pool"]["isHosted"], hosted["pool"]["isLegacy"]) == (True, False)
    assert {each["id"] for each in queues}.isdisjoint(each["pool"]["id"] for each in queues)
    assert project.get("/distributedtask/queues", queueName="azure pipelines")["value"] == [hosted]
    assert project.get("/distributedtask/queues", queueName="mine")["value"] == []
    assert project.get("/distributedtask/queues", queueIds=f"{hosted['id']},999")["value"] == [hosted]
    assert project.get("/distributedtask/queues", queueNames="Default,Azure Pipelines")["count"] == 2
    assert project.get(f"/distributedtask/queues/{hosted['id']}") == hosted
    assert project.error("GET", "/distributedtask/queues/999") == (404, "TaskAgentQueueNotFoundException")
    project.devops.make("other")
    others = Project(project.devops, "other").get("/distributedtask/queues")["value"]
    assert {each["id"] for each in queues}.isdisjoint(each["id"] for each in others)


def test_an_organization_has_pools_and_the_hosted_one_has_the_agent(project: Project) -> None:
    (pool,) = project.devops.ask("GET", "/distributedtask/pools", poolName="Azure Pipelines").json()["value"]
    assert project.devops.ask("GET", "/distributedtask/pools", poolType="deployment").json()["count"] == 0
    path = f"/distributedtask/pools/{pool['id']}"
    assert project.devops.ask("GET", path).json() == pool
    (agent,) = project.devops.ask("GET", f"{path}/agents").json()["value"]
    assert project.devops.ask("GET", f"{path}/agents/{agent['id']}").json()["status"] == "online"
    assert project.devops.ask("GET", "/distributedtask/pools/1/agents").json()["count"] == 0
    assert project.devops.error("GET", f"{path}/agents/99")[0] == 404
    assert project.devops.error("GET", "/distributedtask/pools/99")[0] == 404


def test_settings_are_changed_by_administrators_one_by_one(practice_cloud: PracticeCloud, project: Project) -> None:
    assert project.get("/build/generalsettings") == _NEW_PROJECT
    changed = project.ask("PATCH", "/build/generalsettings", {"enforceSettableVar": False}).json()
    assert changed == {**_NEW_PROJECT, "enforceSettableVar": False}
    assert project.get("/build/generalsettings") == changed
    practice_cloud.wrong_on_purpose("PATCH .*/generalsettings")
    assert project.error("PATCH", "/build/generalsettings", {"nonsense": True}) == (400, "UnservedMemberException")
    assert project.ask("PATCH", "/build/generalsettings", {"enforceSettableVar": "no"}).status_code == 400
    other = Project(as_user(practice_cloud, seed.CONTRIBUTOR_USER.name))
    join(project.devops, seed.CONTRIBUTOR_USER, project.devops.ask("GET", "/projects/lab").json()["id"])
    assert other.error("PATCH", "/build/generalsettings", {}) == (403, "AccessDeniedException")


def test_a_definition_is_made_as_az_makes_it(project: Project) -> None:
    made = project.create("build", description="of the lab")
    assert (made["id"], made["revision"], made["path"], made["queueStatus"]) == (1, 1, "\\", "enabled")
    assert made["repository"]["defaultBranch"] == "main"
    (trigger,) = made["triggers"]
    assert trigger["triggerType"] == "continuousIntegration"
    assert (trigger["settingsSourceType"], trigger["branchFilters"]) == (2, [])
    assert made["queue"]["name"] == "Azure Pipelines"
    kept = project.get("/build/definitions/1")
    assert kept["repository"]["defaultBranch"] == "refs/heads/main"
    assert {**kept, "repository": made["repository"]} == made
    (listed,) = project.get("/build/definitions")["value"]
    assert "process" not in listed
    assert listed["id"] == 1
    (whole,) = project.get("/build/definitions", includeAllProperties="true")["value"]
    assert whole == kept


def test_a_definition_is_changed_from_its_newest_revision_only(practice_cloud: PracticeCloud, project: Project) -> None:
    made = project.create(variables={"a": {"value": "1", "isSecret": True}, "b": {"value": "2", "allowOverride": True}})
    assert made["variables"] == {
        "a": {"value": None, "isSecret": True},
        "b": {"value": "2", "allowOverride": True},
    }
    kept = project.get("/build/definitions/1")
    changed = project.ask("PUT", "/build/definitions/1", {**kept, "comment": "renamed", "name": "b2"})
    assert (changed.json()["revision"], changed.json()["name"]) == (2, "b2")
    practice_cloud.wrong_on_purpose("/build/definitions")
    stale = project.ask("PUT", "/build/definitions/1", kept)
    assert (stale.status_code, stale.json()["message"]) == (404, "Build pipeline 1 was not found.")
    assert project.error("PUT", "/build/definitions/1", {**kept, "id": 7})[0] == 400
    first, second = project.get("/build/definitions/1/revisions")["value"]
    assert (first["changeType"], second["changeType"], second["comment"]) == ("add", "update", "renamed")
    assert project.get("/build/definitions/1", revision="1")["name"] == "build"
    assert project.error("GET", "/build/definitions/1", revision="9")[0] == 404


def test_definitions_are_found_by_what_they_are(project: Project) -> None:
    project.create("build")
    project.create("release", file="release/azure-pipelines.yml", path="\\lab")

    def named(**query: str) -> list[str]:
        return [each["name"] for each in project.get("/build/definitions", **query)["value"]]

    assert named() == ["build", "release"]
    assert named(name="BUILD") == ["build"]
    assert named(name="*e*") == ["release"]
    assert named(path="/lab") == ["release"]
    assert named(yamlFilename="release/azure-pipelines.yml") == ["release"]
    assert named(definitionIds="1") == ["build"]
    assert named(processType="1") == []
    assert named(queryOrder="definitionNameDescending") == ["release", "build"]
    first = project.ask("GET", "/build/definitions", **{"$top": "1"})
    assert first.json()["count"] == 1
    token = first.headers["x-ms-continuationtoken"]
    assert named(continuationToken=token) == ["release"]


def test_a_deleted_definition_can_be_restored_and_its_number_is_not_used_again(
    practice_cloud: PracticeCloud, project: Project
) -> None:
    project.create("build")
    assert project.ask("DELETE", "/build/definitions/1").status_code == 204
    assert project.error("GET", "/build/definitions/1") == (404, "DefinitionNotFoundException")
    assert project.get("/build/definitions")["count"] == 0
    assert project.create("build")["id"] == 2
    assert project.ask("DELETE", "/build/definitions/2").status_code == 204
    assert project.ask("PATCH", "/build/definitions/1", deleted="false").json()["name"] == "build"
    assert project.get("/build/definitions")["count"] == 1
    practice_cloud.wrong_on_purpose("/build/definitions")
    assert project.error("POST", "/build/definitions", project.definition("Build")) == (
        409,
        "DefinitionExistsException",
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"process": None}, "definition.Process"),
        ({"process": {"type": 2}}, "YAML file"),
        ({"process": {"type": 1, "phases": []}}, "classic pipelines are disabled"),
        ({"repository": {"id": "x", "type": "GitHub"}}, "GitHub"),
        ({"repository": {"id": "x", "type": "TfsGit"}}, "could not be found"),
        ({"queue": {"id": 999}}, "queue"),
        ({"nonsense": 1}, "nonsense"),
        ({"triggers": [{"triggerType": "sometimes"}]}, "triggerType"),
    ],
)
def test_a_definition_that_the_service_would_not_accept_is_refused(
    practice_cloud: PracticeCloud, project: Project, wrong: dict[str, Any], said: str
) -> None:
    practice_cloud.wrong_on_purpose("POST .*/build/definitions")
    answer = project.ask("POST", "/build/definitions", {**project.definition(), **wrong})
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert project.get("/build/definitions")["count"] == 0


def test_a_classic_definition_is_kept_where_an_organization_still_allows_it(practice_cloud: PracticeCloud) -> None:
    devops = as_user(practice_cloud)
    devops.make("lab")
    project = Project(devops)
    settings = {"disableClassicBuildPipelineCreation": False}
    assert project.ask("PATCH", "/build/generalsettings", settings).status_code == 200
    process = {"type": 1, "phases": [{"name": "Agent job 1", "refName": "Job_1", "steps": []}]}
    made = project.create("classic", process=process)
    assert project.get(f"/build/definitions/{made['id']}")["process"] == process


def test_properties_of_a_definition_are_patched(project: Project) -> None:
    project.create()
    patch = [{"op": "add", "path": "/made", "from": "", "value": "by the lab"}]
    changed = project.ask("PATCH", "/build/definitions/1/properties", patch)
    assert changed.json() == {"count": 1, "value": {"made": {"$type": "System.String", "$value": "by the lab"}}}
    assert project.get("/build/definitions/1/properties", filter="other")["count"] == 0
    assert project.get("/build/definitions/1/properties", filter="made") == changed.json()
    removed = project.ask("PATCH", "/build/definitions/1/properties", [{"op": "remove", "path": "/made"}])
    assert removed.json()["count"] == 0


def test_the_schema_has_the_tasks_that_the_practice_agent_knows(project: Project) -> None:
    jsonschema: Any = pytest.importorskip("jsonschema")
    schema = project.devops.ask("GET", "/distributedtask/yamlschema").json()
    jsonschema.Draft7Validator.check_schema(schema)
    good = {"trigger": "none", "steps": [{"task": "Bash@3", "inputs": {"targetType": "inline"}}, {"script": "true"}]}
    assert jsonschema.Draft7Validator(schema).is_valid(good)
    wrongs: tuple[dict[str, Any], ...] = ({"stepz": []}, {"steps": [{"task": "NoSuchTask@9"}]})
    for wrong in wrongs:
        assert not jsonschema.Draft7Validator(schema).is_valid(wrong)


def test_folders_take_their_pipelines_along(practice_cloud: PracticeCloud, project: Project) -> None:
    made = project.ask("PUT", "/build/folders", {"description": "of the lab"}, path="\\lab")
    assert made.json()["path"] == "\\lab"
    project.create("build", path="\\lab")
    paths = [each["path"] for each in project.get("/build/folders")["value"]]
    assert paths == ["\\", "\\lab"]
    moved = project.ask("POST", "/build/folders", {"path": "\\moved"}, path="lab")
    assert (moved.json()["path"], moved.json()["description"]) == ("\\moved", "of the lab")
    assert project.get("/build/definitions/1")["path"] == "\\moved"
    assert project.get("/build/folders/moved")["count"] == 1
    practice_cloud.wrong_on_purpose("/build/folders")
    assert project.error("PUT", "/build/folders", {}, path="\\moved") == (409, "FolderExistsException")
    assert project.error("POST", "/build/folders", {}, path="\\lab") == (404, "FolderNotFoundException")
    assert project.ask("DELETE", "/build/folders", path="\\moved").status_code == 204
    assert project.get("/build/definitions")["count"] == 0


def test_a_reader_sees_pipelines_and_changes_none(practice_cloud: PracticeCloud, project: Project) -> None:
    project.create()
    practice_cloud.wrong_on_purpose("/build/definitions")
    stranger = Project(as_user(practice_cloud, seed.READER_USER.name))
    assert stranger.error("GET", "/build/definitions")[0] == 404
    join(project.devops, seed.READER_USER, project.devops.ask("GET", "/projects/lab").json()["id"], "projectReader")
    assert stranger.get("/build/definitions")["count"] == 1
    assert stranger.error("DELETE", "/build/definitions/1") == (403, "AccessDeniedException")
    assert stranger.error("POST", "/build/definitions", project.definition("mine")) == (403, "AccessDeniedException")


def test_resources_are_authorized_for_one_definition_or_for_all(project: Project) -> None:
    number = project.create()["id"]
    queue = next(each for each in project.get("/distributedtask/queues")["value"] if each["name"] == "Default")
    wanted = {"type": "queue", "id": str(queue["id"]), "authorized": True}
    one = f"/build/definitions/{number}/resources"
    assert project.get(one)["value"] == []
    changed = project.ask("PATCH", one, [wanted])
    assert (changed.status_code, changed.json()["value"]) == (200, [wanted])
    (listed,) = project.get(one)["value"]
    assert (listed["type"], listed["id"], listed["authorized"]) == ("queue", str(queue["id"]), True)
    assert project.get("/build/authorizedresources")["value"] == []
    assert project.ask("PATCH", "/build/authorizedresources", [wanted]).status_code == 200
    assert len(project.get("/build/authorizedresources", type="queue", id=str(queue["id"]))["value"]) == 1
    assert project.get("/build/authorizedresources", type="endpoint")["value"] == []
    assert project.ask("PATCH", "/build/authorizedresources", [{**wanted, "authorized": False}]).status_code == 200
    assert project.get("/build/authorizedresources")["value"] == []
    assert project.error("PATCH", one, [{**wanted, "type": "nonsense"}])[0] == 400


def test_a_badge_says_how_the_newest_run_went(project: Project) -> None:
    number = project.create()["id"]
    badge = project.ask("GET", f"/build/status/{number}", label="<lab>")
    assert badge.headers["Content-Type"].startswith("image/svg+xml")
    assert "never built" in badge.text
    assert "&lt;lab&gt;" in badge.text
    assert project.error("GET", "/build/status/none")[0] == 404
