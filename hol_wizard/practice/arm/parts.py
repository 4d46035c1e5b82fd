"""What Azure Resource Manager is put together from."""

from __future__ import annotations

from hol_wizard.practice.arm import groups, operations, providers, subscriptions
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.world import World


def resource_manager(world: World) -> ResourceManager:
    """Return the service with the routes of all its parts."""
    manager = ResourceManager(world)
    subscriptions.Subscriptions(manager)
    providers.Providers(manager)
    operations.Operations(manager)
    groups.Groups(manager)
    return manager
