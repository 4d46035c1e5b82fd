"""What a killed clone left behind goes; what is somebody else's, or at work, stays."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from filelock import FileLock

from hol_wizard.errors import ConflictError
from hol_wizard.services.git.clone import Clone
from hol_wizard.services.git.remote import GitRemote

LOCK = "hol-wizard.lock"


@pytest.fixture
def remote() -> GitRemote:
    made: GitRemote = create_autospec(GitRemote, instance=True)
    made.clone_to.side_effect = lambda folder, progress: folder.mkdir()  # type: ignore[attr-defined] # it is a mock
    return made


def left_behind(folder: Path) -> Path:
    folder.mkdir()
    (folder / LOCK).touch()
    (folder / "clone").mkdir()
    (folder / "clone" / "file").write_bytes(b"")
    return folder


@pytest.mark.parametrize("name", ["[ab]c", "[!x]otes"])
def test_only_leftovers_of_this_very_folder_are_removed(name: str, tmp_path: Path, remote: GitRemote) -> None:
    foreign = [left_behind(tmp_path / each) for each in (".ac-cloning-mine", ".notes-cloning-mine")]
    left = left_behind(tmp_path / f".{name}-cloning-1234")
    Clone(tmp_path / name, remote).make(lambda _: None)
    assert all((folder / "clone" / "file").is_file() for folder in foreign)
    assert not left.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([*(each.name for each in foreign), name])


def test_what_another_wizard_is_cloning_right_now_stays(tmp_path: Path, remote: GitRemote) -> None:
    running = left_behind(tmp_path / ".lab-cloning-1234")
    with FileLock(running / LOCK):
        Clone(tmp_path / "lab", remote).make(lambda _: None)
        assert (running / "clone" / "file").is_file()
    (tmp_path / "lab").rmdir()
    Clone(tmp_path / "lab", remote).make(lambda _: None)
    assert not running.exists()


def test_a_folder_that_only_has_such_a_name_is_somebody_else_s(tmp_path: Path, remote: GitRemote) -> None:
    mine = tmp_path / ".lab-cloning-notes"
    mine.mkdir()
    (mine / "file").write_bytes(b"mine")
    Clone(tmp_path / "lab", remote).make(lambda _: None)
    assert (mine / "file").read_bytes() == b"mine"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_that_leads_nowhere_has_its_name(tmp_path: Path, remote: GitRemote) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    taken = tmp_path / "lab-1"
    taken.symlink_to(tmp_path / "nowhere")
    assert Clone(folder, remote).set_aside() == tmp_path / "lab-2"
    assert taken.is_symlink()
    folder.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConflictError, match="already contains something else"):
        Clone(folder, remote).make(lambda _: None)


def test_a_file_in_the_place_of_the_clone_stays(tmp_path: Path, remote: GitRemote) -> None:
    (tmp_path / "lab").write_bytes(b"mine")
    with pytest.raises(ConflictError, match="already contains something else"):
        Clone(tmp_path / "lab", remote).make(lambda _: None)
    with pytest.raises(ConflictError, match="could not be put"):
        Clone(tmp_path / "lab" / "below", remote).make(lambda _: None)
    assert (tmp_path / "lab").read_bytes() == b"mine"


def test_a_name_may_be_as_long_as_any(tmp_path: Path, remote: GitRemote) -> None:
    Clone(tmp_path / ("x" * 255), remote).make(lambda _: None)
    assert [each.name for each in tmp_path.iterdir()] == ["x" * 255]
