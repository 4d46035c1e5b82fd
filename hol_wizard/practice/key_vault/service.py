"""Key Vault's data plane: the secrets of each vault, on a port of its own.

Operations: SetSecret, GetSecret, UpdateSecret, GetSecrets, GetSecretVersions, DeleteSecret, GetDeletedSecret(s),
RecoverDeletedSecret, PurgeDeletedSecret (keyvault-data). Keys and certificates are not served.

The challenge, the bundles, and the responses for a soft-deleted name and for the recovery of a secret that was not
deleted are recorded; the other errors are quoted from public issues.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.web import request_id
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault import access
from hol_wizard.practice.key_vault.access import (
    DELETE,
    GET,
    LIST,
    LOOK,
    PURGE,
    RECOVER,
    SET,
    UPDATE,
    Right,
)

_VERSIONS = re.compile(r"7\.\d(-preview\.\d)?|2015-06-01|2016-10-01|20(2[5-9]|3\d)-\d\d-\d\d(-preview)?")
_PAGE = 25
_PAGED = "maxresults $skiptoken"
"""Query parameters of the lists."""
"""Maximum length of a page (Get Secrets: "If not specified the service will return up to 25 results")."""
_MOST_BYTES = 25 * 1024
"""Maximum length of a value ("About Azure Key Vault secrets")."""
_DAY = 24 * 3600


class Secrets:
    """The secrets of all vaults, including deleted ones; only the collection `vault_secrets` holds their values."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("vault_secrets", self)

    def of(self, vault: str, *, deleted: bool) -> list[Document]:
        """Return a vault's secrets by name: the existing ones, or the soft-deleted ones."""
        found = [each for each in self._documents if each["vault"] == vault.lower()]
        return sorted((each for each in found if bool(each["deleted"]) == deleted), key=_name)

    def find(self, vault: str, name: str) -> Document | None:
        """Return the secret of this name, deleted or not."""
        return self._documents.get(f"{vault}/{name}")

    def busy(self, secret: Document) -> bool:
        """Return whether its deletion, or its recovery, is still under way."""
        return bool(secret["busy_until"] > self._world.clock.now())

    def put(self, vault: str, name: str, body: JsonObject) -> tuple[Document, Document]:
        """Add a version with the body's value; return the secret and the version."""
        now = int(self._world.clock.now())
        given = body.get("attributes") or {}
        version: Document = {
            "version": uuid.uuid4().hex,
            "value": body["value"],
            "contentType": body.get("contentType"),
            "tags": dict(body.get("tags") or {}),
            "attributes": {"enabled": True, **_attributes(given), "created": now, "updated": now},
        }
        secret = self.find(vault, name) or {
            "vault": vault.lower(),
            "name": name,
            "versions": [],
            "deleted": 0,
            "busy_until": 0.0,
        }
        secret = {**secret, "versions": [*secret["versions"], version]}
        self._documents.put(f"{vault}/{name}", secret)
        return secret, version

    def update(self, secret: Document, version: Document, body: JsonObject) -> Document:
        """Update everything about a version except its value; return the version."""
        changed = dict(version)
        for name in ("contentType", "tags"):
            if body.get(name) is not None:
                changed[name] = body[name]
        changed["attributes"] = {
            **version["attributes"],
            **_attributes(body.get("attributes") or {}),
            "updated": int(self._world.clock.now()),
        }
        versions = [changed if each["version"] == version["version"] else each for each in secret["versions"]]
        self._documents.put(f"{secret['vault']}/{secret['name']}", {**secret, "versions": versions})
        return changed

    def delete(self, secret: Document) -> Document:
        """Soft-delete the secret; the name cannot be used until it is recovered or purged."""
        until = self._world.clock.due("Microsoft.KeyVault/vaults/secrets delete")
        secret = {**secret, "deleted": int(self._world.clock.now()), "busy_until": until}
        self._documents.put(f"{secret['vault']}/{secret['name']}", secret)
        return secret

    def recover(self, secret: Document) -> None:
        """Undo the deletion."""
        until = self._world.clock.due("Microsoft.KeyVault/vaults/secrets recover")
        self._documents.put(f"{secret['vault']}/{secret['name']}", {**secret, "deleted": 0, "busy_until": until})

    def purge(self, secret: Document) -> None:
        """Delete a secret and all its versions."""
        self._documents.delete(f"{secret['vault']}/{secret['name']}")

    def forget(self, vault: str) -> None:
        """Delete all secrets of a vault that is purged."""
        for deleted in (False, True):
            for secret in self.of(vault, deleted=deleted):
                self.purge(secret)


class KeyVault(Service):
    """The vaults; the port says which one is meant."""

    name = "key_vault"
    port_for_each = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.tokens = world.part(Tokens)
        self.secrets = world.part(Secrets)
        add = self.router.add
        add("GET", "/secrets", self._list, honors=_PAGED)
        add("PUT", "/secrets/{name}", self._set)
        add("DELETE", "/secrets/{name}", self._delete)
        add("GET", "/secrets/{name}", self._get)
        add("PATCH", "/secrets/{name}", self._update)
        add("GET", "/secrets/{name}/versions", self._versions, honors=_PAGED)
        add("GET", "/secrets/{name}/{version}", self._get)
        add("PATCH", "/secrets/{name}/{version}", self._update)
        add("GET", "/deletedsecrets", self._list_deleted, honors=_PAGED)
        add("GET", "/deletedsecrets/{name}", self._get_deleted)
        add("DELETE", "/deletedsecrets/{name}", self._purge)
        add("POST", "/deletedsecrets/{name}/recover", self._recover)

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in the format of Key Vault (recorded), with its own codes where others differ."""
        if code == "SubscriptionRequestsThrottled":
            code = "Throttled"
            message = (
                "Request was not processed because too many requests were received. "
                "Reason: VaultRequestTypeLimitReached"
            )
        elif code == "ExpiredAuthenticationToken":
            return self._challenge(message).response
        return access.error(status, code, message, **more)

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return the error for a path that is not served."""
        if path_is_known:
            return self.error(405, "MethodNotAllowed", f"The requested operation '{request.method}' is not allowed.")
        return self.error(
            404, "NotFound", f"The practice cloud's vaults hold secrets only; nothing is at {request.path}."
        )

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of every response (recorded, but for the IDs)."""
        headers = {
            "Cache-Control": "no-cache",
            "x-ms-request-id": request_id(),
            "x-ms-keyvault-service-version": "1.9.378.1",
            "X-Content-Type-Options": "nosniff",
            "Strict-Transport-Security": "max-age=31536000;includeSubDomains",
        }
        vault = self._vault(request.thing)
        if vault is not None:
            headers["x-ms-keyvault-region"] = vault["location"]
        sent = request.headers.get("x-ms-client-request-id")
        return {**headers, "x-ms-client-request-id": sent} if sent else headers

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller, by a bearer token for Key Vault.

        Raises:
            Refused: There is no valid one (the challenge is recorded), the vault is not ready, or no api-version
                is given.
        """
        grant, wrong = self.tokens.bearer(request)
        if wrong == "missing":
            raise self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
        if grant is None:
            raise self._challenge("AKV10046: Unable to resolve the key used for signature validation.")
        audience = seed.AUDIENCES["key_vault"]
        if grant["audience"] != audience:
            raise self._challenge(f"AKV10022: Invalid audience. Expected {audience}, found: {grant['audience']}.")
        if wrong:
            raise self._challenge("AKV10000: The token is expired.")
        version = request.query.get("api-version", "")
        if not version:
            raise self._refused(400, "BadParameter", "api-version must be specified")
        if not _VERSIONS.fullmatch(version):
            raise self._refused(
                400,
                "BadParameter",
                f"The specified version ({version}) is not recognized. Consider using the latest supported version "
                "(2025-07-01).",
            )
        vault = self._vault(request.thing)
        if vault is None or vault["state"] not in {"Succeeded", "Failed"}:
            # In Azure nothing responds: the name does not resolve before the vault is ready.
            raise self._refused(503, "ServiceUnavailable", "The vault is not ready: its name cannot be resolved yet.")
        return self.world.principal(grant["principal"])

    def _challenge(self, message: str) -> Refused:
        refusal = self._refused(401, "Unauthorized", message)
        entra = self.world.addresses.get("active_directory", "https://login.microsoftonline.com")
        refusal.response.headers["WWW-Authenticate"] = (
            f'Bearer authorization="{entra}/{seed.TENANT}", resource="{seed.AUDIENCES["key_vault"]}"'
        )
        return refusal

    def _refused(self, status: int, code: str, message: str, inner: str = "") -> Refused:
        return access.refused(status, code, message, inner)

    def _vault(self, name: str) -> Document | None:
        return access.vault_named(self.world, name)

    def _allowed(self, request: Request, right: Right) -> Document:
        """Return the vault, if the caller has the permission there.

        Raises:
            Refused: The caller lacks the permission, or the name in the path is invalid.
        """
        grant, _ = self.tokens.bearer(request)
        client = str(grant["client"]) if grant is not None else ""
        return access.allowed(self.world, request.thing, request.match.get("name", ""), request.who.id, client, right)

    def _missing(self, name: str) -> Refused:
        return access.missing(name)

    def _present(self, vault: Document, name: str) -> Document:
        secret = self.secrets.find(vault["name"], name)
        if secret is None or secret["deleted"] or self.secrets.busy(secret):
            raise self._missing(name)
        return secret

    def _version(self, request: Request, secret: Document) -> Document:
        wanted = request.match.get("version", "")
        if not wanted:
            return dict(secret["versions"][-1])
        for each in secret["versions"]:
            if each["version"] == wanted.lower():
                return dict(each)
        raise self._missing(f"{secret['name']}/{wanted}")

    def _set(self, request: Request) -> Response:
        vault, name = self._allowed(request, SET), request.match["name"]
        value = request.json.get("value")
        if not isinstance(value, str):
            raise self._refused(400, "BadParameter", "The request body is missing the required property 'value'.")
        if len(value.encode()) > _MOST_BYTES:
            raise self._refused(400, "BadParameter", "The secret's value is longer than 25 KB.")
        _checked(request.json, self._refused)
        found = self.secrets.find(vault["name"], name)
        if found is not None:
            self._free(found)
        secret, version = self.secrets.put(vault["name"], name, request.json)
        return Response(200, {"value": version["value"], **self._bundle(request, vault, secret, version)})

    def _free(self, secret: Document) -> None:
        """Allow a write only if the name is free; the response for a deleted one is recorded."""
        name = secret["name"]
        if secret["deleted"] and self.secrets.busy(secret):
            raise self._refused(
                409,
                "Conflict",
                f"Secret {name} is currently being deleted and cannot be re-created; retry later.",
                "ObjectIsBeingDeleted",
            )
        if secret["deleted"]:
            raise self._refused(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in "
                "this state, the secret can only be recovered or purged.",
                "ObjectIsDeletedButRecoverable",
            )
        if self.secrets.busy(secret):
            raise self._refused(
                409,
                "Conflict",
                f"Secret {name} is currently being recovered; retry later.",
                "ObjectIsBeingRecovered",
            )

    def _get(self, request: Request) -> Response:
        vault = self._allowed(request, GET)
        secret = self._present(vault, request.match["name"])
        version = self._version(request, secret)
        access.require_usable(version, self.world.clock.now())
        return Response(200, {"value": version["value"], **self._bundle(request, vault, secret, version)})

    def _update(self, request: Request) -> Response:
        vault = self._allowed(request, UPDATE)
        secret = self._present(vault, request.match["name"])
        _checked(request.json, self._refused)
        version = self.secrets.update(secret, self._version(request, secret), request.json)
        return Response(200, self._bundle(request, vault, secret, version))

    def _delete(self, request: Request) -> Response:
        vault = self._allowed(request, DELETE)
        secret = self.secrets.delete(self._present(vault, request.match["name"]))
        return Response(200, self._deleted_bundle(request, vault, secret, versioned=True))

    def _list(self, request: Request) -> Response:
        vault = self._allowed(request, LIST)
        found = [each for each in self.secrets.of(vault["name"], deleted=False) if not self.secrets.busy(each)]
        return self._page(request, [self._bundle(request, vault, each, each["versions"][-1], False) for each in found])

    def _versions(self, request: Request) -> Response:
        vault = self._allowed(request, LIST)
        secret = self._present(vault, request.match["name"])
        return self._page(request, [self._bundle(request, vault, secret, each) for each in secret["versions"]])

    def _list_deleted(self, request: Request) -> Response:
        vault = self._allowed(request, LIST)
        found = [each for each in self.secrets.of(vault["name"], deleted=True) if not self.secrets.busy(each)]
        return self._page(request, [self._deleted_bundle(request, vault, each, versioned=False) for each in found])

    def _deleted_secret(self, vault: Document, name: str) -> Document:
        secret = self.secrets.find(vault["name"], name)
        if secret is None or not secret["deleted"]:
            raise self._missing(name)
        return secret

    def _get_deleted(self, request: Request) -> Response:
        vault = self._allowed(request, LOOK)
        secret = self._deleted_secret(vault, request.match["name"])
        if self.secrets.busy(secret):
            raise self._missing(secret["name"])
        return Response(200, self._deleted_bundle(request, vault, secret, versioned=True))

    def _purge(self, request: Request) -> Response:
        vault = self._allowed(request, PURGE)
        secret = self._deleted_secret(vault, request.match["name"])
        if vault["properties"].get("enablePurgeProtection"):
            raise self._refused(
                403, "Forbidden", 'Operation "purge" is not enabled for this vault.', "ForbiddenByPolicy"
            )
        if self.secrets.busy(secret):
            raise self._refused(
                409, "Conflict", f"Secret {secret['name']} is currently being deleted.", "ObjectIsBeingDeleted"
            )
        self.secrets.purge(secret)
        return Response(204)

    def _recover(self, request: Request) -> Response:
        vault = self._allowed(request, RECOVER)
        name = request.match["name"]
        secret = self.secrets.find(vault["name"], name)
        if secret is not None and not secret["deleted"]:
            raise self._refused(
                400, "MethodNotAllowed", f"Secret exists already: {name}", "RequestNotAllowedOnNonDeletedObject"
            )
        if secret is None:
            raise self._missing(name)
        if self.secrets.busy(secret):
            raise self._refused(409, "Conflict", f"Secret {name} is currently being deleted.", "ObjectIsBeingDeleted")
        self.secrets.recover(secret)
        return Response(200, self._bundle(request, vault, secret, secret["versions"][-1]))

    def _bundle(
        self, request: Request, vault: Document, secret: Document, version: Document, versioned: bool = True
    ) -> JsonObject:
        """Return a secret without its value, as recorded: empty members are left out."""
        days = vault["properties"]["softDeleteRetentionInDays"]
        level = "Recoverable" if days == 90 else "CustomizedRecoverable"
        if not vault["properties"].get("enablePurgeProtection"):
            level += "+Purgeable"
        identity = f"{request.base}/secrets/{secret['name']}"
        body: JsonObject = {
            "id": f"{identity}/{version['version']}" if versioned else identity,
            "attributes": {**version["attributes"], "recoveryLevel": level, "recoverableDays": days},
        }
        if version["contentType"] is not None:
            body["contentType"] = version["contentType"]
        if version["tags"]:
            body["tags"] = version["tags"]
        return body

    def _deleted_bundle(self, request: Request, vault: Document, secret: Document, *, versioned: bool) -> JsonObject:
        days = vault["properties"]["softDeleteRetentionInDays"]
        return {
            "recoveryId": f"{request.base}/deletedsecrets/{secret['name']}",
            "deletedDate": secret["deleted"],
            "scheduledPurgeDate": secret["deleted"] + days * _DAY,
            **self._bundle(request, vault, secret, secret["versions"][-1], versioned),
        }

    def _page(self, request: Request, items: list[JsonObject]) -> Response:
        try:
            most = int(request.query.get("maxresults", _PAGE))
            start = int(base64.urlsafe_b64decode(request.query.get("$skiptoken", "MA==")))
        except (ValueError, binascii.Error) as error:
            raise self._refused(400, "BadParameter", "maxresults or $skiptoken is invalid.") from error
        if not 1 <= most <= _PAGE:
            raise self._refused(400, "BadParameter", f"maxresults must be between 1 and {_PAGE}.")
        link = None
        if start + most < len(items):
            query = {
                "api-version": request.query["api-version"],
                "$skiptoken": base64.urlsafe_b64encode(str(start + most).encode()).decode(),
                "maxresults": str(most),
            }
            link = f"{request.base}{request.path}?{urlencode(query, safe='$=')}"
        return Response(200, {"value": items[start : start + most], "nextLink": link})


def _name(secret: Document) -> str:
    return str(secret["name"]).lower()


def _attributes(given: JsonObject) -> JsonObject:
    return {name: given[name] for name in ("enabled", "exp", "nbf") if given.get(name) is not None}


def _checked(body: JsonObject, refused: Callable[[int, str, str], Refused]) -> None:
    """Allow a body only if everything except the value has the right form."""
    attributes, tags = body.get("attributes") or {}, body.get("tags") or {}
    if not isinstance(attributes, dict) or not isinstance(tags, dict) or len(tags) > 15:
        raise refused(400, "BadParameter", "The attributes or the tags (at most 15) of the secret are invalid.")
    if not isinstance(attributes.get("enabled", True), bool | None):
        raise refused(400, "BadParameter", "The attribute 'enabled' must be a boolean.")
    if any(not isinstance(attributes.get(name, 0), int | None) for name in ("exp", "nbf")):
        raise refused(400, "BadParameter", "The attributes 'exp' and 'nbf' must be Unix times.")
