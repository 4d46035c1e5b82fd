"""Secret scopes: Secrets_create_scope, _list_scopes, _delete_scope, _put_acl, _get_acl, _list_acls, _delete_acl,
_list_secrets, _get_secret, _put_secret, _delete_secret.

The docstrings of databricks-sdk (service/workspace.py, SecretsAPI) say which error code is for what; texts are from
public issues where a comment names one, else unrecorded.
"""

from __future__ import annotations

import base64
import binascii
import json
import re

from hol_wizard.practice import seed
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.databricks import address, errors, reader
from hol_wizard.practice.databricks.people import token_of
from hol_wizard.practice.databricks.personal_tokens import PREFIX
from hol_wizard.practice.databricks.records import Members
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault import access_policies
from hol_wizard.practice.key_vault.access import GET, LIST, Right
from hol_wizard.practice.key_vault.service import KeyVault, Secrets

_NAME = re.compile(r"[\w@.-]{1,128}", re.ASCII)
_MOST_SCOPES = 1000
"""Maximum number of scopes in a workspace, and of secrets in a scope ("Secret scopes": a maximum of 1000)."""
_MOST_BYTES = 128 * 1024
"""Maximum length of a value ("Secrets": 128 KB)."""
_PERMISSIONS = ("READ", "WRITE", "MANAGE")
_ADMIN_GROUP, _EVERYBODY = "admins", "users"
_VAULTS = "microsoft.keyvault/vaults"


class SecretScopes:
    """The scopes of each workspace; those backed by a key vault store nothing and only read the vault."""

    def __init__(self, world: World, router: Router) -> None:
        self._world = world
        self._scopes = world.part(address.Contents).collection("databricks_scopes", self)
        self._values = world.part(address.Contents).collection("vault_databricks_secrets", self)
        self._members = world.part(Members)
        self._vault_secrets = world.part(Secrets)
        base = "/api/2.0/secrets"
        router.add("POST", f"{base}/scopes/create", self._create)
        router.add("GET", f"{base}/scopes/list", self._list)
        router.add("POST", f"{base}/scopes/delete", self._delete)
        router.add("POST", f"{base}/acls/put", self._put_acl)
        router.add("GET", f"{base}/acls/get", self._get_acl, honors="scope principal")
        router.add("GET", f"{base}/acls/list", self._list_acls, honors="scope")
        router.add("POST", f"{base}/acls/delete", self._delete_acl)
        router.add("GET", f"{base}/list", self._list_secrets, honors="scope")
        router.add("GET", f"{base}/get", self._get_secret, honors="scope key")
        router.add("POST", f"{base}/put", self._put_secret)
        router.add("POST", f"{base}/delete", self._delete_secret)

    def names(self, workspace: str) -> list[str]:
        """Return the names of a workspace's scopes, as `dbutils.secrets.listScopes` does."""
        return sorted(each["name"] for each in self._of(workspace))

    def keys(self, workspace: str, scope: str, who: seed.Principal) -> list[str]:
        """Return the names of a scope's secrets, as `dbutils.secrets.list` does.

        Raises:
            Refused: There is no such scope, or somebody may not read it.
        """
        return [each["key"] for each in self._metadata(self._allowed(workspace, scope, who, "READ"))]

    def read(self, workspace: str, scope: str, key: str, who: seed.Principal) -> bytes:
        """Return the value of a secret, as `dbutils.secrets.get` does.

        Raises:
            Refused: There is no such scope or secret, or somebody may not read it: the caller in the workspace, or
                Databricks in the key vault.
        """
        found = self._allowed(workspace, scope, who, "READ")
        missing = errors.missing(f"Secret does not exist with scope: {found['name']} and key: {key}")
        if found["vault"]:
            vault = self._vault(found, GET, key)
            secret = self._vault_secrets.find(vault["name"], key)
            if secret is None or secret["deleted"] or not secret["versions"][-1]["attributes"]["enabled"]:
                raise missing
            return str(secret["versions"][-1]["value"]).encode()
        kept = self._values.get(self._key(found, key))
        if kept is None:
            raise missing
        return base64.b64decode(kept["value"])

    def _of(self, workspace: str) -> list[Document]:
        return [each for each in self._scopes if each["workspace"] == workspace]

    def _key(self, scope: Document, key: str) -> str:
        return f"{scope['workspace']}/{scope['name']}/{key}"

    def _allowed(self, workspace: str, name: str, who: seed.Principal, permission: str) -> Document:
        """Return the scope with this name, if somebody has a permission on it; admins have all.

        Raises:
            Refused: There is none, or they lack the permission.
        """
        found = self._scopes.get(f"{workspace}/{name}")
        if found is None:
            raise errors.missing(f"Scope {name} does not exist!")
        given = found["acls"]
        best = max([_PERMISSIONS.index(given[each]) for each in (who.client, _EVERYBODY) if each in given], default=-1)
        if best < _PERMISSIONS.index(permission) and not self._members.has(workspace, who.id):
            raise errors.denied(
                f"User {who.client} does not have {permission} permission on secret scope {found['name']}."
            )
        return found

    def _create(self, request: Request) -> Response:
        body = request.json
        name, backend = str(body.get("scope") or ""), str(body.get("scope_backend_type") or "DATABRICKS").upper()
        if not _NAME.fullmatch(name):
            raise errors.invalid(
                f"Scope name {name} is invalid: it may have at most 128 alphanumeric characters, dashes, underscores, "
                "@ and periods."
            )
        principal = body.get("initial_manage_principal")
        if principal not in (None, "", _EVERYBODY):
            raise errors.invalid(f"initial_manage_principal can only be '{_EVERYBODY}', not '{principal}'.")
        if backend not in {"DATABRICKS", "AZURE_KEYVAULT"}:
            raise errors.invalid(f"Invalid scope backend type {backend}.")
        if backend == "AZURE_KEYVAULT" and token_of(request).startswith(PREFIX):
            # Quoted in issues and by kb.databricks.com. A service principal's Entra ID token works too (same article).
            raise errors.invalid("Scope with Azure KeyVault must have userAADToken defined!")
        if f"{request.thing}/{name}" in self._scopes:
            raise errors.refused(400, "RESOURCE_ALREADY_EXISTS", f"Scope {name} already exists!")
        if len(self._of(request.thing)) >= _MOST_SCOPES:
            raise errors.refused(
                400, "RESOURCE_LIMIT_EXCEEDED", f"The limit of {_MOST_SCOPES} secret scopes is exceeded."
            )
        scope: Document = {
            "workspace": request.thing,
            "name": name,
            "backend": backend,
            "vault": self._bind(request) if backend == "AZURE_KEYVAULT" else None,
            "acls": {str(principal or request.who.client): "MANAGE"},
        }
        self._scopes.put(f"{request.thing}/{name}", scope)
        return Response(200, {})

    def _bind(self, request: Request) -> JsonObject:
        """Return the vault that a new scope reads; Databricks adds an access policy for itself there.

        Vaults that use Azure RBAC are not supported ("Workspace secret scopes", 2026). The message is from
        terraform-provider-databricks issue 1206, the code from Azure-Samples/modern-data-warehouse-dataops; the text
        after the vault's address is not public for this case.

        Raises:
            Refused: The vault's name is wrong, or the caller may not change it, or it uses Azure RBAC, or
                AzureDatabricks is not in the directory.
        """
        given = request.json.get("backend_azure_keyvault")
        if not isinstance(given, dict) or not given.get("resource_id") or not given.get("dns_name"):
            # databricks-sdk-py issue 204
            raise errors.invalid("Scope with Azure KeyVault must have AzureKeyVaultSecretScopeMetadata defined!")
        vault = self._world.part(Resources).find(str(given["resource_id"]))
        if vault is None or vault["type"].lower() != _VAULTS:
            raise errors.invalid(f"Azure KeyVault {given['resource_id']} does not exist.")
        uri = self._world.open_port(KeyVault.name, vault["name"])
        if str(given["dns_name"]).rstrip("/").lower() != uri:
            raise errors.invalid(f"The DNS name {given['dns_name']} is not that of the KeyVault {vault['name']}.")
        if not self._world.part(Access).allowed(request.who.id, "Microsoft.KeyVault/vaults/write", vault["id"]):
            raise errors.refused(401, "UNAUTHENTICATED", "Unable to verify user access permission on Azure KeyVault.")
        who = reader.principal(self._world)
        if not who or vault["properties"]["enableRbacAuthorization"]:
            raise errors.refused(
                403,
                "CUSTOMER_UNAUTHORIZED",
                f"Unable to grant read/list permission to Databricks service principal to KeyVault '{uri}/'.",
            )
        entry = {"tenantId": seed.TENANT, "objectId": who, "permissions": {"secrets": ["get", "list"]}}
        policies = access_policies.changed("add", vault["properties"]["accessPolicies"], [entry])
        access_policies.put(vault, policies, self._world.clock)
        self._world.part(Resources).keep(vault)
        return {"resource_id": str(given["resource_id"]), "dns_name": str(given["dns_name"])}

    def _vault(self, scope: Document, right: Right, key: str = "") -> Document:
        """Return the vault behind a scope, if AzureDatabricks has the permission there.

        Raises:
            Refused: It lacks the permission (Key Vault's own error, wrapped), or the vault no longer exists (azure-docs
                issue 98803).
        """
        binding = scope["vault"]
        vault = self._world.part(Resources).find(binding["resource_id"])
        if vault is None:
            raise errors.wrong_state(f"Databricks could not access keyvault: {binding['dns_name']}.")
        who, resource = reader.principal(self._world), vault["id"] + (f"/secrets/{key}" if key else "")
        caller = f"appid={reader.APPLICATION};oid={who};iss=https://sts.windows.net/{seed.TENANT}/"
        where, properties = f"Vault: {vault['name']};location={vault['location']}", vault["properties"]
        if properties["publicNetworkAccess"] == "Disabled":
            code = "ForbiddenByConnection"
            message = f"Public network access is disabled and request is not from a trusted service.\r\n{where}"
        elif properties["enableRbacAuthorization"]:
            if who and self._world.part(Access).allowed_data(who, right.action, resource):
                return vault
            code = "ForbiddenByRbac"
            message = (
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or "
                f"role definitions were changed recently, please observe propagation time.\r\nCaller: {caller}\r\n"
                f"Action: '{right.action}'\r\nResource: '{resource.lower()}'\r\nAssignment: (not found)\r\n"
                f"DenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\n{where}\r\n"
            )
        else:
            policies = access_policies.in_force(vault, self._world.clock)
            if who and access_policies.allows(policies, who, right.permission):
                return vault
            code = "AccessDenied"
            message = (
                f"The user, group or application '{caller}' does not have secrets {right.permission} permission on "
                f"key vault.\r\n{where}"
            )
        wrapped = {"error": {"code": "Forbidden", "message": message, "innererror": {"code": code}}}
        raise errors.denied(
            f"Invalid permissions on the specified KeyVault {binding['dns_name']}. Wrapped Message: Status code 403, "
            f'"{json.dumps(wrapped)}"'
        )

    def _list(self, request: Request) -> Response:
        found = []
        for each in self._of(request.thing):
            shown = {"name": each["name"], "backend_type": each["backend"]}
            found.append({**shown, "keyvault_metadata": each["vault"]} if each["vault"] else shown)
        return Response(200, {"scopes": found} if found else {})

    def _delete(self, request: Request) -> Response:
        scope = self._allowed(request.thing, str(request.json.get("scope", "")), request.who, "MANAGE")
        for key, each in self._values.items():
            if each["workspace"] == request.thing and each["scope"] == scope["name"]:
                self._values.delete(key)
        self._scopes.delete(f"{request.thing}/{scope['name']}")
        return Response(200, {})

    def _put_acl(self, request: Request) -> Response:
        scope = self._allowed(request.thing, str(request.json.get("scope", "")), request.who, "MANAGE")
        permission, principal = request.json.get("permission"), str(request.json.get("principal") or "")
        if permission not in _PERMISSIONS:
            raise errors.invalid(f"Permission {permission} is invalid.")
        if principal not in self._principals(request.thing):
            raise errors.invalid(f"Principal {principal} does not exist.")
        scope["acls"] = {**scope["acls"], principal: permission}
        self._scopes.put(f"{request.thing}/{scope['name']}", scope)
        return Response(200, {})

    def _principals(self, workspace: str) -> set[str]:
        """Return the principals that can get permissions: the built-in groups, and the users of the workspace."""
        return {_ADMIN_GROUP, _EVERYBODY, *(each.client for each in self._members.of(workspace))}

    def _list_acls(self, request: Request) -> Response:
        scope = self._allowed(request.thing, request.query.get("scope", ""), request.who, "MANAGE")
        acls = [{"principal": name, "permission": permission} for name, permission in scope["acls"].items()]
        return Response(200, {"items": acls} if acls else {})

    def _acl(self, request: Request, given: JsonObject) -> tuple[Document, str]:
        scope = self._allowed(request.thing, str(given.get("scope", "")), request.who, "MANAGE")
        principal = str(given.get("principal", ""))
        if principal not in scope["acls"]:
            raise errors.missing(f"No ACL exists for principal {principal} on scope {scope['name']}.")
        return scope, principal

    def _get_acl(self, request: Request) -> Response:
        scope, principal = self._acl(request, dict(request.query))
        return Response(200, {"principal": principal, "permission": scope["acls"][principal]})

    def _delete_acl(self, request: Request) -> Response:
        scope, principal = self._acl(request, request.json)
        scope["acls"] = {name: each for name, each in scope["acls"].items() if name != principal}
        self._scopes.put(f"{request.thing}/{scope['name']}", scope)
        return Response(200, {})

    def _metadata(self, scope: Document) -> list[JsonObject]:
        if scope["vault"]:
            vault = self._vault(scope, LIST)
            return [
                {"key": each["name"], "last_updated_timestamp": each["versions"][-1]["attributes"]["updated"] * 1000}
                for each in self._vault_secrets.of(vault["name"], deleted=False)
            ]
        return [
            {"key": each["key"], "last_updated_timestamp": each["updated"]}
            for each in self._values
            if each["workspace"] == scope["workspace"] and each["scope"] == scope["name"]
        ]

    def _list_secrets(self, request: Request) -> Response:
        found = self._metadata(self._allowed(request.thing, request.query.get("scope", ""), request.who, "READ"))
        return Response(200, {"secrets": found} if found else {})

    def _get_secret(self, request: Request) -> Response:
        """Return a value in base64; `dbutils` of databricks-sdk requests it, also outside a cluster."""
        scope, key = request.query.get("scope", ""), request.query.get("key", "")
        value = self.read(request.thing, scope, key, request.who)
        return Response(200, {"key": key, "value": base64.b64encode(value).decode()})

    def _writable(self, request: Request) -> tuple[Document, str]:
        scope = self._allowed(request.thing, str(request.json.get("scope", "")), request.who, "WRITE")
        if scope["vault"]:
            raise errors.refused(
                400,
                "BAD_REQUEST",
                f"Scope {scope['name']} is backed by Azure KeyVault: its secrets are read-only here.",
            )
        key = str(request.json.get("key") or "")
        if not _NAME.fullmatch(key):
            raise errors.invalid(f"Secret key {key} is invalid.")
        return scope, key

    def _put_secret(self, request: Request) -> Response:
        scope, key = self._writable(request)
        text, data = request.json.get("string_value"), request.json.get("bytes_value")
        if (text is None) == (data is None):
            raise errors.refused(400, "MALFORMED_REQUEST", "Exactly one of string_value and bytes_value must be set.")
        try:
            value = str(text).encode() if data is None else base64.b64decode(str(data), validate=True)
        except binascii.Error as error:
            raise errors.refused(400, "MALFORMED_REQUEST", "bytes_value is no base64.") from error
        if len(value) > _MOST_BYTES:
            raise errors.invalid(f"The secret is longer than {_MOST_BYTES} bytes.")
        if self._key(scope, key) not in self._values and len(self._metadata(scope)) >= _MOST_SCOPES:
            raise errors.refused(400, "RESOURCE_LIMIT_EXCEEDED", f"The limit of {_MOST_SCOPES} secrets is exceeded.")
        self._values.put(
            self._key(scope, key),
            {
                "workspace": request.thing,
                "scope": scope["name"],
                "key": key,
                "value": base64.b64encode(value).decode(),
                "updated": int(self._world.clock.now() * 1000),
            },
        )
        return Response(200, {})

    def _delete_secret(self, request: Request) -> Response:
        scope, key = self._writable(request)
        if self._key(scope, key) not in self._values:
            raise errors.missing(f"Secret does not exist with scope: {scope['name']} and key: {key}")
        self._values.delete(self._key(scope, key))
        return Response(200, {})
