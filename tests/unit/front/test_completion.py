"""The completion of the command line, in real shells."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hol_wizard import cli
from hol_wizard.cli.vocabulary import COMMANDS, SHELLS

LINES = {
    "hol-wizard so": ["solve"],
    "hol-wizard solve clus": ["cluster", "cluster/create-the-cluster", "cluster/create-the-cluster@dev"],
    "hol-wizard --practice teardown tools/": ["tools/git", "tools/azure-cli"],
    "hol-wizard do ": ["cluster/create-the-cluster", "train/run-the-training"],
    "hol-wizard do cluster/create-the-cluster st": ["start-cluster", "stop-cluster"],
    "hol-wizard confirm train/": ["train/read-the-training-code"],
    "hol-wizard completion ": [*SHELLS],
    "hol-wizard practice st": ["start", "status", "stop"],
}
"""What is typed, and some of what it may become."""
OPTIONS = {
    "hol-wizard --check tools/": ["tools/git", "tools/azure-cli"],
    "hol-wizard --resume cl": ["cluster"],
    "hol-wizard solve --environment p": ["pipeline", "prod"],
    "hol-wizard --devops-sign-in ": ["entra", "token"],
    "hol-wizard practice review --a": ["--approve"],
}
BASH = """
source {file}
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_shtab_hol_wizard
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    made = {}
    for language in SHELLS:
        words = [sys.executable, "-m", "hol_wizard", "completion", language]
        home = {"HOL_WIZARD_HOME": str(folder / "home"), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            words, capture_output=True, text=True, check=True, env=home, cwd=Path(__file__).parents[3], timeout=60
        )
        made[language] = folder / language
        made[language].write_text(done.stdout, encoding="utf-8")
    return made


def run(*words: str) -> list[str]:
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(("line", "some"), [*LINES.items(), *OPTIONS.items()])
def test_bash_completes(line: str, some: list[str], scripts: dict[str, Path]) -> None:
    words = " ".join(f"'{word}'" for word in line.split(" "))
    told = run("bash", "--norc", "-c", BASH.format(file=scripts["bash"], words=words))
    assert set(some) <= set(told)
    last = line.rpartition(" ")[2]
    assert [word for word in told if not word.startswith(last)] == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
@pytest.mark.parametrize(("line", "some"), LINES.items())
def test_fish_completes(line: str, some: list[str], scripts: dict[str, Path]) -> None:
    assert set(some) <= set(run("fish", "--no-config", "-c", f"source {scripts['fish']}; complete -C '{line}'"))


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh_registers_it(scripts: dict[str, Path]) -> None:
    text = f'autoload -U compinit; compinit -u -D; eval "$(cat {scripts["zsh"]})"; echo $_comps[hol-wizard]'
    assert run("zsh", "-f", "-c", text) == ["_shtab_hol_wizard"]


def test_powershell_gets_every_command(scripts: dict[str, Path]) -> None:
    text = scripts["powershell"].read_text(encoding="utf-8")
    assert "Register-ArgumentCompleter" in text
    assert [name for name in COMMANDS if name != "git-credential" and name not in text] == []


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"]])
def test_another_shell_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", *words]) == 2
    assert "completion takes one of bash, zsh, fish, powershell." in capsys.readouterr().err
