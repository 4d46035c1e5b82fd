"""Assertions with which an application signs in: signed with its certificate, or issued by a trusted issuer.

Their contents are from "Microsoft identity platform application authentication certificate credentials" and "Workload
identity federation". The errors' texts are from public issues (azure-workload-identity 340, 642, 1200; Azure/login 283,
482, 515; keycloak 19425; microsoft-authentication-library-for-dotnet 4951; openid-client 348; passport-azure-ad 453).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection
from typing import Any

import jwt
from cryptography import x509

from hol_wizard.practice import seed
from hol_wizard.practice.directory import objects
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ("RS256", "PS256")
DEVOPS_ISSUER = f"https://login.microsoftonline.com/{seed.TENANT}/v2.0"
"""The issuer of the assertions that Azure DevOps gives to the jobs of new service connections.

It is Entra ID itself (Azure DevOps, "Check the issuer URL for accuracy"). It has its real name here, not this machine's
address, because credentials that somebody has created with it must outlive a change of ports.
"""
FEDERATION = ("allowed", "disabled", "constrained")
"""What a tenant's policy does with federated credentials: it allows them, blocks those of applications, or blocks those
with this issuer."""
_CLOCK_SECONDS = 300
"""Allowed difference between the clocks of client and service."""
_CERTIFICATES = "https://learn.microsoft.com/entra/identity-platform/certificate-credentials"
_FEDERATION = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"


class RejectedError(Exception):
    """The assertion proves nothing.

    Attributes:
        status: The HTTP status of the response.
        code: The OAuth error.
        message: The text, which begins with `AADSTS`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def verify(world: World, client: str, assertion: str, issuer: str, audiences: Collection[str]) -> None:
    """Return if an assertion proves that its sender is the application.

    Args:
        world: The world with the application's certificates and federated credentials.
        client: The application (client) ID.
        assertion: The JWT.
        issuer: The issuer of this tenant's tokens.
        audiences: Allowed audiences of the application's own assertions: the token endpoint, or the issuer.

    Raises:
        RejectedError: It does not; the message is Entra ID's.
    """
    header, claims = _parts(assertion)
    application = objects.application_of(world, client) or {}
    if claims["iss"].lower() == client:
        _of_certificate(world, client, application, assertion, header, claims, audiences)
    else:
        _federated(world, client, application, assertion, claims, issuer)


def _parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims, which are not verified yet."""
    malformed = RejectedError(400, "invalid_request", "AADSTS50027: JWT token is invalid or malformed.")
    parts = assertion.split(".")
    if len(parts) != 3 or not all(parts):
        raise malformed
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(f"{part}==")) for part in parts[:2])
    except (ValueError, RecursionError) as error:
        raise malformed from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise malformed
    if not all(isinstance(claims.get(name), str) for name in ("iss", "sub")) or not isinstance(
        claims.get("aud"), str | list
    ):
        raise malformed
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, None if name == "exp" else 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e11:
            raise malformed
    return header, claims


def _in_time(world: World, claims: dict[str, Any], tolerance: float = _CLOCK_SECONDS) -> None:
    now = world.clock.now()
    begins = float(claims.get("nbf", claims.get("iat", 0)))
    if begins - _CLOCK_SECONDS <= now < float(claims["exp"]) + tolerance:
        return
    first, last = timestamp(max(0.0, begins)), timestamp(max(0.0, float(claims["exp"])))
    raise RejectedError(
        401,
        "invalid_client",
        f"AADSTS700024: Client assertion is not within its valid time range. Current time: {timestamp(now)}, assertion "
        f"valid from {first}, expiry time of assertion {last}. "
        f"Review the documentation at {_CERTIFICATES}.",
    )


def _of_certificate(
    world: World,
    client: str,
    application: Document,
    assertion: str,
    header: dict[str, Any],
    claims: dict[str, Any],
    audiences: Collection[str],
) -> None:
    given = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims["sub"].lower() != client:
        raise RejectedError(
            401, "invalid_client", "AADSTS50048: Subject must match the issuer claim in the client assertion."
        )
    if len(given) != 1 or str(given[0]).lower().rstrip("/") not in {each.lower() for each in audiences}:
        raise RejectedError(
            401,
            "invalid_client",
            f"AADSTS700023: Client assertion audience claim does not match Realm issuer. Review the documentation at "
            f"{_CERTIFICATES}.",
        )
    _in_time(world, claims)
    if header.get("alg") not in _ALGORITHMS:
        raise RejectedError(
            400, "invalid_request", "AADSTS5002730: Invalid JWT token. Unsupported key for the signing algorithm."
        )
    now, reason = world.clock.now(), "The key was not found."
    for kept in application.get("certificates", []):
        certificate = x509.load_der_x509_certificate(base64.b64decode(kept["key"]))
        if not _names(header, base64.b64decode(kept["key"])):
            continue
        if not kept["start"] <= now < kept["end"]:
            reason = "The key used is expired."
            continue
        try:
            # The claims were checked above, with Entra ID's message for each.
            unjudged = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
            key: Any = certificate.public_key()
            jwt.decode(assertion, key, algorithms=list(_ALGORITHMS), options=unjudged)  # type: ignore[arg-type] # a TypedDict
        except (jwt.PyJWTError, TypeError):
            reason = "The key was found, but use of the key to verify the signature failed."
            continue
        return
    raise RejectedError(
        401,
        "invalid_client",
        "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on "
        f"application. [Reason - {reason}, Please visit the Azure Portal, Graph Explorer or directly use MS Graph to "
        f"see configured keys for app Id '{client}'.]",
    )


def _names(header: dict[str, Any], certificate: bytes) -> bool:
    """Return whether a header names this certificate, by its SHA-1 or SHA-256."""
    old = hashlib.sha1(certificate).digest()  # noqa: S324 - `x5t` is that, by RFC 7515
    new = hashlib.sha256(certificate).digest()
    named = {"x5t": [_text(old)], "x5t#S256": [_text(new)], "kid": [_text(old), old.hex().upper()]}
    # MSAL adds the padding, which RFC 7515 omits.
    return any(str(header.get(name, "")).rstrip("=") in texts for name, texts in named.items())


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _federated(
    world: World, client: str, application: Document, assertion: str, claims: dict[str, Any], issuer: str
) -> None:
    """Verify an assertion of another issuer, by the federated credentials of the application or managed identity.

    The practice cloud sends no requests to other servers, so it can verify only its own signatures. The codes are those
    of "Troubleshoot an Azure Resource Manager workload identity service connection"; the texts of 700223 and 700238 are
    estimates.
    """
    principal = objects.service_principal_of(world, client)
    application = application or {"displayName": principal["displayName"] if principal else ""}
    known = objects.federated_of(world, client)
    if not known:
        raise RejectedError(
            401,
            "invalid_client",
            f"AADSTS70025: The client '{client}'({application.get('displayName', '')}) has no configured federated "
            "identity credentials.",
        )
    given = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    policy = world.setting("federation")
    if policy == "disabled" and "resource" not in (principal or {}):
        message = (
            f"AADSTS700223: Workload identity federation is disabled for applications in the tenant {seed.TENANT}."
        )
        raise RejectedError(401, "invalid_client", message)
    if policy == "constrained" and claims["iss"] == DEVOPS_ISSUER:
        message = f"AADSTS700238: The tenant {seed.TENANT} does not allow federated credentials with the issuer "
        raise RejectedError(401, "invalid_client", f"{message}'{claims['iss']}'.")
    # This tenant's issuer has two names: what somebody has typed by its real name is the same one.
    own = {issuer, DEVOPS_ISSUER}
    same = own if claims["iss"] in own else {claims["iss"]}
    found = _matching("700211", "issuer", claims["iss"], [each for each in known if each["issuer"] in same])
    fitting = [each for each in found if set(each["audiences"]) & {str(each) for each in given}]
    found = _matching("700212", "audience", str(given[0] if given else ""), fitting)
    _matching("700213", "subject", claims["sub"], [each for each in found if each["subject"] == claims["sub"]])
    by_devops = claims["iss"] == DEVOPS_ISSUER
    if by_devops and application.get("fields", {}).get("signInAudience", "AzureADMyOrg") != "AzureADMyOrg":
        message = "AADSTS70052: The identity must be a managed identity, a single tenant app, or a service account."
        raise RejectedError(400, "invalid_request", message)
    # No tolerance for an assertion of ten minutes: azure-cli issue 28708 reports that it ends after ten.
    _in_time(world, claims, tolerance=0 if by_devops else _CLOCK_SECONDS)
    if not by_devops and claims["iss"] != issuer:
        raise RejectedError(400, "invalid_request", "AADSTS50166: Request to External OIDC endpoint failed.")
    token = world.part(Tokens).find(assertion, "assertion" if by_devops else "access")
    if token is None or token["expires"] <= world.clock.now():
        raise RejectedError(
            401,
            "invalid_client",
            "AADSTS50013: Assertion failed signature validation. [Reason - The key was not found.]",
        )


def _matching(number: str, name: str, value: str, found: list[Document]) -> list[Document]:
    if found:
        return found
    raise RejectedError(
        401,
        "invalid_client",
        f"AADSTS{number}: No matching federated identity record found for presented assertion {name} '{value}'. Check "
        "your federated identity credential Subject, Audience and Issuer against the presented assertion. "
        f"{_FEDERATION}",
    )


def certificate_of(given: Any) -> Document | None:
    """Return the stored form of one `keyCredential` in a request; None if it is not a certificate for verification."""
    if not isinstance(given, dict) or given.get("type") != "AsymmetricX509Cert" or given.get("usage") != "Verify":
        return None
    try:
        key = base64.b64decode(str(given.get("key") or ""), validate=True)
        certificate = x509.load_der_x509_certificate(key)
    except (binascii.Error, ValueError):
        return None
    first, last = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    start = first if given.get("startDateTime") is None else objects.moment(given["startDateTime"])
    end = last if given.get("endDateTime") is None else objects.moment(given["endDateTime"])
    if start is None or end is None or end <= start:
        return None
    return {
        "keyId": str(given.get("keyId") or _key_id(key)),
        "displayName": given.get("displayName") or certificate.subject.rfc4514_string(),
        "thumbprint": base64.b64encode(hashlib.sha1(key).digest()).decode(),  # noqa: S324 - what Graph shows
        "key": base64.b64encode(key).decode(),
        "start": max(start, first),
        "end": min(end, last),
    }


def _key_id(key: bytes) -> str:
    digest = hashlib.sha256(key).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
