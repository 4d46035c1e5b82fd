"""What the wizard writes into a person's folder: never over something else, or elsewhere; whole or not at all."""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.person_files import ChangedError, Rewriting, State, UnfitError, plan
from hol_wizard.services.git.remote import File

FILES = {"README.md": File(b"ours\n"), "a/b/run.sh": File(b"#!/bin/sh\n", executable=True), "a/c": File(b"")}


def states(folder: Path) -> dict[str, State]:
    return {each.path: each.state for each in plan(folder, FILES).files}


def test_a_plan_writes_nothing_and_its_writing_is_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    planned = plan(folder, FILES)
    assert {each.state for each in planned.files} == {State.NEW}
    assert not folder.parent.exists()
    written = planned.write()
    assert {each.state for each in written.files} == {State.SAME}
    assert set(states(folder).values()) == {State.SAME}
    assert {path: (folder / path).read_bytes() for path in FILES} == {path: f.content for path, f in FILES.items()}
    assert sorted(each.name for each in folder.rglob("*") if each.is_file()) == ["README.md", "c", "run.sh"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_modes_are_those_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        plan(tmp_path, FILES).write()
    finally:
        os.umask(before)
    assert (tmp_path / "README.md").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a/b/run.sh").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("other", [b"my notes", b"ours\r\n", b"", b"ourz\n"])
def test_a_file_that_differs_stays_and_the_others_are_written(tmp_path: Path, other: bytes) -> None:
    (tmp_path / "README.md").write_bytes(other)
    assert states(tmp_path)["README.md"] is State.LEFT
    written = plan(tmp_path, FILES).write()
    assert [each.path for each in written.files if each.state is State.LEFT] == ["README.md"]
    assert (tmp_path / "README.md").read_bytes() == other
    assert (tmp_path / "a/b/run.sh").is_file()


def test_a_file_that_appears_after_the_plan_stays(tmp_path: Path) -> None:
    planned = plan(tmp_path, FILES)
    (tmp_path / "README.md").write_bytes(b"my notes")
    assert [each.path for each in planned.write().files if each.state is State.LEFT] == ["README.md"]
    assert (tmp_path / "README.md").read_bytes() == b"my notes"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_in_the_last_moment_stays(
    tmp_path: Path, has_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, link = plan(tmp_path, FILES), os.link

    def slow(draft: Path, place: Path) -> None:
        if place.name == "README.md":
            place.write_bytes(b"my notes")
        if not has_links:
            raise OSError(errno.EPERM, "no hard links here")
        link(draft, place)

    monkeypatch.setattr("os.link", slow)
    written = planned.write()
    assert (tmp_path / "README.md").read_bytes() == b"my notes"
    assert [each.path for each in written.files if each.state is State.LEFT] == ["README.md"]
    assert (tmp_path / "a/b/run.sh").read_bytes() == FILES["a/b/run.sh"].content
    assert not list(tmp_path.rglob("*.draft"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "a").symlink_to(outside)
    (folder / "README.md").symlink_to(outside / "not-there")
    assert set(states(folder).values()) == {State.LEFT}
    plan(folder, FILES).write()
    assert not list(outside.iterdir())
    assert "link" in plan(folder, FILES).files[0].reason


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_that_appears_after_the_plan_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    outside.mkdir()
    planned = plan(folder, FILES)
    folder.mkdir()
    (folder / "a").symlink_to(outside)
    assert {each.path for each in planned.write().files if each.state is State.LEFT} == {"a/b/run.sh", "a/c"}
    assert not list(outside.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    plan(tmp_path / "link", FILES).write()
    assert (tmp_path / "real" / "README.md").read_bytes() == b"ours\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_what_is_no_file_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")
    (tmp_path / "a").write_bytes(b"a file")
    assert set(states(tmp_path).values()) == {State.LEFT}
    plan(tmp_path, FILES).write()
    assert (tmp_path / "a").read_bytes() == b"a file"


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="is not a folder"):
            plan(folder, FILES)


def test_a_full_disk_is_told_with_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned, link = plan(tmp_path, FILES), os.link

    def full(draft: Path, place: Path) -> None:
        if place.name == "c":
            raise OSError(errno.ENOSPC, "No space left on device")
        link(draft, place)

    monkeypatch.setattr("os.link", full)
    with pytest.raises(UsageError, match=r"a/c cannot be written: no space left on device. 2 of 3 files were written"):
        planned.write()
    assert not list(tmp_path.rglob("*.draft"))
    assert not (tmp_path / "a" / "c").exists()


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", ""])
def test_a_path_out_of_the_folder_is_our_own_mistake(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        plan(tmp_path, {path: File(b"")})


def rewrite(path: Path, content: bytes, *, private: bool = False) -> None:
    with Rewriting(path, private=private) as file:
        file.write(content)


def test_a_file_is_rewritten_and_leaves_no_draft(tmp_path: Path) -> None:
    place = tmp_path / ("x" * 255)
    rewrite(place, b"one")
    rewrite(place, b"two")
    assert place.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("before", [None, b"", b"mine"])
@pytest.mark.parametrize("meddled", [None, b"", b"another's"])
def test_what_has_changed_since_it_was_read_stays(before: bytes | None, meddled: bytes | None, tmp_path: Path) -> None:
    place = tmp_path / "file"

    def put(content: bytes | None) -> None:
        place.unlink(missing_ok=True)
        if content is not None:
            place.write_bytes(content)

    if before == meddled:
        return
    put(before)
    with Rewriting(place) as file:
        put(meddled)
        with pytest.raises(ChangedError):
            file.write(b"ours")
        if before is not None:
            with pytest.raises(ChangedError):
                file.remove()
    assert (place.read_bytes() if place.exists() else None) == meddled
    assert len(list(tmp_path.iterdir())) == (meddled is not None)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_permissions_stay_and_a_draft_is_never_wider(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch(0o600)
    place.chmod(0o4751)
    rewrite(place, b"one")
    assert place.stat().st_mode & 0o7777 == 0o4751
    rewrite(place, b"two", private=True)
    assert place.stat().st_mode & 0o7777 == 0o600
    with Rewriting(place) as file:
        file.prepare()
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_account_stays_theirs(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"")
    os.chown(place, 12345, 23456)
    rewrite(place, b"one")
    assert (place.stat().st_uid, place.stat().st_gid) == (12345, 23456)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_leads_to_what_is_rewritten_and_to_nothing_else(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "below" / "target"
    link.symlink_to(target)
    with pytest.raises(UnfitError, match="which does not exist"):
        Rewriting(link)
    target.parent.mkdir()
    target.write_bytes(b"one")
    rewrite(link, b"two")
    assert link.is_symlink()
    assert target.read_bytes() == b"two"
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(OSError, match="symbolic link"):
        Rewriting(link)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_what_is_no_file_cannot_be_rewritten(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(UnfitError):
            Rewriting(tmp_path / name)


def test_two_who_rewrite_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    place, threads = tmp_path / "file", 8
    place.write_bytes(b"")

    def add(name: bytes) -> None:
        while True:
            try:
                with Rewriting(place) as file:
                    file.write((file.before or b"") + name)
                return
            except (ChangedError, PermissionError):
                # Windows refuses what is open at this moment.
                continue

    workers = [threading.Thread(target=add, args=(bytes([ord("a") + number]),)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(place.read_bytes()) == sorted(b"abcdefgh")
    assert list(tmp_path.iterdir()) == [place]
