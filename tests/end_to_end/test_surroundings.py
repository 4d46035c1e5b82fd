"""The wizard's own process in surroundings of other people's machines: accounts, settings of the shell, no engine."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.terminal import Terminal
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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-16 or UTF-8 there")
def test_a_home_folder_whose_name_is_not_utf_8_works(tmp_path: Path) -> None:
    """As older installations have it: `josé` in Latin-1. Sign-in, certificates, git, files, a prepared shell."""
    home = tmp_path / "jos\udce9"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        "TMPDIR": str(tmp_path),
        **{f"HOL_WIZARD_{name}": value for name, value in CHOICES.items()},
    }

    def ended(*command: str) -> str:
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False, timeout=100)
        assert done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "replace")
        assert b"internal error" not in done.stderr
        return os.fsdecode(done.stdout)

    wizard = (sys.executable, "-m", "hol_wizard")
    begun = (*wizard, "--practice", "--practice-speed", "6000")
    clone = home / "hol-lab" / "practice" / "contoso-hol"
    try:
        ended(
            *begun,
            "solve",
            "inference-code/add-a-unit-test",
            "pull-request/commit-and-push",
            "--yes",
            "--clone-folder",
            "~/hol-lab/practice/contoso-hol",
        )
        assert 'clone_folder = "~/hol-lab/' in (home / ".config/hol-wizard/practice/default.toml").read_text("utf-8")
        assert (clone / "Project_One").is_dir()
        ended(*begun, "--check", "scientist-setup/create-your-branch", "--output", str(home / "report.txt"))
        assert "1 passed of 1" in (home / "report.txt").read_text("utf-8")
        assert "Goodbye" in ended("sh", "-c", f"echo q | {' '.join(begun)} --plain --resume scientist-setup")
        ended("git", "-C", str(clone), "fetch")
        ended("sh", "-c", f'eval "$({" ".join(wizard)} practice env)" && test -d "$AZURE_CONFIG_DIR"')
        with Terminal([*begun], environment, (80, 24)) as terminal:
            terminal.wait_for(r"of \d+ verified", 60)
            terminal.send(b"q")
            assert terminal.wait_for_end() == 0
        ended(*begun, "teardown", "--yes")
        log = (home / ".local/state/hol-wizard/log/hol-wizard.log").read_text("utf-8")
        assert "CRITICAL" not in log
    finally:
        ended(*wizard, "practice", "stop")


@pytest.mark.parametrize("content", ["null", "[]", "{"])
def test_a_damaged_file_of_the_azure_cli_is_named_instead_of_nobody(tmp_path: Path, content: str) -> None:
    file = tmp_path / ".azure" / "azureProfile.json"
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    ended = run("--check", "set-up/sign-in", home=tmp_path)
    assert ended.returncode == 3, ended.stdout
    assert f"The Azure CLI's file {file} cannot be read" in ended.stdout
    assert "Rename it" in ended.stdout
    assert file.read_text(encoding="utf-8") == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("name", ["config/azure/default.toml", "state/azure/default/progress.json"])
def test_a_named_pipe_instead_of_a_file_makes_nobody_wait(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "wizard" / name
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    ended = run("--check", "tools/python", home=tmp_path)
    if name.endswith(".toml"):
        assert ended.returncode == 2
        assert f"{pipe} is not a file" in ended.stderr
    else:
        assert ended.returncode == 0, ended.stderr


CHOICES = {
    "PREFIX": "contoso",
    "LOCATION": "westeurope",
    "ALIAS": "jane",
    "GIT_NAME": "Jane",
    "GIT_EMAIL": "jane@contoso.example",
    "DEVOPS_ORGANIZATION": "practice",
}


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
