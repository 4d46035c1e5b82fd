"""The clipboard and the browser of the desktop: what is said is what happened, and nothing draws over the screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hol_wizard.tui import desktop

if sys.platform == "win32":
    pytest.skip("the programs are scripts", allow_module_level=True)

ADDRESS = "https://portal.azure.com/#home"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that puts a program on an otherwise empty PATH, and returns the file with what it was told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("TMUX", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)

    def put(name: str, body: str) -> Path:
        told = tmp_path / f"{name}.told"
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\necho \"$@\" > '{told}'\necho 'words over the screen' >&2\n{body}\n", "utf-8")
        script.chmod(0o755)
        return told

    return put


def test_without_a_display_there_is_no_browser(program: Callable[[str, str], Path]) -> None:
    told = program("xdg-open", "exit 0")
    assert not desktop.open_in_browser(ADDRESS)
    assert not told.exists()


def test_a_display_without_a_browser_is_no_browser_and_nothing_is_drawn(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    assert not desktop.open_in_browser(ADDRESS)
    failed = [program("xdg-open", "exit 3"), program("gio", "exit 2")]
    assert not desktop.open_in_browser(ADDRESS)
    assert [each.read_text() for each in failed] == [f"{ADDRESS}\n", f"open {ADDRESS}\n"]
    assert capfd.readouterr() == ("", "")


def test_the_persons_own_browser_comes_first_and_one_that_fails_is_followed_by_the_next(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", os.pathsep.join(["'unclosed", "absent", "lynx", "broken --to %s now", "mine"]))
    text, broken, mine = program("lynx", "exit 0"), program("broken", "exit 1"), program("mine", "exit 0")
    assert desktop.open_in_browser(ADDRESS)
    assert (broken.read_text(), mine.read_text()) == (f"--to {ADDRESS} now\n", f"{ADDRESS}\n")
    assert not text.exists()


def test_a_browser_that_stays_is_one(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(desktop, "_OPEN_SECONDS", 0.3)
    program("xdg-open", f"echo $$ > '{tmp_path / 'pid'}'\nexec {shutil.which('sleep', path=os.defpath)} 3")
    assert desktop.open_in_browser(ADDRESS)
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_without_a_program_that_copies_nothing_is_claimed(program: Callable[[str, str], Path]) -> None:
    assert desktop.copy_natively("text") == ""


def test_a_program_that_fails_is_followed_by_the_next(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    program("xclip", "exit 1")
    program("xsel", f"{shutil.which('cat', path=os.defpath)} > '{tmp_path / 'copied'}'")
    assert desktop.copy_natively("größe") == "the clipboard"
    assert (tmp_path / "copied").read_text("utf-8") == "größe"


@pytest.fixture
def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Run commands in a tmux server of its own, in which this process seems to be."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux")
    socket = tmp_path / "tmux"

    def run(*words: str) -> str:
        command = ["tmux", "-S", str(socket), "-f", os.devnull, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    run("new-session", "-d", "-x", "80", "-y", "24", "sleep 60")
    monkeypatch.setenv("TMUX", f"{socket},1,0")
    yield run
    run("kill-server")


@pytest.mark.skipif(sys.platform == "darwin", reason="its clipboard comes as well")
def test_in_tmux_the_text_is_in_its_buffer(tmux: Callable[..., str]) -> None:
    assert desktop.copy_natively("az group list\n").startswith("tmux's buffer")
    assert tmux("show-buffer") == "az group list\n"
