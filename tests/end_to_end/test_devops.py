"""From an empty Azure DevOps organization to the attendee's branch in both places, by the command itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice import seed
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.end_to_end.test_foreign_clients import installed

SECTIONS = ("devops-project", "scientist-setup")

CLIENT = """
import json, os
from azure.devops.connection import Connection
from msrest.authentication import BasicAuthentication

clients = Connection(base_url=os.environ["URL"], creds=BasicAuthentication("", os.environ["PAT"])).clients_v7_1
git = clients.get_git_client()
projects = [each.name for each in clients.get_core_client().get_projects()]
repositories = {each.name: each.id for each in git.get_repositories("practice-hol")}
refs = [each.name for each in git.get_refs(repositories["practice-hol"], "practice-hol")]
print(json.dumps({"projects": projects, "repositories": list(repositories), "refs": refs}))
"""
"""Runs in an environment of its own, with Microsoft's client only."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("test_devops")]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    machine = Machine(tmp_path_factory.mktemp("devops") / "home")
    # A person's own home: their git identity, and where their clone is put by itself.
    person = machine.home.parent / "person"
    person.mkdir(parents=True)
    (person / ".gitconfig").write_text("[user]\n\tname = Alex Attendee\n\temail = attendee@practice.example\n", "utf-8")
    machine.more |= {"HOME": str(person), "USERPROFILE": str(person), "GIT_CONFIG_NOSYSTEM": "1"}
    with Ground.of(machine, speed=6000.0) as made:
        made.cloud.control.settings(user=seed.ATTENDEE.name)
        done = made.run("solve", *SECTIONS, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def git(folder: Path, *words: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def clone_of(ground: Ground) -> Path:
    (found,) = (Path(ground.machine.environment["HOME"]) / "hol-lab" / "practice").iterdir()
    return found


def report(ground: Ground, *words: str) -> dict[str, Any]:
    done = ground.run("--check", *words, "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_everything_is_green_and_nothing_is_left_to_do(ground: Ground) -> None:
    seen = report(ground, *SECTIONS)
    assert {each["status"] for each in seen["results"]} <= {"passed", "skipped"}
    again = ground.run("solve", *SECTIONS, "--yes")
    assert again.returncode == 0
    assert "Nothing to create or change." in again.stdout


def test_the_clone_is_a_plain_one_that_git_alone_can_use(ground: Ground) -> None:
    clone, environment = clone_of(ground), ground.machine.environment
    assert (clone / "Project_One" / "notebooks" / "train_model.py").is_file()
    assert (clone / "Project_One-Tests" / "test_model.py").is_file()
    branch = git(clone, "branch", "--show-current", environment=environment).strip()
    assert branch == "attendee"
    log = git(clone, "log", "--format=%s", environment=environment).split("\n")
    assert log[0] == "initial repo seed"
    # Plain git, with nothing but what the wizard wrote into the clone.
    (clone / "note.txt").write_text("by hand\n", encoding="utf-8")
    git(clone, "add", "note.txt", environment=environment)
    git(clone, "commit", "--message", "A note", environment=environment)
    git(clone, "push", environment=environment)
    config = (clone / ".git" / "config").read_text(encoding="utf-8")
    assert "Authorization" not in config
    assert "@" not in git(clone, "remote", "get-url", "origin", environment=environment)


def test_plain_git_clones_with_the_credential_helper(ground: Ground, tmp_path: Path) -> None:
    first = clone_of(ground)
    environment = ground.machine.environment
    remote = git(first, "remote", "get-url", "origin", environment=environment).strip()
    settings = [
        line.split("=", 1)
        for line in git(first, "config", "--local", "--list", environment=environment).splitlines()
        if line.startswith(("credential.", "http."))
    ]
    words = [word for name, value in settings for word in ("-c", f"{name}={value}")]
    git(tmp_path, *words, "clone", remote, "second", environment={**environment, "GIT_TERMINAL_PROMPT": "0"})
    assert (tmp_path / "second" / "README.md").is_file()


def test_the_official_client_sees_project_repository_and_branches(ground: Ground, tmp_path: Path) -> None:
    python = installed(tmp_path / "client", "azure-devops==7.1.0b4") / "python"
    made = ground.cloud.control.devops_token("practice", "vso.code vso.project", user=seed.ATTENDEE.name)
    program = tmp_path / "ask.py"
    program.write_text(CLIENT, encoding="utf-8")
    more = {
        "PAT": str(made["token"]),
        "URL": f"{ground.cloud.endpoints['devops']}/practice",
        "REQUESTS_CA_BUNDLE": str(ground.cloud.endpoints["bundle_file"]),
        "AZURE_DEVOPS_CACHE_DIR": str(tmp_path / "cache"),
    }
    asked = [str(python), str(program)]
    done = subprocess.run(asked, env={**os.environ, **more}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "practice-hol" in seen["projects"]
    assert "practice-hol" in seen["repositories"]
    assert {"refs/heads/main", "refs/heads/attendee"} <= set(seen["refs"])


def test_a_second_attendee_joins_the_same_project(ground: Ground, tmp_path: Path) -> None:
    invited = ground.run("solve", "devops-project", "--devops-users", seed.CONTRIBUTOR_USER.name, "--yes")
    assert invited.returncode == 0, invited.stdout + invited.stderr
    ground.cloud.control.settings(user=seed.CONTRIBUTOR_USER.name)
    folder = str(tmp_path / "second")
    words = ("--profile", "cleo", "--alias", "cleo", "--clone-folder", folder)
    ground.run("solve", "set-up", *words, "--yes")
    done = ground.run("solve", "scientist-setup/create-your-branch", *words, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    branch = git(Path(folder), "branch", "--show-current", environment=ground.machine.environment)
    assert branch.strip() == "cleo"
    branches = git(Path(folder), "ls-remote", "--heads", "origin", environment=ground.machine.environment)
    assert {line.rpartition("/")[2] for line in branches.splitlines()} == {"main", "attendee", "cleo"}
