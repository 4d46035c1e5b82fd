"""Files, branches and addresses of a repository, as other clients ask for them.

The official Python client (azure-devops 7.1.0b4) and the official Node client (azure-devops-node-api) send the same
requests; the Node client sends `recursionLevel` and `versionType` as numbers.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.practice.test_devops import DevOps, as_user
from tests.practice.test_devops_git import git, remote
from tests.practice_cloud import PracticeCloud

LOGO = b"\x89PNG\r\n\x1a\n\x00\x00"
FILES = {"README.md": b"second\n", "src/app.py": b"print(1)\n", "src/deep/data.txt": b"\xc3\xa9\n", "logo.png": LOGO}


@dataclass
class Lab:
    """A project whose repository has two commits, the branches `main` and `work`, and the tags `v1` and `v2`."""

    devops: DevOps
    first: str
    last: str

    def ask(self, path: str, accept: str | None = "application/json", /, **query: Any) -> requests.Response:
        """Ask below the repository; `_` in a name is a `.`, and `S` before it a `$`."""
        names = {name.replace("_", ".").replace("S", "$"): str(value) for name, value in query.items()}
        address = f"{self.devops.cloud.endpoints['devops']}/practice/lab/_apis/git/repositories/lab{path}"
        headers = {"Accept": accept}
        found: requests.Response = self.devops.http.get(
            address, params={**names, "api-version": "7.1"}, headers=headers, timeout=10
        )
        return found

    def items(self, **query: Any) -> list[str]:
        """Return the paths of the items listed."""
        answer = self.ask("/items", **query)
        assert answer.status_code == 200, answer.text
        return [each["path"] for each in answer.json()["value"]]

    def refused(self, path: str, /, **query: Any) -> tuple[int, str, str]:
        """Ask, and return the refusal's status, type and message."""
        answer = self.ask(path, **query)
        return answer.status_code, answer.json()["typeKey"], answer.json()["message"]


@pytest.fixture
def lab(practice_cloud: PracticeCloud, tmp_path: Path) -> Lab:
    devops = as_user(practice_cloud)
    devops.make("lab")
    folder = tmp_path / "clone"
    folder.mkdir()

    def run(*words: str) -> str:
        done = git(folder, *words, cloud=practice_cloud, token=devops.token)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run("init", "--quiet", "--initial-branch=main")
    (folder / "README.md").write_bytes(b"first\n")
    run("add", "--all")
    run("commit", "--quiet", "--message", "First cut")
    run("tag", "v1")
    run("tag", "--annotate", "--message", "annotated", "v2")
    run("branch", "work")
    first = run("rev-parse", "HEAD")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    run("add", "--all")
    run("commit", "--quiet", "--message", "Second cut\n\nWith a body.")
    run("push", "--quiet", remote(practice_cloud), "main", "work", "--tags")
    return Lab(devops, first, run("rev-parse", "HEAD"))


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def test_a_path_asks_for_one_item(lab: Lab) -> None:
    answer = lab.ask("/items", path="/README.md")
    item = answer.json()
    assert (item["objectId"], item["gitObjectType"], item["path"]) == (
        blob_id(b"second\n"),
        "blob",
        "/README.md",
    )
    assert item["commitId"] == lab.last
    assert "value" not in item
    assert "content" not in item
    # Its own address leads to it.
    assert item["url"].endswith("?versionType=Branch&version=main&versionOptions=None")
    again = lab.devops.http.get(item["url"], headers={"Accept": "application/json"}, timeout=10)
    assert again.json() == item
    folder = lab.ask("/items", path="src/deep").json()
    assert (folder["path"], folder["isFolder"], folder["gitObjectType"]) == ("/src/deep", True, "tree")


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("text/plain", {}, "text/plain"),
        ("application/octet-stream", {}, "application/octet-stream"),
        ("*/*", {}, "application/octet-stream"),
        (None, {}, "application/octet-stream"),
        ("application/json", {"Sformat": "text"}, "text/plain"),
        ("application/json", {"Sformat": "octetStream"}, "application/octet-stream"),
    ],
)
def test_who_does_not_ask_for_json_gets_the_file(
    lab: Lab, accept: str | None, query: dict[str, str], kind: str
) -> None:
    answer = lab.ask("/items", accept, path="/src/deep/data.txt", **query)
    assert answer.content == FILES["src/deep/data.txt"]
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert "Content-Disposition" not in answer.headers
    saved = lab.ask("/items", accept, path="/src/deep/data.txt", download="true", **query)
    assert saved.headers["Content-Disposition"] == "attachment; filename=data.txt"
    assert lab.ask("/items", accept, path="/src/deep/data.txt", **{"Sformat": "json"}).json()["gitObjectType"] == "blob"


def test_json_has_content_and_facts_on_request(lab: Lab) -> None:
    item = lab.ask("/items", path="/src/deep/data.txt", includeContent="true", includeContentMetadata="true").json()
    assert item["content"] == "é\n"
    facts = item["contentMetadata"]
    assert (facts["fileName"], facts["extension"], facts["contentType"]) == ("data.txt", "txt", "text/plain")
    assert facts["encoding"] == 65001
    picture = lab.ask("/items", path="/logo.png", includeContentMetadata="true").json()["contentMetadata"]
    assert (picture["contentType"], picture["isBinary"], picture["isImage"]) == ("image/png", True, True)


@pytest.mark.slow
def test_a_scope_lists_as_deep_as_it_is_asked(lab: Lab) -> None:
    whole = ["/", "/README.md", "/logo.png", "/src", "/src/app.py", "/src/deep", "/src/deep/data.txt"]
    assert lab.items(scopePath="/", recursionLevel="Full") == whole
    assert lab.items(recursionLevel="full") == whole
    assert lab.items(recursionLevel=120) == whole
    assert lab.items() == ["/"]
    assert lab.items(scopePath="/src") == ["/src"]
    assert lab.items(scopePath="/src", recursionLevel="oneLevel") == ["/src", "/src/app.py", "/src/deep"]
    assert lab.items(scopePath="src/", recursionLevel=1) == ["/src", "/src/app.py", "/src/deep"]
    assert lab.items(scopePath="/src/deep", recursionLevel="full") == ["/src/deep", "/src/deep/data.txt"]
    assert lab.items(scopePath="/README.md") == ["/README.md"]
    lab.devops.cloud.wrong_on_purpose("recursionLevel=sideways")
    status, kind, said = lab.refused("/items", scopePath="/", recursionLevel="sideways")
    assert (status, kind) == (400, "ArgumentException")
    assert "sideways" in said


@pytest.mark.slow
def test_the_version_is_a_branch_a_tag_or_a_commit(lab: Lab) -> None:
    def first(kind: str | int, version: str) -> list[str]:
        descriptor = {"versionDescriptor_versionType": kind, "versionDescriptor_version": version}
        return lab.items(scopePath="/", recursionLevel="full", **descriptor)

    first_cut = ["/", "/README.md"]
    assert first("branch", "work") == first_cut
    assert first("Tag", "v1") == first_cut
    assert first("tag", "v2") == first_cut
    assert first("commit", lab.first) == first_cut
    assert first(1, "v1") == first_cut
    assert first(2, lab.first) == first_cut
    assert lab.items(versionDescriptor_version="work", recursionLevel="full") == first_cut
    for kind, version in (("branch", lab.first), ("branch", "v1"), ("tag", "main"), ("commit", "main")):
        descriptor = {"versionDescriptor_versionType": kind, "versionDescriptor_version": version}
        status, name, said = lab.refused("/items", path="/README.md", **descriptor)
        assert (status, name) == (404, "GitUnresolvableToCommitException")
        assert f"TF401175: The version descriptor <{kind.title()}: {version} >" in said


@pytest.mark.slow
def test_what_is_not_there_is_named_with_its_version(lab: Lab) -> None:
    status, kind, said = lab.refused("/items", path="/nothing.txt")
    assert (status, kind) == (404, "GitItemNotFoundException")
    assert said.startswith(
        "TF401174: The item '/nothing.txt' could not be found in the repository 'lab' at the version"
    )
    assert f"(resolved to commit '{lab.last}')" in said
    lab.devops.make("empty")
    address = (
        f"{lab.devops.cloud.endpoints['devops']}/practice/empty/_apis/git/repositories/empty/items?api-version=7.1"
    )
    empty = lab.devops.http.get(address, timeout=10)
    assert empty.status_code == 404
    assert empty.json()["message"] == "VS403403: Cannot find any branches for the empty repository."


@pytest.mark.slow
def test_a_zip_has_the_files_below_a_folder(lab: Lab) -> None:
    def names(answer: requests.Response) -> list[str]:
        assert answer.headers["Content-Type"] == "application/zip"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        packed = zipfile.ZipFile(io.BytesIO(answer.content))
        return sorted(each for each in packed.namelist() if not each.endswith("/"))

    assert names(lab.ask("/items", path="/", Sformat="zip")) == sorted(FILES)
    assert names(lab.ask("/items", "application/zip", scopePath="/")) == sorted(FILES)
    below = names(lab.ask("/items", path="/src", Sformat="zip", zipForUnix="true"))
    assert [each.rpartition("/")[2] for each in below] == ["app.py", "data.txt"]


@pytest.mark.slow
def test_a_file_with_the_name_of_an_option_is_a_file(lab: Lab, practice_cloud: PracticeCloud, tmp_path: Path) -> None:
    other = tmp_path / "other"

    def run(folder: Path, *words: str) -> None:
        done = git(folder, *words, cloud=practice_cloud, token=lab.devops.token)
        assert done.returncode == 0, done.stderr

    run(tmp_path, "clone", "--quiet", remote(practice_cloud), "other")
    (other / "--output=HEAD").write_bytes(b"mine\n")
    run(other, "add", "--all")
    run(other, "commit", "--quiet", "--message", "A name")
    run(other, "push", "--quiet")
    packed = zipfile.ZipFile(io.BytesIO(lab.ask("/items", path="/--output=HEAD", Sformat="zip").content))
    assert {each: packed.read(each) for each in packed.namelist()} == {"--output=HEAD": b"mine\n"}
    assert lab.ask("/items", "text/plain", path="/--output=HEAD").content == b"mine\n"
    assert lab.items(scopePath="/") == ["/"]


@pytest.mark.parametrize(
    "query",
    [
        {"path": "/README.md", "latestProcessedChange": "true"},
        {"path": "/README.md", "resolveLfs": "true"},
        {"path": "/README.md", "versionDescriptor_versionOptions": "previousChange"},
        {"path": "/src", "recursionLevel": "full"},
        {"path": "/src", "scopePath": "/"},
    ],
)
def test_what_would_change_the_answer_is_refused_and_never_dropped(lab: Lab, query: dict[str, str]) -> None:
    status, kind, said = lab.refused("/items", **query)
    assert (status, kind) == (400, "UnservedQueryParameterException")
    assert "practice cloud" in said


def test_what_is_given_as_its_default_is_no_wish(lab: Lab) -> None:
    defaults = {"latestProcessedChange": "false", "versionDescriptor_versionOptions": "none", "recursionLevel": "none"}
    assert lab.ask("/items", path="/README.md", **defaults).json()["path"] == "/README.md"


def test_one_branch_is_told_by_its_name(lab: Lab) -> None:
    told = lab.ask("/stats/branches", name="work").json()
    assert (told["name"], told["aheadCount"], told["behindCount"], told["isBaseVersion"]) == ("work", 0, 1, False)
    main = lab.ask("/stats/branches", name="main").json()
    commit = main["commit"]
    assert main["isBaseVersion"] is True
    assert commit["parents"] == [lab.first]
    assert commit["author"]["name"] == "Somebody"
    assert commit["committer"]["date"].endswith("Z")
    assert commit["comment"] == "Second cut\n\nWith a body."
    based = {"baseVersionDescriptor_version": "work", "baseVersionDescriptor_versionType": "branch"}
    other = lab.ask("/stats/branches", name="main", **based).json()
    assert (other["aheadCount"], other["behindCount"], other["isBaseVersion"]) == (1, 0, False)
    listed = lab.ask("/stats/branches").json()
    assert [each["name"] for each in listed["value"]] == ["main", "work"]
    status, kind, _ = lab.refused("/stats/branches", name="nothing")
    assert (status, kind) == (404, "GitUnresolvableToCommitException")


@pytest.mark.slow
def test_refs_are_filtered_and_paged(lab: Lab) -> None:
    def names(**query: Any) -> list[str]:
        return [each["name"] for each in lab.ask("/refs", **query).json()["value"]]

    assert names() == ["refs/heads/main", "refs/heads/work", "refs/tags/v1", "refs/tags/v2"]
    assert names(filter="heads/") == ["refs/heads/main", "refs/heads/work"]
    assert names(filterContains="or") == ["refs/heads/work"]
    assert names(filter="tags/", filterContains="2") == ["refs/tags/v2"]
    first = lab.ask("/refs", filter="heads/", Stop=1)
    assert [each["name"] for each in first.json()["value"]] == ["refs/heads/main"]
    token = first.headers["x-ms-continuationtoken"]
    second = lab.ask("/refs", filter="heads/", Stop=1, continuationToken=token)
    assert [each["name"] for each in second.json()["value"]] == ["refs/heads/work"]
    assert "x-ms-continuationtoken" not in second.headers
    peeled = lab.ask("/refs", filter="tags/v2", peelTags="true").json()["value"][0]
    assert peeled["peeledObjectId"] == lab.first
    assert "peeledObjectId" not in lab.ask("/refs", filter="tags/v2").json()["value"][0]


@pytest.mark.slow
def test_a_repository_is_found_at_every_address_that_the_service_has_for_it(lab: Lab, tmp_path: Path) -> None:
    base = lab.devops.cloud.endpoints["devops"]
    host = base.removeprefix("https://")
    shown = lab.ask("").json()
    assert shown["remoteUrl"] == f"https://practice@{host}/practice/lab/_git/lab"
    assert shown["sshUrl"].startswith("git@")
    assert shown["sshUrl"].endswith(":v3/practice/lab/lab")
    assert shown["webUrl"] == f"{base}/practice/lab/_git/lab"
    for address in (shown["remoteUrl"], f"{base}/practice/_git/lab", f"{base}/practice/_git/{shown['id']}"):
        listed = git(tmp_path, "ls-remote", address, cloud=lab.devops.cloud, token=lab.devops.token)
        assert f"{lab.last}\trefs/heads/main" in listed.stdout, listed.stderr


def test_projects_are_paged_with_a_token_in_a_header(lab: Lab) -> None:
    for name in ("alpha", "beta"):
        lab.devops.make(name)
    found, token, pages = [], "", 0
    while pages == 0 or token:
        more = {"continuationToken": token} if token else {}
        page = lab.devops.ask("GET", "/projects", **{"$top": "1", **more})
        found += [each["name"] for each in page.json()["value"]]
        token = page.headers.get("x-ms-continuationtoken", "")
        pages += 1
        assert pages < 10
    assert found == ["alpha", "beta", "lab"]
    # Recorded with `$top=1&$skip=0`: the token is where the next page begins.
    assert lab.devops.ask("GET", "/projects", **{"$top": "1"}).headers["x-ms-continuationtoken"] == "1"
