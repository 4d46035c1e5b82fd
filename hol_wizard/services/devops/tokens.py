"""Personal access tokens of an Azure DevOps organization: listed, created and revoked by their owner.

Sources: the service's API description (tokens, 7.1), and learn.microsoft.com/azure/devops/organizations/accounts/
manage-personal-access-tokens-via-api: only a person's Entra token is accepted, neither another token nor a service
principal's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError
from hol_wizard.services.answers import Document, moment, pages
from hol_wizard.services.devops.connection import ask
from hol_wizard.services.rest import RestClient, json_object
from hol_wizard.services.secrets import Secret

CODE_READ_AND_WRITE: Final = "vso.code_write"
"""`Code: Read & write` on the page (OAuth 2.0 scopes of Azure DevOps)."""
VERSION: Final = "7.1-preview.1"

_POLICIES: Final[Mapping[str, str]] = {
    "globalPatPolicyViolation": "a policy forbids tokens for all organizations",
    "fullScopePatPolicyViolation": "a policy forbids tokens with full access",
    "accessDenied": "a policy of the organization does not allow you to create one",
    "failedToReadTenantPolicy": "the policy of the directory (tenant) could not be read",
    "invalidUserType": "a service principal can have none",
}


@dataclass(frozen=True, slots=True)
class DevOpsToken:
    """A personal access token as it is listed, without its value."""

    id: str
    """`authorizationId`."""
    name: str
    scope: str
    """`vso.code_write`; several are separated by spaces."""
    ends: datetime | None


class DevOpsTokens:
    """The signed-in person's personal access tokens of one organization."""

    def __init__(self, rest: RestClient, organization: str) -> None:
        self._rest = rest
        self.organization = organization

    def list(self) -> list[DevOpsToken]:
        """Return the valid tokens.

        Raises:
            AccessDeniedError: The account is not in the organization, or cannot have tokens.
            ServiceError: Azure DevOps could not be asked.
        """

        def read(token: str) -> Document:
            return self._ask("GET", **({"continuationToken": token} if token else {}))

        listed = pages(read, lambda page: page.text("continuationToken"))
        return [_token(each) for page in listed for each in page.objects("patTokens")]

    def create(self, name: str, scope: str, days: int) -> tuple[DevOpsToken, Secret]:
        """Create a token for this organization only; its value is not shown again.

        A repeated request creates another one.

        Raises:
            AccessDeniedError: A policy forbids it.
            ConflictError: A policy does not allow such a long lifetime.
            ServiceError: Azure DevOps refused.
        """
        ends = datetime.now(UTC) + timedelta(days=days)
        body = {
            "displayName": name,
            "scope": scope,
            "validTo": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "allOrgs": False,
        }
        answer = self._ask("POST", body)
        # A refusal has a success status.
        trouble = str(answer.get("patTokenError") or "none")
        made = answer.inner("patToken")
        if trouble == "patLifespanPolicyViolation":
            raise ConflictError(
                f"A policy does not allow a personal access token with a lifetime of {days} days.",
                "Create one with a shorter lifetime. An administrator of Azure DevOps sets the limit.",
                code=trouble,
            )
        if trouble in _POLICIES:
            raise AccessDeniedError(
                f"The organization {self.organization} does not issue a personal access token: {_POLICIES[trouble]}.",
                "Ask an administrator: Organization settings, Policies, or Microsoft Entra, for the directory.",
                code=trouble,
            )
        if trouble != "none" or not made.get("token"):
            raise ServiceError(
                f"Azure DevOps did not create a personal access token: {trouble}.",
                "Try again.",
                code=trouble,
                detail=trouble,
            )
        return _token(made), Secret.hidden(str(made["token"]))

    def revoke(self, token_id: str) -> None:
        """Revoke a token; does nothing if it no longer exists.

        Raises:
            ServiceError: Azure DevOps refused.
        """
        with suppress(NotFoundError):
            self._ask("DELETE", authorizationId=token_id)

    def _ask(self, method: str, body: Any = None, **query: str) -> Document:
        base = f"{self._rest.endpoints.devops_sps}/{quote(self.organization)}/_apis/tokens/pats"
        reply = ask(self._rest, method, base, "personal access tokens", body, VERSION, query)
        return json_object(reply, base) if reply.body or method == "GET" else Document({}, reply.source)


def _token(document: Document) -> DevOpsToken:
    return DevOpsToken(
        str(document.get("authorizationId") or ""),
        str(document.get("displayName") or ""),
        str(document.get("scope") or ""),
        moment(str(document.get("validTo") or "")),
    )
