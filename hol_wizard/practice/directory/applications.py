"""Applications, and deleted objects.

Operations: applications ListApplication, CreateApplication, GetApplication, UpdateApplication, DeleteApplication,
ListOwners; directory GetDeletedItems, DeleteDeletedItems (graph).
"""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.directory import assertions, objects, odata, people, service_principals
from hol_wizard.practice.directory.federated_credentials import FederatedCredentials
from hol_wizard.practice.directory.odata import Query
from hol_wizard.practice.directory.passwords import Passwords
from hol_wizard.practice.directory.records import ApplicationRecords, DeletedObjects
from hol_wizard.practice.kernel.clock import short_timestamp, timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document

_INFO = ("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")
_FIELDS: JsonObject = {
    "groupMembershipClaims": None,
    "identifierUris": [],
    "isDeviceOnlyAuthSupported": None,
    "isFallbackPublicClient": None,
    "notes": None,
    "serviceManagementReference": None,
    "signInAudience": "AzureADandPersonalMicrosoftAccount",
    "tags": [],
    "tokenEncryptionKeyId": None,
    "defaultRedirectUri": None,
    "optionalClaims": None,
    "addIns": [],
    "api": {
        "acceptMappedClaims": None,
        "knownClientApplications": [],
        "requestedAccessTokenVersion": 2,
        "oauth2PermissionScopes": [],
        "preAuthorizedApplications": [],
    },
    "appRoles": [],
    "info": dict.fromkeys(_INFO),
    "keyCredentials": [],
    "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
    "publicClient": {"redirectUris": []},
    "requiredResourceAccess": [],
    "web": {
        "homePageUrl": None,
        "logoutUrl": None,
        "redirectUris": [],
        "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
    },
    "spa": {"redirectUris": []},
}
"""Properties of an application that can be set, with their defaults (recorded)."""
_FILTERABLE = ("id", "appId", "displayName", "tags", "identifierUris", "signInAudience", "createdDateTime")
_NO_VERIFIED = {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None}


class Applications:
    """Registers applications, changes and deletes them."""

    def __init__(self, graph: Service) -> None:
        self._graph = graph
        self._world = graph.world
        self._query = Query(graph, "applications", "Application", _FILTERABLE)
        self._deleted = Query(graph, "directoryObjects", "DirectoryObject", ("id", "appId", "displayName"))
        add = graph.router.add
        add("GET", "/v1.0/applications", self._list, **odata.MANY)
        add("POST", "/v1.0/applications", self._create, **odata.ONE)
        for one in ("/v1.0/applications/{id}", "/v1.0/applications(appId='{app}')"):
            add("GET", one, self._get, **odata.ONE)
            add("PATCH", one, self._update)
            add("DELETE", one, self._delete)
            add("GET", one + "/owners", self._owners, **odata.MANY)
        Passwords(graph, "applications", self._changeable, self._world.part(ApplicationRecords))
        FederatedCredentials(graph, self._found, self._changeable)
        add("GET", "/v1.0/directory/deletedItems/microsoft.graph.{kind}", self._deleted_items, **odata.MANY)
        add("GET", "/v1.0/directory/deletedItems/{id}", self._deleted_item, **odata.ONE)
        add("DELETE", "/v1.0/directory/deletedItems/{id}", self._purge)

    def _refused(self, status: int, code: str, message: str, **more: object) -> Refused:
        return Refused(self._graph.error(status, code, message, **more))

    def _denied(self) -> Refused:
        return self._refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")

    def _reader(self, request: Request) -> seed.Principal:
        if not objects.may_read(request.who):
            raise self._denied()
        return request.who

    def _not_found(self, identity: str) -> Refused:
        return self._refused(
            404,
            "Request_ResourceNotFound",
            f"Resource '{identity}' does not exist or one of its queried reference-property objects are not present.",
        )

    def _found(self, request: Request) -> Document:
        self._reader(request)
        identity = request.match.get("id")
        found = (
            self._world.part(ApplicationRecords).find(identity)
            if identity is not None
            else objects.application_of(self._world, request.match["app"])
        )
        if found is None:
            raise self._not_found(identity or request.match["app"])
        return found

    def _changeable(self, request: Request) -> Document:
        found = self._found(request)
        if not objects.may_change(request.who, found):
            raise self._denied()
        return found

    def _list(self, request: Request) -> Response:
        self._reader(request)
        return self._query.many(request, (_application(each) for each in self._world.part(ApplicationRecords).all()))

    def _get(self, request: Request) -> Response:
        return self._query.one(request, _application(self._found(request)))

    def _fields(self, request: Request) -> JsonObject:
        """Return the properties of an application in a body."""
        body = {name: value for name, value in request.json.items() if not name.startswith("@")}
        if "passwordCredentials" in body and body.pop("passwordCredentials"):
            raise self._refused(
                400, "Request_BadRequest", "New password credentials must be generated with service actions."
            )
        for name in body:
            if name not in _FIELDS and name not in {"displayName", "description"}:
                raise self._refused(
                    400,
                    "Request_BadRequest",
                    f"The property '{name}' does not exist on type 'microsoft.graph.application' or cannot be set.",
                )
        if "displayName" in body and not str(body["displayName"] or "").strip():
            raise self._refused(
                400,
                "Request_BadRequest",
                "Invalid value specified for property 'displayName' of resource 'Application'.",
            )
        return body

    def _certificates(self, request: Request) -> list[Document] | None:
        """Return the certificates for an application in a body; None if it has no such member.

        Raises:
            Refused: One is not a certificate.
        """
        given = request.json.get("keyCredentials")
        if given is None:
            return None
        kept = [assertions.certificate_of(each) for each in given] if isinstance(given, list) else [None]
        if None in kept:
            raise self._refused(400, "Request_BadRequest", "Key value is invalid certificate.")
        return [each for each in kept if each is not None]

    def _create(self, request: Request) -> Response:
        if not objects.may_register(self._world, request.who):
            raise self._denied()
        fields = self._fields(request)
        if "displayName" not in fields:
            raise self._refused(
                400,
                "Request_BadRequest",
                "A value is required for property 'displayName' of resource 'Application'.",
            )
        certificates = self._certificates(request)
        application = objects.make_application(self._world, fields, request.who.id)
        application["certificates"] = certificates or []
        response = self._query.one(request, _application(application), status=201)
        response.headers["Location"] = (
            f"https://graph.microsoft.com/v2/{seed.TENANT}/directoryObjects/{application['id']}"
            "/Microsoft.DirectoryServices.Application"
        )
        return response

    def _update(self, request: Request) -> Response:
        application = self._changeable(request)
        fields, certificates = self._fields(request), self._certificates(request)
        application["fields"] = {**application["fields"], **fields}
        if certificates is not None:
            application["certificates"] = certificates
        application["displayName"] = str(application["fields"]["displayName"])
        self._world.part(ApplicationRecords).keep(application)
        return Response(204)

    def _delete(self, request: Request) -> Response:
        objects.delete(self._world, "application", self._changeable(request))
        return Response(204)

    def _owners(self, request: Request) -> Response:
        return people.response(self._world, self._found(request)["owners"])

    def _deleted_items(self, request: Request) -> Response:
        self._reader(request)
        kind = request.match["kind"].lower()
        if kind not in {"application", "serviceprincipal"}:
            raise self._refused(400, "BadRequest", f"The type 'microsoft.graph.{request.match['kind']}' is not served.")
        things = [_gone(each) for each in objects.deleted(self._world) if each["kind"].lower() == kind]
        return self._deleted.many(request, things)

    def _deleted_thing(self, request: Request) -> Document:
        self._reader(request)
        wanted = request.match["id"].lower()
        found = next((each for each in objects.deleted(self._world) if each["id"] == wanted), None)
        if found is None:
            raise self._not_found(request.match["id"])
        return found

    def _deleted_item(self, request: Request) -> Response:
        return self._deleted.one(request, _gone(self._deleted_thing(request)))

    def _purge(self, request: Request) -> Response:
        """Delete permanently. The documentation names administrators; whether owners may, too, was not tested."""
        found = self._deleted_thing(request)
        if not objects.may_change(request.who, found["thing"]):
            raise self._denied()
        self._world.part(DeletedObjects).remove(found["id"])
        return Response(204)


def _application(application: Document, deleted: float | None = None) -> JsonObject:
    """Return an application in Graph's format (recorded)."""
    said = {**_FIELDS, **application["fields"]}
    return {
        "id": application["id"],
        "deletedDateTime": None if deleted is None else short_timestamp(deleted),
        "appId": application["appId"],
        "applicationTemplateId": None,
        "disabledByMicrosoftStatus": None,
        "createdDateTime": timestamp(application["created"]),
        "description": None,
        "publisherDomain": seed.TENANT_DOMAIN,
        "certification": None,
        "passwordCredentials": [objects.shown_secret(each) for each in application["secrets"]],
        "verifiedPublisher": _NO_VERIFIED,
        **said,
        "keyCredentials": [_shown_certificate(each) for each in application.get("certificates", [])],
    }


def _shown_certificate(kept: Document) -> JsonObject:
    """Return a certificate in Graph's format without `$select`: without its contents."""
    return {
        "customKeyIdentifier": kept["thumbprint"],
        "displayName": kept["displayName"],
        "endDateTime": short_timestamp(kept["end"]),
        "key": None,
        "keyId": kept["keyId"],
        "startDateTime": short_timestamp(kept["start"]),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    }


def _gone(deleted: Document) -> JsonObject:
    if deleted["kind"] == "application":
        shown = _application(deleted["thing"], deleted["deleted"])
        return {"@odata.type": "#microsoft.graph.application", **shown}
    shown = service_principals.shown(deleted["thing"], deleted["deleted"])
    return {"@odata.type": "#microsoft.graph.servicePrincipal", **shown}
