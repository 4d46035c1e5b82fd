"""Datastores of Azure Machine Learning workspaces: Datastores_List, _Get (machinelearning).

A new workspace comes with two containers and two file shares in its storage account, and a datastore for each
(recorded: Azure/azure-powershell, Get-AzMLWorkspaceDatastore). Only the containers are served. Secrets are write-only:
the real answers omit them. Where the workspace asks for `systemDatastoresAuthMode: identity`, its datastores have no
credentials.
"""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.machine_learning import MachineLearningWorkspaces, listed
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.storage.acl import SUPERUSER
from hol_wizard.practice.storage.lake import Lake

_TYPE = "Microsoft.MachineLearningServices/workspaces/datastores"
_SHARES = {"workspacefilestore": "azureml-filestore-{guid}", "workspaceworkingdirectory": "code-{guid}"}
_CONTAINERS = {"workspaceblobstore": "azureml-blobstore-{guid}", "workspaceartifactstore": "azureml"}
_DEFAULT = "workspaceblobstore"
_COUNT = 30
"""Default length of a page (from the description)."""


class Datastores:
    """The datastores of a new workspace; others cannot be added."""

    def __init__(self, workspaces: MachineLearningWorkspaces) -> None:
        self._workspaces = workspaces
        self._world = workspaces.world
        self._lake = self._world.part(Lake)
        workspaces.when_ready.append(self._make_containers)
        path = f"{workspaces.path}/datastores"
        add = workspaces.arm.router.add
        add(
            "GET",
            path,
            self._list,
            honors="$skip count isDefault names",
            refuses="searchText orderBy",
            ignores="orderByAsc",
        )
        add("GET", path + "/{datastore}", self._get)

    def _make_containers(self, workspace: Document) -> None:
        account = self._account(workspace)
        for name in _CONTAINERS.values():
            container = name.format(guid=workspace["guid"])
            if self._lake.file_system(account, container) is None:
                self._lake.make_file_system(account, container, SUPERUSER, {})

    def _account(self, workspace: Document) -> str:
        return str(workspace["properties"]["storageAccount"]).rpartition("/")[2]

    def _shown(self, workspace: Document, name: str) -> JsonObject:
        account, guid, default = self._account(workspace), workspace["guid"], name == _DEFAULT
        by_identity = str(workspace["properties"].get("systemDatastoresAuthMode", "")).lower() == "identity"
        if name in _CONTAINERS:
            place = {"datastoreType": "AzureBlob", "containerName": _CONTAINERS[name].format(guid=guid)}
        else:
            place = {"datastoreType": "AzureFile", "fileShareName": _SHARES[name].format(guid=guid)}
        created = timestamp(workspace["created"])
        return {
            "id": f"{workspace['id']}/datastores/{name}",
            "name": name,
            "type": _TYPE,
            "properties": {
                "description": None,
                "tags": None,
                "properties": None,
                "isDefault": default,
                "credentials": {"credentialsType": "None" if by_identity else "AccountKey"},
                "subscriptionId": workspace["subscription"] if default else None,
                "resourceGroup": workspace["group"].rpartition("/")[2] if default else None,
                **place,
                "accountName": account,
                "endpoint": seed.STORAGE_SUFFIX,
                "protocol": "https",
                "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity" if default else "None",
            },
            "systemData": {
                "createdAt": created,
                "lastModifiedAt": created,
                "lastModifiedBy": workspace["by_id"],
                "lastModifiedByType": "Application",
            },
        }

    def _list(self, request: Request) -> Response:
        workspace = self._workspaces.opened(request, "datastores/read")
        self._account_there(workspace)
        names = sorted({*_CONTAINERS, *_SHARES})
        wanted = [each for given in request.repeated("names") for each in given.split(",")]
        default = request.query.get("isdefault", "").lower()
        found = [
            self._shown(workspace, each)
            for each in names
            if (not wanted or each in wanted) and (not default or (each == _DEFAULT) == (default == "true"))
        ]
        return listed(request, found, "count", _COUNT)

    def _account_there(self, workspace: Document) -> None:
        """Refuse a request that needs the storage account if that no longer exists; the text is not recorded."""
        if self._world.part(Resources).find(workspace["properties"]["storageAccount"]) is None:
            raise errors.refused(
                400, "UserError", f"The storage account of the workspace '{workspace['name']}' was not found."
            )

    def _get(self, request: Request) -> Response:
        workspace = self._workspaces.opened(request, "datastores/read")
        name = request.match["datastore"].lower()
        if name not in {*_CONTAINERS, *_SHARES}:
            raise errors.not_found_inside(
                "DatastoreNotFound", f"Could not find datastore: {request.match['datastore']}"
            )
        return Response(200, self._shown(workspace, name))
