"""Git in the practice workspaces: credentials, folders that really fetch, and the tree with what lies in them."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hol_wizard.practice.databricks.service import Databricks
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.process import launch
from hol_wizard.practice.process.launch import DATABASE_FILE
from tests.practice.conftest import DATABRICKS, Arm, provider, user_token
from tests.practice.conftest import session as practice_session
from tests.practice.test_databricks import SCOPE, Workspace, make_workspace
from tests.practice.test_devops import DevOps, as_user
from tests.practice.test_devops_git import commit, git, remote
from tests.practice.test_devops_tokens import tokens, wish
from tests.practice_cloud import PracticeCloud

PROVIDER = "azureDevOpsServices"
HOME = "/Users/attendee@practice.example"
SOURCE = "# Databricks notebook source\nprint(1)\n"


@pytest.fixture
def workspace(practice_cloud: PracticeCloud, arm: Arm) -> Workspace:
    arm.make_group()
    made = Workspace(practice_cloud, make_workspace(arm), user_token(practice_cloud, scope=SCOPE))
    made.do("GET", "2.0/preview/scim/v2/Me")
    return made


@pytest.fixture
def devops(practice_cloud: PracticeCloud) -> DevOps:
    made = as_user(practice_cloud)
    made.make("lab")
    return made


@pytest.fixture
def clone(practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path) -> Path:
    """A clone with a first commit that is pushed: a notebook in a folder, and a file."""
    run(tmp_path, devops, "init", "--quiet", "--initial-branch=main")
    run(tmp_path, devops, "remote", "add", "origin", remote(practice_cloud))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "train.py").write_text(SOURCE, encoding="utf-8", newline="\n")
    commit(tmp_path, practice_cloud)
    run(tmp_path, devops, "push", "--quiet", "origin", "main", "main:mine")
    return tmp_path


def run(folder: Path, devops: DevOps, *words: str) -> str:
    done = git(folder, *words, cloud=devops.cloud, token=devops.token)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def give(workspace: Workspace, devops: DevOps, scope: str = "vso.code_write") -> str:
    """Give the workspace a new token, and return its id."""
    made = tokens(devops, "POST", wish(scope))["patToken"]
    body = {"git_provider": PROVIDER, "git_username": "me", "personal_access_token": made["token"], "name": "lab"}
    workspace.do("POST", "2.0/git-credentials", body)
    return str(made["authorizationId"])


def folder(workspace: Workspace, url: str, path: str = f"/Workspace{HOME}/lab") -> dict[str, Any]:
    return workspace.do("POST", "2.0/repos", {"url": url, "provider": PROVIDER, "path": path})


def at(verb: str, path: str) -> str:
    return f"2.0/workspace/{verb}?path={quote(path)}"


def message(workspace: Workspace, method: str, path: str, body: Any) -> tuple[int, str, str]:
    answer = workspace.ask(method, path, body)
    said = answer.json()
    return answer.status_code, said["error_code"], said["message"]


def test_a_credential_is_kept_once_a_provider_and_its_token_never_told(workspace: Workspace, devops: DevOps) -> None:
    assert workspace.do("GET", "2.0/git-credentials") == {}
    give(workspace, devops)
    (listed,) = workspace.do("GET", "2.0/git-credentials")["credentials"]
    assert (listed["git_provider"], listed["git_username"], listed["name"]) == (PROVIDER, "me", "lab")
    body = {"git_provider": PROVIDER.upper(), "personal_access_token": "another"}
    assert workspace.error("POST", "2.0/git-credentials", body) == (400, "RESOURCE_ALREADY_EXISTS")
    path = f"2.0/git-credentials/{listed['credential_id']}"
    workspace.do("PATCH", path, {"git_provider": PROVIDER, "git_username": "you"})
    assert workspace.do("GET", path) == {**listed, "git_username": "you"}
    database = sqlite3.connect(f"file:{workspace.cloud.state / DATABASE_FILE}?mode=ro", uri=True)
    rows = database.execute("SELECT collection, body FROM documents").fetchall()
    database.close()
    assert {collection for collection, document in rows if "AZDO" in str(document)} <= {"vault_databricks_git_tokens"}
    workspace.do("DELETE", path)
    assert workspace.error("GET", path) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.slow
def test_a_folder_is_a_real_clone_that_is_switched_and_pulled(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    give(workspace, devops)
    made = folder(workspace, remote(practice_cloud))
    assert made["branch"] == "main"
    assert made["path"] == f"{HOME}/lab"
    assert made["head_commit_id"] == run(clone, devops, "rev-parse", "HEAD")
    path = f"2.0/repos/{made['id']}"
    workspace.do("PATCH", path, {"branch": "mine"})
    commit(clone, practice_cloud, "two.txt")
    run(clone, devops, "push", "--quiet", "origin", "main:mine")
    assert workspace.do("GET", path)["head_commit_id"] == made["head_commit_id"]
    workspace.do("PATCH", path, {"branch": "mine"})
    seen = workspace.do("GET", path)
    assert (seen["branch"], seen["head_commit_id"]) == ("mine", run(clone, devops, "rev-parse", "HEAD"))
    assert workspace.error("PATCH", path, {"branch": "nobody"}) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert workspace.do("GET", "2.0/repos", path_prefix=f"/Workspace{HOME}")["repos"] == [seen]
    workspace.do("DELETE", path)
    assert workspace.error("GET", at("get-status", f"{HOME}/lab")) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script in the place of git")
def test_of_requests_at_once_for_one_path_one_makes_a_folder(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    give(workspace, devops)
    body = {"url": remote(practice_cloud), "provider": PROVIDER, "path": f"{HOME}/lab"}
    other = {"path": f"{HOME}/lab", "content": "bWluZQ==", "language": "PYTHON", "format": "SOURCE"}
    ended = threading.Event()

    def ask(method: str, path: str, sent: dict[str, Any]) -> int:
        with practice_session(practice_cloud) as http:
            http.headers.update(workspace.http.headers)
            return http.request(method, f"{workspace.address}/api/{path}", json=sent, timeout=20).status_code

    def again_and_again(path: str, sent: dict[str, Any]) -> list[int]:
        found = []
        while not ended.is_set():
            found.append(ask("POST", path, sent))
        return found

    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, "POST", "2.0/repos", body)
        time.sleep(0.1)
        others = [
            pool.submit(again_and_again, *each) for each in (("2.0/repos", body), ("2.0/workspace/import", other))
        ]
        assert first.result() == 200
        time.sleep(0.2)
        ended.set()
    for each in others:
        assert set(each.result()) == {400}
    (made,) = workspace.do("GET", "2.0/repos", path_prefix=HOME)["repos"]
    assert made["path"] == f"{HOME}/lab"


def test_a_folder_that_is_lost_while_it_is_made_leaves_no_files(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    give(workspace, devops)
    practice_cloud.control.fault("slow", service="devops", path="git-upload-pack", seconds=1)
    with ThreadPoolExecutor() as pool:
        making = pool.submit(workspace.ask, "POST", "2.0/repos", {"url": remote(practice_cloud), "provider": PROVIDER})
        time.sleep(0.7)
        practice_cloud.control.reset()
        assert making.result().status_code >= 400
    assert list((practice_cloud.state / "git-folders").glob("*/*")) == []


@pytest.mark.slow
def test_git_is_given_the_token_when_it_asks_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, heard = shutil.which("git"), tmp_path / "heard"
    heard.mkdir()
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n(env; echo "$@"; cat {tmp_path}/*/hol-wizard-*/*) > {heard}/$$ 2>&1\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    state = tmp_path / "cloud"
    endpoints = launch.start(state, speed=600, keep=True)
    try:
        cloud = PracticeCloud(state, endpoints, launch.ControlClient(endpoints), tmp_path / "none")
        cloud.register_providers()
        arm = Arm(cloud, user_token(cloud))
        arm.make_group()
        workspace = Workspace(cloud, make_workspace(arm), user_token(cloud, scope=SCOPE))
        workspace.do("GET", "2.0/preview/scim/v2/Me")
        devops = as_user(cloud)
        devops.make("lab")
        token = tokens(devops, "POST", wish("vso.code_write"))["patToken"]["token"]
        given = {"git_provider": PROVIDER, "git_username": "me", "personal_access_token": token}
        workspace.do("POST", "2.0/git-credentials", given)
        assert folder(workspace, remote(cloud))["path"] == f"{HOME}/lab"
    finally:
        launch.stop(state)
    said = "".join(each.read_text("utf-8", "replace") for each in heard.iterdir())
    assert "GIT_CONFIG_COUNT" in said
    assert "clone --quiet" in said
    for form in (token, base64.b64encode(f":{token}".encode()).decode()):
        assert form not in said
    assert "Authorization" not in said


@pytest.mark.slow
def test_the_tree_shows_notebooks_without_their_ending(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    del clone
    give(workspace, devops)
    made = folder(workspace, remote(practice_cloud))
    root = workspace.do("GET", at("get-status", f"{HOME}/lab"))
    assert (root["object_type"], root["object_id"]) == ("REPO", made["id"])
    listed = workspace.do("GET", at("list", f"{HOME}/lab"))["objects"]
    assert {(each["path"].rpartition("/")[2], each["object_type"]) for each in listed} == {
        ("notebooks", "DIRECTORY"),
        ("one.txt", "FILE"),
    }
    notebook = workspace.do("GET", at("get-status", f"{HOME}/lab/notebooks/train"))
    assert (notebook["object_type"], notebook["language"]) == ("NOTEBOOK", "PYTHON")
    assert workspace.error("GET", at("get-status", f"{HOME}/lab/notebooks/train.py"))[0] == 404
    content = workspace.do("GET", at("export", f"{HOME}/lab/notebooks/train"), format="SOURCE")
    assert base64.b64decode(content["content"]).decode() == SOURCE


@pytest.mark.slow
def test_refusals_are_those_that_people_quote(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    del clone
    url = remote(practice_cloud)
    wished = {"url": url, "provider": PROVIDER, "path": f"{HOME}/lab"}
    status, code, words = message(workspace, "POST", "2.0/repos", wished)
    assert (status, code) == (403, "PERMISSION_DENIED")
    assert words.startswith("Missing Git provider credentials")
    identity = give(workspace, devops)
    status, code, words = message(workspace, "POST", "2.0/repos", {**wished, "url": url.replace("lab", "labs")})
    assert (status, code, words) == (404, "RESOURCE_DOES_NOT_EXIST", "Remote repository not found.")
    status, _, words = message(workspace, "POST", "2.0/repos", {**wished, "url": "https://example.com/x/_git/x"})
    assert status == 403
    assert "its own Azure DevOps only" in words
    folder(workspace, url)
    assert workspace.error("POST", "2.0/repos", wished) == (400, "RESOURCE_ALREADY_EXISTS")
    tokens(devops, "DELETE", authorizationId=identity)
    status, code, words = message(workspace, "POST", "2.0/repos", {**wished, "path": f"{HOME}/other"})
    assert (status, code) == (403, "PERMISSION_DENIED")
    assert words.startswith("Invalid Git provider credentials")
    assert workspace.error("GET", at("get-status", f"{HOME}/other"))[0] == 404


@pytest.mark.slow
def test_a_tag_is_checked_out_and_changes_in_the_way_stop_it(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    give(workspace, devops)
    first = run(clone, devops, "rev-parse", "HEAD")
    run(clone, devops, "tag", "v1")
    (clone / "notebooks" / "train.py").write_text(f"{SOURCE}print(2)\n", encoding="utf-8", newline="\n")
    commit(clone, practice_cloud, "two.txt")
    run(clone, devops, "push", "--quiet", "origin", "main", "v1")
    path = f"2.0/repos/{folder(workspace, remote(practice_cloud))['id']}"
    workspace.do("PATCH", path, {"tag": "v1"})
    seen = workspace.do("GET", path)
    assert (seen.get("branch"), seen["head_commit_id"]) == (None, first)
    assert workspace.error("PATCH", path, {"tag": "v2"}) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert workspace.error("PATCH", path, {"tag": "v1", "branch": "main"}) == (400, "INVALID_PARAMETER_VALUE")
    edited = base64.b64encode(f"{SOURCE}print(3)\n".encode()).decode()
    notebook = f"{HOME}/lab/notebooks/train"
    workspace.do("POST", "2.0/workspace/import", {"path": notebook, "content": edited, "overwrite": True})
    assert workspace.error("PATCH", path, {"branch": "main"}) == (400, "INVALID_STATE")
    assert workspace.do("GET", at("export", notebook), format="SOURCE")["content"] == edited
    assert workspace.do("GET", path)["head_commit_id"] == first


@pytest.mark.slow
@pytest.mark.parametrize("way", ["/../../../ca.pem", "/.git/config", "/.GIT/config", "/notebooks/../.git/config"])
def test_nothing_outside_a_work_tree_is_told(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud, way: str
) -> None:
    del clone
    give(workspace, devops)
    folder(workspace, remote(practice_cloud))
    assert workspace.ask("GET", at("export", f"{HOME}/lab{way}")).status_code in {400, 404}
    body = {"path": f"{HOME}/lab{way}", "content": "", "overwrite": True}
    assert workspace.ask("POST", "2.0/workspace/import", body).status_code in {400, 404}
    assert workspace.ask("POST", "2.0/workspace/delete", {"path": f"{HOME}/lab{way}"}).status_code in {400, 404}


@pytest.mark.slow
def test_a_link_in_a_repository_is_no_way_to_other_files(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    give(workspace, devops)
    (clone / "target").write_text("/etc/hostname", encoding="utf-8")
    entry = run(clone, devops, "hash-object", "-w", "target")
    (clone / "target").unlink()
    run(clone, devops, "update-index", "--add", "--cacheinfo", f"120000,{entry},link.txt")
    run(clone, devops, "commit", "--quiet", "--message", "a link")
    run(clone, devops, "push", "--quiet", "origin", "main")
    folder(workspace, remote(practice_cloud))
    assert "120000" in run(clone, devops, "ls-tree", "origin/main", "link.txt")
    told = workspace.ask("GET", at("export", f"{HOME}/lab/link.txt"))
    assert base64.b64decode(told.json()["content"]) == b"/etc/hostname"


@pytest.mark.slow
def test_folders_are_made_listed_and_deleted_as_they_are_written(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    del clone
    give(workspace, devops)
    workspace.do("POST", "2.0/workspace/mkdirs", {"path": "/Workspace/Shared/Project_One/In"})
    made = folder(workspace, remote(practice_cloud), "/Shared/Project_One/Lab")
    listed = workspace.do("GET", at("list", "/Workspace/Shared/Project_One"))["objects"]
    assert sorted((each["path"], each["object_type"]) for each in listed) == [
        ("/Shared/Project_One/In", "DIRECTORY"),
        ("/Shared/Project_One/Lab", "REPO"),
    ]
    workspace.do("POST", "2.0/workspace/mkdirs", {"path": "/Shared/Project_One/Lab/new/deep"})
    assert workspace.do("GET", at("get-status", "/Shared/Project_One/Lab/new/deep"))["object_type"] == "DIRECTORY"
    status, code, words = message(workspace, "POST", "2.0/workspace/delete", {"path": "/Shared/Project_One"})
    assert (status, code, words) == (400, "DIRECTORY_NOT_EMPTY", "Folder (/Shared/Project_One) is not empty")
    assert workspace.error("POST", "2.0/workspace/delete", {"path": "/Shared"}) == (400, "DIRECTORY_PROTECTED")
    workspace.do("POST", "2.0/workspace/delete", {"path": "/Shared/Project_One", "recursive": True})
    assert workspace.do("GET", at("list", "/Shared")) == {}
    assert workspace.error("GET", f"2.0/repos/{made['id']}") == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.slow
def test_a_folder_without_a_path_lies_in_the_callers_own_repos(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    del clone
    give(workspace, devops)
    made = workspace.do("POST", "2.0/repos", {"url": remote(practice_cloud), "provider": PROVIDER})
    assert made["path"].startswith("/Repos/attendee@practice.example/")
    for prefix in ({}, {"path_prefix": "/Workspace"}, {"path_prefix": "/"}):
        assert [each["id"] for each in workspace.do("GET", "2.0/repos", **prefix)["repos"]] == [made["id"]]


@pytest.mark.slow
@pytest.mark.xdist_group("databricks-sdk")
def test_the_vendors_client_finds_its_way(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import PermissionDenied, ResourceAlreadyExists, ResourceDoesNotExist
    from databricks.sdk.service.workspace import ObjectType

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(practice_cloud.state / "ca.pem"))
    client = WorkspaceClient(
        host=workspace.address,
        token=workspace.token,
        auth_type="pat",
        azure_workspace_resource_id=workspace.resource["id"],
    )
    made = tokens(devops, "POST", wish("vso.code_write"))["patToken"]
    credential = client.git_credentials.create(PROVIDER, git_username="me", personal_access_token=made["token"])
    assert [each.credential_id for each in client.git_credentials.list()] == [credential.credential_id]
    repo = client.repos.create(remote(practice_cloud), PROVIDER, path=f"/Workspace{HOME}/lab")
    assert repo.id is not None
    client.repos.update(repo.id, branch="mine")
    seen = client.repos.get(repo.id)
    assert (seen.branch, seen.head_commit_id) == ("mine", run(clone, devops, "rev-parse", "HEAD"))
    assert [each.id for each in client.repos.list(path_prefix=f"/Workspace{HOME}")] == [repo.id]
    assert client.workspace.get_status(f"{HOME}/lab/notebooks/train").object_type == ObjectType.NOTEBOOK
    assert base64.b64decode(client.workspace.export(f"{HOME}/lab/notebooks/train").content or "").decode() == SOURCE
    with pytest.raises(ResourceAlreadyExists):
        client.repos.create(remote(practice_cloud), PROVIDER, path=f"{HOME}/lab")
    client.repos.delete(repo.id)
    with pytest.raises(ResourceDoesNotExist):
        client.workspace.get_status(f"{HOME}/lab")
    client.git_credentials.delete(credential.credential_id)
    with pytest.raises(PermissionDenied, match="Missing Git provider credentials"):
        client.repos.create(remote(practice_cloud), PROVIDER, path=f"{HOME}/lab")


def test_a_credential_is_its_owners_alone(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    del clone
    give(workspace, devops)
    (mine,) = workspace.do("GET", "2.0/git-credentials")["credentials"]
    token = user_token(practice_cloud, "contributor@practice.example", SCOPE)
    other = Workspace(practice_cloud, workspace.resource, token)
    assert other.do("GET", "2.0/git-credentials") == {}
    path = f"2.0/git-credentials/{mine['credential_id']}"
    for method in ("GET", "DELETE"):
        assert other.error(method, path) == (404, "RESOURCE_DOES_NOT_EXIST")
    wished = {
        "url": remote(practice_cloud),
        "provider": PROVIDER,
        "path": "/Shared/lab",
        "git_credential_id": mine["credential_id"],
    }
    status, code, words = message(other, "POST", "2.0/repos", wished)
    assert (status, code) == (403, "PERMISSION_DENIED")
    assert words.startswith("Missing Git provider credentials")


@pytest.mark.slow
def test_who_runs_a_notebook_reads_its_source_from_a_folder_or_the_tree(
    workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    del clone
    give(workspace, devops)
    folder(workspace, remote(practice_cloud))
    content = base64.b64encode(SOURCE.encode()).decode()
    workspace.do("POST", "2.0/workspace/import", {"path": f"{HOME}/alone", "content": content, "language": "PYTHON"})
    name = str(workspace.resource["properties"]["workspaceId"])
    store = Store(practice_cloud.state / DATABASE_FILE)
    try:
        objects = Databricks(World(store, Clock(1))).objects
        thing = next(each["workspace"] for each in store.collection("databricks_git_folders"))
        assert name in thing
        for path in (f"/Workspace{HOME}/lab/notebooks/train", f"{HOME}/alone"):
            assert objects.source(thing, path) == SOURCE.encode()
        for path in (f"{HOME}/lab/one.txt", f"{HOME}/lab/notebooks", f"{HOME}/nothing"):
            assert objects.source(thing, path) is None
    finally:
        store.close()


@pytest.mark.slow
def test_all_of_it_goes_with_the_workspace(
    arm: Arm, workspace: Workspace, devops: DevOps, clone: Path, practice_cloud: PracticeCloud
) -> None:
    del clone
    give(workspace, devops)
    folder(workspace, remote(practice_cloud))
    trees = practice_cloud.state / "git-folders"
    assert any(trees.rglob("train.py"))
    arm.poll(arm.ask("DELETE", provider("Databricks/workspaces", "practice-db"), version=DATABRICKS))
    assert not any(trees.rglob("train.py"))
    database = sqlite3.connect(f"file:{practice_cloud.state / DATABASE_FILE}?mode=ro", uri=True)
    left = database.execute("SELECT collection FROM documents WHERE collection LIKE '%databricks%'").fetchall()
    database.close()
    assert left == []
