"""Sends authenticated requests to the services of the cloud; all clients use it."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from hol_wizard.errors import InconclusiveError, NotFoundError, ServiceError, SignInError, UnreachableError
from hol_wizard.services import answers, error_rules, transport
from hol_wizard.services.answers import Document
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.error_rules import Service
from hol_wizard.services.error_rules.documents import ErrorDocument
from hol_wizard.services.identity import Token
from hol_wizard.services.secrets import Secret

logger = logging.getLogger(__name__)

BUSY_WAITS = (1.0, 2.0, 4.0)
"""Seconds before further tries if a rule says so (`Rule.retry`)."""


class Reply(NamedTuple):
    """A successful response."""

    status: int
    headers: Mapping[str, str]
    """Names in lowercase."""
    body: Any
    """Parsed if it is JSON, otherwise text; bytes if requested."""
    source: str = "The service"
    """Service and operation, for errors about the response: `Microsoft Graph (GET my-app)`."""


class TokenSource(Protocol):
    """The part of `hol_wizard.services.identity.Identity` that a client needs."""

    def token(self, audience: str, *, tenant: str = "", claims: str = "", rejected: Token | None = None) -> Token:
        """Return a token for a service."""
        ...

    def tenant_of(self, subscription: str) -> str:
        """Return the directory through which the account sees a subscription, or an empty string."""
        ...


class RestClient:
    """The client for one service, with its tokens, headers and error rules; thread-safe."""

    def __init__(
        self,
        service: Service,
        endpoints: Endpoints,
        identity: TokenSource,
        *,
        audience: str,
        shared: Any = None,
        headers: Mapping[str, str] | None = None,
        tenant: Callable[[], str] = str,
        authorization: Callable[[], Secret] | None = None,
    ) -> None:
        """Create the client without sending a request.

        Args:
            service: The service, for its error rules (`error_rules`).
            endpoints: The cloud.
            identity: Provides the tokens.
            audience: Audience of the tokens.
            shared: The transport (`transport.make_transport`), or a function that returns it; None to create one.
            headers: Sent with every request.
            tenant: Returns the directory of the tokens; an empty string for the account's own.
            authorization: Returns the value of the `Authorization` header to use instead of a token; it is never
                renewed.
        """
        self._given = authorization
        self.endpoints = endpoints
        self._service = service
        self._identity = identity
        self._audience = audience
        self._shared = shared
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._tenant = tenant
        self._building = threading.Lock()

    @cached_property
    def _pipeline(self) -> Any:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import HeadersPolicy, RequestIdPolicy, UserAgentPolicy

        policies = [
            RequestIdPolicy(),
            # Microsoft's support can find all requests of one run by it.
            HeadersPolicy({"x-ms-correlation-request-id": str(uuid.uuid4())}),
            UserAgentPolicy(base_user_agent=transport.USER_AGENT, user_agent_use_env=False),
            transport.retries(),
        ]
        shared = self._shared() if callable(self._shared) else self._shared
        shared = shared or transport.make_transport(self.endpoints)
        return PipelineClient(self.endpoints.resource_manager, policies=policies, transport=shared)

    def token(self, audience: str = "") -> Token:
        """Return a token, to read its claims or to send it in addition to the client's own.

        Args:
            audience: Its audience; empty for that of the requests.

        Raises:
            SignInError: Nobody is signed in.
        """
        return self._identity.token(audience or self._audience, tenant=self._tenant())

    def authorization(self) -> Secret:
        """Return the value of the `Authorization` header, for a program that sends requests to the service itself.

        Raises:
            SignInError: Nobody is signed in, or the required token is missing.
        """
        return self._given() if self._given is not None else Secret(f"Bearer {self.token().reveal()}")

    def send(
        self,
        method: str,
        url: str,
        *,
        thing: str,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        signed: bool = True,
        raw: bool = False,
        redirects: bool = False,
    ) -> Reply:
        """Send one request and return the successful response.

        If the request is not authenticated, a refusal is also returned as a response.

        Args:
            method: `GET`.
            url: A complete address of one of the cloud's hosts.
            thing: The requested resource, for errors.
            body: Sent as JSON.
            content: Sent unchanged instead of `body`.
            headers: For this request, in addition to the client's; an empty value removes one of those.
            tenant: Directory of the token; None for the client's.
            signed: Whether to send a token.
            raw: Whether to return the response's body as bytes.
            redirects: Whether to return a redirect as a response; redirects are never followed.

        Raises:
            WizardError: The error that the response means.
        """
        if not self.endpoints.owns(url):
            host = urlsplit(url).netloc or "?"
            raise ServiceError(
                f"{host} is not part of this cloud: nothing is sent there.",
                "Try again. If it happens again, give the details to the proctor.",
                detail=url[:300],
            )
        named = {name: value for name, value in {**self._headers, **(headers or {})}.items() if value}
        source = f"{error_rules.NAMES[self._service]} ({method} {thing})"
        for wait in (*BUSY_WAITS, None):
            try:
                if signed:
                    reply = self._signed(method, url, body, content, named, tenant, raw)
                else:
                    reply = self._try(method, url, body, content, named, raw)
            except _UnreadableError as unreadable:
                logger.info("%s: %s", source, unreadable)
                if wait is not None and method in transport.SAFE_TO_REPEAT:
                    time.sleep(wait)
                    continue
                raise answers.unexpected(source, str(unreadable)) from unreadable
            reply = reply._replace(source=source)
            if reply.status < (400 if redirects else 300) or (400 <= reply.status < 500 and not signed):
                return reply
            host, proxy = urlsplit(url).netloc, transport.proxy_of(url)
            if reply.status < 400:
                location = reply.headers.get("location", "")
                raise error_rules.of_redirect(self._service, reply.status, location, host, proxy)
            error = error_rules.of_reply(
                self._service, reply.status, reply.headers, reply.body, thing, host=host, proxy=proxy
            )
            if reply.status == 401 and self._given is not None and not reply.body:
                error = SignInError(
                    "The service does not accept the personal access token: it is wrong, revoked, or lacks a scope.",
                    "Make another, with the scopes that the wizard names where it asks for it, and give it again.",
                    detail=f"HTTP 401 from {urlsplit(url).netloc}",
                )
            rule = error_rules.rule_for(self._service, error.code, error.detail)
            level = logging.DEBUG if isinstance(error, NotFoundError) else logging.INFO
            logger.log(level, "%s: %s", type(error).__name__, error.detail)
            if wait is None or rule is None or not rule.retry:
                raise error
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _signed(
        self,
        method: str,
        url: str,
        body: Any,
        content: bytes | None,
        headers: Mapping[str, str],
        tenant: str | None,
        raw: bool,
    ) -> Reply:
        """Send a request with a token; a token that is not accepted is renewed once, silently."""
        if self._given is not None:
            given = {**headers, "Authorization": self._given().reveal()}
            return self._try(method, url, body, content, given, raw)
        tenant = self._tenant() if tenant is None else tenant
        token = self._identity.token(self._audience, tenant=tenant)
        reply = self._try(method, url, body, content, {**headers, "Authorization": f"Bearer {token.reveal()}"}, raw)
        if not self._token_is_refused(reply):
            return reply
        claims = _claims_in(reply.headers.get("www-authenticate", ""))
        token = self._identity.token(self._audience, tenant=tenant, claims=claims, rejected=token)
        return self._try(method, url, body, content, {**headers, "Authorization": f"Bearer {token.reveal()}"}, raw)

    def _token_is_refused(self, reply: Reply) -> bool:
        """Whether the service does not accept the token: with a 401, or in its message, as Databricks does with a
        403."""
        if reply.status != 403:
            return reply.status == 401
        return isinstance(error_rules.of_reply(self._service, 403, reply.headers, reply.body, ""), SignInError)

    def _try(
        self, method: str, url: str, body: Any, content: bytes | None, headers: Mapping[str, str], raw: bool
    ) -> Reply:
        from azure.core.exceptions import DecodeError, ServiceRequestError, ServiceResponseError
        from azure.core.rest import HttpRequest

        began = time.monotonic()
        with self._building:
            pipeline = self._pipeline
        where = urlsplit(url)
        try:
            request = HttpRequest(method, url, headers=dict(headers), json=body, content=content)
            answer = pipeline.send_request(request)
            answer.read()
        except (ServiceRequestError, ServiceResponseError) as error:
            if "failed to decode" in str(error):
                raise _UnreadableError(f"the body cannot be decoded: {error}"[:500]) from error
            raise transport.unreachable(error, where.netloc) from error
        except DecodeError as error:
            raise _UnreadableError(f"the body is incomplete or cannot be decoded: {error}"[:500]) from error
        except OSError as error:
            # requests wraps network errors; what remains is a file of certificates that cannot be read.
            raise UnreachableError(
                f"The certificates to trust cannot be read: {error}.",
                "Set REQUESTS_CA_BUNDLE to a file of certificates, or unset it.",
            ) from error
        took = (time.monotonic() - began) * 1000
        logger.debug("%s %s: %d in %.0f ms", method, where.path, answer.status_code, took)
        named = {name.lower(): value for name, value in answer.headers.items()}
        wanted = answer.content if raw and answer.status_code < 300 else _parsed(answer)
        return Reply(answer.status_code, named, wanted)


class _UnreadableError(Exception):
    """The body of a response is incomplete, or does not match its headers."""


def json_object(reply: Reply, url: str) -> Document:
    """Return the response's body, which is a JSON object.

    Raises:
        InconclusiveError: It is something else: the response is not from the cloud, or has an unexpected form.
    """
    if isinstance(reply.body, dict):
        return Document(reply.body, reply.source)
    if isinstance(reply.body, str) and ErrorDocument.read(reply.body).form == "page":
        raise not_the_cloud(url)
    raise answers.unexpected(reply.source, "the body is no JSON object")


def not_the_cloud(url: str, status: int = 200) -> InconclusiveError:
    """Return the error for a response that does not come from a service of the cloud."""
    return error_rules.between(status, urlsplit(url).netloc, transport.proxy_of(url))


def _claims_in(challenge: str) -> str:
    """Return the claims of a 401's challenge as JSON, or an empty string (continuous access evaluation)."""
    found = re.search(r'claims="([^"]+)"', challenge)
    if found is None:
        return ""
    try:
        return base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _parsed(answer: Any) -> Any:
    """Return the body: parsed if it is JSON, otherwise as text.

    Raises:
        _UnreadableError: It should be JSON but is not, because it is truncated or not UTF-8.
    """
    content = bytes(answer.content)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        kind = str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()
        if content.strip() and answer.status_code < 300 and kind.endswith(("/json", "+json")):
            raise _UnreadableError(f"the body is no JSON: {error}"[:500]) from error
        return content.decode("utf-8-sig", "replace")
