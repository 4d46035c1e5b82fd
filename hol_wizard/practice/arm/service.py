"""Builds Azure Resource Manager from its parts."""

from __future__ import annotations

from hol_wizard.practice.arm import authorization, compute, groups, operations, providers, resources, subscriptions
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.container_registry import Registries
from hol_wizard.practice.arm.databricks import Workspaces
from hol_wizard.practice.arm.datastores import Datastores
from hol_wizard.practice.arm.deployments import DeploymentTemplates
from hol_wizard.practice.arm.key_vault import Vaults
from hol_wizard.practice.arm.machine_learning import MachineLearningWorkspaces
from hol_wizard.practice.arm.managed_identities import ManagedIdentities
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.arm.metadata import Metadata
from hol_wizard.practice.arm.models import Models
from hol_wizard.practice.arm.monitor import Components, LogAnalyticsWorkspaces
from hol_wizard.practice.arm.policies import Policies
from hol_wizard.practice.arm.storage import StorageAccounts
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.machine_learning.records import Tracking

TYPES = (
    StorageAccounts,
    Vaults,
    Workspaces,
    MachineLearningWorkspaces,
    LogAnalyticsWorkspaces,
    Components,
    Registries,
    ManagedIdentities,
)
"""The resource types that are served; add new ones here."""


def resource_manager(world: World) -> ResourceManager:
    """Return the service with the routes of all its parts."""
    manager = ResourceManager(world)
    world.part(Access)  # now, since it assigns the roles of a new practice cloud
    subscriptions.Subscriptions(manager)
    authorization.Authorization(manager)
    compute.Compute(manager)
    providers.Providers(manager)
    operations.Operations(manager)
    groups.Groups(manager)
    resources.Ends(manager)
    Policies(manager)
    Metadata(manager)
    DeploymentTemplates(manager)
    for each in TYPES:
        made = each(manager)
        if isinstance(made, MachineLearningWorkspaces):
            Datastores(made)
            Models(made)
            made.when_removed.append(world.part(Tracking).forget)
    return manager
