"""A second person who reviews a pull request in Azure DevOps, for people who practice alone.

Everything uses the service's own API with a token of that person, so that it refuses what Azure DevOps would refuse.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from hol_wizard.practice import seed
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.process.launch import ASK_SECONDS, ControlClient, ControlError, LaunchError

if TYPE_CHECKING:
    import http.client

_VOTES: Final = {"approve": 10, "wait": -5, "reject": -10}
_WORDS: Final = {"approve": "approved", "wait": "waits for the author", "reject": "rejected"}
_SECOND: Final = (seed.ORGANIZER, seed.ATTENDEE)
"""The default reviewers: the first one who did not create the pull request. Both see every project."""


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
    first = _Reviewer.of(endpoints, organization, user or _SECOND[0].name)
    try:
        pull = first.pull_request(number)
    finally:
        first.leave()
    creator = str(pull["createdBy"]["uniqueName"])
    name = user or next(each.name for each in _SECOND if each.name != creator)
    reviewer = _Reviewer.of(endpoints, organization, name)
    try:
        reviewer.vote(pull, decision, comment)
    finally:
        reviewer.leave()
    return {
        "pull_request": pull["pullRequestId"],
        "title": pull["title"],
        "reviewer": seed.USERS[name].display_name,
        "vote": _WORDS[decision],
        **({"comment": comment} if comment else {}),
    }


class _Reviewer:
    """One person in Azure DevOps, with their own token."""

    def __init__(self, endpoints: Mapping[str, Any], organization: str, name: str, token: Mapping[str, Any]) -> None:
        self._endpoints = endpoints
        self._organization = organization
        self._id = member_id(organization.lower(), seed.USERS[name].id)
        self._token = token

    @classmethod
    def of(cls, endpoints: Mapping[str, Any], organization: str, name: str) -> _Reviewer:
        """Return a person by their sign-in name."""
        if name not in seed.USERS:
            raise LaunchError(f"There is no user {name}; there are: {', '.join(seed.USERS)}")
        wanted = {"user": name, "days": 1, "name": "practice review"}
        token = ControlClient(endpoints).devops_token(organization, "vso.code_write", **wanted)
        return cls(endpoints, organization, name, token)

    def leave(self) -> None:
        """Revoke the token."""
        ControlClient(self._endpoints).revoke_devops_token(str(self._token["id"]))

    def pull_request(self, number: int | None) -> dict[str, Any]:
        """Return the pull request with a number, or the only active one.

        Raises:
            LaunchError: There is none, or there are several.
        """
        every = [
            pull
            for repository in self._ask("GET", "/git/repositories")["value"]
            for pull in self._ask("GET", f"/git/repositories/{repository['id']}/pullrequests", status="all")["value"]
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
            raise LaunchError(f"There is {which} in the organization {self._organization}.")
        numbers = ", ".join(str(each["pullRequestId"]) for each in active)
        raise LaunchError(f"There are several active pull requests: {numbers}.", "Name one: --pull-request NUMBER")

    def vote(self, pull: Mapping[str, Any], decision: str, comment: str) -> None:
        """Comment and vote; an approval resolves the person's own open comments."""
        path = f"/git/repositories/{pull['repository']['id']}/pullRequests/{pull['pullRequestId']}"
        if comment:
            said = {"content": comment, "parentCommentId": 0, "commentType": "text"}
            self._ask("POST", f"{path}/threads", {"comments": [said], "status": "active"})
        if decision == "approve":
            for thread in self._ask("GET", f"{path}/threads")["value"]:
                if thread["status"] == "active" and thread["comments"][0]["author"]["id"] == self._id:
                    self._ask("PATCH", f"{path}/threads/{thread['id']}", {"status": "fixed"})
        self._ask("PUT", f"{path}/reviewers/{self._id}", {"vote": _VOTES[decision]})

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, status: str = ""
    ) -> dict[str, Any]:
        connection = self._connection()
        signed_in = base64.b64encode(f":{self._token['token']}".encode()).decode()
        headers = {"Authorization": f"Basic {signed_in}", "Content-Type": "application/json"}
        address = f"/{quote(self._organization)}/_apis{path}?api-version=7.1"
        if status:
            address += f"&searchCriteria.status={status}"
        try:
            connection.request(method, address, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            found = json.loads(text) if text else {}
        except (OSError, ValueError) as error:
            raise LaunchError(f"The practice cloud does not respond: {error}", "Start it again.") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise ControlError(f"Azure DevOps refused: {found.get('message', response.status)}")
        return dict(found)

    def _connection(self) -> http.client.HTTPSConnection:
        import http.client
        import ssl

        address = urlsplit(str(self._endpoints["devops"]))
        trusted = ssl.create_default_context(cafile=self._endpoints["ca_file"])
        return http.client.HTTPSConnection(str(address.hostname), address.port, timeout=ASK_SECONDS, context=trusted)
