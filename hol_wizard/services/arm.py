"""Azure Resource Manager: one client for every resource type, over azure-core."""

from __future__ import annotations

import base64
import binascii
import logging
import re
import threading
import time
import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from hol_wizard.errors import NotFoundError, ServiceError, UnreachableError
from hol_wizard.services import error_rules, transport
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.identity import Token

logger = logging.getLogger(__name__)

Json = dict[str, Any]

API_VERSIONS: Mapping[str, str] = {
    "microsoft.authorization": "2022-04-01",
    "microsoft.containerregistry": "2023-07-01",
    "microsoft.databricks": "2026-01-01",
    "microsoft.insights/components": "2020-02-02",
    "microsoft.keyvault": "2026-02-01",
    "microsoft.machinelearningservices": "2025-12-01",
    "microsoft.operationalinsights": "2020-08-01",
    "microsoft.resourcegraph": "2021-03-01",
    "microsoft.storage": "2023-05-01",
}
"""Version for each provider, or provider and type; frozen, so that a new one is a decision.

Key Vault: versions before 2026-02-01 are retired on 2027-02-27. Databricks: 2026-01-01 is the one that knows
`computeMode`.
"""

RESOURCES_VERSION = "2025-04-01"
"""For resource groups and providers."""
SUBSCRIPTIONS_VERSION = "2022-12-01"
"""For subscriptions, tenants and locations."""

RETRY_AFTER_MOST = 30.0
"""Seconds that a service's Retry-After is honoured at most between two looks at an operation."""

BUSY_WAITS = (1.0, 2.0, 4.0)
"""Seconds before further tries of what a rule calls worth it (`Rule.retry`)."""

NOT_SIMPLY_ABSENT = frozenset(
    {"InvalidSubscriptionId", "SubscriptionNotFound", "InvalidResourceType", "InvalidResourceNamespace"}
)
"""Codes of a 404 that do not say that a resource is missing, but that the question is wrong."""

_SUCCEEDED = {"succeeded", "completed", "ready"}
_BROKEN = {"failed", "canceled", "cancelled"}
_SAYS_ONLY_THAT_IT_FAILED = {"DeploymentFailed", "ResourceDeploymentFailure", "Failed", "Conflict"}


def api_version(path: str) -> str:
    """Return the api-version for a resource path.

    Raises:
        LookupError: The table does not know the provider.
    """
    low = path.lower().partition("?")[0]
    providers = re.findall(r"/providers/(microsoft\.[a-z]+)/([a-z]+)", low)
    if providers:
        namespace, kind = providers[-1]
        if kind in {"register", "unregister"}:
            return RESOURCES_VERSION
        version = API_VERSIONS.get(f"{namespace}/{kind}") or API_VERSIONS.get(namespace)
        if version is None:
            raise LookupError(f"no api-version is known for {namespace}/{kind}")
        return version
    if "/resourcegroups" in low or "/providers" in low or "/resources" in low:
        return RESOURCES_VERSION
    return SUBSCRIPTIONS_VERSION


class TokenSource(Protocol):
    """What the client needs of `hol_wizard.services.identity.Identity`."""

    def token(self, audience: str, *, tenant: str = "", claims: str = "", rejected: Token | None = None) -> Token:
        """Return a token for a service."""
        ...

    def tenant_of(self, subscription: str) -> str:
        """Return the directory through which the account sees a subscription, or an empty string."""
        ...


class Operation:
    """A change that Resource Manager is making, or has made.

    Azure-AsyncOperation, Location and a bare provisioningState are all followed
    (github.com/microsoft/api-guidelines, Azure guidelines, long-running operations).
    """

    def __init__(
        self,
        client: ArmClient,
        path: str,
        url: str,
        *,
        done: bool,
        resource: Json | None,
        wait: float,
        until_gone: bool = False,
    ) -> None:
        self._client = client
        self._thing = _last(path) or "The operation"
        self._until_gone = until_gone
        self.url = url
        """Address to ask how far it is; it may be kept and asked later. Empty when nothing is left to ask."""
        self.done = done
        self.resource = resource
        """The resource, where the last answer was its document; else None, also when it exists."""
        self.retry_after = wait
        """Seconds to wait before the next `poll`."""

    def poll(self) -> None:
        """Ask how far it is.

        Raises:
            NotFoundError: Resource Manager no longer knows the operation.
            ServiceError: The operation failed.
        """
        if self.done:
            return
        try:
            status, headers, body = self._client.send("GET", self.url, thing=self._thing)
        except NotFoundError:
            if not self._until_gone:
                raise
            self.done = True
            return
        self.retry_after = self._client.wait_of(headers)
        document = body if isinstance(body, dict) else {}
        state = _state(document)
        if state in _BROKEN:
            raise error_rules.of_answer(500, _failure(document, state), self._thing)
        if status == 202:
            self.url = headers.get("location") or self.url
            return
        if self._until_gone or (state and state not in _SUCCEEDED):
            return
        self.done = True
        self.resource = document if "properties" in document and "status" not in document else None


def _state(document: Mapping[str, Any]) -> str:
    status = document.get("status")
    if isinstance(status, str):
        return status.lower()
    properties = document.get("properties")
    state = properties.get("provisioningState") if isinstance(properties, Mapping) else None
    return str(state or "").lower()


def _failure(document: Mapping[str, Any], state: str) -> Json:
    """Return a failed operation's reason as an error document."""
    properties = document.get("properties")
    error = document.get("error") or (properties.get("error") if isinstance(properties, Mapping) else None)
    if not isinstance(error, Mapping) or not (error.get("code") or error.get("message")):
        return {"error": {"code": state.capitalize(), "message": f"the operation ended as {state}"}}
    details = [each for each in error.get("details") or () if isinstance(each, Mapping)]
    if details and str(error.get("code")) in _SAYS_ONLY_THAT_IT_FAILED:
        return {"error": {**error, **details[0]}}
    return {"error": dict(error)}


def _last(path: str) -> str:
    return urlsplit(path).path.rstrip("/").rpartition("/")[2]


class ArmClient:
    """Reads and changes Azure resources; paths begin with `/subscriptions/…`, the api-version is found by itself."""

    def __init__(self, endpoints: Endpoints, identity: TokenSource, shared: Any = None) -> None:
        """Ask nobody yet.

        Args:
            endpoints: The cloud.
            identity: Gives the tokens.
            shared: The transport (`transport.make_transport`), or a function that returns it; None: one of its own.
        """
        self.endpoints = endpoints
        self._identity = identity
        self._shared = shared
        self._building = threading.Lock()
        self._correlation = str(uuid.uuid4())

    @property
    def poll_interval(self) -> float:
        """Seconds between two looks at something that is being made."""
        return self.endpoints.poll_interval

    @cached_property
    def _pipeline(self) -> Any:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import HeadersPolicy, RequestIdPolicy, UserAgentPolicy

        policies = [
            RequestIdPolicy(),
            # Microsoft's support finds all of one run by it.
            HeadersPolicy({"Accept": "application/json", "x-ms-correlation-request-id": self._correlation}),
            UserAgentPolicy(base_user_agent=transport.USER_AGENT, user_agent_use_env=False),
            transport.retries(),
        ]
        shared = self._shared() if callable(self._shared) else self._shared
        shared = shared or transport.make_transport(self.endpoints)
        return PipelineClient(self.endpoints.resource_manager, policies=policies, transport=shared)

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        url = f"{self.endpoints.resource_manager}{path}"
        if "api-version=" not in path:
            query = {"api-version": api_version(path), **query}
        return f"{url}{'&' if '?' in path else '?'}{urlencode(query)}" if query else url

    def send(
        self, method: str, url: str, *, thing: str, body: Any = None, signed: bool = True
    ) -> tuple[int, Mapping[str, str], Any]:
        """Send one request and return status, headers (names in lower case) and parsed body of a good answer.

        Without a signature a refusal is an answer like any other.

        Raises:
            WizardError: Of the kind that the answer means.
        """
        url = self._accepted(url)
        for wait in (*BUSY_WAITS, None):
            status, headers, parsed = self._signed(method, url, body) if signed else self._try(method, url, body, {})
            if status < 300 or (400 <= status < 500 and not signed):
                return status, headers, parsed
            if status < 400:
                raise _not_azure(url)
            error = error_rules.of_answer(status, parsed, thing, request=headers.get("x-ms-request-id", ""))
            rule = error_rules.rule_for("arm", error.code, error.detail)
            level = logging.DEBUG if isinstance(error, NotFoundError) else logging.INFO
            logger.log(level, "%s: %s", type(error).__name__, error.detail)
            if wait is None or rule is None or not rule.retry:
                raise error
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _accepted(self, url: str) -> str:
        """Return an address to ask, at the port where Resource Manager is now.

        Raises:
            ServiceError: It is not Resource Manager's: a token is sent nowhere else.
        """
        ours, asked = urlsplit(self.endpoints.resource_manager), urlsplit(url)
        if asked.scheme == "https" and asked.hostname and "@" not in asked.netloc:
            if asked.hostname == ours.hostname:
                return asked._replace(netloc=ours.netloc).geturl()
            if asked.hostname.endswith(f".{ours.hostname}") and asked.netloc == asked.hostname:
                # Azure's regions poll some operations under a name of their own.
                return url
        raise ServiceError(
            f"{asked.scheme}://{asked.hostname or '?'} is not part of {ours.hostname}: nothing is sent there.",
            "Begin the operation again; if it stays so, copy the details to the proctor.",
            detail=url[:300],
        )

    def _signed(self, method: str, url: str, body: Any) -> tuple[int, Mapping[str, str], Any]:
        """Send a request with a token; one that is not taken is renewed once, silently."""
        found = re.search(r"/subscriptions/([^/?]+)", urlsplit(url).path, re.IGNORECASE)
        tenant = self._identity.tenant_of(found[1]) if found else ""
        audience = self.endpoints.management_audience
        token = self._identity.token(audience, tenant=tenant)
        answer = self._try(method, url, body, {"Authorization": f"Bearer {token.reveal()}"})
        if answer[0] != 401:
            return answer
        claims = _claims_in(answer[1].get("www-authenticate", ""))
        token = self._identity.token(audience, tenant=tenant, claims=claims, rejected=token)
        return self._try(method, url, body, {"Authorization": f"Bearer {token.reveal()}"})

    def _try(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], Any]:
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError
        from azure.core.rest import HttpRequest

        began = time.monotonic()
        with self._building:
            pipeline = self._pipeline
        where = urlsplit(url)
        try:
            answer = pipeline.send_request(HttpRequest(method, url, headers=dict(headers), json=body))
            answer.read()
        except (ServiceRequestError, ServiceResponseError) as error:
            raise transport.unreachable(error, where.netloc) from error
        took = (time.monotonic() - began) * 1000
        logger.debug("%s %s: %d in %.0f ms", method, where.path, answer.status_code, took)
        named = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status_code, named, _parsed(answer)

    def wait_of(self, headers: Mapping[str, str]) -> float:
        """Return the seconds that an answer asks to wait, within reason."""
        asked = transport.retry_after(headers)
        return self.poll_interval if asked is None else min(max(asked, 0.05), RETRY_AFTER_MOST)

    def get(self, path: str, **query: str) -> Json:
        """Return the resource at a path.

        Raises:
            NotFoundError: There is none.
        """
        url = self._url(path, query)
        _, _, body = self.send("GET", url, thing=_last(path))
        return _document(body, url)

    def find(self, path: str, **query: str) -> Json | None:
        """Return the resource at a path, or None where there is none."""
        try:
            return self.get(path, **query)
        except NotFoundError as error:
            if error.code in NOT_SIMPLY_ABSENT:
                raise
            return None

    def list(self, path: str, **query: str) -> list[Json]:
        """Return all items of a collection, page after page."""
        found: list[Json] = []
        url = self._url(path, query)
        while url:
            _, _, body = self.send("GET", url, thing=_last(path))
            page = _document(body, url)
            found.extend(page.get("value") or ())
            url = str(page.get("nextLink") or "")
        return found

    def post(self, path: str, body: Any = None, **query: str) -> Json:
        """Ask for an action that answers at once, and return its answer."""
        url = self._url(path, query)
        _, _, answer = self.send("POST", url, thing=_asked(path, body), body=body)
        return _document(answer, url) if answer else {}

    def begin_post(self, path: str, body: Any = None, **query: str) -> Operation:
        """Ask for an action that takes its time."""
        return self._begin("POST", path, query, body)

    def put(self, path: str, body: Any, **query: str) -> Operation:
        """Create or replace the resource at a path."""
        return self._begin("PUT", path, query, body)

    def delete(self, path: str, **query: str) -> Operation | None:
        """Delete the resource at a path; None where there was none."""
        try:
            return self._begin("DELETE", path, query, None)
        except NotFoundError:
            return None

    def _begin(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Operation:
        status, headers, answer = self.send(method, self._url(path, query), thing=_last(path), body=body)
        document = answer if isinstance(answer, dict) else {}
        wait = self.wait_of(headers)
        state = _state(document)
        url = headers.get("azure-asyncoperation") or (headers.get("location", "") if status == 202 else "")
        if url:
            return Operation(self, path, url, done=False, resource=None, wait=wait)
        if state in _BROKEN:
            raise error_rules.of_answer(500, _failure(document, state), _last(path))
        itself = self._url(path, {"api-version": query["api-version"]} if "api-version" in query else {})
        if method == "PUT" and (status == 202 or (state and state not in _SUCCEEDED)):
            return Operation(self, path, itself, done=False, resource=None, wait=wait)
        if method == "DELETE" and status == 202:
            return Operation(self, path, itself, done=False, resource=None, wait=wait, until_gone=True)
        return Operation(self, path, "", done=True, resource=document or None, wait=wait)

    def operation(self, url: str) -> Operation:
        """Return the operation that an earlier run of the wizard began, by the address that it kept.

        Raises:
            ServiceError: The address is not Resource Manager's.
        """
        return Operation(self, "", self._accepted(url), done=False, resource=None, wait=self.poll_interval)

    def clock_skew(self) -> float:
        """Return by how many seconds this machine's clock is ahead of Resource Manager's; asks without signing in.

        Raises:
            UnreachableError: There is no answer, or none with a date.
        """
        from email.utils import parsedate_to_datetime

        before = time.time()
        _, headers, _ = self.send("GET", self._url("/subscriptions", {}), thing="the clock", signed=False)
        try:
            there = parsedate_to_datetime(headers.get("date", "")).timestamp()
        except (TypeError, ValueError) as error:
            raise UnreachableError("Resource Manager's answer has no date.", "Try again.") from error
        # The header has whole seconds, cut off.
        return (before + time.time()) / 2 - (there + 0.5)


def _asked(path: str, body: Any) -> str:
    name = body.get("name") if isinstance(body, Mapping) else None
    return str(name or _last(path))


def _claims_in(challenge: str) -> str:
    """Return the claims of a 401's challenge as JSON, or an empty string (continuous access evaluation)."""
    found = re.search(r'claims="([^"]+)"', challenge)
    if found is None:
        return ""
    try:
        return base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _document(body: Any, url: str) -> Json:
    if not isinstance(body, dict):
        raise _not_azure(url)
    return body


def _not_azure(url: str) -> UnreachableError:
    return UnreachableError(
        f"Something between this machine and {urlsplit(url).netloc} answers in its place.",
        "Sign in to the network (hotel, guest Wi-Fi) in a browser, or look at HTTPS_PROXY and NO_PROXY.",
    )


def _parsed(answer: Any) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text()


class NothingThere:
    """Reads as a Resource Manager in which nothing exists yet: for plans that are told before anybody can look."""

    poll_interval = 0.0

    def find(self, path: str) -> Json | None:
        """Find nothing."""
        del path
        return None

    def get(self, path: str) -> Json:
        """Return a document that says nothing."""
        del path
        return {}

    def list(self, path: str) -> list[Json]:
        """Return no items."""
        del path
        return []

    def post(self, path: str, body: Any = None) -> Json:
        """Answer that nothing stands in the way."""
        del path, body
        return {}
