"""The wizard's own process in surroundings of other people's machines: accounts, settings of the shell, no engine."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hol_wizard.engine.ledger import Fact, Ledger

ROOT = Path(__file__).parents[2]


def run(
    *words: str,
    home: Path | None,
    umask: int = -1,
    start: tuple[str, ...] = ("-m", "hol_wizard"),
    engine: str = "",
    token: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command with hardly any variables."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "DOCKER_HOST": engine,
        "HOL_WIZARD_DEVOPS_TOKEN": token,
    }
    if home is not None:
        environment |= {"HOME": str(home), "HOL_WIZARD_HOME": str(home / "wizard")}
    return subprocess.run(
        [sys.executable, *start, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        umask=umask,
    )


NOBODY = """
import pwd, runpy, sys

def unknown(user):
    raise KeyError(f"getpwuid(): uid not found: {user}")

pwd.getpwuid = unknown
sys.argv = ["hol-wizard", *sys.argv[1:]]
runpy.run_module("hol_wizard", run_name="__main__")
"""
"""An account that the system does not know, as a container has it (`docker run --user 1234`)."""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always knows the account")
@pytest.mark.parametrize("command", [("--check", "tools"), ("doctor",), ("teardown", "--yes")])
def test_an_account_that_the_system_does_not_know_is_told_what_to_set(command: tuple[str, ...]) -> None:
    ended = run(*command, home=None, start=("-c", NOBODY))
    assert ended.returncode == 2, ended.stderr
    assert "home folder cannot be determined" in ended.stderr
    assert "Set the variable HOME" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_nobody_else_can_write_into_what_the_wizard_makes_whatever_the_shell_says(tmp_path: Path) -> None:
    ended = run(
        "solve",
        "set-up/choose-your-names",
        "--prefix",
        "contoso",
        "--location",
        "westeurope",
        "--alias",
        "jane",
        "--yes",
        home=tmp_path,
        umask=0,
    )
    assert ended.returncode == 0, ended.stderr
    made = [path for path in tmp_path.rglob("*")]
    assert [path for path in made if path.name == "default.toml"]
    assert not [path for path in made if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o022]


DEFECT = """
import runpy, sys
from hol_wizard.wizard.facade import Wizard

def broken(self, *selectors):
    raise ZeroDivisionError(f"in {__file__}: a defect: CANARYxCANARYxCANARYxCANARYxCANARYxCANARYxCANARYxCA")

Wizard.targets = broken
sys.argv = ["hol-wizard", *sys.argv[1:]]
runpy.run_module("hol_wizard", run_name="__main__")
"""
CANARY = "CANARYxCANARYxCANARYxCANARYxCANARYxCANARYxCANARYxCA"


def test_a_defect_of_ours_is_a_report_without_secrets_that_can_be_sent(tmp_path: Path) -> None:
    ended = run(
        "--check", "tools", home=tmp_path, start=("-c", DEFECT.replace("{__file__}", str(tmp_path))), token=CANARY
    )
    assert ended.returncode == 70
    assert "This is a defect of the wizard" in ended.stderr
    (report,) = tmp_path.rglob("defects/*.txt")
    assert str(report) in ended.stderr
    text = report.read_text("utf-8")
    assert "ZeroDivisionError: in ~: a defect" in text
    assert "command" in text.splitlines()[0]
    assert "The last 200 lines" in text
    for said in (text, ended.stderr, ended.stdout):
        assert "CANARY" not in said
    assert stat.S_IMODE(report.stat().st_mode) == 0o600 or sys.platform == "win32"


NO_ENGINE = "tcp://127.0.0.1:9"


def test_a_teardown_does_not_need_an_engine_if_nothing_was_built(tmp_path: Path) -> None:
    ended = run("teardown", "--yes", home=tmp_path, engine=NO_ENGINE)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Nothing to remove")


def test_a_teardown_without_the_engine_says_what_it_cannot_look_at(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "wizard" / "state" / "azure" / "default" / "ledger.jsonl")
    for fact in (Fact.INTENT, Fact.CREATED):
        ledger.write(
            fact, "build-container/build-the-container", "this-machine/images/hol-inference:local", "Container image"
        )
    ended = run("teardown", "--plan", home=tmp_path, engine=NO_ENGINE)
    assert "cannot tell whether it exists" in ended.stdout, ended.stdout + ended.stderr
    assert "hol-inference:local" in ended.stdout
