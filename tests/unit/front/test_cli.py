from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hol_wizard import __version__, cli
from hol_wizard.cli import arguments, composition, edge, vocabulary
from tests.unit.front.conftest import Terminal

ROOT = Path(__file__).parents[3]


def fresh(code: str) -> str:
    """Run Python code in a process of its own and return what it writes."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=True, timeout=60
    )
    return done.stdout


def test_version_loads_nothing_of_ours_but_the_command_line() -> None:
    loaded = fresh(
        "import sys\nfrom hol_wizard.cli import main\nassert main(['--version']) == 0\n"
        "print('LOADED', *sorted(n for n in sys.modules if n.startswith('hol_wizard')))\n"
        "print('HEAVY', *({'asyncio', 'dataclasses', 'logging', 'ssl', 'importlib.metadata'} & set(sys.modules)))"
    )
    names = loaded.partition("LOADED ")[2].partition("\n")[0].split()
    assert {name for name in names if not name.startswith("hol_wizard.cli")} == {"hol_wizard", "hol_wizard.signals"}
    assert loaded.endswith("HEAVY\n")


def test_help_loads_the_lab_inputs_besides_the_command_line() -> None:
    loaded = fresh(
        "import sys\nfrom hol_wizard.cli import main\nassert main(['--help']) == 0\n"
        "print('LOADED', *sorted(n for n in sys.modules if n.startswith('hol_wizard')))\n"
        "print('HEAVY', *({'asyncio', 'logging', 'ssl', 'importlib.metadata'} & set(sys.modules)))"
    )
    names = set(loaded.partition("LOADED ")[2].partition("\n")[0].split())
    inputs = {"hol_wizard.lab", *(f"hol_wizard.lab.{name}" for name in ("inputs", "model", "names", "regions"))}
    below = {"hol_wizard.paths", "hol_wizard.errors", "hol_wizard.redaction", "hol_wizard.variables"}
    assert {name for name in names if not name.startswith("hol_wizard.cli")} - below == {
        "hol_wizard",
        "hol_wizard.signals",
        *inputs,
    }
    assert loaded.endswith("HEAVY\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"hol-wizard {__version__}\n"


@pytest.mark.parametrize("command", ["", *vocabulary.COMMANDS, "--check", "--list"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*([command] if command else []), "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: hol-wizard")
    assert err == ""
    assert max(map(len, out.splitlines())) <= 112
    assert not re.findall(r"(?<!\S)([A-Za-z][\w -]+:?) \1(?!\S)", re.sub(r"\n\s+", " ", out)), "said twice"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["slove"], "no command `slove`", "hol-wizard solve"),
        (["undo", "variable-group"], "no command `undo`", "hol-wizard teardown"),
        (["check"], "no command `check`", "hol-wizard --check"),
        (["resource-groups"], "no command `resource-groups`", "hol-wizard --check resource-groups"),
        (["--chekc"], "no option `--chekc`", "--check"),
        (["--check", "--fromat", "json"], "no option `--fromat`", "--format"),
        (["--check", "--format", "jsn"], "--format", "Did you mean json?"),
        (["--check", "--environment", "prd"], "--environment", "Did you mean prod?"),
        (["--check", "--wait", "soon"], "`soon`", ""),
        (["--check", "--wait", "nan"], "`nan`", ""),
        (["--check", "--yes"], "--yes does not go with --check", "solve"),
        (["--check", "solve"], "do not go together", ""),
        (["confirm", "--format", "json"], "--format does not go with confirm", "doctor"),
        (["doctor", "--format", "tap"], "no format `tap`", "text and json"),
        (["do", "groups"], "takes a step and an action", "start-cluster"),
        (["do", "tools/git", "start"], "there are no other actions for tools/git", "--list"),
        (["doctor", "now"], "no further words", ""),
        (["--catch-up"], "--catch-up goes with --resume", "--resume"),
        (["--practice", "--cloud", "china"], "do not go together", ""),
        (["--practice-speed", "60"], "--practice-speed goes with --practice", ""),
        (["--practice", "--practice-speed", "0"], "`0`", ""),
        (["--cloud", "germany"], "--cloud", ""),
        (["--profile"], "expected one argument", ""),
        (["--profile", "../x", "--check"], "cannot be a profile's name", "--profile"),
        (["--prefix", "", "--check"], "--prefix was given without a value", ""),
        (["--prefix", "A!", "--check"], "--prefix", ""),
        (["--check", "resorce-groups"], "resorce-groups", ""),
        (["solve", "resorce-groups", "--yes"], "Did you mean resource-groups", "--list"),
        (["--plain", "--resume", "resource-gruops"], "no section", ""),
        (["lint", "no-such-folder"], "no folder", ""),
        (["starter"], "takes one folder", ""),
        (["practice", "strat"], "no command `strat`", "`start`"),
        (["practice"], "needs a command", "start"),
        (["practice", "start", "--speed", "fast"], "`fast`", ""),
        (["practice", "start", "now"], "`now`", ""),
        (["practice", "fault", "trotle"], "invalid choice", "Did you mean throttle?"),
    ],
)
def test_misuse_is_one_clear_line_and_exit_code_2(
    words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hol-wizard: ")
    assert message in err
    assert hint in err
    assert "Traceback" not in err


def test_options_stand_before_or_after_the_command() -> None:
    before = arguments.parse(["--practice", "--prefix", "x", "solve", "resource-groups", "--yes"])
    after = arguments.parse(["solve", "resource-groups", "--yes", "--prefix", "x", "--practice"])
    between = arguments.parse(["solve", "--yes", "resource-groups", "--practice", "--prefix=x"])
    assert before == after == between
    assert before.words == ["solve", "resource-groups"]


def test_everything_behind_practice_belongs_to_it() -> None:
    words = ["--profile", "practice", "practice", "fault", "slow", "--seconds", "2"]
    assert arguments.practice_words(words) == (["--profile", "practice"], ["fault", "slow", "--seconds", "2"])
    assert arguments.practice_words(["--practice", "solve", "x"]) == (["--practice", "solve", "x"], None)


def test_without_a_terminal_the_wizard_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--practice"]) == 2
    err = capsys.readouterr().err
    assert "no terminal" in err
    assert "--check" in err
    assert "--plain" in err


@pytest.mark.parametrize(
    ("term", "reads", "writes", "plain", "front"),
    [
        ("xterm-256color", True, True, False, "tui"),
        ("xterm-256color", True, True, True, "plain"),
        ("dumb", True, True, False, "plain"),
        ("unknown", True, True, False, "plain"),
        ("", True, True, False, "plain"),
        ("xterm", True, False, False, "plain"),
        ("xterm", False, True, False, "plain"),
        ("xterm", False, False, True, "plain"),
    ],
)
def test_the_front_end_is_the_best_that_the_terminal_can_do(
    term: str, reads: bool, writes: bool, plain: bool, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stdin.isatty", lambda: reads, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: writes, raising=False)
    assert composition.front_end(arguments.parse(["--plain"] if plain else [])) == front


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_home_is_told(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_home.mkdir()
    own_home.chmod(0o500)
    assert cli.main(["solve", "--yes"]) == 2
    assert "HOL_WIZARD_HOME" in capsys.readouterr().err


def test_a_file_in_the_way_of_the_home_is_told(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_home.write_text("in the way", encoding="utf-8")
    assert cli.main(["solve", "--yes"]) == 2
    err = capsys.readouterr().err
    assert "cannot write to" in err
    assert "HOL_WIZARD_HOME" in err


def test_a_broken_profile_is_told_with_its_file(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own_home / "config" / "azure" / "default.toml"
    file.parent.mkdir(parents=True)
    file.write_text("prefix = [", encoding="utf-8")
    assert cli.main(["--check"]) == 2
    assert "default.toml" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "prefix = ["


def test_missing_input_is_listed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["solve", "set-up", "--yes"]) == 2
    err = capsys.readouterr().err
    for word in ("--prefix", "HOL_WIZARD_PREFIX", "--location", "HOL_WIZARD_LOCATION", "--alias", "default.toml"):
        assert word in err


def test_the_list_and_lint_need_no_cloud(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list"]) == 0
    assert "resource-groups/create-the-three-resource-groups@dev|pipeline|prod" in capsys.readouterr().out
    assert cli.main(["lint"]) == 0
    assert capsys.readouterr().out == "No mistakes.\n"


def test_lint_names_file_line_and_nearest_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lab.toml").write_text('title = "One"\nintroduction = "One."\n', encoding="utf-8")
    (tmp_path / "01-one.md").write_text(
        '+++\nid = "one"\ntitle = "One"\nrole = "evryone"\nminutes = 5\n+++\nHello.\n\n## Do it\nDo.\n',
        encoding="utf-8",
    )
    assert cli.main(["lint", str(tmp_path)]) == 2
    out = capsys.readouterr().out
    assert f"{tmp_path / '01-one.md'}:4:" in out
    assert "everyone" in out


def test_help_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert cli.main(["--help"]) == 0
    options = capsys.readouterr().out.partition("commands:")[0]
    assert max(map(len, options.splitlines())) <= 60


def test_json_schema_ships_with_the_documents() -> None:
    assert json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))["properties"]["version"]


PREFIX = ("--prefix", "jane")


def test_the_starter_leaves_alone_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "clone"
    (folder / "Project_One").mkdir(parents=True)
    notes = {"README.md": "my notes", ".gitignore": "mine", "Project_One/score.py": "mine"}
    for path, text in notes.items():
        (folder / path).write_text(text, encoding="utf-8")
    for _ in range(2):
        assert cli.main(["starter", str(folder), *PREFIX, "--yes"]) == 1
        err = capsys.readouterr().err
        assert all(f"Left alone: {path}: a file with other contents exists." in err for path in notes)
        assert "empty folder" in err
    assert (folder / "Project_One" / "notebooks" / "train_model.py").is_file()
    assert {path: (folder / path).read_text(encoding="utf-8") for path in notes} == notes


def test_the_starter_is_shown_and_asked_for(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    terminal_input: Callable[[str], Terminal],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    folder = tmp_path / "new"
    assert cli.main(["starter", str(folder), *PREFIX]) == 2
    assert "no terminal" in capsys.readouterr().err
    assert cli.main(["starter", str(folder), *PREFIX, "--plan"]) == 0
    assert "create Project_One/score.py\n" in capsys.readouterr().out
    terminal_input("n\n")
    assert cli.main(["starter", str(folder), *PREFIX]) == 1
    assert not folder.exists()
    shown = terminal_input("y\n")
    assert cli.main(["starter", str(folder), *PREFIX]) == 0
    assert "Write these files?" in shown.getvalue()
    assert (folder / "Project_One" / "score.py").is_file()
    assert "    source: jane-build\n" in (folder / "azure-pipelines-release.yml").read_text(encoding="utf-8")
    assert cli.main(["starter", str(folder), *PREFIX, "--yes"]) == 0
    assert ": 0 files to write, " in capsys.readouterr().out


def test_the_starter_wants_the_names_that_are_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["starter", str(tmp_path / "new"), "--yes"]) == 2
    assert "names, and these are not chosen yet" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("error", "code"), [("BrokenPipeError()", 141), ("StdoutError(28, 'No space left')", 2)])
def test_a_read_under_way_does_not_keep_a_program_whose_output_is_gone(error: str, code: int) -> None:
    program = (
        "import sys, threading, time\n"
        "from hol_wizard.cli import edge\n"
        "from hol_wizard.cli.streams import StdoutError\n"
        "def dispatch(*_):\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        f"    raise {error}\n"
        "edge.dispatch = dispatch\n"
        "sys.exit(edge.main(['doctor']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=30, check=False)
    assert done.returncode == code


@pytest.fixture
def small_lab(tmp_path: Path) -> Path:
    """A lab of one section with one step that only a person does."""
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "lab.toml").write_text('title = "Small"\nintroduction = "Small."\n', encoding="utf-8")
    (folder / "01-one.md").write_text(
        '+++\nid = "one"\ntitle = "One"\nrole = "everyone"\nminutes = 5\n\n[steps.do-it]\nhuman = "You."\n'
        "+++\nHello.\n\n## Do it\nDo.\n",
        encoding="utf-8",
    )
    return folder


def test_another_lab_is_opened_by_an_option_or_a_variable(
    small_lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--list", "--lab", str(small_lab)]) == 0
    listed = capsys.readouterr().out
    assert "one/do-it  Do it" in listed
    assert "set-up" not in listed
    monkeypatch.setenv("HOL_WIZARD_LAB", str(small_lab))
    assert cli.main(["--list"]) == 0
    assert capsys.readouterr().out == listed


def test_a_folder_that_is_not_a_lab_is_wrong_usage(
    small_lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, said in (
        (str(tmp_path / "nowhere"), "there is no folder"),
        (str(tmp_path), "is not a lab: it has no lab.toml"),
        ("", "it is empty"),
        ("a\nb", "control character"),
    ):
        assert cli.main(["--list", "--lab", folder]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setenv("HOL_WIZARD_LAB", str(tmp_path / "nowhere"))
    assert cli.main(["--check"]) == 2
    assert "HOL_WIZARD_LAB: there is no folder" in capsys.readouterr().err
    (small_lab / "lab.toml").write_text("title = \n", encoding="utf-8")
    assert cli.main(["--list", "--lab", str(small_lab)]) == 2
    assert "lab.toml:1: this is not TOML" in capsys.readouterr().err


@pytest.fixture
def lab_that_runs(small_lab: Path, tmp_path: Path) -> Path:
    """A lab whose check leaves a trace when it runs."""
    document = small_lab / "01-one.md"
    trace = f'["git", "config", "--file", "{(tmp_path / "trace").as_posix()}", "a.b", "c"]'
    text = document.read_text(encoding="utf-8").replace('human = "You."', f"check = {{ command = {trace} }}")
    document.write_text(text, encoding="utf-8")
    return small_lab


@pytest.mark.parametrize(
    "arguments", [("--check",), ("solve", "one", "--yes"), ("teardown", "--yes"), ("--plain",), ("cost",), ("doctor",)]
)
def test_nothing_of_a_lab_runs_before_it_is_trusted(
    lab_that_runs: Path, tmp_path: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--lab", str(lab_that_runs), *arguments]) == 2
    assert "so nothing of it runs until you trust it" in capsys.readouterr().err
    assert not (tmp_path / "trace").exists()


def test_a_lab_is_trusted_once_after_its_commands_were_shown(
    lab_that_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lab", "trust", str(lab_that_runs)]) == 2
    shown = capsys.readouterr().err
    assert "one/do-it: check runs: git config --file" in shown
    digest = shown.partition("Digest: ")[2].split()[0]
    assert cli.main(["--lab", str(lab_that_runs), "--trust", digest.upper(), "--check"]) == 0
    assert (tmp_path / "trace").exists()
    assert cli.main(["--lab", str(lab_that_runs), "--trust", "0" * 64, "--check"]) == 2
    assert cli.main(["--lab", str(lab_that_runs), "--check"]) == 2
    assert cli.main(["lab", "trust", str(lab_that_runs), "--yes"]) == 0
    assert cli.main(["--lab", str(lab_that_runs), "--check"]) == 0
    capsys.readouterr()
    document = lab_that_runs / "01-one.md"
    document.write_text(document.read_text(encoding="utf-8").replace('"c"', '"d"'), encoding="utf-8")
    assert cli.main(["--lab", str(lab_that_runs), "--check"]) == 2
    assert "has changed since you trusted it" in capsys.readouterr().err
    assert cli.main(["lab", "trust", str(lab_that_runs), "--yes"]) == 0
    shown = capsys.readouterr().err
    assert "changed: 01-one.md" in shown
    assert "now one/do-it: check runs: git config --file" in shown


@pytest.mark.parametrize(
    ("value", "words", "practice"),
    [("1", [], True), ("On", [], True), ("0", [], False), ("", [], False), ("1", ["--cloud", "china"], False)],
)
def test_a_variable_asks_for_the_practice_cloud(
    value: str, words: list[str], practice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOL_WIZARD_PRACTICE", value)
    seen: list[bool] = []

    def dispatch(name: str, options: argparse.Namespace, *_: object) -> int:
        seen.append(options.practice)
        return 0

    monkeypatch.setattr(edge, "dispatch", dispatch)
    assert cli.main(["--list", *words]) == 0
    assert seen == [practice]


def test_a_variable_that_is_neither_yes_nor_no_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOL_WIZARD_PRACTICE", "maybe")
    assert cli.main(["--list"]) == 2
    assert "HOL_WIZARD_PRACTICE is neither 1 nor 0." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["solve", "tools", "--format", "markdown"], "solve takes --format only with --plan."),
        (["solve", "tools", "--plan", "--format", "tap"], "solve has no format `tap`."),
        (["--list", "--format", "junit"], "--list has no format `junit`."),
    ],
)
def test_a_format_goes_with_what_writes_it(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    assert told in capsys.readouterr().err
