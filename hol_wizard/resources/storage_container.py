"""A container in a storage account, created through Resource Manager, which needs no data role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import AccessDeniedError, NotFoundError, NotReadyError, ServiceError
from hol_wizard.resources import lake
from hol_wizard.resources.context import StepContext

METADATA = "hol_wizard"
"""Metadata that marks a container or a file as this lab's; its value is the profile's lab ID.

They cannot have tags, and names of metadata are C# identifiers, which contain no hyphens.
"""


@kind("storage_container", uses=("storage_account",))
@dataclass(frozen=True)
class StorageContainer(Resource[Mapping[str, Any]]):
    """A container of the environment's data lake."""

    context: StepContext
    name: str
    kind = "Container"
    usually = 1.0
    patience: ClassVar[float] = 120.0
    """A container of the same name is "being deleted" for at least 30 seconds (Delete Container)."""

    @property
    def id(self) -> str:
        """Return its Azure resource ID."""
        return f"{lake.lake_id(self.context)}/blobServices/default/containers/{self.name}"

    @property
    def where(self) -> str:
        """Return the account's name."""
        return self.context.here.storage_account

    def find(self, reads: ReadCache) -> Mapping[str, Any] | None:
        """Return its document."""
        return reads.share(("arm", self.id.lower()), lambda: self.context.services.arm.find(self.id))

    def marked(self, found: Mapping[str, Any], noted: str | None) -> bool:
        """Return whether its metadata contains the lab's ID."""
        del noted
        metadata = found.get("properties", {}).get("metadata", {})
        return self.context.is_lab_id(metadata.get(METADATA))

    def expectations(self, found: Mapping[str, Any]) -> Sequence[Expectation]:
        """Return the expectation that nobody can read it without a sign-in."""
        access = str(found.get("properties", {}).get("publicAccess") or "None")
        return (Expectation("Anonymous access", "None", access, access == "None"),)

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, with the mark."""
        del begun
        metadata = {METADATA: self.context.lab_id}
        self.context.services.arm.put(self.id, {"properties": {"publicAccess": "None", "metadata": metadata}})
        return ""

    def passes(self, error: ServiceError) -> bool:
        """Return whether the name is in use only until the old container is gone."""
        return error.code == "ContainerBeingDeleted"

    def delete(self, found: Mapping[str, Any]) -> None:
        """Delete it with all its contents."""
        del found
        self.context.services.arm.delete(self.id)

    def contents(self, found: Mapping[str, Any]) -> str:
        """Return its contents that the wizard did not create."""
        del found
        try:
            paths = self.context.services.data_lake.paths(lake.endpoint(self.context), self.name)
        except NotFoundError:
            return ""
        except NotReadyError:
            return "with all its contents, which are not visible at the moment"
        except AccessDeniedError:
            return "with all its contents, which this account may not see"
        others = [item.name for item in paths if not self.context.ledger.made(f"{self.id}/files/{item.name}")]
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        return f"with its contents: {', '.join(others[:5])}{more}" if others else ""

    def remedy(self, found: Mapping[str, Any]) -> str:
        """Return where to change the access."""
        del found
        return "In the portal: the container, Change access level, Private (no anonymous access)."
