"""What a start of the wizard may load: everything heavy waits until it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SDKS = {"azure", "msal", "databricks", "keyring", "git", "requests", "aiohttp", "trustme"}
SCREENS = {"textual", "rich", "questionary", "prompt_toolkit"}


def loaded_by(program: str, *, home: Path) -> set[str]:
    """Run a program in an interpreter of its own, and return the top-level names that it loaded."""
    ending = "\nimport sys\nprint('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", program + ending],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOL_WIZARD_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert "LOADED" in done.stdout, done.stderr
    return {*done.stdout.rpartition("LOADED")[2].split()}


def test_the_command_line_loads_nothing_heavy(tmp_path: Path) -> None:
    assert not loaded_by("import hol_wizard.cli", home=tmp_path) & (SDKS | SCREENS | {"asyncio", "ssl", "logging"})


def test_version_is_answered_without_loading_the_wizard(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom hol_wizard.cli import main\nmain(['--version'])\nassert 'hol_wizard.lab' not in sys.modules"
    )
    assert not loaded_by(program, home=tmp_path) & (SDKS | SCREENS)


@pytest.mark.parametrize("module", ["hol_wizard.wizard.facade", "hol_wizard.headless", "hol_wizard.report"])
def test_what_stands_below_the_front_ends_loads_neither_an_sdk_nor_a_screen(module: str, tmp_path: Path) -> None:
    assert not loaded_by(f"import {module}", home=tmp_path) & (SDKS | SCREENS)


@pytest.mark.slow
def test_the_screens_load_no_sdk(tmp_path: Path) -> None:
    program = "import hol_wizard.tui.app, hol_wizard.tui.section_screen"
    assert not loaded_by(program, home=tmp_path) & SDKS


def test_a_list_of_the_lab_loads_neither_an_sdk_nor_a_screen(tmp_path: Path) -> None:
    program = "from hol_wizard.cli import main\nassert main(['--practice', '--list']) == 0"
    assert not loaded_by(program, home=tmp_path) & (SDKS | SCREENS)
