"""Who may do what in a container registry: tokens of the registry's own, and the Azure roles behind them.

As in Azure Container Registry, a token of Entra ID is exchanged for the registry's refresh token, and that for access
tokens with scopes (`AAD-OAuth.md` in Azure/acr). Docker sends the refresh token as the password of a user
named with zeros.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from typing import NamedTuple

from hol_wizard.practice import seed
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.directory import objects
from hol_wizard.practice.entra.tokens import Tokens, unsigned_jwt
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

REFRESH_SECONDS = 3 * 3600
""""The token ... is valid for 3 hours" (az acr login)."""
ACCESS_SECONDS = 75 * 60
"""The lifetime of an access token of Azure Container Registry (Azure/acr, Token-BasicAuth.md)."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""The user name with which a token is sent as a password."""
_AUDIENCES = frozenset(
    {
        seed.AUDIENCES["management"].rstrip("/"),
        "https://management.azure.com",
        seed.AUDIENCES["container_registry"],
    }
)
"""Audiences of tokens of Entra ID that a registry accepts."""
_RIGHTS = {
    "pull": "pull/read",
    "push": "push/write",
    "delete": "artifacts/delete",
    "metadata_read": "pull/read",
    "metadata_write": "push/write",
}
"""The Azure action below `Microsoft.ContainerRegistry/registries/` that each action of a scope requires."""
_SCOPE = re.compile(r"(repository|registry|artifact-repository):(.+):([a-z_,*]+)")


class Scope(NamedTuple):
    """What a token allows on one repository, or on the list of all (`registry:catalog:*`)."""

    type: str
    name: str
    actions: tuple[str, ...]

    @property
    def text(self) -> str:
        """The scope as it is requested."""
        return f"{self.type}:{self.name}:{','.join(self.actions)}"


def scopes(text: str) -> list[Scope]:
    """Return the scopes in a request's parameter, which are separated by spaces."""
    found = (_SCOPE.fullmatch(each) for each in text.split())
    return [Scope(each[1], each[2], tuple(each[3].split(","))) for each in found if each is not None]


class RegistryTokens:
    """The tokens that registries have issued; only their SHA-256 is kept."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("registry_tokens", self)

    def issue(self, registry: str, principal: str, kind: str, host: str, granted: list[Scope]) -> str:
        """Return a new token.

        Args:
            registry: The registry that it is for.
            principal: Object ID of who gets it, or the name of the registry's admin user.
            kind: `refresh` or `access`.
            host: The registry's address, without `https://`.
            granted: What an access token allows.
        """
        now = self._world.clock.now()
        for key, each in self._documents.items():
            if each["expires"] < now:
                self._documents.delete(key)
        expires = now + (REFRESH_SECONDS if kind == "refresh" else ACCESS_SECONDS)
        token = unsigned_jwt(
            {
                "jti": secrets.token_hex(16),
                "sub": principal,
                "iss": "Azure Container Registry",
                "aud": host,
                "iat": int(now),
                "nbf": int(now),
                "exp": int(expires),
                "grant_type": f"{kind}_token",
                "access": [{"Type": each.type, "Name": each.name, "Actions": list(each.actions)} for each in granted],
            }
        )
        document: Document = {
            "registry": registry,
            "principal": principal,
            "kind": kind,
            "scopes": [each.text for each in granted],
            "expires": expires,
        }
        self._documents.put(objects.digest(token), document)
        return token

    def find(self, token: str, registry: str, kind: str) -> Document | None:
        """Return the data of a valid token of a registry."""
        found = self._documents.get(objects.digest(token))
        if found is None or found["registry"] != registry or found["kind"] != kind:
            return None
        return found if found["expires"] > self._world.clock.now() else None


class SignIn:
    """Recognizes callers of a registry."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tokens = world.part(RegistryTokens)

    def of_entra_token(self, token: str) -> seed.Principal | None:
        """Return the owner of a valid token of Entra ID for Azure Resource Manager, or for container registries."""
        found = self._world.part(Tokens).find(token, "access")
        if (
            found is None
            or found["audience"].rstrip("/") not in _AUDIENCES
            or found["expires"] <= self._world.clock.now()
        ):
            return None
        return self._world.principal(found["principal"])

    def of_refresh_token(self, token: str, registry: Document) -> str:
        """Return whose refresh token this is; empty if it is invalid."""
        found = self.tokens.find(token, registry["name"].lower(), "refresh")
        return str(found["principal"]) if found is not None else ""

    def of_basic(self, header: str, registry: Document) -> str:
        """Return who signs in with a name and a password; empty if they are wrong.

        The admin user, an application with its secret, or nobody with a refresh or Entra token as the password
        (Azure Container Registry, "Authenticate with an Azure container registry").
        """
        try:
            user, _, password = base64.b64decode(header, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return self.of_password(user, password, registry)

    def of_password(self, user: str, password: str, registry: Document) -> str:
        """Return who signs in with a name and a password; empty if they are wrong."""
        if user == NOBODY:
            principal = self.of_entra_token(password)
            return self.of_refresh_token(password, registry) or (principal.id if principal is not None else "")
        if user.lower() == registry["name"].lower():
            known = admin_passwords(registry)
            same = [secrets.compare_digest(each.encode(), password.encode()) for each in known]
            return registry["name"].lower() if any(same) else ""
        return self._of_application(user.lower(), password)

    def _of_application(self, client: str, secret: str) -> str:
        """Return the service principal of an application that has this secret; empty if there is none."""
        if client == seed.CI_PRINCIPAL.app_id:
            known = str(self._world.setting("ci_secret")).encode()
            return seed.CI_PRINCIPAL.id if secrets.compare_digest(known, secret.encode()) else ""
        principal = objects.service_principal_of(self._world, client)
        kept = objects.client_secret(self._world, client, secret)
        if principal is None or kept is None or kept["end"] <= self._world.clock.now():
            return ""
        return str(principal["id"])

    def granted(self, registry: Document, principal: str, asked: list[Scope]) -> list[Scope]:
        """Return the part of the scopes that a principal has; the admin user has all of them."""
        if principal == registry["name"].lower():
            return asked
        found = []
        for scope in asked:
            has = [each for each in scope.actions if self._has(registry, principal, scope, each)]
            if has:
                found.append(Scope(scope.type, scope.name, tuple(has)))
        return found

    def _has(self, registry: Document, principal: str, scope: Scope, action: str) -> bool:
        right = "pull/read" if scope.type == "registry" else _RIGHTS.get(action, "")
        access = self._world.part(Access)
        action = f"Microsoft.ContainerRegistry/registries/{right}"
        return bool(right) and access.allowed(principal, action, registry["id"], propagated=True)


def admin_passwords(registry: Document) -> tuple[str, ...]:
    """Return the two passwords of a registry's admin user; none if it is disabled."""
    if not registry["properties"].get("adminUserEnabled"):
        return ()
    return tuple(registry["properties"].get("passwords", ()))
