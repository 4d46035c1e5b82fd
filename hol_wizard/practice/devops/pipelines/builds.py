"""Builds: what was queued by whom at which commit. How their runs go is known to the orchestration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipelines.scope import BUILD, Place
from hol_wizard.practice.kernel.service import Refused
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import RunKey

REASONS: Final = (
    "none",
    "manual",
    "individualCI",
    "batchedCI",
    "schedule",
    "scheduleForced",
    "userCreated",
    "validateShelveset",
    "checkInShelveset",
    "pullRequest",
    "buildCompletion",
    "resourceTrigger",
    "triggered",
    "all",
)
USER_CREATED: Final = frozenset({"manual", "individualCI", "batchedCI", "schedule", "userCreated"})
TRIGGERED: Final = frozenset(
    {"individualCI", "batchedCI", "schedule", "pullRequest", "buildCompletion", "resourceTrigger"}
)
"""Reasons that the flags `userCreated` and `triggered` contain: an estimate (`BuildReason`)."""


@dataclass(frozen=True, slots=True)
class Queued:
    """What a build is queued with."""

    definition: int
    revision: int
    branch: str
    """`refs/heads/main`."""
    commit: str
    by: str
    """Object ID of who queued it."""
    requested_for: str
    reason: str = "manual"
    queue: int = 0
    parameters: str | None = None
    """Variables as JSON text, as they were sent."""
    template_parameters: Mapping[str, Any] = field(default_factory=dict)
    priority: str = "normal"
    pull: int = 0
    """Number of the pull request that it validates."""
    trigger: Mapping[str, str] = field(default_factory=dict)
    """`triggerInfo`: `ci.sourceSha`, `pr.number`."""
    changes_from: str = ""
    """The commit before the push that started it."""


class Builds(NumberedRegister):
    """The builds of every organization; IDs are unique in an organization."""

    collection = "devops_builds"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._files = world.folder("pipeline-files")

    def key(self, document: Document) -> str:
        """Return the key of a build."""
        return f"{document['organization']}/{document['id']}"

    def of(self, place: Place, *, deleted: bool = False) -> list[Document]:
        """Return the builds of a project in the order of queueing."""
        found = [each for each in self.all() if each["project"] == place.id]
        return [each for each in found if deleted or each["deleted"] is None]

    def add(self, place: Place, number: int, queued: Queued) -> Document:
        """Save a new build, and return it."""
        build: Document = {
            "id": number,
            "organization": place.organization.name,
            "project": place.id,
            "queued": self._world.clock.now(),
            "changed": None,
            "changed_by": queued.by,
            "properties": {},
            "keep": False,
            "deleted": None,
            "quality": None,
            **asdict(queued),
        }
        self.keep(build)
        return build

    def numbered(self, place: Place, number: int) -> Document | None:
        """Return a build of a project by its ID, also a deleted one, or None."""
        found = self.find(f"{place.organization.name}/{number}")
        return found if found is not None and found["project"] == place.id else None

    def get(self, place: Place, number: int) -> Document:
        """Return a build of a project by its ID.

        Raises:
            Refused: There is none.
        """
        found = self.numbered(place, number)
        if found is None or found["deleted"] is not None:
            raise not_found(number)
        return found

    def of_run(self, key: RunKey) -> Document | None:
        """Return the build of a run, or None."""
        for each in self.all():
            if (each["project"], each["id"]) == (key.project, key.run):
                return each
        return None

    def folder(self, key: RunKey, *parts: str) -> Path:
        """Return a folder for files that belong to a run; it may not exist yet."""
        return self._files.joinpath(key.project, str(key.run), *parts)


def run_key(build: Document) -> RunKey:
    """Return the run of a build."""
    return RunKey(build["project"], int(build["definition"]), int(build["id"]))


def not_found(number: object) -> Refused:
    """Return the error for a build that does not exist (public: "The requested build 139106 could not be found.")."""
    message = f"The requested build {number} could not be found."
    return errors.refused(404, message, "BuildNotFoundException", BUILD)
