"""Another person in Azure DevOps, for people who practice alone.

Everything uses the service's own API with a token of that person, so that it refuses what Azure DevOps would refuse.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.process.launch import ControlClient, ControlError, LaunchError, connect, exchange

SECOND: Final = (seed.ORGANIZER, seed.ATTENDEE)
"""The people to play by default: the first of them who has the permission. Both see every project."""


class Person:
    """One person in an organization, with their own token."""

    def __init__(self, endpoints: Mapping[str, Any], organization: str, name: str, token: Mapping[str, Any]) -> None:
        self._endpoints = endpoints
        self.organization = organization
        self.name = name
        """The sign-in name."""
        self.id = id_of(organization, name)
        """The ID in the organization."""
        self._token = token

    @property
    def display_name(self) -> str:
        """The name that others see."""
        return seed.USERS[self.name].display_name

    def ask(self, method: str, path: str, body: object = None, *, project: str = "", **query: str) -> dict[str, Any]:
        """Ask Azure DevOps something, and return its answer.

        Args:
            method: The method.
            path: What follows `_apis`.
            body: What to send, as JSON.
            project: Name or ID of the project that the path is in, if it is in one.
            query: Query parameters besides the version.

        Raises:
            ControlError: Azure DevOps refuses it.
            LaunchError: It does not respond.
        """
        where = "/".join(quote(each) for each in (self.organization, project) if each)
        address = f"/{where}/_apis{path}?{urlencode({'api-version': '7.1', **query}, safe='$')}"
        signed_in = base64.b64encode(f":{self._token['token']}".encode()).decode()
        headers = {"Authorization": f"Basic {signed_in}"}
        status, found = exchange(connect(self._endpoints, "devops"), method, address, body, headers)
        if status >= 400:
            raise ControlError(f"Azure DevOps refused: {(found or {}).get('message', status)}")
        return dict(found or {})


@contextmanager
def person(endpoints: Mapping[str, Any], organization: str, name: str, scope: str) -> Iterator[Person]:
    """Give a person by their sign-in name, with a token of these scopes that is revoked afterwards.

    Raises:
        LaunchError: There is no such user.
    """
    if name not in seed.USERS:
        raise LaunchError(f"There is no user {name}; there are: {', '.join(seed.USERS)}")
    client = ControlClient(endpoints)
    token = client.devops_token(organization, scope, user=name, days=1, name="practice")
    try:
        yield Person(endpoints, organization, name, token)
    finally:
        client.revoke_devops_token(str(token["id"]))


def id_of(organization: str, name: str) -> str:
    """Return the ID that a user has in an organization."""
    return member_id(organization.lower(), seed.USERS[name].id)
