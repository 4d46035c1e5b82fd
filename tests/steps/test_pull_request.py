"""Section pull-request: proposed, reviewed by another person, merged; and what stands against each."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.errors import ConflictError
from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, required_repository
from hol_wizard.services.devops.pull_requests import PullRequest
from hol_wizard.steps import pull_request
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee, clone
from tests.steps.author import (
    COMPLETE,
    CREATE,
    POLICY,
    PUSH,
    REVIEW,
    author,
    git,
    person,
    proposed,
    review,
    shown,
)
from tests.steps.databricks import context_of
from tests.steps.test_scientist_setup import push

__all__ = ["author", "person"]
OLGA = seed.ORGANIZER.name


def found(attendee: Attendee) -> PullRequest:
    return pull_request._required(context_of(attendee, CREATE))[1]


def here(attendee: Attendee) -> tuple[StepContext, str, str]:
    context = context_of(attendee, CREATE)
    return context, context.names.devops_project, required_repository(context).id


@pytest.mark.slow
def test_a_change_is_proposed_rejected_corrected_approved_and_merged(
    author: Attendee, practice_cloud: PracticeCloud
) -> None:
    # The people of the project are offered, and the reader is not among them.
    offered = {each.value for each in pull_request.people_of_the_project(context_of(author, CREATE))}
    assert OLGA in offered
    assert seed.ATTENDEE.name not in offered
    assert author.look(CREATE).status is Status.BLOCKED

    planned = author.plan(CREATE, inputs={"reviewers": OLGA})[CREATE]
    assert [change.verb for change in planned] == ["create"]
    assert f"review by {OLGA}" in planned[0].note
    assert "hol-wizard practice review --approve" in planned[0].note
    proposed(author, reviewers=OLGA, commit_message="Test the estimate")
    made = found(author)
    assert (made.title, [each.unique_name for each in made.reviewers]) == ("Worst regression of attendee", [OLGA])
    assert "- Test the estimate" in made.description
    assert f"/_git/practice-hol/pullrequest/{made.id}" in author.look(CREATE).summary

    waiting = author.look(REVIEW)
    assert (waiting.status, waiting.look_again_after) == (Status.WAITING, 10.0)
    assert "waits for the vote of Olga Organizer" in waiting.summary
    assert "Policy Minimum number of reviewers: not met yet" in shown(waiting)
    assert author.look(COMPLETE).status is Status.BLOCKED
    context, project, repository = here(author)
    devops = organization(context)
    devops.vote(project, repository, made.id, devops.person().id, 10)
    alone = author.look(REVIEW)
    assert alone.status is Status.WAITING
    assert "your own vote does not count" in alone.summary
    with pytest.raises(ConflictError, match="Nobody but its author has approved"):
        pull_request.complete(context_of(author, COMPLETE))

    review(practice_cloud, "reject", "Please test the scaler.")
    rejected = author.look(REVIEW)
    assert rejected.status is Status.FAILED
    assert rejected.summary == "Olga Organizer: rejected. Olga Organizer wrote: “Please test the scaler.”"
    assert "ask Olga Organizer to vote again" in rejected.next_action
    (clone(author) / "Project_One" / "scaler.md").write_text("Tested\n", encoding="utf-8")
    assert author.solve(PUSH, inputs={"commit_message": "Test the scaler"}).statuses[PUSH] is Status.PASSED
    # A push does not take the rejection back: the reviewer does.
    assert author.look(REVIEW).status is Status.FAILED
    review(practice_cloud)
    approved = author.look(REVIEW)
    assert (approved.status, approved.summary) == (Status.PASSED, f"Olga Organizer approved pull request {made.id}.")

    assert "is approved and not completed" in author.look(COMPLETE).summary
    assert [change.verb for change in author.plan(COMPLETE)[COMPLETE]] == ["change"]
    seen = author.solve(COMPLETE)
    assert seen.statuses[COMPLETE] is Status.PASSED, seen.results[COMPLETE]
    assert any("is being merged" in each for each in seen.progress)
    merged = found(author)
    git(author, "fetch", "--quiet", "origin")
    assert git(author, "rev-parse", "origin/main") == merged.merge_commit
    assert git(author, "log", "-1", "--format=%s", "origin/main") == f"Merged PR {made.id}: {made.title}"
    assert author.check(CREATE, REVIEW, COMPLETE).all_passed()

    # A branch that takes the merge in is still the merged one; a new commit is a new change.
    git(author, "merge", "--quiet", "--ff-only", "origin/main")
    assert author.solve(PUSH).statuses[PUSH] is Status.PASSED
    assert author.check(CREATE, REVIEW, COMPLETE).all_passed()
    assert [change.verb for change in author.plan_teardown(CREATE)[CREATE]] == ["leave"]
    (clone(author) / "Project_One" / "more.md").write_text("More\n", encoding="utf-8")
    assert author.solve(PUSH).statuses[PUSH] is Status.PASSED
    assert author.look(CREATE).status is Status.FAILED
    proposed(author)
    assert found(author).id != made.id
    assert author.teardown(CREATE).all_passed()
    assert author.look(CREATE).status is Status.FAILED


@pytest.mark.slow
def test_what_cannot_be_proposed_says_why(author: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose("pullrequests", "/stats/branches")
    git(author, "checkout", "--quiet", ".")
    with pytest.raises(ConflictError, match="has no commit that main does not have") as nothing:
        pull_request.create(context_of(author, CREATE))
    assert "commit-and-push" in nothing.value.hint
    (clone(author) / "Project_One" / "more.md").write_text("More\n", encoding="utf-8")
    git(author, "add", ".")
    git(author, "commit", "--quiet", "--message", "More")
    git(author, "push", "--quiet")

    unknown = replace(context_of(author, CREATE), inputs={"reviewers": "nobody@contoso.com"})
    (planned,) = pull_request._plan_creation(unknown)
    assert (planned.verb, "has no user nobody@contoso.com" in planned.note) == ("conflict", True)
    outside = replace(context_of(author, CREATE), inputs={"reviewers": seed.ELIGIBLE.name})
    with pytest.raises(ConflictError, match="this person is not in the project") as foreign:
        pull_request.create(outside)
    assert "invite-the-users" in foreign.value.hint
    context, project, repository = here(author)
    address = (
        f"{practice_cloud.endpoints['devops']}/practice/{project}/_apis/git/repositories/{repository}/pullrequests"
    )
    branches = {"sourceRefName": "refs/heads/attendee", "targetRefName": "refs/heads/main"}
    headers = {"Authorization": organization(context).authorization().reveal()}
    made = context.services._transport.session.post(
        f"{address}?api-version=7.1", json={**branches, "title": "Early", "isDraft": True}, headers=headers
    )
    assert made.status_code == 201, made.text
    draft = pull_request.is_created(context_of(author, CREATE))
    assert (draft.status, "a draft" in shown(draft)) == (Status.FAILED, True)
    assert "choose Publish. Nobody can vote on a draft" in draft.next_action
    assert "is a draft" in pull_request.is_completed(context_of(author, COMPLETE)).summary
    with pytest.raises(ConflictError, match="is a draft"):
        pull_request.complete(context_of(author, COMPLETE))
    organization(context).publish_pull_request(project, repository, made.json()["pullRequestId"])
    # One that somebody made by hand is used, and a missing reviewer is asked.
    asked = replace(context_of(author, CREATE), inputs={"reviewers": OLGA})
    (change,) = pull_request._plan_creation(asked)
    assert (change.verb, change.note) == ("change", f"{OLGA} is asked for a review")
    pull_request.create(asked)
    assert [each.unique_name for each in found(author).reviewers] == [OLGA]
    assert not pull_request._made(context_of(author, CREATE))


@pytest.mark.slow
def test_a_conflict_names_the_files_and_the_way_out(author: Attendee, practice_cloud: PracticeCloud) -> None:
    assert author.teardown(POLICY).all_passed()
    readme = clone(author) / "README.md"
    readme.write_text("Mine\n", encoding="utf-8")
    proposed(author)
    push(author, "main", {"README.md": b"Theirs\n"}, "Theirs")
    review(practice_cloud)
    deadline = time.monotonic() + 10
    while found(author).merge_status != "conflicts":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    conflict = author.look(COMPLETE)
    assert conflict.status is Status.FAILED
    assert "attendee cannot be merged into main: Conflicts in README.md" in conflict.summary
    assert "git merge origin/main" in conflict.next_action
    assert [change.verb for change in author.plan(COMPLETE)[COMPLETE]] == ["conflict"]
    refused = author.solve(COMPLETE).results[COMPLETE]
    assert "Conflicts in README.md" in refused.summary
    git(author, "fetch", "--quiet", "origin")
    git(author, "merge", "--quiet", "--strategy-option", "ours", "--no-edit", "origin/main")
    assert author.solve(PUSH).statuses[PUSH] is Status.PASSED
    review(practice_cloud)
    assert author.solve(COMPLETE).statuses[COMPLETE] is Status.PASSED


@pytest.mark.slow
def test_a_merge_without_another_persons_approval_does_not_count(author: Attendee) -> None:
    assert author.teardown(POLICY).all_passed()
    proposed(author)
    context, project, repository = here(author)
    devops, deadline = organization(context), time.monotonic() + 10
    while (pull := found(author)).merge_status != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    devops.complete_pull_request(project, repository, pull, "Mine")
    while found(author).status != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    alone = author.look(REVIEW)
    assert (alone.status, "merged without another person's approval" in alone.summary) == (Status.FAILED, True)
    assert pull_request.is_completed(context_of(author, COMPLETE)).status is Status.FAILED


@pytest.mark.slow
def test_a_completion_that_was_cut_off_is_found_and_followed(author: Attendee, practice_cloud: PracticeCloud) -> None:
    proposed(author)
    review(practice_cloud)
    context, project, repository = here(author)
    deadline = time.monotonic() + 10
    while (pull := found(author)).merge_status != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    practice_cloud.control.settings(speed=1)
    organization(context).complete_pull_request(project, repository, pull, "Mine")
    going_on = author.look(COMPLETE)
    assert (going_on.status, going_on.summary) == (Status.WAITING, f"Azure DevOps is merging pull request {pull.id}.")
    practice_cloud.control.settings(speed=600)
    assert author.solve(COMPLETE).statuses[COMPLETE] is Status.PASSED
    git(author, "fetch", "--quiet", "origin")
    assert git(author, "rev-list", "--count", "--merges", "origin/main") == "1"


@pytest.mark.slow
def test_a_policy_that_is_not_met_refuses_the_completion_in_words(
    author: Attendee, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.wrong_on_purpose("pullrequests")
    proposed(author)
    review(practice_cloud)
    context, project, repository = here(author)
    # A second policy of the organizer's, which needs two.
    devops = organization(context)
    made = devops.create_review_policy(project, repository, "main")
    address = f"{practice_cloud.endpoints['devops']}/practice/{project}/_apis/policy/configurations/{made.id}"
    headers = {"Authorization": devops.authorization().reveal()}
    session = context.services._transport.session
    body = session.get(f"{address}?api-version=7.1", headers=headers).json()
    body["settings"]["minimumApproverCount"] = 2
    assert session.put(f"{address}?api-version=7.1", json=body, headers=headers).status_code == 200
    waiting = author.look(REVIEW)
    assert waiting.status is Status.WAITING
    assert "the policy “Minimum number of reviewers” is not met yet" in waiting.summary
    with pytest.raises(Exception, match="At least 2 reviewers must approve"):
        pull_request.complete(context_of(author, COMPLETE))


@pytest.mark.slow
def test_a_lost_answer_to_the_completion_is_no_second_merge(author: Attendee, practice_cloud: PracticeCloud) -> None:
    proposed(author)
    review(practice_cloud)
    practice_cloud.control.fault("drop", method="PATCH", path="pullrequests", times=1, after=True)
    author.solve(COMPLETE)
    assert not practice_cloud.control.faults()
    assert author.solve(COMPLETE).statuses[COMPLETE] is Status.PASSED
    git(author, "fetch", "--quiet", "origin")
    assert git(author, "rev-list", "--count", "--merges", "origin/main") == "1"
