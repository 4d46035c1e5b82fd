"""Service connections: identities of Azure by which pipelines work there, and the tokens that their jobs get.

Operations: Endpoints - Create, Get, Get Service Endpoints, Get Service Endpoints By Names, Update Service Endpoint,
Delete; Types - List; Executionhistory - List (serviceEndpoint 7.1; there are official examples, no recordings), and
Oidctoken - Create (distributedTask 7.1-preview.1). Only Azure Resource Manager with workload identity federation is
served. Issuer and subject have the form of new connections (Azure DevOps, sprint 253 and "Check the issuer URL for
accuracy").
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, errors, paging
from hol_wizard.practice.devops.members import identity_ref
from hol_wizard.practice.devops.organizations import ORGANIZATIONS, Organization
from hol_wizard.practice.devops.pipeline_jobs import BuildService, PipelineJobs
from hol_wizard.practice.devops.pipeline_permissions import ENDPOINT, PipelinePermissions
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.directory import assertions, objects
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router, member, members
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

AUDIENCE: Final = "api://AzureADTokenExchange"
_TOKEN_SECONDS = 600
"""Lifetime of a job's assertion (azure-cli issue 28708: AADSTS700024 after ten minutes)."""
_TYPE: Final = "azurerm"
_SCHEME: Final = "WorkloadIdentityFederation"
_SPACE: Final = "Microsoft.VisualStudio.Services.ServiceEndpoints.WebApi"
_JOBS: Final = "Microsoft.TeamFoundation.DistributedTask.WebApi"
_LONGEST_NAME = 256
_DATA: Final = ("environment", "scopeLevel", "subscriptionId", "subscriptionName")
"""What `data` must have for the scope level Subscription (azure-dev, `service_connection.go`)."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a task needs to sign in to Azure as a service connection."""

    connection: str
    """The connection's ID."""
    tenant: str
    client: str
    """The identity's client ID."""
    subscription: str
    subscription_name: str
    assertion: str
    """The federated token: a secret, valid for ten minutes."""


class ServiceConnections(Register):
    """The service connections of every organization, by ID."""

    collection = "devops_service_connections"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        world.part(PipelinePermissions).knows(ENDPOINT, self._name_in)

    def in_project(self, project: str) -> list[Document]:
        """Return the connections of a project by its ID."""
        return [each for each in self.all() if project in each["projects"]]

    def named(self, project: str, name: str) -> Document | None:
        """Return the connection with this name, or this ID, in a project; None if there is none."""
        wanted = name.lower()
        for each in self.in_project(project):
            if wanted in {each["id"], each["projects"][project]["name"].lower()}:
                return each
        return None

    def _name_in(self, project: str, identity: str) -> str | None:
        found = self.find(identity)
        return None if found is None or project not in found["projects"] else str(found["projects"][project]["name"])

    def is_ready(self, connection: Document) -> bool:
        """Return whether the connection can be used."""
        return bool(connection["ready"] <= self._world.clock.now())

    def subject(self, connection: Document) -> str:
        """Return the subject of its assertions: `<entra prefix>/sc/<organization>/<connection>`."""
        organization = ORGANIZATIONS[connection["organization"]]
        tenant, application = (_short(each) for each in (seed.TENANT, seed.AUDIENCES["devops"]))
        return f"/eid1/c/pub/t/{tenant}/a/{application}/sc/{organization.id}/{connection['id']}"

    def login(self, connection: Document) -> Login:
        """Return what a job needs to sign in as a connection; whether Entra ID accepts it is seen there."""
        parameters, data = connection["parameters"], connection["data"]
        claims = {"iss": assertions.DEVOPS_ISSUER, "sub": self.subject(connection), "aud": AUDIENCE}
        return Login(
            connection=connection["id"],
            tenant=_value(parameters, "tenantid"),
            client=_value(parameters, "serviceprincipalid"),
            subscription=_value(data, "subscriptionId"),
            subscription_name=_value(data, "subscriptionName"),
            assertion=self._world.part(Tokens).issue_assertion(claims, _TOKEN_SECONDS),
        )

    def sign_in(self, connection: Document) -> seed.Principal:
        """Return the principal that a connection signs in as.

        Raises:
            RejectedError: Entra ID rejects its assertion, or does not know the identity.
        """
        login = self.login(connection)
        principal = objects.service_principal_of(self._world, login.client)
        if principal is None or login.tenant != seed.TENANT:
            raise assertions.RejectedError(
                400,
                "unauthorized_client",
                f"AADSTS700016: Application with identifier '{login.client}' was not found in the directory "
                f"'{login.tenant}'.",
            )
        assertions.verify(self._world, login.client, login.assertion, "", ())
        return seed.Principal(principal["id"], principal["displayName"], principal["displayName"], login.client)

    def note_use(self, connection: Document, record: JsonObject) -> None:
        """Add a run to a connection's execution history, newest first.

        Args:
            connection: The connection.
            record: `ServiceEndpointExecutionData`: `id`, `planType`, `definition`, `owner`, `startTime`, …
        """
        self.keep({**connection, "uses": [record, *connection["uses"]][:100]})


class ServiceConnectionsService:
    """Handles the requests about service connections."""

    def __init__(self, world: World, router: Router, projects: Projects) -> None:
        self._world = world
        self._projects = projects
        self._connections = world.part(ServiceConnections)
        self._jobs = world.part(PipelineJobs)
        base, inside = "/{organization}/_apis/serviceendpoint", "/{organization}/{project}/_apis/serviceendpoint"
        router.add("GET", f"{base}/types", self._types, honors="type scheme")
        # Below a project, where version 5 of the API has them, and the Azure CLI's extension with it.
        for place in (base, inside):
            # `endpointIds`: refreshed authentication, which is for secrets.
            router.add("POST", f"{place}/endpoints", self._create, refuses="endpointIds")
            router.add("PUT", f"{place}/endpoints/{{id}}", self._update, refuses="operation")
            router.add("DELETE", f"{place}/endpoints/{{id}}", self._delete, honors="projectIds deep")
        router.add(
            "GET",
            f"{inside}/endpoints",
            self._list,
            honors="endpointNames endpointIds type authSchemes owner includeFailed",
            ignores="includeDetails actionFilter",
        )
        # Confidential data would be the key of a connection with a secret: there are none here.
        router.add("GET", f"{inside}/endpoints/{{id}}", self._get, ignores="actionFilter loadConfidentialData")
        router.add("GET", f"{inside}/{{id}}/executionhistory", self._history, honors="top continuationToken")
        router.add(
            "POST",
            "/{organization}/{scope}/_apis/distributedtask/hubs/{hub}/plans/{plan}/jobs/{job}/oidctoken",
            self._token,
            honors="serviceConnectionId",
        )

    # Who may

    def _check_creator(self, request: Request, organization: Organization, projects: Iterable[str]) -> None:
        """Make sure that the caller may create connections in projects.

        Contributors are creators by default ("Service connections", user permissions). That this is needed too to share
        an existing connection with a project is an estimate.
        """
        for identity in projects:
            project = self._projects.find(organization, request.who, identity)
            if not self._projects.creates(organization, request.who, project):
                # terraform-provider-azuredevops issue 723; the status is an estimate.
                message = "You do not have permission to create a service connection. You need to be a Creator for "
                message += "service connections in this project."
                raise errors.refused(403, message, "AccessCheckException", "Microsoft.VisualStudio.Services.Security")

    def manages(self, organization: Organization, who: seed.Principal, project: Document, connection: Document) -> bool:
        """Return whether somebody is an administrator of a connection: its creator, and those of the project."""
        return who.id == connection["creator"] or self._projects.administers(organization, who, project)

    def _managed(self, request: Request) -> tuple[Organization, Document]:
        """Return the connection of the path, if the caller may change it; the error's text is an estimate."""
        organization, found = access.organization(request), self._connections.find(request.match["id"])
        if found is None or found["organization"] != organization.name:
            raise _no_connection(request.match["id"])
        for identity in found["projects"]:
            project = self._projects.find(organization, request.who, identity)
            if not self.manages(organization, request.who, project, found):
                message = (
                    f"Access denied: {request.who.display_name} needs Manage permissions on the service connection."
                )
                raise errors.refused(403, message, "AccessCheckException", "Microsoft.VisualStudio.Services.Security")
        return organization, found

    # Requests

    def _types(self, request: Request) -> Response:
        """List the types that can be created here: an excerpt of the recorded one."""
        wanted, scheme = request.query.get("type", _TYPE).lower(), request.query.get("scheme", _SCHEME).lower()
        value = [_AZURE] if (wanted, scheme) == (_TYPE, _SCHEME.lower()) else []
        return Response(200, {"count": len(value), "value": value})

    def _given(self, request: Request, organization: Organization, body: JsonObject) -> Document:
        """Return the members of a connection that a body sets.

        Raises:
            Refused: They are incomplete, or not served.
        """
        name = str(body.get("name") or "").strip()
        if not name or len(name) > _LONGEST_NAME:
            raise _invalid("The service connection needs a name of at most 256 characters.")
        authorization = member(body, "authorization")
        if str(body.get("type", "")).lower() != _TYPE or authorization.get("scheme") != _SCHEME:
            raise _invalid(
                f"The practice cloud serves only service connections of the type 'azurerm' with the scheme '{_SCHEME}'."
            )
        parameters, data = _texts(authorization, "parameters"), _texts(body, "data")
        if _value(data, "creationMode") == "Automatic":
            raise _invalid(
                "The practice cloud does not create identities for service connections: use the creationMode 'Manual' "
                "with an existing managed identity or app registration."
            )
        for names, given in ((("tenantid", "serviceprincipalid"), parameters), (_DATA, data)):
            for each in names:
                if not _value(given, each):
                    # The text is an estimate.
                    raise _invalid(f"Following fields in the service connection are not expected or missing: {each}.")
        return {
            "name": name,
            "url": str(body.get("url") or "https://management.azure.com/"),
            "description": str(body.get("description") or ""),
            "parameters": parameters,
            "data": data,
            "projects": self._references(request, organization, body, name),
        }

    def _references(
        self, request: Request, organization: Organization, body: JsonObject, name: str
    ) -> dict[str, Document]:
        references = members(body, "serviceEndpointProjectReferences")
        found = self._projects.referenced(request, organization, references)
        if not found:
            raise _invalid("The service connection needs at least one project reference.")
        return {
            identity: {"name": str(each.get("name") or name), "description": str(each.get("description") or "")}
            for identity, each in found
        }

    def _create(self, request: Request) -> Response:
        organization = access.organization(request)
        given = self._given(request, organization, request.json)
        self._check_creator(request, organization, given["projects"])
        for identity, reference in given["projects"].items():
            self._free(identity, reference["name"])
        now = self._world.clock.now()
        connection: Document = {
            **given,
            "id": str(uuid.uuid4()),
            "organization": organization.name,
            "creator": request.who.id,
            "created": now,
            "ready": self._world.clock.due("service connection"),
            "uses": [],
        }
        self._connections.keep(connection)
        return Response(200, self.shown(request, connection))

    def _free(self, project: str, name: str, *, but: str = "") -> None:
        """Refuse a name that is in use (terraform-provider-azuredevops, `RequiresImportError`)."""
        found = self._connections.named(project, name)
        if found is not None and found["id"] != but:
            message = f"Service connection with name {name} already exists. Only a user having Administrator/User role "
            message += f"permissions on service connection {name} can see it."
            raise errors.refused(409, message, "DuplicateServiceConnectionException", _SPACE)

    def _update(self, request: Request) -> Response:
        organization, found = self._managed(request)
        given = self._given(request, organization, request.json)
        self._check_creator(request, organization, set(given["projects"]) - set(found["projects"]))
        for identity, reference in given["projects"].items():
            self._free(identity, reference["name"], but=found["id"])
        changed = {**found, **given}
        self._connections.keep(changed)
        return Response(200, self.shown(request, changed))

    def _delete(self, request: Request) -> Response:
        """Delete a connection from projects; with `deep`, also what Azure DevOps created for it in Entra ID.

        It creates nothing here, so nothing else is deleted: a manual connection's identity stays (Endpoints - Delete:
        "delete the spn created by endpoint").
        """
        organization, found = self._managed(request)
        projects = self._projects.chosen(request, organization)
        if not projects:
            raise _invalid("The query parameter 'projectIds' must name at least one project.")
        for identity in projects:
            if found["projects"].pop(identity, None) is None:
                raise _no_connection(found["id"])
            self._world.part(PipelinePermissions).forget(identity, ENDPOINT, found["id"])
        if found["projects"]:
            self._connections.keep(found)
        else:
            self._connections.remove(found["id"])
        return Response(204)

    def _list(self, request: Request) -> Response:
        organization = access.organization(request)
        project = self._projects.find(organization, request.who, request.match["project"])
        wanted = {
            key: {each.lower() for each in paging.words(request, name)}
            for key, name in (
                ("name", "endpointNames"),
                ("id", "endpointIds"),
                ("type", "type"),
                ("scheme", "authSchemes"),
                ("owner", "owner"),
            )
        }
        failed = request.query.get("includefailed", "").lower() == "true"
        value = []
        for each in self._connections.in_project(project["id"]):
            facts = {
                "name": each["projects"][project["id"]]["name"].lower(),
                "id": each["id"],
                "type": _TYPE,
                "scheme": _SCHEME.lower(),
                "owner": "library",
            }
            fits = all(not named or facts[key] in named for key, named in wanted.items())
            # One that is not ready is listed only if it is asked for by name, or with `includeFailed`.
            if fits and (failed or wanted["name"] or wanted["id"] or self._connections.is_ready(each)):
                value.append(self.shown(request, each, project["id"]))
        return Response(200, {"count": len(value), "value": value})

    def _get(self, request: Request) -> Response:
        """Return a connection; for one that does not exist, the body is `null`.

        So it is for other resources of this service (variable groups, verified against it by a public client), and
        terraform-provider-azuredevops takes an answer without an ID as absent (`isServiceEndpointDeleted`).
        """
        organization = access.organization(request)
        project = self._projects.find(organization, request.who, request.match["project"])
        found = self._connections.find(request.match["id"])
        if found is None or project["id"] not in found["projects"]:
            return Response(200, "null")
        return Response(200, self.shown(request, found, project["id"]))

    def _history(self, request: Request) -> Response:
        organization = access.organization(request)
        project = self._projects.find(organization, request.who, request.match["project"])
        found = self._connections.find(request.match["id"])
        if found is None or project["id"] not in found["projects"]:
            raise _no_connection(request.match["id"])
        start, top = (request.query.get(name, default) for name, default in (("continuationtoken", "0"), ("top", "50")))
        if not start.isdecimal() or not top.isdecimal():
            raise _invalid("'top' and 'continuationToken' must be numbers.")
        uses = found["uses"][int(start) : int(start) + int(top)]
        value = [{"endpointId": found["id"], "data": each} for each in uses]
        more = int(start) + len(uses) < len(found["uses"])
        headers = {"x-ms-continuationtoken": str(int(start) + len(uses))} if more else {}
        return Response(200, {"count": len(value), "value": value}, headers)

    def _token(self, request: Request) -> Response:
        """Give a job the assertion of a service connection; only its own token may request it, while it runs."""
        access.organization(request)
        job = self._jobs.find(request.match["job"])
        if job is None or job["plan"] != request.match["plan"].lower():
            message = f"The job with identifier {request.match['job']} was not found."  # an estimate
            raise errors.refused(404, message, "TaskOrchestrationJobNotFoundException", _JOBS)
        wanted = request.query.get("serviceconnectionid", "").lower()
        found = self._connections.find(wanted)
        who = request.who
        owns = isinstance(who, BuildService) and who.project == job["project"]["id"]
        if not owns or found is None or wanted not in job["connections"]:
            message = f"The job is not authorized to use the service connection '{wanted}'."  # an estimate
            raise errors.refused(403, message, "AccessDeniedException", _JOBS)
        return Response(200, {"oidcToken": self._connections.login(found).assertion})

    def shown(self, request: Request, connection: Document, project: str = "") -> JsonObject:
        """Return a connection (ServiceEndpoint).

        Args:
            request: The request.
            connection: The connection.
            project: The project in whose terms it is shown; by default its first one.
        """
        ready = self._connections.is_ready(connection)
        projects = connection["projects"]
        shown = projects.get(project) or next(iter(projects.values()))
        return {
            "data": connection["data"],
            "id": connection["id"],
            "name": shown["name"],
            "type": _TYPE,
            "url": connection["url"],
            "createdBy": identity_ref(self._world, connection["organization"], connection["creator"]),
            "creationDate": timestamp(connection["created"]),
            "description": shown["description"] or connection["description"],
            "authorization": {
                "parameters": {
                    **connection["parameters"],
                    "workloadIdentityFederationIssuer": assertions.DEVOPS_ISSUER,
                    "workloadIdentityFederationSubject": self._connections.subject(connection),
                    "workloadIdentityFederationIssuerType": "EntraID",
                },
                "scheme": _SCHEME,
            },
            "isShared": len(projects) > 1,
            "isOutdated": False,
            "isReady": ready,
            "operationStatus": {"state": "Ready" if ready else "InProgress", "statusMessage": ""},
            "owner": "Library",
            "serviceEndpointProjectReferences": [
                {"projectReference": {"id": identity, "name": self._projects.name_of(identity)}, **each}
                for identity, each in projects.items()
            ],
        }


_AZURE: Final[JsonObject] = {
    "name": _TYPE,
    "displayName": "Azure Resource Manager",
    "description": "Service connection type for Azure Resource Manager connections",
    "endpointUrl": {"displayName": "Server Url", "value": "https://management.azure.com/", "isVisible": "false"},
    "authenticationSchemes": [
        {
            "scheme": _SCHEME,
            "displayName": "Workload Identity Federation",
            "inputDescriptors": [
                {"id": name, "name": name, "inputMode": "textBox", "isConfidential": False}
                for name in ("serviceprincipalid", "tenantid")
            ],
        }
    ],
    "inputDescriptors": [{"id": name, "name": name, "inputMode": "textBox", "isConfidential": False} for name in _DATA],
}


def _texts(body: JsonObject, name: str) -> dict[str, str]:
    """Return an object of texts; the service takes nothing else there (`additionalProperties: string`)."""
    found: Mapping[str, Any] = member(body, name)
    if any(not isinstance(each, str | None) for each in found.values()):
        raise ValueError(f"{name} holds texts only")
    return {key: each for key, each in found.items() if each is not None}


def _value(given: Mapping[str, str], name: str) -> str:
    """Return a value by its name, whatever the case of the name: clients send `tenantid` and `tenantId`."""
    return next((each for key, each in given.items() if key.lower() == name.lower()), "")


def _short(identity: str) -> str:
    """Return a GUID as subjects of Entra ID contain it: base64url of its bytes, little-endian."""
    return base64.urlsafe_b64encode(uuid.UUID(identity).bytes_le).decode().rstrip("=")


def _invalid(message: str) -> Refused:
    return errors.refused(400, message, "InvalidServiceEndpointRequestException", _SPACE)


def _no_connection(identity: str) -> Refused:
    """The text is an estimate."""
    message = f"Unable to find service connection with identifier '{identity}'."
    return errors.refused(404, message, "ServiceEndpointNotFoundException", _SPACE)
