"""Section pull-request: the reader's change is proposed, reviewed by another person, and merged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from hol_wizard.engine import ownership
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change, Marked, Offer, check, offers, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError, SignInError
from hol_wizard.lab.inputs import addresses
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, is_seeded, organization, seeded_repository
from hol_wizard.resources.devops_user import required_project
from hol_wizard.resources.local_clone import required_clone
from hol_wizard.resources.pull_request import LabPullRequest
from hol_wizard.services.devops.pull_requests import Discussion, PolicyEvaluation, PullRequest
from hol_wizard.services.devops.repositories import Repository

KIND: Final = LabPullRequest.kind
_LOOK_AGAIN: Final = 10.0
"""Seconds between two checks of a review."""
_MERGE_SECONDS: Final = 300.0
"""Seconds after which the wizard stops waiting for a merge in progress."""
_LONGEST_COMMENT: Final = 120
_BEING_MERGED: Final = frozenset({"", "notSet", "queued"})
_POLICY_WORDS: Final = {
    "approved": "met",
    "queued": "not met yet",
    "running": "running",
    "rejected": "not met",
    "broken": "cannot be evaluated",
    "notApplicable": "does not apply",
}


def _found_repository(context: StepContext) -> Repository:
    return seeded_repository(context, "there is nothing to merge into")


def _pull_request(context: StepContext) -> LabPullRequest:
    """Return the pull request from the reader's branch into the default branch.

    Raises:
        NotFoundError: There is no repository.
        ConflictError: The repository is empty.
    """
    found = _found_repository(context)
    here, source = organization(context).organization, context.names.branch
    return LabPullRequest(
        context, here, found.id, source, found.default_branch, _title(context), reviewers=_reviewers(context)
    )


def _title(context: StepContext) -> str:
    return context.answer("pull_request_title") or f"Worst regression of {context.names.alias}"


def _reviewers(context: StepContext) -> tuple[str, ...]:
    return addresses(context.answer("reviewers"))


def _page(context: StepContext, number: int) -> str:
    """Return the address of a pull request's page."""
    names = context.names
    base = f"{context.services.endpoints.devops}/{quote(organization(context).organization)}"
    return f"{base}/{quote(names.devops_project)}/_git/{quote(names.repository)}/pullrequest/{number}"


@offers("reviewers")
def people_of_the_project(context: StepContext) -> list[Offer]:
    """Return the people of the project who can review, except the user; without any, those of the organization.

    Raises:
        WizardError: Azure DevOps does not list them.
    """
    here, project = organization(context), required_project(context)
    me = here.person().id.lower()
    found = [each for each in here.members() if each.id.lower() != me and each.level.lower() != "stakeholder"]
    inside = [each for each in found if project.id in each.projects]
    if inside:
        return [Offer(each.mail.lower(), each.mail) for each in inside if each.mail]
    return [Offer(each.mail.lower(), f"{each.mail} (not in the project yet)") for each in found if each.mail]


# Create


@check(deadline=30)
def is_created(context: StepContext) -> Result:
    """Check that a pull request from the reader's branch can be reviewed or is completed."""
    wanted = _pull_request(context)
    result = ownership.check(wanted)
    found = wanted.find(context.reads)
    if found is None or not result.passed:
        return result
    state = "is merged" if found.status == "completed" else f"is open: {_page(context, found.id)}"
    return replace(result, summary=f"Pull request {found.id} “{found.title}” {state}")


def _description(context: StepContext) -> str:
    """Return the description: the reader's, else a list of their commits."""
    if given := context.answer("pull_request_description"):
        return given
    try:
        messages = required_clone(context).messages(f"origin/{context.names.default_branch}")
    except (NotFoundError, ServiceError):
        messages = ()
    listed = "\n".join(f"- {each}" for each in messages[:20])
    return f"The commits of the branch {context.names.branch}:\n\n{listed}" if listed else ""


def _plan_creation(context: StepContext) -> Sequence[Change]:
    try:
        return ownership.plan(_pull_request(context))
    except (SignInError, NotFoundError, AccessDeniedError):
        # The repository and the branch are created first.
        main = context.names.default_branch
        later = LabPullRequest(context, "", "", context.names.branch, main, _title(context)).creation()
        return (replace(later, resource=""),)


@solve(plan=_plan_creation)
def create(context: StepContext) -> None:
    """Create the pull request, or use the active one, and add the reviewers.

    Raises:
        ConflictError: There is somebody else's draft, or the branch has nothing to merge.
        NotFoundError: There is no repository, or a reviewer is not in the organization.
        AccessDeniedError: The account may not contribute to pull requests.
    """
    context.save("pull_request_title", "pull_request_description", "reviewers")
    wanted = replace(_pull_request(context), description=_description(context))
    if wanted.find(ReadCache()) is None:
        _require_commits(context, wanted)
    found = ownership.solve(wanted)
    if found.status == "active":
        context.reporter.say(f"Pull request {found.id} “{found.title}”: {_page(context, found.id)}")
        context.reporter.say("Another person must approve it; nobody can vote for another<practice review>.")


def _require_commits(context: StepContext, wanted: LabPullRequest) -> None:
    """Refuse a branch without commits of its own.

    Raises:
        ConflictError: It has none, or it is not in Azure DevOps.
    """
    known = branches(context, _found_repository(context))
    apart = wanted.client.distance(
        context.names.devops_project, wanted.repository, wanted.source, known.get(wanted.target, "")
    )
    if apart is None:
        raise ConflictError(
            f"There is no branch {wanted.source} in Azure DevOps.", "<first pull-request/commit-and-push>."
        )
    if not apart[0]:
        raise ConflictError(
            f"The branch {wanted.source} has no commit that {wanted.target} does not have.",
            "<first pull-request/commit-and-push>.",
        )


def _made(context: StepContext) -> list[LabPullRequest]:
    return [LabPullRequest.of_id(context, each) for each in context.ledger.made_by(context.target, KIND)]


def _marked(context: StepContext) -> Sequence[Marked]:
    """Return the marked pull request; without an organization, or in an empty repository, there is none."""
    return ownership.marked(_pull_request(context)) if is_seeded(context) else ()


@undo(plan=lambda context: ownership.plan_undo_all(_made(context)), marked=_marked)
def abandon(context: StepContext) -> None:
    """Abandon the pull request if this wizard created it and it is still active; a merge is never reverted."""
    ownership.undo_all(_made(context))


# Review


def _required(context: StepContext, reads: ReadCache | None = None) -> tuple[LabPullRequest, PullRequest]:
    """Return the pull request with its votes, comments and policies.

    Raises:
        NotFoundError: There is none.
    """
    wanted = _pull_request(context)
    found = wanted.find(reads if reads is not None else context.reads)
    if found is None:
        raise NotFoundError(
            f"There is no pull request from {wanted.source} into {wanted.target}.",
            "<first pull-request/create-the-pull-request>.",
        )
    return wanted, found


def number(context: StepContext) -> int:
    """Return the number of the pull request from the reader's branch into the default branch.

    Raises:
        NotFoundError: There is none.
    """
    return _required(context)[1].id


def _policies(context: StepContext, pull: PullRequest) -> list[PolicyEvaluation]:
    found = _found_repository(context)
    here, key = organization(context), ("devops policy evaluations", found.project, pull.id)
    return context.reads.share(key, lambda: here.policy_evaluations(found.project, pull.id))


def _discussions(context: StepContext, wanted: LabPullRequest, pull: PullRequest) -> list[Discussion]:
    project, key = context.names.devops_project, ("devops discussions", wanted.repository, pull.id)
    return context.reads.share(key, lambda: wanted.client.discussions(project, wanted.repository, pull.id))


@check(deadline=30)
def is_approved(context: StepContext) -> Result:
    """Check that another person has approved and nobody objects; wait for a review in progress."""
    wanted, pull = _required(context)
    others = pull.approvers
    against = [each for each in pull.reviewers if each.objects]
    comments = [each for each in _discussions(context, wanted, pull) if each.is_open]
    policies = [] if pull.status == "completed" else _policies(context, pull)
    seen = _review_seen(pull, comments, policies)
    if others and not against and all(each.is_met for each in policies):
        names = " and ".join(each.name for each in others)
        return Result(Status.PASSED, f"{names} approved pull request {pull.id}.", seen)
    page = _page(context, pull.id)
    if pull.status == "completed":
        return Result(
            Status.FAILED,
            f"Pull request {pull.id} was merged without another person's approval.",
            seen,
            "A merge is not taken back. Let another person read the change, and create a pull request for what they "
            "find.",
        )
    if against:
        return Result(
            Status.FAILED,
            f"{against[0]}. {_first_words(comments)}".strip(),
            seen,
            f"Read the comments, correct your files, and push again (<step pull-request/commit-and-push>): the pull "
            f"request is updated. Then ask {against[0].name} to vote again<practice review>.",
        )
    summary, advice = _waiting_for(pull, others != (), policies)
    return Result(Status.WAITING, summary, seen, f"{advice} {page}", look_again_after=_LOOK_AGAIN, usually=None)


def _review_seen(
    pull: PullRequest, comments: Sequence[Discussion], policies: Sequence[PolicyEvaluation]
) -> tuple[Expectation, ...]:
    others = pull.approvers
    shown = ", ".join(each.name for each in others) or "nobody yet"
    seen = [Expectation("Approved by another person", "1 or more", shown, bool(others))]
    for each in pull.reviewers:
        words = str(each).rpartition(": ")[2]
        own = each.id == pull.creator.id
        words = f"{words}; an author's own vote does not count" if own and each.approves else words
        seen.append(Expectation(f"Vote of {each.name}", "no objection", words, not each.objects))
    for comment in comments:
        author, text = comment.comments[0]
        seen.append(Expectation(f"Comment of {author}", "read and answered", f"open: {_cut(text)}", met=bool(others)))
    for policy in policies:
        words = _POLICY_WORDS.get(policy.status, policy.status)
        words = words if policy.is_blocking else f"{words} (optional)"
        seen.append(Expectation(f"Policy {policy.name}", "met", words, policy.is_met))
    return tuple(seen)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_COMMENT else f"{text[:_LONGEST_COMMENT]}…"


def _first_words(comments: Sequence[Discussion]) -> str:
    if not comments:
        return ""
    author, text = comments[0].comments[0]
    return f"{author} wrote: “{_cut(text)}”"


def _waiting_for(
    pull: PullRequest, is_approved_by_others: bool, policies: Sequence[PolicyEvaluation]
) -> tuple[str, str]:
    """Return what a review is waiting for, and what to do."""
    if is_approved_by_others:
        unmet = next(each.name for each in policies if not each.is_met)
        return (
            f"Another person approved pull request {pull.id}; the policy “{unmet}” is not met yet.",
            "Its page says what the policy needs:",
        )
    asked = [each.name for each in pull.reviewers if each.id != pull.creator.id]
    if any(each.approves and each.id == pull.creator.id for each in pull.reviewers):
        summary = f"Only you approved pull request {pull.id}; your own vote does not count."
    elif asked:
        summary = f"Pull request {pull.id} waits for the vote of {' and '.join(asked)}."
    else:
        summary = f"Pull request {pull.id} waits for a review; nobody is asked for one."
    who = asked[0] if asked else "another person of the project"
    return summary, f"Ask {who} to read and approve it<practice review>:"


# Complete


@check(deadline=30)
def is_completed(context: StepContext) -> Result:
    """Check that the change was merged into the default branch after another person's approval."""
    wanted, pull = _required(context)
    if pull.status != "completed":
        return _not_completed(context, wanted, pull)
    others = pull.approvers
    project = context.names.devops_project
    apart = wanted.client.distance(project, wanted.repository, wanted.target, pull.merge_commit)
    contained = apart is not None and not apart[1]
    return judge(
        (
            Expectation("State", "completed", pull.status, met=True),
            Expectation(
                "Approved by another person",
                "1 or more",
                ", ".join(each.name for each in others) or "nobody",
                bool(others),
            ),
            Expectation(
                f"Merge commit {pull.merge_commit[:10]}",
                f"on {wanted.target}",
                f"on {wanted.target}" if contained else "not there any more",
                contained,
            ),
        ),
        passed=f"Pull request {pull.id} is merged into {wanted.target}.",
        failed=f"Pull request {pull.id} is completed, but not as the lab needs it.",
        next_action="A merge is not taken back: create another pull request, and let another person approve it."
        if contained
        else f"Somebody has rewritten {wanted.target}: ask the organizer.",
    )


def _not_completed(context: StepContext, wanted: LabPullRequest, pull: PullRequest) -> Result:
    seen = (
        Expectation("State", "completed", "is being merged" if pull.is_completing else pull.status, met=False),
        Expectation(
            "Merge", "without conflicts", pull.merge_status or "not known yet", pull.merge_status == "succeeded"
        ),
    )
    if pull.is_completing:
        summary = f"Azure DevOps is merging pull request {pull.id}."
        return Result(Status.WAITING, summary, seen, "Nothing to do.", look_again_after=2.0, usually=10.0)
    if (trouble := _trouble(context, wanted, pull)) is not None:
        return Result(Status.FAILED, trouble.message, seen, trouble.hint, trouble.detail)
    return Result(
        Status.FAILED,
        f"Pull request {pull.id} is approved and not completed.",
        seen,
        f"Choose Complete on its page, or <solve>. {_page(context, pull.id)}",
    )


def _trouble(context: StepContext, wanted: LabPullRequest, pull: PullRequest) -> ServiceError | None:
    """Return why a pull request cannot be merged in its current state, or None."""
    if pull.is_draft:
        return ConflictError(
            f"Pull request {pull.id} is a draft: it can neither be approved nor completed.",
            f"Choose Publish on its page: {_page(context, pull.id)}",
        )
    if pull.merge_status == "conflicts":
        where = pull.merge_message.rstrip(".") or "Both branches changed the same lines"
        return ConflictError(
            f"{wanted.source} cannot be merged into {wanted.target}: {where}.",
            f"In {context.names.clone_folder}: git fetch origin, then git merge origin/{wanted.target}. Edit the files "
            "that git names, git add them, git commit, git push. A push takes approvals back: ask for the vote again.",
            detail=pull.merge_message,
        )
    if pull.merge_status in {"failure", "rejectedByPolicy"}:
        return ServiceError(
            f"Azure DevOps could not merge pull request {pull.id} ({pull.merge_status}). {pull.merge_message}".strip(),
            f"Its page says more: {_page(context, pull.id)}",
            detail=pull.merge_message,
        )
    return None


def _plan_completion(context: StepContext) -> Sequence[Change]:
    source, where = context.names.branch, context.names.repository
    try:
        wanted, pull = _required(context)
    except (SignInError, NotFoundError, AccessDeniedError):
        note = f"merged into {context.names.default_branch}, once another person has approved it"
        return (Change("change", KIND, f"of {source}", where, "free", note=note),)
    if pull.status == "completed":
        return (Change("leave", KIND, str(pull.id), where, note=f"it is merged into {wanted.target}"),)
    if (trouble := _trouble(context, wanted, pull)) is not None:
        return (Change("conflict", KIND, str(pull.id), where, note=trouble.message),)
    note = f"merged into {wanted.target} with a merge commit; the branch {source} stays"
    return (Change("change", KIND, str(pull.id), where, "free", 10.0, note),)


@solve(plan=_plan_completion)
def complete(context: StepContext) -> None:
    """Merge the pull request, if another person has approved it, and wait for the merge.

    It is safe to kill the wizard meanwhile: Azure DevOps continues the merge, and the next run finds it.

    Raises:
        ConflictError: Nobody else has approved it, or it conflicts with what was merged before.
        AccessDeniedError: A policy is not met, or the account may not complete it.
        ServiceError: Azure DevOps could not merge it, or takes too long.
    """
    wanted, pull = _required(context, ReadCache())
    project, deadline = context.names.devops_project, time.monotonic() + _MERGE_SECONDS

    def look() -> PullRequest:
        return wanted.client.pull_request(project, wanted.repository, pull.id)

    while pull.status == "active" and not pull.is_completing and pull.merge_status in _BEING_MERGED:
        _wait(context, pull, "is being checked for conflicts", deadline)
        pull = ownership.look_again(context, f"{KIND} {pull.id}", look)
    if pull.status == "active" and not pull.is_completing:
        if (trouble := _trouble(context, wanted, pull)) is not None:
            raise trouble
        if not pull.approvers:
            raise ConflictError(
                f"Nobody but its author has approved pull request {pull.id}.",
                "Let another person read and approve it: <step pull-request/review-and-approve>.",
            )
        context.reporter.stop_if_cancelled()
        message = f"Merged PR {pull.id}: {pull.title}"
        pull = wanted.client.complete_pull_request(project, wanted.repository, pull, message)
        context.reporter.say(f"Pull request {pull.id}: asked Azure DevOps to merge it into {wanted.target}.")
    while pull.status == "active":
        if not pull.is_completing and pull.merge_status not in _BEING_MERGED:
            raise _trouble(context, wanted, pull) or ServiceError(
                f"Azure DevOps did not complete pull request {pull.id}.",
                f"Somebody may have pushed, or taken a vote back, meanwhile: {_page(context, pull.id)}",
            )
        _wait(context, pull, "is being merged", deadline)
        pull = ownership.look_again(context, f"{KIND} {pull.id}", look)
    if pull.status != "completed":
        raise ConflictError(
            f"Somebody has abandoned pull request {pull.id}.", "Reactivate it on its page, or create another one."
        )
    context.reporter.say(f"Merged into {wanted.target} as commit {pull.merge_commit[:10]}.")
    # The reader's clone fetches the merge; its files do not change.
    with suppress(ServiceError):
        required_clone(context).fetch()


def _wait(context: StepContext, pull: PullRequest, words: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise ServiceError(
            f"{KIND} {pull.id} {words}, after more than {_MERGE_SECONDS / 60:.0f} minutes.",
            f"Azure DevOps continues by itself. Check again in a few minutes: {_page(context, pull.id)}",
        )
    context.reporter.progress(f"{KIND} {pull.id} {words}", 10.0)
    context.reporter.wait(context.poll_interval)
