"""Requests to one Azure DevOps organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from hol_wizard.errors import SignInError
from hol_wizard.services.answers import Document
from hol_wizard.services.error_rules import SIGN_IN_AGAIN
from hol_wizard.services.rest import Reply, RestClient, json_object, not_the_cloud

VERSION: Final = "7.1"
PREVIEW: Final = "7.1-preview.1"
"""For what is released as a preview only: connectionData (the service's own route table)."""


SIGN_IN_TITLE: Final = "azure devops services | sign in"
"""Title of its page to sign in, in small letters."""


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
        /,
        body: Any = None,
        version: str = VERSION,
        below: str = "",
        **query: str,
    ) -> Reply:
        base = f"{self.url}/{quote(below)}" if below else self.url
        return ask(self._rest, method, f"{base}/_apis{path}", thing, body, version, query)

    def _get(self, path: str, thing: str, /, version: str = VERSION, below: str = "", **query: str) -> Document:
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
        SignInError: It shows its page to sign in, with a status of success, or sends there.
        WizardError: As the answer says.
    """
    asked = "&".join(f"{name}={quote(value)}" for name, value in {**query, "api-version": version}.items())
    # Without this header, who is not signed in is sent to a page to sign in, with a status of success.
    headers = {"X-TFS-FedAuthRedirect": "Suppress"}
    if method == "PATCH" and isinstance(body, list):
        headers["Content-Type"] = "application/json-patch+json"
    reply = rest.send(method, f"{url}?{asked}", thing=thing, body=body, headers=headers, redirects=True)
    if _asks_to_sign_in(reply):
        raise SignInError(
            "Azure DevOps does not accept this sign-in and shows its sign-in page.",
            SIGN_IN_AGAIN,
            detail=f"HTTP {reply.status} from {url}",
        )
    if reply.status >= 300 or reply.status == 203:
        raise not_the_cloud(url, reply.status)
    return reply


def _asks_to_sign_in(reply: Reply) -> bool:
    """Whether this is how the service treats a token that is not good.

    Its page comes with 203 (azure-devops-auth-samples issue 52), some parts redirect to it (dotnet/arcade pull request
    5472; the address is in azure-pipelines-agent issue 1164). Any other page is not the service's.
    """
    if 300 <= reply.status < 400:
        return "/_signin" in reply.headers.get("location", "").lower()
    return isinstance(reply.body, str) and SIGN_IN_TITLE in reply.body[:20_000].lower()
