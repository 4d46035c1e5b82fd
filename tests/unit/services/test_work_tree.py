"""The state of a work tree, as a real git tells it, whatever characters are in the names of files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hol_wizard.services.git.clone import Clone
from hol_wizard.services.git.program import run
from hol_wizard.services.git.remote import GitRemote
from hol_wizard.services.secrets import Secret

WHO = {f"GIT_{role}_{what}": "alex" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *words: str) -> None:
    ended = run(folder, words, more=WHO)
    assert ended.code == 0, ended.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize(
    "odd", ["größe.txt", "two words.txt", 'say "hi".txt', "tab\there.txt", "line\u2028.txt", "a\nb"]
)
def test_a_path_is_told_as_it_is(tmp_path: Path, odd: str) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for name in (odd, "first"):
        (tmp_path / name).write_text(f"{name}\n" * 9, encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    (tmp_path / odd).write_text("changed", encoding="utf-8")
    git(tmp_path, "mv", "first", f"moved {odd}")
    (tmp_path / f"new {odd}").touch()
    state = Clone(tmp_path, GitRemote("https://dev.azure.example/lab", lambda: Secret(""))).state()
    assert state.branch == "main"
    assert sorted(state.changed) == sorted([odd, f"moved {odd}"])
    assert state.untracked == (f"new {odd}",)
    assert not state.conflicts
