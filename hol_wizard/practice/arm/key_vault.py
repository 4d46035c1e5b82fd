"""Key vaults and deleted key vaults: Vaults_CreateOrUpdate, _Get, _Delete, _List…, _CheckNameAvailability,
_ListDeleted, _GetDeleted, _PurgeDeleted, _UpdateAccessPolicy; their secrets without the values: Secrets_CreateOrUpdate,
_Get, _List (keyvault).
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors, operations
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import DeletedVaults, Resources
from hol_wizard.practice.arm.manager import PAGED, ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault import access_policies
from hol_wizard.practice.key_vault.access import NAME_RULE
from hol_wizard.practice.key_vault.service import KeyVault, Secrets

_RBAC_SINCE = "2026-02-01"
"""From this api-version on, a new vault uses Azure RBAC by default (Key Vault: access-control-default)."""
_FREE = (
    "enabledForDeployment",
    "enabledForDiskEncryption",
    "enabledForTemplateDeployment",
    "publicNetworkAccess",
    "networkAcls",
)
_DAY = 24 * 3600
_DELETED = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"


class Vaults(ResourceType):
    """Key vaults. Creation is 200 at once with `RegisteringDns` (38 recordings); deletion is always soft."""

    type = "Microsoft.KeyVault/vaults"
    name_rule = re.compile(r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]")
    creating = "RegisteringDns"

    def __init__(self, manager: ResourceManager) -> None:
        super().__init__(manager)
        self.secrets = self.world.part(Secrets)
        self.world.operations.on_end("purge", _purged)
        add = manager.router.add
        vault = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{self.type}/{{name}}"
        add("GET", vault + "/secrets", self._list_secrets, honors=PAGED)
        add("GET", vault + "/secrets/{secret}", self._get_secret)
        add("PUT", vault + "/secrets/{secret}", self._put_secret)
        add("PUT", vault + "/accessPolicies/{operation}", self._put_policies)
        add("POST", _DELETED + "/checkNameAvailability", self._available)
        add("GET", _DELETED + "/deletedVaults", self._list_deleted, honors=PAGED)
        # None can be created here.
        for kind in ("managedHSMs", "deletedManagedHSMs"):
            add("GET", f"{_DELETED}/{kind}", self._list_modules, ignores="$top")
        add("GET", _DELETED + "/locations/{location}/deletedVaults/{name}", self._get_deleted)
        add("POST", _DELETED + "/locations/{location}/deletedVaults/{name}/purge", self._purge)

    def _available(self, request: Request) -> Response:
        subscription = self.arm.subscription(request)
        self.arm.require(request, "Microsoft.KeyVault/checkNameAvailability/read", f"/subscriptions/{subscription.id}")
        name = str(request.json.get("name", ""))
        valid = self.name_rule.fullmatch(name)
        refusal = self.taken(name) if valid else self.name_refused(name)
        if refusal is None:
            return Response(200, {"nameAvailable": True})
        body = refusal.response.body
        message = body["error"]["message"] if isinstance(body, dict) else ""
        reason = "AlreadyExists" if valid else "AccountNameInvalid"
        return Response(200, {"nameAvailable": False, "reason": reason, "message": message})

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule."""
        return errors.refused(
            400,
            "VaultNameNotValid",
            f"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The "
            "name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow "
            "this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742",
        )

    def taken(self, name: str) -> Refused | None:
        """Return the error for a name that is in use, or that a deleted vault still holds."""
        if not self.name_is_taken(name) and self.world.part(DeletedVaults).find(name) is None:
            return None
        return errors.refused(
            409,
            "VaultAlreadyExists",
            f"The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the "
            "name is already taken. If you are sure that the vault name was not taken then it is possible that a "
            "vault with the same name was recently deleted but not purged after being placed in a recoverable state. "
            "If the vault is in a recoverable state then the vault will need to be purged before reusing the name. "
            "For more information about VaultAlreadyExists, soft delete and purging a vault follow this link "
            "https://go.microsoft.com/fwlink/?linkid=2147740.",
        )

    def _put(self, request: Request) -> Response:
        if str(given(request.json, "properties").get("createMode", "")).lower() == "recover":
            return self._recover(request)
        return super()._put(request)

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body."""
        wanted = given(body, "properties")
        rbac = wanted.get("enableRbacAuthorization")
        if rbac is None:
            rbac = request.query["api-version"] >= _RBAC_SINCE
        resource["properties"] = {
            "sku": _sku(wanted),
            "tenantId": _tenant(wanted),
            "accessPolicies": [],
            "enabledForDeployment": False,
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": _retention(wanted),
            "enableRbacAuthorization": bool(rbac),
            "publicNetworkAccess": "Enabled",
        }
        if not rbac and wanted.get("accessPolicies") is None:
            raise _no_policies()
        if wanted.get("accessPolicies") is not None:
            resource["properties"]["accessPolicies"] = self._policies(wanted["accessPolicies"])
        self._take(wanted, resource)

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the allowed changes."""
        wanted, properties = given(body, "properties"), resource["properties"]
        days = wanted.get("softDeleteRetentionInDays")
        if days is not None and days != properties["softDeleteRetentionInDays"]:
            raise _bad('The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.')
        if wanted.get("sku") is not None:
            properties["sku"] = _sku(wanted)
        if wanted.get("tenantId") is not None:
            properties["tenantId"] = _tenant(wanted)
        self._take_model(request, wanted, resource)
        self._take(wanted, resource)

    def _take_model(self, request: Request, wanted: JsonObject, resource: Document) -> None:
        """Change the permission model (roles or access policies), and the policies.

        Changing the model requires the right to assign roles; the error is quoted from Azure/bicep issue 13541.
        """
        properties = resource["properties"]
        rbac = wanted.get("enableRbacAuthorization")
        if rbac is not None and bool(rbac) != properties["enableRbacAuthorization"]:
            right = "Microsoft.Authorization/roleAssignments/write"
            if not self.world.part(Access).allowed(request.who.id, right, resource["id"]):
                raise errors.refused(
                    403,
                    "InsufficientPermissions",
                    "Caller is not allowed to change permission model. For more information on how to change the "
                    "permissions model follow this link: https://go.microsoft.com/fwlink/?linkid=2155160. "
                    f"Details: oid={request.who.id}; action={right}; resource={resource['id'].lower()}; "
                    "decision=NotAllowed;",
                )
            properties["enableRbacAuthorization"] = bool(rbac)
        if wanted.get("accessPolicies") is not None:
            access_policies.put(resource, self._policies(wanted["accessPolicies"]), self.world.clock)
        elif request.method == "PUT" and not properties["enableRbacAuthorization"]:
            raise _no_policies()

    def _policies(self, given: object) -> list[JsonObject]:
        """Return the access policies of a request.

        Raises:
            Refused: The service does not accept them.
        """
        try:
            return access_policies.checked(given, self._is_in_the_directory)
        except ValueError as error:
            raise _bad(str(error)) from error

    def _is_in_the_directory(self, identity: str) -> bool:
        if self.world.principal(identity) is not None:
            return True
        resources = self.world.part(Resources).all()
        return any((each.get("identity") or {}).get("principalId") == identity for each in resources)

    def _put_policies(self, request: Request) -> Response:
        """Add, replace or remove access policies, as deployments and Terraform do."""
        operation = request.match["operation"].lower()
        vault = self._found(request, "accessPolicies/write")
        if operation not in {"add", "replace", "remove"}:
            raise _bad(
                f"The operation kind '{request.match['operation']}' is invalid: it can be add, replace or remove."
            )
        if vault["state"] != "Succeeded":
            raise self.busy(vault)
        wanted = given(request.json, "properties").get("accessPolicies")
        if wanted is None:
            raise _no_policies()
        sent = self._policies(wanted)
        policies = access_policies.changed(operation, vault["properties"]["accessPolicies"], sent)
        if len(policies) > access_policies.MOST:
            raise _bad(access_policies.INVALID)
        access_policies.put(vault, policies, self.world.clock)
        self.world.part(Resources).keep(vault)
        return Response(
            200,
            {
                "id": f"{vault['id']}/accessPolicies/",
                "type": f"{self.type}/accessPolicies",
                "properties": {"accessPolicies": policies},
            },
        )

    def _take(self, wanted: JsonObject, resource: Document) -> None:
        properties = resource["properties"]
        if wanted.get("enableSoftDelete") is False:
            raise _bad(
                'The property "enableSoftDelete" cannot be set to false: every vault has soft delete, and enabling '
                "it is an irreversible action."
            )
        if wanted.get("enablePurgeProtection") is True:
            properties["enablePurgeProtection"] = True
        elif wanted.get("enablePurgeProtection") is False:
            raise _bad('The property "enablePurgeProtection" cannot be set to false.')
        for name in _FREE:
            if wanted.get(name) is not None:
                properties[name] = wanted[name]

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 200 with the vault; its `provisioningState` says when the name can be resolved."""
        path = (
            f"/subscriptions/{resource['subscription']}/providers/Microsoft.KeyVault/locations/{resource['location']}"
        )
        self.begin(request, resource, "create", Style.VAULT, path + "/operationResults")
        return Response(200, self.render(resource))

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` in the recorded format."""
        return {
            **resource["properties"],
            "vaultUri": self.world.open_port(KeyVault.name, resource["name"]) + "/",
            "provisioningState": resource["state"],
        }

    def shown(self, resource: Document) -> JsonObject:
        """Return who created it."""
        return {"systemData": self.system_data(resource)}

    def remove(self, resource: Document, when: float) -> None:
        """Delete the vault softly: its name stays taken until it is purged."""
        super().remove(resource, when)
        self.world.close_port(KeyVault.name, resource["name"])
        self.world.part(DeletedVaults).keep(
            {
                "vault": {**resource, "state": "Succeeded", "operation": ""},
                "deleted": when,
                "purge": when + resource["properties"]["softDeleteRetentionInDays"] * _DAY,
                "purging": "",
            }
        )

    def _secret(self, request: Request, right: str) -> tuple[Document, str]:
        """Return the vault and the secret's name, once the caller's permission has been checked."""
        vault, name = self._found(request, "read"), request.match.get("secret", "")
        self.arm.require(request, f"{self.type}/secrets/{right}", vault["id"] + (f"/secrets/{name}" if name else ""))
        if name and not NAME_RULE.fullmatch(name):
            raise _bad(f"The request URI contains an invalid name: {name}")
        return vault, name

    def _list_secrets(self, request: Request) -> Response:
        vault, _ = self._secret(request, "read")
        found = self.secrets.of(vault["name"], deleted=False)
        return self.arm.page(request, [self._shown_secret(vault, each) for each in found])

    def _get_secret(self, request: Request) -> Response:
        vault, name = self._secret(request, "read")
        found = self.secrets.find(vault["name"], name)
        if found is None or found["deleted"]:
            raise errors.refused(404, "SecretNotFound", f"The secret '{name}' was not found in '{vault['name']}'.")
        return Response(200, self._shown_secret(vault, found))

    def _put_secret(self, request: Request) -> Response:
        """Set a value with permissions on the vault alone, as deployments do; the response does not contain it."""
        vault, name = self._secret(request, "write")
        properties = given(request.json, "properties")
        if not isinstance(properties.get("value"), str):
            raise _bad("The property 'value' is not specified.")
        found = self.secrets.find(vault["name"], name)
        if found is not None and (found["deleted"] or self.secrets.busy(found)):
            raise errors.refused(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in "
                "this state, the secret can only be recovered or purged.",
                innererror={"code": "ObjectIsDeletedButRecoverable"},
            )
        secret, _ = self.secrets.put(vault["name"], name, {**properties, "tags": self.arm.tags(request.json)})
        return Response(200 if len(secret["versions"]) > 1 else 201, self._shown_secret(vault, secret))

    def _shown_secret(self, vault: Document, secret: Document) -> JsonObject:
        version = secret["versions"][-1]
        address = f"{self.properties(vault)['vaultUri']}secrets/{secret['name']}"
        body: JsonObject = {
            "id": f"{vault['id']}/secrets/{secret['name']}",
            "name": secret["name"],
            "type": f"{self.type}/secrets",
            "location": vault["location"],
            "tags": version["tags"],
            "properties": {
                "attributes": version["attributes"],
                "secretUri": address,
                "secretUriWithVersion": f"{address}/{version['version']}",
            },
        }
        if version["contentType"] is not None:
            body["properties"]["contentType"] = version["contentType"]
        return body

    def _list_modules(self, request: Request) -> Response:
        """List the managed HSMs, or the deleted ones (ManagedHsms_ListBySubscription, _ListDeleted, 2023-07-01)."""
        subscription = self.arm.subscription(request)
        kind = request.path.rstrip("/").rpartition("/")[2]
        self.arm.require(request, f"Microsoft.KeyVault/{kind}/read", f"/subscriptions/{subscription.id}")
        return Response(200, {"value": []})

    def _list_deleted(self, request: Request) -> Response:
        subscription = self.arm.subscription(request)
        self.arm.require(request, "Microsoft.KeyVault/deletedVaults/read", f"/subscriptions/{subscription.id}")
        found = [
            each for each in self.world.part(DeletedVaults).all() if each["vault"]["subscription"] == subscription.id
        ]
        if "$skiptoken" in request.query or "$top" in request.query:
            return self.arm.page(request, [_deleted(each) for each in found])
        # The last page with vaults has a link, too: it leads to an empty one (recorded: Vaults_ListDeleted).
        query = urlencode({"api-version": request.query["api-version"], "$skiptoken": str(len(found))})
        following = {"nextLink": f"{request.base}{quote(request.path)}?{query}"} if found else {}
        return Response(200, {"value": [_deleted(each) for each in found], **following})

    def _deleted_vault(self, request: Request, right: str) -> Document:
        subscription, name, location = self.arm.subscription(request), request.match["name"], request.match["location"]
        scope = (
            f"/subscriptions/{subscription.id}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}"
        )
        self.arm.require(request, f"Microsoft.KeyVault/locations/deletedVaults/{right}", scope)
        found = self.world.part(DeletedVaults).find(name)
        if (
            found is None
            or found["vault"]["subscription"] != subscription.id
            or found["vault"]["location"] != location.replace(" ", "").lower()
        ):
            raise errors.refused(404, "DeletedVaultNotFound", f"The specified deleted vault '{name}' does not exist.")
        return found

    def _get_deleted(self, request: Request) -> Response:
        return Response(200, _deleted(self._deleted_vault(request, "read")))

    def _purge(self, request: Request) -> Response:
        found = self._deleted_vault(request, "purge/action")
        vault = found["vault"]
        if vault["properties"].get("enablePurgeProtection"):
            raise errors.refused(
                403,
                "MethodNotAllowed",
                'Operation "purge" is not enabled for this vault.',
                innererror={"code": "PurgeProtected"},
            )
        running = self.world.operations.find(found["purging"])
        if running is not None and running["status"] == "Running":
            address = f"{request.base}{running['path']}?api-version={request.query['api-version']}"
        else:
            path = f"/subscriptions/{vault['subscription']}/providers/Microsoft.KeyVault/locations/{vault['location']}"
            operation, address = operations.begin(
                self.world,
                request,
                "purge",
                vault["name"],
                f"{self.type} purge",
                Style.VAULT,
                path + "/operationResults",
            )
            self.world.part(DeletedVaults).keep({**found, "purging": operation["id"]})
        return Response(202, headers={"Location": address, **self.world.clock.retry_headers()})

    def _recover(self, request: Request) -> Response:
        subscription, _ = self._authorized(request, "write")
        group = self.arm.group(subscription, request.match["group"])
        location = self.arm.location(request.json, self.type)
        found = self.world.part(DeletedVaults).find(request.match["name"])
        if (
            found is None
            or found["vault"]["location"] != location
            or found["vault"]["subscription"] != subscription.id
            or found["vault"]["group"] != group["id"].lower()
        ):
            raise errors.refused(
                404,
                "SoftDeletedVaultDoesNotExist",
                "A soft deleted vault with the given name does not exist. Ensure that the name for the vault that is "
                "being attempted to recover is in a recoverable state. For more information on soft delete please "
                "follow this link https://go.microsoft.com/fwlink/?linkid=2149745",
            )
        vault: Document = {**found["vault"], "state": self.creating, "changed": self.world.clock.now()}
        vault["id"] = f"{group['id']}/providers/{self.type}/{vault['name']}"
        path = f"/subscriptions/{subscription.id}/providers/Microsoft.KeyVault/locations/{location}/operationResults"
        operation, _ = operations.begin(
            self.world, request, "create", vault["id"], f"{self.type} recover", Style.VAULT, path
        )
        vault["operation"] = operation["id"]
        self.world.part(DeletedVaults).remove(vault["name"])
        self.world.part(Resources).keep(vault)
        return Response(200, self.render(vault))


def _bad(message: str) -> Refused:
    return errors.refused(400, "BadRequest", message)


def _no_policies() -> Refused:
    return _bad("The parameter accessPolicies is not specified.")


def _sku(wanted: JsonObject) -> JsonObject:
    sku = given(wanted, "sku")
    if str(sku.get("family")) != "A" or str(sku.get("name")).lower() not in {"standard", "premium"}:
        raise _bad("The parameter sku is not specified or is invalid.")
    return {"family": "A", "name": str(sku["name"]).lower()}


def _tenant(wanted: JsonObject) -> str:
    tenant = wanted.get("tenantId")
    if not isinstance(tenant, str) or not tenant:
        raise _bad("The parameter tenantId is not specified.")
    if tenant.lower() != seed.TENANT:
        raise _bad(f"The tenant ID '{tenant}' is not the one of the subscription, '{seed.TENANT}'.")
    return seed.TENANT


def _retention(wanted: JsonObject) -> int:
    days = wanted.get("softDeleteRetentionInDays", 90)
    if not isinstance(days, int) or not 7 <= days <= 90:
        raise _bad(
            f"The value {days} of the property softDeleteRetentionInDays is invalid: it must be between 7 and 90."
        )
    return days


def _deleted(document: Document) -> JsonObject:
    vault = document["vault"]
    base = f"/subscriptions/{vault['subscription']}/providers/Microsoft.KeyVault/locations/{vault['location']}"
    properties = {
        "vaultId": vault["id"],
        "location": vault["location"],
        "tags": vault["tags"],
        "deletionDate": short_timestamp(document["deleted"]),
        "scheduledPurgeDate": short_timestamp(document["purge"]),
    }
    if vault["properties"].get("enablePurgeProtection"):
        properties["purgeProtectionEnabled"] = True
    return {
        "id": f"{base}/deletedVaults/{vault['name']}",
        "name": vault["name"],
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": properties,
    }


def _purged(world: World, operation: Document) -> None:
    found = world.part(DeletedVaults).find(operation["target"])
    if found is not None and not operation["error"]:
        world.part(DeletedVaults).remove(operation["target"])
        world.part(Secrets).forget(operation["target"])
