"""What every resource in a repository of Azure DevOps has in common: how it is reached, and when it is gone with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.visibility import Unseen, Viewer
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, project_key
from hol_wizard.resources.visibility import devops_viewer, project_viewer, unseen
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.repositories import Repository

T = TypeVar("T")


class InRepository(Resource[T]):
    """Something in a repository."""

    context: StepContext
    organization: str
    repository: str
    """The repository's id."""

    @property
    def where(self) -> str:
        """Return the repository."""
        return self.context.names.repository

    @property
    def client(self) -> DevOps:
        """Return the client of the organization."""
        return self.context.services.devops(self.organization)

    @property
    def viewer(self) -> Viewer:
        """Return who is signed in; whoever sees the repository sees everything in it."""
        return replace(devops_viewer(self.context, self.client), is_administrator=True)

    def enter(self, reads: ReadCache) -> Repository:
        """Return the repository.

        Raises:
            NotFoundError: It is gone.
            UnseenError: It may be hidden from this account.
        """
        here, key = self.client, ("devops repository of id", self.organization, self.repository)
        found = reads.share(key, lambda: here.repository_of_id(self.repository))
        if found is None:
            if self.context.ledger.made(self.id) and (hidden := self._hidden(here)) is not None:
                raise hidden.error
            raise NotFoundError(f"The repository of the {self.kind.lower()} {self.name} is gone.", "Seed it again.")
        return found

    def branches(self, reads: ReadCache, place: Repository) -> Mapping[str, str]:
        """Return the repository's branches with their commits; read once, regardless of how many resources need it."""
        key = ("devops branches", self.organization, place.id)
        return reads.share(key, lambda: self.client.branches(place.project, place.id))

    def _hidden(self, here: DevOps) -> Unseen | None:
        """Return why it may exist although its repository was not found; None: it is gone with it.

        Its maker may have been taken out of the project since, and would not see the repository either. So it is gone
        only for who made the project, and for who sees the project and made it.
        """
        context, name = self.context, self.context.names.devops_project
        viewer, project = devops_viewer(context, here), project_key(here, name)
        place = project_viewer(context, here)
        if context.ledger.maker(project) and unseen(context, place, project, PROJECT, name, self.organization) is None:
            return None
        hidden = unseen(context, viewer, self.id, self.kind, self.name, self.organization)
        if hidden is None and here.project(name) is None:
            identity, who = context.ledger.maker(project).partition(" ")[::2]
            return Unseen(self.kind, self.name, self.organization, self.id, who or identity, viewer.name)
        return hidden
