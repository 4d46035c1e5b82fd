"""Key Vault's data plane: the secrets in a vault.

The permission model of a vault (access policies or roles) makes no difference to a request, only to the text of a
refusal: `error_rules/key_vault.toml`. Every vault uses soft deletion: a deleted secret keeps its name until it is
recovered or purged. Deletion and recovery continue for some seconds after their response (Key Vault soft-delete
overview); in the meantime, writes are refused with one of `BUSY`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from hol_wizard.errors import NotFoundError, ServiceError
from hol_wizard.services.answers import Document, pages, unexpected
from hol_wizard.services.rest import RestClient, json_object
from hol_wizard.services.secrets import Secret

API_VERSION = "7.4"
"""The official description knows it (keyvault-data/secrets/7.4; its examples and those of 7.5 are asked with it), every
cloud has it, and it is what the Azure CLI of the instructions sends (azure-keyvault-secrets 4.7)."""

BUSY = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered"})
"""Codes of a temporary ConflictError, which disappears within seconds."""
DELETED = "ObjectIsDeletedButRecoverable"
"""Code of the ConflictError for a name that a deleted secret still uses."""
DISABLED = frozenset({"SecretDisabled", "SecretNotYetValid", "SecretExpired"})
"""Codes of the ConflictError for a secret that exists but whose value nobody can read."""
_UNDELETED = "RequestNotAllowedOnNonDeletedObject"


@dataclass(frozen=True, slots=True)
class Item:
    """One secret as a vault lists it, without its value."""

    name: str
    enabled: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    expires: float = 0.0
    """Seconds since the epoch; 0 for one that does not expire."""


@dataclass(frozen=True, slots=True)
class Content:
    """The newest version of a secret."""

    item: Item
    value: Secret


class KeyVault:
    """The secrets of key vaults; each method names the vault by its address (`properties.vaultUri`)."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    def items(self, vault_uri: str) -> tuple[Item, ...]:
        """Return all of the vault's secrets without their values, except deleted ones.

        Raises:
            AccessDeniedError: The account may not list them.
            ServiceError: The vault could not be asked.
        """
        return tuple(map(_item, self._pages(vault_uri, "secrets", f"list of secrets in {_host(vault_uri)}")))

    def names(self, vault_uri: str) -> tuple[str, ...]:
        """Return the names of the vault's secrets.

        Raises:
            AccessDeniedError: The account may not list them.
            ServiceError: The vault could not be asked.
        """
        return tuple(item.name for item in self.items(vault_uri))

    def get(self, vault_uri: str, name: str) -> Secret | None:
        """Return the value of a secret's newest version; otherwise like `read`."""
        found = self.read(vault_uri, name)
        return None if found is None else found.value

    def read(self, vault_uri: str, name: str) -> Content | None:
        """Return a secret's newest version, or None if there is no such secret.

        Raises:
            AccessDeniedError: The account may not read it.
            ConflictError: It exists, but it is disabled or not valid now (`DISABLED`).
            ServiceError: The vault could not be asked.
        """
        # The version is omitted as in Microsoft's own client: the slash remains.
        found = self._find("GET", self._url(vault_uri, "secrets", name, "/"), _secret(vault_uri, name))
        return None if found is None else Content(_item(found), Secret(str(found["value"])))

    def set(self, vault_uri: str, name: str, secret: Secret, *, tags: Mapping[str, str] | None = None) -> None:
        """Write a new version of a secret.

        A repeated request creates another version, so the caller compares first. The new version has only the
        properties, including tags, that the request names.

        Raises:
            ConflictError: The name is that of a deleted secret (`DELETED`), or one that is just being deleted or
                recovered (`BUSY`).
            AccessDeniedError: The account may not write.
            ServiceError: The vault could not be asked.
        """
        body: dict[str, Any] = {"value": secret.reveal(), "attributes": {"enabled": True}}
        if tags:
            body["tags"] = dict(tags)
        self._rest.send("PUT", self._url(vault_uri, "secrets", name), thing=_secret(vault_uri, name), body=body)

    def delete(self, vault_uri: str, name: str) -> bool:
        """Start the soft deletion of a secret; return whether there was one.

        Raises:
            AccessDeniedError: The account may not delete.
            ConflictError: It is just being deleted or recovered (`BUSY`).
            ServiceError: The vault could not be asked.
        """
        return self._find("DELETE", self._url(vault_uri, "secrets", name), _secret(vault_uri, name)) is not None

    def deleted(self, vault_uri: str, name: str) -> Item | None:
        """Return a soft-deleted secret, or None; one whose deletion is still in progress is not visible yet.

        Raises:
            AccessDeniedError: The account may not read it.
            ServiceError: The vault could not be asked.
        """
        thing = f"deleted {_secret(vault_uri, name)}"
        found = self._find("GET", self._url(vault_uri, "deletedsecrets", name), thing)
        return None if found is None else _item(found)

    def recover(self, vault_uri: str, name: str) -> bool:
        """Start the recovery of a soft-deleted secret with all its versions; return whether there was one.

        Does nothing if it is not deleted.

        Raises:
            AccessDeniedError: The account may not recover.
            ConflictError: It is just being deleted or recovered (`BUSY`).
            ServiceError: The vault could not be asked.
        """
        url = self._url(vault_uri, "deletedsecrets", name, "/recover")
        try:
            return self._find("POST", url, f"deleted {_secret(vault_uri, name)}") is not None
        except ServiceError as error:
            if error.code != _UNDELETED:
                raise
            return True

    def purge(self, vault_uri: str, name: str) -> bool:
        """Purge a soft-deleted secret; return whether there was one.

        Raises:
            AccessDeniedError: The account may not purge, or the vault is protected against it.
            ConflictError: It is just being deleted (`BUSY`).
            ServiceError: The vault could not be asked.
        """
        thing = f"deleted {_secret(vault_uri, name)}"
        return self._find("DELETE", self._url(vault_uri, "deletedsecrets", name), thing) is not None

    def _find(self, method: str, url: str, thing: str) -> Document | None:
        """Return the response, or None if the vault has no such secret."""
        try:
            reply = self._rest.send(method, url, thing=thing)
        except NotFoundError as error:
            if error.code != "SecretNotFound":
                raise
            return None
        return Document({}, reply.source) if reply.status == 204 else json_object(reply, url)

    def _pages(self, vault_uri: str, collection: str, thing: str) -> Iterable[Document]:
        def read(url: str) -> Document:
            return json_object(self._rest.send("GET", url, thing=thing), url)

        for page in pages(read, lambda page: page.text("nextLink"), self._url(vault_uri, collection)):
            yield from page.objects("value")

    def _url(self, vault_uri: str, collection: str, name: str = "", rest: str = "") -> str:
        path = f"{collection}/{quote(name, safe='')}{rest}" if name else collection
        return f"{vault_uri.rstrip('/')}/{path}?api-version={API_VERSION}"


def _item(document: Document) -> Item:
    """Return a listed secret; its name is the part of its ID after the collection."""
    parts = urlsplit(str(document["id"])).path.strip("/").split("/")
    if len(parts) < 2:
        raise unexpected(document.source, "the id names no secret")
    attributes = document.get("attributes", {})
    expires = attributes.get("exp", 0)
    ends = float(expires) if isinstance(expires, int | float) else 0.0
    return Item(parts[1], bool(attributes.get("enabled", True)), dict(document.get("tags", {})), ends)


def _host(vault_uri: str) -> str:
    return urlsplit(vault_uri).netloc


def _secret(vault_uri: str, name: str) -> str:
    return f"secret {name} in {_host(vault_uri)}"
