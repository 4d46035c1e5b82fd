"""Azure Pipelines on dev.azure.com: everything that belongs to a project's pipelines."""

from __future__ import annotations

from hol_wizard.practice.devops.pipelines.definition_requests import DefinitionRequests
from hol_wizard.practice.devops.pipelines.folders import FolderRequests
from hol_wizard.practice.devops.pipelines.general_settings import GeneralSettingsRequests
from hol_wizard.practice.devops.pipelines.queues import QueueRequests
from hol_wizard.practice.devops.pipelines.scope import Scope
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.service import Router
from hol_wizard.practice.kernel.world import World


class Pipelines:
    """Handles requests about pipelines."""

    def __init__(self, world: World, router: Router, repositories: Repositories) -> None:
        scope = Scope(world)
        QueueRequests(world, router, scope)
        GeneralSettingsRequests(world, router, scope)
        FolderRequests(world, router, scope)
        DefinitionRequests(world, router, scope, repositories)
