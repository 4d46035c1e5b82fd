"""The users of a workspace, and authentication: CurrentUser_me (SCIM)."""

from __future__ import annotations

import base64
import binascii

from hol_wizard.practice import seed
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.databricks.new_workspace import GROUPS, numbered
from hol_wizard.practice.databricks.personal_tokens import PREFIX, PersonalTokens
from hol_wizard.practice.databricks.records import Members
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.service import Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_RESOURCE_HEADER = "X-Databricks-Azure-Workspace-Resource-Id"
_MANAGEMENT_HEADER = "X-Databricks-Azure-SP-Management-Token"
_NO_CREDENTIAL = "Credential was not sent or was of an unsupported type for this API."
_UNKNOWN = "Invalid access token."
"""databricks-sdk-go issue 873, with status 403."""


class People:
    """The users of each workspace; all of them are admins."""

    def __init__(self, world: World, router: Router, personal: PersonalTokens) -> None:
        self._world = world
        self._members = world.part(Members)
        self._tokens = world.part(Tokens)
        self._personal = personal
        router.add("GET", "/api/2.0/preview/scim/v2/Me", self._me, refuses="attributes excludedAttributes")
        router.add("GET", "/api/2.0/scim/v2/Me", self._me, refuses="attributes excludedAttributes")

    def caller(self, request: Request, resource: Document) -> seed.Principal:
        """Return the caller.

        Raises:
            Refused: The token is not valid, or its owner is not in this workspace and may not join it.
        """
        token = token_of(request)
        if not token:
            raise errors.stranger(401, _NO_CREDENTIAL)
        if token.startswith(PREFIX):
            owner = self._world.principal(self._personal.owner(request.thing, token))
            if owner is None:
                raise errors.stranger(403, _UNKNOWN)
            return owner
        principal = self._signed_in(token, seed.AUDIENCES["databricks"])
        if not self._members.has(request.thing, principal.id):
            self._let_in(request, resource, principal)
        return principal

    def _signed_in(self, token: str, audience: str) -> seed.Principal:
        """Return the principal to whom Entra ID issued this token.

        Raises:
            Refused: The token is unknown, expired, or for another audience (text: azure-docs issue 83517).
        """
        grant = self._tokens.find(token, "access")
        principal = None if grant is None else self._world.principal(grant["principal"])
        if grant is None or principal is None:
            raise errors.stranger(403, _UNKNOWN)
        if grant["audience"].rstrip("/") != audience.rstrip("/"):
            raise errors.stranger(
                400,
                "io.jsonwebtoken.IncorrectClaimException: Expected aud claim to be: "
                f"{audience}, but was: {grant['audience']}.",
            )
        if grant["expires"] <= self._world.clock.now():
            raise errors.stranger(403, errors.EXPIRED)
        return principal

    def _let_in(self, request: Request, resource: Document, principal: seed.Principal) -> None:
        """Make a caller an admin who names the workspace's resource in a header and is an Owner or Contributor of it.

        A service principal must also send its own token for Azure Resource Manager ("Get Microsoft Entra ID tokens for
        service principals", "API access for service principals that are not workspace users"; databricks-sdk sends both
        headers, `azure.py`). From then on it is an admin, and needs neither header.

        Raises:
            Refused: They have no access (terraform-provider-databricks issue 2715 quotes the text: a service principal
                that sent both headers but had no role).
        """
        refusal = errors.stranger(403, f"Unauthorized access to Org: {address.number(resource)}")
        if request.headers.get(_RESOURCE_HEADER, "").lower().rstrip("/") != resource["id"].lower():
            raise refusal
        if principal.app_id:
            shown = request.headers.get(_MANAGEMENT_HEADER, "")
            if not shown or self._signed_in(shown, seed.AUDIENCES["management"]).id != principal.id:
                raise refusal
        if not self._world.part(Access).allowed(principal.id, "Microsoft.Databricks/workspaces/write", resource["id"]):
            raise refusal
        self._members.add(request.thing, principal.id)

    def _me(self, request: Request) -> Response:
        who = request.who
        user = {
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:User",
                "urn:ietf:params:scim:schemas:extension:workspace:2.0:User",
            ],
            "id": str(user_id(who)),
            "userName": who.client,
            "displayName": who.display_name,
            "active": True,
            "externalId": who.id,
            "entitlements": [{"value": each} for each in GROUPS["admins"]],
            "groups": [
                {"display": name, "type": "direct", "value": str(numbered(name)), "$ref": f"Groups/{numbered(name)}"}
                for name in GROUPS
            ],
        }
        if not who.app_id:
            given, _, family = who.display_name.partition(" ")
            user["name"] = {"givenName": given, "familyName": family}
            user["emails"] = [{"type": "work", "value": who.name, "primary": True}]
        return Response(200, user, content_type=errors.SCIM)


def user_id(who: seed.Principal) -> int:
    """Return the number that somebody has in a workspace."""
    return numbered(who.id)


def token_of(request: Request) -> str:
    """Return the token of a request: a bearer token, or the password of the user `token`."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return password if user == "token" else ""
    return ""
