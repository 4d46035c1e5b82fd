"""What a cloud's Resource Manager says about the cloud, without authentication: `GET /metadata/endpoints`.

Azure CLI (`ARM_CLOUD_METADATA_URL`) and azureml-mlflow (`_common/_cloud/cloud.py`) read it; the fields are those that
they read from https://management.azure.com/metadata/endpoints?api-version=2019-05-01.
"""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.arm.manager import METADATA, ResourceManager
from hol_wizard.practice.kernel.service import Request, Response


class Metadata:
    """The addresses of this cloud, under the name `practice`."""

    def __init__(self, manager: ResourceManager) -> None:
        self._world = manager.world
        manager.router.add("GET", METADATA, self._get)

    def _get(self, request: Request) -> Response:
        del request
        addresses = self._world.addresses
        management = seed.AUDIENCES["management"]
        cloud = {
            "name": "practice",
            "portal": f"{addresses['resource_manager']}/portal",
            "authentication": {
                "loginEndpoint": addresses["active_directory"],
                "audiences": [management, "https://management.azure.com/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "graphAudience": seed.AUDIENCES["graph"],
            "microsoftGraphResourceId": seed.AUDIENCES["graph"],
            "resourceManager": addresses["resource_manager"],
            "suffixes": {
                "storage": seed.STORAGE_SUFFIX,
                "keyVaultDns": seed.KEY_VAULT_SUFFIX.removeprefix("."),
                "acrLoginServer": seed.REGISTRY_SUFFIX,
            },
        }
        return Response(200, [cloud])
