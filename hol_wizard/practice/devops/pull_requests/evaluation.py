"""Evaluates branch policies for a pull request (Policy - Evaluations, 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hol_wizard.practice.devops.branch_policies import (
    COMMENTS,
    MERGE_STRATEGY,
    REQUIRED_REVIEWERS,
    REVIEWERS,
    WORK_ITEMS,
)
from hol_wizard.practice.devops.pull_requests import merging
from hol_wizard.practice.devops.pull_requests.records import APPROVED, REJECTED, WAITING
from hol_wizard.practice.devops.versions import BRANCHES
from hol_wizard.practice.kernel.service import JsonObject
from hol_wizard.practice.kernel.store import Document

_STRATEGIES = {"noFastForward": "allowNoFastForward", "squash": "allowSquash"}
_UNRESOLVED = frozenset({"active", "pending"})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Whether a pull request meets one policy."""

    policy: Document
    status: str
    """`approved`, `rejected` or `queued`: an unmet approval reads `queued` (seen by a public client)."""
    unmet: str = ""
    """Why a completion is refused; the texts are estimates."""
    context: JsonObject | None = None
    """Of a build validation: its build."""


@dataclass(frozen=True, slots=True)
class BuildVerdict:
    """How the build of a build validation went."""

    status: str
    """`queued`, `running`, `approved` or `rejected`."""
    context: JsonObject


Verdicts = Callable[[Document, Document], BuildVerdict]
"""Returns the verdict on a policy and a pull request."""


def evaluate(policy: Document, pull: Document, verdict_of: Verdicts) -> Evaluation:
    """Return whether a pull request meets a policy that applies to it.

    Args:
        policy: The policy.
        pull: The pull request.
        verdict_of: Returns how its build went, for a build validation.
    """
    kind, settings = policy["body"]["type"], policy["body"].get("settings") or {}
    target = pull["target"].removeprefix(BRANCHES)
    if kind == REVIEWERS:
        return _by_votes(policy, pull, target)
    if kind == REQUIRED_REVIEWERS:
        wanted = {str(each).lower() for each in settings.get("requiredReviewerIds") or ()}
        given = {each["id"] for each in pull["reviewers"] if each["vote"] >= APPROVED}
        missing = wanted - given
        unmet = f"{len(missing)} required reviewers must approve to update {target}."
        return Evaluation(policy, "queued", unmet) if missing else Evaluation(policy, "approved")
    if kind == COMMENTS:
        open_threads = [each for each in pull["threads"] if each["status"] in _UNRESOLVED and not each["deleted"]]
        unmet = f"All comments must be resolved to update {target}."
        return Evaluation(policy, "rejected", unmet) if open_threads else Evaluation(policy, "approved")
    if kind == MERGE_STRATEGY:
        asked = merging.strategy(pull["options"])
        allowed = bool(settings.get(_STRATEGIES.get(asked, "")))
        unmet = f"The merge strategy {asked} is not allowed on {target}."
        return Evaluation(policy, "approved") if allowed else Evaluation(policy, "rejected", unmet)
    if kind == WORK_ITEMS:
        return Evaluation(policy, "rejected", f"Work items must be linked to update {target}.")
    verdict = verdict_of(policy, pull)
    unmet = "" if verdict.status == "approved" else f"A build must succeed to update {target}."
    return Evaluation(policy, verdict.status, unmet, verdict.context)


def _by_votes(policy: Document, pull: Document, target: str) -> Evaluation:
    """Return whether enough people have approved (learn.microsoft.com/azure/devops/repos/git/branch-policies).

    A vote to wait or to reject blocks unless the policy allows it, and the creator's vote counts only if the policy
    says so; nor does the vote of the last person who pushed, if the policy excludes them.
    """
    settings = policy["body"].get("settings") or {}
    minimum = int(settings.get("minimumApproverCount") or 1)
    pushers = {pull["iterations"][-1]["by"]} if settings.get("blockLastPusherVote") and pull["iterations"] else set()
    creators = set() if settings.get("creatorVoteCounts") else {pull["creator"]}
    against = [each for each in pull["reviewers"] if each["vote"] in {WAITING, REJECTED}]
    if against and not settings.get("allowDownvotes"):
        return Evaluation(policy, "rejected", f"A reviewer has voted to wait or to reject, so {target} is not updated.")
    counted = [each for each in pull["reviewers"] if each["vote"] >= APPROVED and each["id"] not in creators | pushers]
    if len(counted) >= minimum:
        return Evaluation(policy, "approved")
    people = "reviewer" if minimum == 1 else "reviewers"
    return Evaluation(policy, "queued", f"At least {minimum} {people} must approve to update {target}.")


def resets(policy: Document, vote: int) -> bool:
    """Return whether a push to the source branch resets a vote by this policy.

    `resetOnSourcePush` resets approvals and leaves votes to wait or to reject; `resetRejectionsOnSourcePush` resets all
    (terraform-provider-azuredevops, `on_push_reset_approved_votes` and `on_push_reset_all_votes`).
    """
    settings = policy["body"].get("settings") or {}
    every, approvals = settings.get("resetRejectionsOnSourcePush"), settings.get("resetOnSourcePush")
    return policy["body"]["type"] == REVIEWERS and bool(every or (approvals and vote >= APPROVED))
