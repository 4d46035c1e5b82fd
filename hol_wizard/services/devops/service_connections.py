"""Service connections to Azure with workload identity federation, and who may use a protected resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hol_wizard.services.answers import Document
from hol_wizard.services.devops.connection import PREVIEW, Connection, named
from hol_wizard.services.devops.projects import Project, references
from hol_wizard.services.rest import json_object

TYPE: Final = "azurerm"
SCHEME: Final = "WorkloadIdentityFederation"
FAILED: Final = "Failed"
_ADDRESSES: Final[Mapping[str, str]] = {
    "AzureCloud": "https://management.azure.com/",
    "AzureUSGovernment": "https://management.usgovcloudapi.net/",
    "AzureChinaCloud": "https://management.chinacloudapi.cn/",
}
"""The server URL of a connection by its environment (Azure Pipelines, types of service endpoints)."""
ENDPOINT: Final = "endpoint"
VARIABLE_GROUP: Final = "variablegroup"
QUEUE: Final = "queue"
"""Kinds of protected resources (Pipeline Permissions, 7.1)."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a service connection to Azure signs in as, and where."""

    cloud: str
    """Azure CLI's name of the cloud: `AzureCloud`."""
    tenant: str
    client: str
    """Client ID of its identity."""
    subscription: str
    subscription_name: str
    managed: bool
    """Whether the identity is a managed one; otherwise, it is an app registration."""


@dataclass(frozen=True, slots=True)
class ServiceConnection:
    """A service connection."""

    id: str
    name: str
    kind: str
    """Its type: `azurerm`."""
    scheme: str
    is_ready: bool
    state: str
    """`Ready`, `InProgress` or `Failed`; empty if the service does not say."""
    message: str
    """What went wrong."""
    description: str
    tenant: str
    client: str
    subscription: str
    issuer: str
    """Issuer of its tokens, which a federated credential must name exactly; empty without federation."""
    subject: str


@dataclass(frozen=True, slots=True)
class Permission:
    """Which pipelines may use a protected resource."""

    everybody: bool
    """Whether all pipelines of the project may."""
    pipelines: frozenset[int]

    def allows(self, pipeline: int) -> bool:
        """Return whether a pipeline may use it."""
        return self.everybody or pipeline in self.pipelines


class ServiceConnections(Connection):
    """The service connections of an organization's projects."""

    def service_connection(self, project: str, name: str) -> ServiceConnection | None:
        """Return a project's connection with this name, also one that is not ready; None if there is none.

        Args:
            project: Name or ID.
            name: The connection's name.
        """
        query = {"endpointNames": name, "includeFailed": "true"}
        found = self._get("/serviceendpoint/endpoints", f"the service connection {name}", below=project, **query)
        known = named(found, name)
        return _connection(known) if known is not None else None

    def create_service_connection(
        self, project: Project, name: str, account: Account, description: str
    ) -> ServiceConnection:
        """Create a connection, which no pipeline may use yet.

        Args:
            project: The project that it belongs to.
            name: Its name.
            account: What it signs in as.
            description: Its description.

        Raises:
            AccessDeniedError: The caller is no creator of service connections there.
            ConflictError: The name is in use.
        """
        body, thing = _body(project, name, account, description), f"the service connection {name}"
        return _connection(json_object(self._send("POST", "/serviceendpoint/endpoints", thing, body), self.url))

    def change_service_connection(
        self, project: Project, found: ServiceConnection, account: Account, description: str
    ) -> None:
        """Give a connection another account."""
        body = {**_body(project, found.name, account, description), "id": found.id}
        self._send("PUT", f"/serviceendpoint/endpoints/{found.id}", f"the service connection {found.name}", body)

    def delete_service_connection(self, project: Project, found: ServiceConnection) -> None:
        """Delete a connection from a project.

        `deep` also deletes what Azure DevOps itself has created for it in the directory; for a manual connection, which
        uses an identity that was there before, there is nothing (Endpoints - Delete).
        """
        path, thing = f"/serviceendpoint/endpoints/{found.id}", f"the service connection {found.name}"
        self._send("DELETE", path, thing, projectIds=project.id, deep="true")

    # Who may use it

    def permission(self, project: str, kind: str, resource: str) -> Permission:
        """Return which pipelines may use a protected resource.

        Args:
            project: Name or ID.
            kind: `endpoint`, `variablegroup` or `queue`.
            resource: Its ID.
        """
        path = f"/pipelines/pipelinepermissions/{kind}/{resource}"
        found = self._get(path, "the permissions of pipelines", PREVIEW, below=project)
        allowed = (each for each in found.some("pipelines") if each.get("authorized"))
        everybody = bool(found.inner("allPipelines").get("authorized"))
        return Permission(everybody, frozenset(each.required_number("id") for each in allowed))

    def permit(self, project: str, kind: str, resource: str, pipeline: int, *, allowed: bool) -> None:
        """Allow a pipeline to use a protected resource, or forbid it; all others stay as they are.

        Raises:
            AccessDeniedError: The caller is no administrator of the resource.
        """
        path, thing = f"/pipelines/pipelinepermissions/{kind}/{resource}", "the permissions of pipelines"
        body = {"pipelines": [{"id": pipeline, "authorized": allowed}]}
        self._send("PATCH", path, thing, body, PREVIEW, project)


def _body(project: Project, name: str, account: Account, description: str) -> dict[str, Any]:
    """Return the body of a connection as azure-dev sends it (`service_connection.go`)."""
    return {
        "type": TYPE,
        "name": name,
        "url": _ADDRESSES[account.cloud],
        "description": description,
        "owner": "library",
        "isShared": False,
        "authorization": {
            "scheme": SCHEME,
            "parameters": {"tenantid": account.tenant, "serviceprincipalid": account.client},
        },
        "data": {
            "environment": account.cloud,
            "scopeLevel": "Subscription",
            "subscriptionId": account.subscription,
            "subscriptionName": account.subscription_name,
            "creationMode": "Manual",
            "identityType": "ManagedIdentity" if account.managed else "AppRegistrationManual",
        },
        "serviceEndpointProjectReferences": references(project, name, description),
    }


def _connection(document: Document) -> ServiceConnection:
    authorization, status = document.inner("authorization"), document.inner("operationStatus")
    parameters = _lowered(authorization.inner("parameters"))
    data = _lowered(document.inner("data"))
    described: Sequence[Document] = document.some("serviceEndpointProjectReferences")
    texts = [document.get("description"), *(each.get("description") for each in described)]
    return ServiceConnection(
        id=document.text("id"),
        name=document.text("name"),
        kind=document.text("type"),
        scheme=authorization.text("scheme"),
        is_ready=bool(document.get("isReady")),
        state=status.text("state"),
        message=status.text("statusMessage"),
        description=next((str(each) for each in texts if each), ""),
        tenant=parameters.get("tenantid", ""),
        client=parameters.get("serviceprincipalid", ""),
        subscription=data.get("subscriptionid", ""),
        issuer=parameters.get("workloadidentityfederationissuer", ""),
        subject=parameters.get("workloadidentityfederationsubject", ""),
    )


def _lowered(found: Mapping[str, Any]) -> dict[str, str]:
    """Return texts by their names in small letters: clients write `tenantid` and `tenantId`."""
    return {name.lower(): str(value) for name, value in found.items() if value is not None}
