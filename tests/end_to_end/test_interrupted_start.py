"""Ctrl-C while a program is still being loaded, or ends already: no traceback, and the exit code of an interrupt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import COMMAND, ROOT, Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")

PRACTICE = (sys.executable, "-m", "hol_wizard.practice", "serve", "--state")
INTERRUPT = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


def run(command: tuple[str, ...], folder: Path, machine: Machine) -> subprocess.CompletedProcess[str]:
    """Run a command whose Python imports from a folder first."""
    environment = {**machine.environment, "PYTHONPATH": f"{folder}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("argparse", ("--version",)),
        ("platformdirs", ("--list",)),
        ("tomllib", ("--list",)),
    ],
)
def test_the_command_is_interrupted_while_it_is_being_loaded(
    module: str, words: tuple[str, ...], machine: Machine, tmp_path: Path
) -> None:
    machine.more["HOL_WIZARD_HOME"] = "" if module == "platformdirs" else str(machine.home)
    machine.more["HOME"] = str(tmp_path / "home")
    (tmp_path / f"{module}.py").write_text(INTERRUPT + "while True: pass\n", encoding="utf-8")
    done = run((*COMMAND, *words), tmp_path, machine)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "hol-wizard: interrupted.\n")


@pytest.mark.parametrize("module", ["argparse", "trustme"])
def test_the_practice_cloud_is_interrupted_while_it_is_being_loaded(
    module: str, machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / f"{module}.py").write_text(INTERRUPT + "while True: pass\n", encoding="utf-8")
    done = run((*PRACTICE, str(tmp_path / "state")), tmp_path, machine)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "hol-wizard practice: interrupted.\n")


def test_the_command_is_interrupted_when_it_has_ended(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n", encoding="utf-8"
    )
    done = run((*COMMAND, "--version"), tmp_path, machine)
    assert (done.returncode, done.stderr) == (130, "hol-wizard: interrupted.\n")
    assert done.stdout.startswith("hol-wizard ")


def test_an_interrupt_that_is_ignored_stays_so(machine: Machine, tmp_path: Path) -> None:
    # As a shell starts a program in the background; interrupted from the beginning to the end.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, threading, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "def interrupt():\n"
        "    while True:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(0.005)\n"
        "threading.Thread(target=interrupt, daemon=True).start()\n",
        encoding="utf-8",
    )
    done = run((*COMMAND, "--list"), tmp_path, machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert "set-up" in done.stdout
