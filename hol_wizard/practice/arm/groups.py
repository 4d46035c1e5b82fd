"""Resource groups, and the resources of all types in them.

Operations: ResourceGroups_CreateOrUpdate, _Get, _CheckExistence, _Delete, _List, _Update,
Resources_List, Resources_ListByResourceGroup (resources).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors, operations
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Deployments, ResourceGroups, Resources
from hol_wizard.practice.arm.manager import PAGED, ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

TYPE = "Microsoft.Resources/resourceGroups"
_ACTION = "Microsoft.Resources/subscriptions/resourcegroups/"
_CLAUSE = re.compile(
    r"\s*(resourceType|tagName|tagValue|name|location|resourceGroup)\s+eq\s+'([^']*)'\s*", re.IGNORECASE
)


class Groups:
    """Creates, shows and deletes resource groups."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        self._world.operations.on_end("delete-group", lambda world, operation: _deleted(manager, operation))
        every, one = (
            "/subscriptions/{subscription}/resourceGroups",
            "/subscriptions/{subscription}/resourceGroups/{group}",
        )
        add = manager.router.add
        add("GET", every, self._list, honors=f"$filter {PAGED}")
        add("PUT", one, self._put)
        add("GET", one, self._get)
        add("HEAD", one, self._head)
        add("PATCH", one, self._patch)
        # It concerns virtual machines only, and there are none here.
        add("DELETE", one, self._delete, ignores="forceDeletionTypes")
        for scope in (one, "/subscriptions/{subscription}"):
            add("GET", f"{scope}/resources", self._resources, honors=f"$filter $expand {PAGED}")

    def _authorized(self, request: Request, right: str) -> tuple[seed.Subscription, str]:
        subscription, name = self._arm.subscription(request), request.match["group"]
        self._arm.require(request, _ACTION + right, f"/subscriptions/{subscription.id}/resourcegroups/{name}")
        return subscription, name

    def _list(self, request: Request) -> Response:
        subscription = self._arm.subscription(request)
        self._arm.require(request, _ACTION + "read", f"/subscriptions/{subscription.id}")
        found = [each for each in self._world.part(ResourceGroups).all() if each["subscription"] == subscription.id]
        for name, value in _clauses(request):
            if name == "tagname":
                found = [each for each in found if value.lower() in {tag.lower() for tag in each["tags"]}]
            elif name == "tagvalue":
                found = [each for each in found if value in each["tags"].values()]
        return self._arm.page(request, [_group(each) for each in found])

    def _put(self, request: Request) -> Response:
        subscription, name = self._authorized(request, "write")
        wrong = sorted(set(re.sub(r"[\w.()-]", "", name)))
        if wrong or name.endswith("."):
            raise errors.refused(
                400,
                "InvalidResourceGroup",
                f"The provided resource group name '{name}' has these invalid characters: '{''.join(wrong) or '.'}'. "
                "The name can only be a letter, digit, '-', '.', '(', ')' or '_'. For more details, visit "
                "https://aka.ms/ResourceGroupNamingRestrictions .",
                gateway=True,
            )
        if len(name) > 90:
            raise errors.refused(
                400,
                "ResourceGroupNameTooLong",
                f"The provided resource group name '{name}' is longer than 90 characters.",
                gateway=True,
            )
        location, tags = self._arm.location(request.json, TYPE), self._arm.tags(request.json)
        key = f"/subscriptions/{subscription.id}/resourceGroups/{name}"
        group = self._world.part(ResourceGroups).find(key)
        if group is not None:
            if group["state"] == "Deleting":
                raise errors.group_being_deleted(name)
            if group["location"] != location:
                raise errors.refused(
                    409,
                    "InvalidResourceGroupLocation",
                    f"Invalid resource group location '{location}'. The Resource group already exists in location "
                    f"'{group['location']}'.",
                    gateway=True,
                )
            group["tags"] = tags
            self._world.part(ResourceGroups).keep(group)
            return Response(200, _group(group))
        return Response(201, _group(create(self._world, subscription, name, location, tags)))

    def _get(self, request: Request) -> Response:
        subscription, name = self._authorized(request, "read")
        return Response(200, _group(self._arm.group(subscription, name)))

    def _head(self, request: Request) -> Response:
        subscription, name = self._authorized(request, "read")
        try:
            self._arm.group(subscription, name)
        except Refused as refused:
            return Response(404, headers=refused.response.headers)
        return Response(204)

    def _patch(self, request: Request) -> Response:
        subscription, name = self._authorized(request, "write")
        group = self._arm.group(subscription, name)
        if "tags" in request.json:
            group["tags"] = self._arm.tags(request.json)
        self._world.part(ResourceGroups).keep(group)
        return Response(200, _group(group))

    def _delete(self, request: Request) -> Response:
        subscription, name = self._authorized(request, "delete")
        group = self._arm.group(subscription, name)
        if group["managed_by"]:
            raise errors.refused(
                403,
                "DenyAssignmentAuthorizationFailed",
                f"The client '{request.who.client}' with object id '{request.who.id}' has permission to perform action "
                f"'{_ACTION}delete' on scope '{group['id']}'; however, the access is denied because of the deny "
                f"assignment with name 'System deny assignment created by Azure Databricks {group['managed_by']}'.",
                gateway=True,
            )
        running = next(
            (
                each
                for each in self._world.operations.all()
                if each["kind"] == "delete-group" and each["status"] == "Running" and each["target"] == group["id"]
            ),
            None,
        )
        if running is not None:
            address = f"{request.base}{running['path']}?api-version={request.query['api-version']}"
        else:
            group["state"] = "Deleting"
            self._world.part(ResourceGroups).keep(group)
            slow = any(
                each["group"] == group["id"].lower() and each["type"] == "Microsoft.Databricks/workspaces"
                for each in self._world.part(Resources).all()
            )
            work = "Microsoft.Databricks/workspaces delete" if slow else "resource group delete"
            path = f"/subscriptions/{subscription.id}/operationresults"
            _, address = operations.begin(self._world, request, "delete-group", group["id"], work, Style.EMPTY, path)
        return Response(202, headers={"Location": address, **self._world.clock.retry_headers()})

    def _resources(self, request: Request) -> Response:
        subscription = self._arm.subscription(request)
        scope = f"/subscriptions/{subscription.id}"
        found = [each for each in self._world.part(Resources).all() if each["subscription"] == subscription.id]
        if "group" in request.match:
            scope += f"/resourceGroups/{request.match['group']}"
            self._arm.require(request, "Microsoft.Resources/subscriptions/resourceGroups/resources/read", scope)
            group = self._arm.group(subscription, request.match["group"])
            found = [each for each in found if each["group"] == group["id"].lower()]
        else:
            # The list has what the caller may read ("List resources": with a role on a resource, only that one).
            access = self._world.part(Access)
            if not access.has_role_in(request.who.id, scope):
                self._arm.require(request, "Microsoft.Resources/subscriptions/resources/read", scope)
            found = [each for each in found if access.allowed(request.who.id, f"{each['type']}/read", each["id"])]
        for name, value in _clauses(request):
            found = [each for each in found if _fits(each, name, value)]
        expanded = {each.strip().lower() for each in request.query.get("$expand", "").split(",") if each.strip()}
        return self._arm.page(request, [_generic(each, expanded) for each in found])


def create(
    world: World, subscription: seed.Subscription, name: str, location: str, tags: dict[str, str], managed_by: str = ""
) -> Document:
    """Create a group and return it."""
    group: Document = {
        "id": f"/subscriptions/{subscription.id}/resourceGroups/{name}",
        "name": name,
        "subscription": subscription.id,
        "location": location,
        "tags": tags,
        "state": "Succeeded",
        "managed_by": managed_by,
    }
    world.part(ResourceGroups).keep(group)
    return group


def _group(group: Document) -> JsonObject:
    body: JsonObject = {
        "id": group["id"],
        "name": group["name"],
        "type": TYPE,
        "location": group["location"],
        "tags": group["tags"],
        "properties": {"provisioningState": group["state"]},
    }
    if group["managed_by"]:
        body["managedBy"] = group["managed_by"]
    return body


def _generic(resource: Document, expanded: Collection[str]) -> JsonObject:
    """Return a resource as the lists of all types show it.

    Args:
        resource: What is shown.
        expanded: What `$expand` adds (Resources_List: "Valid values include createdTime, changedTime and
            provisioningState"), in lowercase.
    """
    body: JsonObject = {key: resource[key] for key in ("id", "name", "type", "location", "tags")}
    for key in ("kind", "sku", "identity"):
        if resource.get(key):
            body[key] = resource[key]
    if "createdtime" in expanded:
        body["createdTime"] = timestamp(resource["created"])
    if "changedtime" in expanded:
        body["changedTime"] = timestamp(resource["changed"])
    if "provisioningstate" in expanded:
        body["provisioningState"] = resource["state"]
    return body


def _clauses(request: Request) -> list[tuple[str, str]]:
    """Return the comparisons in `$filter`, with names in lowercase.

    Raises:
        Refused: It holds something other than comparisons joined by `and`.
    """
    text = request.query.get("$filter", "")
    if not text:
        return []
    found = []
    for part in re.split(r"(?<!\s)\s+and\s+", text.strip().strip("()"), flags=re.IGNORECASE):
        clause = _CLAUSE.fullmatch(part)
        if clause is None:
            raise errors.refused(
                400,
                "InvalidFilterInQueryString",
                f"Invalid $filter '{text}' specified in the query string.",
                gateway=True,
            )
        found.append((clause[1].lower(), clause[2]))
    return found


def _fits(resource: Document, name: str, value: str) -> bool:
    if name == "tagname":
        return value.lower() in {tag.lower() for tag in resource["tags"]}
    if name == "tagvalue":
        return value in resource["tags"].values()
    if name == "resourcegroup":
        return str(resource["group"]).endswith("/" + value.lower())
    return str(resource["type" if name == "resourcetype" else name]).lower() == value.lower()


def _deleted(manager: ResourceManager, operation: Document) -> None:
    world = manager.world
    group = world.part(ResourceGroups).find(operation["target"])
    if group is None:
        return
    if operation["error"]:
        group["state"] = "Succeeded"
        world.part(ResourceGroups).keep(group)
        return
    for resource in world.part(Resources).all():
        if resource["group"] == group["id"].lower():
            manager.remove(resource, operation["ended"])
    world.part(ResourceGroups).remove(group["id"])
    world.part(Access).forget_roles(group["id"])
    world.part(Deployments).forget(group["id"])
