"""Azure Machine Learning workspaces: Workspaces_CreateOrUpdate, _Get, _Delete, _List… (machinelearning).

A deletion is soft unless `forceToPurge=true` is set, also when the resource group is deleted: the name stays in use for
14 days (learn.microsoft.com/azure/machine-learning/concept-soft-delete). Meanwhile a creation is refused (public:
Azure/ResourceModules issue 3596 has the text and the code); DELETE with `forceToPurge=true` frees the name (the same
repository's `Clear-SubscriptionDeployment` and others). Recovery is not served.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, urlencode, urlsplit

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.inventory import DeletedMachineLearningWorkspaces, Resources
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given, one_of
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document

_NEEDED = {
    "storageAccount": "Microsoft.Storage/storageAccounts",
    "keyVault": "Microsoft.KeyVault/vaults",
    "applicationInsights": "microsoft.insights/components",
}
_KEPT = 14 * 24 * 3600.0
"""Seconds for which a deleted workspace keeps its name."""
_MODES = ("accesskey", "identity", "userdelegationsas")
"""How datastores are accessed (Workspaces_CreateOrUpdate, `systemDatastoresAuthMode`)."""
_POSSIBLE = {**_NEEDED, "containerRegistry": "Microsoft.ContainerRegistry/registries"}


class MachineLearningWorkspaces(ResourceType):
    """ML workspaces: 202 with `Azure-AsyncOperation` and `Location`, no body (recorded)."""

    type = "Microsoft.MachineLearningServices/workspaces"
    list_refuses = "$skip kind aiCapabilities"
    delete_honors = "forceToPurge"
    name_rule = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}")

    def __init__(self, manager: ResourceManager) -> None:
        super().__init__(manager)
        self.path = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{self.type}/{{name}}"
        """Template of a workspace's path, for resources in it."""
        self.when_ready: list[Callable[[Document], None]] = []
        """Called with each workspace that has been created."""
        self.when_removed: list[Callable[[Document], None]] = []
        """Called with each workspace that is deleted."""

    def opened(self, request: Request, right: str) -> Document:
        """Return the workspace of the path, for a request about something in it.

        Args:
            request: The request.
            right: What the caller needs: `models/read`.

        Raises:
            Refused: The caller lacks the permission, or the workspace does not exist or is not ready (that text is not
                recorded).
        """
        found = self._found(request, right)
        if found["state"] not in {"Succeeded", "Updating"}:
            raise errors.refused(409, "Conflict", f"The workspace '{found['name']}' is in state {found['state']}.")
        return found

    def ready(self, resource: Document) -> None:
        """Create the contents of a new workspace."""
        for told in self.when_ready:
            told(resource)

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule; the text is not recorded."""
        return errors.refused(
            400,
            "BadRequest",
            f"Workspace name '{name}' is invalid. It must be between 3 and 33 characters in length. The first "
            "character has to be alphanumeric, and the rest may contain hyphens and underscores.",
        )

    def held(self, identity: str) -> Refused | None:
        """Return the error for the name of a workspace that is only soft-deleted."""
        deleted = self.world.part(DeletedMachineLearningWorkspaces).find(identity)
        if deleted is None or deleted["deleted"] + _KEPT <= self.world.clock.now():
            return None
        return errors.refused(
            400, "BadRequest", "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"
        )

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body; the resources that the workspace depends on must exist."""
        wanted = given(body, "properties")
        identity = str(given(body, "identity").get("type", ""))
        if "systemassigned" not in identity.lower():
            raise errors.refused(400, "BadRequest", "Missing identity: a system-assigned identity is needed.")
        resource["identity"] = {
            "type": "SystemAssigned",
            "principalId": seed.fixed_id(f"identity of {resource['guid']}"),
            "tenantId": seed.TENANT,
        }
        resource["sku"] = {"name": str(given(body, "sku").get("name", "Basic")), "tier": "Basic"}
        resource["kind"] = str(body.get("kind") or "Default")
        missing = [name for name in _NEEDED if not wanted.get(name)]
        if missing:
            raise errors.refused(
                400, "BadRequest", f"Missing dependent resources in workspace json: {', '.join(missing)}."
            )
        for name, resource_type in _POSSIBLE.items():
            if wanted.get(name):
                self._need(str(wanted[name]), resource_type, name)
        resource["properties"] = {
            "friendlyName": str(wanted.get("friendlyName") or resource["name"]),
            "description": str(wanted.get("description") or ""),
            **{name: str(wanted[name]) for name in _POSSIBLE if wanted.get(name)},
        }
        if wanted.get("systemDatastoresAuthMode") is not None:
            mode = one_of(wanted["systemDatastoresAuthMode"], _MODES, "systemDatastoresAuthMode")
            resource["properties"]["systemDatastoresAuthMode"] = mode

    def _need(self, identity: str, resource_type: str, name: str) -> None:
        """Refuse a resource that does not exist, is not ready, or cannot be used; the texts are not recorded."""
        found = self.world.part(Resources).find(identity)
        if found is None or found["type"].lower() != resource_type.lower():
            parts = identity.split("/")
            group = parts[4] if len(parts) > 4 else ""
            raise errors.resource_not_found(resource_type, parts[-1], group)
        if found["state"] != "Succeeded":
            raise errors.refused(
                400, "BadRequest", f"The {name} '{found['name']}' is in state {found['state']}, not Succeeded."
            )
        if found["properties"].get("isHnsEnabled"):
            raise errors.refused(
                400,
                "BadRequest",
                f"The storage account '{found['name']}' has hierarchical namespace enabled, which is not supported "
                "for the workspace's default storage account.",
            )

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Change names and descriptions; of the dependencies, only the registry can be changed."""
        wanted, properties = given(body, "properties"), resource["properties"]
        for name in _NEEDED:
            if wanted.get(name) and str(wanted[name]).lower() != properties[name].lower():
                raise errors.refused(400, "BadRequest", f"The property '{name}' of a workspace cannot be changed.")
        if wanted.get("containerRegistry"):
            self._need(str(wanted["containerRegistry"]), _POSSIBLE["containerRegistry"], "containerRegistry")
            properties["containerRegistry"] = str(wanted["containerRegistry"])
        for name in ("friendlyName", "description"):
            if wanted.get(name) is not None:
                properties[name] = str(wanted[name])

    def _polls(self, resource: Document) -> str:
        return (
            f"/subscriptions/{resource['subscription']}/providers/Microsoft.MachineLearningServices/locations/"
            f"{resource['location']}/workspaceOperationsStatus"
        )

    def _accepted(self, address: str) -> Response:
        headers = {"Location": f"{address}&type=location", "Azure-AsyncOperation": f"{address}&type=async"}
        return Response(202, headers={**headers, **self.world.clock.retry_headers()})

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 202 without a body."""
        return self._accepted(self.begin(request, resource, "create", Style.STATUS, self._polls(resource)))

    def unmake(self, request: Request, resource: Document) -> Response:
        """Respond 202 without a body."""
        resource["purged"] = _purges(request) or resource.get("purged", False)
        return self._accepted(self.begin_delete(request, resource, Style.STATUS, self._polls(resource)))

    def remove(self, resource: Document, when: float) -> None:
        """Soft-delete the workspace, unless the request asks to purge it."""
        super().remove(resource, when)
        for told in self.when_removed:
            told(resource)
        if not resource.get("purged"):
            self.world.part(DeletedMachineLearningWorkspaces).keep({"id": resource["id"], "deleted": when})

    def purge(self, request: Request, identity: str) -> None:
        """Release the name of a workspace that is soft-deleted."""
        if _purges(request):
            self.world.part(DeletedMachineLearningWorkspaces).remove(identity)

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` in the recorded format."""
        region, guid = resource["location"], resource["guid"]
        tracking = self.world.addresses["machine_learning"]
        return {
            **resource["properties"],
            "hbiWorkspace": False,
            "tenantId": seed.TENANT,
            "imageBuildCompute": None,
            "provisioningState": resource["state"],
            "v1LegacyMode": False,
            "softDeleteEnabled": False,
            "creationTime": timestamp(resource["created"]),
            "notebookInfo": {
                "resourceId": guid.replace("-", ""),
                "fqdn": f"ml-{resource['name'][:15]}-{region}-{guid}.{region}.notebooks.practice.invalid",
                "isPrivateLinkEnabled": False,
                "notebookPreparationError": None,
            },
            "storageHnsEnabled": False,
            "workspaceId": guid,
            "privateLinkCount": 0,
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"{tracking}/discovery",
            "mlFlowTrackingUri": f"azureml://{urlsplit(tracking).netloc}/mlflow/v1.0{resource['id']}",
            "enableDataIsolation": False,
        }

    def shown(self, resource: Document) -> JsonObject:
        """Return who created it."""
        return {"systemData": self.system_data(resource)}


def _purges(request: Request) -> bool:
    return request.query.get("forcetopurge", "").lower() == "true"


def listed(request: Request, found: list[JsonObject], size: str, page: int) -> Response:
    """Return a page of a list as this provider does: `nextLink` continues with `$skip`.

    Args:
        request: The request.
        found: The whole list.
        size: The query parameter for the length of a page; empty if there is none.
        page: The default length.

    Raises:
        Refused: One of them is not a number.
    """
    try:
        start, most = int(request.query.get("$skip") or 0), int(request.query.get(size.lower()) or page)
        if start < 0 or most < 1:
            raise ValueError("a page begins in the list, and is not empty")
    except ValueError as error:
        raise errors.refused(400, "UserError", f"The value of $skip or {size} is invalid.") from error
    body: JsonObject = {"value": found[start : start + most]}
    if start + most < len(found):
        query = [(name, value) for name, value in request.pairs if name.lower() != "$skip"]
        query.append(("$skip", str(start + most)))
        body["nextLink"] = f"{request.base}{quote(request.path)}?{urlencode(query)}"
    return Response(200, body)
