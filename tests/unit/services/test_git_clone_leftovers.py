"""What a killed clone left behind goes; what only looks like it to a pattern stays."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import create_autospec

import pytest

from hol_wizard.services.git.clone import Clone
from hol_wizard.services.git.remote import GitRemote


@pytest.mark.parametrize("name", ["[ab]c", "[!x]otes"])
def test_only_leftovers_of_this_very_folder_are_removed(name: str, tmp_path: Path) -> None:
    foreign = [tmp_path / ".ac-cloning-mine", tmp_path / ".notes-cloning-mine"]
    left = tmp_path / f".{name}-cloning-1234"
    for folder in (*foreign, left):
        folder.mkdir()
        (folder / "file").write_bytes(b"")
    Clone(tmp_path / name, create_autospec(GitRemote, instance=True)).make(lambda _: None)
    assert all((folder / "file").is_file() for folder in foreign)
    assert not left.exists()
