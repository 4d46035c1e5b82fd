"""The service itself: authentication, and what all its parts need."""

from __future__ import annotations

import re
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors, versions
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import ResourceGroups, Resources
from hol_wizard.practice.arm.locks import Locks
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.web import request_id
from hol_wizard.practice.kernel.world import World

_AUDIENCES = frozenset({"https://management.core.windows.net", "https://management.azure.com"})
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PAGED = "$top $skiptoken"
"""Query parameters that `ResourceManager.page` reads."""
METADATA = "/metadata/endpoints"
"""This path needs no authentication."""


class ResourceKind(Protocol):
    """What the manager, and operations that end, need from a resource type."""

    remains_when_failed: bool

    def render(self, resource: Document) -> JsonObject:
        """Return the resource as a GET shows it."""
        ...

    def ready(self, resource: Document) -> None:
        """Create what comes with a new resource."""
        ...

    def remove(self, resource: Document, when: float) -> None:
        """Remove the resource."""
        ...


class ResourceManager(Service):
    """Azure Resource Manager of the practice cloud; `parts.resource_manager` returns one with all its routes."""

    name = "resource_manager"
    merges_slashes = True
    has_policies = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.tokens = world.part(Tokens)
        self.types: dict[str, ResourceKind] = {}
        """The resource types that are served, by their names in lowercase."""

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in the form that ARM uses."""
        return errors.error_answer(status, code, message, gateway=True, **more)

    def headers(self, request: Request) -> dict[str, str]:
        """Return the IDs of every response (recorded)."""
        identity = request_id()
        headers = {
            "x-ms-request-id": identity,
            "x-ms-correlation-request-id": request.headers.get("x-ms-correlation-request-id", identity),
            "x-ms-routing-request-id": f"PRACTICE:{identity}",
            "Cache-Control": "no-cache",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "X-Content-Type-Options": "nosniff",
        }
        sent = request.headers.get("x-ms-client-request-id")
        if sent and request.headers.get("x-ms-return-client-request-id", "").lower() == "true":
            headers["x-ms-client-request-id"] = sent
        if request.method == "GET":
            headers["x-ms-ratelimit-remaining-subscription-reads"] = "11999"
        elif request.method in {"PUT", "POST", "PATCH"}:
            headers["x-ms-ratelimit-remaining-subscription-writes"] = "1199"
        elif request.method == "DELETE":
            headers["x-ms-ratelimit-remaining-subscription-deletes"] = "14999"
        return headers

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller, by the bearer token."""
        if request.path.lower().rstrip("/") == METADATA:
            return None
        header = request.headers.get("Authorization", "")
        if not header:
            raise errors.unauthenticated(
                "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        scheme, _, token = header.partition(" ")
        grant = self.tokens.find(token.strip(), "access") if scheme.lower() == "bearer" else None
        if grant is None or self.world.principal(grant["principal"]) is None:
            raise errors.unauthenticated("InvalidAuthenticationToken", "The access token is invalid.")
        if grant["audience"].rstrip("/") not in _AUDIENCES:
            allowed = ",".join(f"'{each}/','{each}'" for each in sorted(_AUDIENCES))
            raise errors.unauthenticated(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{grant['audience']}'. It should "
                f"exactly match with one of the allowed audiences {allowed}.",
            )
        if grant["expires"] <= self.world.clock.now():
            raise errors.unauthenticated(
                "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past."
            )
        version = request.query.get("api-version", "")
        if not version:
            raise errors.refused(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
                gateway=True,
            )
        self.check_version(request, version)
        return self.world.principal(grant["principal"])

    def check_version(self, request: Request, version: str) -> None:
        """Refuse an api-version that does not exist for the path.

        If the location is known, the provider is not registered for it in that version (learn.microsoft.com,
        "Troubleshoot resource provider registration", NoRegisteredProviderFound); else the type is not found (recorded:
        InvalidResourceType).

        Raises:
            Refused: There is no such version.
        """
        namespace, kind = provider_type(request.path)
        known = versions.of_type(namespace, kind) if namespace else versions.RESOURCE_MANAGER
        if version.lower() in known or not known:
            return
        if not namespace:
            raise errors.refused(
                400,
                "InvalidApiVersionParameter",
                f"The api-version '{version}' is invalid. The supported versions are '{','.join(known)}'.",
                gateway=True,
            )
        found = self.world.part(Resources).find(request.path.rstrip("/"))
        location = str(found["location"] if found else request.json.get("location") or "")
        if not location:
            raise self._no_type(namespace, kind, version)
        raise errors.refused(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{location}' and API version '{version}' for type "
            f"'{kind}'. The supported api-versions are '{', '.join(known)}'. The supported locations are "
            f"'{', '.join(seed.LOCATIONS)}'.",
            gateway=True,
        )

    def _no_type(self, namespace: str, kind: str, version: str) -> Refused:
        return errors.refused(
            404,
            "InvalidResourceType",
            f"The resource type '{kind}' could not be found in the namespace '{namespace}' for api version "
            f"'{version}'. The supported api-versions are '{','.join(versions.of_type(namespace, kind))}'.",
            gateway=True,
        )

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return ARM's error for a path that is not served."""
        if path_is_known:
            return self.error(
                405, "HttpMethodNotAllowed", f"The requested resource does not support http method '{request.method}'."
            )
        namespace, kind = provider_type(request.path)
        if kind:
            return self._no_type(namespace, kind, request.query.get("api-version", "")).response
        return self.error(404, "NotFound", "The resource or one of its dependencies could not be found.")

    def render(self, resource: Document) -> JsonObject:
        """Return a resource of any type as a GET shows it."""
        return self.types[resource["type"].lower()].render(resource)

    def remove(self, resource: Document, when: float) -> None:
        """Remove a resource of any type."""
        self.types[resource["type"].lower()].remove(resource, when)

    def subscription(self, request: Request) -> seed.Subscription:
        """Return the subscription of the path.

        Raises:
            Refused: There is none of this ID.
        """
        wanted = request.match["subscription"]
        if not _GUID.fullmatch(wanted):
            raise errors.refused(
                400,
                "InvalidSubscriptionId",
                f"The provided subscription identifier '{wanted}' is malformed or invalid.",
                gateway=True,
            )
        found = seed.SUBSCRIPTIONS.get(wanted.lower())
        if found is None:
            raise errors.refused(
                404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.", gateway=True
            )
        return found

    def require(self, request: Request, action: str, scope: str) -> None:
        """Allow the request only if its caller may do the action on the scope, and no lock forbids it.

        Raises:
            Refused: The caller may not, or a lock does.
        """
        if not self.world.part(Access).allowed(request.who.id, action, scope):
            raise errors.authorization_failed(request.who, action, scope)
        refusal = self.world.part(Locks).refusal(action, scope)
        if refusal is not None:
            raise refusal

    def group(self, subscription: seed.Subscription, name: str) -> Document:
        """Return the resource group.

        Raises:
            Refused: There is none of this name.
        """
        found = self.world.part(ResourceGroups).find(f"/subscriptions/{subscription.id}/resourceGroups/{name}")
        if found is None:
            raise errors.group_not_found(name)
        return found

    def group_of(self, identity: str) -> Document:
        """Return the resource group of an ID.

        Raises:
            Refused: It no longer exists.
        """
        found = self.world.part(ResourceGroups).find(identity)
        if found is None:
            raise errors.group_not_found(identity.rpartition("/")[2])
        return found

    def location(self, body: JsonObject, resource_type: str) -> str:
        """Return the region that a body asks for, in the form that ARM uses: `West Europe` is `westeurope`.

        Raises:
            Refused: It is missing, or no such region exists.
        """
        given = body.get("location")
        if not isinstance(given, str) or not given.strip():
            raise errors.refused(
                400, "LocationRequired", "The location property is required for this definition.", gateway=True
            )
        name = given.replace(" ", "").lower()
        if name not in seed.LOCATIONS:
            raise errors.wrong_location(given, resource_type)
        return name

    def tags(self, body: JsonObject) -> dict[str, str]:
        """Return the tags of a body.

        Raises:
            Refused: They are not an object of strings.
        """
        tags = body.get("tags") or {}
        if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
            raise errors.refused(
                400, "InvalidRequestContent", "The request content was invalid: 'tags' must hold strings.", gateway=True
            )
        return dict(tags)

    def page(self, request: Request, items: list[JsonObject]) -> Response:
        """Return a list, with `nextLink` if `$top` asks for fewer than there are.

        Raises:
            Refused: `$top` or `$skiptoken` is not a number.
        """
        try:
            start = int(request.query.get("$skiptoken", "0"))
            top = int(request.query["$top"]) if "$top" in request.query else None
        except ValueError as error:
            raise errors.refused(400, "InvalidTopParameter", "The value of $top is invalid.", gateway=True) from error
        if top is None or start + top >= len(items):
            return Response(200, {"value": items[start:]})
        query = {**request.query, "$skiptoken": str(start + top)}
        return Response(
            200,
            {
                "value": items[start : start + top],
                "nextLink": f"{request.base}{quote(request.path)}?{urlencode(query)}",
            },
        )


def provider_type(path: str) -> tuple[str, str]:
    """Return the namespace and type of the resource that a path names, without the names between the type's parts.

    `/…/providers/Microsoft.NetApp/locations/westus2/regionInfo` is `locations/regionInfo` (recorded). Both are empty
    for paths of Resource Manager itself; the type is empty for a provider.
    """
    _, found, below = path.rpartition("/providers/")
    parts = below.strip("/").split("/") if found else []
    if not parts or not parts[0] or (len(parts) == 1 or parts[1] in {"register", "unregister"}):
        return "", ""
    return parts[0], "/".join(parts[1::2])
