"""Section scientist-setup over the practice cloud: a Databricks workspace that fetches from its Azure DevOps."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.results import Status
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    InconclusiveError,
    NotFoundError,
    SignInError,
    WizardError,
)
from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, repository
from hol_wizard.resources.git_credential import DatabricksGitCredential
from hol_wizard.resources.git_folder import SHARED
from hol_wizard.resources.workspace import workspace_id
from hol_wizard.services.databricks.git import DatabricksGit
from hol_wizard.services.devops.tokens import DevOpsTokens
from hol_wizard.services.git.remote import File, Person
from hol_wizard.steps import scientist_setup, training_notebook
from hol_wizard.steps.training_notebook import NOTEBOOK_FILE
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import DEFAULTS, Attendee
from tests.steps.databricks import LAUNCH, PROFILE, act, client, context_of

CREDENTIAL, FOLDER, NOTEBOOK = (
    f"scientist-setup/{step}@dev"
    for step in ("add-your-git-credential", "create-a-git-folder", "open-the-training-notebook")
)
SEED = "devops-project/seed-the-repository"
LEGACY = "practice-legacy"
PERSON = Person("Alex Attendee", "attendee@practice.example")


@pytest.fixture
def person(newcomer: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch) -> Attendee:
    """Somebody whom git knows, in a directory where everything is registered."""
    for name, value in {"NAME": PERSON.name, "EMAIL": PERSON.email}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    practice_cloud.register_providers()
    practice_cloud.control.settings(user=seed.ATTENDEE.name)
    return newcomer


@pytest.fixture
def scientist(person: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody with a workspace, a seeded repository, and a branch of their own in it."""
    person.defaults = {**DEFAULTS, "devops_organization": "practice"}
    snapshots.prepare("scientist", practice_cloud, person.root, lambda: settle(person))
    return person


@pytest.fixture
def by_token(person: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch) -> Attendee:
    """The same, in an organization that lets nobody's wizard in but by a personal access token."""
    made = practice_cloud.control.devops_token(LEGACY, "vso.project_manage vso.code_write vso.profile")
    monkeypatch.setenv("HOL_WIZARD_DEVOPS_TOKEN", str(made["token"]))
    person.flags = {"devops_organization": LEGACY, "devops_sign_in": "token"}
    person.defaults = {**DEFAULTS, "devops_organization": LEGACY}
    settle(person)
    return person


def settle(attendee: Attendee) -> None:
    assert attendee.solve("set-up").all_passed()
    seen = attendee.solve(LAUNCH, SEED)
    assert seen.statuses[LAUNCH] is Status.PASSED, seen.results[LAUNCH]
    assert seen.statuses[SEED] is Status.PASSED, seen.results[SEED]
    make_branch(attendee, "attendee")


def push(attendee: Attendee, branch: str, files: dict[str, bytes], message: str) -> str:
    """Push a commit as somebody does with plain git."""
    context = context_of(attendee, FOLDER)
    found = repository(context)
    assert found is not None
    remote = context.services.git_remote(found.remote_url, organization(context).authorization)
    told = {path: File(content) for path, content in files.items()}
    return remote.push(told, branch, message, PERSON, onto=True, settle=lambda path, content: told[path].content)


def leave(path: str, content: bytes) -> None:
    """Let a file that is there be."""


def make_branch(attendee: Attendee, name: str) -> None:
    """Make a branch that stands where main does, as the step before does."""
    context = context_of(attendee, FOLDER)
    found = repository(context)
    assert found is not None
    remote = context.services.git_remote(found.remote_url, organization(context).authorization)
    with tempfile.TemporaryDirectory() as folder:
        remote.clone_to(Path(folder), lambda said: None)
        remote.run(Path(folder), ("push", "--quiet", "origin", f"HEAD:refs/heads/{name}"), far=True)


def credential_name(context: StepContext) -> str:
    return DatabricksGitCredential(context).given_name


def git(attendee: Attendee) -> DatabricksGit:
    return client(attendee).git


def tokens(attendee: Attendee) -> DevOpsTokens:
    return context_of(attendee, CREDENTIAL).services.devops_tokens("practice")


def path(attendee: Attendee) -> str:
    return f"/Workspace/Users/{client(attendee).me().name}/{attendee.wizard().names.repository}"


def solved(attendee: Attendee, key: str = NOTEBOOK) -> Attendee:
    """Have the section done without the step that belongs to another test."""
    for each in (CREDENTIAL, FOLDER, NOTEBOOK):
        seen = run(attendee, each)
        assert seen.status is Status.PASSED, seen
        if each == key:
            break
    return attendee


def run(attendee: Attendee, key: str) -> Any:
    """Solve one step alone and return how it stands: its needs are other tests' business."""
    context = context_of(attendee, key)
    step = {
        CREDENTIAL: (scientist_setup.add_credential, scientist_setup.credential_there),
        FOLDER: (scientist_setup.make_folder, scientist_setup.folder_on_branch),
        NOTEBOOK: (training_notebook.pull, training_notebook.is_the_branchs),
    }[key]
    step[0](context)
    return step[1](context_of(attendee, key))


def look(attendee: Attendee, key: str) -> Any:
    check = {
        CREDENTIAL: scientist_setup.credential_there,
        FOLDER: scientist_setup.folder_on_branch,
        NOTEBOOK: training_notebook.is_the_branchs,
    }[key]
    return check(context_of(attendee, key))


def edit(attendee: Attendee, where: str, content: bytes) -> None:
    """Change a file in the workspace as somebody does in its editor."""
    here = client(attendee)
    body = {
        "path": where.removeprefix("/Workspace"),
        "content": base64.b64encode(content).decode(),
        "language": "PYTHON",
        "format": "SOURCE",
        "overwrite": True,
    }
    here._rest.send("POST", f"{here.host}/api/2.0/workspace/import", thing="notebook", body=body)


@pytest.mark.slow
def test_from_nothing_to_the_notebook_on_the_branch_and_back(scientist: Attendee) -> None:
    assert look(scientist, CREDENTIAL).status is Status.FAILED
    assert "no Git credential" in look(scientist, CREDENTIAL).summary
    plan = [each.verb for each in scientist_setup._plan_credential(context_of(scientist, CREDENTIAL))]
    assert plan == ["create", "create"]
    for _ in range(2):
        solved(scientist)
    (credential,) = git(scientist).credentials()
    assert (credential.provider, credential.user) == ("azureDevOpsServices", seed.ATTENDEE.name)
    (token,) = tokens(scientist).list()
    assert token.scope == "vso.code_write"
    assert token.name == credential.name == credential_name(context_of(scientist, CREDENTIAL))
    folder = git(scientist).folder(path(scientist))
    assert folder is not None
    assert folder.branch == "attendee"
    kinds = {entry["fact"] for entry in scientist.ledger() if "git-folders" in entry["resource"]}
    assert kinds == {"intent", "created"}
    planned = scientist.plan_teardown("scientist-setup")
    assert [each.name for each in planned[FOLDER]] == [path(scientist)]
    assert len(planned[CREDENTIAL]) == 2
    assert scientist.teardown("scientist-setup").statuses[CREDENTIAL] is Status.PASSED
    assert git(scientist).folder(path(scientist)) is None
    assert not git(scientist).credentials()
    assert not tokens(scientist).list()
    assert not scientist.plan_teardown("scientist-setup")


@pytest.mark.slow
def test_a_folder_that_somebody_makes_after_a_refusal_is_theirs(scientist: Attendee) -> None:
    with pytest.raises(AccessDeniedError):
        scientist_setup.make_folder(context_of(scientist, FOLDER))
    assert run(scientist, CREDENTIAL).status is Status.PASSED
    context = context_of(scientist, FOLDER)
    found = repository(context)
    assert found is not None
    by_hand = git(scientist).create_folder(found.remote_url, path(scientist))
    assert FOLDER not in scientist.plan_teardown("scientist-setup")
    assert scientist.teardown("scientist-setup").all_passed()
    assert git(scientist).folder_of_id(by_hand.id) is not None


@pytest.mark.slow
def test_a_folder_whose_creation_was_never_seen_is_left_alone(scientist: Attendee) -> None:
    """A wizard that was killed between the request and its answer has noted where alone."""
    assert run(scientist, CREDENTIAL).status is Status.PASSED
    context = context_of(scientist, FOLDER)
    other = make_other_project(scientist)
    resource = scientist_setup.own_folder(context)
    context.ledger.write(Fact.INTENT, context.target, resource.id, resource.kind)
    made = git(scientist).create_folder(other, path(scientist))
    assert [change.verb for change in scientist.plan_teardown("scientist-setup")[FOLDER]] == ["leave"]
    scientist.teardown(FOLDER)
    assert git(scientist).folder_of_id(made.id) is not None


@pytest.mark.slow
def test_where_only_the_persons_own_token_opens_databricks_gets_that(by_token: Attendee) -> None:
    (change,) = scientist_setup._plan_credential(context_of(by_token, CREDENTIAL))
    assert (change.verb, change.note) == ("create", f"given your own token of {LEGACY}")
    solved(by_token)
    (first,) = git(by_token).credentials()
    # As after a new token: one credential, with the one that is given now.
    assert act(by_token, CREDENTIAL, "scientist_setup.replace_credential").statuses[CREDENTIAL] is Status.PASSED
    (credential,) = git(by_token).credentials()
    assert credential.id != first.id
    assert credential.name == credential_name(context_of(by_token, CREDENTIAL))
    assert look(by_token, NOTEBOOK).status is Status.PASSED
    assert os.environ["HOL_WIZARD_DEVOPS_TOKEN"] not in str(by_token.ledger())
    planned = by_token.plan_teardown("scientist-setup")
    assert [each.kind for each in planned[CREDENTIAL]] == ["Git credential"]
    assert by_token.teardown("scientist-setup").statuses[CREDENTIAL] is Status.PASSED
    assert not git(by_token).credentials()
    # The token is the person's: it opens the organization as before.
    assert by_token.look(SEED).status is Status.PASSED


@pytest.mark.slow
def test_where_tokens_are_the_way_in_but_others_can_be_made_one_is_made(
    scientist: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = practice_cloud.control.devops_token("practice", "app_token")
    monkeypatch.setenv("HOL_WIZARD_DEVOPS_TOKEN", str(made["token"]))
    scientist.flags = {"devops_organization": "practice", "devops_sign_in": "token"}
    kinds = [each.kind for each in scientist_setup._plan_credential(context_of(scientist, CREDENTIAL))]
    assert kinds == ["Personal access token of Azure DevOps", "Git credential"]
    assert run(scientist, CREDENTIAL).status is Status.PASSED
    names = {each.name for each in tokens(scientist).list()}
    assert credential_name(context_of(scientist, CREDENTIAL)) in names


@pytest.mark.slow
def test_without_the_credential_the_folder_says_what_is_missing(scientist: Attendee) -> None:
    with pytest.raises(AccessDeniedError) as caught:
        scientist_setup.make_folder(context_of(scientist, FOLDER))
    assert caught.value.message == "Databricks has no Git credential of yours for Azure DevOps."
    assert "add-your-git-credential" in caught.value.hint
    assert git(scientist).folder(path(scientist)) is None
    assert not scientist.plan_teardown(FOLDER)


@pytest.mark.slow
def test_a_revoked_token_is_seen_at_the_credential_and_at_the_folder_and_replaced(scientist: Attendee) -> None:
    solved(scientist)
    (token,) = tokens(scientist).list()
    tokens(scientist).revoke(token.id)
    seen = look(scientist, CREDENTIAL)
    assert seen.status is Status.FAILED
    assert "revoked or expired" in str(seen.expectations)
    push(scientist, "attendee", {"note.txt": b"note"}, "A note")
    with pytest.raises(AccessDeniedError) as caught:
        scientist_setup.pull_folder(context_of(scientist, FOLDER))
    assert "Azure DevOps does not accept your Git credential" in caught.value.message
    verbs = [each.verb for each in scientist_setup._plan_credential(context_of(scientist, CREDENTIAL))]
    assert verbs == ["create", "change"]
    assert run(scientist, CREDENTIAL).passed
    assert run(scientist, FOLDER).passed
    assert len(git(scientist).credentials()) == len(tokens(scientist).list()) == 1


@pytest.mark.slow
def test_a_credential_that_is_there_is_adopted_and_stays(scientist: Attendee) -> None:
    token, value = tokens(scientist).create("by hand", "vso.code_write", 7)
    made = git(scientist).create_credential("somebody@practice.example", value, "mine")
    assert [each.verb for each in scientist_setup._plan_credential(context_of(scientist, CREDENTIAL))] == ["leave"]
    solved(scientist)
    assert [each.id for each in tokens(scientist).list()] == [token.id]
    scientist.teardown("scientist-setup")
    assert [each.id for each in git(scientist).credentials()] == [made.id]
    assert [each.id for each in tokens(scientist).list()] == [token.id]


def test_an_organization_that_gives_no_tokens_sends_to_the_link_by_hand(
    scientist: Attendee, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> Any:
        raise AccessDeniedError(
            "The organization practice does not issue a personal access token: a policy forbids it."
        )

    monkeypatch.setattr(DevOpsTokens, "create", refused)
    with pytest.raises(AccessDeniedError) as caught:
        scientist_setup.add_credential(context_of(scientist, CREDENTIAL))
    assert "Settings, Linked accounts" in caught.value.hint
    assert "Entra" in caught.value.hint
    assert not git(scientist).credentials()


@pytest.mark.slow
def test_a_folder_of_another_repository_is_never_touched(scientist: Attendee) -> None:
    solved(scientist, CREDENTIAL)
    other = make_other_project(scientist)
    git(scientist).create_folder(other, path(scientist))
    seen = look(scientist, FOLDER)
    assert seen.status is Status.FAILED
    assert "a Git folder of another repository" in seen.summary
    (change,) = scientist_setup._plan_folder(context_of(scientist, FOLDER))
    assert change.verb == "conflict"
    for work in (scientist_setup.make_folder, scientist_setup.pull_folder):
        with pytest.raises(ConflictError, match="does not change"):
            work(context_of(scientist, FOLDER))
    folder = git(scientist).folder(path(scientist))
    assert folder is not None
    assert folder.url == other
    assert not scientist.plan_teardown(FOLDER)


def make_other_project(attendee: Attendee) -> str:
    """Make another project, with a commit in its repository, and return its address."""
    context = context_of(attendee, FOLDER)
    here = organization(context)
    work = here.create_project("other", "", here.process_id("Agile"))
    deadline = time.monotonic() + 10
    while not here.is_over(work):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found = here.repository("other", "other")
    assert found is not None
    remote = context.services.git_remote(found.remote_url, here.authorization)
    remote.push({"README.md": File(b"Another\n")}, "main", "Another", PERSON, onto=False, settle=leave)
    return found.remote_url


def test_something_else_at_the_place_is_named(scientist: Attendee) -> None:
    edit(scientist, path(scientist), b"print(1)\n")
    seen = look(scientist, FOLDER)
    assert seen.status is Status.FAILED
    assert "is a notebook, which the wizard does not change" in seen.summary


def test_without_the_branch_nothing_is_made(scientist: Attendee) -> None:
    solved(scientist, CREDENTIAL)
    nobody = replace(scientist, flags={"alias": "nobody"})
    with pytest.raises(NotFoundError) as caught:
        scientist_setup.make_folder(context_of(nobody, FOLDER))
    assert caught.value.message == "The repository has no branch nobody."
    assert "create-your-branch" in caught.value.hint
    assert git(scientist).folder(path(scientist)) is None


@pytest.mark.slow
def test_a_folder_that_is_behind_is_told_and_pulled(scientist: Attendee) -> None:
    solved(scientist)
    commit = push(scientist, "attendee", {"Project_One/notebooks/note.txt": b"note"}, "A note")
    seen = look(scientist, FOLDER)
    assert seen.status is Status.FAILED
    assert seen.summary == "The Git folder does not have the newest notebooks of attendee."
    assert seen.next_action.startswith("Pull into Databricks")
    scientist_setup.pull_folder(context_of(scientist, FOLDER))
    seen = look(scientist, FOLDER)
    assert seen.passed
    assert commit[:8] in seen.summary


@pytest.mark.slow
def test_a_folder_on_another_branch_is_named_and_switched_by_a_solve_only(scientist: Attendee) -> None:
    solved(scientist)
    folder = git(scientist).folder(path(scientist))
    assert folder is not None
    git(scientist).switch(folder.id, "main")
    seen = look(scientist, FOLDER)
    assert seen.status is Status.FAILED
    assert seen.summary == "The Git folder is on main, not on attendee."
    with pytest.raises(ConflictError, match="is on main"):
        scientist_setup.pull_folder(context_of(scientist, FOLDER))
    (change,) = scientist_setup._plan_folder(context_of(scientist, FOLDER))
    assert (change.verb, change.note) == ("change", "from main to attendee")
    assert run(scientist, FOLDER).passed


@pytest.mark.slow
def test_a_changed_notebook_is_told_and_never_discarded(scientist: Attendee) -> None:
    solved(scientist)
    where = f"{path(scientist)}/{NOTEBOOK_FILE.removesuffix('.py')}"
    mine = git(scientist).source(where) + "\n# COMMAND ----------\n\nprint('mine')\n"
    edit(scientist, where, mine.encode())
    seen = look(scientist, NOTEBOOK)
    assert seen.status is Status.FAILED
    assert "differs from the one on the branch" in seen.summary
    theirs = mine.replace("mine", "theirs").encode()
    push(scientist, "attendee", {NOTEBOOK_FILE: theirs}, "Theirs")
    with pytest.raises(ConflictError, match="Uncommitted changes in the Git folder prevent this"):
        training_notebook.pull(context_of(scientist, NOTEBOOK))
    assert git(scientist).source(where) == mine


@pytest.mark.slow
def test_a_branch_without_the_notebook_says_how_it_gets_there(scientist: Attendee) -> None:
    solved(scientist, CREDENTIAL)
    other = replace(scientist, flags={"alias": "empty"})
    context = context_of(scientist, FOLDER)
    found = repository(context)
    assert found is not None
    remote = context.services.git_remote(found.remote_url, organization(context).authorization)
    remote.push({"README.md": File(b"Empty\n")}, "empty", "Empty", PERSON, onto=False, settle=leave)
    assert run(other, FOLDER).passed
    seen = look(other, NOTEBOOK)
    assert seen.status is Status.FAILED
    assert seen.summary == f"The branch empty has no {NOTEBOOK_FILE}."
    assert "git merge origin/main" in seen.next_action


@pytest.mark.slow
def test_a_token_whose_value_was_lost_is_revoked_and_made_anew(
    scientist: Attendee, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DatabricksGit, "create_credential", kill)
        with pytest.raises(Killed):
            scientist_setup.add_credential(context_of(scientist, CREDENTIAL))
    (lost,) = tokens(scientist).list()
    assert run(scientist, CREDENTIAL).passed
    (made,) = tokens(scientist).list()
    assert made.id != lost.id
    scientist_setup.remove_credential(context_of(scientist, CREDENTIAL))
    assert not tokens(scientist).list()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("status", "form", "words", "expected"),
    [
        (203, "page", "Azure DevOps Services | Sign In", SignInError),
        (203, "page", "Blocked by your organization", InconclusiveError),
        (500, "page", "Service unavailable", InconclusiveError),
        (500, "service", "TF400898: An Internal Error Occurred.", InconclusiveError),
    ],
)
def test_a_token_service_that_answers_with_something_else_leaves_nothing_twice(
    scientist: Attendee,
    practice_cloud: PracticeCloud,
    method: str,
    status: int,
    form: str,
    words: str,
    expected: type[WizardError],
) -> None:
    practice_cloud.wrong_on_purpose("tokens/pats")
    fault = {"status": status, "form": form, "code": "ServerError", "message": words}
    practice_cloud.control.fault("error", service="devops_sps", path="tokens/pats", method=method, **fault)
    with pytest.raises(expected) as raised:
        run(scientist, CREDENTIAL)
    assert raised.value.hint
    practice_cloud.control.clear_faults()
    assert tokens(scientist).list() == []
    assert run(scientist, CREDENTIAL).passed
    assert len(git(scientist).credentials()) == len(tokens(scientist).list()) == 1
    scientist_setup.remove_credential(context_of(scientist, CREDENTIAL))
    assert tokens(scientist).list() == []


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["git-credentials", "api/2.0/repos", "tokens/pats"])
def test_lost_answers_leave_nothing_twice(scientist: Attendee, practice_cloud: PracticeCloud, asked: str) -> None:
    service = "devops_sps" if asked == "tokens/pats" else "databricks"
    practice_cloud.control.fault("drop", service=service, path=asked, method="POST", after=True, times=1)
    solved(scientist)
    assert len(git(scientist).credentials()) == len(tokens(scientist).list()) == 1
    # Whose folder an answer was about that was lost, nobody can tell.
    planned = scientist.plan_teardown("scientist-setup").get(FOLDER, [])
    assert [change.verb for change in planned] == ([] if asked == "api/2.0/repos" else ["delete"])


@pytest.mark.slow
def test_the_shared_folder_stands_on_the_default_branch_and_goes_with_its_maker(scientist: Attendee) -> None:
    solved(scientist)
    for _ in range(2):
        scientist_setup.share_folder(context_of(scientist, FOLDER))
    folder = git(scientist).folder(SHARED)
    assert folder is not None
    assert folder.branch == "main"
    assert {each.name for each in scientist.plan_teardown("scientist-setup")[FOLDER]} == {SHARED, path(scientist)}
    scientist.teardown("scientist-setup")
    assert git(scientist).folder(SHARED) is None


@pytest.mark.slow
def test_what_was_in_a_workspace_that_is_gone_is_written_off_and_the_token_revoked(
    scientist: Attendee, practice_cloud: PracticeCloud
) -> None:
    solved(scientist)
    context = context_of(scientist, CREDENTIAL)
    gone = workspace_id(context)
    context.services.arm.delete(gone)
    while context.services.arm.find(gone) is not None:
        pass
    del practice_cloud
    scientist_setup.remove_folder(context_of(scientist, FOLDER))
    scientist_setup.remove_credential(context_of(scientist, CREDENTIAL))
    assert not tokens(scientist).list()
    assert not scientist.plan_teardown(CREDENTIAL)
    assert not scientist.plan_teardown(FOLDER)


@pytest.fixture
def second(scientist: Attendee, practice_cloud: PracticeCloud, tmp_path: Path) -> Attendee:
    """Somebody else in the same workspace and the same project, on another machine."""
    del scientist
    practice_cloud.control.settings(user=seed.ORGANIZER.name)
    (tmp_path / "second").mkdir()
    shutil.rmtree(practice_cloud.state / "azure", ignore_errors=True)
    other = Attendee(
        tmp_path / "second",
        practice_cloud.endpoints_file,
        defaults={**DEFAULTS, "devops_organization": "practice", "alias": "organizer"},
    )
    assert other.solve("set-up").all_passed()
    assert other.solve("devops-project/choose-the-organization").all_passed()
    assert other.solve(LAUNCH).statuses[LAUNCH] is Status.PASSED
    return other


@pytest.mark.slow
def test_a_second_attendee_has_a_folder_of_their_own(
    scientist: Attendee, second: Attendee, practice_cloud: PracticeCloud
) -> None:
    del practice_cloud
    make_branch(second, "organizer")
    solved(second)
    mine = git(second).folder(path(second))
    assert mine is not None
    assert mine.branch == "organizer"
    assert seed.ORGANIZER.name in mine.path
    second.teardown("scientist-setup")
    assert git(second).folder(path(second)) is None
    del scientist


@pytest.mark.slow
def test_the_actions_are_offered_where_the_step_is(scientist: Attendee) -> None:
    solved(scientist)
    seen = act(scientist, FOLDER, "scientist_setup.pull_folder")
    assert "newest commit" in seen.said


@pytest.mark.slow
def test_the_whole_section_is_solved_in_one_go_and_taken_back(
    scientist: Attendee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "person"))
    fresh = replace(scientist, flags={"alias": "fresh"})
    seen = fresh.solve("scientist-setup")
    assert all(seen.statuses[key] is Status.PASSED for key in (CREDENTIAL, FOLDER, NOTEBOOK)), seen.results
    folder = git(fresh).folder(path(fresh))
    assert folder is not None
    assert folder.branch == "fresh"
    again = fresh.check("scientist-setup")
    assert {again.statuses[key] for key in (CREDENTIAL, FOLDER, NOTEBOOK)} == {Status.PASSED}
    # Plan equals solve: nothing is announced that no solve makes.
    assert fresh.solve("databricks-access").statuses[PROFILE] is Status.PASSED
    planned = [change for changes in fresh.plan("scientist-setup", "databricks-access").values() for change in changes]
    assert {(change.verb, change.kind) for change in planned if change.verb != "leave"} == set()
    fresh.teardown("scientist-setup")
    left = [change for changes in fresh.plan_teardown("scientist-setup").values() for change in changes]
    assert [(change.verb, change.kind) for change in left] == [("leave", "Clone")]


def test_the_practice_organization_that_forbids_tokens_says_so(scientist: Attendee) -> None:
    other = replace(scientist, flags={"devops_organization": "practice-new"})
    with pytest.raises(AccessDeniedError) as caught:
        scientist_setup.add_credential(context_of(other, CREDENTIAL))
    assert "practice-new does not issue a personal access token" in caught.value.message
    assert "Linked accounts" in caught.value.hint
    assert not git(other).credentials()
    assert not other.plan_teardown(CREDENTIAL)
