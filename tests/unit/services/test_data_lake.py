"""The client of data lakes over a lake of the test's own, which does what the reference says and can fail on demand."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hol_wizard.errors import (
    AccessDeniedError,
    CancelledByUserError,
    ConflictError,
    NotFoundError,
    SignInError,
    UnreachableError,
    WizardError,
)
from hol_wizard.services import data_lake
from hol_wizard.services.data_lake import PART, SHA256_NAME, AclChanges, DataLake
from hol_wizard.services.rest import Reply, RestClient
from tests.unit.services.places import CLOUD
from tests.unit.services.tls_server import Reply as Answer
from tests.unit.services.tls_server import Server, Tokens

ENDPOINT = "https://account.dfs.test.invalid/"
CONTENT = bytes(range(256)) * 4096 * 2 + b"and a bit"
"""Two parts and a bit."""
MARKS = {"hol_wizard": "lab-1"}


def refused(status: int, code: str) -> WizardError:
    from hol_wizard.services import error_rules

    return error_rules.of_reply("storage", status, {"x-ms-error-code": code}, "", "the file")


class Lake:
    """A file system with at most one file, asked as `RestClient` asks."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.pending: dict[int, bytes] = {}
        self.metadata = ""
        self.md5 = ""
        self.state = 0
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda what: None
        """Called before each request is done; what it raises is the answer."""
        self.after: Callable[[str], None] = lambda what: None
        """Called when it is done; what it raises is the answer to a request that was taken."""

    @property
    def etag(self) -> str:
        return f'"{self.state}"'

    def send(
        self,
        method: str,
        url: str,
        *,
        thing: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> Reply:
        del thing
        named, query = dict(headers or {}), {key: value[0] for key, value in parse_qs(urlsplit(url).query).items()}
        assert named["x-ms-version"]
        assert url.startswith(f"{ENDPOINT}datalake/file.csv")
        what = query.get("action") or method
        self.asked.append(f"{what} {query.get('position', '')}".strip())
        self.before(what)
        reply = self._answer(method, query, named, content, raw=raw)
        self.after(what)
        return reply

    def _conditions(self, named: Mapping[str, str]) -> None:
        if "If-Match" in named and (self.content is None or named["If-Match"] != self.etag):
            raise refused(412, "ConditionNotMet")
        if named.get("If-None-Match") == "*" and self.content is not None:
            raise refused(409, "PathAlreadyExists")

    def _answer(
        self, method: str, query: Mapping[str, str], named: Mapping[str, str], content: bytes | None, *, raw: bool
    ) -> Reply:
        if method == "PUT":
            self._conditions(named)
            self.content, self.pending, self.md5, self.metadata = b"", {}, "", named["x-ms-properties"]
            self.state += 1
            return Reply(201, {"etag": self.etag}, "")
        if self.content is None:
            raise refused(404, "PathNotFound")
        if method == "HEAD":
            shown = {"etag": self.etag, "content-length": str(len(self.content)), "x-ms-properties": self.metadata}
            return Reply(200, {**shown, "content-md5": self.md5} if self.md5 else shown, "")
        if method == "GET":
            self._conditions(named)
            assert raw
            end = int(named["Range"].rpartition("-")[2]) + 1 if "Range" in named else len(self.content)
            return Reply(206, {}, self.content[:end])
        if method == "DELETE":
            self._conditions(named)
            self.content = None
            return Reply(200, {}, "")
        if query["action"] == "append":
            assert content is not None
            assert (
                named["Content-MD5"] == base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
            )
            self.pending[int(query["position"])] = content
            return Reply(202, {}, "")
        self._conditions(named)
        position, grown = int(query["position"]), self.content
        for start, part in sorted(self.pending.items()):
            if start != len(grown):
                raise refused(400, "InvalidFlushPosition")
            grown += part
        if position != len(grown):
            raise refused(400, "InvalidFlushPosition")
        self.content, self.pending, self.md5 = grown, {}, named.get("x-ms-content-md5", "")
        self.state += 1
        return Reply(200, {"etag": self.etag}, "")


@pytest.fixture
def lake() -> Lake:
    return Lake()


@pytest.fixture
def client(lake: Lake) -> DataLake:
    return DataLake(lake)  # type: ignore[arg-type] # the lake stands in the place of the REST client


def upload(client: DataLake, content: bytes = CONTENT, **more: Any) -> data_lake.FileProperties:
    return client.upload(ENDPOINT, "datalake", "file.csv", content, metadata=MARKS, **more)


def test_a_file_is_written_in_parts_with_its_digest_and_its_marks(lake: Lake, client: DataLake) -> None:
    told: list[tuple[int, int]] = []
    written = upload(client, told=lambda done, whole: told.append((done, whole)))
    assert lake.content == CONTENT
    assert written.length == len(CONTENT)
    assert written.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert written.metadata["hol_wizard"] == "lab-1"
    assert written.content_md5 == base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()
    assert told == [(done, len(CONTENT)) for done in (0, PART, 2 * PART, len(CONTENT))]
    assert lake.asked == [
        *("HEAD", "PUT", "append 0", f"flush {PART}", f"append {PART}", f"flush {2 * PART}"),
        *(f"append {2 * PART}", f"flush {len(CONTENT)}", "HEAD"),
    ]


def test_an_empty_file_can_be_written(lake: Lake, client: DataLake) -> None:
    assert upload(client, b"").length == 0
    assert lake.content == b""


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_request_leaves_what_the_next_run_goes_on_from(after: bool) -> None:
    whole = Lake()
    upload(DataLake(whole))  # type: ignore[arg-type] # as above
    for last in range(len(whole.asked)):
        lake = Lake()
        client = DataLake(lake)  # type: ignore[arg-type] # as above

        def die(what: str, lake: Lake = lake, last: int = last) -> None:
            del what
            if len(lake.asked) > last:
                raise Killed

        setattr(lake, "after" if after else "before", die)
        with pytest.raises(Killed):
            upload(client)
        lake.before = lake.after = lambda what: None
        committed = len(lake.content or b"")
        lake.asked.clear()
        assert upload(client).length == len(CONTENT)
        assert lake.content == CONTENT
        if committed:
            assert not [each for each in lake.asked if each.startswith("PUT")]
            sent = [each for each in lake.asked if each.startswith("append")]
            assert sent == [f"append {position}" for position in range(committed, len(CONTENT), PART)]


def test_a_beginning_with_other_bytes_is_written_anew(lake: Lake, client: DataLake) -> None:
    upload(client)
    lake.content, lake.md5 = b"x" * PART, ""
    upload(client)
    assert lake.content == CONTENT


def test_a_rest_that_nobody_flushed_does_not_keep_the_upload_from_ending(lake: Lake, client: DataLake) -> None:
    lake.pending = {17: b"left over"}

    def leave_rest(what: str) -> None:
        if what == "append" and len(lake.asked) < 5:
            lake.pending[5 * PART] = b"left over"

    lake.after = leave_rest
    upload(client)
    assert lake.content == CONTENT
    assert lake.asked.count("PUT") == 2


def test_what_somebody_else_wrote_is_not_written_over_unless_it_is_named(lake: Lake, client: DataLake) -> None:
    lake.content, lake.state = b"theirs", 7
    with pytest.raises(ConflictError):
        upload(client)
    assert lake.content == b"theirs"
    found = client.file(ENDPOINT, "datalake", "file.csv")
    lake.state = 8
    with pytest.raises(ConflictError):
        upload(client, replaces=found)
    upload(client, replaces=client.file(ENDPOINT, "datalake", "file.csv"))
    assert lake.content == CONTENT


def test_two_uploads_at_once_never_mix(lake: Lake, client: DataLake) -> None:
    def interfere(what: str) -> None:
        if what == "flush" and len(lake.asked) < 8:
            lake.state += 1
            lake.content = b"theirs"

    lake.before = interfere
    with pytest.raises(ConflictError, match="at the same time"):
        upload(client)
    assert lake.content == b"theirs"


@pytest.mark.parametrize("what", ["PUT", "flush"])
def test_an_answer_that_was_lost_is_no_conflict(lake: Lake, client: DataLake, what: str) -> None:
    """The REST client asks again when a connection breaks; the second answer then speaks of what the first did."""
    lost: list[str] = []
    answer = lake._answer

    def twice(method: str, query: Mapping[str, str], *rest: Any, **more: Any) -> Reply:
        if (query.get("action") or method) == what and not lost:
            lost.append(what)
            answer(method, query, *rest, **more)
        return answer(method, query, *rest, **more)

    lake._answer = twice  # type: ignore[method-assign] # the connection breaks here
    upload(client)
    assert lost
    assert lake.content == CONTENT


def test_an_upload_can_be_stopped_between_two_parts(lake: Lake, client: DataLake) -> None:
    def stop(done: int, whole: int) -> None:
        if done:
            raise CancelledByUserError("Stopped as you asked.")

    with pytest.raises(CancelledByUserError):
        upload(client, told=stop)
    assert lake.content == CONTENT[:PART]
    upload(client)
    assert lake.content == CONTENT


def test_a_file_is_deleted_in_the_state_that_was_looked_at(lake: Lake, client: DataLake) -> None:
    upload(client)
    with pytest.raises(ConflictError):
        client.delete(ENDPOINT, "datalake", "file.csv", etag='"0"')
    assert client.delete(ENDPOINT, "datalake", "file.csv")
    assert not client.delete(ENDPOINT, "datalake", "file.csv")
    assert client.file(ENDPOINT, "datalake", "file.csv") is None


@pytest.fixture
def served(server: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> DataLake:
    """A client over the wire."""
    monkeypatch.setattr("hol_wizard.services.rest.BUSY_WAITS", (0.01,))
    return DataLake(RestClient("storage", server.endpoints, tokens, audience=CLOUD.storage_audience))


def storage_error(status: int, code: str, message: str = "words") -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}}, {"x-ms-error-code": code})


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (storage_error(403, "AuthorizationPermissionMismatch"), AccessDeniedError, "data role"),
        (storage_error(403, "AuthorizationFailure"), AccessDeniedError, "firewall"),
        (storage_error(403, "KeyBasedAuthenticationNotPermitted"), AccessDeniedError, "keys"),
        (storage_error(404, "FilesystemNotFound"), NotFoundError, "container"),
        (storage_error(401, "InvalidAuthenticationInfo"), SignInError, "sign-in"),
        (storage_error(409, "FilesystemBeingDeleted"), ConflictError, "deleted"),
        (storage_error(409, "LeaseIdMissing"), ConflictError, "lease"),
        (storage_error(409, "InternalOperationAbortError"), UnreachableError, "busy"),
    ],
)
def test_each_refusal_says_what_to_do(
    served: DataLake, server: Server, answer: Answer, kind: type[WizardError], words: str
) -> None:
    server.will_answer(answer)
    with pytest.raises(kind) as caught:
        served.paths(server.base, "datalake")
    assert words in caught.value.message
    assert caught.value.hint


def test_a_head_says_its_code_in_a_header_only(served: DataLake, server: Server) -> None:
    server.will_answer(Answer(404, None, {"x-ms-error-code": "PathNotFound"}))
    assert served.file(server.base, "datalake", "file.csv") is None
    server.will_answer(Answer(404, None, {"x-ms-error-code": "FilesystemNotFound"}))
    assert not served.file_system_exists(server.base, "datalake")
    with pytest.raises(NotFoundError):
        served.file(server.base, "datalake", "file.csv")
    server.will_answer(Answer(403, None, {"x-ms-error-code": "AuthorizationPermissionMismatch"}))
    with pytest.raises(AccessDeniedError):
        served.file_system_exists(server.base, "datalake")


def test_a_listing_and_a_change_of_access_lists_go_on_page_after_page(served: DataLake, server: Server) -> None:
    page = {"paths": [{"name": "a", "contentLength": "5"}]}
    server.will_answer(
        Answer(200, page, {"x-ms-continuation": "a+/b="}),
        Answer(200, {"paths": [{"name": "b", "isDirectory": "true"}]}),
    )
    found = served.paths(server.base, "datalake")
    assert [(each.name, each.length, each.directory) for each in found] == [("a", 5, False), ("b", 0, True)]
    assert "continuation=a%2B%2Fb%3D" in server.asked[-1].path
    done = {"directoriesSuccessful": 1, "filesSuccessful": 2, "failureCount": 0, "failedEntries": []}
    server.will_answer(Answer(200, done, {"x-ms-continuation": "more"}), Answer(200, done))
    told: list[tuple[int, int]] = []
    entries = ("user:x:rwx", "default:user:x:rwx")
    changed = served.modify_access_control_recursive(
        server.base, "datalake", entries, told=lambda directories, files: told.append((directories, files))
    )
    assert changed == AclChanges(2, 4)
    assert told == [(1, 2), (2, 4)]
    asked = server.asked[-1]
    assert asked.path.startswith("/datalake//?action=setAccessControlRecursive&mode=modify")
    assert asked.headers["x-ms-acl"] == "user:x:rwx,default:user:x:rwx"


def test_access_lists_that_may_not_be_changed_are_named(served: DataLake, server: Server) -> None:
    failed = [{"name": "folder/file", "type": "FILE", "errorMessage": "This request is not authorized."}]
    body = {"directoriesSuccessful": 1, "filesSuccessful": 0, "failureCount": 1, "failedEntries": failed}
    server.will_answer(Answer(200, body))
    with pytest.raises(AccessDeniedError, match="folder/file") as caught:
        served.remove_access_control_recursive(server.base, "datalake", ["user:x"])
    assert "Owner" in caught.value.hint


def test_an_access_list_is_read_entry_by_entry(served: DataLake, server: Server) -> None:
    shown = {
        "x-ms-owner": "$superuser",
        "x-ms-group": "$superuser",
        "x-ms-permissions": "rwxr-x---+",
        "x-ms-acl": "user::rwx,user:x:rwx,group::r-x,mask::rwx,other::---,default:user:x:rwx",
    }
    server.will_answer(Answer(200, None, shown))
    found = served.get_access_control(server.base, "datalake")
    assert found.owner == "$superuser"
    assert "default:user:x:rwx" in found.entries
    assert len(found.entries) == 6
    assert SHA256_NAME.isidentifier()
