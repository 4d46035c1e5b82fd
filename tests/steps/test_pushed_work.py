"""Section pull-request: what is changed is shown, committed as the person, and pushed; and what stands against it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.errors import ConflictError, ServiceError
from hol_wizard.resources.devops import organization, required_repository
from hol_wizard.resources.written_test import TEST_FILE
from hol_wizard.services.git.program import run
from hol_wizard.services.secrets import Secret, SecretStore
from hol_wizard.steps.pushed_work import commit_and_push
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee, clone
from tests.steps.author import PUSH, author, git, person, shown
from tests.steps.databricks import context_of
from tests.steps.test_scientist_setup import push

__all__ = ["author", "person"]
DATABRICKS_TOKEN = f"dapi{'0123456789abcdef' * 2}"


@pytest.mark.slow
def test_changes_are_shown_then_committed_as_the_person_and_pushed(author: Attendee) -> None:
    (clone(author) / "Project_One" / "notes.md").write_text("Mine\n", encoding="utf-8")
    (clone(author) / "scratch.txt").write_text("not of the lab\n", encoding="utf-8")
    before = author.look(PUSH)
    assert before.status is Status.FAILED
    told = shown(before)
    assert f"1 file changed ({TEST_FILE}), 1 new (Project_One/notes.md)" in told
    assert "scratch.txt" in told

    commit, other, branch = author.plan(PUSH, inputs={"commit_message": "Test the estimate"})[PUSH]
    assert (commit.verb, commit.name) == ("create", "“Test the estimate”")
    assert "by Alex Attendee <attendee@practice.example>" in commit.note
    assert "6 insertions(+)" in commit.note
    assert f"+++ b/{TEST_FILE}" in commit.diff
    assert "+def test_mine():" in commit.diff
    assert commit.diff[-6:] == (
        "diff --git a/Project_One/notes.md b/Project_One/notes.md",
        "new file",
        "--- /dev/null",
        "+++ b/Project_One/notes.md",
        "@@ -0,0 +1,1 @@",
        "+Mine",
    )
    assert (other.verb, other.name) == ("leave", "scratch.txt")
    assert (branch.verb, branch.name) == ("change", "attendee")

    seen = author.solve(PUSH, inputs={"commit_message": "Test the estimate"})
    assert seen.statuses[PUSH] is Status.PASSED, seen.results[PUSH]
    assert (
        git(author, "log", "-1", "--format=%s|%an|%ae") == "Test the estimate|Alex Attendee|attendee@practice.example"
    )
    assert git(author, "show", "--name-only", "--format=", "HEAD").split() == [TEST_FILE, "Project_One/notes.md"]
    assert git(author, "rev-parse", "origin/attendee") == git(author, "rev-parse", "HEAD")
    assert git(author, "status", "--porcelain") == "?? scratch.txt"
    assert author.plan(PUSH).get(PUSH, []) == []
    # A commit of one's own that is not pushed is enough to fail, and is pushed as it is.
    git(author, "commit", "--quiet", "--allow-empty", "--message", "By hand")
    assert "not on attendee in Azure DevOps" in author.look(PUSH).summary
    assert [change.verb for change in author.plan(PUSH)[PUSH]] == ["leave", "change"]
    assert author.solve(PUSH).statuses[PUSH] is Status.PASSED
    assert git(author, "log", "-1", "--format=%s", "origin/attendee") == "By hand"


@pytest.mark.slow
def test_secrets_are_neither_committed_nor_pushed_nor_shown(author: Attendee, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"service-principal/dev": "correct horse battery staple"}
    monkeypatch.setattr(SecretStore, "get", lambda self, name: Secret.hidden(kept[name]) if name in kept else None)
    head, notebook = git(author, "rev-parse", "HEAD"), clone(author) / "Project_One" / "notebooks" / "training.py"
    given = notebook.read_text(encoding="utf-8")
    lines = given.count("\n")
    for line, kind in (
        (f'TOKEN = "{DATABRICKS_TOKEN}"', "a Databricks access token"),
        ('PASSWORD = "correct horse battery staple"', "a secret that the wizard knows"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ('URL = "https://me:swordfish@contoso.com/"', "a password in an address"),
        ('password = "swordfish"', "a password"),
        (f'TOKEN = ("{DATABRICKS_TOKEN[:20]}"\n    "{DATABRICKS_TOKEN[20:]}")', "a Databricks access token"),
    ):
        notebook.write_text(f"{given}{line}\n", encoding="utf-8")
        seen = author.solve(PUSH)
        refused = seen.results[PUSH]
        assert refused.status is not Status.PASSED
        assert f"Project_One/notebooks/training.py, line {lines + 1}: {kind}" in refused.summary
        assert not any(each in str(seen.events) for each in (DATABRICKS_TOKEN, "battery staple", "swordfish"))
        assert git(author, "rev-parse", "HEAD") == head
    notebook.write_text(given, encoding="utf-8")
    new = clone(author) / "Project_One" / "settings.txt"
    new.write_text(f"TOKEN={DATABRICKS_TOKEN}\n", encoding="utf-8")
    assert author.plan(PUSH)[PUSH][0].verb == "conflict"
    # A secret in a commit of one's own is not pushed either, even if a later commit removes it.
    git(author, "add", ".")
    git(author, "commit", "--quiet", "--message", "Oops")
    new.unlink()
    refused = author.solve(PUSH).results[PUSH]
    assert "A commit that is not pushed yet contains secrets: Project_One/settings.txt, line 1" in refused.summary
    assert "git reset --soft origin/attendee" in refused.next_action
    assert git(author, "rev-parse", "origin/attendee") == head


@pytest.mark.slow
def test_a_new_file_that_cannot_be_searched_is_named_and_not_committed(author: Attendee) -> None:
    run(clone(author), ("init", "--quiet", "Project_One/other"))
    (planned, *_) = author.plan(PUSH)[PUSH]
    assert planned.verb == "conflict"
    assert planned.note.startswith("These new files cannot be read: Project_One/other/. Correct their permissions")
    assert "a repository of its own" in author.solve(PUSH).results[PUSH].next_action


@pytest.mark.slow
def test_a_large_file_is_pointed_out_and_not_committed(author: Attendee) -> None:
    (clone(author) / "Project_One" / "census.csv").write_bytes(b"1,2\n" * 300_000)
    assert author.plan(PUSH)[PUSH][0].verb == "conflict"
    refused = author.solve(PUSH).results[PUSH]
    assert "Too large for the repository: Project_One/census.csv" in refused.summary
    assert ".gitignore" in refused.next_action


@pytest.mark.slow
def test_a_push_that_the_server_rejects_says_why_and_what_to_do(
    author: Attendee, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.wrong_on_purpose("/_git/", "/_apis/policy/")
    push(author, "attendee", {"from_databricks.py": b"print(1)\n"}, "From Databricks")
    with pytest.raises(ConflictError, match="attendee has 1 commit in Azure DevOps that your clone does not") as both:
        commit_and_push(replace(context_of(author, PUSH), inputs={"commit_message": "Mine"}))
    assert "git pull --rebase puts your commits on top" in both.value.hint
    # The commit is there, and the next run pushes it.
    assert git(author, "log", "-1", "--format=%s") == "Mine"
    git(author, "rebase", "--quiet", "origin/attendee")
    assert author.solve(PUSH).statuses[PUSH] is Status.PASSED

    (clone(author) / TEST_FILE).write_text(f"{(clone(author) / TEST_FILE).read_text()}# more\n")
    practice_cloud.control.fault(
        "error",
        path="git-receive-pack",
        times=1,
        status=403,
        code="GitNeedsPermissionException",
        message="TF401027: You need the Git 'GenericContribute' permission to perform this action.",
    )
    denied = author.solve(PUSH).results[PUSH]
    assert denied.status is not Status.PASSED
    assert "TF401027" in denied.detail or "does not allow" in denied.summary or "lacks" in denied.summary
    practice_cloud.control.clear_faults()

    found = required_repository(context_of(author, PUSH))
    devops = organization(context_of(author, PUSH))
    devops.create_review_policy(context_of(author, PUSH).names.devops_project, found.id, "attendee")
    protected = author.solve(PUSH).results[PUSH]
    assert "accepts changes only through pull requests" in protected.summary
    assert git(author, "log", "-1", "--format=%s", "origin/attendee") == "Mine"


@pytest.mark.slow
def test_a_merge_that_is_not_finished_is_left_to_the_person(author: Attendee) -> None:
    git(author, "commit", "--quiet", "--all", "--message", "Mine")
    git(author, "switch", "--quiet", "--create", "other", "HEAD~1")
    (clone(author) / TEST_FILE).write_text("other\n", encoding="utf-8")
    git(author, "commit", "--quiet", "--all", "--message", "Other")
    git(author, "switch", "--quiet", "attendee")
    with pytest.raises(ServiceError):
        git(author, "merge", "other")
    found = author.look(PUSH)
    assert found.status in {Status.FAILED, Status.BLOCKED}
    with pytest.raises(ConflictError, match="a merge is in progress") as told:
        commit_and_push(replace(context_of(author, PUSH), inputs={"commit_message": "Mine"}))
    assert "git status" in told.value.hint
