"""What services' error codes mean, and what to do about them: data, first match wins.

Sources: learn.microsoft.com/azure/azure-resource-manager/troubleshooting,
learn.microsoft.com/entra/identity-platform/reference-error-codes, and recorded answers of Resource Manager.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
    WizardError,
)

Service = Literal["arm", "entra", "network"]

SIGN_IN_AGAIN: Final = "Sign in again (section set-up, step Sign in), or run: az login"
CHOOSE_NAMES: Final = "(section set-up, step Choose your names)"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of error."""

    service: Service
    code: str
    """Regular expression over the whole code, in any case."""
    error: type[WizardError]
    message: str
    """In plain words. `{thing}` is what was asked for, `{original}` the service's own words, `{host}` who was asked."""
    hint: str
    pattern: str = ""
    """Regular expression over the service's words; its named groups can stand in message and hint."""
    retry: bool = False
    """Whether the same request is worth another try within seconds."""


RULES: Final[tuple[Rule, ...]] = (
    # Rights
    Rule(
        "arm",
        "AuthorizationFailed|LinkedAuthorizationFailed",
        AccessDeniedError,
        "Your account may not {action} on {scope}.",
        "Ask an owner of the subscription for the role Contributor on it (for role assignments: Owner, or Role Based "
        "Access Control Administrator). If it was given just now, sign in again.",
        r"action '(?P<action>[^']+)'.*scope '(?P<scope>[^']+)'",
    ),
    Rule(
        "arm",
        "AuthorizationFailed|LinkedAuthorizationFailed",
        AccessDeniedError,
        "Your account may not do this: {original}",
        "Ask an owner of the subscription for the role Contributor.",
    ),
    Rule(
        "arm",
        "RequestDisallowedByPolicy",
        AccessDeniedError,
        "The organization's policy forbids this: multifactor authentication is needed to change things.",
        "Sign in again with a second factor: az login --tenant {tenant}",
        r"(?i)\bmulti-?factor authentication\b|\bMFA\b",
    ),
    Rule(
        "arm",
        "RequestDisallowedByPolicy",
        AccessDeniedError,
        "The organization's policy {policy} forbids {thing}.",
        f"Choose a region {CHOOSE_NAMES} or size that the policy allows, or ask the subscription's owner for an "
        "exemption.",
    ),
    Rule(
        "arm",
        "DisabledSubscription|ReadOnlyDisabledSubscription|SubscriptionNotEnabled",
        AccessDeniedError,
        "The subscription is disabled, so nothing in it can be changed.",
        "Ask its owner to enable it, or choose another.",
    ),
    Rule(
        "arm",
        "ScopeLocked",
        ConflictError,
        "A lock protects {thing}: {original}",
        "Remove the lock in the portal under Locks.",
    ),
    # Sign-in, as Resource Manager sees it
    Rule(
        "arm",
        "InvalidAuthenticationTokenTenant",
        SignInError,
        "The subscription belongs to another directory (tenant) than the one you are signed in to.",
        "Sign in to its directory: az login --tenant TENANT",
    ),
    Rule(
        "arm",
        "ExpiredAuthenticationToken|InvalidAuthenticationToken.*|AuthenticationFailed.*",
        SignInError,
        "Azure no longer takes the sign-in: {original}",
        SIGN_IN_AGAIN,
    ),
    # Subscriptions and providers
    Rule(
        "arm",
        "InvalidSubscriptionId|SubscriptionNotFound",
        NotFoundError,
        "There is no such subscription for this account.",
        "Choose another (section set-up, step Choose the subscription), or sign in to another directory.",
    ),
    Rule(
        "arm",
        "MissingSubscriptionRegistration|SubscriptionNotRegistered",
        ConflictError,
        "The subscription is not registered to use {namespace}.",
        "Do the step “Register the resource providers” first, or run: az provider register --namespace {namespace}",
        r"namespace '(?P<namespace>[^']+)'",
    ),
    Rule(
        "arm",
        "MissingSubscriptionRegistration|SubscriptionNotRegistered",
        ConflictError,
        "The subscription is not registered for this kind of resource: {original}",
        "Do the step “Register the resource providers” first.",
    ),
    # Names
    Rule(
        "arm",
        "StorageAccountAlreadyTaken|StorageAccountAlreadyExists|AlreadyInUse|NameNotAvailable",
        ConflictError,
        "The name {thing} is taken, by somebody anywhere in Azure.",
        f"Choose another prefix {CHOOSE_NAMES}: the worldwide names follow from it.",
    ),
    Rule(
        "arm",
        "VaultAlreadyExists|ConflictError",
        ConflictError,
        "The vault name {thing} is taken: by somebody anywhere in Azure, or by a vault that is only soft-deleted.",
        "If it was yours: recover or purge it under Manage deleted vaults in the portal. Else choose another prefix "
        f"{CHOOSE_NAMES}.",
        r"(?i)vault",
    ),
    Rule(
        "arm",
        "InvalidResourceGroupLocation|InvalidResourceLocation",
        ConflictError,
        "{thing} exists already in another region: {original}",
        f"Choose that region, or another prefix {CHOOSE_NAMES}.",
    ),
    Rule(
        "arm",
        "AccountNameInvalid|InvalidResourceName|InvalidResourceGroup|VaultNameNotValid|ReservedResourceName",
        ServiceError,
        "Azure does not take the name {thing}: {original}",
        f"Choose another prefix {CHOOSE_NAMES}.",
    ),
    # Regions, sizes, quotas
    Rule(
        "arm",
        "LocationNotAvailableForResource(Type|Group)|InvalidLocation",
        ConflictError,
        "This region does not offer it: {original}",
        f"Choose another region {CHOOSE_NAMES}.",
    ),
    Rule(
        "arm",
        ".*QuotaExceeded.*|SkuNotAvailable|.*STOCKOUT.*|MaxStorageAccountsCountPerSubscriptionExceeded",
        ConflictError,
        "The subscription's quota, or the region, does not allow it: {original}",
        f"Ask for more quota in the portal under Quotas, or choose another region {CHOOSE_NAMES}.",
    ),
    # What passes by itself
    Rule(
        "arm",
        "AnotherOperationInProgress|StorageAccountOperationInProgress|RetryableError|PrincipalNotFound",
        ConflictError,
        "Azure is still busy with {thing}: {original}",
        "Wait a minute, then try again.",
        retry=True,
    ),
    Rule(
        "arm",
        "ResourceGroupBeingDeleted|ResourceBeingDeleted",
        ConflictError,
        "{thing}, or the group that it is in, is still being deleted.",
        "Wait until it is gone (a few minutes), then try again.",
    ),
    Rule(
        "arm",
        "TooManyRequests|.*Throttled|ServerBusy|ServiceUnavailable|ServerTimeout|GatewayTimeout",
        UnreachableError,
        "Azure is too busy just now: {original}",
        "Wait a minute, then try again.",
    ),
    # Entra ID
    Rule(
        "entra",
        "AADSTS7000215",
        SignInError,
        "The client secret is wrong.",
        "Copy the secret's value, not its id, into AZURE_CLIENT_SECRET; a new one takes about a minute to work.",
    ),
    Rule(
        "entra",
        "AADSTS7000222",
        SignInError,
        "The client secret has expired.",
        "Add a new one to the application, then set AZURE_CLIENT_SECRET.",
    ),
    Rule(
        "entra",
        "AADSTS700016",
        SignInError,
        "The application {thing} is not known in this directory (tenant).",
        "Look at AZURE_CLIENT_ID and AZURE_TENANT_ID.",
    ),
    Rule(
        "entra",
        "AADSTS70021|AADSTS7002\\d\\d",
        SignInError,
        "The application has no federated credential that fits this workflow's token.",
        "Compare issuer and subject in the application's federated credentials with those in the details.",
    ),
    Rule(
        "entra",
        "AADSTS90002|AADSTS900023|AADSTS90130|invalid_tenant|no_authority",
        SignInError,
        "There is no such directory (tenant): {tenant}.",
        "Look at the tenant's id (AZURE_TENANT_ID), or leave it away.",
    ),
    Rule(
        "entra",
        "AADSTS50076|AADSTS50079|AADSTS50074|AADSTS50072|AADSTS16000\\d*|interaction_required|consent_required",
        SignInError,
        "The directory (tenant) asks for a second factor, or for a consent, that only you can give.",
        "Sign in again in the browser: az login --tenant {tenant}",
    ),
    Rule(
        "entra",
        "AADSTS53000|AADSTS53001|AADSTS53002|AADSTS53003|AADSTS530\\d+",
        SignInError,
        "The directory's Conditional Access forbids this way to sign in.",
        "Sign in in the browser, on a machine that the organization manages, or run there: az login --tenant {tenant}",
    ),
    Rule(
        "entra",
        "AADSTS50173|AADSTS50132|AADSTS50133|AADSTS50078|AADSTS500133|AADSTS70043",
        SignInError,
        "The sign-in was revoked: the password was changed, or an administrator ended all sessions.",
        SIGN_IN_AGAIN,
    ),
    Rule(
        "entra", "AADSTS50057|AADSTS50053", SignInError, "The account is disabled or locked.", "Ask your organization."
    ),
    Rule(
        "entra",
        "AADSTS700082|AADSTS700084|AADSTS70008|AADSTS9002313|AADSTS50089|invalid_grant|no_token",
        SignInError,
        "The sign-in has expired.",
        SIGN_IN_AGAIN,
    ),
    Rule(
        "entra",
        "AADSTS70018|AADSTS65004|authorization_declined|access_denied",
        SignInError,
        "The sign-in was declined.",
        "Try again, and confirm it.",
    ),
    Rule(
        "entra",
        "AADSTS70020|AADSTS70019|expired_token|code_expired",
        SignInError,
        "The code was not typed in time.",
        "Try again: it is good for 15 minutes.",
    ),
    # Connections that did not come about; the code is empty, the words are those of OpenSSL, urllib3 and the system
    Rule(
        "network",
        "",
        UnreachableError,
        "The certificate of {host} is not trusted ({reason}).",
        "If your organization's proxy looks into TLS, put its certificate into a bundle and set REQUESTS_CA_BUNDLE to "
        "that file; else look at this machine's clock.",
        r"(?i)certificate[_ ]verify[_ ]failed(?:.*?failed: (?P<reason>[\w ,.'-]*[\w']))?",
    ),
    Rule(
        "network",
        "",
        UnreachableError,
        "The proxy wants a name and a password before it lets {host} through.",
        "Put them into HTTPS_PROXY (http://name:password@proxy:port), or ask your network's people.",
        r"(?i)tunnel connection failed: 407|407 proxy authentication",
    ),
    Rule(
        "network",
        "",
        UnreachableError,
        "The proxy does not let {host} through, or cannot be reached itself.",
        "Look at HTTPS_PROXY and NO_PROXY, or ask your network's people.",
        r"(?i)proxyerror|tunnel connection failed|cannot connect to proxy|unable to connect to proxy",
    ),
    Rule(
        "network",
        "",
        UnreachableError,
        "The name {host} cannot be resolved.",
        "Look at your network, VPN and DNS, then try again.",
        r"(?i)getaddrinfo|name or service not known|failed to resolve|nameresolution|nodename nor|name resolution",
    ),
    Rule(
        "network",
        "",
        UnreachableError,
        "{host} does not answer in time.",
        "Look at your network, VPN and firewall, then try again.",
        r"(?i)timed? ?out",
    ),
    Rule(
        "network",
        "",
        UnreachableError,
        "{host} refuses the connection.",
        "Look at your network, VPN and firewall, then try again; a practice cloud that was stopped is started again.",
        r"(?i)refused",
    ),
    Rule(
        "network",
        "",
        UnreachableError,
        "{host} dropped the connection.",
        "Try again; if it stays so, look at your network, VPN and firewall.",
        r"(?i)reset by peer|remote end closed|remotedisconnected|forcibly closed|connection aborted|eof occurred"
        r"|incompleteread|response ended prematurely",
    ),
    Rule("network", "", UnreachableError, "{host} cannot be reached.", "Look at your network, then try again."),
)


class _Known(dict[str, str]):
    """Facts by name; what nobody knows has a word that can stand in a sentence."""

    def __missing__(self, key: str) -> str:
        return {"tenant": "TENANT", "policy": "(not named)", "reason": "unknown reason"}.get(key, "it")


def rule_for(service: Service, code: str, original: str) -> Rule | None:
    """Return the first rule that fits, or None.

    Args:
        service: Who answered.
        code: Its code; empty where there is none.
        original: Its own words.
    """
    for rule in RULES:
        if (
            rule.service == service
            and re.fullmatch(rule.code, code, re.IGNORECASE)
            and (not rule.pattern or re.search(rule.pattern, original, re.DOTALL))
        ):
            return rule
    return None


def explain(rule: Rule, code: str, original: str, *, detail: str = "", **facts: str) -> WizardError:
    """Return the project's error for a service's.

    Args:
        rule: What it means.
        code: The service's code.
        original: The service's own words.
        detail: What is kept for a question to the proctor; the code and the words where it is empty.
        facts: What message and hint can name.
    """
    found = re.search(rule.pattern, original, re.DOTALL) if rule.pattern else None
    groups = {name: value for name, value in (found.groupdict() if found else {}).items() if value}
    words = _Known({**{name: value for name, value in facts.items() if value}, "original": original.strip(), **groups})
    return rule.error(
        rule.message.format_map(words),
        rule.hint.format_map(words),
        code=code,
        detail=detail or f"{code}: {original}".removeprefix(": "),
    )


def _error_of(body: Any) -> Mapping[str, Any]:
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    return error if isinstance(error, Mapping) else {}


def code_of(body: Any) -> str:
    """Return the code of an error document, or an empty string."""
    return str(_error_of(body).get("code") or "")


def of_answer(status: int, body: Any, thing: str, *, request: str = "") -> WizardError:
    """Return the error that an answer of Resource Manager's means.

    Args:
        status: HTTP status, 400 or above.
        body: The parsed answer; anything else than an error document is taken as it is.
        thing: What was asked for.
        request: The request's id, by which Microsoft's support finds it.
    """
    error = _error_of(body)
    code = code_of(body)
    original = str(error.get("message") or (body if isinstance(body, str) else "") or f"HTTP {status}").strip()[:2000]
    detail = f"HTTP {status} {code}: {original}".replace(" : ", ": ")
    for inner in error.get("details") or ():
        if isinstance(inner, Mapping) and inner.get("message") and str(inner["message"]) not in detail:
            detail += f"\n{inner.get('code', '')}: {inner['message']}"[:2000]
    if request:
        detail += f"\nRequest id: {request}"
    if rule := rule_for("arm", code, original):
        return explain(rule, code, original, detail=detail, thing=thing, policy=_policy(error))
    kind: type[WizardError] = {401: SignInError, 403: AccessDeniedError, 404: NotFoundError, 409: ConflictError}.get(
        status, ServiceError
    )
    hint = {401: SIGN_IN_AGAIN, 403: "Ask an owner of the subscription for the role Contributor.", 404: ""}.get(
        status, "Try again; if it stays so, copy the details to the proctor."
    )
    return kind(f"{thing}: {original}", hint, code=code, detail=detail)


def _policy(error: Mapping[str, Any]) -> str:
    """Return the display names of the policies that refused (`additionalInfo[].info.policyDefinitionDisplayName`)."""
    information = [
        entry["info"]
        for entry in error.get("additionalInfo") or ()
        if isinstance(entry, Mapping) and isinstance(entry.get("info"), Mapping)
    ]
    named = [
        str(info.get("policyDefinitionDisplayName") or info.get("policyAssignmentDisplayName") or "")
        for info in information
    ]
    return ", ".join(f"“{name}”" for name in dict.fromkeys(named) if name)


_SIGN_IN_CODE = re.compile(
    r"AADSTS\d+|\b(?:invalid_grant|authorization_declined|access_denied|expired_token|code_expired"
    r"|interaction_required|consent_required|invalid_tenant)\b"
)
_SIGN_IN_WORDS = (
    (r"does not exist in MSAL token cache|Can't find token from MSAL cache", "no_token"),
    (r"Unable to get authority configuration", "no_authority"),
)


def of_sign_in(original: str, *, tenant: str = "", thing: str = "") -> SignInError:
    """Return the error that words of Entra ID's, or of a sign-in library, mean.

    Args:
        original: The words; the codes are found in them.
        tenant: The directory that was asked.
        thing: The application that tried, where it is no person.
    """
    # A number says more than the OAuth error that stands before it.
    codes = sorted(_SIGN_IN_CODE.findall(original), key=lambda code: not code.startswith("AADSTS"))
    codes += [code for words, code in _SIGN_IN_WORDS if re.search(words, original)]
    for code in codes:
        if rule := rule_for("entra", code, original):
            error = explain(rule, code, original, detail=original, tenant=tenant, thing=thing)
            if isinstance(error, SignInError):
                return error
    first = original.strip().splitlines()[0] if original.strip() else "no reason given"
    return SignInError(f"The sign-in failed: {first}", SIGN_IN_AGAIN, code=codes[0] if codes else "", detail=original)


def of_network(original: str, host: str) -> UnreachableError:
    """Return the error for a connection that did not come about.

    Args:
        original: What the network libraries say.
        host: Who was asked.
    """
    rule = rule_for("network", "", original)
    error = explain(rule, "", original[:2000], host=host) if rule else None
    return error if isinstance(error, UnreachableError) else UnreachableError(f"{host} cannot be reached.")
