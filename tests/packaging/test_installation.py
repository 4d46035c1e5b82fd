"""The command that people get from `pipx install .` and `uv tool install .`, run outside of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.packaging.test_distributions import sources_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COMMAND = "hol-wizard.exe" if sys.platform == "win32" else "hol-wizard"
PYTHON = os.path.realpath(sys.executable)
"""The interpreter itself: the one of a virtual environment would hand its packages on."""


def run(words: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        check=False,
    )


def assert_works(command: Path, environment: Mapping[str, str], folder: Path) -> None:
    """The installed command finds its version, its lab and its own practice cloud."""
    version = run([str(command), "--version"], environment, folder)
    assert version.stdout.startswith("hol-wizard "), version.stderr
    linted = run([str(command), "lint"], environment, folder)
    assert (linted.returncode, linted.stdout) == (0, "No mistakes.\n"), linted.stdout + linted.stderr
    checked = run([str(command), "--practice", "--check", "set-up"], environment, folder)
    run([str(command), "practice", "stop"], environment, folder)
    assert checked.returncode in {0, 1}, checked.stdout + checked.stderr
    assert "set-up/sign-in" in checked.stdout


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    folders = {"HOL_WIZARD_HOME": "wizard", "PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin", "UV_TOOL_DIR": "tools"}
    return {
        **kept,
        **{name: str(tmp_path / folder) for name, folder in folders.items()},
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_DEFAULT_BACKEND": "pip",
    }


def test_pipx_installs_a_working_command(tmp_path: Path, environment: dict[str, str]) -> None:
    source = sources_in(tmp_path)
    done = run([sys.executable, "-m", "pipx", "install", "--python", PYTHON, str(source)], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_works(tmp_path / "bin" / COMMAND, environment, tmp_path)


def test_uv_installs_a_working_command(tmp_path: Path, environment: dict[str, str]) -> None:
    source = sources_in(tmp_path)
    done = run([sys.executable, "-m", "uv", "tool", "install", "--python", PYTHON, str(source)], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_works(tmp_path / "bin" / COMMAND, environment, tmp_path)
    assert not (source / "uv.lock").exists()
