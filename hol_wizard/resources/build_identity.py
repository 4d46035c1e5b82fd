"""The identity that the build pipeline works as: a managed identity, or an application if the reader prefers that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Resource
from hol_wizard.errors import NotFoundError
from hol_wizard.lab.inputs import APP_REGISTRATION, MANAGED_IDENTITY
from hol_wizard.resources.application import ApplicationRegistration
from hol_wizard.resources.azure_resource import AzureResource, in_group, read
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.service_principal import ServicePrincipal
from hol_wizard.resources.wanted import location

TYPE: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
STEP: Final = "<first variable-group/create-the-identity>."


@dataclass(frozen=True, slots=True)
class BuildIdentity:
    """An identity that a service connection signs in as."""

    name: str
    client: str
    """Client ID."""
    principal: str
    """Object ID of its service principal, which gets the roles."""
    place: str
    """Resource ID of a managed identity; empty for an application."""
    application: str = ""
    """Object ID of an application; empty for a managed identity."""


def is_application(context: StepContext) -> bool:
    """Return whether the reader prefers an app registration."""
    chosen = context.inputs.get("build_identity") or context.profile.choices.build_identity
    return (chosen or MANAGED_IDENTITY) == APP_REGISTRATION


@kind("managed_identity")
def managed_identity(context: StepContext, name: str) -> AzureResource:
    """Return a user-assigned managed identity in the environment's resource group."""
    return AzureResource(
        context,
        kind="Managed identity",
        path=in_group(context, TYPE, name),
        body={"location": context.names.location},
        wanted=(location(context),),
        usually=5,
        cost="free",
    )


def parts(context: StepContext) -> tuple[Resource[Any], ...]:
    """Return what the chosen identity consists of, in the order of creation."""
    return _application(context) if is_application(context) else (managed(context),)


def all_parts(context: StepContext) -> tuple[Resource[Any], ...]:
    """Return what both choices consist of, in the order of removal: the choice may have changed since."""
    application, principal = _application(context)
    return managed(context), application, principal


def managed(context: StepContext) -> AzureResource:
    """Return the managed identity of the build."""
    return managed_identity(context, context.names.build_identity)


def _application(context: StepContext) -> tuple[ApplicationRegistration, ServicePrincipal]:
    name = context.names.build_identity
    return ApplicationRegistration(context, name), ServicePrincipal(context, name)


def find(context: StepContext) -> BuildIdentity | None:
    """Return the identity that the reader has chosen, or None.

    Raises:
        ConflictError: Several applications have its name.
    """
    name = context.names.build_identity
    if not is_application(context):
        document = read(context, managed(context).path)
        return None if document is None else _of_document(name, managed(context).path, document)
    registration, service_principal = _application(context)
    registered = registration.find(context.reads)
    principal = service_principal.find(context.reads) if registered is not None else None
    if registered is None or principal is None:
        return None
    return BuildIdentity(name, registered.application.app_id, principal.id, "", registered.application.id)


def _of_document(name: str, place: str, document: Any) -> BuildIdentity | None:
    properties = document.get("properties") or {}
    client, principal = str(properties.get("clientId") or ""), str(properties.get("principalId") or "")
    return BuildIdentity(name, client, principal, place) if client and principal else None


def required(context: StepContext) -> BuildIdentity:
    """Return the identity that the reader has chosen.

    Raises:
        NotFoundError: It does not exist.
    """
    found = find(context)
    if found is None:
        raise NotFoundError(f"There is no identity {context.names.build_identity}.", STEP)
    return found


def of_client(context: StepContext, client: str) -> BuildIdentity | None:
    """Return the identity with a client ID: the lab's, or any other of the directory.

    The lab's managed identity is known before the directory shows its service principal.

    Args:
        context: The step's context.
        client: The client ID; empty returns None.
    """
    own = find(context)
    if own is not None and own.client.lower() == client.lower():
        return own
    if not client:
        return None
    graph = context.services.graph
    principal = context.reads.share(("service principal", client), lambda: graph.service_principal_of(client))
    if principal is None:
        return None
    if principal.resource:
        return BuildIdentity(principal.name, client, principal.id, principal.resource)
    application = context.reads.share(("application of", client), lambda: graph.application_of(client))
    return BuildIdentity(principal.name, client, principal.id, "", application.id if application else "")
