"""Checks, solves and undos that a document declares: what is valid, and what a person is shown before they trust it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.lab.folder import read_folder
from hol_wizard.lab.loader import load, read
from hol_wizard.lab.trust import TrustedLabs, changes, runs_of
from tests.unit.lab.test_folder import DOCUMENT, MANIFEST

RUN = '{ command = ["git", "init", "{clone_folder}"] }'
BACK = '{ command = ["git", "status"] }'


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "lab.toml").write_text(MANIFEST, encoding="utf-8")
    return tmp_path


def write(folder: Path, front: str) -> Path:
    (folder / "01-one.md").write_text(DOCUMENT.replace('human = "You."', front), encoding="utf-8")
    return folder


def test_a_declared_check_and_work_are_bound_to_their_functions(lab: Path) -> None:
    front = f'check = {{ file = "{{clone_folder}}/a/b.txt", contains = "{{alias}}" }}\nsolve = {RUN}\nundo = {BACK}'
    step = load(write(lab, front)).steps["one/do-it"]
    assert (step.check, step.solve, step.undo) == (
        "declared.file_contains",
        "declared.run_solve",
        "declared.run_undo",
    )
    assert [str(each) for each in step.declared.values()] == [
        "reads: {clone_folder}/a/b.txt",
        "runs: git init '{clone_folder}'",
        "runs: git status",
    ]


@pytest.mark.parametrize(
    ("front", "problem"),
    [
        ("check = { }", "`check` has one of `command`, `file` and `http`, not 0 of them"),
        ('check = { command = ["a"], file = "{clone_folder}/a" }', "not 2 of them"),
        ("check = { command = [] }", "`command` is empty"),
        ('check = { command = "git" }', "`command` must be a list of strings, not 'git'"),
        ("check = { command = [1] }", "`command` must be a list of strings, not [1]"),
        ('check = { command = ["./evil"] }', "`./evil` is not the name of a program"),
        ('check = { command = ["{alias}"] }', "`{alias}` is not the name of a program"),
        ('check = { command = ["rm -rf /"] }', "`rm -rf /` is not the name of a program"),
        ('check = { command = ["git"], expects = "x" }', "there is no key `expects` for a command in `check` (did you"),
        ('check = { command = ["git"], expect = "(" }', "`expect` is not a regular expression: "),
        ('check = { command = ["git"], seconds = 1000 }', "`seconds` must be 1 to 120"),
        ('check = { command = ["git", "{alais}"] }', "there is no placeholder `{alais}` (did you mean {alias}?)"),
        ('check = { file = "/etc/passwd" }', "`file` must be a path below {clone_folder} or {home_folder}"),
        ('check = { file = "{home_folder}/../x" }', "`file` must be a path below"),
        ('check = { file = "{home_folder}" }', "`file` must be a path below"),
        ('check = { file = "{data_file}/x" }', "`file` must be a path below"),
        ('check = { http = "http://example.com/" }', "`http` must be an address that begins with https://"),
        ('check = { http = "https://me:pw@example.com/" }', "`http` must be an address"),
        ('check = { http = "https://example.com/", status = 20 }', "`status` must be 100 to 599"),
        ('check = { http = "https://example.com/", status = true }', "`status` must be a whole number, not True"),
        (f'check = "a.b"\nsolve = {RUN}', "a `solve` with a command needs an `undo` with the command that takes it"),
        (f'check = "a.b"\nundo = {RUN}', "an `undo` with a command needs a `solve` with a command"),
        (f"solve = {RUN}\nundo = {BACK}", "a step with a `solve` needs a `check` that verifies it"),
        ('check = "a.b"\nsolve = { file = "x" }\nundo = {}', "`solve` names a function, or has a `command`"),
        ('check = "declared.command_prints"', "there is no check `declared.command_prints`"),
    ],
)
def test_what_is_wrong_in_a_declaration_is_told_with_its_line(lab: Path, front: str, problem: str) -> None:
    from hol_wizard.wizard.registration import known_names

    found = [str(each) for each in read(write(lab, front), known_names())[1]]
    assert any(problem in each for each in found), found
    assert found[0].startswith(f"{lab / '01-one.md'}:8: ") or found[0].startswith(f"{lab / '01-one.md'}:9: ")


def test_everything_that_a_lab_can_run_is_listed(lab: Path) -> None:
    write(lab, 'check = { http = "https://example.com/{alias}" }')
    assert runs_of(load(lab)) == (
        "one/do-it: check requests: https://example.com/{alias}",
        "default of location: westeurope",
    )
    write(lab, 'check = "tools.git"')
    assert runs_of(load(lab))[0] == "the wizard's own: tools.git"


def test_a_changed_lab_is_not_trusted_and_says_what_has_changed(lab: Path, tmp_path: Path) -> None:
    labs = TrustedLabs(tmp_path / "home" / "trusted.json")
    write(lab, 'check = { command = ["git", "--version"] }')
    first = read_folder(lab)
    assert not labs.has(first.digest)
    assert labs.trust(first, runs_of(load(first))) is None
    assert labs.has(first.digest)
    write(lab, 'check = { command = ["curl", "https://example.com"] }')
    (lab / "02-two.md").write_text(DOCUMENT.replace('"one"', '"two"'), encoding="utf-8")
    second = read_folder(lab)
    assert not labs.has(second.digest)
    before = labs.last(lab)
    assert before is not None
    assert list(changes(before, second, runs_of(load(second)))) == [
        "changed: 01-one.md",
        "new: 02-two.md",
        "no longer one/do-it: check runs: git --version",
        "now one/do-it: check runs: curl https://example.com",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"version": 2, "labs": []}',
        b'{"version": 1, "labs": [{"digest": "%s"}]}',
        b"[" * 9999,
    ],
)
def test_a_damaged_list_trusts_nothing_and_is_kept(lab: Path, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "home" / "trusted.json"
    labs = TrustedLabs(file)
    write(lab, 'human = "You."')
    folder = read_folder(lab)
    file.parent.mkdir()
    file.write_bytes(content.replace(b"%s", folder.digest.encode()))
    assert not labs.has(folder.digest)
    assert labs.last(lab) is None
    kept = labs.trust(folder, ())
    assert kept is not None
    assert kept.read_bytes() == content.replace(b"%s", folder.digest.encode())
    assert labs.has(folder.digest)


def test_a_second_damaged_list_is_kept_beside_the_first(lab: Path, tmp_path: Path) -> None:
    file = tmp_path / "home" / "trusted.json"
    file.parent.mkdir()
    folder = read_folder(write(lab, 'human = "You."'))
    kept = []
    for content in (b"{one", b"{two"):
        file.write_bytes(content)
        kept.append(TrustedLabs(file).trust(folder, ()))
    assert [each.read_bytes() for each in kept if each] == [b"{one", b"{two"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_list_that_cannot_be_read_is_an_error_and_not_trust(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "trusted.json")
    with pytest.raises(UsageError, match="cannot be read"):
        TrustedLabs(tmp_path / "trusted.json").has("x")
