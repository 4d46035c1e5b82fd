"""The lab's repository is initialized and seeded, over the practice cloud's Azure DevOps and real git."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.steps.repository import starter_files
from tests.practice.test_devops import DevOps, as_user
from tests.practice.test_devops_git import commit, git
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee
from tests.steps.test_devops_project import NAME, attendee

__all__ = ["attendee"]
INITIALIZE = "devops-project/initialize-the-repository"
SEED = "devops-project/seed-the-repository"
PUSH = "git-receive-pack$"


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """As whom git commits here; the section tools looks at it."""
    for name, value in {"NAME": "Alex Attendee", "EMAIL": "attendee@practice.example"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)


class Clone:
    """The repository, as somebody with plain git sees it."""

    def __init__(self, cloud: PracticeCloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.devops: DevOps = as_user(cloud)
        self.remote = f"{cloud.endpoints['devops']}/practice/{NAME}/_git/{NAME}"
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", self.remote)

    def git(self, *words: str) -> str:
        done = git(self.folder, *words, cloud=self.cloud, token=self.devops.token)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def push(self, name: str, branch: str = "main") -> None:
        commit(self.folder, self.cloud, name)
        self.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")

    def log(self, branch: str = "main") -> list[str]:
        self.git("fetch", "--quiet", "origin", branch)
        return self.git("log", "--format=%s", "FETCH_HEAD").splitlines()

    def files(self, branch: str = "main") -> dict[str, str]:
        self.git("fetch", "--quiet", "origin", branch)
        lines = self.git("ls-tree", "-r", "FETCH_HEAD").splitlines()
        return {line.partition("\t")[2]: line.split(" ")[0] for line in lines}


@pytest.fixture
def ready(attendee: Attendee) -> Attendee:
    """Somebody with a project, and an empty repository in it."""
    seen = attendee.solve("devops-project/create-the-project")
    assert seen.all_passed()
    return attendee


@pytest.fixture
def clone(ready: Attendee, practice_cloud: PracticeCloud, tmp_path: Path) -> Clone:
    del ready
    return Clone(practice_cloud, tmp_path / "clone")


def test_the_first_commit_has_the_labs_layout(ready: Attendee, clone: Clone) -> None:
    assert ready.look(INITIALIZE).status is Status.FAILED
    assert ready.look(SEED).status is Status.BLOCKED
    (change,) = ready.plan(INITIALIZE)[INITIALIZE]
    assert (change.verb, change.where) == ("create", "main")
    for _ in range(2):
        seen = ready.solve(SEED)
        assert seen.results[INITIALIZE].passed
        assert seen.results[SEED].passed
    assert clone.log() == ["initial repo seed"]
    found = clone.files()
    assert found.keys() == starter_files().keys()
    assert {path for path, mode in found.items() if mode == "100755"} == {
        path for path in found if path.endswith(".sh")
    }
    assert "Project_One/notebooks/train_model.py" in found


def test_after_the_button_in_the_browser_the_starter_comes_on_top(ready: Attendee, clone: Clone) -> None:
    clone.push("README.md")
    assert ready.look(INITIALIZE).passed
    looked = ready.look(SEED)
    assert looked.status is Status.FAILED
    assert "not in the repository yet" in looked.summary
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log() == ["initial repo seed", "README.md"]
    clone.git("checkout", "--quiet", "--force", "FETCH_HEAD")
    assert (clone.folder / "README.md").read_bytes() == starter_files()["README.md"].content


def test_a_repository_with_somebody_elses_work_is_never_touched(ready: Attendee, clone: Clone) -> None:
    clone.push("their-work.py")
    looked = ready.look(SEED)
    assert looked.status is Status.FAILED
    assert "their-work.py" in looked.summary
    (change,) = ready.plan(SEED)[SEED]
    assert change.verb == "conflict"
    assert ready.solve(SEED).results[SEED].status is Status.FAILED
    assert clone.log() == ["their-work.py"]


def test_what_the_class_has_changed_stays_and_only_what_is_missing_comes_back(ready: Attendee, clone: Clone) -> None:
    assert ready.solve(SEED).results[SEED].passed
    clone.git("fetch", "--quiet", "origin", "main")
    clone.git("checkout", "--quiet", "--force", "-B", "main", "FETCH_HEAD")
    (clone.folder / "Project_One" / "score.py").write_text("mine\n", encoding="utf-8")
    (clone.folder / "azure-pipelines.yml").unlink()
    clone.push("note.txt")
    looked = ready.look(SEED)
    assert looked.status is Status.FAILED
    assert [each.what for each in looked.expectations if not each.met] == ["azure-pipelines.yml"]
    assert ready.solve(SEED).results[SEED].passed
    clone.git("fetch", "--quiet", "origin", "main")
    assert clone.git("show", "FETCH_HEAD:Project_One/score.py") == "mine\n"
    assert "azure-pipelines.yml" in clone.files()


def test_the_branch_is_called_as_the_repository_has_it(ready: Attendee, clone: Clone) -> None:
    clone.push("README.md", "master")
    seen = ready.look(INITIALIZE)
    assert seen.summary == "The repository's default branch is master. Where this lab says main, it is that one."
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log("master")[0] == "initial repo seed"


def test_an_empty_repositorys_branch_is_called_as_the_organizations_others(
    ready: Attendee, clone: Clone, practice_cloud: PracticeCloud
) -> None:
    clone.devops.make("other")
    clone.git("remote", "set-url", "origin", clone.remote.replace(NAME, "other"))
    clone.push("README.md", "master")
    (change,) = ready.plan(INITIALIZE)[INITIALIZE]
    assert change.where == "master"
    assert ready.solve(SEED).results[INITIALIZE].summary.startswith("The repository's default branch is master.")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "does not take this sign-in for git"), (403, "You may not write"), (503, "git push failed")],
)
def test_a_refused_push_is_explained_and_changes_nothing(
    ready: Attendee, clone: Clone, practice_cloud: PracticeCloud, status: int, words: str
) -> None:
    practice_cloud.control.fault("error", service="devops", method="POST", path=PUSH, status=status, code="Refused")
    seen = ready.solve(SEED).results[INITIALIZE]
    assert seen.status in {Status.FAILED, Status.UNKNOWN}
    assert words in seen.summary
    practice_cloud.control.clear_faults()
    assert clone.git("ls-remote", "origin") == ""
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log() == ["initial repo seed"]


def test_a_push_whose_answer_is_lost_is_not_made_twice(
    ready: Attendee, clone: Clone, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.control.fault("drop", service="devops", method="POST", path=PUSH, after=True, times=1)
    ready.solve(SEED)
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log() == ["initial repo seed"]


def test_the_token_stands_in_no_argument_and_in_no_file(
    ready: Attendee, clone: Clone, practice_cloud: PracticeCloud, tmp_path: Path
) -> None:
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for each in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(each.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue

    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system does not show the arguments of processes")
    practice_cloud.control.fault("slow", service="devops", path=PUSH, seconds=0.5)
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        assert ready.solve(SEED).results[SEED].passed
    finally:
        over.set()
        thread.join()
    pushes = [each for each in seen if "git push" in each or "remote-https" in each]
    assert pushes
    assert not [each for each in pushes if "Bearer" in each or "eyJ" in each]
    ledger = json.dumps(ready.ledger())
    assert "Bearer" not in ledger
    assert "GIT_CONFIG_VALUE_0" not in os.environ
