"""Storage accounts: StorageAccounts_Create, _GetProperties, _Delete, _List…, _CheckNameAvailability; their containers:
BlobServices_GetServiceProperties, BlobContainers_Create, _Get, _List, _Update, _Delete (storage).
"""

from __future__ import annotations

import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.manager import PAGED, ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given, one_of
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.storage.acl import SUPERUSER
from hol_wizard.practice.storage.lake import NAME_RULE, Lake

_SKUS = (
    "Standard_LRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_ZRS",
    "Standard_GZRS",
    "Standard_RAGZRS",
    "Premium_LRS",
    "Premium_ZRS",
)
_KINDS = ("StorageV2", "BlobStorage", "BlockBlobStorage", "FileStorage", "Storage")
_TIERS = ("Hot", "Cool", "Cold", "Smart", "Premium")
_TLS = ("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3")
_FIXED = ("isHnsEnabled", "isNfsV3Enabled")
_FREE = (
    "supportsHttpsTrafficOnly",
    "allowBlobPublicAccess",
    "allowSharedKeyAccess",
    "publicNetworkAccess",
    "networkAcls",
    "defaultToOAuthAuthentication",
    "allowCrossTenantReplication",
)


class StorageAccounts(ResourceType):
    """Storage accounts. Creation is 202 with `Location` (29 of 40 recordings), deletion 200 at once."""

    type = "Microsoft.Storage/storageAccounts"
    name_rule = re.compile(r"[a-z0-9]{3,24}")
    remains_when_failed = False

    def __init__(self, manager: ResourceManager) -> None:
        super().__init__(manager)
        manager.router.add(
            "POST", "/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability", self._available
        )
        self.lake = self.world.part(Lake)
        blobs = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{self.type}/{{name}}/blobServices"
        manager.router.add("GET", blobs + "/default", self._blob_service)
        manager.router.add(
            "GET",
            blobs + "/default/containers",
            self._list_containers,
            honors=PAGED,
            refuses="$maxpagesize $filter $include",
        )
        manager.router.add("GET", blobs + "/default/containers/{container}", self._get_container)
        manager.router.add("PUT", blobs + "/default/containers/{container}", self._put_container)
        manager.router.add("PATCH", blobs + "/default/containers/{container}", self._patch_container)
        manager.router.add("DELETE", blobs + "/default/containers/{container}", self._delete_container)

    def _available(self, request: Request) -> Response:
        subscription = self.arm.subscription(request)
        self.arm.require(request, "Microsoft.Storage/checknameavailability/read", f"/subscriptions/{subscription.id}")
        name = str(request.json.get("name", ""))
        if not self.name_rule.fullmatch(name):
            return _unavailable("AccountNameInvalid", self.name_refused(name))
        taken = self.taken(name)
        return _unavailable("AlreadyExists", taken) if taken else Response(200, {"nameAvailable": True})

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule."""
        return errors.refused(
            400,
            "AccountNameInvalid",
            f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in "
            "length and use numbers and lowercase letters only.",
        )

    def taken(self, name: str) -> Refused | None:
        """Return the error for a name that is in use."""
        if not self.name_is_taken(name):
            return None
        return errors.refused(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")

    def busy(self, resource: Document) -> Refused:
        """Return the error for a change while another one is in progress."""
        return errors.refused(
            409,
            "StorageAccountOperationInProgress",
            "An operation is currently performing on this storage account that requires exclusive access.",
        )

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body."""
        sku = one_of(given(body, "sku").get("name"), _SKUS, "sku")
        resource["sku"] = {"name": sku, "tier": sku.partition("_")[0]}
        resource["kind"] = one_of(body.get("kind"), _KINDS, "kind")
        wanted = given(body, "properties")
        resource["properties"] = {
            # "TLS default is still 1.0 if unset" (lab/steps.md A3).
            "minimumTlsVersion": "TLS1_0",
            "allowBlobPublicAccess": False,
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {
                "bypass": "AzureServices",
                "virtualNetworkRules": [],
                "ipRules": [],
                "defaultAction": "Allow",
            },
        }
        if resource["kind"] in {"StorageV2", "BlobStorage"}:
            resource["properties"]["accessTier"] = "Hot"
        for name in _FIXED:
            if wanted.get(name) is not None:
                resource["properties"][name] = bool(wanted[name])
        self._take(wanted, resource)

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the allowed changes."""
        wanted = given(body, "properties")
        for name in _FIXED:
            if wanted.get(name) is not None and bool(wanted[name]) != resource["properties"].get(name, False):
                raise errors.refused(
                    409,
                    "AccountPropertyCannotBeUpdated",
                    f"The property '{name}' was specified in the input, but it cannot be updated as it is read-only. "
                    "For more information, see - https://aka.ms/storageaccountupdate",
                )
        if body.get("kind") is not None and one_of(body["kind"], _KINDS, "kind") != resource["kind"]:
            raise errors.refused(
                409,
                "AccountPropertyCannotBeUpdated",
                "The property 'kind' was specified in the input, but it cannot be updated.",
            )
        if body.get("sku") is not None:
            sku = one_of(given(body, "sku").get("name"), _SKUS, "sku")
            resource["sku"] = {"name": sku, "tier": sku.partition("_")[0]}
        self._take(wanted, resource)

    def _take(self, wanted: JsonObject, resource: Document) -> None:
        properties = resource["properties"]
        if wanted.get("accessTier") is not None:
            properties["accessTier"] = one_of(wanted["accessTier"], _TIERS, "accessTier")
        if wanted.get("minimumTlsVersion") is not None:
            properties["minimumTlsVersion"] = one_of(wanted["minimumTlsVersion"], _TLS, "minimumTlsVersion")
        for name in _FREE:
            if wanted.get(name) is not None:
                properties[name] = wanted[name]

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 202 without a body; the last poll returns the account."""
        path = f"/subscriptions/{resource['subscription']}/providers/Microsoft.Storage/locations/{resource['location']}"
        address = self.begin(request, resource, "create", Style.RESOURCE, path + "/asyncoperations")
        headers = {"Location": address.replace("?", "?monitor=true&"), **self.world.clock.retry_headers()}
        return Response(202, headers=headers, content_type="text/plain; charset=utf-8")

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` in the recorded format."""
        created = timestamp(resource["created"])
        enabled = {"keyType": "Account", "enabled": True, "lastEnabledTime": created}
        name = resource["name"]
        services = {each: f"https://{name}.{each}.{seed.STORAGE_SUFFIX}/" for each in ("web", "queue", "table", "file")}
        for each in ("dfs", "blob"):
            services[each] = f"{self.world.addresses[f'storage_{each}']}/{name}/"
        return {
            "keyCreationTime": {"key1": created, "key2": created},
            "privateEndpointConnections": [],
            **resource["properties"],
            "encryption": {"services": {"file": enabled, "blob": enabled}, "keySource": "Microsoft.Storage"},
            "provisioningState": resource["state"],
            "creationTime": created,
            "primaryEndpoints": services,
            "primaryLocation": resource["location"],
            "statusOfPrimary": "available",
        }

    def remove(self, resource: Document, when: float) -> None:
        """Delete the account and all its files."""
        super().remove(resource, when)
        self.lake.forget_account(resource["name"])

    def _blob_service(self, request: Request) -> Response:
        account, _ = self._container_place(request, "blobServices/read")
        return Response(
            200,
            {
                "sku": account["sku"],
                "id": f"{account['id']}/blobServices/default",
                "name": "default",
                "type": f"{self.type}/blobServices",
                "properties": {
                    "cors": {"corsRules": []},
                    "deleteRetentionPolicy": {"allowPermanentDelete": False, "enabled": False},
                },
            },
        )

    def _container_place(self, request: Request, right: str) -> tuple[Document, str]:
        """Return the account and the container's name, once the caller's permission has been checked."""
        account, name = self._found(request, "read"), request.match.get("container", "")
        scope = f"{account['id']}/blobServices/default" + (f"/containers/{name}" if name else "")
        self.arm.require(request, f"{self.type}/{right}", scope)
        if account["state"] != "Succeeded":
            raise self.busy(account)
        return account, name

    def _container(self, request: Request, right: str) -> tuple[Document, Document]:
        account, name = self._container_place(request, f"blobServices/containers/{right}")
        found = self.lake.file_system(account["name"], name)
        if found is None:
            raise errors.refused(404, "ContainerNotFound", "The specified container does not exist.")
        return account, found

    def _list_containers(self, request: Request) -> Response:
        account, _ = self._container_place(request, "blobServices/containers/read")
        return self.arm.page(request, [self._shown_container(account, each) for each in self.lake.of(account["name"])])

    def _get_container(self, request: Request) -> Response:
        account, found = self._container(request, "read")
        return Response(200, self._shown_container(account, found), {"ETag": f'"{found["etag"]}"'})

    def _put_container(self, request: Request) -> Response:
        """Create a container, or return the existing one; the response for a new one is short (recorded)."""
        account, name = self._container_place(request, "blobServices/containers/write")
        if not 3 <= len(name) <= 63:
            raise errors.refused(
                400, "OutOfRangeInput", "The specified resource name length is not within the permissible limits."
            )
        if not NAME_RULE.fullmatch(name):
            raise errors.refused(400, "InvalidResourceName", "The specifed resource name contains invalid characters.")
        metadata = self._container_metadata(request, account)
        found = self.lake.file_system(account["name"], name)
        if found is None and self.lake.leaving(account["name"], name):
            raise errors.refused(
                409, "ContainerBeingDeleted", "The specified container is being deleted. Try operation later."
            )
        status = 201 if found is None else 200
        if found is None:
            found = self.lake.make_file_system(account["name"], name, SUPERUSER, metadata or {})
        elif metadata is not None:
            found = self.lake.change_file_system(found, metadata)
        shown = self._shown_container(account, found)
        kept = (
            "deleted",
            "remainingRetentionDays",
            "metadata",
            "publicAccess",
            "hasImmutabilityPolicy",
            "hasLegalHold",
        )
        del shown["etag"]
        shown["properties"] = {key: shown["properties"][key] for key in kept if key in shown["properties"]}
        return Response(status, shown, {"ETag": f'"{found["etag"]}"'})

    def _container_metadata(self, request: Request, account: Document) -> dict[str, str] | None:
        """Return a container's metadata from a body; None if it has none."""
        properties = given(request.json, "properties")
        access = one_of(properties.get("publicAccess") or "None", ("None", "Blob", "Container"), "publicAccess")
        if access != "None":
            permitted = account["properties"].get("allowBlobPublicAccess")
            raise errors.refused(
                409 if not permitted else 400,
                "PublicAccessNotPermitted" if not permitted else "FeatureNotSupportedForAccount",
                "Public access is not permitted on this storage account."
                if not permitted
                else "The practice cloud has no containers with public access.",
            )
        metadata = given(properties, "metadata")
        return {key: str(value) for key, value in metadata.items()} if metadata else None

    def _patch_container(self, request: Request) -> Response:
        account, found = self._container(request, "write")
        metadata = self._container_metadata(request, account)
        if metadata is not None:
            found = self.lake.change_file_system(found, metadata)
        return Response(200, self._shown_container(account, found))

    def _delete_container(self, request: Request) -> Response:
        account, name = self._container_place(request, "blobServices/containers/delete")
        found = self.lake.file_system(account["name"], name)
        if found is None:
            return Response(204)
        self.lake.delete_file_system(found)
        return Response(200, content_type="text/plain; charset=utf-8")

    def _shown_container(self, account: Document, container: Document) -> JsonObject:
        """Return a container in the recorded format."""
        properties: JsonObject = {
            "deleted": False,
            "remainingRetentionDays": 0,
            "defaultEncryptionScope": "$account-encryption-key",
            "denyEncryptionScopeOverride": False,
            "publicAccess": "None",
            "leaseStatus": "Unlocked",
            "leaseState": "Available",
            "lastModifiedTime": timestamp(int(container["changed"])),
            "hasImmutabilityPolicy": False,
            "hasLegalHold": False,
        }
        if container["metadata"]:
            properties["metadata"] = container["metadata"]
        return {
            "id": f"{account['id']}/blobServices/default/containers/{container['name']}",
            "name": container["name"],
            "type": f"{self.type}/blobServices/containers",
            "etag": f'"{container["etag"]}"',
            "properties": properties,
        }


def _unavailable(reason: str, refusal: Refused) -> Response:
    body = refusal.response.body
    message = body["error"]["message"] if isinstance(body, dict) else ""
    return Response(200, {"nameAvailable": False, "reason": reason, "message": message})
