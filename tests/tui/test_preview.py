"""`preview`: a document as its section, while its author writes."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hol_wizard import cli
from hol_wizard.cli.vocabulary import PRACTICE_DEFAULTS
from hol_wizard.tui.preview import PreviewApp
from hol_wizard.tui.widgets.prose import Prose
from tests.packaging.test_distributions import ROOT

EXAMPLE = ROOT / "docs" / "example-lab"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "lab")
    return tmp_path / "lab" / "02-settings.md"


async def until_read(pilot: Pilot[None], app: PreviewApp, words: str) -> None:
    """Wait until the screen says something."""
    for _ in range(400):
        await pilot.pause(0.02)
        if words in f"{app.head.render()}\n{app.problems.render()}":
            return
    raise AssertionError(f"{words!r} is not in {app.problems.render()}")


async def test_a_document_is_shown_as_its_section_and_again_when_it_is_saved(document: Path) -> None:
    app = PreviewApp(document, PRACTICE_DEFAULTS, "dark")
    async with app.run_test(size=(80, 24)) as pilot:
        await until_read(pilot, app, "Write a file of settings")
        assert app.steps.keys == ("about", "write-your-alias", "look-at-the-file", "name-the-groups")
        assert "No mistakes." in str(app.problems.render())
        await pilot.press("down")
        await pilot.pause()
        assert "lab.alias attendee" in app.query_one(Prose)._text
        text = document.read_text(encoding="utf-8").replace("Your alias is the first setting.", "line\n\n" * 80)
        document.write_text(text.replace("a file of settings", "[bold]a file[/] [/x]"), encoding="utf-8")
        await until_read(pilot, app, "[bold]a file[/] [/x]")
        await pilot.press("space", "space")
        await pilot.pause(0.1)
        where = app.guide.scroll_y
        assert where > 10
        document.write_text(text.replace("a file of settings", "settings"), encoding="utf-8")
        await until_read(pilot, app, "Write settings")
        await pilot.pause(0.1)
        assert app.guide.scroll_y == where, "the author stays where they were"
        assert app.steps.current == "write-your-alias"


async def test_mistakes_are_told_and_the_last_good_version_stays(document: Path) -> None:
    app = PreviewApp(document, PRACTICE_DEFAULTS, "light")
    async with app.run_test(size=(80, 24)) as pilot:
        await until_read(pilot, app, "No mistakes.")
        text = document.read_text(encoding="utf-8")
        document.write_text(text.replace("{resource_group}`.", "{resource_grup}`."), encoding="utf-8")
        await until_read(pilot, app, "did you mean {resource_group}?")
        assert "The last version without mistakes is shown." in str(app.problems.render())
        assert "name-the-groups" in app.steps.keys
        document.unlink()
        await until_read(pilot, app, "cannot be read")
        document.write_text(text, encoding="utf-8")
        await until_read(pilot, app, "No mistakes.")


async def test_nothing_of_the_lab_runs(document: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    text = document.read_text(encoding="utf-8")
    document.write_text(text.replace("{home_folder}/hol-example.ini", trace.as_posix()), encoding="utf-8")
    app = PreviewApp(document, PRACTICE_DEFAULTS, "dark")
    async with app.run_test(size=(80, 24)) as pilot:
        await until_read(pilot, app, "02-settings.md")
        for key in ("down", "down", "h", "s", "c", "enter"):
            await pilot.press(key)
        await asyncio.sleep(0)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["nowhere/01-a.md", "lab.toml"])
def test_what_is_not_a_document_is_wrong_usage(document: Path, name: str) -> None:
    assert cli.main(["preview", str(document.parent / name)]) == 2
    assert cli.main(["preview"]) == 2
    assert cli.main(["preview", str(document)]) == 2, "there is no terminal"
