"""Service principals: the instances of applications in a tenant, to which roles are assigned.

Operations: servicePrincipals ListServicePrincipal, CreateServicePrincipal, GetServicePrincipal,
UpdateServicePrincipal, DeleteServicePrincipal (graph).
"""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.directory import objects, odata
from hol_wizard.practice.directory.odata import Query
from hol_wizard.practice.directory.passwords import Passwords
from hol_wizard.practice.directory.records import ServicePrincipalRecords
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document

_MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
"""The home tenant of Microsoft's own applications."""
_FIELDS: JsonObject = {
    "alternativeNames": [],
    "appRoleAssignmentRequired": False,
    "description": None,
    "homepage": None,
    "loginUrl": None,
    "logoutUrl": None,
    "notes": None,
    "notificationEmailAddresses": [],
    "preferredSingleSignOnMode": None,
    "replyUrls": [],
    "tags": [],
}
"""Properties of a service principal that can be set, with their defaults (recorded)."""
_FILTERABLE = ("id", "appId", "displayName", "appDisplayName", "servicePrincipalNames", "servicePrincipalType", "tags")


class ServicePrincipals:
    """Creates, changes and deletes service principals."""

    def __init__(self, graph: Service) -> None:
        self._graph = graph
        self._world = graph.world
        self._query = Query(graph, "servicePrincipals", "ServicePrincipal", _FILTERABLE)
        add = graph.router.add
        add("GET", "/v1.0/servicePrincipals", self._list, **odata.MANY)
        add("POST", "/v1.0/servicePrincipals", self._create, **odata.ONE)
        for one in ("/v1.0/servicePrincipals/{id}", "/v1.0/servicePrincipals(appId='{app}')"):
            add("GET", one, self._get, **odata.ONE)
            add("PATCH", one, self._update)
            add("DELETE", one, self._delete)
        Passwords(graph, "servicePrincipals", self._changeable, self._world.part(ServicePrincipalRecords))

    def _refused(self, status: int, code: str, message: str, **more: object) -> Refused:
        return Refused(self._graph.error(status, code, message, **more))

    def _denied(self) -> Refused:
        return self._refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")

    def _found(self, request: Request) -> Document:
        if not objects.may_read(request.who):
            raise self._denied()
        name, wanted = ("id", request.match["id"]) if "id" in request.match else ("appId", request.match["app"])
        everything = objects.service_principals(self._world)
        found = next((each for each in everything if each[name] == wanted.lower()), None)
        if found is None:
            raise self._refused(
                404,
                "Request_ResourceNotFound",
                f"Resource '{wanted}' does not exist or one of its queried reference-property objects are not present.",
            )
        return found

    def _changeable(self, request: Request) -> Document:
        found = self._found(request)
        if (
            not objects.may_change(request.who, found)
            or self._world.part(ServicePrincipalRecords).find(found["id"]) is None
        ):
            raise self._denied()
        return found

    def _shown(self, principal: Document) -> JsonObject:
        """Return it in Graph's format: its tags include its own and its application's (documented)."""
        application = objects.application_of(self._world, principal["appId"])
        body = shown(principal)
        inherited = application["fields"].get("tags") or [] if application is not None else []
        return {**body, "tags": list(dict.fromkeys([*body["tags"], *inherited]))}

    def _list(self, request: Request) -> Response:
        if not objects.may_read(request.who):
            raise self._denied()
        return self._query.many(request, (self._shown(each) for each in objects.service_principals(self._world)))

    def _get(self, request: Request) -> Response:
        return self._query.one(request, self._shown(self._found(request)))

    def _fields(self, request: Request) -> JsonObject:
        return {name: value for name, value in request.json.items() if name in _FIELDS}

    def _create(self, request: Request) -> Response:
        if not objects.may_register(self._world, request.who):
            raise self._denied()
        app_id = str(request.json.get("appId", "")).lower()
        if objects.service_principal_of(self._world, app_id) is not None:
            raise self._refused(
                409,
                "Request_MultipleObjectsWithSameKeyValue",
                "The service principal cannot be created, updated, or restored because the service principal name "
                f"{app_id} is already in use.",
            )
        application = objects.application_of(self._world, app_id)
        if application is None or self._world.clock.now() < application["spread"]:
            # azure-cli waits and retries if it sees this text.
            message = f"The appId '{app_id}' of the service principal does not reference a valid application object."
            detail = {"code": "NoBackingApplicationObject", "message": message, "target": "appId"}
            raise self._refused(400, "Request_BadRequest", message, details=[detail])
        if not objects.may_change(request.who, application):
            raise self._denied()
        made = objects.make_service_principal(self._world, app_id, application["displayName"], request.who.id)
        made["fields"] = self._fields(request)
        self._world.part(ServicePrincipalRecords).keep(made)
        response = self._query.one(request, self._shown(made), status=201)
        response.headers["Location"] = (
            f"https://graph.microsoft.com/v2/{seed.TENANT}/directoryObjects/{made['id']}"
            "/Microsoft.DirectoryServices.ServicePrincipal"
        )
        return response

    def _update(self, request: Request) -> Response:
        found = self._changeable(request)
        found["fields"] = {**found["fields"], **self._fields(request)}
        self._world.part(ServicePrincipalRecords).keep(found)
        return Response(204)

    def _delete(self, request: Request) -> Response:
        objects.delete(self._world, "servicePrincipal", self._changeable(request))
        return Response(204)


def shown(principal: Document, deleted: float | None = None) -> JsonObject:
    """Return a service principal in Graph's format (recorded)."""
    resource = principal.get("resource", "")
    microsoft = principal["appId"] == objects.AZURE_DATABRICKS
    empty = dict.fromkeys(("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl"))
    return {
        "id": principal["id"],
        "deletedDateTime": None if deleted is None else short_timestamp(deleted),
        "accountEnabled": True,
        "appDisplayName": principal["displayName"],
        "appDescription": None,
        "appId": principal["appId"],
        "applicationTemplateId": None,
        "appOwnerOrganizationId": _MICROSOFT if microsoft else seed.TENANT,
        "createdDateTime": short_timestamp(principal["created"]),
        "disabledByMicrosoftStatus": None,
        "displayName": principal["displayName"],
        "preferredTokenSigningKeyThumbprint": None,
        "servicePrincipalNames": [principal["appId"]],
        "servicePrincipalType": "ManagedIdentity" if resource else "Application",
        "signInAudience": "AzureADMultipleOrgs" if microsoft else "AzureADMyOrg",
        "tokenEncryptionKeyId": None,
        "samlSingleSignOnSettings": None,
        "verifiedPublisher": {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None},
        "addIns": [],
        "appRoles": [],
        "info": empty,
        "keyCredentials": [],
        "oauth2PermissionScopes": [],
        "passwordCredentials": [objects.shown_secret(each) for each in principal["secrets"]],
        "resourceSpecificApplicationPermissions": [],
        **_FIELDS,
        # "alternativeNames: used to retrieve service principals by subscription, identify resource group and full
        # resource IDs for managed identities" (servicePrincipal resource type).
        "alternativeNames": ["isExplicit=True", resource] if resource else [],
        **principal["fields"],
    }
