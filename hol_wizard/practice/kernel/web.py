"""Handles every request: faults, authentication, one transaction, the response. HTTP itself is in `process.gateway`."""

from __future__ import annotations

import base64
import dataclasses
import html
import inspect
import json
import logging
import re
import sqlite3
import uuid
from http import HTTPStatus

from hol_wizard.practice.kernel.service import Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import ConflictError, Document

LOG = logging.getLogger(__name__)
_CARRIED_OUT = ("cut", "drip", "loop")
"""Faults of the response, which do not affect the operation."""
_KINDS = ("throttle", "unavailable", "drop", "expired-token", "revoked-token", "policy", "error", *_CARRIED_OUT)


@dataclasses.dataclass(frozen=True, slots=True)
class Handled:
    """The outcome of a request."""

    response: Response
    """With all its headers."""
    dropped: bool = False
    """Whether the connection is dropped instead."""
    cut: bool = False
    """Whether the body ends early."""
    drip: float = 0.0
    """Seconds between two bytes of the body; 0 to send it at full speed."""


class Web:
    """Handles the requests of one service.

    A handler's changes are one transaction, even if it waits for git or another program: if it raises an error or
    refuses, nothing is changed; nobody sees incomplete changes; and of two that change the same document at the same
    time, the second one is asked to try again (503).
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._world = service.world

    def trusts(self, request: Request) -> bool:
        """Return whether a request has a valid token, before its body is read."""
        try:
            with self._world.store.transaction():
                return self._service.authenticate(self._merged(request)) is not None
        except (Refused, ConflictError, sqlite3.Error):
            return False

    def _merged(self, request: Request) -> Request:
        """Return a request with the path as its service reads it: for most, several slashes are equivalent to one."""
        if not self._service.merges_slashes or "//" not in request.path:
            return request
        return dataclasses.replace(request, path=re.sub("/{2,}", "/", request.path))

    def _judged_by_policies(self, request: Request) -> bool:
        """Return whether Azure Policy may deny a request: it creates or changes a resource.

        learn.microsoft.com/azure/governance/policy/concepts/effect-deny: "create or update".
        """
        return self._service.has_policies and request.method in {"PUT", "PATCH"}

    def delay(self, request: Request) -> float:
        """Return the delay of the response in seconds."""
        with self._world.store.transaction():
            slow = self._world.faults.take(self._service.name, request.method, request.target, ("slow",))
        return float(self._world.setting("latency")) + (slow["seconds"] if slow else 0.0)

    async def handle(self, request: Request, *, too_large: bool = False) -> Handled:
        """Handle one request, or apply a fault.

        Args:
            request: The complete request.
            too_large: Whether its body was not read, because it is too large.
        """
        request = self._merged(request)
        kinds = [each for each in _KINDS if each != "policy" or self._judged_by_policies(request)]
        with self._world.store.transaction():
            fault = self._world.faults.take(self._service.name, request.method, request.target, kinds)
        kind = fault["kind"] if fault is not None else ""
        foreign = fault is not None and fault.get("form", "service") != "service"
        dropped = kind == "drop"
        if fault is not None and kind not in _CARRIED_OUT and not (dropped and fault.get("after")):
            response = Response(0) if dropped else self._misbehave(request, fault)
        elif too_large:
            response = self._too_large(request)
        else:
            response = await self._answer(request)
        if not foreign:
            response = self._service.written(request, response)
            response.headers = {**self._service.headers(request), **response.headers}
        if kind == "loop":
            _lead_back(request, response)
        drip = float(fault["seconds"]) if fault is not None and kind == "drip" else 0.0
        return Handled(response, dropped, kind == "cut", drip)

    def _too_large(self, request: Request) -> Response:
        """Refuse a request whose body was not read; a missing authentication takes precedence."""
        try:
            with self._world.store.transaction():
                self._service.authenticate(request)
        except Refused as refused:
            return refused.response
        return self._service.error(413, "RequestBodyTooLarge", "The request body is too large.")

    async def _answer(self, request: Request) -> Response:
        service, store = self._service, self._world.store
        try:
            self._world.operations.settle()
            route, caught, known = service.router.find(request.method, request.path)
            with store.transaction():
                caller = service.authenticate(request)
            if route is None:
                return service.not_found(request, known)
            if unserved := route.unserved_in(request):
                return service.unserved(request, unserved)
            read = route.honored | service.everywhere
            query = {name: value for name, value in request.query.items() if name in read}
            with store.transaction():
                result = route.handler(dataclasses.replace(request, query=query, match=caught, caller=caller))
                return await result if inspect.isawaitable(result) else result
        except Refused as refused:
            return refused.response
        except ConflictError as error:
            LOG.info("%s %s: %s", request.method, request.path, error)
            message = "Another request has changed the same thing at the same time. Please try again."
            return service.error(503, "ServiceUnavailable", message)
        except sqlite3.Error:
            LOG.exception("the state could not be written")
            return service.error(500, "InternalServerError", "The practice cloud cannot write its state.")
        except (ValueError, RecursionError):
            LOG.info("bad request: %s %s", request.method, request.path, exc_info=True)
            return service.error(
                400, "InvalidRequestContent", "The request content was invalid and could not be deserialized."
            )
        except Exception:  # the outermost edge of the server: a bug must not stop the whole cloud
            LOG.exception("%s %s", request.method, request.path)
            return service.error(500, "InternalServerError", "The practice cloud has a defect; see server.log.")

    def _misbehave(self, request: Request, fault: Document) -> Response:
        error = self._service.error
        kind = fault["kind"]
        retry = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
        if kind == "throttle":
            # The text is the one that ARM sends (recordings/_errors.jsonl, SubscriptionRequestsThrottled).
            response = error(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of requests for subscription and operation '{request.method}' exceeded the backend storage "
                f"limit. Please try again after '{fault['retry_after']}' seconds.",
            )
        elif kind == "unavailable":
            response = error(503, "ServiceUnavailable", "The service is unavailable. Please try again later.")
        elif kind == "expired-token":
            response = error(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")
            response.headers["WWW-Authenticate"] = (
                'Bearer authorization_uri="https://login.windows.net/", error="invalid_token", '
                'error_description="The access token is expired."'
            )
        elif kind == "revoked-token":
            message = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: "
            message += "TokenIssuedBeforeRevocationTimestamp"
            response = error(401, "InvalidAuthenticationToken", message)
            response.headers["WWW-Authenticate"] = _claims_challenge(self._world.clock.now(), message)
        elif kind == "policy":
            response = _policy_denial(request, self._service)
        else:
            status, message = int(str(fault["status"])), str(fault["message"])
            form = str(fault.get("form", "service"))
            response = (
                error(status, str(fault["code"]), message) if form == "service" else _foreign(form, status, message)
            )
        response.headers.update(retry)
        return response


def _lead_back(request: Request, response: Response) -> None:
    """Make a page of a list refer to itself as the next page, in the services' formats."""
    if response.status >= 300 or request.method == "DELETE":
        return
    here = request.base + request.target
    # Storage uses a header, as Azure DevOps does for most of its lists.
    response.headers["x-ms-continuation"] = "again"
    if isinstance(response.body, dict):
        links = {"nextLink": here, "@odata.nextLink": here, "NextPageLink": here}
        response.body = {**response.body, **links, "continuationToken": "again", "next_page_token": "again"}


def _foreign(form: str, status: int, message: str) -> Response:
    """Return a response that is not the service's, in one of `faults.FORMS`."""
    if form == "empty":
        return Response(status)
    if form == "text":
        return Response(status, message, content_type="text/plain; charset=utf-8")
    if form == "bytes":
        return Response(status, b'{"\xff\xfe\x80": ', content_type="application/json; charset=utf-8")
    title = f"{status} {HTTPStatus(status).phrase if status in set(HTTPStatus) else 'Error'}"
    page = (
        f"<!DOCTYPE html>\r\n<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{{}}</p></body></html>"
    )
    return Response(status, page.format(html.escape(message)))


def _claims_challenge(now: float, message: str) -> str:
    """Return the challenge of Continuous Access Evaluation, which requires a token newer than the revocation.

    learn.microsoft.com/entra/identity-platform/app-resilience-continuous-access-evaluation; the texts are quoted in
    microsoft-authentication-library-for-dotnet and msgraph-sdk-powershell.
    """
    claims = {"access_token": {"nbf": {"essential": True, "value": str(int(now))}}}
    encoded = base64.b64encode(json.dumps(claims).encode()).decode()
    return (
        'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
        f'error="insufficient_claims", claims="{encoded}", error_description="{message}"'
    )


def _policy_denial(request: Request, service: Service) -> Response:
    """Return the refusal of Azure Policy, in the format of the official documentation.

    There is no recording of one (contracts/README.md): the format is that of "Azure Policy - error
    RequestDisallowedByPolicy", which azure-core reads into `error.additional_info`.
    """
    name = request.path.rstrip("/").rpartition("/")[2]
    definition = "/providers/Microsoft.Authorization/policyDefinitions/e56962a6-4747-49cd-b67b-bf8b01975c4c"
    assignment = "/providers/Microsoft.Management/managementGroups/practice/providers/Microsoft.Authorization/"
    assignment += "policyAssignments/allowed-locations"
    message = (
        f"Resource '{name}' was disallowed by policy. Policy identifiers: "
        f'\'[{{"policyAssignment":{{"name":"Allowed locations","id":"{assignment}"}},'
        f'"policyDefinition":{{"name":"Allowed locations","id":"{definition}"}}}}]\'.'
    )
    return service.error(
        403,
        "RequestDisallowedByPolicy",
        message,
        target=name,
        additionalInfo=[
            {
                "type": "PolicyViolation",
                "info": {
                    "policyDefinitionDisplayName": "Allowed locations",
                    "policyDefinitionId": definition,
                    "policyDefinitionName": "e56962a6-4747-49cd-b67b-bf8b01975c4c",
                    "policyDefinitionEffect": "deny",
                    "policyAssignmentId": assignment,
                    "policyAssignmentName": "allowed-locations",
                    "policyAssignmentDisplayName": "Allowed locations",
                    "policyAssignmentScope": "/providers/Microsoft.Management/managementGroups/practice",
                },
            }
        ],
    )


def request_id() -> str:
    """Return a new ID for a response, as in `x-ms-request-id`."""
    return str(uuid.uuid4())
