"""Finds the repository and the pull request that a request is about, and checks the caller's permissions."""

from __future__ import annotations

import dataclasses
from typing import Any

from hol_wizard.practice.devops import access, bare_git, errors
from hol_wizard.practice.devops.branches import shown_commit
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.pull_requests import records
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.devops.pull_requests.records import PullRequests
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.service import JsonObject, Request, text
from hol_wizard.practice.kernel.store import Document


class Scope:
    """Finds the pull request that a request names, and updates it first."""

    def __init__(self, pulls: PullRequests, projects: Projects, repositories: Repositories) -> None:
        self._pulls = pulls
        self._projects = projects
        self._repositories = repositories

    def organization(self, request: Request) -> Organization:
        """Return the organization that a request names (`access.organization`)."""
        return access.organization(request)

    async def project(self, request: Request) -> Document:
        """Return the project of the repository that a request names.

        Raises:
            Refused: There is none, or the caller may not see it.
        """
        project = self._repositories.project(request)
        await self._repositories.use(project)
        return project

    async def only_repository(self, request: Request) -> Document:
        """Return the project that a request names, for its only repository."""
        project = self._projects.find(self.organization(request), request.who, request.match["project"])
        await self._repositories.use(project)
        return project

    async def pull(self, request: Request) -> tuple[Document, Document]:
        """Return the pull request that a request names, and its project.

        Raises:
            Refused: There is none (TF401180), or the caller may not see its repository.
        """
        organization = self.organization(request)
        if "repository" in request.match:
            project = await self.project(request)
        else:
            # By number only: it is unique in the organization.
            kept = self._pulls.numbered(organization, request.match["pull"])
            named = {**request.match, "project": request.match.get("project", kept["project"])}
            project = await self.only_repository(dataclasses.replace(request, match=named))
        pull = self._pulls.numbered(organization, request.match["pull"])
        if pull["project"] != project["id"]:
            raise records.not_found()
        return pull, project

    def pulls(self, project: Document) -> list[Document]:
        """Return the pull requests of a project's repository."""
        return self._pulls.of(self._repositories.identity(project))

    async def writable(self, request: Request) -> tuple[Document, Document]:
        """Return the pull request that a request changes, and its project.

        Raises:
            Refused: There is none, or the caller may only read (public: TF401027).
        """
        pull, project = await self.pull(request)
        self.check_contributor(request, project)
        return pull, project

    def keep(self, pull: Document) -> None:
        """Save a changed pull request."""
        self._pulls.keep(pull)

    def check_contributor(self, request: Request, project: Document) -> None:
        """Make sure that the caller may create, change and review pull requests.

        Raises:
            Refused: They may only read (public: TF401027).
        """
        if not self._repositories.may_write(self.organization(request), request.who, project):
            raise errors.needs_git_permission(request.who.client, "PullRequestContribute")

    async def commits(self, request: Request, pull: Document, project: Document) -> list[JsonObject]:
        """Return the commits of a pull request, newest first."""
        path = await self._repositories.path(project)
        told = await bare_git.run(path, "rev-list", pull["source_commit"], f"^{pull['target_commit']}")
        address = self._repositories.address(request, project)
        return [await shown_commit(path, each, address) for each in told.text.split()]

    def add_reviewer(
        self, organization: Organization, project: Document, pull: Document, given: Any, people: People
    ) -> Document:
        """Add a reviewer, and return their record.

        Raises:
            Refused: They are not in the organization, or cannot see the repository (public: 400, "is not recognized").
        """
        identity = text(given or {}, "id").lower()
        if not people.can_review(organization, project, identity):
            raise records.invalid(f"The identity {identity} is not recognized.")
        return records.enter(pull, identity, required=bool(given.get("isRequired")))

    def reviewer(
        self, request: Request, pull: Document, project: Document, kept: Document, people: People
    ) -> JsonObject:
        """Return a reviewer as the service shows them (recorded: `IdentityRefWithVote`)."""
        shown = people.shown(request, self.organization(request), kept["id"])
        del shown["descriptor"]
        address = self._repositories.address(request, project)
        return {
            "reviewerUrl": f"{address}/pullRequests/{pull['number']}/reviewers/{kept['id']}",
            "vote": kept["vote"],
            "hasDeclined": kept["declined"],
            "isRequired": kept["required"],
            "isFlagged": kept["flagged"],
            **shown,
        }
