"""What every resource in the lab's Azure DevOps project has in common: how it is reached, and when it is gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Marked
from hol_wizard.engine.visibility import Unseen, Viewer
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, project_key
from hol_wizard.resources.visibility import devops_viewer, project_viewer, unseen
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.projects import Project

T = TypeVar("T")


class Described(Protocol):
    """Something that a service returns with an ID and a description."""

    @property
    def id(self) -> int | str:
        """Its ID in the project."""

    @property
    def description(self) -> str:
        """Text that its creator has given."""


D = TypeVar("D", bound=Described)


class InProject(Resource[T]):
    """Something in the lab's project.

    Azure DevOps shows service connections and variable groups only to those who have a role on them, so one that the
    viewer did not create may exist although it is not found.
    """

    context: StepContext
    organization: str
    project: str
    """Name of the project; empty for the lab's current one."""

    @property
    def place(self) -> str:
        """Return the project's name."""
        return self.project or self.context.names.devops_project

    @property
    def where(self) -> str:
        """Return the project."""
        return self.place

    @property
    def client(self) -> DevOps:
        """Return the client of the organization."""
        return self.context.services.devops(self.organization)

    @property
    def viewer(self) -> Viewer:
        """Return who is signed in."""
        return devops_viewer(self.context, self.client)

    def below(self, path: str) -> str:
        """Return an ID in the ledger, below that of the project."""
        return f"{project_key(self.client, self.place)}/{path}"

    def enter(self, reads: ReadCache) -> Project:
        """Return the project.

        Raises:
            NotFoundError: It does not exist, or is gone.
            UnseenError: It may be hidden from this account.
        """
        here, name = self.client, self.place
        found = reads.share(("devops project", here.organization, name), lambda: here.project(name))
        if found is None:
            if self.context.ledger.made(self.id) and (hidden := self._hidden(here)) is not None:
                raise hidden.error
            raise NotFoundError(
                f"There is no project {name}, or you may not see it.", "<first devops-project/create-the-project>."
            )
        return found

    def _hidden(self, here: DevOps) -> Unseen | None:
        """Return why it may exist although its project was not found; None: it is gone with the project.

        Who made neither the project nor this may have been taken out of the project since.
        """
        context, name = self.context, self.place
        project = project_key(here, name)
        if context.ledger.maker(project):
            return unseen(context, project_viewer(context, here), project, PROJECT, name, self.organization)
        identity, who = context.ledger.maker(self.id).partition(" ")[::2]
        viewer = devops_viewer(context, here)
        return Unseen(self.kind, self.name, self.organization, self.id, who or identity, viewer.name)


class DescribedInProject(InProject[D]):
    """Something in the lab's project whose description is the mark."""

    mark = "mark in its description"

    def marked(self, found: D, noted: str | None) -> bool:
        """Return whether its description has the mark and it is the recorded one, because people copy descriptions."""
        return self.context.is_mark(found.description) and noted in {None, "", self.identity(found)}

    def identity(self, found: D) -> str:
        """Return its ID."""
        return str(found.id)


def marked(context: StepContext, make: Callable[[StepContext], InProject[T]]) -> Sequence[Marked]:
    """Return what carries the mark; nothing if no organization is chosen.

    Args:
        context: The step's context.
        make: Returns the resource of the lab's current project.
    """
    return ownership.marked(make(context)) if context.profile.choices.devops_organization else ()


def noted(context: StepContext, kind: str) -> list[tuple[str, str, str]]:
    """Return what this step created, according to the ledger; it may be gone.

    Of each, the organization, the project, and what is below its kind in its ID (`InProject.below`).
    """
    found = []
    for resource in context.ledger.made_by(context.target, kind):
        _, organization, _, project, _, name = resource.split("/", 5)
        found.append((organization, project, name))
    return found
