"""Repositories of the practice cloud's Azure DevOps: real git over HTTPS, and the REST that tells of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.devops.branch_policies import BranchPolicies
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.repositories import Repositories, cgi_variables, folder_size
from hol_wizard.practice.devops.versions import branch_heads
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Request, Router
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from tests.practice.conftest import user_token
from tests.practice.test_devops import DevOps, as_user
from tests.practice_cloud import PracticeCloud

WHO = {name: "Somebody" for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME")}
MAIL = {name: "somebody@practice.example" for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")}


def git(
    folder: Path, *words: str, cloud: PracticeCloud, token: str = "", authorization: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run git as somebody with this token, and nothing of this machine's settings."""
    more: Mapping[str, str] = {}
    if token or authorization:
        name = f"http.{cloud.endpoints['devops']}/.extraHeader"
        value = f"Authorization: {authorization or f'Bearer {token}'}"
        more = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": name, "GIT_CONFIG_VALUE_0": value}
    environment = {
        **{name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP") if name in os.environ},
        **WHO,
        **MAIL,
        **more,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_SSL_CAINFO": cloud.ca_file,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    return subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def devops(practice_cloud: PracticeCloud) -> DevOps:
    made = as_user(practice_cloud)
    made.make("lab")
    return made


def remote(cloud: PracticeCloud) -> str:
    return f"{cloud.endpoints['devops']}/practice/lab/_git/lab"


def commit(folder: Path, cloud: PracticeCloud, name: str = "one.txt", size: int = 10, content: bytes = b"") -> None:
    (folder / name).write_bytes(content or os.urandom(size))
    assert git(folder, "add", "--all", cloud=cloud).returncode == 0
    done = git(folder, "commit", "--quiet", "--message", name, cloud=cloud)
    assert done.returncode == 0, done.stderr


def test_the_remote_of_a_clone_says_what_it_is(practice_cloud: PracticeCloud, devops: DevOps) -> None:
    about = devops.http.get(f"{remote(practice_cloud)}/vsts/info", timeout=10).json()
    repository = devops.ask("GET", "/git/repositories/lab", organization="practice/lab").json()
    assert about["repository"]["id"] == repository["id"]
    assert about["repository"]["project"]["name"] == "lab"
    # The Azure CLI takes what stands before it for the organization.
    assert about["repository"]["url"].partition("/_apis/")[0] == about["serverUrl"]
    assert devops.http.get(about["repository"]["url"], timeout=10).json()["id"] == repository["id"]
    stranger = DevOps(practice_cloud).http.get(f"{remote(practice_cloud)}/vsts/info", timeout=10)
    assert stranger.status_code == 401


@pytest.mark.slow
def test_what_is_pushed_can_be_cloned_and_is_told_by_the_rest(
    practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path
) -> None:
    repository = "/git/repositories/lab"
    empty = devops.http.get(f"{practice_cloud.endpoints['devops']}/practice/lab/_apis{repository}?api-version=7.1")
    assert "defaultBranch" not in empty.json()
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    git(first, "init", "--quiet", "--initial-branch=master", cloud=practice_cloud)
    commit(first, practice_cloud)
    # Above a megabyte git sends it in chunks.
    commit(first, practice_cloud, "large.bin", 5_000_000)
    pushed = git(first, "push", remote(practice_cloud), "master", cloud=practice_cloud, token=devops.token)
    assert pushed.returncode == 0, pushed.stderr
    cloned = git(tmp_path, "clone", remote(practice_cloud), "second", cloud=practice_cloud, token=devops.token)
    assert cloned.returncode == 0, cloned.stderr
    assert (second / "large.bin").read_bytes() == (first / "large.bin").read_bytes()
    assert git(second, "fsck", "--strict", cloud=practice_cloud).returncode == 0

    def ask(path: str, **query: str) -> dict[str, object]:
        base = f"{practice_cloud.endpoints['devops']}/practice/lab/_apis{path}"
        found: dict[str, object] = devops.http.get(base, params={**query, "api-version": "7.1"}, timeout=10).json()
        return found

    told = ask(repository)
    assert told["defaultBranch"] == "refs/heads/master"
    assert int(str(told["size"])) > 5_000_000
    assert ask(f"{repository}/refs", filter="heads/")["count"] == 1
    items = ask(f"{repository}/items", recursionLevel="Full", scopePath="/")
    assert isinstance(items["value"], list)
    assert [each["path"] for each in items["value"]] == ["/", "/large.bin", "/one.txt"]


def test_who_has_pushed_before_is_not_overwritten(
    practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main", cloud=practice_cloud)
        commit(folder, practice_cloud, f"{name}.txt")
    one, two = (
        git(tmp_path / name, "push", remote(practice_cloud), "main", cloud=practice_cloud, token=devops.token)
        for name in ("first", "second")
    )
    assert one.returncode == 0
    assert two.returncode != 0
    assert "rejected" in two.stderr


def test_git_comes_in_only_with_a_good_token_of_somebody_in_the_project(
    practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path
) -> None:
    address = remote(practice_cloud)
    nobody = git(tmp_path, "ls-remote", address, cloud=practice_cloud)
    assert "could not read Username" in nobody.stderr
    wrong = git(tmp_path, "ls-remote", address, cloud=practice_cloud, token=user_token(practice_cloud))
    assert wrong.returncode != 0
    other = as_user(practice_cloud, seed.CONTRIBUTOR_USER.name)
    refused = git(tmp_path, "ls-remote", address, cloud=practice_cloud, token=other.token)
    assert "TF401019" in refused.stderr
    practice_cloud.control.expire_tokens("access")
    assert git(tmp_path, "ls-remote", address, cloud=practice_cloud, token=devops.token).returncode != 0


def test_a_repository_goes_with_its_project(practice_cloud: PracticeCloud, devops: DevOps, tmp_path: Path) -> None:
    project = devops.ask("GET", "/projects/lab").json()
    devops.wait(devops.ask("DELETE", f"/projects/{project['id']}"))
    gone = git(tmp_path, "ls-remote", remote(practice_cloud), cloud=practice_cloud, token=devops.token)
    assert "TF401019" in gone.stderr


def test_nobody_finds_half_of_a_repository(tmp_path: Path) -> None:
    """Requests that come at once for a new repository; then what a kill leaves."""
    project = {"id": "00000000-0000-0000-0000-000000000001", "first_branch": "main"}

    def started() -> tuple[World, Repositories]:
        world = World(Store(tmp_path / "cloud.sqlite"), Clock())
        made = Repositories(
            world, Router(), world.part(Projects), BranchPolicies(world, Router(), world.part(Projects))
        )
        world.start()
        return world, made

    world, repositories = started()

    async def ask() -> list[str]:
        path = await repositories.path(project)
        assert (path / "hooks" / "update").exists()
        assert "receivepack = true" in (path / "config").read_text(encoding="utf-8")
        return list(await branch_heads(path))

    async def ask_at_once() -> list[list[str]]:
        return await asyncio.gather(*(ask() for _ in range(8)))

    assert asyncio.run(ask_at_once()) == [["refs/heads/main"]] * 8
    kept = list((tmp_path / "git").iterdir())
    assert len(kept) == 1
    (tmp_path / "git" / "new-half" / "made").mkdir(parents=True)
    world.store.close()
    again, _ = started()
    again.store.close()
    assert list((tmp_path / "git").iterdir()) == kept


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a process group, to end what would loop for ever")
def test_git_ends_when_the_server_is_killed_in_the_middle_of_a_push(tmp_path: Path) -> None:
    for words in (("init", "--quiet", "--bare"), ("config", "http.receivepack", "true")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    kind = {"Content-Type": "application/x-git-receive-pack-request"}
    match = {"organization": "practice", "project": "lab", "repository": "lab"}
    place = "/practice/lab/_git/lab/git-receive-pack"
    pushed = Request("POST", place, {}, kind, b"0" * 1000, "", match, caller=seed.ATTENDEE)
    environment = {"PATH": os.environ["PATH"], **cgi_variables(pushed, tmp_path)}
    process = subprocess.Popen(
        ["git", "http-backend"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        # The pipe ends with the server, after a part of the request.
        answer, _ = process.communicate(pushed.content[:10], timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert b"x-git-receive-pack-result" in answer


def test_the_size_of_a_folder_is_told_while_things_in_it_vanish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").write_bytes(b"12345")
    # As a file that is removed between the listing and the question for its size.
    (tmp_path / "removed").symlink_to(tmp_path / "nothing")
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "object").write_bytes(b"123")
    list_folder, listed = os.scandir, []

    def remove_first(path: Path | str = ".") -> object:
        listed.append(Path(path))
        if Path(path) == folder:
            monkeypatch.undo()
            shutil.rmtree(folder)
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", remove_first)
    assert folder_size(tmp_path) == 5
    assert listed == [tmp_path, folder]
