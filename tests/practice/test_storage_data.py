from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from hol_wizard.practice.process import launch
from hol_wizard.practice.storage import acl
from tests.practice.conftest import STORAGE, STORAGE_BODY, Arm, provider, session, user_token
from tests.practice.data_planes import BLOB_CONTRIBUTOR, BLOB_OWNER, give, oid
from tests.practice.test_launch import cloud_of, kill
from tests.practice_cloud import PracticeCloud

AUDIENCE = "https://storage.azure.com/.default"
ACCOUNT = provider("Storage/storageAccounts", "labdata")
CONTAINERS = f"{ACCOUNT}/blobServices/default/containers"
VERSION = "2023-05-03"
READER = "reader@practice.example"


@dataclass
class Storage:
    """Asks one data plane of an account."""

    cloud: PracticeCloud
    address: str
    token: str
    http: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.http = session(self.cloud)
        self.http.headers["x-ms-version"] = VERSION
        if self.token:
            self.http.headers["Authorization"] = f"Bearer {self.token}"

    def ask(
        self, method: str, path: str, data: bytes = b"", headers: dict[str, str] | None = None, **query: str
    ) -> requests.Response:
        """Ask for a path below the account."""
        return self.http.request(
            method, self.address + path, params=query, data=data or None, headers=headers, timeout=10
        )

    def refusal(
        self, method: str, path: str, data: bytes = b"", headers: dict[str, str] | None = None, **query: str
    ) -> tuple[int, str]:
        """Ask, and return status and code of the refusal."""
        answer = self.ask(method, path, data, headers, **query)
        code = answer.headers["x-ms-error-code"]
        if answer.content:
            assert f'"code": "{code}"' in answer.text or f"<Code>{code}</Code>" in answer.text
        return answer.status_code, code

    def upload(self, path: str, data: bytes) -> None:
        """Make a file in three requests."""
        assert self.ask("PUT", path, resource="file").status_code == 201
        assert self.ask("PATCH", path, data, action="append", position="0").status_code == 202
        assert self.ask("PATCH", path, action="flush", position=str(len(data))).status_code == 200

    def change_acls(self, path: str, headers: dict[str, str], **query: str) -> requests.Response:
        """Change the ACLs of a path and of all that is below it."""
        return self.ask("PATCH", path, b"", headers, action="setAccessControlRecursive", **query)

    def until_allowed(self, path: str) -> None:
        """Wait until a role that was just given works."""
        deadline = time.monotonic() + 10
        while self.ask("HEAD", path, resource="filesystem").status_code == 403:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@dataclass
class Lake:
    """An account with a file system `datalake`, and those who ask it."""

    arm: Arm
    cloud: PracticeCloud
    owner: Storage
    """The attendee, as Storage Blob Data Owner."""
    reader: Storage
    """Somebody without any role on data."""
    blob: Storage
    """The attendee at the blob endpoint."""

    @property
    def reader_id(self) -> str:
        """Object id of the reader."""
        return oid(self.reader.token)


def make_account(arm: Arm, path: str = ACCOUNT, **properties: Any) -> dict[str, Any]:
    """Make a storage account and wait for it."""
    body = {**STORAGE_BODY, "properties": {**STORAGE_BODY["properties"], **properties}}  # type: ignore[dict-item]
    assert arm.ask("PUT", path, body, version=STORAGE).status_code == 202
    return arm.until(path, STORAGE)


@pytest.fixture
def account(arm: Arm) -> dict[str, Any]:
    """The endpoints of an account with hierarchy."""
    arm.make_group()
    return dict(make_account(arm)["properties"]["primaryEndpoints"])


@pytest.fixture
def lake(practice_cloud: PracticeCloud, arm: Arm, account: dict[str, Any]) -> Lake:
    """An account with hierarchy, a file system, and the attendee as its owner."""
    reader = Storage(practice_cloud, account["dfs"], user_token(practice_cloud, READER, AUDIENCE))
    token = user_token(practice_cloud, scope=AUDIENCE)
    owner = Storage(practice_cloud, account["dfs"], token)
    assert arm.ask("PUT", f"{CONTAINERS}/datalake", {}, version=STORAGE).status_code == 201
    give(arm, ACCOUNT, BLOB_OWNER, oid(token))
    owner.until_allowed("datalake")
    return Lake(arm, practice_cloud, owner, reader, Storage(practice_cloud, account["blob"], token))


# Azure Resource Manager


def test_an_account_says_where_its_data_are(practice_cloud: PracticeCloud, account: dict[str, Any]) -> None:
    assert account["dfs"] == f"{practice_cloud.endpoints['storage_dfs']}/labdata/"
    assert account["blob"] == f"{practice_cloud.endpoints['storage_blob']}/labdata/"


def test_containers_are_made_listed_and_deleted_with_rights_over_the_account_alone(
    arm: Arm, account: dict[str, Any]
) -> None:
    body = {"properties": {"publicAccess": "None", "metadata": {"lab": "1"}}}
    made = arm.ask("PUT", f"{CONTAINERS}/datalake", body, version=STORAGE)
    assert (made.status_code, made.json()["name"]) == (201, "datalake")
    assert arm.ask("PUT", f"{CONTAINERS}/datalake", {}, version=STORAGE).status_code == 200
    found = arm.ask("GET", f"{CONTAINERS}/datalake", version=STORAGE).json()
    assert (found["properties"]["metadata"], found["properties"]["publicAccess"]) == ({"lab": "1"}, "None")
    listed = arm.ask("GET", CONTAINERS, version=STORAGE).json()["value"]
    assert [each["name"] for each in listed] == ["datalake"]
    assert arm.ask("GET", f"{ACCOUNT}/blobServices/default", version=STORAGE).json()["name"] == "default"
    assert arm.ask("DELETE", f"{CONTAINERS}/datalake", version=STORAGE).status_code == 200
    assert arm.error("GET", f"{CONTAINERS}/datalake", version=STORAGE) == (404, "ContainerNotFound")
    assert arm.ask("DELETE", f"{CONTAINERS}/datalake", version=STORAGE).status_code == 204


@pytest.mark.slow
def test_the_name_of_a_deleted_container_is_not_free_at_once(
    practice_cloud: PracticeCloud, arm: Arm, account: dict[str, Any]
) -> None:
    practice_cloud.control.settings(speed=1.0)
    arm.ask("PUT", f"{CONTAINERS}/datalake", {}, version=STORAGE)
    arm.ask("DELETE", f"{CONTAINERS}/datalake", version=STORAGE)
    assert arm.error("PUT", f"{CONTAINERS}/datalake", {}, version=STORAGE) == (409, "ContainerBeingDeleted")


@pytest.mark.parametrize(
    ("name", "code"), [("ab", "OutOfRangeInput"), ("Upper", "InvalidResourceName"), ("a--b", "InvalidResourceName")]
)
def test_a_container_name_that_breaks_the_rule_is_refused(
    arm: Arm, account: dict[str, Any], name: str, code: str
) -> None:
    assert arm.error("PUT", f"{CONTAINERS}/{name}", {}, version=STORAGE) == (400, code)
    public = {"properties": {"publicAccess": "Blob"}}
    assert arm.error("PUT", f"{CONTAINERS}/open", public, version=STORAGE) == (409, "PublicAccessNotPermitted")


# Who may come in


def test_who_comes_without_a_good_token_is_told_where_to_get_one(
    practice_cloud: PracticeCloud, arm: Arm, account: dict[str, Any]
) -> None:
    nobody = Storage(practice_cloud, account["dfs"], "")
    answer = nobody.ask("HEAD", "datalake", resource="filesystem")
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")
    assert "resource_id=https://storage.azure.com" in answer.headers["WWW-Authenticate"]
    other = Storage(practice_cloud, account["dfs"], user_token(practice_cloud))
    assert other.refusal("GET", "datalake", resource="filesystem", recursive="true") == (
        401,
        "InvalidAuthenticationInfo",
    )
    shared = {"Authorization": "SharedKey labdata:c2lnbmF0dXJl"}
    assert nobody.refusal("HEAD", "datalake", headers=shared, resource="filesystem") == (403, "AuthenticationFailed")
    arm.ask("PATCH", ACCOUNT, {"properties": {"allowSharedKeyAccess": False}}, version=STORAGE)
    assert nobody.refusal("HEAD", "datalake", headers=shared, resource="filesystem") == (
        403,
        "KeyBasedAuthenticationNotPermitted",
    )


def test_even_an_owner_of_the_account_needs_a_role_on_its_data(
    practice_cloud: PracticeCloud, arm: Arm, account: dict[str, Any]
) -> None:
    arm.ask("PUT", f"{CONTAINERS}/datalake", {}, version=STORAGE)
    token = user_token(practice_cloud, scope=AUDIENCE)
    owner = Storage(practice_cloud, account["dfs"], token)
    refused = (403, "AuthorizationPermissionMismatch")
    assert owner.refusal("HEAD", "datalake", resource="filesystem") == refused
    assert owner.refusal("PUT", "datalake/file.csv", resource="file") == refused
    assert owner.refusal("GET", "datalake", resource="filesystem", recursive="false") == refused
    blob = Storage(practice_cloud, account["blob"], token)
    assert blob.refusal("GET", "datalake", restype="container", comp="list") == refused
    give(arm, ACCOUNT, BLOB_CONTRIBUTOR, oid(token))
    owner.until_allowed("datalake")
    assert owner.ask("PUT", "datalake/file.csv", resource="file").status_code == 201


def test_a_closed_firewall_lets_nobody_in(lake: Lake) -> None:
    body = {"properties": {"networkAcls": {"defaultAction": "Deny"}}}
    lake.arm.ask("PATCH", ACCOUNT, body, version=STORAGE)
    assert lake.owner.refusal("HEAD", "datalake", resource="filesystem") == (403, "AuthorizationFailure")


# Files


def test_a_file_is_there_as_soon_as_it_is_flushed(lake: Lake) -> None:
    owner = lake.owner
    assert owner.ask("PUT", "datalake/a/file.csv", resource="file").status_code == 201
    for position, sent in ((0, b"12345"), (5, b"678")):
        answer = owner.ask("PATCH", "datalake/a/file.csv", sent, action="append", position=str(position))
        assert answer.status_code == 202
    assert owner.ask("HEAD", "datalake/a/file.csv").headers["Content-Length"] == "0"
    assert owner.ask("GET", "datalake/a/file.csv").content == b""
    flushed = owner.ask(
        "PATCH",
        "datalake/a/file.csv",
        headers={"x-ms-content-type": "text/csv", "x-ms-content-md5": "JdVa0oO6QA+kZPRMcT198A=="},
        action="flush",
        position="8",
        close="true",
    )
    assert flushed.status_code == 200
    found = owner.ask("HEAD", "datalake/a/file.csv")
    assert found.headers["Content-Length"] == "8"
    assert found.headers["Content-Type"] == "text/csv"
    assert found.headers["Content-MD5"] == "JdVa0oO6QA+kZPRMcT198A=="
    assert found.headers["ETag"] == flushed.headers["ETag"]
    assert found.headers["x-ms-resource-type"] == "file"
    assert re.fullmatch(r'"0x8D[0-9A-F]{13}"|"0x8E[0-9A-F]{13}"|"0x[0-9A-F]{15}"', found.headers["ETag"])
    assert owner.ask("GET", "datalake/a/file.csv").content == b"12345678"
    part = owner.ask("GET", "datalake/a/file.csv", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"345", "bytes 2-4/8")
    assert owner.refusal("GET", "datalake/a/file.csv", headers={"Range": "bytes=8-"}) == (416, "InvalidRange")


def test_parts_may_come_in_any_order_but_must_fit_at_the_flush(lake: Lake) -> None:
    owner = lake.owner
    owner.ask("PUT", "datalake/file", resource="file")
    owner.ask("PATCH", "datalake/file", b"world", action="append", position="5")
    refused = (400, "InvalidFlushPosition")
    assert owner.refusal("PATCH", "datalake/file", action="flush", position="5") == refused
    owner.ask("PATCH", "datalake/file", b"hello", action="append", position="0")
    assert owner.refusal("PATCH", "datalake/file", action="flush", position="9") == refused
    assert owner.ask("PATCH", "datalake/file", action="flush", position="10").status_code == 200
    assert owner.ask("GET", "datalake/file").content == b"helloworld"
    owner.ask("PATCH", "datalake/file", b"late", action="append", position="0")
    assert owner.refusal("PATCH", "datalake/file", action="flush", position="4") == refused


def test_an_upload_goes_on_where_the_last_flush_left_it(lake: Lake) -> None:
    owner = lake.owner
    owner.ask("PUT", "datalake/file", resource="file")
    owner.ask("PATCH", "datalake/file", b"first", action="append", position="0")
    owner.ask("PATCH", "datalake/file", action="flush", position="5")
    owner.ask("PATCH", "datalake/file", b"lost by a kill", action="append", position="5")
    length = int(owner.ask("HEAD", "datalake/file").headers["Content-Length"])
    assert length == 5
    owner.ask("PATCH", "datalake/file", b"second", action="append", position=str(length))
    assert owner.ask("PATCH", "datalake/file", action="flush", position="11").status_code == 200
    assert owner.ask("GET", "datalake/file").content == b"firstsecond"


def test_four_megabytes_go_in_one_request_and_lie_outside_the_database(lake: Lake) -> None:
    data = bytes(range(256)) * 16384
    before = sum(each.stat().st_size for each in lake.cloud.state.glob("cloud.sqlite*"))
    lake.owner.upload("datalake/big.bin", data)
    assert lake.owner.ask("GET", "datalake/big.bin").content == data
    assert sum(each.stat().st_size for each in lake.cloud.state.glob("cloud.sqlite*")) - before < 1_000_000
    assert lake.cloud.log.read_text(encoding="utf-8").count("(4194304 bytes)") >= 2


def test_conditions_are_looked_at(lake: Lake) -> None:
    owner = lake.owner
    owner.upload("datalake/file", b"one")
    tag = owner.ask("HEAD", "datalake/file").headers["ETag"]
    assert owner.ask("HEAD", "datalake/file", headers={"If-None-Match": tag}).status_code == 304
    assert owner.ask("GET", "datalake/file", headers={"If-Match": tag}).status_code == 200
    assert owner.refusal("GET", "datalake/file", headers={"If-Match": '"0x1"'}) == (412, "ConditionNotMet")
    assert owner.refusal("PUT", "datalake/file", headers={"If-None-Match": "*"}, resource="file") == (
        409,
        "PathAlreadyExists",
    )
    assert owner.ask("PUT", "datalake/file", resource="file").status_code == 201
    assert owner.ask("HEAD", "datalake/file").headers["Content-Length"] == "0"


def test_what_is_not_there_is_told_apart(lake: Lake) -> None:
    lake.cloud.wrong_on_purpose("PUT /datalake/file", "PATCH /datalake/file", "GET /datalake")
    owner = lake.owner
    assert owner.refusal("HEAD", "none", resource="filesystem") == (404, "FilesystemNotFound")
    assert owner.refusal("GET", "none", resource="filesystem", recursive="true") == (404, "FilesystemNotFound")
    assert owner.refusal("HEAD", "datalake/none") == (404, "PathNotFound")
    assert owner.refusal("GET", "datalake/none") == (404, "PathNotFound")
    assert owner.refusal("GET", "datalake", resource="filesystem", recursive="true", directory="no") == (
        404,
        "PathNotFound",
    )
    assert owner.refusal("PUT", "datalake/file", resource="link") == (400, "InvalidQueryParameterValue")
    assert owner.refusal("PATCH", "datalake/file", b"x", action="append", position="0") == (404, "PathNotFound")
    other = Storage(lake.cloud, lake.owner.address.replace("labdata", "nobody"), owner.token)
    assert other.refusal("HEAD", "datalake", resource="filesystem") == (404, "ResourceNotFound")


def test_file_systems_are_made_listed_and_deleted(lake: Lake) -> None:
    owner = lake.owner
    assert owner.ask("PUT", "second", resource="filesystem").status_code == 201
    assert owner.refusal("PUT", "second", resource="filesystem") == (409, "FilesystemAlreadyExists")
    listed = owner.ask("GET", "", resource="account").json()["filesystems"]
    assert [each["name"] for each in listed] == ["datalake", "second"]
    assert owner.ask("HEAD", "second", resource="filesystem").headers["x-ms-namespace-enabled"] == "true"
    assert owner.ask("DELETE", "second", resource="filesystem").status_code == 202
    assert owner.refusal("HEAD", "second", resource="filesystem") == (404, "FilesystemNotFound")


def test_paths_are_listed_one_level_or_all_in_pages(lake: Lake) -> None:
    owner = lake.owner
    for name in ("a/one", "a/b/two", "three"):
        owner.upload(f"datalake/{name}", b"x")
    listed = owner.ask("GET", "datalake", resource="filesystem", recursive="false").json()["paths"]
    assert [(each["name"], each.get("isDirectory")) for each in listed] == [("a", "true"), ("three", None)]
    first = owner.ask("GET", "datalake", resource="filesystem", recursive="true", maxResults="3")
    token = first.headers["x-ms-continuation"]
    rest = owner.ask("GET", "datalake", resource="filesystem", recursive="true", continuation=token)
    names = [each["name"] for answer in (first, rest) for each in answer.json()["paths"]]
    assert names == ["a", "a/b", "a/b/two", "a/one", "three"]
    below = owner.ask("GET", "datalake", resource="filesystem", recursive="false", directory="a").json()["paths"]
    assert [each["name"] for each in below] == ["a/b", "a/one"]


def test_directories_are_deleted_with_what_is_in_them_only_when_asked(lake: Lake) -> None:
    owner = lake.owner
    owner.upload("datalake/a/file", b"x")
    assert owner.refusal("DELETE", "datalake/a", recursive="false") == (409, "DirectoryNotEmpty")
    assert owner.refusal("PUT", "datalake/a", resource="file") == (409, "PathConflict")
    assert owner.refusal("PUT", "datalake/a/file/below", resource="file") == (409, "PathConflict")
    assert owner.ask("DELETE", "datalake/a", recursive="true").status_code == 200
    assert owner.refusal("DELETE", "datalake/a", recursive="true") == (404, "PathNotFound")
    assert owner.ask("GET", "datalake", resource="filesystem", recursive="true").json() == {"paths": []}


def test_paths_can_be_renamed(lake: Lake) -> None:
    owner = lake.owner
    owner.upload("datalake/a/file", b"x")
    source = {"x-ms-rename-source": "/datalake/a"}
    assert owner.ask("PUT", "datalake/b", headers=source).status_code == 201
    assert owner.ask("GET", "datalake/b/file").content == b"x"
    assert owner.refusal("PUT", "datalake/c", headers=source) == (404, "SourcePathNotFound")


# Access control


def test_an_acl_lets_in_whom_no_role_does(lake: Lake) -> None:
    owner, reader = lake.owner, lake.reader
    owner.upload("datalake/old.csv", b"old")
    refused = (403, "AuthorizationPermissionMismatch")
    assert reader.refusal("GET", "datalake", resource="filesystem", recursive="false") == refused
    assert reader.refusal("GET", "datalake/old.csv") == refused
    entries = f"user:{lake.reader_id}:rwx,default:user:{lake.reader_id}:rwx"
    counted = owner.ask(
        "PATCH", "datalake/", headers={"x-ms-acl": entries}, action="setAccessControlRecursive", mode="modify"
    )
    assert counted.json() == {
        "directoriesSuccessful": 1,
        "failedEntries": [],
        "failureCount": 0,
        "filesSuccessful": 1,
    }
    shown = owner.ask("HEAD", "datalake/", action="getAccessControl").headers
    assert shown["x-ms-acl"] == (
        f"user::rwx,user:{lake.reader_id}:rwx,group::r-x,mask::rwx,other::---,"
        f"default:user::rwx,default:user:{lake.reader_id}:rwx,default:group::r-x,default:mask::rwx,default:other::---"
    )
    assert (shown["x-ms-permissions"], shown["x-ms-owner"]) == ("rwxrwx---+", "$superuser")
    listed = reader.ask("GET", "datalake", resource="filesystem", recursive="false").json()["paths"]
    assert [each["name"] for each in listed] == ["old.csv"]
    assert reader.ask("GET", "datalake/old.csv").content == b"old"
    reader.upload("datalake/new.csv", b"new")
    assert owner.ask("HEAD", "datalake/new.csv").headers["x-ms-owner"] == lake.reader_id
    assert reader.refusal("HEAD", "datalake", resource="filesystem") == refused
    assert reader.refusal("PATCH", "datalake/old.csv", headers={"x-ms-acl": entries}, action="setAccessControl") == (
        refused
    )


def test_the_double_slash_of_the_root_is_understood(lake: Lake) -> None:
    found = lake.owner.http.head(lake.owner.address + "datalake//?action=getAccessControl", timeout=10)
    assert found.headers["x-ms-acl"] == "user::rwx,group::r-x,other::---"


def test_new_files_inherit_the_defaults(lake: Lake) -> None:
    owner = lake.owner
    owner.ask("PUT", "datalake/a", resource="directory")
    entries = f"user::rwx,group::r-x,other::---,default:user:{lake.reader_id}:r-x"
    assert owner.ask("PATCH", "datalake/a", headers={"x-ms-acl": entries}, action="setAccessControl").ok
    owner.upload("datalake/a/b/file", b"x")
    inherited = f"user::rwx,user:{lake.reader_id}:r-x,group::r-x,mask::r-x,other::---"
    assert owner.ask("HEAD", "datalake/a/b/file", action="getAccessControl").headers["x-ms-acl"] == inherited
    shown = owner.ask("HEAD", "datalake/a/b", action="getAccessControl").headers["x-ms-acl"]
    assert shown.startswith(inherited + ",default:user::rwx,")
    assert lake.reader.refusal("GET", "datalake/a/b/file") == (403, "AuthorizationPermissionMismatch")


def test_a_change_of_many_acls_goes_in_batches(lake: Lake) -> None:
    owner = lake.owner
    for number in range(5):
        owner.upload(f"datalake/a/{number}", b"x")
    entries, done, token = {"x-ms-acl": f"user:{lake.reader_id}:r-x"}, 0, ""
    while True:
        answer = owner.change_acls("datalake/a", entries, mode="modify", maxRecords="2", continuation=token)
        done += answer.json()["filesSuccessful"] + answer.json()["directoriesSuccessful"]
        if "x-ms-continuation" not in answer.headers:
            break
        token = answer.headers["x-ms-continuation"]
    assert done == 6
    gone = {"x-ms-acl": f"user:{lake.reader_id}"}
    owner.ask("PATCH", "datalake/a", headers=gone, action="setAccessControlRecursive", mode="remove")
    left = owner.ask("HEAD", "datalake/a/4", action="getAccessControl").headers["x-ms-acl"]
    assert left == "user::rw-,group::r--,other::---"


def test_a_contributor_may_not_change_acls_but_of_what_is_theirs(lake: Lake) -> None:
    give(lake.arm, ACCOUNT, BLOB_CONTRIBUTOR, lake.reader_id)
    lake.reader.until_allowed("datalake")
    entries = {"x-ms-acl": f"user:{lake.reader_id}:rwx"}
    refused = lake.reader.change_acls("datalake/", entries, mode="modify")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationPermissionMismatch")
    lake.reader.ask("PUT", "datalake/mine", resource="directory")
    assert lake.reader.change_acls("datalake/mine", entries, mode="modify").status_code == 200


@pytest.mark.parametrize("entries", ["nonsense", "user::rwx", "user::rwx,user::rwx,group::r-x,other::---"])
def test_an_acl_that_is_none_is_refused(lake: Lake, entries: str) -> None:
    headers = {"x-ms-acl": entries}
    assert lake.owner.refusal("PATCH", "datalake/", headers=headers, action="setAccessControl") == (
        400,
        "InvalidHeaderValue",
    )


def test_an_account_without_hierarchy_has_no_acls(practice_cloud: PracticeCloud, arm: Arm, lake: Lake) -> None:
    flat = provider("Storage/storageAccounts", "labflat")
    dfs = make_account(arm, flat, isHnsEnabled=False)["properties"]["primaryEndpoints"]["dfs"]
    arm.ask("PUT", f"{flat}/blobServices/default/containers/files", {}, version=STORAGE)
    give(arm, flat, BLOB_OWNER, oid(lake.owner.token))
    owner = Storage(practice_cloud, dfs, lake.owner.token)
    owner.until_allowed("files")
    assert owner.ask("HEAD", "files", resource="filesystem").headers["x-ms-namespace-enabled"] == "false"
    assert owner.ask("HEAD", "files/", action="getAccessControl").status_code == 400


def test_the_first_class_that_fits_decides() -> None:
    entries = acl.complete(acl.parse("user::rwx,user:one:rwx,group::r-x,mask::r--,other::--x"))
    assert acl.allows(entries, "owner", "owner", "rwx")
    assert acl.allows(entries, "owner", "one", "r")
    assert not acl.allows(entries, "owner", "one", "w")
    assert acl.allows(entries, "owner", "two", "x")
    assert not acl.allows(entries, "owner", "two", "r")
    assert (
        acl.permissions(acl.of_permissions({"user:": "---", "group:": "---", "other:": "---"}, "0750")) == "rwxr-x---"
    )


# Blobs


def test_a_blob_is_the_same_as_the_file(lake: Lake) -> None:
    blob, owner = lake.blob, lake.owner
    owner.upload("datalake/a/file.csv", b"12345678")
    found = blob.ask("HEAD", "datalake/a/file.csv")
    assert (found.headers["Content-Length"], found.headers["x-ms-blob-type"]) == ("8", "BlockBlob")
    assert blob.ask("GET", "datalake/a/file.csv").content == b"12345678"
    part = blob.ask("GET", "datalake/a/file.csv", headers={"x-ms-range": "bytes=0-2"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"123", "bytes 0-2/8")
    put = {"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": "text/csv", "x-ms-meta-lab": "1"}
    made = blob.ask("PUT", "datalake/b.csv", b"abc", put)
    assert (made.status_code, made.headers["Content-MD5"]) == (201, "kAFQmDzST7DWlj99KOF/cg==")
    shown = owner.ask("HEAD", "datalake/b.csv").headers
    assert (shown["Content-Type"], shown["Content-MD5"]) == ("text/csv", "kAFQmDzST7DWlj99KOF/cg==")
    assert shown["x-ms-properties"] == "lab=MQ=="
    assert blob.ask("DELETE", "datalake/b.csv").status_code == 202
    assert owner.refusal("HEAD", "datalake/b.csv") == (404, "PathNotFound")
    assert blob.refusal("GET", "datalake/b.csv") == (404, "BlobNotFound")


def test_blobs_are_listed_flat_and_by_directory(lake: Lake) -> None:
    for name in ("a/one.csv", "two & three.csv"):
        lake.owner.upload(f"datalake/{name}", b"x")
    text = lake.blob.ask("GET", "datalake", restype="container", comp="list").content.decode("utf-8-sig")
    assert re.findall(r"<Name>(.*?)</Name>", text) == ["a", "a/one.csv", "two &amp; three.csv"]
    assert "<Content-Length>1</Content-Length>" in text
    text = lake.blob.ask("GET", "datalake", restype="container", comp="list", delimiter="/").text
    assert "<BlobPrefix><Name>a/</Name></BlobPrefix>" in text
    assert "one.csv" not in text


def test_a_blob_is_put_together_from_blocks(lake: Lake) -> None:
    blob = lake.blob
    for block, data in (("MQ==", b"one"), ("Mg==", b"two")):
        assert blob.ask("PUT", "datalake/file", data, comp="block", blockid=block).status_code == 201
    assert blob.refusal("HEAD", "datalake/file") == (404, "BlobNotFound")
    body = b"<BlockList><Latest>Mg==</Latest><Latest>MQ==</Latest></BlockList>"
    assert blob.ask("PUT", "datalake/file", body, comp="blocklist").status_code == 201
    assert blob.ask("GET", "datalake/file").content == b"twoone"
    body = b"<BlockList><Latest>Mw==</Latest></BlockList>"
    assert blob.refusal("PUT", "datalake/file", body, comp="blocklist") == (400, "InvalidBlockList")
    for body in (b"", b"<BlockList><Latest>MQ==</BlockList>", b"<Blocks><Latest>MQ==</Latest></Blocks>"):
        assert blob.refusal("PUT", "datalake/file", body, comp="blocklist") == (400, "InvalidXmlDocument")
    assert blob.ask("GET", "datalake/file").content == b"twoone"


def test_containers_are_made_and_told_apart_at_the_blob_endpoint(lake: Lake) -> None:
    blob = lake.blob
    assert blob.ask("GET", "datalake", restype="container").status_code == 200
    assert blob.refusal("GET", "none", restype="container") == (404, "ContainerNotFound")
    put = {"x-ms-blob-type": "BlockBlob"}
    assert blob.refusal("PUT", "none/file", b"x", put) == (404, "ContainerNotFound")
    assert blob.ask("PUT", "second", restype="container").status_code == 201
    text = blob.ask("GET", "", comp="list").text
    assert re.findall(r"<Name>(.*?)</Name>", text) == ["datalake", "second"]
    assert blob.ask("DELETE", "second", restype="container").status_code == 202


# What is left


@pytest.mark.slow
def test_what_was_not_flushed_before_a_kill_is_not_in_the_file(tmp_path: Path) -> None:
    tmp_path = tmp_path / "cloud"
    endpoints = launch.start(tmp_path, speed=600, keep=True)
    try:
        cloud = cloud_of(tmp_path, endpoints)
        cloud.register_providers()
        arm = Arm(cloud, user_token(cloud))
        arm.make_group()
        address = make_account(arm)["properties"]["primaryEndpoints"]["dfs"]
        arm.ask("PUT", f"{CONTAINERS}/datalake", {}, version=STORAGE)
        token = user_token(cloud, scope=AUDIENCE)
        give(arm, ACCOUNT, BLOB_OWNER, oid(token))
        owner = Storage(cloud, address, token)
        owner.until_allowed("datalake")
        owner.upload("datalake/file", b"first")
        owner.ask("PATCH", "datalake/file", b"x" * 4_000_000, action="append", position="5")
        (tmp_path / "files" / "left-behind").write_bytes(b"by a kill before the database was written")
        kill(endpoints)
        cloud = cloud_of(tmp_path, launch.start(tmp_path, speed=600, keep=True))
        owner = Storage(cloud, address, token)
        assert owner.ask("GET", "datalake/file").content == b"first"
        assert len(list((tmp_path / "files").iterdir())) == 1
        owner.ask("PATCH", "datalake/file", b"second", action="append", position="5")
        assert owner.ask("PATCH", "datalake/file", action="flush", position="11").status_code == 200
        assert owner.ask("GET", "datalake/file").content == b"firstsecond"
    finally:
        launch.stop(tmp_path)


def test_a_deleted_account_takes_its_files_with_it(lake: Lake) -> None:
    lake.owner.upload("datalake/file", b"x")
    assert lake.arm.ask("DELETE", ACCOUNT, version=STORAGE).status_code == 200
    assert lake.owner.refusal("HEAD", "datalake/file") == (404, "ResourceNotFound")
    make_account(lake.arm)
    assert lake.arm.ask("GET", CONTAINERS, version=STORAGE).json()["value"] == []
