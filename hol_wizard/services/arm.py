"""Azure Resource Manager: one client for every resource type, over azure-core."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from hol_wizard.errors import NotFoundError, ServiceError, UnreachableError
from hol_wizard.services import error_rules, transport
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.identity import Identity

logger = logging.getLogger(__name__)

Json = dict[str, Any]

API_VERSIONS: Mapping[str, str] = {
    "microsoft.authorization/permissions": "2022-04-01",
    "microsoft.authorization/roleassignments": "2022-04-01",
    "microsoft.containerregistry": "2023-07-01",
    "microsoft.databricks": "2026-01-01",
    "microsoft.insights/components": "2020-02-02",
    "microsoft.keyvault": "2026-02-01",
    "microsoft.machinelearningservices": "2025-12-01",
    "microsoft.operationalinsights": "2020-08-01",
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

_SUCCEEDED = {"succeeded", "completed", "ready"}
_BROKEN = {"failed", "canceled", "cancelled"}


def api_version(path: str) -> str:
    """Return the api-version for a resource path.

    Raises:
        LookupError: The table does not know the provider.
    """
    low = path.lower().partition("?")[0]
    providers = re.findall(r"/providers/(microsoft\.[a-z]+)/([a-z]+)", low)
    if providers:
        namespace, kind = providers[-1]
        if kind == "register":
            return RESOURCES_VERSION
        version = API_VERSIONS.get(f"{namespace}/{kind}") or API_VERSIONS.get(namespace)
        if version is None:
            raise LookupError(f"no api-version is known for {namespace}/{kind}")
        return version
    if "/resourcegroups" in low or "/providers" in low or "/resources" in low:
        return RESOURCES_VERSION
    return SUBSCRIPTIONS_VERSION


class Operation:
    """A change that Resource Manager is making, or has made.

    Azure-AsyncOperation, Location and a bare provisioningState are all followed
    (github.com/microsoft/api-guidelines, Azure guidelines, long-running operations).
    """

    def __init__(
        self, client: ArmClient, path: str, url: str, *, done: bool, resource: Json | None, wait: float
    ) -> None:
        self._client = client
        self._path = path
        self.url = url
        """Address to ask how far it is; it may be kept and asked later. Empty when nothing is left to ask."""
        self.done = done
        self.resource = resource
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
        status, headers, body = self._client.send("GET", self.url, thing="the operation")
        self.retry_after = self._client.wait_of(headers)
        document = body if isinstance(body, dict) else {}
        state = _state(document)
        if state in _BROKEN:
            raise error_rules.of_answer(500, _failure(document, state), _last(self._path) or "The operation")
        if status == 202 or (state and state not in _SUCCEEDED):
            self.url = headers.get("location", self.url) if status == 202 and not state else self.url
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
    properties = document.get("properties")
    error = document.get("error") or (properties.get("error") if isinstance(properties, Mapping) else None)
    if isinstance(error, Mapping):
        details = error.get("details")
        inner = details[0] if isinstance(details, list) and details and isinstance(details[0], Mapping) else {}
        return {
            "error": {
                **error,
                **({"message": f"{error.get('message', '')} {inner['message']}"} if inner.get("message") else {}),
            }
        }
    return {"error": {"code": state.capitalize(), "message": f"the operation ended as {state}"}}


def _last(path: str) -> str:
    return urlsplit(path).path.rstrip("/").rpartition("/")[2]


class ArmClient:
    """Reads and changes Azure resources; paths begin with `/subscriptions/…`, the api-version is found by itself."""

    def __init__(self, endpoints: Endpoints, identity: Identity, shared: Any = None) -> None:
        self.endpoints = endpoints
        self._identity = identity
        self._shared = shared
        self._building = threading.Lock()

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
            HeadersPolicy({"Accept": "application/json"}),
            UserAgentPolicy(base_user_agent=transport.USER_AGENT),
            transport.retries(),
        ]
        shared = self._shared or transport.make_transport(self.endpoints)
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

        Raises:
            WizardError: Of the kind that the answer means.
        """
        host = urlsplit(self.endpoints.resource_manager).hostname or ""
        asked = urlsplit(url).hostname or ""
        if asked != host and not asked.endswith(f".{host}"):
            raise ServiceError(f"{asked} is not part of {host}: nothing is sent there.", "Report this.")
        answer = self._try(method, url, body, signed=signed, claims="")
        if answer.status_code == 401 and signed:
            found = re.search(r'claims="([^"]+)"', answer.headers.get("WWW-Authenticate", ""))
            answer = self._try(method, url, body, signed=True, claims=found[1] if found else "{}")
        parsed = _parsed(answer)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if answer.status_code >= 400 and signed:
            error = error_rules.of_answer(answer.status_code, parsed, thing)
            logger.info("%s: %s", type(error).__name__, error.detail)
            raise error
        return answer.status_code, headers, parsed

    def _try(self, method: str, url: str, body: Any, *, signed: bool, claims: str) -> Any:
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError
        from azure.core.rest import HttpRequest

        headers = {}
        if signed:
            token = self._identity.token(self.endpoints.management_audience, claims=claims)
            headers["Authorization"] = f"Bearer {token.reveal()}"
        began = time.monotonic()
        with self._building:
            pipeline = self._pipeline
        try:
            answer = pipeline.send_request(HttpRequest(method, url, headers=headers, json=body))
            answer.read()
        except (ServiceRequestError, ServiceResponseError) as error:
            where = urlsplit(url)
            raise transport.unreachable(error, where.netloc) from error
        logger.debug(
            "%s %s: %d in %.0f ms", method, urlsplit(url).path, answer.status_code, (time.monotonic() - began) * 1000
        )
        return answer

    def wait_of(self, headers: Mapping[str, str]) -> float:
        """Return the seconds that an answer asks to wait, within reason."""
        asked = headers.get("retry-after", "")
        if asked.isdigit() and int(asked) > 0:
            return min(float(asked), RETRY_AFTER_MOST)
        return self.poll_interval

    def get(self, path: str, **query: str) -> Json:
        """Return the resource at a path.

        Raises:
            NotFoundError: There is none.
        """
        _, _, body = self.send("GET", self._url(path, query), thing=_last(path))
        return _document(body)

    def find(self, path: str, **query: str) -> Json | None:
        """Return the resource at a path, or None where there is none."""
        try:
            return self.get(path, **query)
        except NotFoundError as error:
            if error.code in {"InvalidSubscriptionId", "SubscriptionNotFound"}:
                raise
            return None

    def list(self, path: str, **query: str) -> list[Json]:
        """Return all items of a collection, page after page."""
        found: list[Json] = []
        url = self._url(path, query)
        while url:
            _, _, body = self.send("GET", url, thing=_last(path))
            page = _document(body)
            found.extend(page.get("value") or ())
            url = str(page.get("nextLink") or "")
        return found

    def post(self, path: str, body: Any = None, **query: str) -> Json:
        """Ask for an action that answers at once, and return its answer."""
        _, _, answer = self.send("POST", self._url(path, query), thing=_asked(path, body), body=body)
        return _document(answer)

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
        url = headers.get("azure-asyncoperation") or (headers.get("location", "") if status == 202 else "")
        state = _state(document)
        if url:
            return Operation(self, path, url, done=False, resource=None, wait=wait)
        if state in _BROKEN:
            raise error_rules.of_answer(500, _failure(document, state), _last(path))
        if method == "PUT" and state and state not in _SUCCEEDED:
            return Operation(self, path, self._url(path, {}), done=False, resource=None, wait=wait)
        return Operation(self, path, "", done=True, resource=document or None, wait=wait)

    def operation(self, url: str) -> Operation:
        """Return the operation that an earlier run of the wizard began, by the address that it kept."""
        return Operation(self, urlsplit(url).path, url, done=False, resource=None, wait=self.poll_interval)

    def clock_skew(self) -> float:
        """Return by how many seconds this machine's clock is ahead of Resource Manager's; asks without signing in.

        Raises:
            UnreachableError: There is no answer, or none with a date.
        """
        before = time.time()
        _, headers, _ = self.send("GET", self._url("/subscriptions", {}), thing="the clock", signed=False)
        try:
            there = parsedate_to_datetime(headers.get("date", "")).timestamp()
        except (TypeError, ValueError) as error:
            raise UnreachableError("Resource Manager's answer has no date.", "Try again.") from error
        return (before + time.time()) / 2 - there


def _asked(path: str, body: Any) -> str:
    name = body.get("name") if isinstance(body, Mapping) else None
    return str(name or _last(path))


def _document(body: Any) -> Json:
    return body if isinstance(body, dict) else {}


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
