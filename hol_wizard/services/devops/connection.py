"""Requests to one Azure DevOps organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from hol_wizard.errors import SignInError
from hol_wizard.services.error_rules import SIGN_IN_AGAIN
from hol_wizard.services.rest import Reply, RestClient, json_object

VERSION: Final = "7.1"
PREVIEW: Final = "7.1-preview.1"
"""For what is released as a preview only: connectionData (the service's own route table)."""


class Connection:
    """One organization as its subjects reach it, with the token of whoever is signed in."""

    def __init__(self, rest: RestClient, organization: str) -> None:
        self._rest = rest
        self.organization = organization

    @property
    def url(self) -> str:
        """Its address: `https://dev.azure.com/contoso`."""
        return f"{self._rest.endpoints.devops}/{quote(self.organization)}"

    def _send(
        self,
        method: str,
        path: str,
        thing: str,
        body: Any = None,
        version: str = VERSION,
        below: str = "",
        **query: str,
    ) -> Reply:
        base = f"{self.url}/{quote(below)}" if below else self.url
        return ask(self._rest, method, f"{base}/_apis{path}", thing, body, version, query)

    def _get(self, path: str, thing: str, version: str = VERSION, below: str = "", **query: str) -> Mapping[str, Any]:
        return json_object(self._send("GET", path, thing, version=version, below=below, **query), self.url)


def ask(
    rest: RestClient, method: str, url: str, thing: str, body: Any, version: str, query: Mapping[str, str]
) -> Reply:
    """Send a request to one of Azure DevOps' addresses.

    Args:
        rest: With whom it goes.
        method: `GET`, `POST`, …
        url: Without a query.
        thing: What it is about, for messages.
        body: A document, or None.
        version: Of the API.
        query: What else stands behind the question mark.

    Raises:
        SignInError: It shows its page to sign in, with a status of success.
        WizardError: As the answer says.
    """
    asked = "&".join(f"{name}={quote(value)}" for name, value in {**query, "api-version": version}.items())
    # Without this header, who is not signed in is sent to a page to sign in, with a status of success.
    headers = {"X-TFS-FedAuthRedirect": "Suppress"}
    if method == "PATCH":
        headers["Content-Type"] = "application/json-patch+json"
    reply = rest.send(method, f"{url}?{asked}", thing=thing, body=body, headers=headers)
    if reply.status == 203 or (isinstance(reply.body, str) and "<html" in reply.body.lower()):
        raise SignInError(
            "Azure DevOps does not take this sign-in, and shows its page to sign in.",
            SIGN_IN_AGAIN,
            detail=f"HTTP {reply.status} from {url}",
        )
    return reply
