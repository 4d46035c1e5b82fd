"""Folders that are read while an editor or a run of the tests removes files and folders in them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hol_wizard.resources import test_run
from hol_wizard.services.containers.with_engine import digests

Remove = Callable[[Path], None]


@pytest.fixture
def removed_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> Remove:
    """Remove a folder after it is found, and before its contents are read."""

    def prepare(folder: Path) -> None:
        read = os.scandir

        def remove_first(path: Path | str = ".") -> object:
            if Path(path) == folder:
                monkeypatch.undo()
                shutil.rmtree(folder)
            return read(path)

        monkeypatch.setattr(os, "scandir", remove_first)

    return prepare


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("kept.py", "code/kept.py", "code/gone/one.py", "code/__pycache__/kept.pyc", ".hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    return tmp_path


def test_digests_are_those_of_the_files_that_stay(
    folder: Path, removed_before_it_is_read: Remove, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hashlib.sha256(b"1").hexdigest()
    assert digests(folder) == {"kept.py": one, "code/kept.py": one, "code/gone/one.py": one}
    removed_before_it_is_read(folder / "code" / "gone")
    assert digests(folder) == {"kept.py": one, "code/kept.py": one}
    assert not (folder / "code" / "gone").exists()
    read = Path.read_bytes

    def remove_first(file: Path) -> bytes:
        if file == folder / "code" / "kept.py":
            file.unlink()
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", remove_first)
    assert digests(folder) == {"kept.py": one}


def test_strange_files_are_those_that_stay(folder: Path, removed_before_it_is_read: Remove) -> None:
    (folder / "elsewhere").symlink_to(folder / "code", target_is_directory=True)
    stay = (".hidden", "code/__pycache__/kept.pyc", "code/kept.py", "elsewhere", "kept.py")
    assert sorted(test_run._strange(folder)) == sorted((*stay, "code/gone/one.py"))
    removed_before_it_is_read(folder / "code" / "gone")
    assert sorted(test_run._strange(folder)) == sorted(stay)
