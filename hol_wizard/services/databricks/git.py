"""Git in a Databricks workspace: credentials for a provider, Git folders, and the notebooks in them.

Paths and documents are those of databricks-sdk's `GitCredentialsAPI`, `ReposAPI` and `WorkspaceAPI`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, NamedTuple

from hol_wizard.errors import NotFoundError, ServiceError
from hol_wizard.services.databricks.sdk import needed, reading, reads
from hol_wizard.services.secrets import Secret

PROVIDER: Final = "azureDevOpsServices"
"""Azure DevOps Services, with a token or through Microsoft Entra ID (databricks-sdk, `GitCredentialsAPI.create`)."""
ENTRA_PROVIDER: Final = "azureDevOpsServicesAad"
"""Provider under which some workspaces list the link through Microsoft Entra ID (databricks/cli issue 1450)."""

_ROOT: Final = "/Workspace"


class GitCredential(NamedTuple):
    """A Git credential of the account; its token is never returned."""

    id: str
    provider: str
    user: str
    """Its user name; empty if it is linked through Microsoft Entra ID."""
    name: str
    """The name that its creator gave it, if any."""

    @property
    def for_azure_devops(self) -> bool:
        """Whether it is for Azure DevOps."""
        return is_azure_devops(self.provider)


def is_azure_devops(provider: str) -> bool:
    """Return whether a Git provider is Azure DevOps, with a token or with Microsoft Entra ID."""
    return provider.lower() in {PROVIDER.lower(), ENTRA_PROVIDER.lower()}


@dataclass(frozen=True, slots=True)
class GitFolder:
    """A Git folder: a clone of a repository in the workspace."""

    id: str
    path: str
    """With `/Workspace`, as on the workspace's pages."""
    url: str
    provider: str
    branch: str
    """Empty if it is not on a branch (but on a tag or a commit)."""
    head: str
    """The checked-out commit."""


class WorkspaceObject(NamedTuple):
    """An object in the workspace's tree."""

    id: str
    path: str
    type: str
    """`NOTEBOOK`, `DIRECTORY`, `FILE`, `REPO`, `LIBRARY` or `DASHBOARD`."""
    language: str
    """Language of a notebook: `PYTHON`."""


class DatabricksGit:
    """Git in one workspace, for the signed-in account."""

    def __init__(self, api: Callable[[Callable[[Any], Any], str], Any], sdk: ModuleType) -> None:
        """Ask nothing yet.

        Args:
            api: Creates one of the SDK's service classes from the class and the subject of the request.
            sdk: `databricks.sdk.service.workspace`.
        """
        self._api = api
        self._sdk = sdk

    # Credentials

    def credentials(self) -> tuple[GitCredential, ...]:
        """Return the account's Git credentials.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        found = self._api(self._sdk.GitCredentialsAPI, "list of Git credentials").list()
        return tuple(map(_credential, found))

    def create_credential(self, user: str, token: Secret, name: str) -> GitCredential:
        """Give the workspace a token for Azure DevOps.

        Raises:
            ConflictError: There is one for Azure DevOps, and one is all that the workspace allows.
            AccessDeniedError: Git folders are disabled.
            ServiceError: The workspace refused.
        """
        api = self._api(self._sdk.GitCredentialsAPI, "Git credential for Azure DevOps")
        made = api.create(
            PROVIDER,
            git_username=user,
            # Commits that are made in the workspace contain it.
            git_email=user if "@" in user else None,
            personal_access_token=token.reveal(),
            is_default_for_provider=True,
            name=name,
        )
        return _credential(made)

    def delete_credential(self, credential_id: str) -> None:
        """Remove a Git credential; does nothing if it no longer exists.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._api(self._sdk.GitCredentialsAPI, f"Git credential {credential_id}").delete(int(credential_id))

    # Git folders

    def folder(self, path: str) -> GitFolder | None:
        """Return the Git folder at a path, or None if there is none.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        found = self.object(path)
        return self.folder_of_id(found.id) if found is not None and found.type == "REPO" else None

    def folder_of_id(self, folder_id: str) -> GitFolder | None:
        """Return a Git folder by its ID, even if it was moved, or None.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        try:
            return _folder(self._api(self._sdk.ReposAPI, f"Git folder {folder_id}").get(int(folder_id)))
        except NotFoundError:
            return None

    def create_folder(self, url: str, path: str, credential_id: str = "") -> GitFolder:
        """Clone a repository into a new Git folder, below an existing folder.

        Args:
            url: The repository's address, without a user's name.
            path: The path, with `/Workspace`.
            credential_id: The Git credential; required if there are several (`GIT_CLI_CANNOT_CHOOSE_CREDENTIAL`). If
                empty, the workspace chooses.

        Raises:
            ConflictError: The path exists.
            AccessDeniedError: The credential is missing, or Azure DevOps does not accept it.
            NotFoundError: The credential sees no such repository.
            ServiceError: The workspace refused.
        """
        chosen = {"git_credential_id": int(credential_id)} if credential_id else {}
        return _folder(self._api(self._sdk.ReposAPI, f"Git folder {path}").create(url, PROVIDER, path=path, **chosen))

    def switch(self, folder_id: str, branch: str) -> None:
        """Switch a Git folder to a branch, at the newest commit of the remote (`Repos - Update` also pulls).

        Raises:
            ConflictError: Changes in the folder prevent this.
            NotFoundError: The remote has no such branch.
            ServiceError: The workspace refused.
        """
        self._api(self._sdk.ReposAPI, f"Git folder on branch {branch}").update(int(folder_id), branch=branch)

    def delete_folder(self, folder_id: str) -> None:
        """Remove a Git folder with its contents, but not the repository; does nothing if it no longer exists.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._api(self._sdk.ReposAPI, f"Git folder {folder_id}").delete(int(folder_id))

    # Their contents

    def object(self, path: str) -> WorkspaceObject | None:
        """Return the object at a path, or None.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        try:
            found = self._api(self._sdk.WorkspaceAPI, path).get_status(_short(path))
        except NotFoundError:
            return None
        with reading(path):
            return _object(found, path)

    def objects(self, path: str) -> tuple[WorkspaceObject, ...]:
        """Return what lies in a folder; nothing if there is no such folder.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        try:
            found = list(self._api(self._sdk.WorkspaceAPI, path).list(_short(path)))
        except NotFoundError:
            return ()
        with reading(path):
            return tuple(_object(each, path) for each in found)

    def source(self, path: str) -> str:
        """Return a notebook's source, as it would be in Git.

        Raises:
            NotFoundError: There is none.
            ServiceError: It cannot be read.
        """
        try:
            return self._export(path, self._sdk.ExportFormat.SOURCE).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ServiceError(f"The notebook {path} is not text.", "Open it in the workspace.") from error

    def content(self, found: WorkspaceObject) -> bytes:
        """Return the content of a notebook or a file, as Git would store it.

        Raises:
            NotFoundError: It is gone.
            ServiceError: It cannot be read.
        """
        formats = self._sdk.ExportFormat
        return self._export(found.path, formats.SOURCE if found.type == "NOTEBOOK" else formats.AUTO)

    def _export(self, path: str, form: Any) -> bytes:
        api = self._api(self._sdk.WorkspaceAPI, path)
        told = str(api.export(_short(path), format=form).content or "")
        try:
            return base64.b64decode(told, validate=True)
        except binascii.Error as error:
            raise ServiceError(
                f"The workspace exported {path} in another form.", "Open it in the workspace."
            ) from error


def _short(path: str) -> str:
    """Return a path in the form that the Workspace API has always accepted: without `/Workspace`."""
    return path.removeprefix(_ROOT) or "/"


def _object(told: Any, path: str) -> WorkspaceObject:
    return WorkspaceObject(
        needed(told.object_id, "object_id"),
        _long(str(told.path or path)),
        needed(_value(told.object_type), "object_type"),
        _value(told.language),
    )


def _long(path: str) -> str:
    return path if path == _ROOT or path.startswith(f"{_ROOT}/") else f"{_ROOT}{path}"


def _value(member: Any) -> str:
    return str(getattr(member, "value", None) or "")


@reads("Git credential")
def _credential(told: Any) -> GitCredential:
    credential = needed(told.credential_id, "credential_id")
    return GitCredential(credential, str(told.git_provider or ""), str(told.git_username or ""), str(told.name or ""))


@reads("Git folder")
def _folder(told: Any) -> GitFolder:
    return GitFolder(
        needed(told.id, "id"),
        _long(str(told.path or "")),
        str(told.url or ""),
        str(told.provider or ""),
        str(told.branch or ""),
        str(told.head_commit_id or ""),
    )
