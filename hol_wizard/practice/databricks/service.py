"""The workspaces as one service: authentication, the format of errors, and the parts that serve each path.

There is no recording of this service. Paths and fields are those of the vendor's SDK; comments name the sources of
error statuses and texts, and `unrecorded` marks a text that no public source shows.
"""

from __future__ import annotations

from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.databricks.clusters import Clusters
from hol_wizard.practice.databricks.commands import Commands
from hol_wizard.practice.databricks.git_credentials import GitCredentials
from hol_wizard.practice.databricks.git_folders import GitFolders
from hol_wizard.practice.databricks.jobs_runs import Runs
from hol_wizard.practice.databricks.libraries import Libraries
from hol_wizard.practice.databricks.new_workspace import NewWorkspace
from hol_wizard.practice.databricks.people import People
from hol_wizard.practice.databricks.personal_tokens import PersonalTokens
from hol_wizard.practice.databricks.secret_scopes import SecretScopes
from hol_wizard.practice.databricks.workspace_objects import WorkspaceObjects
from hol_wizard.practice.databricks.workspace_settings import WorkspaceSettings
from hol_wizard.practice.kernel.service import Request, Response, Service
from hol_wizard.practice.kernel.world import World

SIGN_IN_PATH = "/aad/auth"
"""Where a browser's sign-in begins (databricks-sdk, `config.py`)."""


class Databricks(Service):
    """The Databricks workspaces; the port says which one is meant."""

    name = address.SERVICE
    port_for_each = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.router.add("GET", "/.well-known/databricks-config", self._about)
        self.router.add("GET", SIGN_IN_PATH, self._sign_in)
        settings = WorkspaceSettings(world, self.router)
        tokens = PersonalTokens(world, self.router, settings)
        self.people = People(world, self.router, tokens)
        NewWorkspace(world, self.router)
        self.clusters = Clusters(world, self.router)
        self.libraries = Libraries(world, self.router, self.clusters)
        self.scopes = SecretScopes(world, self.router)
        folders = GitFolders(world, self.router, GitCredentials(world, self.router))
        self.objects = WorkspaceObjects(world, self.router, folders)
        self.commands = Commands(world, self.router, self.clusters, self.scopes)
        self.runs = Runs(world, self.router, self.clusters, self.libraries, self.objects, self.commands)

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error as this service writes it, with its own codes for what others call differently."""
        del more
        if code == "SubscriptionRequestsThrottled":
            return errors.response(429, "REQUEST_LIMIT_EXCEEDED", "Current request rate exceeds the workspace's limit.")
        if code == "ServiceUnavailable":
            return errors.response(503, "TEMPORARILY_UNAVAILABLE", message)
        if code == "ExpiredAuthenticationToken":
            return errors.stranger(403, errors.EXPIRED).response
        if code == "InvalidRequestContent":
            return errors.response(400, "MALFORMED_REQUEST", "Invalid JSON given in the body of the request.")
        if code == "InternalServerError":
            return errors.response(status, "INTERNAL_ERROR", message)
        return errors.response(status, code, message)

    def written(self, request: Request, response: Response) -> Response:
        """Return a response in the format of the API that the request is for."""
        if response.status < 400 or "/scim/v2/" not in request.path.lower():
            return response
        return errors.scim(response)

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return the error for a path that is not served (quoted in databricks-cli issues)."""
        del path_is_known
        path = request.path.removeprefix("/api")
        return errors.response(404, errors.NO_ENDPOINT, f"No API found for '{request.method} {path}'")

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of every response (databricks-sdk-go issue 873 shows them)."""
        found = address.resource_of(self.world, request.thing)
        number = {"X-Databricks-Org-Id": str(address.number(found))} if found is not None else {}
        return {"server": "databricks", "Cache-Control": "no-cache, no-store, must-revalidate", **number}

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller, by a token of Entra ID or a personal access token.

        Raises:
            Refused: There is no valid one, or its owner has no access.
        """
        if request.path.lower().startswith("/.well-known/") or request.path.lower() == SIGN_IN_PATH:
            return None
        found = address.resource_of(self.world, request.thing)
        if found is None or found["state"] not in {"Succeeded", "Updating", "Deleting"}:
            # In Azure nothing responds: the name does not resolve before the workspace is ready.
            raise errors.refused(503, "TEMPORARILY_UNAVAILABLE", "The workspace is not ready.")
        return self.people.caller(request, found)

    def _sign_in(self, request: Request) -> Response:
        """Lead to Entra ID: databricks-sdk reads the tenant from the address (`config.load_azure_tenant_id`)."""
        del request
        page = f"{self.world.addresses['active_directory']}/{seed.TENANT}/oauth2/authorize"
        return Response(302, headers={"Location": page})

    def _about(self, request: Request) -> Response:
        """Describe this host to clients, in the fields that databricks-sdk reads (oauth.HostMetadata)."""
        found = address.resource_of(self.world, request.thing)
        if found is None:
            return self.not_found(request, False)
        return Response(
            200,
            {
                "oidc_endpoint": f"{request.base}/oidc",
                "account_id": seed.fixed_id("databricks account"),
                "workspace_id": str(address.number(found)),
                "cloud": "Azure",
            },
        )
