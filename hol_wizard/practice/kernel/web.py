"""The one way in for every service: reads a request, lets faults have their way, answers, logs."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import inspect
import json
import logging
import sqlite3
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from hol_wizard.practice.kernel.service import Answer, Call, Refused, Service
from hol_wizard.practice.process import listening
from hol_wizard.practice.process.exchange_log import ExchangeLog

LOG = logging.getLogger(__name__)


class Entrance:
    """Handles the requests of one service; a request is handled whole before the next one changes anything."""

    def __init__(self, service: Service, base: str, exchanges: ExchangeLog | None = None, thing: str = "") -> None:
        """Stand at one port.

        Args:
            service: Who answers.
            base: The port's address.
            exchanges: Where to write what passes.
            thing: What the port is for alone (`Call.thing`).
        """
        self._service = service
        self._base = base
        self._thing = thing
        self._world = service.world
        self._exchanges = exchanges

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        service, world = self._service, self._world
        call = Call(
            request.method,
            request.path,
            {name.lower(): value for name, value in request.query.items()},
            request.headers,
            b"",
            self._base,
            thing=self._thing,
            pairs=tuple(request.query.items()),
        )
        trusted = self._trusts(call)
        if trusted:
            listening.trust(request)
        too_large = False
        try:
            content = await listening.body(request, trusted=trusted)
        except listening.TooLargeError:
            content, too_large = b"", True
        call = dataclasses.replace(call, content=content)
        target = request.path_qs
        faults = world.faults
        wait = float(world.setting("latency"))
        slow = faults.take(service.name, call.method, target, ("slow",))
        if slow:
            wait += slow["seconds"]
        if wait:
            await asyncio.sleep(wait)
        kinds = ("throttle", "unavailable", "drop", "expired-token", "policy", "error", "cut")
        fault = faults.take(service.name, call.method, target, kinds)
        dropped = fault is not None and fault["kind"] == "drop"
        cut = fault is not None and fault["kind"] == "cut"
        foreign = fault is not None and fault.get("form", "service") != "service"
        if fault is not None and not cut and not (dropped and fault.get("after")):
            answer = Answer(0) if dropped else self._misbehave(call, fault)
        elif too_large:
            answer = self._too_large(call)
        else:
            answer = await self._answer(call)
        try:
            world.store.commit()
        except sqlite3.Error:
            LOG.exception("the state could not be written")
            answer = service.error(500, "InternalServerError", "The practice cloud cannot write its state.")
        if not foreign:
            answer = service.written(call, answer)
        headers = {**({} if foreign else service.headers(call)), **answer.headers}
        body, content_type = _written(answer)
        if content_type:
            headers.setdefault("Content-Type", content_type)
        if self._exchanges is not None:
            self._exchanges.write(
                service.name,
                self._thing,
                call.method,
                call.base + target,
                request.headers,
                content,
                None if dropped else answer.status,
                {} if dropped else headers,
                b"" if dropped or call.method == "HEAD" else body,
            )
        if dropped and request.transport is not None:
            request.transport.abort()
        if cut and body and call.method != "HEAD":
            return await _half(request, answer.status, headers, body)
        response = web.Response(status=answer.status, body=body or None, headers=headers)
        if too_large:
            response.force_close()
        return response

    def _trusts(self, call: Call) -> bool:
        """Return whether a request shows a good token, before its body is read."""
        try:
            return self._service.authenticate(call) is not None
        except Refused:
            return False

    def _too_large(self, call: Call) -> Answer:
        """Refuse a request whose body was not read: who may not come in is told that, whatever they sent."""
        try:
            self._service.authenticate(call)
        except Refused as refused:
            return refused.answer
        return self._service.error(413, "RequestBodyTooLarge", "The request body is too large.")

    async def _answer(self, call: Call) -> Answer:
        service = self._service
        try:
            self._world.settle()
            handler, caught, known = service.router.find(call.method, call.path)
            caller = service.authenticate(call)
            if handler is None:
                return service.not_found(call, known)
            result = handler(dataclasses.replace(call, match=caught, caller=caller))
            return await result if inspect.isawaitable(result) else result
        except Refused as refused:
            return refused.answer
        except ValueError:
            LOG.info("bad request: %s %s", call.method, call.path, exc_info=True)
            return service.error(
                400, "InvalidRequestContent", "The request content was invalid and could not be deserialized."
            )
        except Exception:  # the outermost edge of the server: a defect must not take the whole cloud down
            LOG.exception("%s %s", call.method, call.path)
            return service.error(500, "InternalServerError", "The practice cloud has a defect; see server.log.")

    def _misbehave(self, call: Call, fault: Mapping[str, object]) -> Answer:
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


def _foreign(form: str, status: int, message: str) -> Answer:
    """Return an answer that is not the service's, in one of `faults.FORMS`."""
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


async def _half(request: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    """Send an answer whose body breaks off in the middle."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _policy_denial(call: Call, service: Service) -> Answer:
    """Return the refusal of Azure Policy, in the form of the official documentation.

    There is no recording of one (contracts/README.md): the shape is that of "Azure Policy - error
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


def _written(answer: Answer) -> tuple[bytes, str]:
    if isinstance(answer.body, bytes):
        return answer.body, answer.content_type or "application/octet-stream"
    if isinstance(answer.body, str):
        return answer.body.encode(), answer.content_type or "text/html; charset=utf-8"
    if answer.body is None:
        return b"", answer.content_type
    return json.dumps(answer.body).encode(), answer.content_type or "application/json; charset=utf-8"


def request_id() -> str:
    """Return a new id for an answer, as `x-ms-request-id` carries it."""
    return str(uuid.uuid4())
