"""vstmr.dev.azure.com and the host of artifacts' files: two hosts of Azure Pipelines besides dev.azure.com."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.devops.pipelines.artifact_requests import ContentRequests, Downloads
from hol_wizard.practice.devops.pipelines.service import TestResultsArea
from hol_wizard.practice.devops.service import Part
from hol_wizard.practice.kernel.service import Request
from hol_wizard.practice.kernel.world import World


class DevOpsTestResults(Part):
    """vstmr.dev.azure.com: the results of tests (the host of the description `testResults`)."""

    name = "devops_test_results"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        TestResultsArea(world, self.router)


class DevOpsArtifacts(Part):
    """`artprod….artifacts.visualstudio.com`: the files of pipeline artifacts."""

    name = "devops_artifacts"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._downloads = world.part(Downloads)
        ContentRequests(world, self.router)

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller; nobody for an address that is signed.

        Raises:
            Refused: Azure DevOps does not know the caller.
        """
        return None if self._downloads.is_signed(request) else super().authenticate(request)
