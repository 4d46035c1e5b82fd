"""Personal access tokens of the practice cloud's Azure DevOps: made, used, ended, revoked, forbidden."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from hol_wizard.practice.process import commands as command
from hol_wizard.practice.process.launch import ControlError
from tests.practice.conftest import session
from tests.practice.test_devops import DevOps, as_user, body
from tests.practice.test_devops_git import commit, git, remote
from tests.practice_cloud import PracticeCloud

VERSION = "7.1-preview.1"


def tokens(devops: DevOps, method: str, wish: Any = None, organization: str = "practice", **query: str) -> Any:
    address = f"{devops.cloud.endpoints['devops_sps']}/{organization}/_apis/tokens/pats"
    answer = devops.http.request(method, address, params={**query, "api-version": VERSION}, json=wish, timeout=10)
    return answer.json() if answer.content else answer.status_code


def wish(scope: str = "vso.code_write", days: float = 30, **more: Any) -> dict[str, Any]:
    ends = datetime.now(UTC) + timedelta(days=days)
    return {
        "displayName": "lab",
        "scope": scope,
        "validTo": f"{ends:%Y-%m-%dT%H:%M:%S}.000Z",
        "allOrgs": False,
        **more,
    }


def holder(cloud: PracticeCloud, value: str, user: str = "") -> DevOps:
    made = DevOps(cloud)
    word = base64.b64encode(f"{user}:{value}".encode()).decode()
    made.http.headers["Authorization"] = f"Basic {word}"
    return made


@pytest.fixture
def devops(practice_cloud: PracticeCloud) -> DevOps:
    return as_user(practice_cloud)


def test_a_token_is_made_shown_once_used_and_revoked(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/projects\?")
    made = tokens(devops, "POST", wish("vso.project"))
    assert made["patTokenError"] == "none"
    value, identity = made["patToken"]["token"], made["patToken"]["authorizationId"]
    assert len(value) == 84
    assert value[75:79] == "AZDO"
    (listed,) = tokens(devops, "GET")["patTokens"]
    assert (listed["authorizationId"], listed["displayName"]) == (identity, "lab")
    assert "token" not in listed
    assert "token" not in tokens(devops, "GET", authorizationId=identity)["patToken"]
    assert holder(practice_cloud, value, "anything").ask("GET", "/projects").status_code == 200
    assert tokens(devops, "DELETE", authorizationId=identity) == 204
    refused = holder(practice_cloud, value).ask("GET", "/projects")
    assert (refused.status_code, refused.content) == (401, b"")
    assert refused.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert tokens(devops, "GET")["patTokens"] == []
    kept = [each for each in practice_cloud.state.rglob("*") if each.is_file()]
    assert practice_cloud.log in kept
    assert not [each for each in kept if value.encode() in each.read_bytes()]


def test_a_token_is_changed(devops: DevOps) -> None:
    made = tokens(devops, "POST", wish("vso.code"))["patToken"]
    changed = tokens(devops, "PUT", {"authorizationId": made["authorizationId"], "scope": "vso.code_write"})
    assert changed["patToken"]["scope"] == "vso.code_write"
    assert tokens(devops, "PUT", {"authorizationId": seed.fixed_id("none")})["patTokenError"] == "authorizationNotFound"


@pytest.mark.parametrize(
    ("wanted", "organization", "error"),
    [
        (wish(displayName=""), "practice", "displayNameRequired"),
        (wish("vso.everything"), "practice", "invalidScope"),
        (wish(days=-1), "practice", "invalidValidTo"),
        (wish(days=500), "practice", "invalidValidTo"),
        (wish(allOrgs=True), "practice", "globalPatPolicyViolation"),
        (wish(), "practice-new", "accessDenied"),
    ],
)
def test_a_refused_wish_has_a_status_of_success(devops: DevOps, wanted: Any, organization: str, error: str) -> None:
    answer = tokens(devops, "POST", wanted, organization)
    assert answer == {"patTokenError": error}


def test_a_token_cannot_make_tokens_and_holds_in_its_organization_alone(
    practice_cloud: PracticeCloud, devops: DevOps
) -> None:
    practice_cloud.wrong_on_purpose("/_apis/")
    value = tokens(devops, "POST", wish("app_token"))["patToken"]["token"]
    own = holder(practice_cloud, value)
    assert own.ask("GET", "/projects").status_code == 200
    assert own.ask("GET", "/projects", organization="practice-shared").status_code == 401
    base = practice_cloud.endpoints["devops_profile"]
    me = f"{base}/_apis/profile/profiles/me"
    assert own.http.get(me, params={"api-version": "7.1"}, timeout=10).status_code == 401
    limited = holder(practice_cloud, tokens(devops, "POST", wish("vso.tokens"))["patToken"]["token"])
    address = f"{practice_cloud.endpoints['devops_sps']}/practice/_apis/tokens/pats"
    assert limited.http.get(address, params={"api-version": VERSION}, timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("scope", "reads_projects", "makes_projects"),
    [
        ("vso.code_write", 401, 401),
        ("vso.project", 200, 401),
        ("vso.project_manage", 200, 202),
        ("app_token", 200, 202),
    ],
)
def test_a_token_may_do_what_its_scope_says(
    practice_cloud: PracticeCloud, scope: str, reads_projects: int, makes_projects: int
) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/projects\?")
    value = practice_cloud.control.devops_token("practice", scope, user=seed.ATTENDEE.name)["token"]
    own = holder(practice_cloud, value)
    assert own.ask("GET", "/projects").status_code == reads_projects
    assert own.ask("POST", "/projects", body("lab")).status_code == makes_projects
    assert own.ask("GET", "/connectionData", version="7.1-preview.1").status_code == 200


def test_a_token_that_has_ended_is_told_so(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/projects\?")
    value = practice_cloud.control.devops_token("practice", "vso.project", days=-1)["token"]
    refused = holder(practice_cloud, value).ask("GET", "/projects")
    assert refused.status_code == 401
    assert refused.json()["message"] == "Access Denied: The Personal Access Token used has expired."
    assert "has%20expired" in refused.headers["X-TFS-ServiceError"]


def test_a_wrong_token_sees_the_page_to_sign_in_unless_it_asks_not_to(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/projects\?", "/_signin")
    wrong = holder(practice_cloud, "x" * 84)
    assert wrong.ask("GET", "/projects").status_code == 401
    del wrong.http.headers["X-TFS-FedAuthRedirect"]
    page = wrong.ask("GET", "/projects")
    assert ([each.status_code for each in page.history], page.status_code) == ([302], 203)


def test_an_organization_with_old_policies_wants_short_tokens_with_few_scopes(
    practice_cloud: PracticeCloud, devops: DevOps
) -> None:
    practice_cloud.wrong_on_purpose(r"/practice-legacy/")
    refused = devops.error("GET", "/projects", organization="practice-legacy")
    assert refused == (403, "VssServiceException", "VS403463")
    control = practice_cloud.control
    with pytest.raises(ControlError, match="full access"):
        control.devops_token("practice-legacy", "app_token")
    with pytest.raises(ControlError, match="90 days"):
        control.devops_token("practice-legacy", "vso.project", days=120)
    made = control.devops_token("practice-legacy", "vso.project_manage", user=seed.ATTENDEE.name)
    own = holder(practice_cloud, made["token"])
    assert own.ask("GET", "/projects", organization="practice-legacy").json()["value"][0]["name"] == "Reports"
    code = holder(practice_cloud, control.devops_token("practice-legacy", "vso.code", user=seed.ATTENDEE.name)["token"])
    (kept,) = code.ask("GET", "/git/repositories", organization="practice-legacy").json()["value"]
    assert kept["defaultBranch"] == "refs/heads/master"
    below = f"/git/repositories/{kept['id']}"
    refs = code.ask("GET", f"{below}/refs", organization="practice-legacy").json()["value"]
    assert [each["name"] for each in refs] == ["refs/heads/master"]
    assert control.revoke_devops_token(made["id"])
    assert not control.revoke_devops_token(made["id"])
    assert own.ask("GET", "/projects", organization="practice-legacy").status_code == 401


def test_the_page_lets_nobody_do_what_a_policy_forbids(practice_cloud: PracticeCloud) -> None:
    control = practice_cloud.control
    for organization, scope, user, said in (
        ("nobodys", "vso.code", seed.ATTENDEE.name, "organization is one of"),
        ("practice", "vso.nothing", seed.ATTENDEE.name, "scope is some of"),
        ("practice", "vso.code", seed.STRANGER.name, "not in the organization"),
        ("practice-new", "vso.code", seed.ATTENDEE.name, "forbids"),
    ):
        with pytest.raises(ControlError, match=said):
            control.devops_token(organization, scope, user=user)


def test_what_is_granted_and_set_can_be_asked(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    def limit(organization: str) -> Any:
        query = {"parallelismTag": "Private", "poolIsHosted": "true"}
        path = "/distributedtask/resourcelimits"
        return devops.ask("GET", path, organization=organization, version=VERSION, **query).json()["value"][0]

    assert limit("practice")["totalCount"] == 1
    assert limit("practice-new")["totalCount"] == 0
    usage = devops.ask("GET", "/distributedtask/resourceusage", version=VERSION).json()
    assert (usage["usedCount"], usage["resourceLimit"]["totalMinutes"]) == (0, 1800)
    made = devops.make("lab")
    changed = [{"op": "add", "path": "/hol-wizard", "value": "abc"}]
    address = f"/projects/{made['id']}/properties"
    set_ = _patch(devops, address, changed)
    assert set_.status_code == 204
    found = devops.ask("GET", address, version=VERSION, keys="hol-*").json()["value"]
    assert found == [{"name": "hol-wizard", "value": "abc"}]
    (team,) = devops.ask("GET", f"/projects/{made['id']}/teams").json()["value"]
    assert team["name"] == "lab Team"
    other = as_user(practice_cloud, seed.CONTRIBUTOR_USER.name)
    may = "/permissions/3e65f728-f8bc-4ecd-8764-7e378b19bfa7/4"
    assert devops.ask("GET", may).json()["value"] == [True]
    assert other.ask("GET", may).json()["value"] == [False]


def _patch(devops: DevOps, path: str, changes: Any) -> requests.Response:
    address = f"{devops.cloud.endpoints['devops']}/practice/_apis{path}"
    headers = {"Content-Type": "application/json-patch+json"}
    return devops.http.patch(address, params={"api-version": VERSION}, json=changes, headers=headers, timeout=10)


def test_clients_find_every_address_by_the_route_table_and_the_areas(
    practice_cloud: PracticeCloud, devops: DevOps
) -> None:
    base = practice_cloud.endpoints["devops"]
    routes = devops.http.options(f"{base}/practice/_apis", timeout=10).json()["value"]
    projects = next(each for each in routes if each["id"] == "603fe2ac-9723-48b9-88ad-09305aa6c6e1")
    assert (projects["resourceName"], projects["releasedVersion"]) == ("projects", "7.1")
    areas = devops.ask("GET", "/ResourceAreas", version="7.1-preview.1").json()["value"]
    where = {each["name"]: each["locationUrl"] for each in areas}
    assert where["core"] == f"{base}/practice/"
    assert where["Tokens"] == f"{practice_cloud.endpoints['devops_sps']}/practice/"
    accepting = {"Accept": "application/json;api-version=7.1-preview.4"}
    answer = devops.http.get(f"{base}/practice/_apis/projects", headers=accepting, timeout=10)
    assert answer.status_code == 200
    with session(practice_cloud) as nobody:
        headers = {"X-TFS-FedAuthRedirect": "Suppress"}
        assert nobody.options(f"{base}/practice/_apis", headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("scope", "days", "clones", "pushes"),
    [
        ("vso.code_write", 30, "", ""),
        ("vso.code", 30, "", "returned error: 403"),
        ("vso.project", 30, "could not read Username", ""),
        ("vso.code_write", -1, "could not read Username", ""),
    ],
)
def test_git_is_let_in_by_a_token_as_far_as_its_scope_goes(
    practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path, scope: str, days: float, clones: str, pushes: str
) -> None:
    devops.make("lab")
    value = practice_cloud.control.devops_token("practice", scope, user=seed.ATTENDEE.name, days=days)["token"]
    secret = "Basic " + base64.b64encode(f":{value}".encode()).decode()
    done = git(tmp_path, "clone", remote(practice_cloud), "clone", cloud=practice_cloud, authorization=secret)
    assert (done.returncode == 0) == (not clones), done.stderr
    assert clones in done.stderr
    if clones:
        return
    clone = tmp_path / "clone"
    commit(clone, practice_cloud)
    done = git(clone, "push", "origin", "HEAD:main", cloud=practice_cloud, authorization=secret)
    assert (done.returncode == 0) == (not pushes), done.stderr
    assert pushes in done.stderr
    assert not [
        each for each in practice_cloud.state.rglob("*") if each.is_file() and secret.encode() in each.read_bytes()
    ]


def test_a_fault_can_stand_before_a_token_is_made(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    practice_cloud.wrong_on_purpose("/tokens/pats")
    practice_cloud.control.fault("unavailable", service="devops_sps", times=1)
    address = f"{practice_cloud.endpoints['devops_sps']}/practice/_apis/tokens/pats"
    asked = {"api-version": VERSION}
    assert devops.http.get(address, params=asked, timeout=10).status_code == 503
    # The work is done and the answer lost: the token is there, and its value nowhere.
    practice_cloud.control.fault("drop", service="devops_sps", method="POST", after=True, times=1)
    with pytest.raises(requests.ConnectionError):
        devops.http.post(address, params=asked, json=wish(), timeout=10)
    assert [each["displayName"] for each in tokens(devops, "GET")["patTokens"]] == ["lab"]


def test_who_was_invited_as_a_reader_clones_and_does_not_push(
    practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path
) -> None:
    made = devops.make("lab")
    invited = {
        "accessLevel": {"accountLicenseType": "express"},
        "user": {"principalName": seed.CONTRIBUTOR_USER.name, "subjectKind": "user"},
        "projectEntitlements": [{"group": {"groupType": "projectReader"}, "projectRef": {"id": made["id"]}}],
    }
    address = f"{practice_cloud.endpoints['devops_entitlements']}/practice/_apis/userentitlements"
    assert devops.http.post(address, params={"api-version": "7.1"}, json=invited, timeout=10).json()["isSuccess"]
    user = seed.CONTRIBUTOR_USER.name
    value = practice_cloud.control.devops_token("practice", "vso.code_write", user=user)["token"]
    secret = "Basic " + base64.b64encode(f":{value}".encode()).decode()
    done = git(tmp_path, "clone", remote(practice_cloud), "clone", cloud=practice_cloud, authorization=secret)
    assert done.returncode == 0, done.stderr
    commit(tmp_path / "clone", practice_cloud)
    done = git(tmp_path / "clone", "push", "origin", "HEAD:main", cloud=practice_cloud, authorization=secret)
    assert done.returncode != 0
    assert "TF401027: You need the Git 'GenericContribute' permission" in done.stderr


def test_the_command_makes_and_revokes_a_token(
    practice_cloud: PracticeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "--organization", "practice-legacy", "--scope", "vso.code", "--user", seed.ATTENDEE.name]
    assert command.main(words, state=practice_cloud.state) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["organization"], made["scope"], len(made["token"])) == ("practice-legacy", "vso.code", 84)
    assert command.main(["token", "--revoke", made["id"]], state=practice_cloud.state) == 0
    assert json.loads(capsys.readouterr().out) == {"revoked": True}
    assert command.main(["token", "--organization", "practice-new"], state=practice_cloud.state) == 1
    assert "forbids personal access tokens" in capsys.readouterr().err
