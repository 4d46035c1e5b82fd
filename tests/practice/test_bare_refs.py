from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hol_wizard.practice.devops import bare_refs
from hol_wizard.practice.devops.versions import refs


def git(path: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=path, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A bare repository with a commit on three branches."""
    path = tmp_path / "one.git"
    path.mkdir()
    git(path, "init", "--quiet", "--bare", "--initial-branch=main", ".")
    tree = git(path, "hash-object", "-t", "tree", "-w", "/dev/null")
    commit = git(path, "commit-tree", tree, "-m", "one")
    for name in ("main", "alex/work", "alex-2"):
        git(path, "update-ref", f"refs/heads/{name}", commit)
    return path


def told(path: Path) -> dict[str, str]:
    """Return what git says of the refs, in its order."""
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_refs_are_those_that_git_tells_loose_packed_and_changed_since(bare: Path) -> None:
    assert list((bare_refs.read(bare) or {}).items()) == list(told(bare).items())
    git(bare, "pack-refs", "--all")
    assert not (bare / "refs" / "heads" / "main").exists()
    assert list((bare_refs.read(bare) or {}).items()) == list(told(bare).items())
    second = git(bare, "commit-tree", "main^{tree}", "-p", "main", "-m", "two")
    git(bare, "update-ref", "refs/heads/main", second)
    git(bare, "update-ref", "-d", "refs/heads/alex-2")
    (bare / "refs" / "heads" / "new.lock").write_text("", encoding="utf-8")
    found = bare_refs.read(bare)
    assert found == told(bare)
    assert found["refs/heads/main"] == second
    assert "refs/heads/alex-2" not in found


def test_the_head_is_told_also_of_a_branch_that_does_not_exist(bare: Path) -> None:
    assert bare_refs.head(bare) == "refs/heads/main"
    git(bare, "symbolic-ref", "HEAD", "refs/heads/later")
    assert bare_refs.head(bare) == "refs/heads/later"


def test_a_ref_that_refers_to_another_is_left_to_git(bare: Path) -> None:
    git(bare, "symbolic-ref", "refs/heads/other", "refs/heads/main")
    assert bare_refs.read(bare) is None


async def test_what_is_behind_an_annotated_tag_is_told_by_git(bare: Path) -> None:
    git(bare, "tag", "-a", "v1", "-m", "one", "main")
    found = (await refs(bare))["refs/tags/v1"]
    assert found.peeled == git(bare, "rev-parse", "main")
    assert found.identity != found.peeled
