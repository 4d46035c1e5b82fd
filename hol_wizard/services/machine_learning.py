"""Models in the registry of an Azure Machine Learning workspace, in the form in which the lab's notebook registers
them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hol_wizard.errors import AccessDeniedError, NotFoundError
from hol_wizard.services.answers import Document, unexpected
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.data_lake import DataLake

NOTE = "model.json"
"""The file that lists the others with their digests."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model."""

    number: int
    tags: Mapping[str, str]
    uri: str
    """`azureml://…/datastores/NAME/paths/PATH`."""
    created: str
    """Time of its creation, in Azure's format."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a version."""

    names: tuple[str, ...]
    wrong: tuple[str, ...]
    """Files that are missing, or differ from what was registered."""


class MachineLearning:
    """The models of workspaces, and their files."""

    def __init__(self, arm: ArmClient, data_lake: DataLake) -> None:
        self._arm = arm
        self._lake = data_lake

    def versions(self, workspace: str, model: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a model that are not archived, newest first; none if it is not registered.

        Args:
            workspace: Resource ID.
            model: Its name.

        Raises:
            ServiceError: Azure could not be asked.
        """
        path = f"{workspace}/models/{model}"
        if self._arm.find(path) is None:
            return ()
        found = []
        for each in self._arm.list(f"{path}/versions"):
            properties = each["properties"]
            tags = {str(name): str(value) for name, value in properties.inner("tags").items()}
            created = Document(each, f"model {model}").inner("systemData").text("createdAt")
            number = str(each.get("name") or "")
            if number.isdecimal():
                found.append(ModelVersion(int(number), tags, str(properties.get("modelUri") or ""), created))
        return tuple(sorted(found, key=lambda each: each.number, reverse=True))

    def files(self, workspace: str, version: ModelVersion) -> ModelFiles:
        """Return the files of a version, each compared with the digest that was registered.

        Raises:
            AccessDeniedError: The account has no role for reading the files.
            InconclusiveError: The version points to something that cannot be read here.
            ServiceError: Azure could not be asked.
        """
        endpoint, container, place = self._place(workspace, version)
        try:
            digests = self._noted(endpoint, container, place)
        except NotFoundError:
            return ModelFiles((), (NOTE,))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return ModelFiles((NOTE,), (NOTE,))
        wrong = tuple(
            name for name in sorted(digests) if not self._is(endpoint, container, f"{place}/{name}", digests[name])
        )
        return ModelFiles((*sorted(digests), NOTE), wrong)

    def digests(self, workspace: str, version: ModelVersion) -> Mapping[str, str]:
        """Return the digest with which each file of a version was registered, by its name.

        Raises:
            AccessDeniedError: The account has no role that lets it read the files.
            InconclusiveError: The version does not tell.
            ServiceError: Azure could not be asked.
        """
        try:
            return self._noted(*self._place(workspace, version))
        except (NotFoundError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise unexpected(f"model version {version.number}", f"its {NOTE} names no files") from error

    def blob_address(self, workspace: str) -> str:
        """Return the address of the blobs in the storage account of a workspace; empty if the account may not read it.

        Raises:
            ServiceError: Azure could not be asked.
        """
        storage = self._arm.get(workspace)["properties"].text("storageAccount")
        try:
            address: str = self._arm.get(storage)["properties"].object("primaryEndpoints").text("blob")
        except AccessDeniedError:
            return ""
        return address.rstrip("/")

    def _place(self, workspace: str, version: ModelVersion) -> tuple[str, str, str]:
        """Return endpoint, container and folder of a version's files."""
        found = re.fullmatch(r"azureml://.*/datastores/([^/]+)/paths/(.+)", version.uri.rstrip("/"))
        if not found:
            raise unexpected(f"model version {version.number}", f"it points to {version.uri or 'nothing'}")
        datastore = self._arm.get(f"{workspace}/datastores/{found[1]}")["properties"]
        account, container = datastore.text("accountName"), datastore.text("containerName")
        storage = self._arm.get(workspace)["properties"].text("storageAccount")
        if storage.rpartition("/")[2].lower() != account.lower():
            raise unexpected(f"datastore {found[1]}", f"it is in another storage account, {account}")
        endpoint = self._arm.get(storage)["properties"].object("primaryEndpoints").text("dfs")
        return endpoint, container, found[2]

    def _noted(self, endpoint: str, container: str, place: str) -> dict[str, str]:
        note = json.loads(self._lake.read(endpoint, container, f"{place}/{NOTE}"))
        return {str(name): str(digest) for name, digest in note["files"].items()}

    def _is(self, endpoint: str, container: str, path: str, digest: str) -> bool:
        try:
            return hashlib.sha256(self._lake.read(endpoint, container, path)).hexdigest() == digest
        except NotFoundError:
            return False
