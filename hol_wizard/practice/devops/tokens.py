"""vssps.dev.azure.com: creates, lists, updates and revokes the caller's personal access tokens; and the groups."""

from __future__ import annotations

from datetime import UTC, datetime

from hol_wizard.practice.devops import access
from hol_wizard.practice.devops.groups import Groups
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.personal_tokens import FULL, LONGEST_DAYS, SCOPES, PersonalTokens
from hol_wizard.practice.devops.service import Part
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class DevOpsTokens(Part):
    """Tokens - Pats, 7.1-preview.1. No response is recorded: fields and names of errors are from the description. An
    error has status 200 and is in `patTokenError`.
    """

    name = "devops_sps"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tokens = world.part(PersonalTokens)
        Groups(world, self.router)
        path = "/{organization}/_apis/tokens/pats"
        self.router.add(
            "GET",
            path,
            self._look,
            honors="authorizationId displayFilterOption",
            refuses="sortByOption isSortAscending continuationToken $top",
        )
        self.router.add("POST", path, self._create)
        self.router.add("PUT", path, self._update)
        self.router.add("DELETE", path, self._revoke, honors="authorizationId")

    def _look(self, request: Request) -> Response:
        organization = access.organization(request)
        if "authorizationid" in request.query:
            token = self._find(request, organization, request.query["authorizationid"])
            return _result(self._shown(token, organization)) if token else _refusal("authorizationNotFound")
        shown = [
            self._shown(each, organization)
            for each in self._tokens.of(request.who.id, organization.name)
            if not self._tokens.has_ended(each) or request.query.get("displayfilteroption") in {"all", "expired"}
        ]
        return Response(200, {"continuationToken": "", "patTokens": shown})

    def _find(self, request: Request, organization: Organization, identity: str) -> Document | None:
        found = self._tokens.of(request.who.id, organization.name)
        return next((dict(each) for each in found if each["id"] == identity.lower()), None)

    def _create(self, request: Request) -> Response:
        organization, body = access.organization(request), request.json
        if request.who.app_id:
            return _refusal("invalidUserType")
        if not organization.allows_tokens:
            return _refusal("accessDenied")
        refusal, ends = self._wrong(organization, body)
        if refusal:
            return _refusal(refusal)
        name, scope = str(body["displayName"]), str(body["scope"])
        token, value = self._tokens.make(request.who, organization.name, name, scope, ends)
        return _result({**self._shown(token, organization), "token": value})

    def _wrong(self, organization: Organization, body: JsonObject) -> tuple[str, float]:
        """Return what is wrong with the request for a token, and when the token would expire."""
        if not text(body, "displayName").strip():
            return "displayNameRequired", 0
        scopes = text(body, "scope").split()
        if not scopes or not set(scopes) <= SCOPES:
            return "invalidScope", 0
        if body.get("allOrgs"):
            # Tokens for all organizations end in 2026 (lab/steps.md, row 19).
            return "globalPatPolicyViolation", 0
        if FULL in scopes and not organization.allows_full_tokens:
            return "fullScopePatPolicyViolation", 0
        try:
            ends = datetime.fromisoformat(str(body.get("validTo"))).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return "invalidValidTo", 0
        if not self.world.clock.now() < ends <= self._tokens.days_from_now(LONGEST_DAYS + 1):
            return "invalidValidTo", 0
        if ends > self._tokens.days_from_now(organization.token_days + 1):
            return "patLifespanPolicyViolation", 0
        return "", ends

    def _update(self, request: Request) -> Response:
        organization, body = access.organization(request), request.json
        token = self._find(request, organization, str(body.get("authorizationId") or ""))
        if token is None:
            return _refusal("authorizationNotFound")
        wanted = {
            "displayName": body.get("displayName") or token["name"],
            "scope": body.get("scope") or token["scope"],
            "validTo": body.get("validTo") or short_timestamp(token["ends"]),
            "allOrgs": body.get("allOrgs", False),
        }
        refusal, ends = self._wrong(organization, wanted)
        if refusal:
            return _refusal(refusal)
        token |= {"name": wanted["displayName"], "scope": wanted["scope"], "ends": ends}
        self._tokens.keep(token)
        return _result(self._shown(token, organization))

    def _revoke(self, request: Request) -> Response:
        organization = access.organization(request)
        token = self._find(request, organization, request.query.get("authorizationid", ""))
        if token is None:
            return _refusal("authorizationNotFound")
        self._tokens.revoke(token["id"])
        return Response(204)

    def _shown(self, token: Document, organization: Organization) -> JsonObject:
        return {
            "displayName": token["name"],
            "validFrom": short_timestamp(token["begins"]),
            "validTo": short_timestamp(token["ends"]),
            "scope": token["scope"],
            "targetAccounts": [organization.id],
            "authorizationId": token["id"],
        }


def _result(token: JsonObject) -> Response:
    return Response(200, {"patToken": token, "patTokenError": "none"})


def _refusal(error: str) -> Response:
    return Response(200, {"patTokenError": error})
