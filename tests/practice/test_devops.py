"""Azure DevOps of the practice cloud: who comes in, organizations, projects."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.devops.organizations import PROCESSES
from tests.practice.conftest import session, user_token
from tests.practice_cloud import PracticeCloud

SCOPE = f"{seed.AUDIENCES['devops']}/.default"
AGILE = next(each.id for each in PROCESSES if each.name == "Agile")
REFUSED = (r"/_apis/projects\?", r"/_apis/accounts")


@dataclass
class DevOps:
    """Asks Azure DevOps as somebody."""

    cloud: PracticeCloud
    token: str = ""
    http: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.http = session(self.cloud)
        self.http.headers["X-TFS-FedAuthRedirect"] = "Suppress"
        if self.token:
            self.http.headers["Authorization"] = f"Bearer {self.token}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        *,
        organization: str = "practice",
        version: str = "7.1",
        **q: str,
    ) -> requests.Response:
        """Ask below an organization."""
        address = f"{self.cloud.endpoints['devops']}/{organization}/_apis{path}"
        query = {**q, "api-version": version} if version else q
        return self.http.request(method, address, params=query, json=body, timeout=10)

    def error(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, str, str]:
        """Ask, and return the refusal's status, type and number."""
        answer = self.ask(method, path, body, **more)
        said = answer.json()
        return answer.status_code, said["typeKey"], said["message"].partition(":")[0]

    def make(self, name: str = "lab", **more: Any) -> dict[str, Any]:
        """Make a project and wait for it."""
        begun = self.ask("POST", "/projects", body(name, **more))
        assert begun.status_code == 202, begun.text
        self.wait(begun)
        made: dict[str, Any] = self.ask("GET", f"/projects/{name}", includeCapabilities="true").json()
        return made

    def wait(self, begun: requests.Response) -> None:
        """Wait until an operation has succeeded."""
        deadline = time.monotonic() + 10
        while self.ask("GET", f"/operations/{begun.json()['id']}").json()["status"] != "succeeded":
            assert time.monotonic() < deadline
            time.sleep(0.02)


def body(name: str, **more: Any) -> dict[str, Any]:
    capabilities = {
        "versioncontrol": {"sourceControlType": "Git"},
        "processTemplate": {"templateTypeId": AGILE},
    }
    return {"name": name, "visibility": "private", "capabilities": capabilities, **more}


def as_user(cloud: PracticeCloud, name: str = seed.ATTENDEE.name) -> DevOps:
    return DevOps(cloud, user_token(cloud, name, SCOPE))


@pytest.fixture
def devops(practice_cloud: PracticeCloud) -> DevOps:
    return as_user(practice_cloud)


def test_a_project_is_made_shown_and_removed(devops: DevOps) -> None:
    made = devops.make("lab", description="for the lab")
    assert (made["state"], made["visibility"], made["description"]) == ("wellFormed", "private", "for the lab")
    assert made["capabilities"]["versioncontrol"]["sourceControlType"] == "Git"
    assert made["capabilities"]["processTemplate"]["templateName"] == "Agile"
    assert devops.ask("GET", f"/projects/{made['id']}").json()["name"] == "lab"
    assert [each["name"] for each in devops.ask("GET", "/projects").json()["value"]] == ["lab"]
    gone = devops.ask("DELETE", f"/projects/{made['id']}")
    assert gone.status_code == 202
    devops.wait(gone)
    assert devops.error("GET", "/projects/lab") == (404, "ProjectDoesNotExistWithNameException", "TF200016")
    assert devops.ask("GET", "/projects").json() == {"count": 0, "value": []}


def test_a_project_takes_its_time_to_be_made(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    practice_cloud.control.settings(speed=20)
    begun = devops.ask("POST", "/projects", body("slow"))
    assert begun.json()["status"] == "notSet"
    assert devops.ask("GET", "/projects/slow").json()["state"] == "createPending"
    assert devops.ask("GET", "/projects").json()["count"] == 0
    assert devops.ask("GET", "/projects", stateFilter="all").json()["count"] == 1
    assert devops.ask("GET", f"/operations/{begun.json()['id']}").json()["status"] == "inProgress"
    devops.wait(begun)
    assert devops.ask("GET", "/projects/SLOW").json()["state"] == "wellFormed"


def test_names_are_taken_once_and_hold_the_rules(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    practice_cloud.wrong_on_purpose(*REFUSED)
    devops.make("lab")
    assert devops.error("POST", "/projects", body("LAB")) == (400, "ProjectAlreadyExistsException", "TF200019")
    for name in ("", "a:b", "_hidden", "dot.", "x" * 65):
        assert devops.error("POST", "/projects", body(name))[:2] == (400, "InvalidProjectNameException"), name


def test_a_project_needs_a_process_and_a_version_control_that_exist(
    practice_cloud: PracticeCloud, devops: DevOps
) -> None:
    practice_cloud.wrong_on_purpose(*REFUSED)
    names = {each["name"] for each in devops.ask("GET", "/process/processes").json()["value"]}
    assert names == {"Agile", "Basic", "CMMI", "Scrum"}
    wanted = body("lab")
    wanted["capabilities"]["processTemplate"]["templateTypeId"] = seed.fixed_id("no process")
    assert devops.error("POST", "/projects", wanted)[0] == 404
    wanted = body("lab")
    wanted["capabilities"]["versioncontrol"]["sourceControlType"] = "Subversion"
    assert devops.error("POST", "/projects", wanted)[0] == 400


def test_only_who_may_makes_and_removes_projects(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    practice_cloud.wrong_on_purpose(*REFUSED)
    made = devops.make("lab")
    other = as_user(practice_cloud, seed.CONTRIBUTOR_USER.name)
    assert other.error("POST", "/projects", body("another")) == (403, "AccessCheckException", "TF50309")
    join(devops, seed.CONTRIBUTOR_USER, made["id"])
    assert other.error("DELETE", f"/projects/{made['id']}") == (403, "AccessCheckException", "TF50309")
    administrator = as_user(practice_cloud, seed.ORGANIZER.name)
    assert administrator.ask("DELETE", f"/projects/{made['id']}").status_code == 202


def join(devops: DevOps, who: seed.Principal, project: str, group: str = "projectContributor") -> None:
    """Have the caller add somebody to a project."""
    entitlement = {"group": {"groupType": group}, "projectRef": {"id": project}}
    invited = {
        "accessLevel": {"accountLicenseType": "express"},
        "user": {"principalName": who.name, "subjectKind": "user"},
        "projectEntitlements": [entitlement],
    }
    address = f"{devops.cloud.endpoints['devops_entitlements']}/practice/_apis/userentitlements"
    assert devops.http.post(address, params={"api-version": "7.1"}, json=invited, timeout=10).json()["isSuccess"]


HIDDEN = {
    "by name": ("/projects/lab", "ProjectDoesNotExistWithNameException", "TF200016"),
    "by id": ("/projects/{project}", "ProjectDoesNotExistException", "VS800075"),
    "its properties": ("/projects/{project}/properties", "ProjectDoesNotExistException", "VS800075"),
    "its teams": ("/projects/lab/teams", "ProjectDoesNotExistWithNameException", "TF200016"),
    "its repository": ("/git/repositories/{repository}", "GitRepositoryNotFoundException", "TF401019"),
    "its branches": ("/git/repositories/{repository}/refs", "GitRepositoryNotFoundException", "TF401019"),
    "its files": ("/git/repositories/{repository}/items", "GitRepositoryNotFoundException", "TF401019"),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_a_private_project_is_hidden_from_who_is_not_in_it_as_if_it_did_not_exist(
    practice_cloud: PracticeCloud, devops: DevOps, what: str
) -> None:
    practice_cloud.wrong_on_purpose("GET /practice/")
    made = devops.make("lab")
    repository = devops.ask("GET", "/git/repositories").json()["value"][0]["id"]
    path, key, number = HIDDEN[what]
    path = path.format(project=made["id"], repository=repository)
    other = as_user(practice_cloud, seed.CONTRIBUTOR_USER.name)
    version = "7.1-preview.1" if path.endswith("properties") else "7.1"
    hidden = other.ask("GET", path, version=version).json()
    assert (hidden["typeKey"], hidden["message"].partition(":")[0]) == (key, number)
    # Nobody can tell it from what is not there.
    nothing = path.replace(made["id"], seed.fixed_id("x")).replace(repository, seed.fixed_id("x")).replace("lab", "no")
    absent = other.ask("GET", nothing, version=version).json()
    assert absent["typeKey"] == hidden["typeKey"]
    assert absent["message"].replace(seed.fixed_id("x"), "").replace(" no.", " lab.") == hidden["message"].replace(
        made["id"], ""
    ).replace(repository, "")


def test_lists_have_only_what_the_caller_is_in_and_a_member_sees_it_all(
    practice_cloud: PracticeCloud, devops: DevOps
) -> None:
    practice_cloud.wrong_on_purpose("GET /practice/")
    made = devops.make("lab")
    devops.make("open", visibility="public")
    other = as_user(practice_cloud, seed.CONTRIBUTOR_USER.name)

    def seen(path: str) -> list[str]:
        return [each["name"] for each in other.ask("GET", path, stateFilter="all").json()["value"]]

    assert seen("/projects") == seen("/git/repositories") == ["open"]
    address = f"{practice_cloud.endpoints['devops']}/practice/lab/_apis/policy/configurations"
    assert other.http.get(address, params={"api-version": "7.1"}, timeout=10).status_code == 404
    join(devops, seed.CONTRIBUTOR_USER, made["id"])
    assert seen("/projects") == seen("/git/repositories") == ["lab", "open"]
    assert other.ask("GET", f"/projects/{made['id']}").json()["name"] == "lab"
    assert other.http.get(address, params={"api-version": "7.1"}, timeout=10).json()["count"] == 0
    administrator = as_user(practice_cloud, seed.ORGANIZER.name)
    assert administrator.ask("GET", "/projects/lab").status_code == 200


def test_who_is_not_in_an_organization_does_not_come_in(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    closed = devops.error("GET", "/projects", organization="practice-closed")
    assert closed == (401, "UnauthorizedRequestException", "TF400813")
    stranger = as_user(practice_cloud, seed.STRANGER.name)
    assert stranger.error("GET", "/projects")[0] == 401
    assert devops.ask("GET", "/projects", organization="nobodys").status_code == 404


@pytest.mark.parametrize("token", ["", "wrong", "expired", "for Resource Manager"])
def test_without_a_good_token_there_is_a_page_to_sign_in_or_a_401(token: str, practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/projects", "/_signin")
    given = {"expired": lambda: user_token(practice_cloud, scope=f"{seed.AUDIENCES['devops']}/.default")}
    given["for Resource Manager"] = lambda: user_token(practice_cloud)
    nobody = DevOps(practice_cloud, given.get(token, lambda: token)())
    if token == "expired":  # noqa: S105 a name
        practice_cloud.control.expire_tokens()
    suppressed = nobody.ask("GET", "/projects")
    assert (suppressed.status_code, suppressed.content) == (401, b"")
    assert "Basic realm" in suppressed.headers["WWW-Authenticate"]
    del nobody.http.headers["X-TFS-FedAuthRedirect"]
    for method in ("GET", "POST"):
        page = nobody.ask(method, "/projects", None if method == "GET" else body("lab"))
        assert [each.status_code for each in page.history] == [302]
        assert page.history[0].headers["Location"] == page.url
        assert f"{practice_cloud.endpoints['devops_profile']}/_signin?realm=" in page.url
        assert page.status_code == 203
        assert "<title>Azure DevOps Services | Sign In</title>" in page.text
    refused = nobody.error("PATCH", "/projects/lab", {"description": "x"})
    assert refused == (401, "UnauthorizedRequestException", "TF400813")


def test_who_one_is_and_where_is_told(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    person = devops.ask("GET", "/connectionData", version="7.1-preview.1").json()["authenticatedUser"]
    assert person["properties"]["Account"]["$value"] == seed.ATTENDEE.name
    base = practice_cloud.endpoints["devops_profile"]
    me = devops.http.get(f"{base}/_apis/profile/profiles/me", params={"api-version": "7.1"}, timeout=10).json()
    query = {"api-version": "7.1", "memberId": me["publicAlias"]}
    found = devops.http.get(f"{base}/_apis/accounts", params=query, timeout=10).json()["value"]
    assert [each["accountName"] for each in found] == ["practice", "practice-shared", "practice-legacy", "practice-new"]


def test_versions_are_asked_for_as_the_service_does(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    practice_cloud.wrong_on_purpose("connectionData", r"/_apis/projects")
    assert devops.error("POST", "/projects", body("lab"), version="")[1] == "VssVersionNotSpecifiedException"
    assert devops.error("GET", "/connectionData")[1] == "VssInvalidPreviewVersionException"
    assert devops.ask("PUT", "/projects", body("lab")).status_code == 405
