"""Projects of an Azure DevOps organization, and the operations that create and delete them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hol_wizard.errors import NotFoundError, ServiceError
from hol_wizard.services.answers import Document, rows
from hol_wizard.services.devops.connection import Connection, named
from hol_wizard.services.rest import json_object

READY: Final = "wellFormed"
"""State of a project that can be used (Projects - Get, `state`)."""
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Project:
    """A project of an organization."""

    id: str
    name: str
    state: str
    """`wellFormed` if it can be used; `new`, `createPending` or `deleting` in between."""
    source_control: str = ""
    """`Git` or `Tfvc`."""
    process: str = ""
    """Name of its process: `Agile`."""
    visibility: str = ""
    description: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it can be used."""
        return self.state == READY


def references(project: Project, name: str, description: str) -> list[dict[str, Any]]:
    """Return what says that a service connection or a variable group belongs to a project, and its name there."""
    reference = {"id": project.id, "name": project.name}
    return [{"name": name, "description": description, "projectReference": reference}]


@dataclass(frozen=True, slots=True)
class Work:
    """An operation in an organization."""

    id: str
    url: str


class Projects(Connection):
    """An organization's projects."""

    def project(self, name: str) -> Project | None:
        """Return a project by its name or ID, or None."""
        try:
            return _project(self._get(f"/projects/{quote(name)}", name, includeCapabilities="true"))
        except NotFoundError:
            return None

    def projects(self) -> list[Project]:
        """Return all projects that the caller may see, in any state."""

        def read(skipped: int) -> Document:
            more = {"$top": str(_PAGE), "$skip": str(skipped)}
            return self._get("/projects", "the projects", stateFilter="all", **more)

        return [_project(each) for each in rows(read, _PAGE, "id")]

    def was_deleted(self, identity: str) -> bool:
        """Return whether the organization itself says that a project was deleted; it keeps those for 28 days.

        It shows only those that the caller may see. So does `project`, which cannot distinguish hidden ones.
        """
        page = self._get("/projects", "the deleted projects", stateFilter="deleted")
        return any(str(each["id"]).lower() == identity.lower() for each in page.objects("value"))

    def process_id(self, name: str) -> str:
        """Return the id of a process.

        Raises:
            NotFoundError: The organization has none of this name.
        """
        found = named(self._get("/process/processes", "the processes"), name)
        if found is not None:
            return str(found["id"])
        raise NotFoundError(
            f"The organization {self.organization} has no process {name}.",
            "Ask an administrator of the organization: Organization settings, Boards, Process.",
        )

    def create_project(self, name: str, description: str, process_id: str) -> Work:
        """Start the creation of a private project with Git.

        Raises:
            ConflictError: There is one of this name.
            AccessDeniedError: The caller may not create projects.
        """
        body = {
            "name": name,
            "description": description,
            "visibility": "private",
            "capabilities": {
                "versioncontrol": {"sourceControlType": "Git"},
                "processTemplate": {"templateTypeId": process_id},
            },
        }
        return _work(json_object(self._send("POST", "/projects", f"the project {name}", body), self.url))

    def delete_project(self, project: Project) -> Work:
        """Start the deletion of a project with everything in it."""
        return _work(json_object(self._send("DELETE", f"/projects/{project.id}", project.name), self.url))

    def is_over(self, work: Work) -> bool:
        """Return whether an operation has succeeded.

        Raises:
            NotFoundError: The organization does not know of it.
            ServiceError: It has failed.
        """
        found = self._get(f"/operations/{work.id}", "the operation")
        status = str(found["status"])
        if status in {"failed", "cancelled"}:
            said = str(found.get("detailedMessage") or found.get("resultMessage") or status)
            raise ServiceError(f"Azure DevOps did not do it: {said}", "Try again.", code=status)
        return status == "succeeded"


def _project(document: Document) -> Project:
    capabilities = document.inner("capabilities")
    return Project(
        str(document["id"]),
        str(document["name"]),
        str(document.get("state") or ""),
        str(capabilities.inner("versioncontrol").get("sourceControlType") or ""),
        str(capabilities.inner("processTemplate").get("templateName") or ""),
        str(document.get("visibility") or ""),
        str(document.get("description") or ""),
    )


def _work(document: Document) -> Work:
    return Work(str(document["id"]), str(document.get("url") or ""))
