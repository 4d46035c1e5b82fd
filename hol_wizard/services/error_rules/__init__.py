"""What services' error codes mean, and what to do about them: data in this folder's TOML files; the first match wins.

Absence is concluded only from the service's own error codes: these are the rules whose error is `NotFoundError`. A 404
with any other code, or without a code, is an `AbsenceUnclearError`. A status that only says that the service, or a
proxy in between, has a problem is an `InconclusiveError`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from hol_wizard import errors
from hol_wizard.errors import (
    AbsenceUnclearError,
    AccessDeniedError,
    ConflictError,
    InconclusiveError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
    WizardError,
)
from hol_wizard.services import waits
from hol_wizard.services.error_rules.documents import ErrorDocument

Service = Literal[
    "arm", "entra", "network", "graph", "key_vault", "storage", "databricks", "devops", "git", "containers"
]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)

NAMES: Final[Mapping[Service, str]] = {
    "arm": "Azure Resource Manager",
    "entra": "Microsoft Entra ID",
    "network": "The network",
    "graph": "Microsoft Graph",
    "key_vault": "Azure Key Vault",
    "storage": "Azure Storage",
    "databricks": "Azure Databricks",
    "devops": "Azure DevOps",
    "git": "git",
    "containers": "The container engine",
}
"""The services' display names."""
BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a service, or of a proxy in front of it, that has a problem: the result is unknown, try again."""
AGAIN: Final = "Wait a minute, then try again."

SIGN_IN_AGAIN: Final = "Sign in again (<step set-up/sign-in>)<az login>"


LONG: Final = 60.0
"""Minimum number of seconds for which a requested wait is reported."""

READ: Final = 4000
"""Maximum length of a service's text that is searched: patterns with a gap between two parts are slow on long texts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of error."""

    service: Service
    error: type[WizardError]
    message: str
    """In plain words. `{thing}` is the requested resource, `{original}` the service's message, `{host}` the host."""
    hint: str
    code: str = ""
    """Regular expression for the whole code, case-insensitive."""
    pattern: str = ""
    """Regular expression that is searched for in the service's message; its named groups can be used in message and
    hint."""
    link: str = ""
    """A page with details."""
    retry: bool = False
    """Whether the same request should be repeated within seconds."""


@cache
def rules(service: Service) -> tuple[Rule, ...]:
    """Return a service's rules, in the order in which they are tried.

    Raises:
        ValueError: A rule in the file is malformed; the tests find that, never an attendee.
    """
    import tomllib

    text = files(__package__).joinpath(f"{service}.toml").read_text(encoding="utf-8")
    found = []
    for number, table in enumerate(tomllib.loads(text).get("rule", ()), start=1):
        kind = getattr(errors, table.pop("error", ""), None)
        if not (isinstance(kind, type) and issubclass(kind, WizardError)):
            raise ValueError(f"{service}.toml: rule {number} names no error of hol_wizard.errors")
        rule = Rule(service=service, error=kind, **table)
        if kind is NotFoundError and not names_absence(rule):
            raise ValueError(f"{service}.toml: rule {number} concludes absence without a code of the service")
        found.append(rule)
    return tuple(found)


def names_absence(rule: Rule) -> bool:
    """Return whether a rule names the service's codes, or for git the number of the message."""
    if rule.service == "git":
        return bool(re.match(r"TF\d+", rule.pattern))
    return not any(re.fullmatch(rule.code, code, re.IGNORECASE) for code in ("", "404", "PageNotFound", "NOT_KNOWN"))


class _Known(dict[str, str]):
    """Facts by name; an unknown one has a generic word that fits into a sentence."""

    def __missing__(self, key: str) -> str:
        return {"tenant": "TENANT", "policy": "(not named)", "reason": "unknown reason"}.get(key, "it")


def rule_for(service: Service, code: str, original: str) -> Rule | None:
    """Return the first rule that matches, or None.

    Args:
        service: The service that responded.
        code: Its code; empty if there is none.
        original: Its message.
    """
    code, original = code[:READ], original[:READ]
    for rule in rules(service):
        if re.fullmatch(rule.code, code, re.IGNORECASE) and (
            not rule.pattern or re.search(rule.pattern, original, re.DOTALL)
        ):
            return rule
    return None


def explain(rule: Rule, code: str, original: str, *, detail: str = "", **facts: str) -> WizardError:
    """Return the project's error for a service's error.

    Args:
        rule: The matching rule.
        code: The service's code.
        original: The service's message.
        detail: The details for a question to the proctor; the code and the message if it is empty.
        facts: Values for placeholders in message and hint.
    """
    original = original[:READ]
    found = re.search(rule.pattern, original, re.DOTALL) if rule.pattern else None
    groups = {name: value for name, value in (found.groupdict() if found else {}).items() if value}
    words = _Known({**{name: value for name, value in facts.items() if value}, "original": original.strip(), **groups})
    hint = rule.hint.format_map(words)
    error = rule.error(
        rule.message.format_map(words),
        f"{hint} More: {rule.link}" if rule.link else hint,
        code=code,
        detail=detail or f"{code}: {original}".removeprefix(": "),
    )
    # Another git that holds a lock may have been killed.
    error.passes = rule.retry and rule.service != "git"
    return error


def of_reply(
    service: Service, status: int, headers: Mapping[str, str], body: Any, thing: str, *, host: str = "", proxy: str = ""
) -> WizardError:
    """Return the error that a service's refusal means.

    Args:
        service: The service that responded.
        status: HTTP status, 400 or above.
        headers: The response's headers, names in lowercase. Storage sends its code there, and for HEAD nothing else.
        body: The parsed response.
        thing: What was asked for.
        host: Who was asked.
        proxy: The proxy through which it was asked, as `host:port`; empty: none.
    """
    request = headers.get("x-ms-request-id") or headers.get("request-id") or ""
    document = ErrorDocument.read(body, headers.get("x-ms-error-code", ""))
    if not document.words and (words := headers.get("x-tfs-serviceerror")):
        # Azure DevOps repeats the message of its HTML pages in this header.
        document = replace(document, form="document", words=unquote(words))
    error = _of_document(service, status, document, thing, request=request, host=host, proxy=proxy)
    asked = waits.retry_after(headers)
    if asked is not None and asked > LONG and isinstance(error, UnreachableError):
        error.hint = f"{NAMES[service]} asks to wait for {waits.in_words(asked)}: try again after that."
    return error


_GENERIC_REFUSAL = re.compile(
    r"(?:|403|Forbidden|Unauthorized\w*|PERMISSION_DENIED|Auth?orization_?RequestDenied|Authorization\w*"
    r"|Access_?Denied\w*|Insufficient\w*Permissions?\w*)",
    re.IGNORECASE,
)
"""Codes that say no more than that the account may not do something. Any other code of a 403 has a reason of its own,
which a role may not remove (`RequestDisallowedByAzure`)."""
_SHOW = "Show the details to the proctor or to your administrator."
_ASK = {
    "arm": "Ask an owner of the subscription for the role Contributor.",
    "graph": "Ask an administrator of the directory (tenant).",
    "key_vault": "Ask an owner of the key vault for an access policy for you.",
    "storage": "Ask an owner of the storage account for the role Storage Blob Data Contributor.",
    "databricks": "Ask an administrator of the Databricks workspace.",
    "devops": "Ask an administrator of the Azure DevOps organization.",
}


def of_answer(service: Service, status: int, body: Any, thing: str) -> WizardError:
    """Return the error that a response without relevant headers means.

    Args:
        service: The service that responded.
        status: HTTP status, 400 or above.
        body: The parsed response; anything other than an error document is used as text.
        thing: What was asked for.
    """
    return _of_document(service, status, ErrorDocument.read(body), thing)


def of_failure(service: Service, body: Any, thing: str) -> WizardError:
    """Return the error for an operation that the service itself reports as failed, regardless of the code.

    Args:
        service: The service that carried it out.
        body: The reason, as an error document.
        thing: The subject of the operation.
    """
    document = ErrorDocument.read(body)
    detail = _detail("", document)
    if rule := rule_for(service, document.code, document.words):
        error = explain(rule, document.code, document.words, detail=detail, thing=thing, policy=_policy(document))
        if not isinstance(error, UnreachableError | NotFoundError):
            return error
        return ServiceError(error.message, error.hint, code=error.code, detail=error.detail)
    hint = "Try again. If it happens again, give the details to the proctor."
    return ServiceError(f"{thing}: {document.words or document.code}", hint, code=document.code, detail=detail)


def _of_document(
    service: Service,
    status: int,
    document: ErrorDocument,
    thing: str,
    *,
    request: str = "",
    host: str = "",
    proxy: str = "",
) -> WizardError:
    original = document.words[:2000] or f"HTTP {status}"
    detail = _detail(f"HTTP {status}", document, request)
    rule = rule_for(service, document.code, original)
    troubled = status in BUSY or status >= 500
    told = {"code": document.code, "detail": detail}
    if rule is not None and not (troubled and rule.error is NotFoundError):
        error = explain(rule, document.code, original, detail=detail, thing=thing, policy=_policy(document))
        certain = not troubled or isinstance(error, UnreachableError)
        return error if certain else InconclusiveError(error.message, error.hint, **told)
    if troubled:
        words = f": {document.words[:500]}" if document.words else "."
        message = f"{NAMES[service]} has a problem, or is too busy (HTTP {status}){words}"
        return InconclusiveError(message, AGAIN, **told)
    if status == 404:
        return _absence_unclear(service, document, thing, host, proxy, detail)
    if status == 407 or (status != 401 and not _is_refusal(status, document)):
        return between(status, host, proxy, **told)
    kind: type[WizardError] = {401: SignInError, 403: AccessDeniedError, 409: ConflictError}.get(status, ServiceError)
    asked = _ASK.get(service, _SHOW) if _GENERIC_REFUSAL.fullmatch(document.code) else _SHOW
    hint = {401: SIGN_IN_AGAIN, 403: asked}.get(
        status, "Try again. If it happens again, give the details to the proctor."
    )
    return kind(f"{thing}: {original}", hint, **told)


def _is_refusal(status: int, document: ErrorDocument) -> bool:
    """Return whether the service itself refuses, rather than a proxy in front of it.

    A service's 403 contains a reason; services do not send HTML pages to programs.
    """
    return document.form == "document" or (document.form != "page" and status != 403)


def _detail(status: str, document: ErrorDocument, request: str = "") -> str:
    """Return the details for a question to the proctor."""
    said = document.words[:2000] or {"page": "a page of HTML", "nothing": "no words"}.get(document.form, "")
    detail = ": ".join(filter(None, (" ".join(filter(None, (status, document.code))), said)))
    for code, words in document.details:
        if words and words not in detail:
            detail += f"\n{code}: {words}"[:2000]
    return f"{detail}\nRequest id: {request}" if request else detail


def _absence_unclear(
    service: Service, document: ErrorDocument, thing: str, host: str, proxy: str, detail: str
) -> AbsenceUnclearError:
    said = f"with the code {document.code}, which does not say so" if document.code else "without a code"
    return AbsenceUnclearError(
        f"Cannot tell whether {thing} exists: HTTP 404 came {said}.",
        f"Try again. If it happens again, something between this machine and {host or NAMES[service]} may be "
        f"answering instead{f' (the proxy {proxy})' if proxy else ''}: check HTTPS_PROXY and NO_PROXY.",
        code=document.code,
        detail=detail,
    )


def of_redirect(service: Service, status: int, location: str, host: str, proxy: str = "") -> WizardError:
    """Return the error for a redirect, which no service of the cloud sends to a program except to a page of errors.

    Databricks redirects to `/login.html?error=private-link-validation-error` if a workspace is closed to this network
    (learn.microsoft.com/azure/databricks/security/network/front-end/front-end-private-connect).

    Args:
        service: The service that was asked.
        status: HTTP status, 300 to 399.
        location: Where it leads.
        host: Who was asked.
        proxy: The proxy through which it was asked, as `host:port`; empty: none.
    """
    where = urlsplit(location)
    if (where.hostname or host.partition(":")[0]) == host.partition(":")[0]:
        for told in parse_qs(where.query).get("error", ()):
            if rule := rule_for(service, "", told):
                return explain(rule, "", told, detail=f"HTTP {status} to {where.path}?error={told}", thing=host)
    return between(status, host, proxy, detail=f"HTTP {status} to {where.hostname or ''}{where.path}")


def between(status: int, host: str, proxy: str = "", *, code: str = "", detail: str = "") -> InconclusiveError:
    """Return the error for a response that does not come from a service of the cloud.

    Args:
        status: HTTP status.
        host: Who was asked.
        proxy: The proxy through which it was asked, as `host:port`; empty: none.
        code: The response's code.
        detail: The details for a question to the proctor.
    """
    if status == 407:
        message = f"The proxy {proxy or 'of this network'} requires a name and a password (HTTP 407)."
        hint = "Put them into HTTPS_PROXY (http://name:password@proxy:port), or ask your network administrator."
        return InconclusiveError(message, hint, code=code, detail=detail)
    way = f"The proxy {proxy}, or something else" if proxy else "Something"
    return InconclusiveError(
        f"{way} between this machine and {host or 'the service'} answers instead (HTTP {status}).",
        "Sign in to the network (hotel, guest Wi-Fi) in a browser, or check HTTPS_PROXY and NO_PROXY.",
        code=code,
        detail=detail,
    )


def _policy(document: ErrorDocument) -> str:
    return ", ".join(f"“{name}”" for name in dict.fromkeys(document.policies))


_SIGN_IN_CODE = re.compile(
    r"AADSTS\d+|\b(?:invalid_grant|authorization_declined|access_denied|expired_token|code_expired"
    r"|interaction_required|consent_required|invalid_tenant)\b"
)
_SIGN_IN_WORDS = (
    (r"does not exist in MSAL token cache|Can't find token from MSAL cache", "no_token"),
    (r"Unable to get authority configuration", "no_authority"),
)


def of_sign_in(original: str, *, tenant: str = "", thing: str = "") -> SignInError:
    """Return the error that a message of Entra ID, or of a sign-in library, means.

    Args:
        original: The message, which contains the codes.
        tenant: The requested directory.
        thing: The application that signed in, if it is not a person.
    """
    original = original[:READ]
    # The number is more specific than the OAuth error in front of it.
    codes = sorted(_SIGN_IN_CODE.findall(original), key=lambda code: not code.startswith("AADSTS"))
    if codes and codes[0].startswith("AADSTS"):
        # A number without a rule must not get the meaning of the general word: invalid_grant has dozens of causes.
        codes = [code for code in codes if code.startswith("AADSTS")]
    codes += [code for words, code in _SIGN_IN_WORDS if re.search(words, original)]
    for code in codes:
        if rule := rule_for("entra", code, original):
            error = explain(rule, code, original, detail=original, tenant=tenant, thing=thing)
            if isinstance(error, SignInError):
                return error
    first = original.strip().splitlines()[0] if original.strip() else "no reason given"
    # Numbers for Microsoft's support, which are also among the details.
    first = re.split(r"(?:Trace ID|Correlation ID|Timestamp):", first)[0].rstrip()
    return SignInError(f"The sign-in failed: {first}", SIGN_IN_AGAIN, code=codes[0] if codes else "", detail=original)


def of_network(original: str, host: str) -> UnreachableError:
    """Return the error for a connection that failed.

    Args:
        original: The message of the network library.
        host: Who was asked.
    """
    rule = rule_for("network", "", original)
    error = explain(rule, "", original[:2000], host=host) if rule else None
    return error if isinstance(error, UnreachableError) else UnreachableError(f"{host} cannot be reached.")
