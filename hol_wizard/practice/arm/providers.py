"""Resource providers: which ones a subscription has registered, and what they offer.

Operations: Providers_Get, Providers_List, Providers_Register, Providers_Unregister (resources).
"""

from __future__ import annotations

from collections.abc import Mapping

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors, versions
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.manager import PAGED, ResourceManager
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

OFFERED: Mapping[str, tuple[str, ...]] = {
    "Microsoft.Storage": ("storageAccounts", "checkNameAvailability", "locations/asyncoperations"),
    "Microsoft.KeyVault": (
        "vaults",
        "vaults/secrets",
        "deletedVaults",
        "managedHSMs",
        "deletedManagedHSMs",
        "checkNameAvailability",
    ),
    "Microsoft.Databricks": ("workspaces", "locations/operationStatuses"),
    "Microsoft.MachineLearningServices": ("workspaces", "locations/workspaceOperationsStatus"),
    "Microsoft.ContainerRegistry": ("registries", "checkNameAvailability", "locations/operationResults"),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities", "userAssignedIdentities/federatedIdentityCredentials"),
    "Microsoft.Insights": ("components",),
    "Microsoft.OperationalInsights": ("workspaces",),
    "Microsoft.Compute": ("virtualMachines", "disks", "locations/usages"),
    "Microsoft.Network": ("virtualNetworks", "networkSecurityGroups", "publicIPAddresses"),
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions", "permissions", "locks", "policyAssignments"),
    "Microsoft.Resources": ("subscriptions", "resourceGroups", "resources", "deployments"),
}
"""Resource types by namespace."""

ALWAYS_REGISTERED = frozenset({"microsoft.authorization", "microsoft.resources"})


class Registrations(Register):
    """The resource providers that are registered, or being registered, in each subscription."""

    collection = "providers"

    def state(self, subscription: str, namespace: str) -> str:
        """Return `NotRegistered`, `Registering` or `Registered`."""
        found = self.find(f"{subscription}/{namespace}")
        return str(found["state"]) if found else "NotRegistered"

    def note(self, key: str, state: str) -> None:
        """Save the state of a registration under `<subscription>/<namespace>`."""
        self.keep({"id": key, "state": state})


def state(world: World, subscription: seed.Subscription, namespace: str) -> str:
    """Return `NotRegistered`, `Registering` or `Registered`."""
    if namespace.lower() in ALWAYS_REGISTERED:
        return "Registered"
    return world.part(Registrations).state(subscription.id, namespace)


def register_all(world: World) -> None:
    """Register every provider in the default subscription, without delay."""
    for namespace in OFFERED:
        world.part(Registrations).note(f"{seed.SUBSCRIPTION.id}/{namespace}", "Registered")


class Providers:
    """Shows and registers resource providers."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        self._world.operations.on_end("register", _registered)
        base = "/subscriptions/{subscription}/providers"
        manager.router.add("GET", base, self._list, honors=PAGED, refuses="$expand")
        manager.router.add("GET", base + "/{namespace}", self._get, refuses="$expand")
        manager.router.add("POST", base + "/{namespace}/register", self._register)
        manager.router.add("POST", base + "/{namespace}/unregister", self._unregister)

    def _namespace(self, request: Request) -> str:
        wanted = request.match["namespace"]
        for known in OFFERED:
            if known.lower() == wanted.lower():
                return known
        raise errors.refused(
            404, "InvalidResourceNamespace", f"The resource namespace '{wanted}' is invalid.", gateway=True
        )

    def _read(self, request: Request) -> seed.Subscription:
        subscription = self._arm.subscription(request)
        self._arm.require(
            request, "Microsoft.Resources/subscriptions/providers/read", f"/subscriptions/{subscription.id}"
        )
        return subscription

    def _list(self, request: Request) -> Response:
        subscription = self._read(request)
        return self._arm.page(request, [self._provider(subscription, each) for each in OFFERED])

    def _get(self, request: Request) -> Response:
        return Response(200, self._provider(self._read(request), self._namespace(request)))

    def _register(self, request: Request) -> Response:
        subscription, namespace = self._arm.subscription(request), self._namespace(request)
        self._arm.require(request, f"{namespace}/register/action", f"/subscriptions/{subscription.id}")
        if state(self._world, subscription, namespace) == "NotRegistered":
            key = f"{subscription.id}/{namespace}"
            self._world.part(Registrations).note(key, "Registering")
            self._world.operations.begin("register", key, "provider registration", request.path, method=request.method)
        return Response(200, self._provider(subscription, namespace))

    def _unregister(self, request: Request) -> Response:
        subscription, namespace = self._arm.subscription(request), self._namespace(request)
        self._arm.require(request, f"{namespace}/unregister/action", f"/subscriptions/{subscription.id}")
        prefix = f"{namespace}/".lower()
        if any(
            each["type"].lower().startswith(prefix) and each["subscription"] == subscription.id
            for each in self._world.part(Resources).all()
        ):
            raise errors.refused(
                409,
                "SubscriptionCannotBeUnregistered",
                f"The subscription '{subscription.id}' could not be unregistered from resource namespace '{namespace}' "
                "because it has existing resources.",
                gateway=True,
            )
        self._world.part(Registrations).remove(f"{subscription.id}/{namespace}")
        return Response(200, self._provider(subscription, namespace))

    def _provider(self, subscription: seed.Subscription, namespace: str) -> JsonObject:
        regions = [display for display, _ in seed.LOCATIONS.values()]
        return {
            "id": f"/subscriptions/{subscription.id}/providers/{namespace}",
            "namespace": namespace,
            "resourceTypes": [
                {
                    "resourceType": each,
                    "locations": regions,
                    "apiVersions": list(versions.of_type(namespace, each)),
                    "capabilities": "None",
                }
                for each in OFFERED[namespace]
            ],
            "registrationState": state(self._world, subscription, namespace),
            "registrationPolicy": "RegistrationFree"
            if namespace.lower() in ALWAYS_REGISTERED
            else "RegistrationRequired",
        }


def _registered(world: World, operation: Document) -> None:
    if operation["error"]:
        world.part(Registrations).remove(operation["target"])
    elif world.part(Registrations).find(operation["target"]) is not None:
        world.part(Registrations).note(operation["target"], "Registered")
