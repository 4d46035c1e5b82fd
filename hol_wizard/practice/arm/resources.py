"""What all resource types have in common: their routes, their rules, and their life cycle from creation to deletion."""

from __future__ import annotations

import re
import uuid
from abc import ABC, abstractmethod

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors, operations, providers
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.manager import PAGED, ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class ResourceType(ABC):
    """One type of resource.

    A subclass defines what is specific to its type: the rule for names, what a body may contain, what a GET shows, and
    the style of its long-running operations.
    """

    type: str
    """As responses show it: `Microsoft.Storage/storageAccounts`."""
    name_rule: re.Pattern[str]
    creating = "Creating"
    """`provisioningState` while it is being created."""
    remains_when_failed = True
    """Whether a failed creation leaves a resource in the state Failed."""

    list_refuses = ""
    """Query parameters of its lists that are not served (`Router.add`)."""
    delete_ignores = ""
    """Query parameters of a deletion that have no effect here (`Router.add`)."""
    delete_honors = ""
    """Query parameters that a deletion reads (`Router.add`)."""

    def __init__(self, manager: ResourceManager) -> None:
        self.arm = manager
        self.world = manager.world
        manager.types[self.type.lower()] = self
        every = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{self.type}"
        add = manager.router.add
        add(
            "GET",
            f"/subscriptions/{{subscription}}/providers/{self.type}",
            self._list,
            honors=PAGED,
            refuses=self.list_refuses,
        )
        add("GET", every, self._list, honors=PAGED, refuses=self.list_refuses)
        add("GET", every + "/{name}", self._get, refuses="$expand")
        add("PUT", every + "/{name}", self._put)
        add("PATCH", every + "/{name}", self._patch)
        add("DELETE", every + "/{name}", self._delete, honors=self.delete_honors, ignores=self.delete_ignores)

    @property
    def namespace(self) -> str:
        """The resource provider: `Microsoft.Storage`."""
        return self.type.partition("/")[0]

    @abstractmethod
    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule."""

    @abstractmethod
    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Check the request body and apply it to the new resource.

        Args:
            request: The request.
            body: Its body.
            resource: The new resource, with the common fields only.

        Raises:
            Refused: The body is wrong.
        """

    @abstractmethod
    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body to an existing resource.

        Raises:
            Refused: The body would change something that cannot be changed.
        """

    @abstractmethod
    def accept(self, request: Request, resource: Document) -> Response:
        """Start to create the resource, and return the response to its PUT."""

    def accept_change(self, request: Request, resource: Document) -> Response:
        """Return the response to a PUT that changed an existing resource; most types do so immediately."""
        del request
        return Response(200, self.render(resource))

    @abstractmethod
    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` as a GET shows them."""

    def held(self, identity: str) -> Refused | None:
        """Return the error for a name that a deleted resource of the same ID still has; else None."""
        del identity
        return None

    def taken(self, name: str) -> Refused | None:
        """Return the error for a name that is in use, for types whose names are globally unique; else None."""
        del name
        return None

    def busy(self, resource: Document) -> Refused:
        """Return the error for a change while another one is in progress (recorded: Conflict)."""
        del resource
        return errors.refused(
            409,
            "Conflict",
            "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
            "https://aka.ms/activitylog to get more details on the conflicting requests.",
        )

    def unmake(self, request: Request, resource: Document) -> Response:
        """Delete the resource, or start to delete it, and return the response to the DELETE."""
        del request
        self.remove(resource, self.world.clock.now())
        return Response(200)

    def purge(self, request: Request, identity: str) -> None:
        """Delete the remains of a deleted resource, for types that keep them under the same address."""
        del request, identity

    def remove(self, resource: Document, when: float) -> None:
        """Remove the resource."""
        del when
        self.world.part(Resources).remove(resource["id"])
        self.world.part(Access).forget_roles(resource["id"])

    def ready(self, resource: Document) -> None:
        """Create what comes with a new resource, once it has been created successfully."""
        del resource

    def shown(self, resource: Document) -> JsonObject:
        """Return the members beside `properties` that only this type has."""
        del resource
        return {}

    def render(self, resource: Document) -> JsonObject:
        """Return the resource as a GET shows it."""
        body: JsonObject = {key: resource[key] for key in ("id", "name", "type", "location", "tags")}
        for key in ("sku", "kind", "identity"):
            if resource.get(key):
                body[key] = resource[key]
        return {**body, **self.shown(resource), "properties": self.properties(resource)}

    def system_data(self, resource: Document) -> JsonObject:
        """Return who created it and when, for the types that report it."""
        created = timestamp(resource["created"])
        kind = "Application" if resource["by_application"] else "User"
        return {
            "createdBy": resource["by"],
            "createdByType": kind,
            "createdAt": created,
            "lastModifiedBy": resource["by"],
            "lastModifiedByType": kind,
            "lastModifiedAt": timestamp(resource["changed"]),
        }

    def begin(
        self, request: Request, resource: Document, kind: str, style: Style, path: str, running_as: str = "InProgress"
    ) -> str:
        """Start the operation that creates or deletes the resource; return the URL to poll."""
        work = self.type_of_work if kind == "create" else f"{self.type_of_work} {kind}"
        operation, address = operations.begin(
            self.world, request, kind, resource["id"], work, style, path, running_as=running_as
        )
        resource["operation"] = operation["id"]
        return address

    @property
    def type_of_work(self) -> str:
        """The row of `clock.DURATIONS`."""
        return self.type

    def begin_delete(
        self, request: Request, resource: Document, style: Style, path: str, running_as: str = "InProgress"
    ) -> str:
        """Start the deletion, or find the one in progress; return the URL to poll."""
        running = self.world.operations.find(resource["operation"])
        if resource["state"] == "Deleting" and running is not None:
            return f"{request.base}{running['path']}?api-version={request.query['api-version']}"
        address = self.begin(request, resource, "delete", style, path, running_as)
        resource["state"] = "Deleting"
        self.world.part(Resources).keep(resource)
        return address

    def _authorized(self, request: Request, right: str) -> tuple[seed.Subscription, str]:
        """Return the subscription and resource ID of the path, once the caller's permission has been checked."""
        subscription = self.arm.subscription(request)
        group, name = request.match["group"], request.match["name"]
        identity = f"/subscriptions/{subscription.id}/resourceGroups/{group}/providers/{self.type}/{name}"
        self.arm.require(request, f"{self.type}/{right}", identity)
        return subscription, identity

    def _found(self, request: Request, right: str) -> Document:
        subscription, identity = self._authorized(request, right)
        group = self.arm.group(subscription, request.match["group"])
        found = self.world.part(Resources).find(identity)
        if found is None:
            raise errors.resource_not_found(self.type, request.match["name"], group["name"])
        return found

    def _list(self, request: Request) -> Response:
        subscription = self.arm.subscription(request)
        scope = f"/subscriptions/{subscription.id}"
        found = [
            each
            for each in self.world.part(Resources).all()
            if each["type"].lower() == self.type.lower() and each["subscription"] == subscription.id
        ]
        if "group" in request.match:
            scope += f"/resourceGroups/{request.match['group']}"
            self.arm.require(request, f"{self.type}/read", scope)
            group = self.arm.group(subscription, request.match["group"])
            found = [each for each in found if each["group"] == group["id"].lower()]
        else:
            self.arm.require(request, f"{self.type}/read", scope)
        return self.arm.page(request, [self.render(each) for each in found])

    def _get(self, request: Request) -> Response:
        return Response(200, self.render(self._found(request, "read")))

    def _put(self, request: Request) -> Response:
        subscription, identity = self._authorized(request, "write")
        name, body = request.match["name"], request.json
        group = self.arm.group(subscription, request.match["group"])
        if group["state"] == "Deleting":
            raise errors.group_being_deleted(group["name"])
        if providers.state(self.world, subscription, self.namespace) == "NotRegistered":
            raise errors.not_registered(self.namespace)
        location, tags = self.arm.location(body, self.type), self.arm.tags(body)
        resource = self.world.part(Resources).find(identity)
        now = self.world.clock.now()
        if resource is not None and resource["state"] != "Failed":
            if resource["location"] != location:
                raise _elsewhere(resource, location, group["name"])
            if resource["state"] != "Succeeded":
                raise self.busy(resource)
            self.change(request, body, resource)
            resource.update(tags=tags, changed=now)
            response = self.accept_change(request, resource)
            self.world.part(Resources).keep(resource)
            return response
        if not self.name_rule.fullmatch(name):
            raise self.name_refused(name)
        refusal = (self.held(identity) or self.taken(name)) if resource is None else None
        if refusal is not None:
            raise refusal
        resource = {
            "id": f"{group['id']}/providers/{self.type}/{name}",
            "name": name,
            "type": self.type,
            "location": location,
            "tags": tags,
            "group": group["id"].lower(),
            "subscription": subscription.id,
            "state": self.creating,
            "created": now,
            "changed": now,
            "by": request.who.client,
            "by_id": request.who.id,
            "by_application": bool(request.who.app_id),
            "guid": str(uuid.uuid4()),
            "operation": "",
            "properties": {},
        }
        self.make(request, body, resource)
        response = self.accept(request, resource)
        self.world.part(Resources).keep(resource)
        return response

    def _patch(self, request: Request) -> Response:
        resource = self._found(request, "write")
        if resource["state"] != "Succeeded":
            raise self.busy(resource)
        self.change(request, request.json, resource)
        if "tags" in request.json:
            resource["tags"] = self.arm.tags(request.json)
        resource["changed"] = self.world.clock.now()
        self.world.part(Resources).keep(resource)
        return Response(200, self.render(resource))

    def _delete(self, request: Request) -> Response:
        subscription, identity = self._authorized(request, "delete")
        self.arm.group(subscription, request.match["group"])
        resource = self.world.part(Resources).find(identity)
        if resource is None:
            self.purge(request, identity)
            return Response(204)
        if resource["state"] not in {"Succeeded", "Failed", "Deleting"}:
            raise self.busy(resource)
        return self.unmake(request, resource)

    def name_is_taken(self, name: str) -> bool:
        """Return whether the name is in use anywhere."""
        return name.lower() in seed.TAKEN_NAMES.get(self.type, frozenset()) or any(
            each.rpartition("/")[2] == name.lower() for each in self.world.part(Resources).ids_of(self.type)
        )


class Ends:
    """Completes the operations that create and delete resources."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        manager.world.operations.on_end("create", self._created)
        manager.world.operations.on_end("update", self._updated)
        manager.world.operations.on_end("delete", self._deleted)

    def _created(self, world: World, operation: Document) -> None:
        resource = world.part(Resources).find(operation["target"])
        if resource is None or resource["operation"] != operation["id"]:
            return  # its group was deleted before it was ready
        kind = self._arm.types[resource["type"].lower()]
        if operation["error"] and not kind.remains_when_failed:
            kind.remove(resource, operation["ended"])
            return
        resource["state"] = "Failed" if operation["error"] else "Succeeded"
        world.part(Resources).keep(resource)
        if not operation["error"]:
            kind.ready(resource)

    def _updated(self, world: World, operation: Document) -> None:
        resource = world.part(Resources).find(operation["target"])
        if resource is not None and resource["operation"] == operation["id"]:
            resource["state"] = "Failed" if operation["error"] else "Succeeded"
            world.part(Resources).keep(resource)

    def _deleted(self, world: World, operation: Document) -> None:
        resource = world.part(Resources).find(operation["target"])
        if resource is None or resource["operation"] != operation["id"]:
            return
        if operation["error"]:
            resource["state"] = "Failed"
            world.part(Resources).keep(resource)
            return
        self._arm.remove(resource, operation["ended"])


def _elsewhere(resource: Document, location: str, group: str) -> Refused:
    return errors.refused(
        409,
        "InvalidResourceLocation",
        f"The resource '{resource['name']}' already exists in location '{resource['location']}' in resource group "
        f"'{group}'. A resource with the same name cannot be created in location '{location}'. Please select a new "
        "resource name.",
        gateway=True,
    )


def given(body: JsonObject, name: str) -> JsonObject:
    """Return an object in the body; an empty one if it is missing.

    Raises:
        Refused: It is not an object.
    """
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.refused(
            400, "InvalidRequestContent", f"The request content was invalid: '{name}' must be an object.", gateway=True
        )
    return value


def one_of(value: object, allowed: tuple[str, ...], what: str) -> str:
    """Return the value in the service's format, whatever its case in the request.

    Raises:
        Refused: It is not one of the allowed values.
    """
    for each in allowed:
        if str(value).lower() == each.lower():
            return each
    raise errors.refused(
        400, "InvalidValuesForRequestParameters", f"Values for request parameters are invalid: {what}."
    )
