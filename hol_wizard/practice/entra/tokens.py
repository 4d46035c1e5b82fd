"""Tokens: issued by Entra ID, and looked up by every service that needs them.

Only their SHA-256 is stored. They look like JWTs, because clients decode them, but the signature cannot be verified:
what counts is that this server has issued them.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.directory import objects
from hol_wizard.practice.kernel.service import Request
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

ACCESS_SECONDS = 4800
"""Lifetime of an access token; in Entra ID, 60 to 90 minutes."""
REFRESH_SECONDS = 90 * 24 * 3600
CODE_SECONDS = 900


def encoded(value: Any) -> str:
    """Return the value as base64url JSON without padding, as in the parts of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned_jwt(claims: dict[str, Any]) -> str:
    """Return a token in the format of a JWT, with a meaningless signature."""
    return f"{encoded({'typ': 'JWT', 'alg': 'RS256', 'kid': 'practice'})}.{encoded(claims)}.{secrets.token_urlsafe(32)}"


@dataclass(frozen=True, slots=True)
class Grant:
    """The meaning of a token."""

    principal: seed.Principal
    audience: str
    client_id: str
    expires: float


class Tokens:
    """The valid tokens and codes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("tokens", self)

    def _keep(self, token: str, document: Document) -> str:
        self._documents.put(objects.digest(token), document)
        return token

    def issue_access(self, principal: seed.Principal, audience: str, client_id: str, issuer: str) -> str:
        """Return a new access token for one resource."""
        now = int(self._world.clock.now())
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + ACCESS_SECONDS,
            "appid": client_id,
            "oid": principal.id,
            "sub": principal.id,
            "tid": seed.TENANT,
            "ver": "1.0",
            "uti": secrets.token_urlsafe(16),
        }
        if principal.app_id:
            claims |= {"idtyp": "app"}
        else:
            claims |= {
                "idtyp": "user",
                "upn": principal.name,
                "unique_name": principal.name,
                "scp": "user_impersonation",
            }
            claims |= {"name": principal.display_name}
        document = {
            "kind": "access",
            "principal": principal.id,
            "audience": audience,
            "client": client_id,
            "expires": now + ACCESS_SECONDS,
        }
        return self._keep(unsigned_jwt(claims), document)

    def issue_assertion(self, claims: dict[str, Any], seconds: float) -> str:
        """Return a new assertion, with which an application or a managed identity can sign in.

        Args:
            claims: Its issuer, subject and audience.
            seconds: Its lifetime.
        """
        now = int(self._world.clock.now())
        times = {"iat": now, "nbf": now, "exp": now + int(seconds)}
        document = {"kind": "assertion", "principal": "", "expires": now + int(seconds)}
        return self._keep(unsigned_jwt({**claims, **times, "jti": str(uuid.uuid4())}), document)

    def issue_refresh(self, principal: seed.Principal, client_id: str) -> str:
        """Return a new refresh token."""
        document = {
            "kind": "refresh",
            "principal": principal.id,
            "client": client_id,
            "expires": self._world.clock.now() + REFRESH_SECONDS,
        }
        return self._keep(f"1.practice.{secrets.token_urlsafe(48)}", document)

    def issue_code(
        self, principal: seed.Principal, client_id: str, redirect_uri: str, challenge: str, nonce: str
    ) -> str:
        """Return a new authorization code for one use."""
        document = {
            "kind": "code",
            "principal": principal.id,
            "client": client_id,
            "redirect_uri": redirect_uri,
            "challenge": challenge,
            "nonce": nonce,
            "expires": self._world.clock.now() + CODE_SECONDS,
        }
        return self._keep(f"1.code.{secrets.token_urlsafe(32)}", document)

    def find(self, token: str, kind: str) -> Document | None:
        """Return the data of a token of this kind, expired or not; None if it was never issued."""
        document = self._documents.get(objects.digest(token))
        return document if document is not None and document["kind"] == kind else None

    def bearer(self, request: Request) -> tuple[Document | None, str]:
        """Return the data of a request's bearer token, and what is wrong with it.

        The second is `missing`, `unknown`, `expired`, or empty; the service checks the audience.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None, "missing"
        document = self.find(token.strip(), "access")
        if document is None or self._world.principal(document["principal"]) is None:
            return None, "unknown"
        return document, "expired" if document["expires"] <= self._world.clock.now() else ""

    def spend(self, token: str) -> None:
        """Invalidate a single-use token."""
        self._documents.delete(objects.digest(token))

    def expire(self, kind: str) -> int:
        """Expire every token of this kind, and return how many there were."""
        found = [(key, each) for key, each in self._documents.items() if each["kind"] == kind]
        for key, document in found:
            self._documents.put(key, {**document, "expires": 0})
        return len(found)

    def prune(self) -> None:
        """Delete what expired more than a day ago, so that the error for recent ones is "expired", not "unknown"."""
        limit = self._world.clock.now() - 24 * 3600
        for key, document in self._documents.items():
            if 0 < document["expires"] < limit:
                self._documents.delete(key)


def correlation() -> str:
    """Return a new trace or correlation ID."""
    return str(uuid.uuid4())
