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
"""Version for APIs that exist only as a preview: connectionData (the service's own route table)."""


SIGN_IN_TITLE: Final = "azure devops services | sign in"
"""Title of its sign-in page, in lowercase."""


class Connection:
    """The connection to one organization, with the token of the signed-in account."""

    def __init__(self, rest: RestClient, organization: str) -> None:
        self._rest = rest
        self.organization = organization

    @property
    def url(self) -> str:
        """Its address: `https://dev.azure.com/contoso`."""
        return f"{self._rest.endpoints.devops}/{quote(self.organization)}"

    def _address(self, path: str, project: str = "") -> str:
        """Return the address of an API of the organization, or of one of its projects."""
        base = f"{self.url}/{quote(project)}" if project else self.url
        return f"{base}/_apis{path}"

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
        return ask(self._rest, method, self._address(path, below), thing, body, version, query)

    def _get(self, path: str, thing: str, /, version: str = VERSION, below: str = "", **query: str) -> Document:
        return json_object(self._send("GET", path, thing, version=version, below=below, **query), self.url)


def ask(
    rest: RestClient,
    method: str,
    url: str,
    thing: str,
    body: Any,
    version: str,
    query: Mapping[str, str],
    *,
    raw: bool = False,
    patches: bool = True,
) -> Reply:
    """Send a request to one of Azure DevOps' addresses.

    Args:
        rest: The client that sends it.
        method: `GET`, `POST`, …
        url: Without a query.
        thing: The subject of the request, for messages.
        body: A document, or None.
        version: The API version.
        query: Further query parameters.
        raw: Whether to return the response's body as bytes.
        patches: Whether a list that is sent by PATCH is a JSON patch, as in most APIs.

    Raises:
        SignInError: The service returns its sign-in page with a success status, or redirects to it.
        WizardError: The error that the response means.
    """
    asked = "&".join(f"{name}={quote(value)}" for name, value in {**query, "api-version": version}.items())
    # Without this header, an unauthenticated request gets a sign-in page with a success status.
    headers = {"X-TFS-FedAuthRedirect": "Suppress"}
    if method == "PATCH" and isinstance(body, list) and patches:
        headers["Content-Type"] = "application/json-patch+json"
    reply = rest.send(method, f"{url}?{asked}", thing=thing, body=body, headers=headers, raw=raw, redirects=True)
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
    """Whether this is the service's response to an invalid token.

    Its page comes with 203 (azure-devops-auth-samples issue 52), some parts redirect to it (dotnet/arcade pull request
    5472; the address is in azure-pipelines-agent issue 1164). Any other page does not come from the service.
    """
    if 300 <= reply.status < 400:
        return "/_signin" in reply.headers.get("location", "").lower()
    if not isinstance(reply.body, str | bytes):
        return False
    start = reply.body[:20_000]
    text = start.decode("utf-8", "replace") if isinstance(start, bytes) else start
    return SIGN_IN_TITLE in text.lower()


def named(page: Document, name: str) -> Document | None:
    """Return the object of this name in a response's list, whatever its case; None if there is none."""
    return next((each for each in page.objects("value") if str(each.get("name", "")).lower() == name.lower()), None)
