"""A second person who reviews a pull request in Azure DevOps, for people who practice alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hol_wizard.practice.process.launch import LaunchError
from hol_wizard.practice.process.second_person import SECOND, Person, person

_SCOPE: Final = "vso.code_write"
_VOTES: Final = {"approve": 10, "wait": -5, "reject": -10}
_WORDS: Final = {"approve": "approved", "wait": "waits for the author", "reject": "rejected"}


def review(
    endpoints: Mapping[str, Any],
    *,
    organization: str,
    number: int | None,
    user: str,
    decision: str,
    comment: str,
) -> dict[str, Any]:
    """Comment and vote on a pull request as another person, and return what was done.

    Args:
        endpoints: The endpoints of the running practice cloud.
        organization: The Azure DevOps organization.
        number: Number of the pull request; None for the only active one.
        user: Sign-in name of the reviewer; empty for somebody other than the creator.
        decision: `approve`, `wait` or `reject`. With `approve`, this person's open comments are resolved.
        comment: Their comment, if any.

    Raises:
        LaunchError: Azure DevOps refuses it, or there is no such pull request.
    """
    with person(endpoints, organization, user or SECOND[0].name, _SCOPE) as first:
        pull = _pull_request(first, number)
    creator = str(pull["createdBy"]["uniqueName"])
    name = user or next(each.name for each in SECOND if each.name != creator)
    with person(endpoints, organization, name, _SCOPE) as reviewer:
        _vote(reviewer, pull, decision, comment)
    return {
        "pull_request": pull["pullRequestId"],
        "title": pull["title"],
        "reviewer": reviewer.display_name,
        "vote": _WORDS[decision],
        **({"comment": comment} if comment else {}),
    }


def _pull_request(who: Person, number: int | None) -> dict[str, Any]:
    """Return the pull request with a number, or the only active one.

    Raises:
        LaunchError: There is none, or there are several.
    """
    every = [
        pull
        for repository in who.ask("GET", "/git/repositories")["value"]
        for pull in who.ask(
            "GET", f"/git/repositories/{repository['id']}/pullrequests", **{"searchCriteria.status": "all"}
        )["value"]
    ]
    active = [each for each in every if each["status"] == "active"]
    if number is not None:
        active = [each for each in active if each["pullRequestId"] == number]
    if len(active) == 1:
        return dict(active[0])
    if not active:
        ended = next((each for each in every if number in {None, each["pullRequestId"]}), None)
        if ended is not None:
            raise LaunchError(
                f"Pull request {ended['pullRequestId']} is {ended['status']}; only an active one can be reviewed."
            )
        which = "no pull request" if number is None else f"no pull request {number}"
        raise LaunchError(f"There is {which} in the organization {who.organization}.")
    numbers = ", ".join(str(each["pullRequestId"]) for each in active)
    raise LaunchError(f"There are several active pull requests: {numbers}.", "Name one: --pull-request NUMBER")


def _vote(who: Person, pull: Mapping[str, Any], decision: str, comment: str) -> None:
    """Comment and vote; an approval resolves the person's own open comments."""
    path = f"/git/repositories/{pull['repository']['id']}/pullRequests/{pull['pullRequestId']}"
    if comment:
        said = {"content": comment, "parentCommentId": 0, "commentType": "text"}
        who.ask("POST", f"{path}/threads", {"comments": [said], "status": "active"})
    if decision == "approve":
        for thread in who.ask("GET", f"{path}/threads")["value"]:
            if thread["status"] == "active" and thread["comments"][0]["author"]["id"] == who.id:
                who.ask("PATCH", f"{path}/threads/{thread['id']}", {"status": "fixed"})
    who.ask("PUT", f"{path}/reviewers/{who.id}", {"vote": _VOTES[decision]})
