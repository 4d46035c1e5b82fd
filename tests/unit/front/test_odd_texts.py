"""Texts that no file can be called end as a usage error in one line, wherever they are given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from platformdirs.unix import Unix

from hol_wizard import cli
from hol_wizard.cli import arguments
from hol_wizard.errors import UsageError
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.paths import Home, problem_with_path, problem_with_text
from hol_wizard.practice.process import commands as practice

ODD = {
    "long": "x" * 300,
    "long in a path": f"{'x' * 300}/y",
    "NUL": "a\0b",
    "line": "a\nb",
    "escape": "a\x1b[2Jb",
    "C1": "a\x9bb",
    "surrogate": "a\ud800b",
}
NO_VALUES = {"NUL", "surrogate"}
"""Which no system keeps in a variable."""
PATHS = ODD | {"no such user": "~nobody-is-called-so/x", "long path": "abc/" * 1100}


def free_texts() -> list[str]:
    """Return each option of the command line that takes any text."""
    actions = arguments.parser_for()._actions
    return [
        each.option_strings[-1]
        for each in actions
        if each.option_strings and each.nargs != 0 and not each.choices and each.type is None
    ]


def commands(odd: str) -> list[list[str]]:
    words = [
        ["lint", odd],
        ["starter", odd, "--yes"],
        ["solve", odd, "--yes"],
        ["--check", odd],
        ["do", odd, "x"],
        [odd],
    ]
    options = [[*(["--plain"] if name == "--resume" else ["--check", "tools"]), name, odd] for name in free_texts()]
    return [*words, *options]


@pytest.mark.parametrize("kind", ODD)
def test_every_option_and_word_is_refused_in_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert {"--profile", "--clone-folder", "--own-data-file", "--output"} <= set(free_texts())
    for command in commands(ODD[kind]):
        assert (cli.main(command), command) == (2, command)
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("hol-wizard: ")
        assert "internal error" not in err
        # The message, and below it what to do; two addresses in one value are told apart line by line.
        assert len([line for line in err.splitlines() if not line.startswith("  ")]) == (
            2 if "--devops-users" in command and kind == "line" else 1
        ), (command, err)
    assert [each.name for each in tmp_path.iterdir()] in ([], ["home"])


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    "words",
    [
        ["lint"],
        ["starter", "--yes"],
        *(["--check", "tools", name] for name in ("--output", "--clone-folder", "--own-data-file")),
    ],
)
def test_what_is_a_path_is_looked_at_as_one(
    kind: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([*words, PATHS[kind]]) == 2
    assert "internal error" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="names are UTF-16 there")
def test_a_byte_that_is_not_utf_8_can_be_in_a_path_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "jos\udce9"
    assert problem_with_path(str(folder)) == ""
    assert problem_with_path("x" * 250 + "\udce9" * 6) == "a name in it is longer than 255 bytes"
    assert problem_with_text("jos\udce9") == "it is not valid UTF-8"
    assert Home.default({"HOL_WIZARD_HOME": str(folder)}).state == folder / "state"
    # A file of choices is UTF-8 and cannot contain it.
    for name in ("--clone-folder", "--own-data-file", "--prefix"):
        assert cli.main(["--check", "tools", name, str(folder)]) == 2
        assert "t is not valid UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("kind", PATHS)
def test_variables(kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    odd = PATHS[kind]
    with pytest.raises(UsageError, match="HOL_WIZARD_HOME"):
        Home.default({"HOL_WIZARD_HOME": odd})
    if kind in NO_VALUES:
        return
    for name in ("CLONE_FOLDER", "OWN_DATA_FILE", "HOME"):
        with monkeypatch.context() as changed:
            changed.setenv(f"HOL_WIZARD_{name}", odd)
            assert cli.main(["--check", "tools"]) == 2
        err = capsys.readouterr().err
        assert f"HOL_WIZARD_{name}" in err
        assert len([line for line in err.splitlines() if not line.startswith("  ")]) == 1


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind not in NO_VALUES])
@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"])
def test_the_system_s_folders(
    kind: str, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platformdirs.PlatformDirs", Unix)
    monkeypatch.delenv("HOL_WIZARD_HOME")
    monkeypatch.setenv(variable, f"/none/{ODD[kind]}")
    assert cli.main(["--check", "tools"]) == 2
    err = capsys.readouterr().err
    assert variable in err
    assert "internal error" not in err


@pytest.mark.parametrize("name", [name for name, each in INPUTS.items() if not each.secret])
@pytest.mark.parametrize("kind", ["NUL", "escape", "C1"])
def test_the_profile_s_file(name: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    odd = "".join(f"\\u{ord(each):04x}" for each in ODD[kind])
    file.write_text(f'version = 1\n{INPUTS[name].key} = "{odd}"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=rf"p\.toml:2: {INPUTS[name].key} cannot be used: it has a control character"):
        Choices.load(file)


def folders_of_practice() -> list[list[str]]:
    subcommands = next(
        each for each in practice.parser_for(None, "p")._actions if isinstance(each, argparse._SubParsersAction)
    )
    return [[name] for name, parser in subcommands.choices.items() if "--state" in parser._option_string_actions]


@pytest.mark.parametrize("words", folders_of_practice())
@pytest.mark.parametrize("kind", PATHS)
def test_the_practice_cloud_s_folder(words: list[str], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        practice.main([*words, "--state", PATHS[kind]])
    assert left.value.code == 2
    assert "argument --state: " in capsys.readouterr().err


@pytest.mark.parametrize("fine", ["", "x" * 255, "naïve/ü b", "C:\\Users\\jane", "/none/a", "a, b"])
def test_usual_texts_are_fine(fine: str) -> None:
    assert problem_with_text(fine) == problem_with_path(fine) == ""
