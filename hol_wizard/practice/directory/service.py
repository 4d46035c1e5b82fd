"""Microsoft Graph: authentication, and what all its responses have in common; `directory` contains the operations."""

from __future__ import annotations

from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.directory import applications, people, service_principals
from hol_wizard.practice.directory.records import ServicePrincipalRecords
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import Refused, Request, Response, Service
from hol_wizard.practice.kernel.web import request_id
from hol_wizard.practice.kernel.world import World


class Graph(Service):
    """Microsoft Graph of the practice tenant."""

    name = "microsoft_graph"
    # Objects of the directory have no ETags.
    known_headers = frozenset({"consistencylevel", "if-match"})

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.tokens = world.part(Tokens)
        world.part(ServicePrincipalRecords)  # from the start, because it provides the service principals to the world
        people.People(self)
        applications.Applications(self)
        service_principals.ServicePrincipals(self)

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in Graph's format (recorded: Authorization_RequestDenied)."""
        identity = request_id()
        now = short_timestamp(self.world.clock.now()).rstrip("Z")
        inner = {"date": now, "request-id": identity, "client-request-id": identity}
        return Response(status, {"error": {"code": code, "message": message, "innerError": inner, **more}})

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return Graph's response to an unknown path."""
        segment = request.path.rstrip("/").rpartition("/")[2]
        return self.error(400, "BadRequest", f"Resource not found for the segment '{segment}'.")

    def headers(self, request: Request) -> dict[str, str]:
        """Return the IDs in the headers of every response."""
        identity = request_id()
        return {"request-id": identity, "client-request-id": request.headers.get("client-request-id", identity)}

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller, by a bearer token for Graph."""
        grant, wrong = self.tokens.bearer(request)
        message = {
            "": "",
            "missing": "Access token is empty.",
            "unknown": "Access token validation failure.",
            "expired": "Lifetime validation failed, the token is expired.",
        }[wrong]
        if grant is not None and grant["audience"] != seed.AUDIENCES["graph"]:
            message = "Access token validation failure. Invalid audience."
        if grant is None or message:
            raise Refused(self.error(401, "InvalidAuthenticationToken", message))
        return self.world.principal(grant["principal"])
