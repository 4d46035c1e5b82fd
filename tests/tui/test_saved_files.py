"""A step whose check reads a file is checked again when the file is saved."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.engine.registry import CHECKS
from hol_wizard.tui import section_screen
from hol_wizard.tui.saved_files import SavedFiles
from tests.fake_wizard import CHECK
from tests.tui.conftest import MakeApp, solving
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, until, until_seen

DEV = "resource-groups/create-the-three-resource-groups@dev"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, not there yet, that every check of the fake lab reads."""
    path = tmp_path / "clone" / "test_model.py"
    path.parent.mkdir()
    monkeypatch.setitem(CHECKS, CHECK, replace(CHECKS[CHECK], files=lambda names: (path,)))
    monkeypatch.setattr(section_screen, "LOOK_EVERY", 0.02)
    return path


def test_a_file_is_reported_once_when_it_has_settled(tmp_path: Path) -> None:
    path, saved = tmp_path / "a.py", SavedFiles()
    files = {"a": (path,), "other": (tmp_path / "b.py",)}
    assert saved.look(files) == []
    path.write_text("half")
    assert saved.look(files) == []
    path.write_text("the whole")
    assert saved.look(files) == []
    assert saved.look(files) == ["a"]
    assert saved.look(files) == []
    os.utime(path, ns=(1, 1))
    assert [saved.look(files), saved.look(files)] == [[], ["a"]]
    path.unlink()
    assert [saved.look(files), saved.look(files), saved.look(files)] == [[], ["a"], []]


def test_a_path_that_cannot_be_looked_at_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    files = {"a": (tmp_path / "file" / "below", Path("nul\0l"))}
    saved = SavedFiles()
    assert [saved.look(files), saved.look(files)] == [[], []]


async def test_a_saved_file_turns_the_step_green_without_a_key(make_app: MakeApp, fake: FakeWizard, file: Path) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        looks = len(fake.world.looks)
        await pilot.pause(0.2)
        assert len(fake.world.looks) == looks, "nothing was saved"
        fake.world.done.add(DEV)
        file.write_text("def test_mine(): ...")
        await until_seen(pilot, "passed", "1 of 3")


async def test_nothing_is_checked_while_a_solve_runs_but_afterwards(
    make_app: MakeApp, fake: FakeWizard, file: Path
) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "down", "s"):
            looks = fake.world.looks.count(DEV)
            file.write_text("def test_mine(): ...")
            await pilot.pause(0.2)
            assert app.checking is None
            assert fake.world.looks.count(DEV) == looks
        await until(pilot, lambda: app.working is None)
        await until(pilot, lambda: fake.world.looks.count(DEV) >= looks + 2)


async def test_nothing_is_looked_at_after_the_section_is_left(
    make_app: MakeApp, fake: FakeWizard, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, section_screen.SectionScreen))
        await at_rest(pilot)
        looked: list[object] = []

        def look(saved: SavedFiles, files: object) -> list[str]:
            looked.append(files)
            return []

        monkeypatch.setattr(SavedFiles, "look", look)
        looks = len(fake.world.looks)
        file.write_text("def test_mine(): ...")
        await pilot.pause(0.2)
        assert not looked
        assert len(fake.world.looks) == looks


def test_the_step_about_a_test_of_ones_own_reads_the_test_file_of_the_clone(fake: FakeWizard) -> None:
    from hol_wizard.steps import inference_code

    check = CHECKS[f"inference_code.{inference_code.has_own_test.__name__}"]
    assert check.files is not None
    assert check.files(fake.names) == (Path(fake.names.clone_folder) / "Project_One-Tests" / "test_model.py",)
