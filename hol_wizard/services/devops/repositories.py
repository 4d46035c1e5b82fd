"""Git repositories of an Azure DevOps organization, through its API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from hol_wizard.errors import NotFoundError
from hol_wizard.services.answers import Document
from hol_wizard.services.devops.connection import Connection
from hol_wizard.services.secrets import Secret

HEADS: Final = "refs/heads/"
"""Before the name of a branch in the name of its ref."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository of a project."""

    id: str
    name: str
    default_branch: str
    """`main`, without `refs/heads/`; empty while there is no branch."""
    remote_url: str
    """Its address for git, below the organization's current address.

    The service's `remoteUrl` has a user name before the host and, in an organization that has not moved, the old host
    (recorded: `….visualstudio.com`).
    """
    is_disabled: bool = False
    project: str = ""
    """Id of its project."""


class Repositories(Connection):
    """The repositories of an organization's projects."""

    def authorization(self) -> Secret:
        """Return the value of the `Authorization` header for git."""
        return self._rest.authorization()

    def repository(self, project: str, name: str) -> Repository | None:
        """Return a repository of a project by its name or ID; None if there is none, or if the caller may not see
        it."""
        try:
            found = self._get(f"/git/repositories/{quote(name)}", name, below=project)
        except NotFoundError:
            return None
        return _repository(found, f"{self.url}/{quote(project)}/_git/{quote(str(found['name']))}")

    def repository_of_id(self, identity: str) -> Repository | None:
        """Return a repository by its ID, in any project; None if there is none, or if the caller may not see it."""
        try:
            found = self._get(f"/git/repositories/{quote(identity)}", f"the repository {identity}")
        except NotFoundError:
            return None
        return self._of_list(found)

    def _of_list(self, found: Document) -> Repository:
        project = quote(str(found.object("project")["name"]))
        return _repository(found, f"{self.url}/{project}/_git/{quote(str(found['name']))}")

    def repositories(self) -> list[Repository]:
        """Return the repositories of all projects that the caller may see."""
        return list(map(self._of_list, self._get("/git/repositories", "the repositories").objects("value")))

    def paths(self, project: str, repository: Repository) -> frozenset[str]:
        """Return the paths of all files on the default branch: `Project_One/score.py`; none if it is empty."""
        if not repository.default_branch:
            return frozenset()
        query = {"recursionLevel": "Full", "scopePath": "/", "versionDescriptor.version": repository.default_branch}
        path = f"/git/repositories/{quote(repository.id)}/items"
        found = self._get(path, repository.name, below=project, **query).objects("value")
        return frozenset(str(each["path"]).lstrip("/") for each in found if not each.get("isFolder"))

    def text(self, project: str, repository: Repository, path: str, commit: str = "") -> str:
        """Return the text of a file.

        Args:
            project: Name or ID.
            repository: The repository.
            path: From its root.
            commit: Full ID of a commit; empty: the newest of the default branch.

        Raises:
            NotFoundError: There is no such file.
        """
        query = {"path": path, "includeContent": "true", "$format": "json"}
        query["versionDescriptor.version"] = commit or repository.default_branch
        query["versionDescriptor.versionType"] = "commit" if commit else "branch"
        found = self._get(f"/git/repositories/{quote(repository.id)}/items", path, below=project, **query)
        return str(found["content"])

    def branches(self, project: str, repository_id: str) -> dict[str, str]:
        """Return the branches of a repository, without `refs/heads/`, with their commits."""
        path = f"/git/repositories/{quote(repository_id)}/refs"
        found = self._get(path, "the branches", below=project, filter="heads/").objects("value")
        return {str(each["name"]).removeprefix(HEADS): str(each["objectId"]) for each in found}

    def distance(self, project: str, repository_id: str, branch: str, commit: str) -> tuple[int, int] | None:
        """Return how many commits a branch has that a commit has not, and the other way round (Git - Stats, Get).

        None: the repository has no such branch or commit.
        """
        query = {
            "name": branch,
            "baseVersionDescriptor.version": commit,
            "baseVersionDescriptor.versionType": "commit",
        }
        path = f"/git/repositories/{quote(repository_id)}/stats/branches"
        try:
            found = self._get(path, f"the branch {branch}", below=project, **query)
        except NotFoundError:
            return None
        return found.required_number("aheadCount"), found.required_number("behindCount")

    def blobs(
        self, project: str, repository_id: str, version: str, folder: str = "/", *, of: str = "branch"
    ) -> dict[str, str]:
        """Return git's IDs of the files below a folder, by path: `Project_One/score.py`.

        Args:
            project: Its name.
            repository_id: ID of the repository.
            version: A branch, or the full ID of a commit.
            folder: The folder.
            of: What `version` is: `branch` or `commit`.

        Raises:
            NotFoundError: There is no such version, or no such folder in it.
        """
        query = {
            "recursionLevel": "Full",
            "scopePath": folder,
            "versionDescriptor.version": version,
            "versionDescriptor.versionType": of,
        }
        path = f"/git/repositories/{quote(repository_id)}/items"
        found = self._get(path, folder, below=project, **query).objects("value")
        return {str(each["path"]).lstrip("/"): str(each["objectId"]) for each in found if not each.get("isFolder")}


def _repository(document: Document, url: str) -> Repository:
    return Repository(
        str(document["id"]),
        str(document["name"]),
        str(document.get("defaultBranch") or "").removeprefix(HEADS),
        url,
        bool(document.get("isDisabled")),
        str(document.inner("project").get("id") or ""),
    )
