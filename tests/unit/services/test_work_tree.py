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


@pytest.mark.skipif(sys.platform == "win32", reason="Links need a privilege on Windows")
def test_the_diff_of_new_files_shows_what_git_would_commit_of_them(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "one")
    new = {"text": b"a\r\nb\x1b[2J\nc", "empty": b"", "picture": b"\x89PNG\0", "line": b"x" * 1234, "a\u2028b": b"1\n"}
    for name, content in new.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("../not/in/the/clone")
    (tmp_path / "folder").mkdir()
    clone = Clone(tmp_path, GitRemote("https://dev.azure.example/lab", lambda: Secret("")))
    lines = "\n".join(clone.diff((*new, "link", "folder")))
    assert "+++ b/text\n@@ -0,0 +1,3 @@\n+a\r\n+b\x1b[2J\n+c\n\\ No newline at end of file\ndiff" in lines
    assert "+++ b/empty\n@@ -0,0 +1,0 @@\ndiff" in lines
    assert "new file\nBinary file with 5 bytes\ndiff" in lines
    assert f"+{'x' * 999} … (235 more characters)\n" in lines
    assert "+++ b/link\n@@ -0,0 +1,1 @@\n+../not/in/the/clone\n" in lines
    assert lines.endswith("new file\nThe file cannot be read: Is a directory")
    assert clone.state().changed == ()
