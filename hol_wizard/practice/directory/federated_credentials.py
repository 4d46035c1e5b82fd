"""Federated identity credentials: which issuers applications trust to sign in for them.

Operations: applications ListFederatedIdentityCredentials, CreateFederatedIdentityCredentials,
GetFederatedIdentityCredentials, DeleteFederatedIdentityCredentials (graph; the first two are recorded).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from hol_wizard.practice.directory import odata
from hol_wizard.practice.directory.odata import Query
from hol_wizard.practice.directory.records import ApplicationRecords
from hol_wizard.practice.kernel.service import Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document

_MOST = 20
"""Maximum number per application ("Important considerations and restrictions for federated identity credentials")."""
_NEEDED = ("name", "issuer", "subject", "audiences")


class FederatedCredentials:
    """Lists, creates and deletes the federated credentials of applications."""

    def __init__(
        self, graph: Service, readable: Callable[[Request], Document], changeable: Callable[[Request], Document]
    ) -> None:
        """Add the routes.

        Args:
            graph: The service.
            readable: Returns the application of a request if the caller may read it.
            changeable: The same, if they may change it.
        """
        self._graph = graph
        self._readable = readable
        self._changeable = changeable
        names = ("id", "name", "issuer", "subject")
        self._query = Query(graph, "federatedIdentityCredentials", "FederatedIdentityCredential", names)
        for one in ("/v1.0/applications/{id}", "/v1.0/applications(appId='{app}')"):
            many = f"{one}/federatedIdentityCredentials"
            graph.router.add("GET", many, self._list, **odata.MANY)
            graph.router.add("POST", many, self._create, **odata.ONE)
            graph.router.add("GET", many + "/{credential}", self._get, **odata.ONE)
            graph.router.add("DELETE", many + "/{credential}", self._delete)

    def _refused(self, status: int, code: str, message: str) -> Refused:
        return Refused(self._graph.error(status, code, message))

    def _list(self, request: Request) -> Response:
        return self._query.many(request, map(_shown, self._readable(request).get("federated", [])))

    def _create(self, request: Request) -> Response:
        application = self._changeable(request)
        made, known = self._given(request.json), application.get("federated", [])
        if any(each["name"] == made["name"] for each in known):
            raise self._refused(
                409,
                "Request_MultipleObjectsWithSameKeyValue",
                f"FederatedIdentityCredential with name {made['name']} already exists.",
            )
        if any((each["issuer"], each["subject"]) == (made["issuer"], made["subject"]) for each in known):
            raise self._refused(
                400,
                "Request_BadRequest",
                "Issuer and subject combination already exists for this Managed Identity or application.",
            )
        if len(known) >= _MOST:
            raise self._refused(
                400, "Directory_QuotaExceeded", f"There are already {_MOST} federated credentials on the application."
            )
        application["federated"] = [*known, made]
        self._graph.world.part(ApplicationRecords).keep(application)
        return self._query.one(request, _shown(made), status=201)

    def _given(self, body: dict[str, Any]) -> Document:
        """Return the credential in a body.

        Raises:
            Refused: It is incomplete, or its issuer is not an address.
        """
        for name in _NEEDED:
            value = body.get(name)
            fits = isinstance(value, list) and len(value) == 1 if name == "audiences" else isinstance(value, str)
            if not value or not fits:
                raise self._refused(
                    400,
                    "Request_BadRequest",
                    f"Invalid value specified for property '{name}' of resource 'FederatedIdentityCredential'.",
                )
        if not str(body["issuer"]).startswith("https://"):
            raise self._refused(
                400,
                "Request_BadRequest",
                "Invalid value specified for property 'issuer' of resource 'FederatedIdentityCredential'.",
            )
        given = {name: body[name] for name in ("name", "issuer", "subject", "audiences")}
        works = self._graph.world.clock.due("federated credential")
        return {"id": str(uuid.uuid4()), **given, "description": body.get("description"), "works": works}

    def _one(self, request: Request, application: Document) -> Document:
        wanted = request.match["credential"]
        for each in application.get("federated", []):
            if wanted.lower() == each["id"] or wanted == each["name"]:
                return dict(each)
        raise self._refused(
            404,
            "Request_ResourceNotFound",
            f"Resource '{wanted}' does not exist or one of its queried reference-property objects are not present.",
        )

    def _get(self, request: Request) -> Response:
        return self._query.one(request, _shown(self._one(request, self._readable(request))))

    def _delete(self, request: Request) -> Response:
        application = self._changeable(request)
        gone = self._one(request, application)
        application["federated"] = [each for each in application["federated"] if each["id"] != gone["id"]]
        self._graph.world.part(ApplicationRecords).keep(application)
        return Response(204)


def _shown(credential: Document) -> Document:
    return {name: value for name, value in credential.items() if name != "works"}
