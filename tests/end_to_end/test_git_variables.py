"""A person's own git variables, settings and hooks, while the wizard seeds, clones, pushes and removes a branch."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard.practice import seed
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="the hooks are shell scripts"),
]
BRANCH = "scientist-setup/create-your-branch"
SECTIONS = ("devops-project", "scientist-setup")
HOOKS = (
    *("post-checkout", "pre-push", "reference-transaction", "pre-commit", "commit-msg", "prepare-commit-msg"),
    *("post-commit", "post-index-change", "post-merge", "pre-auto-gc", "fsmonitor-watchman"),
)
CANARY = "canary-5d1f-of-another-program"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    machine = Machine(tmp_path / "machine")
    person = tmp_path / "person"
    person.mkdir()
    (person / ".gitconfig").write_text(
        "[user]\n\tname = Alex Attendee\n\temail = attendee@practice.example\n[init]\n\tdefaultBranch = main\n", "utf-8"
    )
    machine.more |= {"HOME": str(person), "USERPROFILE": str(person), "GIT_CONFIG_NOSYSTEM": "1"}
    machine.more |= {"GIT_CONFIG_GLOBAL": str(person / ".gitconfig")}
    with Ground.of(machine, speed=6000.0) as made:
        made.cloud.control.settings(user=seed.ATTENDEE.name)
        yield made


@pytest.fixture
def home(ground: Ground) -> Path:
    return Path(ground.machine.more["HOME"])


@pytest.fixture
def private(home: Path) -> Path:
    """A repository of the person's own, with a commit and something staged; never to be touched."""
    folder = home / "private"
    folder.mkdir()
    plain("init", "--quiet", folder=folder)
    (folder / "diary.txt").write_text("dear diary\n", "utf-8")
    plain("add", "diary.txt", folder=folder)
    plain("commit", "--quiet", "--message", "private history", folder=folder)
    (folder / "staged.txt").write_text("staged\n", "utf-8")
    plain("add", "staged.txt", folder=folder)
    return folder


def plain(*words: str, folder: Path) -> str:
    """Run git as the person does, without any variable that says where."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {"GIT_AUTHOR_NAME": "P", "GIT_COMMITTER_NAME": "P", "GIT_AUTHOR_EMAIL": "p@p", "GIT_COMMITTER_EMAIL": "p@p"}
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**kept, **who}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def everything_in(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pushed(ground: Ground) -> set[str]:
    """Return the subjects of all commits that the practice cloud's repositories hold, on any reference."""
    found: set[str] = set()
    for repository in (ground.cloud.state / "git").glob("*.git"):
        found |= set(plain("--git-dir", str(repository), "log", "--format=%s", "--all", folder=repository).splitlines())
    return found


def settings(folder: Path, **more: str) -> dict[str, str]:
    """Return every variable by which git can be sent to a repository of the person's."""
    told = {
        "GIT_DIR": str(folder / ".git"),
        "GIT_WORK_TREE": str(folder),
        "GIT_INDEX_FILE": str(folder / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(folder / ".git" / "objects"),
        "GIT_COMMON_DIR": str(folder / ".git"),
        "GIT_CONFIG": str(folder / ".git" / "config"),
        "GIT_NAMESPACE": "private",
        "GIT_PREFIX": "private/",
        "GIT_CONFIG_PARAMETERS": "'core.worktree=" + str(folder) + "'",
        "GIT_CONFIG_COUNT": "not a number",
    }
    return {name: told[name] for name in more} if more else told


EACH = ("GIT_DIR", "all")
"""One that alone sends git elsewhere, and all at once; `tests/unit/test_variables.py` has each that git names."""


@pytest.mark.parametrize("which", EACH)
def test_a_repository_of_the_persons_own_is_neither_touched_nor_published(
    which: str, ground: Ground, home: Path, private: Path
) -> None:
    told = settings(private) if which == "all" else settings(private, **{which: ""})
    before = everything_in(private)
    ground.machine.more |= told
    done = ground.run("solve", "devops-project", BRANCH, "--yes")
    assert everything_in(private) == before
    assert done.returncode == 0, done.stdout + done.stderr
    assert pushed(ground) == {"initial repo seed"}
    (clone,) = (home / "hol-lab" / "practice").iterdir()
    assert plain("branch", "--show-current", folder=clone).strip() == "attendee"
    assert plain("status", "--porcelain", folder=clone) == ""
    assert ground.run("--check", "tools", "devops-project", BRANCH).returncode == 0
    done = ground.run("do", BRANCH, "pull")
    assert done.returncode == 0, done.stdout + done.stderr
    done = ground.run("teardown", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert everything_in(private) == before


def write_hooks(folder: Path, told: Path) -> None:
    """Write hooks that note that they ran, and with which environment and arguments."""
    folder.mkdir(parents=True)
    for name in HOOKS:
        hook = folder / name
        hook.write_text(
            f"#!/bin/sh\n{{ echo 'hook {name}' in $(pwd); cat /proc/self/environ | tr '\\0' '\\n'; }} >> '{told}'\n"
            "exit 0\n",
            "utf-8",
        )
        hook.chmod(0o755)


def test_hooks_and_filters_of_the_person_find_no_secret(ground: Ground, home: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.txt"
    write_hooks(tmp_path / "hooks", told)
    # A filter for every file, by attributes of the person's own.
    (home / "attributes").write_text("* filter=noting\n", "utf-8")
    noting = f"{{ echo filter in $(pwd); cat /proc/$$/environ | tr '\\\\0' '\\\\n'; }} >> '{told}'; cat"
    with (home / ".gitconfig").open("a", encoding="utf-8") as config:
        config.write(f"[core]\n\thooksPath = {tmp_path / 'hooks'}\n\tattributesFile = {home / 'attributes'}\n")
        config.write(f'[filter "noting"]\n\tclean = "{noting}"\n\tsmudge = "{noting}"\n')
        # Its own way to sign in, and its own name for a remote, are none of ours.
        config.write("[clone]\n\tdefaultRemoteName = upstream\n[credential]\n\thelper = !exit 1\n")
        config.write('[push]\n\tgpgSign = true\n[url "ssh://git@nowhere.invalid/"]\n\tinsteadOf = https://\n')
    token = str(ground.cloud.control.devops_token("practice", "app_token", user=seed.ATTENDEE.name)["token"])
    ground.machine.more |= {name: f"{CANARY}-{name}" for name in SECRETS}
    ground.machine.more |= {"HOL_WIZARD_DEVOPS_TOKEN": token}
    words = ("--devops-sign-in", "token")
    done = ground.run("solve", "devops-project", BRANCH, *words, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    (clone,) = (home / "hol-lab" / "practice").iterdir()
    note = clone / "note.txt"
    note.write_text("by hand\n", "utf-8")
    plain("add", "note.txt", folder=clone)
    plain("commit", "--quiet", "--no-verify", "--message", "A note", folder=clone)
    done = ground.run("do", BRANCH, "push", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert pushed(ground) == {"initial repo seed", "A note"}
    seen = told.read_text("utf-8", "replace")
    # They are the person's, and run in the person's clone; in what the wizard makes for itself none does.
    assert f"hook pre-push in {clone}" in seen
    assert f"hook reference-transaction in {clone}" in seen or f"hook reference-transaction in {clone}/.git" in seen
    assert "hook post-checkout in" in seen
    assert "filter in" in seen
    places = {line.partition(" in ")[2] for line in seen.splitlines() if line.startswith(("hook ", "filter in"))}
    assert {place for place in places if "/hol-lab/practice" not in place} == set()
    assert token not in seen
    assert CANARY not in seen
    assert "Authorization" not in seen


SECRETS = (
    *("ARM_CLIENT_SECRET", "GITHUB_TOKEN", "GH_TOKEN", "DB_PASSWORD", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"),
    *("SYSTEM_ACCESSTOKEN", "NPM_CONFIG__AUTH", "DOCKER_AUTH_CONFIG", "OPENAI_API_KEY", "ANYTHING_AT_ALL"),
    *("GIT_CONFIG_VALUE_0", "GIT_HTTP_EXTRAHEADER", "DATABRICKS_TOKEN", "KUBECONFIG_DATA", "HOL_WIZARD_CANARY_TOKEN"),
)
"""Variables with something of other programs, by names that tell it and by names that do not."""
