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

from hol_wizard.practice.kernel.service import Answer, Call, Refused, Service
from hol_wizard.practice.kernel.store import ConflictError, Document

LOG = logging.getLogger(__name__)
_CARRIED_OUT = ("cut", "drip", "loop")
"""Faults of the response, which do not affect the operation."""
_KINDS = ("throttle", "unavailable", "drop", "expired-token", "revoked-token", "policy", "error", *_CARRIED_OUT)


@dataclasses.dataclass(frozen=True, slots=True)
class Handled:
    """The outcome of a request."""

    answer: Answer
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

    def trusts(self, call: Call) -> bool:
        """Return whether a request has a valid token, before its body is read."""
        try:
            with self._world.store.transaction():
                return self._service.authenticate(self._merged(call)) is not None
        except (Refused, ConflictError, sqlite3.Error):
            return False

    def _merged(self, call: Call) -> Call:
        """Return a request with the path as its service reads it: for most, several slashes are equivalent to one."""
        if not self._service.merges_slashes or "//" not in call.path:
            return call
        return dataclasses.replace(call, path=re.sub("/{2,}", "/", call.path))

    def _judged_by_policies(self, call: Call) -> bool:
        """Return whether Azure Policy may deny a request: it creates or changes a resource.

        learn.microsoft.com/azure/governance/policy/concepts/effect-deny: "create or update".
        """
        return self._service.has_policies and call.method in {"PUT", "PATCH"}

    def delay(self, call: Call) -> float:
        """Return the delay of the response in seconds."""
        with self._world.store.transaction():
            slow = self._world.faults.take(self._service.name, call.method, call.target, ("slow",))
        return float(self._world.setting("latency")) + (slow["seconds"] if slow else 0.0)

    async def handle(self, call: Call, *, too_large: bool = False) -> Handled:
        """Handle one request, or apply a fault.

        Args:
            call: The complete request.
            too_large: Whether its body was not read, because it is too large.
        """
        call = self._merged(call)
        kinds = [each for each in _KINDS if each != "policy" or self._judged_by_policies(call)]
        with self._world.store.transaction():
            fault = self._world.faults.take(self._service.name, call.method, call.target, kinds)
        kind = fault["kind"] if fault is not None else ""
        foreign = fault is not None and fault.get("form", "service") != "service"
        dropped = kind == "drop"
        if fault is not None and kind not in _CARRIED_OUT and not (dropped and fault.get("after")):
            answer = Answer(0) if dropped else self._misbehave(call, fault)
        elif too_large:
            answer = self._too_large(call)
        else:
            answer = await self._answer(call)
        if not foreign:
            answer = self._service.written(call, answer)
            answer.headers = {**self._service.headers(call), **answer.headers}
        if kind == "loop":
            _lead_back(call, answer)
        drip = float(fault["seconds"]) if fault is not None and kind == "drip" else 0.0
        return Handled(answer, dropped, kind == "cut", drip)

    def _too_large(self, call: Call) -> Answer:
        """Refuse a request whose body was not read; a missing authentication takes precedence."""
        try:
            with self._world.store.transaction():
                self._service.authenticate(call)
        except Refused as refused:
            return refused.answer
        return self._service.error(413, "RequestBodyTooLarge", "The request body is too large.")

    async def _answer(self, call: Call) -> Answer:
        service, store = self._service, self._world.store
        try:
            self._world.operations.settle()
            route, caught, known = service.router.find(call.method, call.path)
            with store.transaction():
                caller = service.authenticate(call)
            if route is None:
                return service.not_found(call, known)
            if unserved := route.unserved_in(call):
                return service.unserved(call, unserved)
            read = route.honored | service.everywhere
            query = {name: value for name, value in call.query.items() if name in read}
            with store.transaction():
                result = route.handler(dataclasses.replace(call, query=query, match=caught, caller=caller))
                return await result if inspect.isawaitable(result) else result
        except Refused as refused:
            return refused.answer
        except ConflictError as error:
            LOG.info("%s %s: %s", call.method, call.path, error)
            message = "Another request has changed the same thing at the same time. Please try again."
            return service.error(503, "ServiceUnavailable", message)
        except sqlite3.Error:
            LOG.exception("the state could not be written")
            return service.error(500, "InternalServerError", "The practice cloud cannot write its state.")
        except (ValueError, RecursionError):
            LOG.info("bad request: %s %s", call.method, call.path, exc_info=True)
            return service.error(
                400, "InvalidRequestContent", "The request content was invalid and could not be deserialized."
            )
        except Exception:  # the outermost edge of the server: a bug must not stop the whole cloud
            LOG.exception("%s %s", call.method, call.path)
            return service.error(500, "InternalServerError", "The practice cloud has a defect; see server.log.")

    def _misbehave(self, call: Call, fault: Document) -> Answer:
        error = self._service.error
        kind = fault["kind"]
        retry = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
        if kind == "throttle":
            # The text is the one that ARM sends (recordings/_errors.jsonl, SubscriptionRequestsThrottled).
            answer = error(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of requests for subscription and operation '{call.method}' exceeded the backend storage "
                f"limit. Please try again after '{fault['retry_after']}' seconds.",
            )
        elif kind == "unavailable":
            answer = error(503, "ServiceUnavailable", "The service is unavailable. Please try again later.")
        elif kind == "expired-token":
            answer = error(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")
            answer.headers["WWW-Authenticate"] = (
                'Bearer authorization_uri="https://login.windows.net/", error="invalid_token", '
                'error_description="The access token is expired."'
            )
        elif kind == "revoked-token":
            message = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: "
            message += "TokenIssuedBeforeRevocationTimestamp"
            answer = error(401, "InvalidAuthenticationToken", message)
            answer.headers["WWW-Authenticate"] = _claims_challenge(self._world.clock.now(), message)
        elif kind == "policy":
            answer = _policy_denial(call, self._service)
        else:
            status, message = int(str(fault["status"])), str(fault["message"])
            form = str(fault.get("form", "service"))
            answer = (
                error(status, str(fault["code"]), message) if form == "service" else _foreign(form, status, message)
            )
        answer.headers.update(retry)
        return answer


def _lead_back(call: Call, answer: Answer) -> None:
    """Make a page of a list refer to itself as the next page, in the services' formats."""
    if answer.status >= 300 or call.method == "DELETE":
        return
    here = call.base + call.target
    # Storage uses a header, as Azure DevOps does for most of its lists.
    answer.headers["x-ms-continuation"] = "again"
    if isinstance(answer.body, dict):
        links = {"nextLink": here, "@odata.nextLink": here, "NextPageLink": here}
        answer.body = {**answer.body, **links, "continuationToken": "again", "next_page_token": "again"}


def _foreign(form: str, status: int, message: str) -> Answer:
    """Return a response that is not the service's, in one of `faults.FORMS`."""
    if form == "empty":
        return Answer(status)
    if form == "text":
        return Answer(status, message, content_type="text/plain; charset=utf-8")
    if form == "bytes":
        return Answer(status, b'{"\xff\xfe\x80": ', content_type="application/json; charset=utf-8")
    title = f"{status} {HTTPStatus(status).phrase if status in set(HTTPStatus) else 'Error'}"
    page = (
        f"<!DOCTYPE html>\r\n<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{{}}</p></body></html>"
    )
    return Answer(status, page.format(html.escape(message)))


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


def _policy_denial(call: Call, service: Service) -> Answer:
    """Return the refusal of Azure Policy, in the format of the official documentation.

    There is no recording of one (contracts/README.md): the format is that of "Azure Policy - error
    RequestDisallowedByPolicy", which azure-core reads into `error.additional_info`.
    """
    name = call.path.rstrip("/").rpartition("/")[2]
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
