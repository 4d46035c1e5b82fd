"""The two hosts of Azure DevOps that the lab uses: dev.azure.com, and app.vssps.visualstudio.com for the user's
profile."""

from __future__ import annotations

import re
import uuid
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, discovery, errors
from hol_wizard.practice.devops.branch_policies import BranchPolicies
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.pipeline_permissions import PipelinePermissionsService
from hol_wizard.practice.devops.pipelines.service import Pipelines
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.pull_requests.service import PullRequestService
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.devops.service_connections import ServiceConnectionsService
from hol_wizard.practice.devops.settings import Settings
from hol_wizard.practice.devops.variable_groups import VariableGroupsService
from hol_wizard.practice.kernel.service import Refused, Request, Response, Service
from hol_wizard.practice.kernel.world import World

_JSON = "application/json; charset=utf-8; api-version=7.1"
_PREVIEWS = (
    "/_apis/connectiondata",
    "/_apis/tokens/pats",
    "/_apis/distributedtask/resourcelimits",
    "/_apis/distributedtask/resourceusage",
    "/_apis/policy/evaluations",
)
"""Ends of the paths that exist only as previews (`releasedVersion` 0.0 in the recorded route table)."""


class Part(Service):
    """What all its hosts have in common."""

    merges_slashes = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        for path in ("/_apis", "/{organization}/_apis", "/_apis/{area}", "/{organization}/_apis/{area}"):
            self.router.add("OPTIONS", path, lambda request: discovery.routes(request, self.name))
        for path in ("/{organization}/_apis/ResourceAreas", "/{organization}/_apis/ResourceAreas/{area}"):
            self.router.add("GET", path, lambda request: discovery.areas(request, self.world.addresses))

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in the format of this service."""
        del more
        if code == "ExpiredAuthenticationToken":
            return Response(401, None, {"WWW-Authenticate": "Bearer"})
        return errors.response(status, message, f"{code}Exception")

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return the error for a path that is not served (azure-devops-docs, VssResourceNotFoundException)."""
        if path_is_known:
            message = f"The requested resource does not support http method '{request.method}'."
            return Response(405, {"count": 1, "value": {"Message": message}})
        return errors.response(404, f"The controller for path '{request.path}' was not found.", "HttpException")

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of every response."""
        return {"ActivityId": str(uuid.uuid4()), "X-TFS-ProcessId": seed.fixed_id("tfs process")}

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller.

        Raises:
            Refused: Azure DevOps does not know the caller, or a required api-version is missing.
        """
        who = access.caller(self.world, request)
        version = request.query.get("api-version") or _accepted_version(request)
        preview = request.path.lower().rstrip("/").endswith(_PREVIEWS)
        if request.method not in {"GET", "OPTIONS"} and not version and not access.is_git(request):
            message = (
                f'No api-version was supplied for the "{request.method}" request. The version must be supplied either '
            )
            message += (
                'as part of the Accept header (e.g. "application/json; api-version=1.0") or as a query parameter '
            )
            raise Refused(
                errors.response(400, message + '(e.g. "?api-version=1.0").', "VssVersionNotSpecifiedException")
            )
        if preview and version and "preview" not in version:
            message = f'The requested version "{version}" of the resource is under preview. The -preview flag must be '
            message += f'supplied in the api-version for such requests. For example: "{version}-preview"'
            raise Refused(errors.response(400, message, "VssInvalidPreviewVersionException"))
        return who


def _accepted_version(request: Request) -> str:
    """Return the version in the Accept header: `application/json;api-version=7.1-preview.4`."""
    found = re.search(r"api-version=([\w.-]+)", request.headers.get("Accept", ""))
    return found[1] if found else ""


class DevOps(Part):
    """dev.azure.com."""

    name = "devops"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        projects = world.part(Projects)
        projects.serve(self.router)
        policies = BranchPolicies(world, self.router, projects)
        repositories = Repositories(world, self.router, projects, policies)
        pulls = PullRequestService(world, self.router, projects, repositories, policies)
        Pipelines(world, self.router, repositories, pulls)
        Settings(self.router, projects)
        PipelinePermissionsService(world, self.router, projects)
        connections = ServiceConnectionsService(world, self.router, projects)
        VariableGroupsService(world, self.router, projects, connections)
        self.router.add(
            "GET",
            "/{organization}/_apis/connectionData",
            self._connection,
            ignores="connectOptions lastChangeId lastChangeId64",
        )

    def _connection(self, request: Request) -> Response:
        """Return the signed-in user (recorded: connection-data)."""
        organization, who = access.organization(request), request.who
        user = {
            "id": member_id(organization.name, who.id),
            "descriptor": f"Microsoft.IdentityModel.Claims.ClaimsIdentity;{seed.TENANT}\\{who.client}",
            "subjectDescriptor": f"{'aadsp' if who.app_id else 'aad'}.{who.id.replace('-', '')}",
            "providerDisplayName": who.display_name,
            "isActive": True,
            "properties": {"Account": {"$type": "System.String", "$value": who.client}},
            "resourceVersion": 2,
            "metaTypeId": 0,
        }
        location = {"serviceOwner": "00025394-6065-48ca-87d9-7f5672854ef7", "lastChangeId": 1, "lastChangeId64": 1}
        body = {
            "authenticatedUser": user,
            "authorizedUser": user,
            "instanceId": organization.id,
            "deploymentId": seed.fixed_id("devops deployment"),
            "deploymentType": "hosted",
            "locationServiceData": {**location, "defaultAccessMappingMoniker": "PublicAccessMapping"},
        }
        return Response(200, body, content_type=_JSON)


class DevOpsProfile(Part):
    """app.vssps.visualstudio.com: the caller's profile and organizations, and the sign-in page."""

    name = "devops_profile"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        # Also below an organization, where its areas `Profile` and `Account` are.
        for base in ("", "/{organization}"):
            self.router.add(
                "GET",
                f"{base}/_apis/profile/profiles/me",
                self._me,
                refuses="details withAttributes partition coreAttributes",
                ignores="forceRefresh",
            )
            accounts = f"{base}/_apis/accounts"
            self.router.add("GET", accounts, self._accounts, honors="memberId ownerId", refuses="properties")

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller; a caller who is not signed in gets the sign-in page.

        Raises:
            Refused: Azure DevOps does not know the caller.
        """
        if request.path.rstrip("/").lower() == access.SIGN_IN_PATH:
            raise Refused(Response(203, access.SIGN_IN_PAGE, content_type="text/html; charset=utf-8"))
        return super().authenticate(request)

    def _me(self, request: Request) -> Response:
        who = request.who
        body = {
            "displayName": who.display_name,
            "publicAlias": who.id,
            "emailAddress": who.name,
            "coreRevision": 1,
            "timeStamp": "2026-01-01T00:00:00+00:00",
            "id": who.id,
            "revision": 1,
        }
        return Response(200, body, content_type=_JSON)

    def _accounts(self, request: Request) -> Response:
        """List the caller's organizations (Accounts - List; recorded as a bare array)."""
        member = request.query.get("memberid") or request.query.get("ownerid") or ""
        if member != request.who.id:
            raise errors.refused(400, "VS403364: A memberId or ownerId of your own is needed.", "AccountException")
        found = [
            {
                "accountId": each.id,
                "accountUri": f"{self.world.addresses['devops_profile']}/{each.name}/",
                "accountName": each.name,
                "properties": {},
            }
            for each in ORGANIZATIONS.values()
            if member in each.members
        ]
        return Response(200, {"count": len(found), "value": found}, content_type=_JSON)
