"""Profiles of the wizard on one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.lab.profile import Profile

CHOICES = 'version = 1\nprefix = "contoso"\nalias = "sam"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("default", "sam", "alex"):
        (tmp_path / f"{name}.toml").write_text(CHOICES, encoding="utf-8")
    return tmp_path


def of(folder: Path, name: str) -> Profile:
    return Profile(name, "practice", folder / f"{name}.toml")


def test_profiles_with_the_defaults_share_neither_clone_nor_git_folder(folder: Path) -> None:
    found = [of(folder, name).names for name in ("default", "sam", "alex")]
    assert len({each.repository for each in found}) == 1
    assert len({each.clone_folder for each in found}) == len({each.git_folder for each in found}) == 3
    # Whoever has used the wizard without a profile finds everything where it was.
    assert found[0].git_folder == found[0].repository
    assert [of(folder, name).offered_names for name in ("default", "sam", "alex")] == found


def test_a_folder_that_was_chosen_is_kept_for_every_profile(folder: Path) -> None:
    for name in ("default", "sam"):
        path = folder / f"{name}.toml"
        path.write_text(f'{CHOICES}clone_folder = "/work/mine"\n', encoding="utf-8")
        assert of(folder, name).names.clone_folder == "/work/mine"
