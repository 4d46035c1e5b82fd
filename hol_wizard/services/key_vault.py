"""Key Vault's data plane: the secrets in a vault.

Which permission model a vault has (access policies or roles) makes no difference to a request, only to how a refusal
reads: `error_rules/key_vault.toml`. Deletion is soft in every vault: a deleted secret keeps its name until it is
recovered or purged, and deletion and recovery go on for some seconds after their answer (Key Vault soft-delete
overview); meanwhile writes are refused with one of `BUSY`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from hol_wizard.errors import NotFoundError, ServiceError
from hol_wizard.services.answers import Document, Pages, unexpected
from hol_wizard.services.rest import RestClient, json_object
from hol_wizard.services.secrets import Secret

API_VERSION = "7.4"
"""The official description knows it (keyvault-data/secrets/7.4; its examples and those of 7.5 are asked with it), every
cloud has it, and it is what the Azure CLI of the instructions sends (azure-keyvault-secrets 4.7)."""

BUSY = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered"})
"""Codes of a ConflictError that passes by itself within seconds."""
DELETED = "ObjectIsDeletedButRecoverable"
"""Code of the ConflictError for a name that a deleted secret still holds."""
DISABLED = frozenset({"SecretDisabled", "SecretNotYetValid", "SecretExpired"})
"""Codes of the ConflictError for a secret that is there and gives its value to nobody."""
_UNDELETED = "RequestNotAllowedOnNonDeletedObject"


@dataclass(frozen=True, slots=True)
class Item:
    """One secret as a vault lists it: all but its value."""

    name: str
    enabled: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """The newest version of a secret."""

    item: Item
    value: Secret


class KeyVault:
    """The secrets of key vaults; each method says which vault by its address (`properties.vaultUri`)."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    def items(self, vault_uri: str) -> tuple[Item, ...]:
        """Return the vault's secrets without their values, all pages; deleted ones are not among them.

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
        """Return the value of a secret's newest version, as `read`."""
        found = self.read(vault_uri, name)
        return None if found is None else found.value

    def read(self, vault_uri: str, name: str) -> Content | None:
        """Return a secret's newest version, or None where there is no such secret.

        Raises:
            AccessDeniedError: The account may not read it.
            ConflictError: It is there, but it is disabled or not valid now (`DISABLED`).
            ServiceError: The vault could not be asked.
        """
        # The version is left out as Microsoft's own client leaves it out: what stays is the slash.
        found = self._find("GET", self._url(vault_uri, "secrets", name, "/"), _secret(vault_uri, name))
        return None if found is None else Content(_item(found), Secret(str(found["value"])))

    def set(self, vault_uri: str, name: str, secret: Secret, *, tags: Mapping[str, str] | None = None) -> None:
        """Write a new version of a secret.

        Asking twice makes two versions: whoever asks compares first. What the new version does not name, tags too, it
        does not have.

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
        """Begin to delete a secret softly; return whether there was one.

        Raises:
            AccessDeniedError: The account may not delete.
            ConflictError: It is just being deleted or recovered (`BUSY`).
            ServiceError: The vault could not be asked.
        """
        return self._find("DELETE", self._url(vault_uri, "secrets", name), _secret(vault_uri, name)) is not None

    def deleted(self, vault_uri: str, name: str) -> Item | None:
        """Return a softly deleted secret, or None; one whose deletion is still under way cannot be seen yet.

        Raises:
            AccessDeniedError: The account may not look.
            ServiceError: The vault could not be asked.
        """
        thing = f"deleted {_secret(vault_uri, name)}"
        found = self._find("GET", self._url(vault_uri, "deletedsecrets", name), thing)
        return None if found is None else _item(found)

    def recover(self, vault_uri: str, name: str) -> bool:
        """Begin to recover a softly deleted secret with all its versions; return whether there was one.

        One that is not deleted is fine.

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
        """Remove a softly deleted secret permanently; return whether there was one.

        Raises:
            AccessDeniedError: The account may not purge, or the vault is protected against it.
            ConflictError: It is just being deleted (`BUSY`).
            ServiceError: The vault could not be asked.
        """
        thing = f"deleted {_secret(vault_uri, name)}"
        return self._find("DELETE", self._url(vault_uri, "deletedsecrets", name), thing) is not None

    def _find(self, method: str, url: str, thing: str) -> Document | None:
        """Return the answer, or None where the vault has no such secret."""
        try:
            reply = self._rest.send(method, url, thing=thing)
        except NotFoundError as error:
            if error.code != "SecretNotFound":
                raise
            return None
        return Document({}, reply.source) if reply.status == 204 else json_object(reply, url)

    def _pages(self, vault_uri: str, collection: str, thing: str) -> Iterable[Document]:
        url, pages = self._url(vault_uri, collection), Pages()
        pages.following(url, "")
        while url:
            page = json_object(self._rest.send("GET", url, thing=thing), url)
            yield from page.objects("value")
            url = pages.following(page.text("nextLink"), page.source)

    def _url(self, vault_uri: str, collection: str, name: str = "", rest: str = "") -> str:
        path = f"{collection}/{quote(name, safe='')}{rest}" if name else collection
        return f"{vault_uri.rstrip('/')}/{path}?api-version={API_VERSION}"


def _item(document: Document) -> Item:
    """Return a listed secret; its name is what follows the collection in its id."""
    parts = urlsplit(str(document["id"])).path.strip("/").split("/")
    if len(parts) < 2:
        raise unexpected(document.source, "the id names no secret")
    attributes = document.get("attributes", {})
    return Item(parts[1], bool(attributes.get("enabled", True)), dict(document.get("tags", {})))


def _host(vault_uri: str) -> str:
    return urlsplit(vault_uri).netloc


def _secret(vault_uri: str, name: str) -> str:
    return f"secret {name} in {_host(vault_uri)}"
