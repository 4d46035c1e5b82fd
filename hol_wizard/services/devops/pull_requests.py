"""Pull requests of an Azure DevOps organization, with their reviewers, comments and policies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from hol_wizard.services.answers import Document, moment, rows
from hol_wizard.services.devops.connection import PREVIEW, Connection
from hol_wizard.services.devops.repositories import HEADS
from hol_wizard.services.rest import json_object

APPROVED: Final = 5
"""The lowest vote that approves: 10 approves, 5 approves with suggestions (`IdentityRefWithVote.vote`)."""
_PAGE: Final = 100
_VOTES: Final[Mapping[int, str]] = {
    10: "approved",
    5: "approved with suggestions",
    0: "has not voted",
    -5: "waits for the author",
    -10: "rejected",
}


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A reviewer of a pull request."""

    id: str
    """Their ID in the organization."""
    name: str
    unique_name: str
    """Their sign-in name."""
    vote: int = 0
    is_required: bool = False
    is_group: bool = False
    """Whether it is a team, whose vote is that of one of its members."""

    @property
    def approves(self) -> bool:
        """Whether their vote approves."""
        return self.vote >= APPROVED

    @property
    def objects(self) -> bool:
        """Whether their vote rejects, or waits for the author."""
        return self.vote < 0

    def __str__(self) -> str:
        """Return name and vote in words: `Robin Reader: approved`."""
        return f"{self.name}: {_VOTES.get(self.vote, f'vote {self.vote}')}"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One pull request."""

    id: int
    title: str
    description: str
    """Complete only in the response for a single pull request: lists truncate it."""
    status: str
    """`active`, `completed` or `abandoned`."""
    source: str
    """The source branch, without `refs/heads/`."""
    target: str
    creator: Reviewer
    merge_status: str = ""
    """`queued`, `succeeded`, `conflicts`, `rejectedByPolicy`, `failure`; empty: not told."""
    merge_message: str = ""
    source_commit: str = ""
    """The commit of the source branch when the merge was last tried."""
    merge_commit: str = ""
    """For a completed one: the commit on the target branch."""
    reviewers: tuple[Reviewer, ...] = ()
    is_draft: bool = False
    is_completing: bool = False
    """Whether its completion was requested but is not carried out yet."""
    closed: datetime | None = None
    """When it was completed or abandoned."""
    merge_message_given: str = ""
    """The merge commit's message, if the person who completed it gave one; by default it contains the title."""
    closed_by: str = ""
    """ID of the person who completed or abandoned it."""

    @property
    def approvers(self) -> tuple[Reviewer, ...]:
        """The people other than its creator whose vote approves."""
        others = (each for each in self.reviewers if each.id != self.creator.id)
        return tuple(each for each in others if each.approves and not each.is_group)


@dataclass(frozen=True, slots=True)
class Discussion:
    """A thread of comments by people."""

    id: int
    status: str
    """`active`, `pending`, `fixed`, `wontFix`, `closed`, `byDesign`; empty: none."""
    comments: tuple[tuple[str, str], ...]
    """Author and text of each."""

    @property
    def is_open(self) -> bool:
        """Whether it is still open."""
        return self.status in {"active", "pending"}


@dataclass(frozen=True, slots=True)
class PolicyEvaluation:
    """The evaluation of one branch policy for a pull request."""

    name: str
    """`Minimum number of reviewers`."""
    status: str
    """`approved`, `queued`, `running`, `rejected`, `broken`, `notApplicable`."""
    is_blocking: bool

    @property
    def is_met(self) -> bool:
        """Whether it does not block the completion."""
        return self.status in {"approved", "notApplicable"} or not self.is_blocking


class PullRequests(Connection):
    """The pull requests of an organization's repositories."""

    def pull_requests(
        self, project: str, repository_id: str, source: str, target: str, status: str = "all"
    ) -> list[PullRequest]:
        """Return the pull requests from one branch into another, newest first.

        Args:
            project: Name or ID.
            repository_id: Of the repository.
            source: A branch, without `refs/heads/`; empty for all.
            target: The target branch.
            status: `active`, `completed`, `abandoned` or `all`.
        """
        query = {
            "searchCriteria.status": status,
            "searchCriteria.targetRefName": HEADS + target,
            "$top": str(_PAGE),
        }
        if source:
            query["searchCriteria.sourceRefName"] = HEADS + source

        def read(skipped: int) -> Document:
            more = query | {"$skip": str(skipped)}
            return self._get(_path(repository_id), "the pull requests", below=project, **more)

        return [_pull_request(each) for each in rows(read, _PAGE, "pullRequestId")]

    def pull_request(self, project: str, repository_id: str, number: int) -> PullRequest:
        """Return a pull request.

        Raises:
            NotFoundError: There is none of this number.
        """
        thing = f"pull request {number}"
        return _pull_request(self._get(f"{_path(repository_id)}/{number}", thing, below=project))

    def create_pull_request(
        self,
        project: str,
        repository_id: str,
        source: str,
        target: str,
        title: str,
        description: str,
        reviewers: Collection[str] = (),
    ) -> PullRequest:
        """Create a pull request, and return it; whether it can be merged is known a moment later.

        Args:
            project: Name or ID.
            repository_id: Of the repository.
            source: The source branch, without `refs/heads/`.
            target: The target branch.
            title: At most 400 characters.
            description: Markdown, at most 4,000 characters.
            reviewers: Their IDs in the organization.

        Raises:
            ConflictError: There is an active one between these branches, or one of the branches does not exist.
            AccessDeniedError: The caller may not contribute to pull requests.
        """
        body = {
            "sourceRefName": HEADS + source,
            "targetRefName": HEADS + target,
            "title": title,
            "description": description,
            "reviewers": [{"id": each} for each in reviewers],
        }
        return self._changed("POST", project, _path(repository_id), "the pull request", body)

    def publish_pull_request(self, project: str, repository_id: str, number: int) -> PullRequest:
        """Make a draft ready for review."""
        return self._update(project, repository_id, number, {"isDraft": False})

    def abandon_pull_request(self, project: str, repository_id: str, number: int) -> PullRequest:
        """Abandon a pull request: nothing is merged, and it can be reactivated."""
        return self._update(project, repository_id, number, {"status": "abandoned"})

    def complete_pull_request(self, project: str, repository_id: str, pull: PullRequest, message: str) -> PullRequest:
        """Request the completion of a pull request as it was last seen; it is merged a moment later.

        The branch is kept: the Git folder in Databricks is on it.

        Raises:
            ConflictError: The source branch has moved since it was seen.
            AccessDeniedError: A policy is not met, or the caller may not contribute.
        """
        body = {
            "status": "completed",
            "lastMergeSourceCommit": {"commitId": pull.source_commit},
            "completionOptions": {
                "mergeStrategy": "noFastForward",
                "deleteSourceBranch": False,
                "mergeCommitMessage": message,
            },
        }
        return self._update(project, repository_id, pull.id, body)

    def add_reviewer(self, project: str, repository_id: str, number: int, person: str) -> None:
        """Ask somebody for a review, by the organization's own id of them.

        Raises:
            ServiceError: The organization does not know them, or they do not see the repository.
        """
        self.vote(project, repository_id, number, person, 0)

    def vote(self, project: str, repository_id: str, number: int, person: str, vote: int) -> None:
        """Record the caller's own vote.

        Args:
            project: Name or ID.
            repository_id: Of the repository.
            number: Of the pull request.
            person: The caller's ID in the organization; nobody can vote for somebody else.
            vote: 10, 5, 0, -5 or -10.
        """
        path = f"{_path(repository_id)}/{number}/reviewers/{quote(person)}"
        self._send("PUT", path, f"pull request {number}", {"vote": vote}, below=project)

    def discussions(self, project: str, repository_id: str, number: int) -> list[Discussion]:
        """Return the threads of comments by people; the service's own comments are omitted."""
        path = f"{_path(repository_id)}/{number}/threads"
        found = self._get(path, f"the comments on pull request {number}", below=project).objects("value")
        threads = (_discussion(each) for each in found if not each.get("isDeleted"))
        return [each for each in threads if each.comments]

    def policy_evaluations(self, project_id: str, number: int) -> list[PolicyEvaluation]:
        """Return the evaluation of each branch policy for a pull request (Policy - Evaluations, List).

        The artifact ID for evaluations differs from the pull request's own `artifactId`.
        """
        artifact = f"vstfs:///CodeReview/CodeReviewId/{project_id}/{number}"
        thing = f"the policies of pull request {number}"
        page = self._get("/policy/evaluations", thing, PREVIEW, below=project_id, artifactId=artifact)
        return [_evaluation(each) for each in page.objects("value")]

    def _update(self, project: str, repository_id: str, number: int, body: Mapping[str, Any]) -> PullRequest:
        return self._changed("PATCH", project, f"{_path(repository_id)}/{number}", f"pull request {number}", body)

    def _changed(self, method: str, project: str, path: str, thing: str, body: Mapping[str, Any]) -> PullRequest:
        return _pull_request(json_object(self._send(method, path, thing, body, below=project), self.url))


def _path(repository_id: str) -> str:
    return f"/git/repositories/{quote(repository_id)}/pullrequests"


def _pull_request(document: Document) -> PullRequest:
    return PullRequest(
        id=document.required_number("pullRequestId"),
        title=str(document.get("title") or ""),
        description=str(document.get("description") or ""),
        status=str(document["status"]),
        source=str(document["sourceRefName"]).removeprefix(HEADS),
        target=str(document["targetRefName"]).removeprefix(HEADS),
        creator=_reviewer(document.inner("createdBy")),
        merge_status=str(document.get("mergeStatus") or ""),
        merge_message=str(document.get("mergeFailureMessage") or ""),
        source_commit=str(document.inner("lastMergeSourceCommit").get("commitId") or ""),
        merge_commit=str(document.inner("lastMergeCommit").get("commitId") or ""),
        reviewers=tuple(map(_reviewer, document.some("reviewers"))),
        is_draft=bool(document.get("isDraft")),
        is_completing=bool(document.get("completionQueueTime")) and document["status"] == "active",
        merge_message_given=document.inner("completionOptions").text("mergeCommitMessage"),
        closed=moment(str(document.get("closedDate") or "")),
        closed_by=str(document.inner("closedBy").get("id") or ""),
    )


def _reviewer(document: Document) -> Reviewer:
    return Reviewer(
        str(document.get("id") or "").lower(),
        str(document.get("displayName") or document.get("uniqueName") or "somebody"),
        str(document.get("uniqueName") or ""),
        document.number("vote"),
        bool(document.get("isRequired")),
        bool(document.get("isContainer")),
    )


def _discussion(document: Document) -> Discussion:
    written = tuple(
        (str(each.inner("author").get("displayName") or "somebody"), str(each.get("content") or ""))
        for each in document.some("comments")
        if not each.get("isDeleted") and each.get("commentType", "text") == "text"
    )
    return Discussion(document.required_number("id"), str(document.get("status") or ""), written)


def _evaluation(document: Document) -> PolicyEvaluation:
    policy = document.inner("configuration")
    name = str(policy.inner("type").get("displayName") or "a branch policy")
    return PolicyEvaluation(name, str(document["status"]), bool(policy.get("isBlocking")))
