"""The lab's repository is initialized and seeded, over the practice cloud's Azure DevOps and real git."""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.registry import UNDOS
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import UnreachableError
from hol_wizard.headless import git_credential
from hol_wizard.lab.names import Names
from hol_wizard.resources import local_clone
from hol_wizard.resources.starter_project import starter_files, starter_paths
from hol_wizard.services.git import clone as git_clone
from hol_wizard.services.git.remote import GitRemote
from hol_wizard.services.secrets import Secret
from hol_wizard.steps import repository
from tests.connect_proxy import proxy_to
from tests.practice.test_devops import DevOps, as_user
from tests.practice.test_devops_git import commit, git
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee, drain
from tests.steps.databricks import context_of
from tests.steps.test_devops_project import NAME, NOBODY, USERS, attendee

__all__ = ["attendee"]
INITIALIZE = "devops-project/initialize-the-repository"
SEED = "devops-project/seed-the-repository"
PUSH = "git-receive-pack$"
OURS = starter_files(Names(prefix="jane"))


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

    @classmethod
    def of_main(cls, cloud: PracticeCloud, folder: Path) -> Clone:
        """Return one that has what is on the default branch."""
        made = cls(cloud, folder)
        made.pull()
        return made

    def pull(self) -> None:
        self.git("pull", "--quiet", "origin", "main")

    def git(self, *words: str) -> str:
        done = git(self.folder, *words, cloud=self.cloud, token=self.devops.token)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def push(self, name: str, branch: str = "main", content: str = "") -> None:
        commit(self.folder, self.cloud, name, content=content.encode())
        self.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")

    def log(self, branch: str = "main") -> list[str]:
        self.git("fetch", "--quiet", "origin", branch)
        return self.git("log", "--format=%s", "FETCH_HEAD").splitlines()

    def files(self, branch: str = "main") -> dict[str, str]:
        self.git("fetch", "--quiet", "origin", branch)
        lines = self.git("ls-tree", "-r", "FETCH_HEAD").splitlines()
        return {line.partition("\t")[2]: line.split(" ")[0] for line in lines}


@pytest.fixture
def ready(attendee: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody with a project, and an empty repository in it."""

    def make() -> None:
        assert attendee.solve("devops-project/create-the-project").all_passed()

    snapshots.prepare("ready", practice_cloud, attendee.root, make)
    return attendee


@pytest.fixture
def clone(ready: Attendee, practice_cloud: PracticeCloud, tmp_path: Path) -> Clone:
    del ready
    return Clone(practice_cloud, tmp_path / "clone")


@pytest.mark.slow
def test_the_first_commit_has_the_labs_layout(ready: Attendee, clone: Clone) -> None:
    assert ready.look(INITIALIZE).status is Status.FAILED
    assert ready.look(SEED).status is Status.BLOCKED
    (change,) = ready.plan(INITIALIZE)[INITIALIZE]
    assert (change.verb, change.where) == ("create", "main")
    # One commit does for both steps, and is told once.
    planned = ready.plan(SEED)
    assert [planned.get(INITIALIZE, []), planned.get(SEED, [])] == [[change], []]
    for _ in range(2):
        seen = ready.solve(SEED)
        assert seen.results[INITIALIZE].passed
        assert seen.results[SEED].passed
    assert clone.log() == ["initial repo seed"]
    found = clone.files()
    assert found.keys() == starter_paths()
    assert {path for path, mode in found.items() if mode == "100755"} == {
        path for path in found if path.endswith(".sh")
    }
    assert "Project_One/notebooks/train_model.py" in found


@pytest.mark.slow
def test_after_the_button_in_the_browser_the_starter_comes_on_top(ready: Attendee, clone: Clone) -> None:
    # The README of Azure DevOps, and a .gitignore that was chosen with it.
    template = "# Introduction \nTODO: Give a short introduction of your project. Let this section explain it.\n"
    clone.push("README.md", content=template)
    clone.push(".gitignore", content="*.swp\n")
    assert ready.look(INITIALIZE).passed
    looked = ready.look(SEED)
    assert looked.status is Status.FAILED
    assert "not in the repository yet" in looked.summary
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log() == ["initial repo seed", ".gitignore", "README.md"]
    clone.git("checkout", "--quiet", "--force", "FETCH_HEAD")
    assert (clone.folder / "README.md").read_bytes() == OURS["README.md"].content
    assert (clone.folder / ".gitignore").read_bytes() == b"*.swp\n\n" + OURS[".gitignore"].content


@pytest.mark.slow
def test_a_readme_of_somebodys_own_stays(ready: Attendee, clone: Clone) -> None:
    clone.push("README.md", content="# Ours\n")
    assert ready.solve(SEED).results[SEED].passed
    clone.git("fetch", "--quiet", "origin", "main")
    assert clone.git("show", "FETCH_HEAD:README.md") == "# Ours\n"
    assert "Project_One/score.py" in clone.files()


@pytest.mark.slow
def test_a_link_in_the_repository_leads_nowhere(ready: Attendee, clone: Clone, tmp_path: Path) -> None:
    """The repository is open to others: what they push must not have the wizard write outside of it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "score.py").write_text("mine\n", encoding="utf-8")
    (clone.folder / "Project_One").symlink_to(outside, target_is_directory=True)
    clone.push("Project_One-Tests.txt", content="x")
    seen = ready.solve(SEED)
    assert seen.results[SEED].passed, seen.results
    assert {path.name: path.read_text("utf-8") for path in outside.iterdir()} == {"score.py": "mine\n"}
    assert clone.files().keys() >= starter_paths()


@pytest.mark.slow
def test_what_is_pushed_while_the_wizard_seeds_is_not_written_over(
    ready: Attendee, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.push("README.md", content="# Ours\n")
    person = repository._person

    def in_between(*words: Any) -> Any:
        monkeypatch.setattr(repository, "_person", person)
        (clone.folder / "Project_One").mkdir()
        clone.push("Project_One/score.py", content="theirs\n")
        return person(*words)

    monkeypatch.setattr(repository, "_person", in_between)
    assert ready.solve(SEED).results[SEED].passed
    clone.git("fetch", "--quiet", "origin", "main")
    assert clone.git("show", "FETCH_HEAD:Project_One/score.py") == "theirs\n"


@pytest.mark.slow
def test_two_who_seed_at_once_make_one_commit(ready: Attendee, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.push("README.md", content="# Ours\n")
    person = repository._person

    def in_between(context: Any, here: Any) -> Any:
        monkeypatch.setattr(repository, "_person", person)
        repository._seed(context)
        return person(context, here)

    monkeypatch.setattr(repository, "_person", in_between)
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log() == ["initial repo seed", "README.md"]


@pytest.mark.slow
def test_a_repository_with_somebody_elses_work_is_never_touched(ready: Attendee, clone: Clone) -> None:
    clone.push("their-work.py")
    looked = ready.look(SEED)
    assert looked.status is Status.FAILED
    assert "their-work.py" in looked.summary
    (change,) = ready.plan(SEED)[SEED]
    assert change.verb == "conflict"
    assert ready.solve(SEED).results[SEED].status is Status.FAILED
    assert clone.log() == ["their-work.py"]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_pipelines_have_the_readers_names_and_a_wrong_one_is_found(ready: Attendee, clone: Clone) -> None:
    """A release that is to follow a pipeline of another name never starts, and nothing says so."""
    clone.push("README.md", "trunk")
    assert ready.solve(SEED).results[SEED].passed
    clone.git("fetch", "--quiet", "origin", "trunk")
    clone.git("checkout", "--quiet", "--force", "-B", "trunk", "FETCH_HEAD")
    release = clone.folder / "azure-pipelines-release.yml"
    text = release.read_text(encoding="utf-8")
    assert "    source: practice-build\n" in text
    assert "        - trunk\n" in text
    assert "- group: hol-pipeline-kv\n" in (clone.folder / "azure-pipelines.yml").read_text(encoding="utf-8")
    release.write_text(text.replace("source: practice-build", "source: 'hol-build'  # ours"), encoding="utf-8")
    clone.push("note.txt", "trunk")
    looked = ready.look(SEED)
    assert looked.status is Status.FAILED
    assert "names hol-build as the build pipeline; yours is practice-build" in looked.summary
    assert "Write `source: practice-build`" in (looked.next_action or "")
    assert [(each.what, each.actual) for each in looked.expectations if not each.met] == [
        ("Build pipeline in azure-pipelines-release.yml", "hol-build")
    ]


@pytest.mark.slow
def test_the_branch_is_called_as_the_repository_has_it(ready: Attendee, clone: Clone) -> None:
    clone.push("README.md", "master")
    seen = ready.look(INITIALIZE)
    assert seen.summary == "The repository's default branch is master."
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log("master")[0] == "initial repo seed"
    assert ready.wizard().names.default_branch == "master"


@pytest.mark.slow
def test_an_empty_repositorys_branch_is_called_as_the_organizations_others(
    ready: Attendee, clone: Clone, practice_cloud: PracticeCloud
) -> None:
    clone.devops.make("other")
    clone.git("remote", "set-url", "origin", clone.remote.replace(NAME, "other"))
    clone.push("README.md", "master")
    (change,) = ready.plan(INITIALIZE)[INITIALIZE]
    assert change.where == "master"
    assert ready.solve(SEED).results[INITIALIZE].summary.startswith("The repository's default branch is master.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not accept this sign-in for git"),
        (403, "does not allow your account to do this"),
        (503, "ended before git was done"),
    ],
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


@pytest.mark.slow
def test_a_push_whose_answer_is_lost_is_not_made_twice(
    ready: Attendee, clone: Clone, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.control.fault("drop", service="devops", method="POST", path=PUSH, after=True, times=1)
    ready.solve(SEED)
    assert ready.solve(SEED).results[SEED].passed
    assert clone.log() == ["initial repo seed"]


@pytest.mark.slow
def test_of_two_profiles_at_the_same_time_one_pushes_the_first_commit(
    ready: Attendee, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Attendee(ready.root, ready.endpoints_file, profile="other", defaults=ready.defaults)
    assert other.solve("devops-project/create-the-project").results["devops-project/create-the-project"].passed
    # Both have seen an empty repository before either pushes.
    both, send, arrived = threading.Barrier(2), GitRemote.push, itertools.count()

    def together(self: GitRemote, *arguments: Any, **more: Any) -> str:
        if next(arrived) < 2:
            both.wait(60)
        return send(self, *arguments, **more)

    monkeypatch.setattr(GitRemote, "push", together)
    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(lambda each: each.solve(INITIALIZE).results[INITIALIZE], (ready, other)))
    assert all(each.passed for each in seen), seen
    assert clone.log() == ["initial repo seed"]


@pytest.mark.slow
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


# The reader's own branch

MINE = "scientist-setup/create-your-branch"


@pytest.fixture
def seeded(ready: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots, tmp_path: Path) -> Attendee:
    """Somebody with a seeded repository, and a folder for a clone."""

    def make() -> None:
        assert ready.solve(SEED).results[SEED].passed

    snapshots.prepare("seeded", practice_cloud, ready.root, make)
    ready.flags = {"clone_folder": str(tmp_path / "work" / NAME)}
    return ready


def folder_of(somebody: Attendee) -> Path:
    return Path(str(somebody.flags["clone_folder"]))


@pytest.mark.slow
def test_the_branch_is_made_in_both_places_once(seeded: Attendee, clone: Clone) -> None:
    assert [change.verb for change in seeded.plan(MINE)[MINE]] == ["create", "create"]
    for _ in range(2):
        assert seeded.solve(MINE).results[MINE].passed
    assert "refs/heads/attendee" in clone.git("ls-remote", "origin")
    mine = folder_of(seeded)
    assert git(mine, "branch", "--show-current", cloud=clone.cloud).stdout.strip() == "attendee"
    config = (mine / ".git" / "config").read_text(encoding="utf-8")
    assert "git-credential" in config
    assert "Bearer" not in config
    assert "extraHeader" not in config


@pytest.mark.slow
def test_a_branch_with_work_of_the_readers_stays_however_it_was_pushed(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    assert seeded.teardown("scientist-setup").all_passed()
    mine = folder_of(seeded)
    # By hand, before the wizard pushes the branch anew.
    commit(mine, clone.cloud, "work.txt")
    assert seeded.solve(MINE).results[MINE].passed
    (change,) = [each for each in seeded.plan_teardown("scientist-setup")[MINE] if each.kind == "Branch"]
    assert (change.verb, change.note) == ("leave", "it has commits of yours: left in place")
    seeded.teardown("scientist-setup")
    assert "refs/heads/attendee" in clone.git("ls-remote", "origin")


@pytest.mark.slow
def test_what_is_pushed_while_the_branch_goes_keeps_it(
    seeded: Attendee, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    delete = GitRemote.delete_branch

    def in_between(self: GitRemote, branch: str, at: str) -> None:
        clone.git("fetch", "--quiet", "origin", "attendee")
        clone.git("checkout", "--quiet", "--force", "-B", "attendee", "FETCH_HEAD")
        clone.push("late.txt", "attendee")
        delete(self, branch, at)

    monkeypatch.setattr(GitRemote, "delete_branch", in_between)
    assert seeded.teardown("scientist-setup").results[MINE].status is Status.FAILED
    assert "refs/heads/attendee" in clone.git("ls-remote", "origin")


@pytest.mark.slow
def test_an_invitee_who_is_refused_keeps_nobody_from_their_own_branch(seeded: Attendee) -> None:
    refused = seeded.solve(USERS, inputs={"devops_users": NOBODY})
    assert refused.statuses[USERS] is Status.FAILED
    assert seeded.solve(MINE).all_passed()
    assert seeded.look(MINE).passed


@pytest.mark.slow
def test_branches_below_the_readers_name_are_others(seeded: Attendee, clone: Clone) -> None:
    clone.git("fetch", "--quiet", "origin", "main")
    clone.git("checkout", "--quiet", "--force", "-B", "main", "FETCH_HEAD")
    mine = git_clone.Clone(clone.folder, GitRemote(clone.remote, lambda: Secret("")))
    clone.git("branch", "attendee/one")
    assert not mine._has("refs/heads/attendee")
    assert mine._has("refs/heads/attendee/one")
    (clone.folder / "größe.txt").write_text("x", encoding="utf-8")
    assert mine.state().untracked == ("größe.txt",)


@pytest.mark.slow
def test_how_the_work_tree_stands_is_told_in_plain_words(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    mine = folder_of(seeded)
    (mine / "new.txt").write_text("new", encoding="utf-8")
    (mine / "README.md").write_text("mine", encoding="utf-8")
    looked = seeded.look(MINE)
    assert looked.passed
    assert "1 file changed and not committed, 1 new file that git does not track" in looked.summary
    commit(mine, clone.cloud, "work.txt")
    assert "1 commit not pushed" in seeded.look(MINE).summary
    git(mine, "switch", "--quiet", "--detach", cloud=clone.cloud)
    detached = seeded.look(MINE)
    assert detached.status is Status.FAILED
    assert "no branch (detached)" in {each.actual for each in detached.expectations}
    (mine / ".git" / "MERGE_HEAD").write_text("0" * 40, encoding="utf-8")
    assert "a merge is in progress" in seeded.look(MINE).summary


@pytest.mark.slow
def test_another_git_in_the_clone_is_waited_for_and_one_that_was_killed_is_told(
    seeded: Attendee, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    mine = folder_of(seeded)
    git(mine, "switch", "--quiet", "main", cloud=clone.cloud)
    lock = mine / ".git" / "config.lock"
    lock.touch()
    monkeypatch.setattr("hol_wizard.services.git.remote.BUSY_WAITS", (0.3,) * 10)
    threading.Timer(0.2, lock.unlink).start()
    assert seeded.solve(MINE).results[MINE].passed
    git(mine, "switch", "--quiet", "main", cloud=clone.cloud)
    (mine / ".git" / "index.lock").touch()
    monkeypatch.setattr("hol_wizard.services.git.remote.BUSY_WAITS", (0.01,))
    seen = seeded.solve(MINE).results[MINE]
    assert "Another git is running in your clone" in seen.summary
    assert "index.lock" in seen.summary + seen.detail
    assert "delete the file" in seen.next_action


@pytest.mark.slow
def test_a_clone_that_was_never_ended_is_told(seeded: Attendee, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = folder_of(seeded)
    mine.mkdir(parents=True)
    git(mine, "init", "--quiet", cloud=clone.cloud)
    git(mine, "remote", "add", "origin", clone.remote, cloud=clone.cloud)
    monkeypatch.setattr(local_clone, "CLONING_ENDS", 0.3)
    seen = seeded.solve(MINE).results[MINE]
    assert seen.status is Status.FAILED
    assert "is incomplete" in seen.summary
    assert "--clone-folder" in seen.next_action


@pytest.mark.slow
def test_changes_that_are_not_committed_are_never_switched_over(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    mine = folder_of(seeded)
    git(mine, "switch", "--quiet", "main", cloud=clone.cloud)
    (mine / "README.md").write_text("not committed", encoding="utf-8")
    seen = seeded.solve(MINE).results[MINE]
    assert seen.status is Status.FAILED
    assert "changed and not committed" in seen.summary
    assert "git stash" in seen.next_action
    assert (mine / "README.md").read_text(encoding="utf-8") == "not committed"


@pytest.mark.slow
def test_a_clone_of_a_project_that_was_made_anew_is_set_aside_with_all_that_is_in_it(
    seeded: Attendee, clone: Clone
) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    mine = folder_of(seeded)
    (mine / "diary.txt").write_text("dear", encoding="utf-8")
    before = git(mine, "rev-parse", "HEAD", cloud=clone.cloud).stdout
    assert seeded.teardown("devops-project").all_passed()
    assert seeded.solve(SEED).results[SEED].passed
    looked = seeded.look(MINE)
    assert looked.status is Status.FAILED
    assert looked.summary == f"{mine} is a clone of an earlier repository of this name."
    planned = seeded.plan(MINE)[MINE]
    assert [(each.verb, each.kind) for each in planned] == [
        ("change", "Clone"),
        ("create", "Branch"),
    ]
    assert f"renamed to {NAME}-1" in planned[0].note
    for _ in range(2):
        assert seeded.solve(MINE).results[MINE].passed
    aside = mine.with_name(f"{NAME}-1")
    assert (aside / "diary.txt").read_text(encoding="utf-8") == "dear"
    assert git(aside, "rev-parse", "HEAD", cloud=clone.cloud).stdout == before
    assert git(mine, "merge-base", "HEAD", "origin/main", cloud=clone.cloud).stdout.strip()
    assert sorted(each.name for each in mine.parent.iterdir()) == [NAME, f"{NAME}-1"]


@pytest.mark.slow
def test_a_clone_by_hand_of_a_project_that_was_made_anew_is_left_alone(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    mine = folder_of(seeded)
    git(mine, "config", "--unset", "hol-wizard.repository", cloud=clone.cloud)
    assert seeded.solve(MINE).results[MINE].passed
    assert seeded.teardown("devops-project").all_passed()
    git(mine, "config", "--unset", "hol-wizard.repository", cloud=clone.cloud)
    seen = seeded.solve(MINE).results[MINE]
    assert seen.status is Status.FAILED
    assert "no common history with main" in seen.summary
    assert "--clone-folder" in seen.next_action
    assert "attendee" not in git(mine, "ls-remote", "--heads", "origin", cloud=clone.cloud).stdout


@pytest.mark.slow
def test_a_clone_by_hand_is_taken_up_by_plan_and_keeps_its_own_helper(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    mine = folder_of(seeded)
    host = clone.cloud.endpoints["devops"]
    name = f"credential.{host}.helper"
    for helpers in (["store --file=mine"], ["", "/usr/bin/git-credential-manager"]):
        git(mine, "config", "--unset", "hol-wizard.repository", cloud=clone.cloud)
        git(mine, "config", "--unset-all", name, cloud=clone.cloud)
        for each in helpers:
            git(mine, "config", "--add", name, each, cloud=clone.cloud)
        git(mine, "switch", "--quiet", "--detach", "origin/main", cloud=clone.cloud)
        change = seeded.plan(MINE)[MINE][0]
        assert (change.verb, change.kind) == ("change", "Clone")
        assert "how git signs in if that is not set yet" in change.note
        assert seeded.solve(MINE).results[MINE].passed
        assert git(mine, "config", "--local", "--get-all", name, cloud=clone.cloud).stdout.splitlines() == helpers
    git(mine, "config", "--unset-all", name, cloud=clone.cloud)
    git(mine, "switch", "--quiet", "--detach", "origin/main", cloud=clone.cloud)
    assert seeded.solve(MINE).results[MINE].passed
    assert "git-credential" in git(mine, "config", "--local", "--get-all", name, cloud=clone.cloud).stdout


@pytest.mark.slow
def test_a_folder_with_something_else_is_left_alone(seeded: Attendee) -> None:
    mine = folder_of(seeded)
    mine.mkdir(parents=True)
    (mine / "diary.txt").write_text("dear", encoding="utf-8")
    seen = seeded.solve(MINE).results[MINE]
    assert seen.status is Status.FAILED
    assert "already contains something else" in seen.summary
    assert [each.name for each in mine.iterdir()] == ["diary.txt"]


def act(somebody: Attendee, name: str) -> Result:
    wizard = somebody.wizard()
    return drain(wizard.act(somebody.targets(wizard, [MINE]), name)).results[MINE]


@pytest.mark.slow
def test_what_others_push_is_pulled_and_a_parting_of_ways_is_explained(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    mine = folder_of(seeded)
    clone.git("fetch", "--quiet", "origin", "attendee")
    clone.git("checkout", "--quiet", "--force", "-B", "attendee", "FETCH_HEAD")
    clone.push("theirs.txt", "attendee")
    assert act(seeded, "own_branch.pull").passed
    assert (mine / "theirs.txt").exists()
    clone.push("theirs-too.txt", "attendee")
    commit(mine, clone.cloud, "mine.txt")
    pushed = act(seeded, "own_branch.push")
    assert pushed.status is Status.FAILED
    assert "Somebody else has pushed" in pushed.summary
    assert "The branches have diverged" in act(seeded, "own_branch.pull").summary
    assert (mine / "mine.txt").exists()


@pytest.mark.slow
def test_a_branch_with_work_on_it_stays_after_a_teardown(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    (first, second) = seeded.plan_teardown(MINE)[MINE]
    assert (first.verb, second.verb) == ("delete", "leave")
    mine = folder_of(seeded)
    commit(mine, clone.cloud, "mine.txt")
    assert act(seeded, "own_branch.push").passed
    (first, _) = seeded.plan_teardown(MINE)[MINE]
    assert (first.verb, first.note) == ("leave", "it has commits of yours: left in place")
    seeded.teardown(MINE)
    assert "refs/heads/attendee" in clone.git("ls-remote", "origin")
    assert (mine / "mine.txt").exists()


@pytest.mark.slow
def test_a_branch_that_the_reader_pushes_after_a_refused_push_is_theirs(
    seeded: Attendee, clone: Clone, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.control.fault(
        "error", path="git-receive-pack", times=1, status=403, code="TF401027", message="You need the Git permission."
    )
    assert seeded.solve(MINE).results[MINE].status is Status.FAILED
    clone.git("fetch", "--quiet", "origin", "main")
    clone.git("push", "--quiet", "origin", "FETCH_HEAD:refs/heads/attendee")
    for _ in range(2):
        assert seeded.teardown(MINE).results[MINE].passed
        assert "refs/heads/attendee" in clone.git("ls-remote", "origin")
        assert seeded.solve(MINE).results[MINE].passed
    assert [change.verb for change in seeded.plan_teardown(MINE)[MINE]] == ["leave"]


@pytest.mark.slow
def test_a_clone_is_found_by_its_mark_whatever_the_ledger_says(seeded: Attendee) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    find = UNDOS["own_branch.remove"].marked
    assert find is not None
    (found,) = find(context_of(seeded, MINE))
    assert (found.kind, found.resource) == ("Clone", f"clone/{folder_of(seeded)}")


@pytest.mark.slow
def test_an_untouched_branch_goes_with_a_teardown_and_the_clone_stays(seeded: Attendee, clone: Clone) -> None:
    assert seeded.solve(MINE).results[MINE].passed
    assert seeded.teardown(MINE).results[MINE].passed
    assert "refs/heads/attendee" not in clone.git("ls-remote", "origin")
    assert folder_of(seeded).exists()


def test_gits_own_question_is_answered_for_the_labs_host_only(
    seeded: Attendee, practice_cloud: PracticeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    host = str(practice_cloud.endpoints["devops"]).removeprefix("https://")
    wizard = seeded.wizard()
    assert git_credential(wizard, "get", io.StringIO(f"protocol=https\nhost={host}\n\n")) == 0
    answer = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert answer["username"]
    asked = f"capability[]=authtype\nprotocol=https\nhost={host}\n\n"
    assert git_credential(wizard, "get", io.StringIO(asked)) == 0
    assert "authtype=Bearer" in capsys.readouterr().out
    for other in ("protocol=https\nhost=example.com\n\n", f"protocol=http\nhost={host}\n\n"):
        assert git_credential(wizard, "get", io.StringIO(other)) == 0
        assert capsys.readouterr().out == ""
    assert git_credential(wizard, "erase", io.StringIO(f"protocol=https\nhost={host}\npassword=x\n\n")) == 0
    assert capsys.readouterr().out == ""


def test_gits_question_is_answered_before_an_organization_is_chosen_if_one_is_offered(
    attendee: Attendee, practice_cloud: PracticeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    host = str(practice_cloud.endpoints["devops"]).removeprefix("https://")
    asked = f"protocol=https\nhost={host}\n\n"
    # As on the command line of a practice cloud: somebody who works by hand has told the wizard nothing.
    wizard = attendee.wizard()
    assert (wizard.profile.choices.devops_organization, wizard.profile.offered_names.devops_organization) == (
        "",
        "practice",
    )
    nothing_offered = replace(attendee, defaults={})
    git_credential(nothing_offered.wizard(), "get", io.StringIO(asked))
    assert capsys.readouterr().out == ""
    git_credential(wizard, "get", io.StringIO(asked))
    assert "password=" in capsys.readouterr().out


@pytest.mark.slow
def test_git_goes_through_the_proxy_of_this_machine(
    seeded: Attendee, clone: Clone, practice_cloud: PracticeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del seeded
    remote = GitRemote(clone.remote, lambda: Secret(f"Bearer {clone.devops.token}"), Path(practice_cloud.ca_file))
    with proxy_to(str(practice_cloud.endpoints["devops"])) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        remote.clone_to(tmp_path / "through", lambda text: None)
    assert (tmp_path / "through" / "README.md").exists()
    # Nobody listens there any more: that nothing goes past the proxy is seen by this.
    with pytest.raises(UnreachableError, match="cannot reach"):
        remote.clone_to(tmp_path / "past", lambda text: None)
