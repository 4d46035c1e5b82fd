from __future__ import annotations

import sys
from pathlib import Path

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from tests.tui.conftest import MakeApp, solving
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, until, until_seen

FIRST = "resource-groups/create-the-three-resource-groups@dev"


@pytest.fixture
def marker(fake: FakeWizard, tmp_path: Path) -> Path:
    """A file that the person's shell writes: that it exists says that the shell ran."""
    made, shell = tmp_path / "ran", tmp_path / "shell"
    shell.write_text(f"#!/bin/sh\necho ran > '{made}'\n")
    shell.chmod(0o700)
    fake.connection.environ = {"SHELL": str(shell)}
    return made


@pytest.fixture
def leaves_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the pilot a terminal that can be left, as a real one can."""
    monkeypatch.setattr(HeadlessDriver, "can_suspend", True)


@pytest.mark.skipif(sys.platform == "win32", reason="its shell is a batch file")
@pytest.mark.usefixtures("leaves_its_terminal")
async def test_after_the_shell_the_step_in_view_is_looked_at(make_app: MakeApp, fake: FakeWizard, marker: Path) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(100, 30)) as pilot:
        await at_rest(pilot)
        fake.calls.clear()
        await pilot.press("!")
        await until(pilot, lambda: ("check", [FIRST]) in fake.calls)
        assert marker.exists()
        await at_rest(pilot)


@pytest.mark.usefixtures("leaves_its_terminal")
async def test_no_shell_opens_while_something_is_changed(make_app: MakeApp, fake: FakeWizard, marker: Path) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(100, 30)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "S"):
            await pilot.press("!")
            await until_seen(pilot, "Open a shell on this cloud", "is running: wait until it has ended")
        await until(pilot, lambda: app.working is None)
        await at_rest(pilot)
    assert not marker.exists()


async def test_a_terminal_that_cannot_be_left_is_said(make_app: MakeApp, marker: Path) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(100, 30)) as pilot:
        await at_rest(pilot)
        await pilot.press("!")
        await until_seen(pilot, "This terminal cannot be left for a shell.")
    assert not marker.exists()


@pytest.mark.usefixtures("leaves_its_terminal")
async def test_a_shell_that_does_not_exist_is_named(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.connection.environ = dict.fromkeys(("SHELL", "COMSPEC"), "/nowhere/zsh")
    app = make_app("resource-groups")
    async with app.run_test(size=(100, 30)) as pilot:
        await at_rest(pilot)
        await pilot.press("!")
        await until_seen(pilot, "The shell /nowhere/zsh cannot be started")
