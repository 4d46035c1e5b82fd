"""What services' error codes mean, and what to do about them: data, first match wins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
    WizardError,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of error."""

    code: str
    """Regular expression over the whole code."""
    error: type[WizardError]
    message: str
    """In plain words; `{thing}` is what was asked for, `{original}` the service's own words."""
    hint: str
    pattern: str = ""
    """Regular expression over the service's words; its named groups can stand in message and hint."""
    link: str = ""


RESOURCE_MANAGER: tuple[Rule, ...] = (
    Rule(
        "AuthorizationFailed|LinkedAuthorizationFailed",
        AccessDeniedError,
        "Your account may not {action} on {scope}.",
        "Ask an owner of the subscription for the role Contributor on it (for role assignments: Owner, or Role Based "
        "Access Control Administrator). If it was given just now, sign in again.",
        r"action '(?P<action>[^']+)'.*scope '(?P<scope>[^']+)'",
    ),
    Rule(
        "AuthorizationFailed|LinkedAuthorizationFailed",
        AccessDeniedError,
        "Your account may not do this: {original}",
        "Ask an owner of the subscription for the role Contributor.",
    ),
    Rule(
        "RequestDisallowedByPolicy",
        AccessDeniedError,
        "The organization's policy {policy} forbids this.",
        "Choose a region or size that the policy allows, or ask the subscription's owner for an exemption.",
    ),
    Rule(
        "MissingSubscriptionRegistration|SubscriptionNotRegistered",
        ConflictError,
        "The subscription is not registered for this kind of resource: {original}",
        "Do the step “Register the resource providers” first.",
    ),
    Rule(
        "StorageAccountAlreadyTaken|StorageAccountAlreadyExists",
        ConflictError,
        "The name {thing} is taken, by somebody anywhere in Azure.",
        "Choose another prefix (section set-up): the worldwide names follow from it.",
    ),
    Rule(
        "VaultAlreadyExists",
        ConflictError,
        "The vault name {thing} is taken: by somebody anywhere in Azure, or by a vault that is only soft-deleted.",
        "If it was yours: recover or purge it under Manage deleted vaults in the portal. Else choose another prefix.",
    ),
    Rule(
        "InvalidResourceGroupLocation|InvalidResourceLocation",
        ConflictError,
        "{thing} exists already in another region: {original}",
        "Choose that region (section set-up), or another prefix.",
    ),
    Rule(
        "QuotaExceeded|.*QuotaExceeded.*|SkuNotAvailable",
        ConflictError,
        "The subscription's quota does not allow it: {original}",
        "Ask for more quota in the portal under Quotas, or choose another region.",
    ),
    Rule(
        "LocationNotAvailableForResourceType",
        ConflictError,
        "This region does not offer it: {original}",
        "Choose another region (section set-up, step Choose your names).",
    ),
    Rule("ScopeLocked", ConflictError, "A lock protects it: {original}", "Remove the lock in the portal under Locks."),
    Rule(
        "InvalidSubscriptionId|SubscriptionNotFound",
        NotFoundError,
        "There is no such subscription for this account.",
        "Choose another (section set-up, step Choose the subscription), or sign in to another directory.",
    ),
    Rule(
        "DisabledSubscription|ReadOnlyDisabledSubscription",
        AccessDeniedError,
        "The subscription is disabled.",
        "Ask its owner to enable it, or choose another.",
    ),
    Rule(
        "ExpiredAuthenticationToken|InvalidAuthenticationToken.*|AuthenticationFailed",
        SignInError,
        "Azure no longer takes the sign-in: {original}",
        "Sign in again (section set-up, step Sign in), or run: az login",
    ),
    Rule(
        "TooManyRequests|SubscriptionRequestsThrottled|ServerBusy",
        UnreachableError,
        "Azure asks to slow down: {original}",
        "Wait a minute, then try again.",
    ),
)
"""Sources: learn.microsoft.com/azure/azure-resource-manager/troubleshooting, the recordings' `_errors.jsonl`."""

SIGN_IN: tuple[Rule, ...] = (
    Rule(
        "AADSTS7000215",
        SignInError,
        "The client secret is wrong.",
        "Copy the secret's value, not its id, into AZURE_CLIENT_SECRET; a new one takes about a minute to work.",
    ),
    Rule(
        "AADSTS7000222",
        SignInError,
        "The client secret has expired.",
        "Add a new one to the application, then set AZURE_CLIENT_SECRET.",
    ),
    Rule(
        "AADSTS700016",
        SignInError,
        "The application is not known in this directory (tenant).",
        "Look at AZURE_CLIENT_ID and AZURE_TENANT_ID.",
    ),
    Rule(
        "AADSTS90002",
        SignInError,
        "There is no such directory (tenant).",
        "Look at AZURE_TENANT_ID, or leave the tenant away.",
    ),
    Rule(
        "AADSTS50076|AADSTS50079",
        SignInError,
        "The directory asks for a second factor.",
        "Sign in again in the browser: az login --tenant {tenant}",
    ),
    Rule(
        "AADSTS53003|AADSTS530003|AADSTS53000",
        SignInError,
        "The directory's Conditional Access forbids this way to sign in.",
        "Sign in with the browser on a managed machine, or run there: az login",
    ),
    Rule(
        "AADSTS700082|AADSTS70043|AADSTS50173|AADSTS700084|invalid_grant|AADSTS70008",
        SignInError,
        "The sign-in has expired.",
        "Sign in again (section set-up, step Sign in), or run: az login",
    ),
    Rule(
        "AADSTS70016|authorization_declined|access_denied|AADSTS65004",
        SignInError,
        "The sign-in was declined.",
        "Try again, and confirm it.",
    ),
    Rule(
        "expired_token|code_expired|AADSTS70020",
        SignInError,
        "The code was not typed in time.",
        "Try again: it is good for 15 minutes.",
    ),
)
"""Source: learn.microsoft.com/entra/identity-platform/reference-error-codes."""


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"your {key}" if key == "tenant" else "it"


def explain(rules: tuple[Rule, ...], code: str, original: str, thing: str, **facts: str) -> WizardError | None:
    """Return the project's error for a service's, or None where no rule knows it.

    Args:
        rules: One of this module's tables.
        code: The service's code.
        original: The service's own words; kept as the error's detail.
        thing: What was asked for.
        facts: What else message and hint can name.
    """
    for rule in rules:
        if not re.fullmatch(rule.code, code, re.IGNORECASE):
            continue
        found = re.search(rule.pattern, original, re.DOTALL) if rule.pattern else None
        if rule.pattern and found is None:
            continue
        words = _Known(facts, thing=thing, original=original.strip(), **(found.groupdict() if found else {}))
        return rule.error(
            rule.message.format_map(words), rule.hint.format_map(words), code=code, detail=f"{code}: {original}"
        )
    return None


def of_answer(status: int, body: Any, thing: str) -> WizardError:
    """Return the error that an answer of Resource Manager's means.

    Args:
        status: HTTP status, 400 or above.
        body: The parsed answer; anything else than an error document is taken as it is.
        thing: What was asked for.
    """
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    error = error if isinstance(error, Mapping) else {}
    code = str(error.get("code") or "")
    original = str(error.get("message") or (body if isinstance(body, str) else "") or f"HTTP {status}")[:2000]
    explained = explain(RESOURCE_MANAGER, code, original, thing, policy=_policy(error))
    if explained is not None:
        return explained
    kind: type[WizardError] = {401: SignInError, 403: AccessDeniedError, 404: NotFoundError, 409: ConflictError}.get(
        status, ServiceError
    )
    hint = {
        401: "Sign in again (section set-up, step Sign in), or run: az login",
        403: "Ask an owner of the subscription for the role Contributor.",
        404: "",
    }.get(status, "Try again; if it stays, copy the details to the proctor.")
    return kind(f"{thing}: {original}", hint, code=code, detail=f"HTTP {status} {code}: {original}")


def _policy(error: Mapping[str, Any]) -> str:
    """Return the display names of the policies that refused (`additionalInfo[].info.policyDefinitionDisplayName`)."""
    named = [
        str(entry["info"]["policyDefinitionDisplayName"])
        for entry in error.get("additionalInfo") or ()
        if isinstance(entry, Mapping)
        and isinstance(entry.get("info"), Mapping)
        and entry["info"].get("policyDefinitionDisplayName")
    ]
    return ", ".join(f"“{name}”" for name in named) or "(not named)"


def of_sign_in(original: str, *, tenant: str = "") -> SignInError:
    """Return the error that words of Entra ID's, or of a sign-in library, mean."""
    codes = re.findall(
        r"AADSTS\d+|\b(?:invalid_grant|authorization_declined|access_denied|expired_token|code_expired)\b", original
    )
    first = original.strip().splitlines()[0] if original.strip() else "no reason given"
    for code in codes:
        explained = explain(SIGN_IN, code, original, "the sign-in", **({"tenant": tenant} if tenant else {}))
        if isinstance(explained, SignInError):
            return explained
    return SignInError(
        f"The sign-in failed: {first}",
        "Sign in again (section set-up, step Sign in), or run: az login",
        detail=original,
    )
