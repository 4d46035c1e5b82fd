"""Storage accounts: StorageAccounts_Create, _GetProperties, _Delete, _List…, _CheckNameAvailability (storage)."""

from __future__ import annotations

import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given, one_of
from hol_wizard.practice.clock import timestamp
from hol_wizard.practice.service import Answer, Call, JsonObject, Refused
from hol_wizard.practice.store import Document

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

    def _available(self, call: Call) -> Answer:
        subscription = self.arm.subscription(call)
        self.arm.require(call, "Microsoft.Storage/checknameavailability/read", f"/subscriptions/{subscription.id}")
        name = str(call.json.get("name", ""))
        if not self.name_rule.fullmatch(name):
            return _unavailable("AccountNameInvalid", self.name_refused(name))
        taken = self.taken(name)
        return _unavailable("AlreadyExists", taken) if taken else Answer(200, {"nameAvailable": True})

    def name_refused(self, name: str) -> Refused:
        """Return the refusal of a name that breaks the rule."""
        return errors.refused(
            400,
            "AccountNameInvalid",
            f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in "
            "length and use numbers and lower-case letters only.",
        )

    def taken(self, name: str) -> Refused | None:
        """Return the refusal of a name that somebody has."""
        if not self.name_is_taken(name):
            return None
        return errors.refused(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")

    def busy(self, resource: Document) -> Refused:
        """Return the refusal of a change while another goes on."""
        return errors.refused(
            409,
            "StorageAccountOperationInProgress",
            "An operation is currently performing on this storage account that requires exclusive access.",
        )

    def make(self, call: Call, body: JsonObject, resource: Document) -> None:
        """Take what the body asks for."""
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

    def change(self, call: Call, body: JsonObject, resource: Document) -> None:
        """Change what can be changed."""
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

    def accept(self, call: Call, resource: Document) -> Answer:
        """Answer 202 without a body; the polls end with the account itself."""
        path = f"/subscriptions/{resource['subscription']}/providers/Microsoft.Storage/locations/{resource['location']}"
        address = self.begin(call, resource, "create", Style.RESOURCE, path + "/asyncoperations")
        headers = {"Location": address.replace("?", "?monitor=true&"), **self.world.clock.retry_headers()}
        return Answer(202, headers=headers, content_type="text/plain; charset=utf-8")

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` as recorded."""
        created = timestamp(resource["created"])
        enabled = {"keyType": "Account", "enabled": True, "lastEnabledTime": created}
        services = ("dfs", "web", "blob", "queue", "table", "file")
        return {
            "keyCreationTime": {"key1": created, "key2": created},
            "privateEndpointConnections": [],
            **resource["properties"],
            "encryption": {"services": {"file": enabled, "blob": enabled}, "keySource": "Microsoft.Storage"},
            "provisioningState": resource["state"],
            "creationTime": created,
            "primaryEndpoints": {
                each: f"https://{resource['name']}.{each}.{seed.STORAGE_SUFFIX}/" for each in services
            },
            "primaryLocation": resource["location"],
            "statusOfPrimary": "available",
        }


def _unavailable(reason: str, refusal: Refused) -> Answer:
    body = refusal.answer.body
    message = body["error"]["message"] if isinstance(body, dict) else ""
    return Answer(200, {"nameAvailable": False, "reason": reason, "message": message})
