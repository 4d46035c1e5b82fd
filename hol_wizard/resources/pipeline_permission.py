"""The permission of one pipeline to use a protected resource, such as a service connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Result, Status
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_project import InProject
from hol_wizard.services.devops.service_connections import Permission


@dataclass(frozen=True)
class PipelinePermission(InProject[Permission]):
    """A permission; with it, a run does not wait until somebody chooses **Permit**.

    A resource that all pipelines may use needs none.
    """

    context: StepContext
    organization: str
    protected: str
    """Kind of the resource: `endpoint`, `variablegroup`, `queue` or `environment`."""
    resource: str
    """The resource's ID."""
    called: str
    """The resource's name, for messages."""
    pipeline: int
    """The pipeline's ID."""
    pipeline_name: str
    project: str = ""
    kind = "Permission"
    unmarked = "a permission carries no mark: it is the wizard's if the wizard saw its creation accepted"
    usually = 1.0

    @property
    def name(self) -> str:  # type: ignore[override]  # computed, where others have a field
        """Return the pipeline's and the resource's names."""
        return f"for {self.pipeline_name} to use {self.called}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.below(f"permissions/{self.protected}/{self.resource}/{self.pipeline}")

    def find(self, reads: ReadCache) -> Permission | None:
        """Return the resource's permissions if they include this pipeline.

        Raises:
            NotFoundError: The project, or the resource, does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("pipeline permission", self.organization, place.id, self.protected, self.resource)
        found = reads.share(key, lambda: self.client.permission(place.id, self.protected, self.resource))
        return found if found.allows(self.pipeline) else None

    def marked(self, found: Permission, noted: str | None) -> bool:
        """Return whether the service accepted this wizard's permission, and has one for this pipeline."""
        return noted is not None and self.pipeline in found.pipelines

    def create(self, begun: Callable[[str], None]) -> str:
        """Permit it."""
        del begun
        self._permit(allowed=True)
        return str(self.pipeline)

    def delete(self, found: Permission) -> None:
        """Withdraw the permission of this pipeline; that of all pipelines is somebody else's."""
        del found
        self._permit(allowed=False)

    def _permit(self, *, allowed: bool) -> None:
        place = self.enter(ReadCache())
        self.client.permit(place.id, self.protected, self.resource, self.pipeline, allowed=allowed)

    def absence(self) -> Result:
        """Return that a run will wait."""
        return Result(
            Status.FAILED,
            f"{self.pipeline_name} may not use {self.called}: its next run will wait for permission.",
            super().absence().expectations,
            "Permit it on the page of the waiting run, or <solve>.",
        )
