"""Downloads from servers of the test's own; none of these tests reaches the internet."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.errors import CancelledByUserError, ServiceError, UnreachableError, UsageError
from hol_wizard.services import downloads as module
from hol_wizard.services.downloads import CHUNK, Downloads
from hol_wizard.services.transport import make_session
from tests.unit.services.file_server import Source, serving_file
from tests.unit.services.places import CLOUD

CONTENT = bytes(range(256)) * 2048
NAME = "data.csv"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    with serving_file(tmp_path) as running:
        running.content = CONTENT
        yield running


@pytest.fixture
def downloads(tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch) -> Downloads:
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01))
    session = make_session(replace(CLOUD, ca_bundle=source.bundle))
    return Downloads(lambda: session, tmp_path / "cache")


def judge(content: bytes) -> bytes:
    if content != CONTENT:
        raise ServiceError("This is something else.", detail=f"{len(content)} bytes")
    return content


def test_a_file_comes_whole_with_its_progress_and_leaves_nothing_behind(source: Source, downloads: Downloads) -> None:
    told: list[tuple[int, int]] = []
    assert downloads.fetch([source.url], judge, lambda came, whole: told.append((came, whole))) == CONTENT
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) == 1 + len(CONTENT) // CHUNK
    assert downloads.rests() == ()
    assert "Authorization" not in source.asked[0]


@pytest.mark.parametrize("validator", ["etag", "modified"])
def test_a_download_that_breaks_off_goes_on_where_it_was(source: Source, downloads: Downloads, validator: str) -> None:
    if validator == "modified":
        source.etag, source.modified = 'W/"weak"', "Mon, 23 Nov 2026 08:00:00 GMT"
    source.breaks = [100_000, 200_000]
    assert downloads.fetch([source.url], judge) == CONTENT
    asked = [(each.get("Range"), each.get("If-Range")) for each in source.asked]
    assert asked[0] == (None, None)
    assert [value for _, value in asked[1:]] == [getattr(source, validator)] * 2
    begins = [int(str(value).removeprefix("bytes=").rstrip("-")) for value, _ in asked[1:]]
    assert 0 < begins[0] <= 100_000 < begins[1] <= 300_000


def test_a_download_that_was_killed_goes_on_in_the_next_run(source: Source, downloads: Downloads) -> None:
    class Killed(BaseException):
        pass

    def kill(came: int, whole: int) -> None:
        if came >= 2 * CHUNK:
            raise Killed

    with pytest.raises(Killed):
        downloads.fetch([source.url], judge, kill)
    assert len(downloads.rests()) == 2
    assert downloads.fetch([source.url], judge) == CONTENT
    assert source.asked[-1]["Range"] == f"bytes={2 * CHUNK}-"


def test_a_stop_keeps_what_has_come(source: Source, downloads: Downloads) -> None:
    def stop(came: int, whole: int) -> None:
        if came:
            raise CancelledByUserError("Stopped as you asked.")

    with pytest.raises(CancelledByUserError):
        downloads.fetch([source.url], judge, stop)
    assert len(downloads.rests()) == 2


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_has_changed_meanwhile_comes_anew(source: Source, downloads: Downloads, ranges: bool) -> None:
    source.content, source.breaks = b"old " * 100_000, [150_000, 10, 10]
    with pytest.raises(UnreachableError):
        downloads.fetch([source.url], judge)
    source.content, source.etag, source.ranges = CONTENT, '"two"', ranges
    assert downloads.fetch([source.url], judge) == CONTENT
    assert source.asked[-1]["If-Range"] == '"one"'


def test_a_rest_that_is_as_long_as_the_file_is_thrown_away(source: Source, downloads: Downloads) -> None:
    source.breaks = [150_000, 10, 10]
    with pytest.raises(UnreachableError):
        downloads.fetch([source.url], judge)
    source.content = CONTENT[:100_000]
    with pytest.raises(ServiceError, match="something else"):
        downloads.fetch([source.url], judge)
    assert downloads.rests() == ()


def test_a_server_without_validators_is_asked_for_all_of_it_again(source: Source, downloads: Downloads) -> None:
    source.etag, source.breaks = "", [100_000]
    assert downloads.fetch([source.url], judge) == CONTENT
    assert "Range" not in source.asked[-1]


def test_the_next_source_is_asked_when_one_is_gone_or_hands_out_something_else(
    source: Source, downloads: Downloads
) -> None:
    other = f"{source.base}/other"
    judged: list[bytes] = []

    def second_only(content: bytes) -> bytes:
        judged.append(content)
        return judge(content if len(judged) > 1 else b"a page that says sorry")

    assert downloads.fetch([source.url, other], second_only) == CONTENT
    source.status = 404
    with pytest.raises(ServiceError, match="HTTP 404") as caught:
        downloads.fetch([source.url, other], judge)
    assert not isinstance(caught.value, UnreachableError)
    assert source.url in caught.value.detail
    assert other in caught.value.detail


def test_a_busy_server_is_asked_again(source: Source, downloads: Downloads) -> None:
    source.status = 503
    with pytest.raises(UnreachableError, match="busy"):
        downloads.fetch([source.url], judge)
    assert len(source.asked) == 3


def test_a_silent_host_is_asked_once(downloads: Downloads) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base = f"https://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(UnreachableError) as caught:
        downloads.fetch([f"{base}/a", f"{base}/b"], judge)
    assert caught.value.hint
    assert f"{base}/b" not in caught.value.detail


def test_an_address_that_is_not_encrypted_is_not_followed(source: Source, downloads: Downloads) -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        source.location = f"http://127.0.0.1:{plain.getsockname()[1]}/file"

        def answer() -> None:
            taken, _ = plain.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(ServiceError, match="unencrypted"):
            downloads.fetch([f"{source.base}/moved"], judge)
        thread.join(5)
    source.location = source.url
    assert downloads.fetch([f"{source.base}/moved"], judge) == CONTENT


@pytest.mark.parametrize("length", ["many", "-1", "1e3"])
def test_a_length_that_is_no_number_is_no_length(length: str, source: Source, downloads: Downloads) -> None:
    source.length = length
    source.content = CONTENT[:100]
    with pytest.raises(ServiceError, match="something else"):
        downloads.fetch([source.url], judge)


@pytest.mark.parametrize("content", [b"", b"<html><body>Please sign in</body></html>", b"\xff\xfe\x00", b"{}"])
def test_what_is_not_the_file_is_an_error_that_names_it(content: bytes, source: Source, downloads: Downloads) -> None:
    source.content = content
    with pytest.raises(ServiceError, match="something else"):
        downloads.fetch([source.url], judge)


def test_an_endless_answer_ends(source: Source, downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1000)
    with pytest.raises(ServiceError, match="something else"):
        downloads.fetch([source.url], judge)


def test_the_proxy_and_the_certificates_of_the_environment_count(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's own addresses need no proxy; any other goes through it."""
    downloads = Downloads(lambda: make_session(CLOUD), tmp_path / "cache")
    with pytest.raises(UnreachableError, match="certificate"):
        downloads.fetch([source.url], judge)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(source.bundle))
    assert downloads.fetch([source.url], judge) == CONTENT
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert downloads.fetch([source.url], judge) == CONTENT
    with pytest.raises(UnreachableError) as caught:
        downloads.fetch(["https://data.test.invalid/file"], judge)
    assert "proxy" in f"{caught.value.message} {caught.value.detail}".lower()


def test_files_are_kept_whole_and_removed_with_their_rests(tmp_path: Path, downloads: Downloads) -> None:
    assert downloads.find(NAME) is None
    path = downloads.keep(NAME, b"content")
    assert path == tmp_path / "cache" / NAME
    assert downloads.find(NAME) == b"content"
    (tmp_path / "cache" / "abc.part").write_bytes(b"rest")
    downloads.forget(NAME)
    downloads.forget(NAME)
    assert not (tmp_path / "cache").exists()


def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path, source: Source, downloads: Downloads) -> None:
    (tmp_path / "cache").write_bytes(b"in the way")
    with pytest.raises(UsageError, match="cache"):
        downloads.fetch([source.url], judge)
    with pytest.raises(UsageError, match="cache"):
        downloads.keep(NAME, b"content")
