"""The lab's project in Azure DevOps: private, with Git and the process Agile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ledger import Entry
from hol_wizard.engine.ownership import Pending, Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Marked
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.engine.visibility import Viewer
from hol_wizard.errors import NotFoundError, UnreachableError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, organization
from hol_wizard.resources.visibility import project_viewer
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.projects import Project, Work

PROCESS: Final = "Agile"
USUALLY: Final = 15.0
"""Usual number of seconds until a new project can be used (recorded: three checks, five seconds apart)."""


@dataclass(frozen=True)
class DevOpsProject(Resource[Project]):
    """A project of an organization; its description carries the mark."""

    context: StepContext
    organization: str
    """Empty if none is chosen yet."""
    name: str
    kind = PROJECT
    mark = "mark in its description"
    usually = USUALLY
    note = f"private, Git, process {PROCESS}"
    patience: ClassVar[float] = 600.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger, which is written before the service assigns an ID."""
        return f"devops/{self.organization}/projects/{self.name}"

    @property
    def where(self) -> str:
        """Return the organization."""
        return self.organization or self.context.names.devops_organization

    @property
    def _here(self) -> DevOps:
        # If no organization is chosen, this says what to do.
        return self.context.services.devops(self.organization) if self.organization else organization(self.context)

    @property
    def viewer(self) -> Viewer:
        """Return who is signed in: Azure DevOps answers 404 for a private project of others."""
        return project_viewer(self.context, self._here)

    # Checking

    def find(self, reads: ReadCache) -> Project | None:
        """Return the one that was created, under its current name, otherwise the one of this name."""
        here, noted = self._here, self.context.ledger.detail(self.id)
        if noted and (found := here.project(noted)) is not None:
            return found
        return reads.share(("devops project", here.organization, self.name), lambda: here.project(self.name))

    def marked(self, found: Project, noted: str | None) -> bool:
        """Return whether its description has the mark and it is the recorded one, because people copy descriptions."""
        return self._carries_mark(found) and noted in {None, "", found.id}

    def _carries_mark(self, found: Project) -> bool:
        return bool(self.context.lab_id) and self.context.mark in found.description

    def identity(self, found: Project) -> str:
        """Return the project's id."""
        return found.id

    def expectations(self, found: Project) -> Sequence[Expectation]:
        """Return the expectations: the settings that are chosen at creation, and the visibility."""
        return [
            Expectation(title, expected, actual or "unknown", actual.lower() == expected.lower())
            for title, expected, actual in (
                ("Name", self.name, found.name),
                ("Version control", "Git", found.source_control),
                ("Process", PROCESS, found.process),
                ("Visibility", "private", found.visibility),
            )
            if title != "Name" or actual.lower() != expected.lower()
        ]

    def pending(self, found: Project) -> Pending | None:
        """Return whether it is being created or deleted."""
        if found.state == "deleting":
            return Pending("being deleted", deleting=True)
        return None if found.is_ready else Pending(f"being created ({found.state})")

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it with the mark in its description, wait for the operation to end, and return its ID."""
        del begun
        here = self._here
        description = f"Databricks and Azure DevOps hands-on lab. {self.context.mark}"
        self._drive(here, here.create_project(self.name, description, here.process_id(PROCESS)), "is being created")
        made = here.project(self.name)
        return made.id if made is not None else ""

    def delete(self, found: Project) -> None:
        """Delete it with everything in it, and wait for the operation to end."""
        here = self._here
        self._drive(here, here.delete_project(found), "is being deleted")

    def contents(self, found: Project) -> str:
        """Return what else is deleted."""
        del found
        return "with everything in it: code, pull requests, pipelines; Azure DevOps can restore it for 28 days"

    def _drive(self, here: DevOps, work: Work, words: str) -> None:
        """Wait until the organization says that an operation has ended, or no longer knows it.

        Raises:
            ServiceError: It failed.
            UnreachableError: It takes too long; the accepted operation continues.
        """
        reporter, deadline = self.context.reporter, time.monotonic() + self.patience
        while not _is_over(here, work):
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"{self.label} {words}, for more than {self.patience / 60:.0f} minutes.",
                    "It continues automatically: check again in a few minutes.",
                )
            reporter.progress(f"{self.label} {words}", USUALLY)
            reporter.wait(self.context.poll_interval)

    # Texts

    def absence(self) -> Result:
        """Return the result if the account sees none."""
        return Result(
            Status.FAILED,
            f"There is no project {self.name} that you can see.",
            (Expectation(PROJECT, f"{self.name} exists", "not found", met=False),),
            "Create it by hand as described, or <solve>.",
        )

    def remedy(self, found: Project) -> str:
        """Return what can be changed, and where."""
        del found
        return (
            "Version control and process cannot be changed later: choose another prefix "
            "(<step set-up/choose-your-names>), or delete this project. You can "
            "change its visibility in Project settings, Overview, Visibility."
        )


def _is_over(here: DevOps, work: Work) -> bool:
    try:
        return here.is_over(work)
    except NotFoundError:
        return True


@kind("devops_project")
def lab_project(context: StepContext) -> DevOpsProject:
    """Return the lab's project in the chosen organization."""
    chosen = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    return DevOpsProject(context, chosen, context.names.devops_project)


def made_projects(context: StepContext) -> list[DevOpsProject]:
    """Return the projects in the ledger, in any organization and under any name."""
    return [DevOpsProject(context, *place_of(entry)) for entry in context.ledger.standing() if entry.kind == PROJECT]


def place_of(entry: Entry) -> tuple[str, str]:
    """Return the organization and the name of a project or a user in the ledger."""
    _, there, _, name = entry.resource.split("/", 3)
    return there, name


def marked_projects(context: StepContext) -> list[Marked]:
    """Return the projects that carry the mark, under any name."""
    chosen = context.profile.choices.devops_organization
    if not chosen or not context.lab_id:
        return []
    return [
        Marked(PROJECT, DevOpsProject(context, chosen, each.name).id, each.name, chosen, each.id)
        for each in context.services.devops(chosen).projects()
        if context.mark in each.description and each.state != "deleting"
    ]
