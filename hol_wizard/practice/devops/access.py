"""Authentication of callers of Azure DevOps, and whether they are in the organization."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from hol_wizard.practice import seed
from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.organizations import ORGANIZATIONS, Organization
from hol_wizard.practice.devops.personal_tokens import PersonalTokens, may
from hol_wizard.practice.devops.pipeline_jobs import BuildService, PipelineJobs
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.service import Refused, Request, Response
from hol_wizard.practice.kernel.world import World

SIGN_IN_PATH = "/_signin"
SIGN_IN_PAGE = "<!DOCTYPE html>\r\n<html><head><title>Azure DevOps Services | Sign In</title></head></html>"


def is_git(request: Request) -> bool:
    """Return whether git sends the request: it has no use for a sign-in page, and sends no api-version."""
    return "/_git/" in request.path.lower()


def caller(world: World, request: Request) -> seed.Principal:
    """Return the caller, by a bearer token for Azure DevOps or a personal access token of the organization.

    Raises:
        Refused: There is no valid one, or the organization does not accept this kind.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_basic = scheme.lower() == "basic"
    token = _password(given) if is_basic else given.strip()
    job = world.part(PipelineJobs).holder(token)
    if job is not None:
        # As with a personal access token, the route table of the whole service belongs to no organization.
        if _organization(request) not in {job.organization, "_apis" if request.method == "OPTIONS" else ""}:
            raise _not_signed_in(world, request)
        return job
    if is_basic:
        # git's credential helpers send an Entra token as the password (Git Credential Manager).
        if world.part(Tokens).find(token, "access") is None:
            return _holder(world, request, token)
        request = dataclasses.replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})
    grant, wrong = world.part(Tokens).bearer(request)
    principal = world.principal(grant["principal"]) if grant is not None else None
    if not wrong and principal is not None and grant is not None and grant["audience"] == seed.AUDIENCES["devops"]:
        asked = ORGANIZATIONS.get(_organization(request))
        if asked is not None and asked.wants_personal_tokens and principal.id in asked.members:
            raise _policy_refusal(request)
        return principal
    raise _not_signed_in(
        world, request, f"Bearer authorization_uri={world.addresses['active_directory']}/{seed.TENANT}, "
    )


def _not_signed_in(world: World, request: Request, bearer: str = "") -> Refused:
    """Return the error for a request without a token, or with one that is invalid or expired.

    A GET or POST is redirected to the sign-in page, at the address that public threads quote (azure-pipelines-agent
    issues 1164 and 4916, eclipse-che pull request 755). The page has the status 203, which a client sees that follows
    the redirect (azure-devops-auth-samples issue 52; azure-devops-cli-extension, "The requested resource requires user
    authentication"). A PATCH gets a 401 with a JSON body (the same issue); that PUT and DELETE do so too is an
    estimate. git, and clients that request it (`X-TFS-FedAuthRedirect: Suppress`), get an empty 401 (recorded: queues,
    Identities), which names the page in a header (agent issue 4916).
    """
    page = world.addresses["devops_profile"] + SIGN_IN_PATH
    query = urlencode(
        {"realm": urlsplit(request.base).netloc, "reply_to": request.base + request.path, "redirect": "1"}
    )
    if is_git(request):
        return _challenge(bearer, request)
    if request.headers.get("X-TFS-FedAuthRedirect", "").lower() == "suppress":
        refusal = _challenge(bearer, request)
        refusal.response.headers["X-TFS-FedAuthRedirect"] = f"{page}?{query}"
        return refusal
    if request.method in {"GET", "HEAD", "POST"}:
        moved = "<html><head><title>Object moved</title></head></html>"
        return Refused(Response(302, moved, {"Location": f"{page}?{query}"}, content_type="text/html; charset=utf-8"))
    message = "TF400813: The user '' is not authorized to access this resource."
    refusal = errors.refused(401, message, "UnauthorizedRequestException")
    refusal.response.headers |= _challenge(bearer, request).response.headers
    return refusal


_BY_ID: Final = {f"a{each.id}": each.name for each in ORGANIZATIONS.values()}
"""The organizations by the first part of the paths on the host of artifacts' files."""


def _organization(request: Request) -> str:
    """Return the organization that the path names, before a route is chosen; files of artifacts are at its ID."""
    first = request.path.lstrip("/").partition("/")[0].lower()
    return _BY_ID.get(first, first)


def _challenge(bearer: str, request: Request) -> Refused:
    return Refused(Response(401, None, {"WWW-Authenticate": f'{bearer}Basic realm="{request.base}/"'}))


def _password(given: str) -> str:
    """Return the password in a Basic header; empty if it is not one."""
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _holder(world: World, request: Request, value: str) -> seed.Principal:
    """Return the owner of the personal access token in a Basic header; the user name in it does not matter.

    A token that is unknown, revoked or of another organization does not count; one without the scope gets an empty 401;
    for an expired one the error says so (azure-pipelines-agent issue 1559, azure-pipelines-tasks issue 18732). For a
    push without the scope git gets a 403: an estimate from users' reports.

    Raises:
        Refused: It does not allow the request.
    """
    tokens = world.part(PersonalTokens)
    token = tokens.find(value)
    principal = world.principal(token["owner"]) if token is not None else None
    # The route table of the whole service belongs to no organization.
    here = {token["organization"], "_apis" if request.method == "OPTIONS" else ""} if token is not None else set()
    if token is None or principal is None or _organization(request) not in here:
        raise _not_signed_in(world, request)
    if tokens.has_ended(token):
        message = "Access Denied: The Personal Access Token used has expired."
        refusal = errors.refused(401, message, "AccessCheckException", "Microsoft.VisualStudio.Services.Security")
        refusal.response.headers |= {"X-TFS-ServiceError": quote(message), **_challenge("", request).response.headers}
        raise refusal
    pushes = is_git(request) and "git-receive-pack" in {request.query.get("service"), request.path.rpartition("/")[2]}
    if not may(token["scope"], request.method, request.path, pushes=pushes):
        if pushes:
            raise Refused(Response(403, "The token lacks the scope vso.code_write.", content_type="text/plain"))
        raise _challenge("", request)
    return principal


def _policy_refusal(request: Request) -> Refused:
    """Return the error for an Entra token that a policy blocks (public: coe-starter-kit issue 6694)."""
    message = "VS403463: The conditional access policy defined by your Azure Active Directory administrator has failed."
    if is_git(request):
        return Refused(Response(403, message, content_type="text/plain; charset=utf-8"))
    return errors.refused(403, message, "VssServiceException", "Microsoft.VisualStudio.Services.Common")


def organization(request: Request) -> Organization:
    """Return the organization that a request names, if the caller is in it.

    Raises:
        Refused: There is none of that name, or the caller is not in it (recorded: TF400813).
    """
    return named(request.match["organization"], request.who)


def named(name: str, who: seed.Principal) -> Organization:
    """Return the organization with a name, if somebody is in it.

    Raises:
        Refused: As for `organization`.
    """
    found = ORGANIZATIONS.get(name.lower())
    if found is None:
        # The page that dev.azure.com shows; its status is public knowledge, its text is shortened.
        raise Refused(Response(404, "<!DOCTYPE html>\r\n<html><head><title>404 - Page not found</title></head></html>"))
    if who.id not in found.members and not (isinstance(who, BuildService) and who.organization == found.name):
        message = f"TF400813: The user '{seed.TENANT}\\{who.client}' is not authorized to access this resource."
        raise errors.refused(401, message, "UnauthorizedRequestException")
    return found
