"""Azure Resource Manager: one client for all resource types, based on azure-core."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from hol_wizard.errors import NotFoundError, ServiceError, UnreachableError
from hol_wizard.services import error_rules, waits
from hol_wizard.services.answers import Document, pages
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.rest import Reply, RestClient, TokenSource, json_object

Json = dict[str, Any]

API_VERSIONS: Mapping[str, str] = {
    "microsoft.authorization": "2022-04-01",
    "microsoft.compute": "2024-11-01",
    "microsoft.containerregistry": "2025-11-01",
    "microsoft.databricks": "2026-01-01",
    "microsoft.insights/components": "2020-02-02",
    "microsoft.keyvault": "2026-02-01",
    "microsoft.machinelearningservices": "2025-12-01",
    "microsoft.managedidentity": "2023-01-31",
    "microsoft.operationalinsights": "2020-08-01",
    "microsoft.resourcegraph": "2021-03-01",
    "microsoft.storage": "2023-05-01",
}
"""Version for each provider, or provider and type; frozen, so that a new one is a decision.

Container registry: 2025-11-01 has `roleAssignmentMode` (azure-mgmt-containerregistry 15). Key Vault: versions before
2026-02-01 are retired on 2027-02-27. Databricks: 2026-01-01 has `computeMode`.
"""

RESOURCES_VERSION = "2025-04-01"
"""For resource groups and providers."""
SUBSCRIPTIONS_VERSION = "2022-12-01"
"""For subscriptions, tenants and locations."""

RETRY_AFTER_MOST = 30.0
"""Maximum number of seconds for which a service's Retry-After is honored between two checks of an operation."""

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
        """Address for its progress, which may be saved and used later. Empty if the operation has ended."""
        self.done = done
        self.resource = resource
        """The resource if the last response was its document; otherwise None, even if it exists."""
        self.retry_after = wait
        """Seconds to wait before the next `poll`."""

    def poll(self) -> None:
        """Check its progress.

        Raises:
            NotFoundError: Resource Manager no longer knows the operation.
            ServiceError: The operation failed.
        """
        if self.done:
            return
        try:
            reply = self._client.send("GET", self.url, thing=self._thing)
        except NotFoundError:
            if not self._until_gone:
                raise
            self.done = True
            return
        status, headers = reply.status, reply.headers
        self.retry_after = self._client.wait_of(headers)
        document = _document(reply, self.url)
        state = _state(document)
        if state in _BROKEN:
            raise error_rules.of_failure("arm", _failure(document, state), self._thing)
        if status == 202:
            self.url = headers.get("location") or self.url
            return
        if self._until_gone or (state and state not in _SUCCEEDED):
            return
        self.done = True
        self.resource = document if "properties" in document and "status" not in document else None


def _document(reply: Reply, url: str) -> Json:
    """Return the response's document; an empty response has only a status."""
    return json_object(reply, url) if reply.body else {}


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
    """Reads and changes Azure resources; paths begin with `/subscriptions/…`, and the api-version is added
    automatically."""

    def __init__(self, endpoints: Endpoints, identity: TokenSource, shared: Any = None) -> None:
        """Create the client without sending a request.

        Args:
            endpoints: The cloud.
            identity: Provides the tokens.
            shared: The transport (`transport.make_transport`), or a function that returns it; None to create one.
        """
        self.endpoints = endpoints
        self._identity = identity
        self._rest = RestClient("arm", endpoints, identity, audience=endpoints.management_audience, shared=shared)

    @property
    def poll_interval(self) -> float:
        """Seconds between two checks of a resource that is being created."""
        return self.endpoints.poll_interval

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        url = f"{self.endpoints.resource_manager}{path}"
        if "api-version=" not in path:
            query = {"api-version": api_version(path), **query}
        return f"{url}{'&' if '?' in path else '?'}{urlencode(query)}" if query else url

    def send(self, method: str, url: str, *, thing: str, body: Any = None, signed: bool = True) -> Reply:
        """Send one request, in the directory through which the account sees the address's subscription.

        Raises:
            WizardError: The error that the response means.
        """
        url = self._accepted(url)
        found = re.search(r"/subscriptions/([^/?]+)", urlsplit(url).path, re.IGNORECASE)
        tenant = self._identity.tenant_of(found[1]) if found and signed else ""
        return self._rest.send(method, url, thing=thing, body=body, tenant=tenant, signed=signed)

    def _accepted(self, url: str) -> str:
        """Return an address for a request, with Resource Manager's current port.

        Raises:
            ServiceError: It is not Resource Manager's address: tokens are sent nowhere else.
        """
        ours, asked = urlsplit(self.endpoints.resource_manager), urlsplit(url)
        if asked.scheme == "https" and asked.hostname and "@" not in asked.netloc:
            if asked.hostname == ours.hostname:
                return asked._replace(netloc=ours.netloc).geturl()
            if asked.hostname.endswith(f".{ours.hostname}") and asked.netloc == asked.hostname:
                # Some operations are polled under the name of their region.
                return url
        raise ServiceError(
            f"{asked.scheme}://{asked.hostname or '?'} is not part of {ours.hostname}: nothing is sent there.",
            "Start the operation again. If it happens again, give the details to the proctor.",
            detail=url[:300],
        )

    def wait_of(self, headers: Mapping[str, str]) -> float:
        """Return the seconds that a response asks to wait, up to a limit."""
        asked = waits.retry_after(headers)
        return self.poll_interval if asked is None else min(max(asked, 0.05), RETRY_AFTER_MOST)

    def get(self, path: str, **query: str) -> Json:
        """Return the resource at a path.

        Raises:
            NotFoundError: There is none.
        """
        url = self._url(path, query)
        return json_object(self.send("GET", url, thing=_last(path)), url)

    def find(self, path: str, **query: str) -> Json | None:
        """Return the resource at a path, or None if there is none."""
        try:
            return self.get(path, **query)
        except NotFoundError:
            return None

    def list(self, path: str, **query: str) -> list[Json]:
        """Return all items of a collection, page after page."""

        def read(url: str) -> Document:
            return json_object(self.send("GET", url, thing=_last(path)), url)

        listed = pages(read, lambda page: page.text("nextLink"), self._url(path, query))
        return [each for page in listed for each in page.objects("value")]

    def post(self, path: str, body: Any = None, **query: str) -> Json:
        """Request an action that responds immediately, and return its response."""
        url = self._url(path, query)
        reply = self.send("POST", url, thing=_asked(path, body), body=body)
        return json_object(reply, url) if reply.body else {}

    def begin_post(self, path: str, body: Any = None, **query: str) -> Operation:
        """Request a long-running action."""
        return self._begin("POST", path, query, body)

    def put(self, path: str, body: Any, **query: str) -> Operation:
        """Create or replace the resource at a path."""
        return self._begin("PUT", path, query, body)

    def delete(self, path: str, **query: str) -> Operation | None:
        """Delete the resource at a path; None if there was none."""
        try:
            return self._begin("DELETE", path, query, None)
        except NotFoundError:
            return None

    def _begin(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Operation:
        asked = self._url(path, query)
        reply = self.send(method, asked, thing=_last(path), body=body)
        status, headers, document = reply.status, reply.headers, _document(reply, asked)
        wait = self.wait_of(headers)
        state = _state(document)
        url = headers.get("azure-asyncoperation") or (headers.get("location", "") if status == 202 else "")
        if url:
            return Operation(self, path, url, done=False, resource=None, wait=wait)
        if state in _BROKEN:
            raise error_rules.of_failure("arm", _failure(document, state), _last(path))
        itself = self._url(path, {"api-version": query["api-version"]} if "api-version" in query else {})
        if method == "PUT" and (status == 202 or (state and state not in _SUCCEEDED)):
            return Operation(self, path, itself, done=False, resource=None, wait=wait)
        if method == "DELETE" and status == 202:
            return Operation(self, path, itself, done=False, resource=None, wait=wait, until_gone=True)
        return Operation(self, path, "", done=True, resource=document or None, wait=wait)

    def operation(self, url: str) -> Operation:
        """Return the operation that an earlier run of the wizard started, by its saved address.

        Raises:
            ServiceError: The address is not Resource Manager's.
        """
        return Operation(self, "", self._accepted(url), done=False, resource=None, wait=self.poll_interval)

    def clock_skew(self) -> float:
        """Return by how many seconds this machine's clock is ahead of Resource Manager's; needs no sign-in.

        Raises:
            UnreachableError: There is no response, or it has no date.
        """
        from email.utils import parsedate_to_datetime

        before = time.time()
        headers = self.send("GET", self._url("/subscriptions", {}), thing="the clock", signed=False).headers
        try:
            there = parsedate_to_datetime(headers.get("date", "")).timestamp()
        except (TypeError, ValueError) as error:
            raise UnreachableError("Resource Manager's response has no date.", "Try again.") from error
        # The header is truncated to whole seconds.
        return (before + time.time()) / 2 - (there + 0.5)


def _asked(path: str, body: Any) -> str:
    name = body.get("name") if isinstance(body, Mapping) else None
    return str(name or _last(path))


class NothingThere:
    """Behaves like a Resource Manager in which nothing exists yet, for plans before anything can be read."""

    poll_interval = 0.0

    def find(self, path: str, **query: str) -> Json | None:
        """Find nothing."""
        del path, query
        return None

    def get(self, path: str, **query: str) -> Json:
        """Return an empty document."""
        del path, query
        return {}

    def list(self, path: str, **query: str) -> list[Json]:
        """Return no items."""
        del path, query
        return []

    def post(self, path: str, body: Any = None, **query: str) -> Json:
        """Respond that nothing prevents the request."""
        del path, body, query
        return {}
