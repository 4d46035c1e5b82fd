"""The step of section train that only a person does: what they changed in Databricks is committed and pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.engine.results import Result, Status
from hol_wizard.resources.devops import organization, required_repository
from hol_wizard.resources.notebooks import NOTEBOOK, NOTEBOOKS
from hol_wizard.steps import train
from tests.steps.attendee import Attendee, git
from tests.steps.databricks import act, client, context_of
from tests.steps.test_scientist_setup import FOLDER, edit, path, person, push, scientist, solved

__all__ = ["person", "scientist"]
COMMIT = "train/commit-from-databricks@dev"


def look(attendee: Attendee) -> tuple[Result, dict[str, str]]:
    """Return how the step stands, without what comes before it, and what it found."""
    result = train.is_committed(context_of(attendee, COMMIT))
    return result, {each.what: each.actual for each in result.expectations}


@pytest.mark.slow
def test_what_is_changed_in_the_git_folder_is_told(scientist: Attendee) -> None:
    solved(scientist)
    seen, found = look(scientist)
    assert seen.status is Status.PASSED, seen
    assert found["Notebooks in Databricks"] == "committed"
    assert found["Commit in your clone"] == "there is no clone on this machine"

    source = client(scientist).git.source(f"{path(scientist)}/{NOTEBOOK}")
    edit(scientist, f"{path(scientist)}/{NOTEBOOK}", f"{source}\nprint('mine')\n".encode())
    edit(scientist, f"{path(scientist)}/{NOTEBOOKS}/training.py", b"print('mine')\n")
    edit(scientist, f"{path(scientist)}/{NOTEBOOKS}/more.py", b"print('more')\n")
    seen, found = look(scientist)
    assert seen.status is Status.FAILED
    told = found["Notebooks in Databricks"].split(", ")
    assert sorted(told) == ["more.py new", "train_model.py changed", "training.py changed"]
    assert "Commit & Push" in seen.next_action


@pytest.mark.slow
def test_a_branch_that_goes_on_elsewhere_is_compared_in_words(scientist: Attendee) -> None:
    assert scientist.solve("scientist-setup/create-your-branch").all_passed()
    solved(scientist)
    assert look(scientist)[1]["Commit in your clone"].endswith(", the newest")
    push(scientist, "attendee", {"Project_One-Tests/test_more.py": b"def test_more(): ...\n"}, "A test")
    seen, found = look(scientist)
    assert seen.status is Status.PASSED, seen
    assert found["Commit in Databricks"].endswith(", 1 commit behind")
    assert found["Commit in your clone"].endswith(", without the newest; pull in the next section")
    assert scientist.look(FOLDER).status is Status.PASSED, "a commit that leaves the notebooks as they are is no fault"
    act(scientist, "scientist-setup/create-your-branch", "own_branch.pull")
    git(scientist, "commit", "--quiet", "--allow-empty", "--message", "Mine")
    assert look(scientist)[1]["Commit in your clone"].endswith(", with commits that are not pushed")

    # Somebody rewrites the branch
    git(scientist, "checkout", "--quiet", "--orphan", "other")
    git(scientist, "commit", "--quiet", "--message", "Start again")
    context = context_of(scientist, COMMIT)
    remote = context.services.git_remote(required_repository(context).remote_url, organization(context).authorization)
    words = ("push", "--quiet", "--force", "origin", "other:attendee")
    remote.run(Path(context.names.clone_folder), words, far=True)
    seen, found = look(scientist)
    assert seen.status is Status.FAILED
    assert found["Commit in Databricks"].endswith(", not in the branch in Azure DevOps")


@pytest.mark.slow
def test_another_branch_and_none_are_told(scientist: Attendee) -> None:
    solved(scientist)
    folder = client(scientist).git.folder(path(scientist))
    assert folder is not None
    client(scientist).git.switch(folder.id, "main")
    seen, _ = look(scientist)
    assert (seen.status, seen.summary) == (Status.FAILED, "The Git folder is not on your branch attendee.")
