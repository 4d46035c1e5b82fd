"""Stored applications and service principals, and who may do what with them."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta

from hol_wizard.practice import seed
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.directory.records import ApplicationRecords, DeletedObjects, ServicePrincipalRecords
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

AZURE_DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
"""Application ID of AzureDatabricks: Microsoft's own application, the same in every tenant."""
_DAY = 24 * 3600


def application_of(world: World, app_id: str) -> Document | None:
    """Return the application with this application (client) ID, or None."""
    return next((each for each in world.part(ApplicationRecords).all() if each["appId"] == app_id.lower()), None)


def service_principal_of(world: World, app_id: str) -> Document | None:
    """Return the service principal with this application ID, including the initial ones, or None."""
    return next((each for each in service_principals(world) if each["appId"] == app_id.lower()), None)


def service_principals(world: World) -> list[Document]:
    """Return all service principals of the tenant."""
    there_before = [
        _service_principal(each.id, each.app_id, each.display_name, [], created=0.0)
        for each in seed.PRINCIPALS.values()
        if each.app_id
    ]
    now = world.clock.now()
    made = (each for each in world.part(ServicePrincipalRecords).all() if each.get("appears", 0.0) <= now)
    return [*there_before, *made]


def _service_principal(
    identity: str, app_id: str, name: str, owners: list[str], *, created: float, spread: float = 0.0
) -> Document:
    return {
        "id": identity,
        "appId": app_id,
        "displayName": name,
        "owners": owners,
        "secrets": [],
        "created": created,
        "spread": spread,
        "fields": {},
    }


def make_application(world: World, fields: JsonObject, owner: str) -> Document:
    """Register an application and return it; it takes some seconds until it is replicated.

    Args:
        world: The world.
        fields: Its properties.
        owner: Object ID of its creator.
    """
    application: Document = {
        "id": str(uuid.uuid4()),
        "appId": str(uuid.uuid4()),
        "displayName": str(fields["displayName"]),
        "fields": fields,
        "owners": [owner],
        "secrets": [],
        "created": world.clock.now(),
        "spread": world.clock.due("application"),
    }
    world.part(ApplicationRecords).keep(application)
    return application


def make_service_principal(world: World, app_id: str, name: str, owner: str) -> Document:
    """Create a service principal and return it; other services find it only after a while."""
    made = _service_principal(
        str(uuid.uuid4()),
        app_id,
        name,
        [owner],
        created=world.clock.now(),
        spread=world.clock.due("service principal"),
    )
    world.part(ServicePrincipalRecords).keep(made)
    return made


def make_managed_identity(world: World, app_id: str, name: str, resource: str) -> Document:
    """Create the service principal of a managed identity and return it; the directory shows it only after a while.

    Args:
        world: The world.
        app_id: The identity's client ID; there is no application of it.
        name: The identity's name.
        resource: The identity's ID in Resource Manager.
    """
    made = _service_principal(str(uuid.uuid4()), app_id, name, [], created=world.clock.now())
    appears = world.clock.due("managed identity")
    made |= {"resource": resource, "appears": appears, "spread": appears}
    world.part(ServicePrincipalRecords).keep(made)
    return made


def federated_of(world: World, app_id: str) -> list[Document]:
    """Return the federated credentials of an application or a managed identity that sign-ins know already.

    A new one works after a while ("Important considerations and restrictions for federated identity credentials").
    """
    application, now = application_of(world, app_id), world.clock.now()
    if application is not None:
        known = application.get("federated", [])
    else:
        principal = service_principal_of(world, app_id)
        resource = world.part(Resources).find(principal["resource"]) if principal and "resource" in principal else None
        known = resource["properties"]["federated"] if resource is not None else []
    return [each for each in known if each.get("works", 0.0) <= now]


def provide_azure_databricks(world: World) -> None:
    """Add AzureDatabricks to the tenant, as the first Databricks workspace does."""
    if service_principal_of(world, AZURE_DATABRICKS) is None:
        identity = seed.fixed_id("AzureDatabricks")
        made = _service_principal(identity, AZURE_DATABRICKS, "AzureDatabricks", [], created=world.clock.now())
        world.part(ServicePrincipalRecords).keep(made)


def make_secret(world: World, name: str | None, start: float, end: float) -> tuple[Document, str]:
    """Create a client secret; return its stored form, and the secret itself, which is not stored.

    It works after some seconds.
    """
    # The format of Entra ID: three characters, then `8Q~`, then random characters.
    value = f"{secrets.token_urlsafe(3)[:3]}8Q~{secrets.token_urlsafe(26)[:34]}"
    kept = {
        "keyId": str(uuid.uuid4()),
        "displayName": name,
        "hint": value[:3],
        "start": start,
        "end": end,
        "works": world.clock.due("client secret"),
        "sha256": digest(value),
    }
    return kept, value


def client_secret(world: World, app_id: str, value: str) -> Document | None:
    """Return the stored form of a secret of an application or of its service principal, expired or not; else None.

    A secret that is too new is treated as wrong, because it is not replicated in all of Entra ID yet.
    """
    owners, given = (application_of(world, app_id), service_principal_of(world, app_id)), digest(value)
    known = [each for owner in owners if owner is not None for each in owner["secrets"]]
    kept = next((each for each in known if secrets.compare_digest(each["sha256"], given)), None)
    return None if kept is None or world.clock.now() < max(kept["works"], kept["start"]) else kept


def digest(secret: str) -> str:
    """Return the stored form of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def shown_secret(kept: Document) -> JsonObject:
    """Return a client secret in Graph's format, without its value."""
    return {
        "customKeyIdentifier": None,
        "displayName": kept["displayName"],
        "endDateTime": short_timestamp(kept["end"]),
        "hint": kept["hint"],
        "keyId": kept["keyId"],
        "secretText": None,
        "startDateTime": short_timestamp(kept["start"]),
    }


def moment(value: object) -> float | None:
    """Return a time in a request as seconds since the epoch; None if it is invalid."""
    try:
        # Years such as 2299 are out of range for `timestamp` on some systems; this uses only arithmetic.
        given = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    given = given if given.tzinfo else given.replace(tzinfo=UTC)
    return (given - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)


def delete(world: World, kind: str, thing: Document) -> None:
    """Delete an application with its service principal, or a service principal; it remains visible for thirty days.

    Args:
        world: The world.
        kind: `application` or `servicePrincipal`.
        thing: The object to delete.
    """
    now = world.clock.now()
    kept: Register = world.part(ApplicationRecords if kind == "application" else ServicePrincipalRecords)
    kept.remove(thing["id"])
    world.part(DeletedObjects).keep(
        {"id": thing["id"], "kind": kind, "thing": thing, "deleted": now, "until": now + 30 * _DAY}
    )
    if kind == "application":
        for each in world.part(ServicePrincipalRecords).all():
            if each["appId"] == thing["appId"]:
                delete(world, "servicePrincipal", each)


def deleted(world: World) -> list[Document]:
    """Return deleted objects that are not permanently deleted yet."""
    now = world.clock.now()
    for each in world.part(DeletedObjects).all():
        if each["until"] <= now:
            world.part(DeletedObjects).remove(each["id"])
    return world.part(DeletedObjects).all()


def may_read(who: seed.Principal) -> bool:
    """Return whether a principal may read applications: every person, and programs with a Graph permission."""
    return not who.app_id or who.id in seed.GRAPH_PERMISSIONS


def may_register(world: World, who: seed.Principal) -> bool:
    """Return whether a principal may register applications.

    Everybody may if `allowedToCreateApps` of the tenant's authorization policy is on; otherwise only people with a
    directory role for it. A program needs a Graph permission (Application.ReadWrite.OwnedBy).
    """
    if who.app_id:
        return who.id in seed.GRAPH_PERMISSIONS
    return bool(world.setting("register_applications")) or who.id in seed.DIRECTORY_ROLES


def may_change(who: seed.Principal, thing: Document) -> bool:
    """Return whether a principal may change or delete an application or service principal: its owners, and admins."""
    return who.id in thing["owners"] or who.id in seed.DIRECTORY_ROLES
